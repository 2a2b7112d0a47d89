//! The trainings of plans, as they follow from an experiment.

use crate::experiment::{Experiment, Plan};

/// An experiment of one training with the same settings.
pub(crate) fn single_of(experiment: &Experiment) -> Experiment {
    Experiment { plan: Plan::default(), ..experiment.clone() }
}

/// The same training on all rows, up to the step that was best on a split of them; `rows` of them were trained on there.
pub(crate) fn on_everything(experiment: &Experiment, step: u64, rows: usize) -> Experiment {
    let mut full = single_of(experiment);
    full.data.val_size = 0.0;
    full.data.additional.extend(full.data.validation.take());
    full.training.stop_at_step = step;
    full.training.early_stopping_patience = 0;
    // The schedule is that of the split, whatever number of rows an epoch has now.
    full.training.steps = experiment.training.total_steps(rows);
    full
}
