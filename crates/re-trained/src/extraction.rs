//! Extractors from what runs leave behind.

use std::path::{Path, PathBuf};

use re_data::{Predictor, files};
use re_extract::{Extractor, GraphSettings};
use re_infer::{TaggingOptions, TokenClassifier};

use crate::error::Result;
use crate::folder::model_folder;
use crate::load::{Options, load_predictor, load_tagger, tagger_beside};

/// The models of an extractor.
pub struct ExtractionModels {
    /// Judges pairs.
    pub predictor: Box<dyn Predictor>,
    /// Finds mentions.
    pub tagger: Option<TokenClassifier>,
}

impl ExtractionModels {
    /// An extractor with these models.
    ///
    /// # Errors
    /// As [`Extractor::new`].
    pub fn extractor(self, settings: GraphSettings) -> Result<Extractor> {
        let extractor = Extractor::new(self.predictor, settings)?;
        Ok(match self.tagger {
            Some(tagger) => extractor.with_tagger(tagger),
            None => extractor,
        })
    }
}

/// Loads an extractor: the classifier of `reference`, which is what [`load_predictor`] takes, the tagger that was trained beside
/// it, if one was, and the settings of the graph, if they lie beside it.
///
/// # Errors
/// As [`load_models`] and [`graph_settings`], and [`Error::Extract`](crate::Error::Extract) where the settings do not fit the
/// model.
pub fn load_extractor(reference: impl AsRef<Path>, options: &Options) -> Result<Extractor> {
    let reference = reference.as_ref();
    let settings = graph_settings(reference)?.map(|(_, settings)| settings).unwrap_or_default();
    load_models(reference, None, options, TaggingOptions::default())?.extractor(settings)
}

/// Loads the classifier of `reference` and a tagger: that of another reference or, where none is given, the one that was
/// trained beside the classifier, if one was.
///
/// # Errors
/// [`Error::Model`](crate::Error::Model) with the errors of [`load_predictor`] and [`load_tagger`].
pub fn load_models(
    reference: impl AsRef<Path>,
    tagger: Option<&Path>,
    options: &Options,
    tagging: TaggingOptions,
) -> Result<ExtractionModels> {
    let reference = reference.as_ref();
    let predictor = load_predictor(reference, options).map_err(|error| error.of_model(reference))?;
    let beside = match tagger {
        Some(_) => None,
        None => tagger_beside(reference).map_err(|error| error.of_model(reference))?,
    };
    let load = |place: &Path| load_tagger(place, options, tagging).map_err(|error| error.of_model(place));
    Ok(ExtractionModels { predictor, tagger: tagger.or(beside.as_deref()).map(load).transpose()? })
}

/// The settings of the graph that lie in the folder of a model, or in that of its run, with their file.
///
/// # Errors
/// [`Error::Data`](crate::Error::Data) where one cannot look; those of [`GraphSettings::load`].
pub fn graph_settings(reference: impl AsRef<Path>) -> Result<Option<(PathBuf, GraphSettings)>> {
    let reference = reference.as_ref();
    let folder = model_folder(reference).ok();
    // A checkpoint lies in the folder of its run.
    let run = folder.as_deref().filter(|folder| *folder != reference).and_then(Path::parent);
    for folder in [folder.as_deref(), run, Some(reference)].into_iter().flatten() {
        let path = folder.join(GraphSettings::FILE);
        if files::is_file(&path)? {
            let settings = GraphSettings::load(&path)?;
            return Ok(Some((path, settings)));
        }
    }
    Ok(None)
}
