//! From a checkpoint back into a training.

use std::path::Path;

use re_model::Weights;
use re_model::parameters::Parameters;

use crate::checkpoint::{Checkpoint, TrainerState};
use crate::config::TrainConfig;
use crate::difference::{self, Difference};
use crate::error::{Error, Result};

/// Copies the weights of a checkpoint into the parameters.
pub(super) fn restore(parameters: &Parameters, folder: &Path) -> Result<()> {
    let weights = Weights::open(folder)?;
    for parameter in parameters.iter() {
        let stored = weights.tensor(&parameter.name)?;
        if !stored.map_or(Ok(false), |stored| parameter.restore(&stored))? {
            return Err(Error::Resume {
                checkpoint: folder.to_owned(),
                what: "model",
                found: format!("one with {} of shape {:?}", parameter.name, parameter.tensor.size()),
                expected: "the same parameters in the same shapes".to_owned(),
            });
        }
    }
    Ok(weights.check_unchanged()?)
}

/// A checkpoint goes on only with the settings that its bits depend on.
pub(super) fn check_resumable(
    checkpoint: &Checkpoint,
    saved: &TrainerState,
    now: &TrainerState,
) -> Result<()> {
    let differs = |what, found: String, expected: String| {
        Err(Error::Resume { checkpoint: checkpoint.path.clone(), what, found, expected })
    };
    if saved.data != now.data {
        let hash = |data: u64| format!("rows with hash {data:016x}");
        return differs("training data", hash(now.data), hash(saved.data));
    }
    if saved.steps != now.steps {
        return differs("number of steps", now.steps.to_string(), saved.steps.to_string());
    }
    // What is watched and kept may change between sessions; what is computed may not. The best checkpoint is gone where
    // it was not kept from the beginning.
    let computed = |config: &TrainConfig| TrainConfig {
        logging_steps: 1,
        stop_at_step: 0,
        save_steps: 0,
        keep_last: 0,
        ..config.clone()
    };
    let text = |config: &TrainConfig| serde_json::to_value(computed(config)).unwrap_or_default();
    if let Some(Difference { key, old, new }) = difference::first(&text(&saved.config), &text(&now.config)) {
        return differs("setting", format!("{key} = {new}"), format!("{key} = {old}"));
    }
    Ok(())
}
