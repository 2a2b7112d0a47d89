//! What runs leave behind, put to use again.

use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use re_data::split::normalized_text;
use re_data::{LabelSet, NoRelation, Predictor, SharedPredictor, files};
use re_ensemble::{Ensemble, Gate, TwoStage, Vote, Voter};
use re_model::{JointModel, Precision, RelationClassifier, TaggingOptions, TokenClassifier, TrainedParts};
use re_qa::{GatedAnswerer, QuestionAnswerer};
use re_train::TrainConfig;
use re_trained::votes::{self, Votes};
use re_trained::{VoteConfig, model_folder, split_step};

use crate::data::ExperimentData;
use crate::error::{Error, Result};
use crate::experiment::{Experiment, MemberConfig, Plan};
use crate::folder::{ANSWERER, CONFIG, ONE_STAGE, PAIRS, RELATED, RELATION, RunFolder, Summary};
use crate::own::{OwnHead, OwnParts};
use crate::session::Session;

/// Loads what a run has trained, ready to predict: the model of a single training, the fold models with their vote, both
/// stages, all members with the last vote. `reference` is what [`model_folder`] takes.
///
/// The device is that of `config`, and so is the number format where `config` names one; else every model computes in the
/// one that it was trained in, see [`TrainedParts::precision`] and [`trained_precision`].
///
/// # Errors
/// [`Error::NoModel`] where there is none or the run is not complete; those of loading models.
pub fn load_predictor(reference: impl AsRef<Path>, config: &TrainConfig) -> Result<Box<dyn Predictor>> {
    load_predictor_with(reference, config, &OwnParts::default())
}

/// As [`load_predictor`], for models some of which were trained with a head or a markup of the caller's own: those of the
/// names that their runs record are taken from `parts`.
///
/// # Errors
/// As [`load_predictor`]; [`re_train::Error::Config`] where a part is not among `parts`.
pub fn load_predictor_with(
    reference: impl AsRef<Path>,
    config: &TrainConfig,
    parts: &OwnParts,
) -> Result<Box<dyn Predictor>> {
    plainly(config, |loading| load(reference.as_ref(), Loading { parts, ..loading }))
}

/// Calls `load` for models that are loaded for themselves, in no experiment.
pub(crate) fn plainly<T>(config: &TrainConfig, load: impl FnOnce(Loading<'_>) -> Result<T>) -> Result<T> {
    let (parts, stop) = (OwnParts::default(), Arc::default());
    let precision = config.precision;
    load(Loading { config, parts: &parts, precision, stop: &stop, no_relation: None })
}

/// How models are loaded.
#[derive(Clone, Copy)]
pub(crate) struct Loading<'a> {
    config: &'a TrainConfig,
    /// Where parts of the caller's own are taken from.
    parts: &'a OwnParts,
    /// Number format; where left out, the one that each model was trained in.
    precision: Option<Precision>,
    /// Ends predictions early once it is true.
    stop: &'a Arc<AtomicBool>,
    /// What the outermost run says of the class of no relation, if anything.
    no_relation: Option<&'a NoRelation>,
}

impl<'a> Loading<'a> {
    /// For models that were trained with the settings of `experiment`.
    pub(crate) fn own(experiment: &'a Experiment, session: &'a Session<'_>) -> Self {
        let (config, parts) = (&experiment.training, &experiment.parts);
        Self { config, parts, precision: Some(config.precision()), stop: &session.stop, no_relation: None }
    }

    /// For a model that takes part in `experiment`, and was trained with settings of its own. The experiment says which class
    /// means "no relation", also where the model was trained before that could be said.
    pub(crate) fn of_member(
        experiment: &'a Experiment,
        member: &'a MemberConfig,
        session: &'a Session<'_>,
    ) -> Self {
        Self {
            parts: member.experiment.as_ref().map_or(&experiment.parts, |own| &own.parts),
            precision: None,
            no_relation: experiment.data.no_relation.as_ref(),
            ..Self::own(experiment, session)
        }
    }

    fn precision(&self, folder: &Path) -> Result<Option<Precision>> {
        match self.precision {
            None => trained_precision(folder),
            asked => Ok(asked),
        }
    }
}

/// The number format that the run of a trained model's folder says it was trained in, where that decides in which one to
/// predict: fp32. Folders of earlier versions do not know it by themselves.
///
/// # Errors
/// [`re_train::Error::Io`] and [`re_train::Error::Data`] where one cannot look.
pub fn trained_precision(folder: impl AsRef<Path>) -> Result<Option<Precision>> {
    let precision = recorded(folder.as_ref())?.and_then(|(_, experiment)| experiment.training.precision);
    // Models trained in bf16 are computed in what suits the device.
    Ok(precision.filter(|precision| *precision == Precision::Fp32))
}

/// As [`load_predictor`].
pub(crate) fn load(reference: &Path, loading: Loading<'_>) -> Result<Box<dyn Predictor>> {
    let folder = RunFolder::new(reference);
    let experiment = match model_folder(reference).map_err(Error::from) {
        Ok(model) if QuestionAnswerer::is_in(&model)? => return Ok(Box::new(answerer(&model, loading)?)),
        Ok(model) => {
            let mut classifier = classifier(&model, loading)?;
            if let Some(choice) = loading.no_relation {
                let name = choice.among(classifier.labels()).map(str::to_owned);
                classifier.set_no_relation(name.as_deref())?;
            }
            return Ok(Box::new(classifier));
        }
        Err(Error::NoModel { .. }) if Summary::read(reference)?.is_some() => folder.experiment()?,
        Err(error) => return Err(error),
    };
    let no_relation = loading.no_relation.or(experiment.data.no_relation.as_ref());
    let loading = Loading { no_relation, ..loading };
    let part = |name: &str| load(&reference.join(name), loading);
    let member = |member: &MemberConfig| match &member.run {
        Some(run) => load(run, loading),
        None => part(&member.member),
    };
    let missing = || Error::NoModel { reference: reference.to_owned() };
    match experiment.plan {
        Plan::KFold { folds } => {
            let names = (1..=folds).map(|number| format!("fold-{number}"));
            let members =
                names.map(|name| Ok(Voter::new(&*name, part(&name)?))).collect::<Result<Vec<_>>>()?;
            Ok(Box::new(Ensemble::new(Vote::Mean, members)?))
        }
        Plan::TwoStage { gate } => two_stage(reference, gate, loading),
        Plan::QuestionAnswering { members } => {
            let classifier = member(members.first().ok_or_else(missing)?)?;
            let answerer = answerer(&model_folder(reference.join(ANSWERER))?, loading)?;
            let labels = all_labels(classifier.labels(), &answerer)?;
            Ok(Box::new(GatedAnswerer::new(classifier, answerer, labels)?))
        }
        Plan::Vote { members, votes } => {
            let named = |name: &str| -> Result<SharedPredictor> {
                let known = members.iter().find(|member| member.member == name).ok_or_else(missing)?;
                Ok(SharedPredictor::new(member(known)?))
            };
            let ensemble = |vote: &VoteConfig, parts: Vec<votes::Part<'_, SharedPredictor>>| -> Result<_> {
                let voter = |(name, weight, part)| Voter::new(name, part).with_weight(weight);
                Ok(SharedPredictor::new(Ensemble::new(vote.how, parts.into_iter().map(voter))?))
            };
            let last = votes.last().ok_or_else(missing)?;
            Ok(Box::new(Votes::new(&votes, named, ensemble).of(&last.vote)?))
        }
        Plan::TextToGraph { .. } => part(PAIRS),
        Plan::Single {} | Plan::StepTransfer { .. } | Plan::PseudoLabels { .. } => Err(missing()),
    }
}

pub(crate) fn classifier(folder: &Path, loading: Loading<'_>) -> Result<RelationClassifier> {
    let mut classifier = RelationClassifier::from_pretrained_with(folder, parts(folder, loading)?)?;
    classifier.model_mut().stop_when(Arc::clone(loading.stop));
    Ok(classifier)
}

/// A classifier of pairs and a tagger on one encoder.
pub(crate) fn joint(folder: &Path, loading: Loading<'_>) -> Result<JointModel> {
    let mut model = JointModel::from_pretrained_with(folder, parts(folder, loading)?)?;
    model.stop_when(Arc::clone(loading.stop));
    Ok(model)
}

/// What a trained folder cannot name.
fn parts(folder: &Path, loading: Loading<'_>) -> Result<TrainedParts> {
    let (device, precision) = (Some(loading.config.device()?), loading.precision(folder)?);
    // A folder that no run knows may be of parts that are given, or of none.
    let own = match recorded(folder)? {
        Some((_, experiment)) => loading.parts.of_model(&experiment.own)?,
        None => loading.parts.clone(),
    };
    let head = own.head.as_ref().map(OwnHead::builder);
    Ok(TrainedParts { head, markup: own.markup, device, precision })
}

/// The classifier of `reference` and the tagger of the run or folder `tagger` as one model, where they were trained on one
/// encoder: a text that was tagged then needs no further encoder pass for its pairs. `None` where they were not.
pub(crate) fn joint_of(reference: &Path, tagger: &Path, loading: Loading<'_>) -> Result<Option<JointModel>> {
    if tagger_beside(reference)?.as_deref() != Some(tagger) {
        return Ok(None);
    }
    match model_folder(tagger).map_err(Error::from) {
        Ok(folder) if JointModel::is_in(&folder)? => joint(&folder, loading).map(Some),
        Ok(_) | Err(Error::NoModel { .. }) => Ok(None),
        Err(error) => Err(error),
    }
}

/// Loads a trained tagger: the run of one, the folder of a token classifier, or a run that has one beside a classifier of
/// pairs. Device and number format as in [`load_predictor`].
///
/// # Errors
/// [`Error::NoModel`] where there is none; those of loading it.
pub fn load_tagger(reference: impl AsRef<Path>, config: &TrainConfig) -> Result<TokenClassifier> {
    load_tagger_with(reference, config, TaggingOptions::default())
}

/// As [`load_tagger`]; `tagging` may say how it reads tags, not on which device and in which number format it computes.
///
/// # Errors
/// As [`load_tagger`].
pub fn load_tagger_with(
    reference: impl AsRef<Path>,
    config: &TrainConfig,
    tagging: TaggingOptions,
) -> Result<TokenClassifier> {
    let reference = reference.as_ref();
    let beside = tagger_beside(reference)?;
    plainly(config, |loading| tagger(beside.as_deref().unwrap_or(reference), loading, tagging))
}

/// The run or folder of the tagger that was trained beside the classifier of the run or folder `reference`, if one was.
/// It is the same one where both share an encoder.
///
/// # Errors
/// Those of reading the run's settings.
pub fn tagger_beside(reference: impl AsRef<Path>) -> Result<Option<PathBuf>> {
    let reference = reference.as_ref();
    if let Ok(model) = model_folder(reference)
        && JointModel::is_in(&model)?
    {
        return Ok(Some(reference.to_owned()));
    }
    if !files::is_file(reference.join(CONFIG))? {
        return Ok(None);
    }
    let Plan::TextToGraph { members, shared_encoder } = RunFolder::new(reference).experiment()?.plan else {
        return Ok(None);
    };
    if shared_encoder {
        return Ok(Some(reference.join(PAIRS)));
    }
    let place = |tagger: &MemberConfig| tagger.run.clone().unwrap_or_else(|| reference.join(&tagger.member));
    Ok(members.first().map(place))
}

pub(crate) fn tagger(
    reference: &Path,
    loading: Loading<'_>,
    tagging: TaggingOptions,
) -> Result<TokenClassifier> {
    let folder = model_folder(reference)?;
    let (device, precision) = (Some(loading.config.device()?), loading.precision(&folder)?);
    let options = TaggingOptions { device, precision, ..tagging };
    let mut tagger = TokenClassifier::from_pretrained_with(&folder, options)?;
    tagger.model_mut().stop_when(Arc::clone(loading.stop));
    Ok(tagger)
}

pub(crate) fn answerer(folder: &Path, loading: Loading<'_>) -> Result<QuestionAnswerer> {
    let device = loading.config.device()?;
    let mut answerer = QuestionAnswerer::from_pretrained_with(folder, device, loading.precision(folder)?)?;
    answerer.model_mut().stop_when(Arc::clone(loading.stop));
    Ok(answerer)
}

/// The classes of a classifier or, where it does not tell relations apart, its no-relation class and the relations.
fn all_labels(classifier: &Arc<LabelSet>, answerer: &QuestionAnswerer) -> Result<Arc<LabelSet>> {
    let relations = answerer.questions().labels().names();
    if relations.iter().all(|label| classifier.id(label).is_some()) {
        return Ok(Arc::clone(classifier));
    }
    let none = classifier.no_relation_name();
    let labels = LabelSet::new(none.into_iter().chain(relations.iter().map(String::as_str)))?;
    Ok(Arc::new(labels.with_no_relation(none)?))
}

fn two_stage(run: &Path, gate: Gate, loading: Loading<'_>) -> Result<Box<dyn Predictor>> {
    let part = |name: &str| load(&run.join(name), loading);
    // The two stages know their own classes alone.
    let labels = Arc::clone(part(ONE_STAGE)?.labels());
    Ok(Box::new(TwoStage::new(part(RELATED)?, part(RELATION)?, gate, labels)?))
}

/// The run that a reference to a trained model leads to, with its settings; `None` where it is a model's folder alone.
///
/// # Errors
/// [`re_train::Error::Io`] and [`re_train::Error::Data`] where one cannot look.
pub(crate) fn recorded(reference: &Path) -> Result<Option<(RunFolder, Experiment)>> {
    let (path, _) = split_step(reference)?;
    // A checkpoint lies in the folder of its run.
    for run in [Some(path), path.parent()].into_iter().flatten().map(RunFolder::new) {
        match run.experiment() {
            Ok(experiment) => return Ok(Some((run, experiment))),
            // None, somebody else's settings, or those of another version.
            Err(error) if error.is_damage() => {}
            Err(error) => return Err(error),
        }
    }
    Ok(None)
}

/// [`normalized_text`] of the sentences that a run's models were trained on, and before them the models that they began with;
/// `None` where there is no record of them or its files are gone or changed.
pub(crate) fn trained_on(reference: &Path) -> Result<Option<HashSet<String>>> {
    match recorded(reference)? {
        Some((run, experiment)) => of_run(&run, &experiment),
        None => Ok(None),
    }
}

fn of_run(run: &RunFolder, experiment: &Experiment) -> Result<Option<HashSet<String>>> {
    if experiment.plan == (Plan::Single {}) {
        let expected = run.data_hash()?;
        let data = match ExperimentData::read(&experiment.data, experiment.training.seed) {
            Ok(data) if Some(data.hash()) == expected => data,
            Err(error) if !error.is_damage() => return Err(error),
            _ => return Ok(None),
        };
        let mut texts: HashSet<String> = data.train.iter().map(|row| normalized_text(row.text())).collect();
        let Some((base, of_base)) = recorded(&experiment.model.folder)? else { return Ok(Some(texts)) };
        return Ok(of_run(&base, &of_base)?.map(|before| {
            texts.extend(before);
            texts
        }));
    }
    let mut all = HashSet::new();
    for part in run.parts()? {
        match of_run(&part, &part.experiment()?)? {
            Some(texts) => all.extend(texts),
            None => return Ok(None),
        }
    }
    for given in experiment.plan.members().iter().filter_map(|member| member.run.as_ref()) {
        match trained_on(given)? {
            Some(texts) => all.extend(texts),
            None => return Ok(None),
        }
    }
    Ok(Some(all))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The folder of a run, as far as its settings go.
    fn run(folder: &Path, settings: &str) {
        std::fs::write(folder.join("config.toml"), settings).unwrap();
    }

    #[test]
    fn the_run_of_a_model_says_in_which_format_it_was_trained() {
        let folder = tempfile::tempdir().unwrap();
        let checkpoint = folder.path().join("checkpoint-000002");
        let precision = || trained_precision(&checkpoint).unwrap();
        assert_eq!(precision(), None);
        run(folder.path(), "training.precision = \"fp32\"");
        assert_eq!(precision(), Some(Precision::Fp32));
        run(folder.path(), "training.precision = \"bf16\"");
        assert_eq!(precision(), None, "computed in what suits the device");
        run(folder.path(), "color = \"red\"");
        assert_eq!(precision(), None, "somebody else's");

        let config = |precision| TrainConfig { precision, ..TrainConfig::default() };
        let (own, asked) = (config(None), config(Some(Precision::Bf16)));
        run(folder.path(), "training.precision = \"fp32\"");
        for (config, expected) in [(own, Precision::Fp32), (asked, Precision::Bf16)] {
            let (precision, stop) = (config.precision, &Arc::default());
            let loading =
                Loading { config: &config, parts: &OwnParts::default(), precision, stop, no_relation: None };
            assert_eq!(loading.precision(&checkpoint).unwrap(), Some(expected));
        }
    }

    #[cfg(unix)]
    #[test]
    fn rows_that_cannot_be_read_are_told_from_rows_that_are_gone() {
        let folder = tempfile::tempdir().unwrap();
        let train = folder.path().join("train.jsonl");
        run(folder.path(), &format!("data.train = {train:?}"));
        assert_eq!(trained_on(folder.path()).unwrap(), None, "they are gone");
        std::fs::write(&train, "{").unwrap();
        assert_eq!(trained_on(folder.path()).unwrap(), None, "they are others");
        std::fs::remove_file(&train).unwrap();
        // A loop of links is an error whoever looks; permissions do not bind every user.
        std::os::unix::fs::symlink(&train, &train).unwrap();
        assert!(trained_on(folder.path()).is_err());
    }
}
