//! Fitting an experiment, with all that it consists of, to what is at hand.

use std::path::PathBuf;

use re_formats::AugmenterConfig;
use re_model::EncoderConfig;
use re_model::hub;
use re_train::TrainConfig;

use crate::error::{Error, Result};
use crate::experiment::{Experiment, Plan};

impl Experiment {
    /// Changes the experiment and those of the members of its vote alike.
    ///
    /// ```
    /// # use re_experiment::Experiment;
    /// # let mut experiment = Experiment::default();
    /// experiment.for_each(&mut |experiment| experiment.training.device = "cuda:0".to_owned());
    /// ```
    pub fn for_each(&mut self, change: &mut dyn FnMut(&mut Self)) {
        change(self);
        let members = self.plan.members_mut().iter_mut();
        members
            .filter_map(|member| member.experiment.as_mut())
            .for_each(|experiment| experiment.for_each(change));
    }

    /// Makes the experiment a smaller or larger copy of itself: `steps` steps, while warm-up and the distances
    /// between evaluations and checkpoints keep their shares. Members of a vote keep their proportion to it.
    ///
    /// Where the number of steps follows from epochs, `steps` takes their place and the rest stays.
    pub fn scale_steps(&mut self, steps: u64) {
        let before = self.training.steps;
        self.for_each(&mut |experiment| {
            let training = &mut experiment.training;
            let own = if before == 0 || training.steps == 0 {
                steps
            } else {
                scaled(training.steps, steps, before)
            };
            scale(training, own);
        });
    }

    /// Asks no more layers or tokens of the encoder than it has, and says what it changed. For settings that were
    /// made with another encoder in mind; without this they are an error.
    ///
    /// # Errors
    /// Those of [`EncoderConfig::from_folder`].
    pub fn fit_encoder(&mut self) -> Result<Vec<String>> {
        let mut notes = Vec::new();
        let mut result = Ok(());
        self.for_each(&mut |experiment| {
            if result.is_ok() {
                result = experiment.fit_own_encoder(&mut notes);
            }
        });
        notes.dedup();
        result.map(|()| notes)
    }

    fn fit_own_encoder(&mut self, notes: &mut Vec<String>) -> Result<()> {
        let folder = hub::model_folder(&self.model.folder, self.model.download)?;
        let config = EncoderConfig::from_folder(&folder).map_err(re_model::Error::from)?;
        let (name, layers, tokens) =
            (self.model.folder.display(), config.num_hidden_layers, config.max_length());
        if self.model.layers.is_some_and(|wanted| wanted > layers) {
            notes.push(format!("{name} has {layers} layers: using all of them"));
            self.model.layers = None;
        }
        if self.encoding.max_length > tokens {
            notes.push(format!("{name} reads {tokens} tokens: encoding.max_length = {tokens}"));
            self.encoding.max_length = tokens;
        }
        Ok(())
    }

    /// Lets a trained run take the place of a member's training: `RUN` or `RUN@STEP` for the first member that is
    /// still to be trained, `MEMBER=RUN` for a certain one.
    ///
    /// # Errors
    /// [`re_train::Error::Config`] where there is no such member.
    pub fn use_run(&mut self, reference: &str) -> Result<()> {
        let members = self.plan.members_mut();
        let names: Vec<String> = members.iter().map(|member| member.member.clone()).collect();
        let named = reference.split_once('=').filter(|(name, _)| names.iter().any(|known| known == name));
        let (run, member) = match named {
            Some((name, run)) => (run, members.iter_mut().find(|member| member.member == name)),
            None => (reference, members.iter_mut().find(|member| member.run.is_none())),
        };
        match member {
            Some(member) => {
                member.run = Some(PathBuf::from(run));
                Ok(())
            }
            None => Err(Error::config(
                "--member",
                reference.to_owned(),
                match names.as_slice() {
                    [] => "an experiment with members".to_owned(),
                    names => format!("at most one run for each of the members {}", names.join(", ")),
                },
            )),
        }
    }

    /// All paths of the experiment, to be resolved against a folder.
    pub fn paths_mut(&mut self) -> impl Iterator<Item = &mut PathBuf> {
        let mut paths = Vec::new();
        self.collect_paths(&mut paths);
        paths.into_iter()
    }

    fn collect_paths<'a>(&'a mut self, paths: &mut Vec<&'a mut PathBuf>) {
        let Self { model, data, plan, questions, .. } = self;
        let optional = [&mut data.validation, &mut data.test, &mut data.labels, &mut data.entity_types];
        paths.extend([&mut model.folder, &mut data.train]);
        paths.extend(optional.into_iter().flatten());
        paths.extend(&mut data.additional);
        paths.extend(data.pairs.iter_mut().filter_map(|pairs| pairs.hard_negatives_from.as_mut()));
        paths.extend(data.augmentation.iter_mut().filter_map(AugmenterConfig::file_mut));
        paths.extend(questions.iter_mut().filter_map(|questions| questions.file.as_mut()));
        match plan {
            Plan::PseudoLabels { unlabelled, .. } => paths.push(unlabelled),
            Plan::Vote { members, .. }
            | Plan::QuestionAnswering { members }
            | Plan::TextToGraph { members, .. } => {
                for member in members {
                    paths.extend(&mut member.run);
                    if let Some(experiment) = &mut member.experiment {
                        experiment.collect_paths(paths);
                    }
                }
            }
            Plan::StepTransfer { split } => paths.extend(split),
            Plan::Single {} | Plan::KFold { .. } | Plan::TwoStage { .. } => {}
        }
    }
}

/// `value * by / of`, rounded, at least 1 unless `value` is 0.
fn scaled(value: u64, by: u64, of: u64) -> u64 {
    let product = u128::from(value) * u128::from(by) + u128::from(of / 2);
    let rounded = u64::try_from(product / u128::from(of.max(1))).unwrap_or(u64::MAX);
    rounded.max(value.min(1))
}

fn scale(training: &mut TrainConfig, steps: u64) {
    let before = training.steps;
    if before > 0 {
        for share in [&mut training.stop_at_step, &mut training.eval_steps, &mut training.save_steps] {
            *share = scaled(*share, steps, before);
        }
        training.warmup_steps = scaled(training.warmup_steps, steps, before);
    }
    training.warmup_steps = training.warmup_steps.min(steps.saturating_sub(1));
    training.steps = steps;
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::experiment::MemberConfig;

    fn vote() -> Experiment {
        let member = |name: &str, steps| MemberConfig {
            member: name.to_owned(),
            run: None,
            full_data_of: None,
            experiment: Some(Box::new(Experiment {
                training: TrainConfig { steps, warmup_steps: 500, ..TrainConfig::default() },
                ..Experiment::default()
            })),
        };
        let members = vec![member("a", 3000), member("b", 9000)];
        let training = TrainConfig { steps: 3000, ..TrainConfig::default() };
        Experiment { training, plan: Plan::Vote { members, votes: Vec::new() }, ..Experiment::default() }
    }

    #[test]
    fn members_keep_their_proportion() {
        let mut experiment = vote();
        experiment.scale_steps(300);
        let steps: Vec<(u64, u64, u64)> = experiment
            .plan
            .members()
            .iter()
            .map(|member| &member.experiment.as_ref().unwrap().training)
            .map(|training| (training.steps, training.warmup_steps, training.eval_steps))
            .collect();
        assert_eq!(steps, [(300, 50, 50), (900, 50, 50)]);
        experiment.scale_steps(1);
        let training = &experiment.plan.members()[0].experiment.as_ref().unwrap().training;
        assert_eq!((training.steps, training.warmup_steps, training.eval_steps), (1, 0, 1));
    }

    #[test]
    fn steps_take_the_place_of_epochs() {
        let mut experiment = Experiment::default();
        experiment.training.warmup_steps = 500;
        experiment.scale_steps(4);
        let TrainConfig { steps, warmup_steps, eval_steps, .. } = experiment.training;
        assert_eq!((steps, warmup_steps, eval_steps), (4, 3, 500));
    }

    #[test]
    fn runs_take_the_place_of_members() {
        let runs = |references: &[&str]| {
            let mut experiment = vote();
            let result = references.iter().try_for_each(|reference| experiment.use_run(reference));
            let run = |member: &MemberConfig| member.run.clone().map(|run| run.display().to_string());
            result.map(|()| experiment.plan.members().iter().map(run).collect::<Vec<_>>())
        };
        let some = |text: &str| Some(text.to_owned());
        assert_eq!(runs(&["x@3"]).unwrap(), [some("x@3"), None]);
        assert_eq!(runs(&["b=x", "runs/lr=1@7"]).unwrap(), [some("runs/lr=1@7"), some("x")]);
        let error = runs(&["x", "y", "z"]).unwrap_err().to_string();
        assert_eq!(error, "--member = z, expected at most one run for each of the members a, b");
        let none = Experiment::default().use_run("x").unwrap_err().to_string();
        assert!(none.contains("an experiment with members"), "{none}");
    }
}
