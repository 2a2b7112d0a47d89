//! From the name of a run to what answers.

use std::path::{Path, PathBuf};

use re_checkpoint::classifier::{FILE, TOKEN_FILE};
use re_data::{NoRelation, Predictor, SharedPredictor, files};
use re_ensemble::{Ensemble, TwoStage, Vote, Voter};
use re_infer::{InferenceParts, Kernel, NumberFormat, RelationClassifier, TaggingOptions, TokenClassifier};

use crate::error::{Error, Result};
use crate::folder::{is_complete, model_folder};
use crate::record::{Member, Plan, Record, VoteConfig};
use crate::votes::{self, Votes};

/// Folder of the classifier of pairs of mentions.
const PAIRS: &str = "pairs";
/// Folders of two stages, and of the single model that they were compared with.
const ONE_STAGE: &str = "one_stage";
const RELATED: &str = "related";
const RELATION: &str = "relation";
/// The file in the folder of a model that answers questions.
const QUESTIONS: &str = "question_answering.json";

/// How models compute.
#[derive(Debug, Clone, Copy, Default)]
pub struct Options {
    /// The instructions; the fastest that the processor has where left out.
    pub kernel: Option<Kernel>,
    /// The numbers, by the rule of [`InferenceParts::format`].
    pub format: Option<NumberFormat>,
}

/// Loads what a run has trained, ready to predict: the model of a single training, the fold models with their vote, both
/// stages, all members with the last vote. `reference` is what [`model_folder`] takes.
///
/// # Errors
/// [`Error::NoModel`] where there is none or the run is not complete; [`Error::Unsupported`] where a model answers questions;
/// those of loading models.
pub fn load_predictor(reference: impl AsRef<Path>, options: &Options) -> Result<Box<dyn Predictor>> {
    load(reference.as_ref(), options, None)
}

/// `no_relation` is what the outermost run says of the class of no relation, if anything.
fn load(reference: &Path, options: &Options, no_relation: Option<&NoRelation>) -> Result<Box<dyn Predictor>> {
    let missing = || Error::NoModel { reference: reference.to_owned() };
    let record = match model_folder(reference) {
        Ok(folder) => return Ok(Box::new(classifier(&folder, options, no_relation)?)),
        Err(Error::NoModel { .. }) if is_complete(reference)? => {
            Record::read(reference)?.ok_or_else(missing)?
        }
        Err(error) => return Err(error),
    };
    let no_relation = no_relation.or(record.data.no_relation.as_ref());
    let part = |name: &str| load(&reference.join(name), options, no_relation);
    match record.plan {
        Plan::KFold { folds } => {
            let names = (1..=folds).map(|number| format!("fold-{number}"));
            let members =
                names.map(|name| Ok(Voter::new(&*name, part(&name)?))).collect::<Result<Vec<_>>>()?;
            Ok(Box::new(Ensemble::new(Vote::Mean, members)?))
        }
        Plan::TwoStage { gate } => {
            // The two stages know their own classes alone.
            let labels = part(ONE_STAGE)?.labels().clone();
            Ok(Box::new(TwoStage::new(part(RELATED)?, part(RELATION)?, gate, labels)?))
        }
        Plan::Vote { members, votes } => {
            let named = |name: &str| -> Result<SharedPredictor> {
                let known = members.iter().find(|member| member.member == name).ok_or_else(missing)?;
                Ok(SharedPredictor::new(match &known.run {
                    Some(run) => load(run, options, no_relation)?,
                    None => part(&known.member)?,
                }))
            };
            let ensemble = |vote: &VoteConfig, parts: Vec<votes::Part<'_, SharedPredictor>>| -> Result<_> {
                let voter = |(name, weight, part)| Voter::new(name, part).with_weight(weight);
                Ok(SharedPredictor::new(Ensemble::new(vote.how, parts.into_iter().map(voter))?))
            };
            let last = votes.last().ok_or_else(missing)?;
            Ok(Box::new(Votes::new(&votes, named, ensemble).of(&last.vote)?))
        }
        Plan::TextToGraph { .. } => part(PAIRS),
        Plan::QuestionAnswering {} => Err(questions(reference)),
        Plan::Single => Err(missing()),
    }
}

/// Whether the model of `reference` is one that [`re_infer::quantize()`] wrote; a run of several is none.
///
/// # Errors
/// Those of looking for it.
pub fn is_quantized(reference: impl AsRef<Path>) -> Result<bool> {
    match model_folder(reference) {
        Ok(folder) => Ok(re_infer::quantize::is_quantized(folder)),
        Err(Error::NoModel { .. }) => Ok(false),
        Err(error) => Err(error),
    }
}

fn questions(path: &Path) -> Error {
    Error::Unsupported { path: path.to_owned(), what: "found a model that answers questions" }
}

/// The classifier in a model's folder.
fn classifier(
    folder: &Path,
    options: &Options,
    no_relation: Option<&NoRelation>,
) -> Result<RelationClassifier> {
    if files::is_file(folder.join(QUESTIONS))? {
        return Err(questions(folder));
    }
    let parts = InferenceParts { kernel: options.kernel, format: options.format, markup: None };
    let mut classifier = RelationClassifier::from_pretrained_with(folder, parts)?;
    if let Some(choice) = no_relation {
        let name = choice.among(classifier.labels()).map(str::to_owned);
        classifier.set_no_relation(name.as_deref())?;
    }
    Ok(classifier)
}

/// Loads a trained tagger: the run of one, the folder of a token classifier, or a run that has one beside a classifier of
/// pairs. `tagging` may say how it reads tags; how it computes is up to `options`.
///
/// # Errors
/// [`Error::NoModel`] where there is none; those of loading it.
pub fn load_tagger(
    reference: impl AsRef<Path>,
    options: &Options,
    tagging: TaggingOptions,
) -> Result<TokenClassifier> {
    let reference = reference.as_ref();
    let beside = tagger_beside(reference)?;
    let folder = model_folder(beside.as_deref().unwrap_or(reference))?;
    let Options { kernel, format } = *options;
    Ok(TokenClassifier::from_pretrained_with(&folder, TaggingOptions { kernel, format, ..tagging })?)
}

/// The run or folder of the tagger that was trained beside the classifier of the run or folder `reference`, if one was.
/// It is the same one where both share an encoder.
///
/// # Errors
/// Those of reading the run's settings.
pub fn tagger_beside(reference: impl AsRef<Path>) -> Result<Option<PathBuf>> {
    let reference = reference.as_ref();
    if let Ok(model) = model_folder(reference)
        && files::is_file(model.join(FILE))?
        && files::is_file(model.join(TOKEN_FILE))?
    {
        return Ok(Some(reference.to_owned()));
    }
    let Some(Record { plan: Plan::TextToGraph { members, shared_encoder }, .. }) = Record::read(reference)?
    else {
        return Ok(None);
    };
    if shared_encoder {
        return Ok(Some(reference.join(PAIRS)));
    }
    let place = |tagger: &Member| tagger.run.clone().unwrap_or_else(|| reference.join(&tagger.member));
    Ok(members.first().map(place))
}
