//! Extractors from what runs leave behind.

use std::path::Path;

use re_data::Predictor;
use re_extract::{Extractor, GraphSettings};
use re_model::{TaggingOptions, TokenClassifier};
use re_train::TrainConfig;
use re_trained::graph_settings;

use crate::error::{Error, Result};
use crate::trained::{self, Loading, plainly, tagger_beside};

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

/// Loads an extractor: the classifier of `reference`, which is what [`load_predictor`](crate::load_predictor) takes, the
/// tagger that was trained beside it, if one was, and the settings of the graph, if they lie beside it.
///
/// ```no_run
/// use re_data::Document;
/// use re_experiment::load_extractor;
/// use re_train::TrainConfig;
///
/// let extractor = load_extractor("runs/extract-1", &TrainConfig::default())?;
/// let text = Document::new("1", "Marie Curie was born in Warsaw.", Vec::new())?;
/// for graph in extractor.extract_all([text])?.0 {
///     println!("{:?}", graph?.document.relations());
/// }
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
/// As [`load_models`] and [`graph_settings`], and [`Error::Extract`] where the settings do not fit the model.
pub fn load_extractor(reference: impl AsRef<Path>, config: &TrainConfig) -> Result<Extractor> {
    let reference = reference.as_ref();
    let settings = graph_settings(reference)?.map(|(_, settings)| settings).unwrap_or_default();
    load_models(reference, None, config, TaggingOptions::default())?.extractor(settings)
}

/// Loads the classifier of `reference` and a tagger: that of another reference or, where none is given, the one that was
/// trained beside the classifier, if one was. `tagging` may say how it reads tags. Device and number format are those of
/// `config`, as in [`load_predictor`](crate::load_predictor).
///
/// Where both share an encoder, pairs of texts that were tagged take no further encoder pass.
///
/// # Errors
/// [`Error::Model`] with the errors of [`load_predictor`](crate::load_predictor) and [`load_tagger`](crate::load_tagger).
pub fn load_models(
    reference: impl AsRef<Path>,
    tagger: Option<&Path>,
    config: &TrainConfig,
    tagging: TaggingOptions,
) -> Result<ExtractionModels> {
    plainly(config, |loading| models(reference.as_ref(), tagger, loading, tagging))
}

/// As [`load_models`].
pub(crate) fn models(
    reference: &Path,
    tagger: Option<&Path>,
    loading: Loading<'_>,
    tagging: TaggingOptions,
) -> Result<ExtractionModels> {
    let of_reference = |error: Error| error.of_model(reference);
    let named = tagger.unwrap_or(reference);
    // A run of both may stand for its tagger.
    let beside = tagger_beside(named).map_err(|error| error.of_model(named))?;
    let tagger = beside.as_deref().or(tagger);
    if let Some(place) = tagger
        && tagging.scheme.is_none()
        && tagging.unit.is_none()
        && tagging.windows.is_none()
        && let Some(both) = trained::joint_of(reference, place, loading).map_err(of_reference)?
    {
        let (predictor, tagger) = both.into_parts();
        return Ok(ExtractionModels { predictor: Box::new(predictor), tagger: Some(tagger) });
    }
    let predictor = trained::load(reference, loading).map_err(of_reference)?;
    let load = |place: &Path| trained::tagger(place, loading, tagging).map_err(|error| error.of_model(place));
    Ok(ExtractionModels { predictor, tagger: tagger.map(load).transpose()? })
}
