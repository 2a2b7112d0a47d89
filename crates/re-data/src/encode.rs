//! From examples to rows of token ids with the entities' token spans.

use std::borrow::Cow;
use std::ops::Range;
use std::sync::Arc;

use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use crate::encoded::Encoded;
use crate::error::{Error, Result};
use crate::example::RelationExample;
use crate::literal::{LiteralTokens, TokensInText};
use crate::markup::{MarkedText, Markup, entity_type};
use crate::span::{ByteSpan, TokenSpan, without_white_space};
use crate::tokenizer::{Part, Pieces, Template, Tokenizer};
use crate::window::{Kept, around, extend, longest_first};

/// Which tokens go when a row is longer than allowed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Truncation {
    /// Those farthest from the entities: a window around both stays, with their markers. Where the entities are
    /// too far apart for one window, the text between them is cut and each keeps a window of its own. A first
    /// segment is never cut, unless it leaves no room at all; then, with entities lost, the tail goes.
    #[default]
    Window,
    /// Those at the end, from the longer segment first: `truncation=True` (`longest_first`) of `transformers`,
    /// with equal ids.
    Tail,
}

/// What happens where truncation removes an entity or one of its markers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LostEntities {
    /// [`Error::LostEntity`].
    #[default]
    Error,
    /// The row has `None` in the place of the entity's spans, and the report lists it. So does that of an entity
    /// that no token covers, such as one of characters that the tokenizer drops.
    Count,
}

/// Settings of an [`ExampleEncoder`]. They belong to a trained model and are stored with it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct EncodeOptions {
    /// Most tokens of a row, special tokens included. Default 100.
    pub max_length: usize,
    /// Which tokens go from longer rows. Default: window.
    pub truncation: Truncation,
    /// What happens where an entity goes with them. Default: error.
    pub lost_entities: LostEntities,
    /// Number of token types of the pretrained model, before any widening for an entity embedding. Default 2.
    ///
    /// 1 gives type id 0 everywhere. From 2 on the tokenizer's own type ids are used; where it has none for a
    /// pair, as XLM-R's, the second segment with the special tokens behind it gets 1.
    pub type_vocab_size: usize,
}

impl Default for EncodeOptions {
    fn default() -> Self {
        Self {
            max_length: 100,
            truncation: Truncation::default(),
            lost_entities: LostEntities::default(),
            type_vocab_size: 2,
        }
    }
}

/// An entity that truncation removed from its row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LostEntity {
    /// Id of the example.
    pub id: String,
    /// 0 for the first entity, 1 for the second.
    pub entity: usize,
}

/// What encoding did to a set of examples.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct EncodeReport {
    /// Number of rows.
    pub rows: usize,
    /// Tokens of all rows together.
    pub tokens: usize,
    /// Tokens of the longest row.
    pub longest: usize,
    /// Number of rows that were truncated.
    pub truncated: usize,
    /// Entities that truncation removed.
    pub lost: Vec<LostEntity>,
    /// Examples with special tokens in their own text.
    pub tokens_in_text: TokensInText,
}

impl EncodeReport {
    /// Padding tokens that there would be if all rows were filled up to the longest one.
    pub fn padding(&self) -> usize {
        (self.rows * self.longest).saturating_sub(self.tokens)
    }
}

/// Writes, tokenizes and truncates examples.
///
/// ```no_run
/// use re_data::{EncodeOptions, ExampleEncoder, MarkupConfig, Tokenizer};
/// # let examples: Vec<re_data::RelationExample> = Vec::new();
/// let markup = MarkupConfig::EntityTokens { entity_embedding: false, pair: false }.build()?;
/// let encoder = ExampleEncoder::new(Tokenizer::from_folder("model")?, markup, EncodeOptions::default())?;
/// let (rows, report) = encoder.encode_batch(&examples)?;
/// println!("{} tokens, {} rows truncated", report.tokens, report.truncated);
/// # Ok::<(), re_data::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct ExampleEncoder {
    tokenizer: Tokenizer,
    markup: Arc<dyn Markup>,
    options: EncodeOptions,
    template: Template,
    separator: String,
    /// What must not stand in a sentence unnoticed.
    literal: LiteralTokens,
}

/// Memory that is used for row after row.
#[derive(Default)]
struct Scratch {
    first: Pieces,
    sentence: Pieces,
}

impl ExampleEncoder {
    /// An encoder. The tokens of the markup are added to the tokenizer where it lacks them; the model's
    /// embeddings must then cover [`Tokenizer::vocab_size`] of [`tokenizer`](Self::tokenizer) and
    /// [`required_type_vocab_size`](Self::required_type_vocab_size).
    ///
    /// # Errors
    /// [`Error::Argument`] where `max_length` leaves no room beside the special tokens or `type_vocab_size` is 0;
    /// [`Error::Tokenizer`] where a token cannot be added, or the markup writes pairs and the tokenizer has no
    /// separator.
    pub fn new(
        mut tokenizer: Tokenizer,
        markup: impl Into<Arc<dyn Markup>>,
        options: EncodeOptions,
    ) -> Result<Self> {
        let markup = markup.into();
        tokenizer.add_tokens(&markup.tokens())?;
        let pair = markup.writes_pair();
        let template = tokenizer.template(pair);
        if options.max_length <= template.special_tokens() {
            return Err(Error::Argument {
                name: "max_length",
                found: options.max_length.to_string(),
                expected: "more than the special tokens of a row",
            });
        }
        let template = template.for_types(options.type_vocab_size)?;
        let separator = match &tokenizer.special().sep {
            Some(token) => token.content.clone(),
            None if pair => {
                return Err(Error::Tokenizer {
                    path: None,
                    reason: format!(
                        "it has no separator token, and the markup {} writes pairs",
                        markup.name()
                    ),
                    source: None,
                });
            }
            None => String::new(),
        };
        if options.truncation == Truncation::Tail && tokenizer.cuts_beginnings() {
            return Err(Error::TokenizerSetting {
                path: tokenizer.path().with_file_name("tokenizer_config.json"),
                field: "truncation_side".into(),
                found: Some("\"left\"".into()),
                expected: "\"right\" for the truncation \"tail\"; \"window\" does not depend on it".into(),
            });
        }
        let roles = tokenizer.special().named().map(|(_, token)| token.content.clone());
        let literal = LiteralTokens::new(markup.tokens().into_iter().chain(roles));
        Ok(Self { tokenizer, markup, options, template, separator, literal })
    }

    /// The same encoder with other settings.
    ///
    /// # Errors
    /// As [`ExampleEncoder::new`].
    pub fn with_options(self, options: EncodeOptions) -> Result<Self> {
        Self::new(self.tokenizer, self.markup, options)
    }

    /// The tokenizer with the markup's tokens: the one to save with the model.
    pub fn tokenizer(&self) -> &Tokenizer {
        &self.tokenizer
    }

    /// The markup.
    pub fn markup(&self) -> &dyn Markup {
        self.markup.as_ref()
    }

    /// The settings.
    pub fn options(&self) -> &EncodeOptions {
        &self.options
    }

    /// Number of token types that a model must have for these rows.
    pub fn required_type_vocab_size(&self) -> usize {
        let types = self.template.parts().iter().map(|part| match part {
            Part::Special { type_id, .. } | Part::Segment { type_id, .. } => *type_id as usize,
        });
        types.max().unwrap_or_default() + 1 + usize::from(self.markup.entity_embedding())
    }

    /// The text that an example's row is made from.
    ///
    /// White space at the ends of an entity belongs to no word: markers stand around the entity without it.
    ///
    /// # Errors
    /// Those of the markup.
    pub fn write(&self, example: &RelationExample) -> Result<MarkedText> {
        self.markup.write(bare(example)?.as_ref(), &self.separator)
    }

    /// Encodes one example.
    ///
    /// # Errors
    /// [`Error::LostEntity`] and [`Error::EntityWithoutTokens`] unless lost entities are counted, and those of
    /// the markup and the tokenizer.
    pub fn encode(&self, example: &RelationExample) -> Result<Encoded> {
        self.encode_row(example, &mut Scratch::default()).map(|(row, _)| row)
    }

    /// Encodes examples in parallel, in their order.
    ///
    /// # Errors
    /// That of the first example with one, as in [`encode`](Self::encode).
    pub fn encode_batch(&self, examples: &[RelationExample]) -> Result<(Vec<Encoded>, EncodeReport)> {
        let (rows, report) = self.encode_rows(examples);
        Ok((rows.into_iter().collect::<Result<_>>()?, report))
    }

    /// Encodes examples in parallel: one result for each, in their order. The report is on those that were encoded.
    pub fn encode_rows(&self, examples: &[RelationExample]) -> (Vec<Result<Encoded>>, EncodeReport) {
        let encoded: Vec<Result<(Encoded, bool)>> = examples
            .par_iter()
            .map_init(Scratch::default, |scratch, example| self.encode_row(example, scratch))
            .collect();
        let mut report = EncodeReport::default();
        let mut rows = Vec::with_capacity(encoded.len());
        for (example, row) in examples.iter().zip(encoded) {
            rows.push(row.map(|(row, truncated)| {
                report.rows += 1;
                report.tokens += row.len();
                report.longest = report.longest.max(row.len());
                report.truncated += usize::from(truncated);
                let lost = row.entities.iter().enumerate().filter(|(_, span)| span.is_none());
                report
                    .lost
                    .extend(lost.map(|(entity, _)| LostEntity { id: example.id().to_owned(), entity }));
                report.tokens_in_text.count(example.id(), self.literal.within(example.text()));
                row
            }));
        }
        (rows, report)
    }

    /// The row, and whether it was truncated.
    fn encode_row(&self, example: &RelationExample, scratch: &mut Scratch) -> Result<(Encoded, bool)> {
        let text = self.write(example)?;
        let Scratch { first, sentence } = scratch;
        first.clear();
        if text.first.is_some() != self.markup.writes_pair() {
            return Err(Error::Argument {
                name: "writes_pair",
                found: format!("{} from the markup {}", self.markup.writes_pair(), self.markup.name()),
                expected: "true exactly where the markup writes a first segment",
            });
        }
        if let Some(text) = &text.first {
            self.tokenizer.pieces_into(text, first)?;
        }
        self.tokenizer.pieces_into(&text.sentence, sentence)?;
        let entities = find_entities(&text, sentence);
        if self.options.lost_entities == LostEntities::Error
            && let Some(entity) = entities.iter().position(Option::is_none)
        {
            let surface = example.surface(entity).to_owned();
            return Err(Error::EntityWithoutTokens { id: example.id().to_owned(), entity, surface });
        }
        // What the window goes around where an entity has no tokens: the other one, or the beginning.
        let [subject, object] = entities.map(|spans| spans.map(|(_, marked)| marked));
        let anchor = subject.or(object).unwrap_or(TokenSpan::with_len(0, 0));
        let marked = [subject.unwrap_or(anchor), object.unwrap_or(anchor)];

        let budget = self.options.max_length.saturating_sub(self.template.special_tokens());
        let needed = first.len() + sentence.len();
        let truncated = needed > budget;
        let (first_length, kept) = match self.options.truncation {
            _ if !truncated => (first.len(), whole(sentence.len())),
            Truncation::Window if first.len() < budget => {
                (first.len(), window(marked, sentence.len(), budget - first.len()))
            }
            Truncation::Window | Truncation::Tail => {
                let [first, second] = longest_first(first.len(), sentence.len(), budget);
                // A single segment has nothing to share with.
                let second = if text.first.is_none() { budget } else { second };
                (first, whole(second))
            }
        };
        let mut row =
            self.assemble(first.ids.get(..first_length).unwrap_or_default(), sentence, &kept, entities);
        row.kinds = [0, 1].map(|entity| self.kind(example, entity));
        if self.options.lost_entities == LostEntities::Error
            && let Some(entity) = row.entities.iter().position(Option::is_none)
        {
            return Err(Error::LostEntity {
                id: example.id().to_owned(),
                entity,
                max_length: self.options.max_length,
                needed: needed + self.template.special_tokens(),
            });
        }
        Ok((row, truncated))
    }

    /// A type as a row has it, see [`Encoded::kinds`].
    fn kind(&self, example: &RelationExample, entity: usize) -> u32 {
        let kind = entity_type(example, entity);
        let known = self.markup.entity_types().iter().position(|known| known == kind);
        known.map_or(0, |place| place as u32 + 1)
    }

    fn assemble(
        &self,
        first: &[u32],
        sentence: &Pieces,
        kept: &Kept,
        entities: [Option<(TokenSpan, TokenSpan)>; 2],
    ) -> Encoded {
        let [left, right] = kept.clone().map(|range| sentence.ids.get(range).unwrap_or_default());
        let joined;
        let sentence = if right.is_empty() {
            left
        } else {
            joined = [left, right].concat();
            &joined
        };
        let length = first.len() + sentence.len() + self.template.special_tokens();
        let (mut ids, mut type_ids) = (Vec::with_capacity(length), Vec::with_capacity(length));
        let segments = if self.markup.writes_pair() { [first, sentence] } else { [sentence, first] };
        let [single, second] = self.template.assemble(segments.map(Some), &mut ids, &mut type_ids);
        let start = if self.markup.writes_pair() { second } else { single };

        let place = |span: TokenSpan, whole: TokenSpan| Some(move_span(span, whole, kept)?.shifted(start));
        let row_marked = entities.map(|spans| spans.and_then(|(_, marked)| place(marked, marked)));
        let row_entities = entities.map(|spans| spans.and_then(|(surface, marked)| place(surface, marked)));
        if self.markup.entity_embedding() {
            for (at, type_id) in type_ids.iter_mut().enumerate() {
                let inside = |span: &TokenSpan| span.range().contains(&at);
                *type_id += u32::from(row_entities.iter().flatten().any(inside));
            }
        }
        let sentence = Some(TokenSpan::with_len(start, sentence.len()));
        Encoded { ids, type_ids, entities: row_entities, marked: row_marked, sentence, kinds: [0, 0] }
    }
}

/// The example with entities that neither begin nor end with white space, which belongs to no word. One of white space
/// alone stays as it is: no token covers it.
fn bare(example: &RelationExample) -> Result<Cow<'_, RelationExample>> {
    let spans = example.entities().each_ref().map(|entity| {
        let (start, end) = without_white_space(example.text(), entity.span().start(), entity.span().end());
        ByteSpan::new(start, end).filter(|span| !span.is_empty()).unwrap_or(entity.span())
    });
    let same = example.entities().iter().zip(&spans).all(|(entity, span)| entity.span() == *span);
    Ok(if same { Cow::Borrowed(example) } else { Cow::Owned(example.in_text(example.shared_text(), spans)?) })
}

/// The tokens of each entity's surface form, and of each entity with its markers; `None` where no token covers one.
fn find_entities(text: &MarkedText, sentence: &Pieces) -> [Option<(TokenSpan, TokenSpan)>; 2] {
    let find = |surface: ByteSpan, marked| {
        let (start, end) = without_white_space(&text.sentence, surface.start(), surface.end());
        let span = sentence.covering(ByteSpan::new(start, end).filter(|span| !span.is_empty())?)?;
        Some((span, sentence.covering(marked).map_or(span, |marked| marked.cover(&span))))
    };
    let ([subject, object], [marked_subject, marked_object]) = (text.entities, text.marked);
    [find(subject, marked_subject), find(object, marked_object)]
}

fn whole(length: usize) -> Kept {
    [0..length, length..length]
}

/// A window around both entities; where both do not fit, around the subject, else the object, else the start.
fn window(marked: [TokenSpan; 2], length: usize, budget: usize) -> Kept {
    around(marked, length, budget).unwrap_or_else(|| {
        let alone = marked.iter().find_map(|&span| extend(span, 0..length, budget));
        let kept = alone.unwrap_or(0..budget.min(length));
        [kept, length..length]
    })
}

/// Where `span` stands once only the kept tokens remain; `None` unless all of `whole` was kept.
fn move_span(span: TokenSpan, whole: TokenSpan, kept: &Kept) -> Option<TokenSpan> {
    let [left, right] = kept;
    let holds = |range: &Range<usize>| range.start <= whole.start() && whole.end() <= range.end;
    if holds(left) {
        return Some(TokenSpan::with_len(span.start() - left.start, span.len()));
    }
    let start = left.len() + span.start().checked_sub(right.start)?;
    holds(right).then(|| TokenSpan::with_len(start, span.len()))
}
