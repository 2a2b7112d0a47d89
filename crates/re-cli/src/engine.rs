//! What computes models: libtorch, where the program has it and the model is not quantized, else the engine in Rust.

use std::path::Path;

use anyhow::Result;
use re_data::tags::{TagScheme, TagUnit};
use re_data::{Predictor, Tagger};
use re_extract::{Extractor, GraphSettings};
use re_infer::{NumberFormat, TaggingOptions};
#[cfg(feature = "libtorch")]
use re_trained::is_quantized;
use re_trained::{Options, load_models, load_predictor, load_tagger};

#[cfg(feature = "libtorch")]
use crate::exit::Usage;
use crate::exit::about;
use crate::model::{ComputeArgs, Format};

/// How a tagger is read that its folder says nothing of.
#[derive(Debug, Clone, Copy)]
pub struct TagReading {
    pub scheme: Option<TagScheme>,
    pub unit: Option<TagUnit>,
}

impl TagReading {
    fn options(self) -> TaggingOptions {
        TaggingOptions { scheme: self.scheme, unit: self.unit, ..TaggingOptions::default() }
    }

    #[cfg(feature = "libtorch")]
    fn of_libtorch(self) -> re_model::TaggingOptions {
        re_model::TaggingOptions { scheme: self.scheme, unit: self.unit, ..Default::default() }
    }
}

impl ComputeArgs {
    /// Whether the engine in Rust computes these models.
    #[cfg(feature = "libtorch")]
    pub fn in_rust<'p>(&self, models: impl IntoIterator<Item = &'p Path>) -> Result<bool> {
        if self.precision == Some(Format::Int8) {
            return self.on_cpu("--precision int8");
        }
        for model in models {
            if is_quantized(model).map_err(|error| about(model, error))? {
                return self.on_cpu("a quantized model");
            }
        }
        Ok(false)
    }

    #[cfg(feature = "libtorch")]
    fn on_cpu(&self, what: &str) -> Result<bool> {
        match self.device.as_str() {
            "cpu" => Ok(true),
            other => Err(Usage(format!("--device {other}: {what} is computed on the CPU")).into()),
        }
    }

    fn options(&self) -> Options {
        let format = self.precision.map(|format| match format {
            Format::Fp32 => NumberFormat::Fp32,
            Format::Bf16 => NumberFormat::Bf16,
            Format::Int8 => NumberFormat::Int8,
        });
        Options { kernel: None, format }
    }

    /// What a run or a folder predicts with.
    pub fn predictor(&self, model: &Path) -> Result<Box<dyn Predictor>> {
        #[cfg(feature = "libtorch")]
        if !self.in_rust([model])? {
            let predictor = re_experiment::load_predictor(model, &self.of_libtorch()?);
            return predictor.map_err(|error| about(model, error));
        }
        load_predictor(model, &self.options()).map_err(|error| about(model, error))
    }

    /// The tagger of a run or a folder.
    pub fn tagger(&self, tagger: &Path, reading: TagReading) -> Result<Box<dyn Tagger>> {
        #[cfg(feature = "libtorch")]
        if !self.in_rust([tagger])? {
            let reading = reading.of_libtorch();
            let loaded = re_experiment::load_tagger_with(tagger, &self.of_libtorch()?, reading);
            return Ok(Box::new(loaded.map_err(|error| about(tagger, error))?));
        }
        let loaded = load_tagger(tagger, &self.options(), reading.options());
        Ok(Box::new(loaded.map_err(|error| about(tagger, error))?))
    }

    /// An extractor of a classifier and a tagger; `settings` come from the file at `path`, if from one.
    pub fn extractor(
        &self,
        model: &Path,
        tagger: Option<&Path>,
        reading: TagReading,
        settings: GraphSettings,
        path: Option<&Path>,
    ) -> Result<Extractor> {
        let of_settings = |error: anyhow::Error| match path {
            Some(path) => about(path, error),
            None => error,
        };
        #[cfg(feature = "libtorch")]
        if !self.in_rust([model].into_iter().chain(tagger))? {
            let compute = self.of_libtorch()?;
            let models = re_experiment::load_models(model, tagger, &compute, reading.of_libtorch())?;
            return models.extractor(settings).map_err(|error| of_settings(error.into()));
        }
        let models = load_models(model, tagger, &self.options(), reading.options())?;
        models.extractor(settings).map_err(|error| of_settings(error.into()))
    }
}
