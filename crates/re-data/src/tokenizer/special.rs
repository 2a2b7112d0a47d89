//! The tokens with a role: class, separator, padding, unknown, mask.

use tokenizers::{AddedToken, ModelWrapper};

use super::model::{Inner, VocabularyModel};
use super::template::Template;
use crate::error::Result;

/// A token and its id.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SpecialToken {
    /// How it is written in text.
    pub content: String,
    /// Its id.
    pub id: u32,
}

/// The tokens with a role; `None` where the vocabulary has none for it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct SpecialTokens {
    /// Opens a row; its state stands for the whole row.
    pub cls: Option<SpecialToken>,
    /// Ends a segment.
    pub sep: Option<SpecialToken>,
    /// Fills rows up to a common length.
    pub pad: Option<SpecialToken>,
    /// Stands for text that the vocabulary cannot spell.
    pub unk: Option<SpecialToken>,
    /// Hides a token in masked language modelling.
    pub mask: Option<SpecialToken>,
}

impl SpecialTokens {
    /// Fills the roles from the folder's settings, then from the tokenizer file, then by customary names.
    pub(super) fn find(
        inner: &Inner,
        named: &[(&'static str, AddedToken)],
        padding: Option<String>,
    ) -> Result<Self> {
        let [cls, sep] =
            Template::probe(inner, false)?.outer_specials().map(|id| id.and_then(|id| inner.id_to_token(id)));
        let role = |key: &str, from_file: Option<String>, customary: [&str; 2]| {
            let named = named.iter().filter(|(role, _)| *role == key).map(|(_, token)| token.content.clone());
            named.chain(from_file).chain(customary.map(String::from)).find_map(|content| {
                let id = inner.token_to_id(&content)?;
                Some(SpecialToken { content, id })
            })
        };
        Ok(Self {
            cls: role("cls_token", cls, ["[CLS]", "<s>"]),
            sep: role("sep_token", sep, ["[SEP]", "</s>"]),
            pad: role("pad_token", padding, ["[PAD]", "<pad>"]),
            unk: role("unk_token", unknown_token(inner), ["[UNK]", "<unk>"]),
            mask: role("mask_token", None, ["[MASK]", "<mask>"]),
        })
    }

    /// Every role's key in the settings files with its token.
    pub(crate) fn named(&self) -> impl Iterator<Item = (&'static str, &SpecialToken)> {
        let roles = [
            ("cls_token", &self.cls),
            ("sep_token", &self.sep),
            ("pad_token", &self.pad),
            ("unk_token", &self.unk),
            ("mask_token", &self.mask),
        ];
        roles.into_iter().filter_map(|(key, token)| Some((key, token.as_ref()?)))
    }
}

fn unknown_token(inner: &Inner) -> Option<String> {
    match inner.get_model() {
        VocabularyModel::Other(ModelWrapper::WordPiece(model)) => Some(model.unk_token.clone()),
        VocabularyModel::Other(ModelWrapper::WordLevel(model)) => Some(model.unk_token.clone()),
        VocabularyModel::Other(ModelWrapper::BPE(model)) => model.unk_token.clone(),
        _ => None,
    }
}
