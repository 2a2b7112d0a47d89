//! Token classifiers: `token_classifier.json`, and how texts become rows and logits become mentions.

use std::path::Path;

use rayon::prelude::*;
use re_data::files;
use re_data::tags::{TagScheme, TagSet, TagUnit, Units};
use re_data::{Document, Encoded, EncodedText, Mention, RowError, TextEncoder, WindowOptions};
use serde::{Deserialize, Serialize};
use serde_json::Value;

pub use crate::classifier::TOKEN_FILE as FILE;
use crate::classifier::class_names;
use crate::config::EncoderConfig;
use crate::error::{Error, Result};
use crate::json;
use crate::precision::Precision;

/// What `transformers` calls models that classify tokens, behind the name of the architecture.
pub const TASK: &str = "ForTokenClassification";
/// Bytes of the texts that are tagged together, unless a single one has more.
const BYTES_AT_ONCE: usize = 1 << 20;
/// Characters of a token that are judged each by its own place; those behind have the last one's. Hardly any token of a
/// language whose particles stick to names has more.
const PLACES: usize = 8;
/// Most tokens of a window where nothing is said, as most encoders were pretrained.
const WINDOW: usize = 512;

/// What stands before the names of the head's tensors where another head is on the same encoder.
pub const SCOPE: &str = "tagger.";

/// Content of [`FILE`].
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// How tags say where mentions begin and end.
    pub scheme: TagScheme,
    /// What has a tag.
    pub unit: TagUnit,
    /// How long texts are cut.
    pub windows: WindowOptions,
    /// Names of the tags, where the classes in `config.json` are those of another head on the same encoder. Else the tags
    /// stand there, where `transformers` looks for them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tags: Option<Vec<String>>,
    /// Number format that it was trained in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub precision: Option<Precision>,
}

impl Settings {
    /// Reads the file in `folder`, where there is one: folders of others have none.
    ///
    /// # Errors
    /// Those of [`json::read`].
    pub fn read(folder: &Path) -> Result<Option<Self>> {
        let path = folder.join(FILE);
        if files::exists(&path)? { Ok(Some(json::read(&path)?)) } else { Ok(None) }
    }
}

/// Makes sure that the folder's model classifies tokens, where it says what it does: other heads have tensors of the same
/// names.
fn check_task(config: &EncoderConfig, folder: &Path) -> Result<()> {
    let named = config.raw.get("architectures").and_then(Value::as_array);
    let mut named = named.into_iter().flatten().filter_map(Value::as_str).peekable();
    let Some(first) = named.peek().copied() else { return Ok(()) };
    if named.any(|name| name.ends_with(TASK)) {
        return Ok(());
    }
    let reason = format!("a {first} by the architectures of config.json, expected a model {TASK}");
    Err(Error::NoModel { name: folder.to_owned(), reason })
}

/// The tags of a folder's model, and what stands before the names of its head's tensors. They are read as `asked` says or, where
/// that says nothing, as the settings do. Names do not tell [`TagScheme::Iob1`] from [`TagScheme::Bio`]: where there are no
/// settings, they are read as the former, in which `I` begins a mention where none goes on and `B` always does.
///
/// # Errors
/// [`Error::NoModel`] where the model does not classify tokens; [`Error::Config`] where names say no tags.
pub fn tags_of(
    asked: Option<TagScheme>,
    settings: Option<&Settings>,
    config: &EncoderConfig,
    folder: &Path,
) -> Result<(TagSet, &'static str)> {
    let own = settings.and_then(|settings| settings.tags.clone());
    let (scope, file, field) =
        if own.is_some() { (SCOPE, FILE, "tags") } else { ("", "config.json", "id2label") };
    let names = match own {
        Some(names) => names,
        None => {
            check_task(config, folder)?;
            class_names(config, folder)?
        }
    };
    let scheme = asked.or(settings.map(|settings| settings.scheme));
    let tags = TagSet::of_names(names).and_then(|tags| match (scheme, tags.scheme()) {
        (Some(scheme), _) => tags.with_scheme(scheme),
        (None, TagScheme::Bio) => tags.with_scheme(TagScheme::Iob1),
        (None, _) => Ok(tags),
    });
    let fault = |error| match error {
        re_data::Error::LabelSet { reason, .. } => Error::Config {
            path: folder.join(file),
            field,
            found: reason,
            expected: "tags such as O, B-PER and I-PER".to_owned(),
        },
        other => other.into(),
    };
    Ok((tags.map_err(fault)?, scope))
}

/// Windows as long as the encoder takes where nothing is said, and never longer.
///
/// # Errors
/// [`Error::MaxLength`] where `chosen` are longer.
pub fn windows(chosen: Option<WindowOptions>, config: &EncoderConfig) -> Result<WindowOptions> {
    let most = config.max_length();
    let windows = chosen.unwrap_or_else(|| WindowOptions::of_length(most.min(WINDOW)));
    match windows.max_length > most {
        true => Err(Error::MaxLength { max_length: windows.max_length, max: most }),
        false => Ok(windows),
    }
}

/// The windows of a folder's model: those that are `asked` for, or those of its settings.
///
/// # Errors
/// As [`windows`], and [`Error::Config`] where it is the folder that asks for longer ones.
pub fn windows_of(
    asked: Option<WindowOptions>,
    settings: Option<&Settings>,
    config: &EncoderConfig,
    folder: &Path,
) -> Result<WindowOptions> {
    windows(asked.or(settings.map(|settings| settings.windows)), config).map_err(|error| {
        match (error, asked) {
            (Error::MaxLength { max_length, max }, None) => Error::Config {
                path: folder.join(FILE),
                field: "windows.max_length",
                found: max_length.to_string(),
                expected: format!("at most {max}, for which the encoder has position embeddings"),
            },
            (other, _) => other,
        }
    })
}

/// How many characters of a token are judged apart.
pub fn places(unit: TagUnit) -> usize {
    if unit == TagUnit::Character { PLACES } else { 1 }
}

/// A text, ready for a token classifier.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PreparedText {
    /// Its tokens, windows and rows.
    pub encoded: EncodedText,
    /// What has a tag.
    pub units: Units,
}

impl PreparedText {
    /// The units that are judged in a window, with the positions in the window's row of the tokens that decide for them.
    pub fn judged(&self, window: usize) -> impl Iterator<Item = (usize, usize)> {
        let window = self.encoded.windows.get(window);
        let judged = window.map(|window| window.judged.clone()).unwrap_or_default();
        let place = |token: &usize| self.units.tokens.partition_point(|other| other < token);
        let units = place(&judged.start)..place(&judged.end);
        let shift = window.map_or(0, |window| window.tokens.start);
        let offset = window.map_or(0, |window| window.offset);
        let tokens = self.units.tokens.get(units.clone()).unwrap_or_default();
        units.zip(tokens).map(move |(unit, token)| (unit, token + offset - shift))
    }
}

/// What a token classifier is, beside its model: how texts become rows, and logits of tokens mentions.
#[derive(Debug, Clone, Copy)]
pub struct Tagging<'a> {
    /// What turns texts into rows of tokens.
    pub encoder: &'a TextEncoder,
    /// The tags it chooses from.
    pub tags: &'a TagSet,
    /// What has a tag.
    pub unit: TagUnit,
}

impl Tagging<'_> {
    /// Number of the model's logits for each token.
    pub fn width(&self) -> usize {
        self.tags.len() * places(self.unit)
    }

    /// Which of the model's rows of [`TagSet::len`] logits judges a unit: the one of a token's position in a row, or
    /// batch, and of the unit's place in that token.
    pub fn slot(&self, position: usize, place: usize) -> usize {
        let places = places(self.unit);
        position * places + place.min(places - 1)
    }

    /// Tokenizes a text and finds its units.
    ///
    /// # Errors
    /// Those of [`TextEncoder::encode`].
    pub fn prepare(&self, text: &str) -> re_data::Result<PreparedText> {
        let encoded = self.encoder.encode(text)?;
        let units = Units::of(text, &encoded.pieces, self.unit);
        Ok(PreparedText { encoded, units })
    }

    /// Logarithms of the probabilities of the tags of each text's units, flat, [`TagSet::len`] for each unit, as
    /// [`TagSet::decode`] takes them. `logits` calls what it is given with the number of each row and the logits of its tokens,
    /// [`width`](Self::width) for each.
    ///
    /// # Errors
    /// Those of `logits`.
    pub fn log_probabilities<E>(
        &self,
        texts: &[&PreparedText],
        logits: impl FnOnce(&[Encoded], &mut dyn FnMut(usize, &[f32])) -> Result<(), E>,
    ) -> Result<Vec<Vec<f32>>, E> {
        let classes = self.tags.len();
        let windows = |(text, prepared): (usize, &&PreparedText)| {
            (0..prepared.encoded.windows.len()).map(move |window| (text, window)).collect::<Vec<_>>()
        };
        let windows: Vec<(usize, usize)> = texts.iter().enumerate().flat_map(windows).collect();
        let rows: Vec<Encoded> = texts.iter().flat_map(|text| text.encoded.rows.iter().cloned()).collect();
        let mut all: Vec<Vec<f32>> = texts.iter().map(|text| vec![0.0; text.units.len() * classes]).collect();
        logits(&rows, &mut |row, logits| {
            let Some(&(number, window)) = windows.get(row) else { return };
            let (Some(text), Some(values)) = (texts.get(number), all.get_mut(number)) else { return };
            for (unit, position) in text.judged(window) {
                let range = |at: usize| at * classes..(at + 1) * classes;
                let place = text.units.places.get(unit).copied().unwrap_or_default();
                let found = logits.get(range(self.slot(position, place)));
                if let (Some(values), Some(found)) = (values.get_mut(range(unit)), found) {
                    values.copy_from_slice(found);
                    log_softmax(values);
                }
            }
        })?;
        Ok(all)
    }

    /// The mentions in each of some texts; `logits` is as for [`log_probabilities`](Self::log_probabilities).
    ///
    /// # Errors
    /// Those of `logits`, and [`re_data::Error`] where one is not a number.
    pub fn mentions<E: From<re_data::Error> + Send>(
        &self,
        texts: &[(&str, &PreparedText)],
        logits: impl FnOnce(&[Encoded], &mut dyn FnMut(usize, &[f32])) -> Result<(), E>,
    ) -> Result<Vec<Vec<Mention>>, E> {
        let prepared: Vec<&PreparedText> = texts.iter().map(|(_, prepared)| *prepared).collect();
        let values = self.log_probabilities(&prepared, logits)?;
        let tags = self.tags;
        let find =
            |((text, prepared), values): (&(&str, &PreparedText), Vec<f32>)| -> Result<Vec<Mention>, E> {
                let decoded = tags.decode(&values)?;
                Ok(tags.mentions(text, &prepared.units, &decoded))
            };
        texts.par_iter().zip(values).map(find).collect()
    }

    /// The mentions of documents, or why one has none, as [`re_data::Tagger`] wants them; `mentions` finds those of some texts.
    ///
    /// # Errors
    /// Those of `mentions`.
    pub fn tag<E>(
        &self,
        documents: &[Document],
        mut mentions: impl FnMut(&[(&str, &PreparedText)]) -> Result<Vec<Vec<Mention>>, E>,
    ) -> Result<Vec<Result<Vec<Mention>, RowError>>, E> {
        let mut all = Vec::with_capacity(documents.len());
        let mut rest = documents;
        while !rest.is_empty() {
            let mut bytes = 0;
            let fits = |document: &&Document| {
                bytes += document.text().len();
                bytes <= BYTES_AT_ONCE
            };
            let (part, behind) = rest.split_at(rest.iter().take_while(fits).count().max(1));
            rest = behind;
            let prepared: Vec<re_data::Result<PreparedText>> =
                part.par_iter().map(|document| self.prepare(document.text())).collect();
            let texts = part.iter().zip(&prepared);
            let texts: Vec<(&str, &PreparedText)> = texts
                .filter_map(|(document, prepared)| Some((document.text(), prepared.as_ref().ok()?)))
                .collect();
            let mut found = mentions(&texts)?.into_iter();
            all.extend(part.iter().zip(prepared).map(|(document, prepared)| match prepared {
                Ok(_) => Ok(found.next().unwrap_or_default()),
                Err(error) => Err(RowError::new(document.id(), error)),
            }));
        }
        Ok(all)
    }
}

/// Logarithm of the softmax in place, shifted by the maximum so that nothing overflows.
fn log_softmax(logits: &mut [f32]) {
    let max = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let sum: f32 = logits.iter().map(|value| (value - max).exp()).sum();
    let shift = max + sum.ln();
    logits.iter_mut().for_each(|value| *value -= shift);
}
