//! One encoder for a relation classifier and a token classifier.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use re_data::WindowOptions;
use re_data::files::NewFolder;
use re_data::tags::{TagScheme, TagSet, TagUnit};

use crate::classifier::{RelationClassifier, TrainedParts};
use crate::error::Result;
use crate::kept::KeptStates;
use crate::ops::Precision;
use crate::save;
use crate::token_classifier::{SCOPE, TaggingOptions, TokenClassifier};
use crate::weights::checked;

/// A relation classifier and a token classifier on one encoder, of which there is one copy in memory.
///
/// When the token classifier has judged texts, the relation classifier judges pairs of the mentions in these texts without
/// another encoder pass. That is so where it reads the same tokens: its markup writes no markers, and the text fits into one
/// window of either. Other rows go through the encoder as always. The states of up to 32768 tokens are kept, until the
/// next texts are tagged.
///
/// The parameters of the relation classifier's model are those of both: the encoder's once, and both heads'.
///
/// ```no_run
/// use re_data::{Document, Predictor, Tagger};
/// use re_model::JointModel;
///
/// let joint = JointModel::from_pretrained("runs/joint/pairs/checkpoint-001600")?;
/// let document = Document::new("1", "Marie Curie was born in Warsaw.", Vec::new())?;
/// for mentions in joint.tagger().tag(&[document.clone()])? {
///     let found = document.clone().with_mentions(mentions?)?;
///     let pairs: Result<Vec<_>, _> = found.pairs(&Default::default()).map(|pair| found.example(pair)).collect();
///     println!("{} pairs", joint.relations().outcomes(&pairs?)?.len());
/// }
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct JointModel {
    relations: RelationClassifier,
    tagger: TokenClassifier,
}

impl JointModel {
    /// Puts a new token classifier on the encoder of `relations`, to be trained together: its head starts at random. It has
    /// a tokenizer like that of `relations`. Windows are as in
    /// [`TokenClassifierOptions`](crate::TokenClassifierOptions).
    ///
    /// # Errors
    /// As [`TokenClassifier::new`].
    pub fn new<S: AsRef<str>>(
        relations: RelationClassifier,
        kinds: impl IntoIterator<Item = S>,
        scheme: TagScheme,
        unit: TagUnit,
        windows: Option<WindowOptions>,
    ) -> Result<Self> {
        let tags = TagSet::new(scheme, kinds)?;
        let (tagger, _) = TokenClassifier::on_encoder_of(&relations, None, windows, tags, unit)?;
        Ok(Self::join(relations, tagger))
    }

    fn join(mut relations: RelationClassifier, mut tagger: TokenClassifier) -> Self {
        let kept = KeptStates::default();
        relations.model_mut().keep_states(kept.clone());
        tagger.model_mut().keep_states(kept);
        relations.model_mut().parameters.extend_by_head(&tagger.model.parameters, SCOPE);
        Self { relations, tagger }
    }

    /// Whether both classifiers lie in `folder`, as [`JointModel::save`] writes them.
    ///
    /// # Errors
    /// [`Error::Data`](crate::Error::Data) where one cannot look.
    pub fn is_in(folder: impl AsRef<Path>) -> Result<bool> {
        let folder = folder.as_ref();
        Ok(RelationClassifier::is_in(folder)? && TokenClassifier::is_in(folder)?)
    }

    /// Loads both classifiers of a folder, onto the CPU, as [`RelationClassifier::from_pretrained`] does. That and
    /// [`TokenClassifier::from_pretrained`] load one of them from the same folder.
    ///
    /// # Errors
    /// As [`JointModel::from_pretrained_with`].
    pub fn from_pretrained(folder: impl AsRef<Path>) -> Result<Self> {
        Self::from_pretrained_with(folder, TrainedParts::default())
    }

    /// As [`from_pretrained`](Self::from_pretrained), with a markup, a head or a device of the caller's choice.
    ///
    /// # Errors
    /// As [`RelationClassifier::from_pretrained_with`] and [`TokenClassifier::from_pretrained_with`].
    pub fn from_pretrained_with(folder: impl AsRef<Path>, parts: TrainedParts) -> Result<Self> {
        let folder = folder.as_ref();
        let load = || -> Result<Self> {
            let relations = RelationClassifier::load(folder, parts)?;
            let tagger = TokenClassifier::load(folder, TaggingOptions::default(), Some(&relations))?;
            Ok(Self::join(relations, tagger))
        };
        let (mut joint, check) = checked(folder, load)?;
        joint.relations.model_mut().set_check(check.clone());
        joint.tagger.model_mut().set_check(check);
        Ok(joint)
    }

    /// The relation classifier.
    pub fn relations(&self) -> &RelationClassifier {
        &self.relations
    }

    /// The token classifier.
    pub fn tagger(&self) -> &TokenClassifier {
        &self.tagger
    }

    /// Both classifiers. They still share their encoder and its passes, and each may go where it is needed.
    pub fn into_parts(self) -> (RelationClassifier, TokenClassifier) {
        (self.relations, self.tagger)
    }

    /// Puts together what [`into_parts`](Self::into_parts) has given, after changes to the encoder of `relations`, such as a
    /// trimmed vocabulary: the token classifier gets the encoder as it is now.
    ///
    /// # Errors
    /// [`Error::Torch`](crate::Error::Torch).
    pub fn of_parts(relations: RelationClassifier, mut tagger: TokenClassifier) -> Result<Self> {
        tagger.share_encoder(&relations)?;
        Ok(Self { relations, tagger })
    }

    /// Chooses the number format in which the encoder computes.
    pub fn set_precision(&mut self, precision: Precision) {
        self.relations.model_mut().set_precision(precision);
        self.tagger.model_mut().set_precision(precision);
    }

    /// As [`RelationModel::stop_when`](crate::RelationModel::stop_when), for both.
    pub fn stop_when(&mut self, stop: Arc<AtomicBool>) {
        self.relations.model_mut().stop_when(Arc::clone(&stop));
        self.tagger.model_mut().stop_when(stop);
    }

    /// As [`RelationModel::trim_vocabulary`](crate::RelationModel::trim_vocabulary), for both: `ids` are those of the rows of
    /// either.
    ///
    /// # Errors
    /// As there.
    pub fn trim_vocabulary(&mut self, ids: impl IntoIterator<Item = u32>) -> Result<usize> {
        let held = self.relations.model_mut().trim_vocabulary(ids)?;
        self.tagger.share_encoder(&self.relations)?;
        Ok(held)
    }

    /// Ends [`trim_vocabulary`](Self::trim_vocabulary).
    ///
    /// # Errors
    /// [`Error::Torch`](crate::Error::Torch).
    pub fn restore_vocabulary(&mut self) -> Result<()> {
        self.relations.model_mut().restore_vocabulary()?;
        self.tagger.share_encoder(&self.relations)
    }

    /// Writes everything that [`JointModel::from_pretrained`] needs into `folder`, which is created, and appears when it is
    /// complete. It is the folder of the relation classifier ([`RelationClassifier::save`]), whose weights also have the
    /// token classifier's head, under names that begin with `tagger.`, and `token_classifier.json` with the tags.
    ///
    /// # Errors
    /// Those of the files' writers, and [`Error::Data`](crate::Error::Data) where `folder` holds files already.
    pub fn save(&self, folder: impl AsRef<Path>) -> Result<()> {
        save::fill(NewFolder::create_with_parents(folder)?, |folder| {
            Self::save_parts(&self.relations, &self.tagger, folder)
        })
    }

    /// Writes the same files of what [`into_parts`](Self::into_parts) has given into a folder that exists, for callers who
    /// complete it themselves.
    ///
    /// # Errors
    /// Those of the files' writers.
    pub fn save_parts(relations: &RelationClassifier, tagger: &TokenClassifier, folder: &Path) -> Result<()> {
        relations.save_into(folder)?;
        tagger.save_beside(folder)
    }
}
