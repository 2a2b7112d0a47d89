//! What a pickle can hold.

use std::borrow::Cow;

use crate::fault::Fault;

/// Number of a value among those of its pickle.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Id(usize);

/// A value; those it is made of are numbers of others.
#[derive(Debug)]
#[non_exhaustive]
pub enum Value<'a, O> {
    /// `None`.
    None,
    /// `True` or `False`.
    Bool,
    /// An integer of at most 64 bits.
    Int(i64),
    /// A float.
    Float,
    /// A string.
    Text(Cow<'a, str>),
    /// A tuple of these values.
    Tuple(Vec<Id>),
    /// A list; what stands in it is not kept.
    List,
    /// Keys and values of a dict in the order in which they were set; a key that was set twice is there twice.
    Dict(Vec<(Id, Id)>),
    /// What a class, a function or a reference stands for ([`Objects`](crate::Objects)).
    Object(O),
}

impl<O> Value<'_, O> {
    /// What it is, for messages.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::None => "None",
            Self::Bool => "a truth value",
            Self::Int(_) => "an integer",
            Self::Float => "a float",
            Self::Text(_) => "text",
            Self::Tuple(_) => "a tuple",
            Self::List => "a list",
            Self::Dict(_) => "a dict",
            Self::Object(_) => "an object",
        }
    }
}

/// The values of a pickle, made so far.
#[derive(Debug)]
pub struct Values<'a, O> {
    made: Vec<Value<'a, O>>,
    /// Bytes of the program that have been read.
    pub(crate) offset: usize,
}

impl<'a, O> Values<'a, O> {
    pub(crate) fn new() -> Self {
        Self { made: Vec::new(), offset: 0 }
    }

    /// The value of a number; [`Value::None`] for the number of another pickle that this one does not have.
    pub fn value(&self, id: Id) -> &Value<'a, O> {
        self.made.get(id.0).unwrap_or(&Value::None)
    }

    /// A fault in what was read last.
    pub fn fault(&self, found: impl Into<String>, expected: &'static str) -> Fault {
        Fault::Malformed { offset: self.offset, found: found.into(), expected }
    }

    pub(crate) fn add(&mut self, value: Value<'a, O>) -> Id {
        self.made.push(value);
        Id(self.made.len() - 1)
    }

    /// The items of a dict, to which more are added.
    pub(crate) fn dict_mut(&mut self, id: Id) -> Option<&mut Vec<(Id, Id)>> {
        match self.made.get_mut(id.0) {
            Some(Value::Dict(items)) => Some(items),
            _ => None,
        }
    }
}
