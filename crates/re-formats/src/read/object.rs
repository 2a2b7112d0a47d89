//! Named values of a record, taken out one by one; a value that does not fit is an error that names it.

use re_data::LabelSet;
use re_data::text::quoted;
use serde_json::{Map, Value};

use super::place::{Field, Place};
use crate::error::{Error, Result};

/// The named values of a record, or of a part of one.
///
/// A value is asked for by its full name, such as `subject_entity.word`; its key is what stands behind the last dot.
pub(crate) struct Object {
    values: Map<String, Value>,
    /// Column in which the whole object stands, where the format has columns.
    column: Option<usize>,
}

impl Object {
    pub(crate) fn new(values: Map<String, Value>, column: Option<usize>) -> Self {
        Self { values, column }
    }

    pub(crate) fn field(&self, name: &'static str) -> Field {
        Field { column: self.column, name }
    }

    /// The value, unless it is missing or null.
    fn take(&mut self, name: &str) -> Option<Value> {
        let key = name.rsplit('.').next().unwrap_or(name);
        self.values.remove(key).filter(|value| !value.is_null())
    }

    fn required(&mut self, place: &Place<'_>, name: &'static str, expected: &str) -> Result<Value> {
        self.take(name).ok_or_else(|| place.error(self.field(name), "nothing", expected))
    }

    fn fault(&self, place: &Place<'_>, name: &'static str, found: &Value, expected: &str) -> Error {
        place.error(self.field(name), found.to_string(), expected)
    }

    pub(crate) fn text(&mut self, place: &Place<'_>, name: &'static str) -> Result<String> {
        match self.required(place, name, "a string")? {
            Value::String(text) => Ok(text),
            other => Err(self.fault(place, name, &other, "a string")),
        }
    }

    pub(crate) fn optional_text(&mut self, place: &Place<'_>, name: &'static str) -> Result<Option<String>> {
        match self.take(name) {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(text)),
            Some(other) => Err(self.fault(place, name, &other, "a string")),
        }
    }

    /// A label, or its number among `labels`.
    pub(crate) fn optional_label(
        &mut self,
        place: &Place<'_>,
        name: &'static str,
        labels: &LabelSet,
    ) -> Result<Option<String>> {
        match self.take(name) {
            None => Ok(None),
            Some(Value::String(label)) => Ok(Some(label)),
            Some(other) => {
                let class = other.as_u64().and_then(|class| usize::try_from(class).ok());
                let label = class.and_then(|class| labels.name(class)).map(str::to_owned);
                let expected = format!("a label or its number, 0 to {}", labels.len() - 1);
                label.map(Some).ok_or_else(|| self.fault(place, name, &other, &expected))
            }
        }
    }

    pub(crate) fn optional_probability(
        &mut self,
        place: &Place<'_>,
        name: &'static str,
    ) -> Result<Option<f32>> {
        let Some(value) = self.take(name) else { return Ok(None) };
        let number = value.as_f64().map(|number| number as f32).filter(|p| (0.0..=1.001).contains(p));
        number.map(Some).ok_or_else(|| self.fault(place, name, &value, "a number from 0 to 1"))
    }

    /// An id: a string that is not empty, or a whole number. A number of more than 64 bits would lose digits, and others
    /// are written in many ways.
    pub(crate) fn id(&mut self, place: &Place<'_>, name: &'static str) -> Result<String> {
        match self.required(place, name, "an identifier")? {
            Value::String(id) if !id.is_empty() => Ok(id),
            Value::Number(number) if !number.is_f64() => Ok(number.to_string()),
            number @ Value::Number(_) => Err(self.fault(
                place,
                name,
                &number,
                "an identifier: a string or a whole number of up to 64 bits",
            )),
            other => Err(self.fault(place, name, &other, "an identifier")),
        }
    }

    /// An id, unless it is missing or null.
    pub(crate) fn optional_id(&mut self, place: &Place<'_>, name: &'static str) -> Result<Option<String>> {
        if self.is_absent(name) { Ok(None) } else { self.id(place, name).map(Some) }
    }

    fn is_absent(&self, name: &str) -> bool {
        let key = name.rsplit('.').next().unwrap_or(name);
        self.values.get(key).is_none_or(Value::is_null)
    }

    /// Leaves a value out of [`Object::unread`].
    pub(crate) fn pass(&mut self, name: &str) {
        self.take(name);
    }

    /// Whether a flag is set; it is not where it is missing or null.
    pub(crate) fn flag(&mut self, place: &Place<'_>, name: &'static str) -> Result<bool> {
        match self.take(name) {
            None => Ok(false),
            Some(Value::Bool(flag)) => Ok(flag),
            Some(other) => Err(self.fault(place, name, &other, "true or false")),
        }
    }

    /// A number of characters or tokens, unless it is missing or null.
    pub(crate) fn optional_index(&mut self, place: &Place<'_>, name: &'static str) -> Result<Option<usize>> {
        if self.is_absent(name) { Ok(None) } else { self.index(place, name).map(Some) }
    }

    /// A number of characters or tokens.
    pub(crate) fn index(&mut self, place: &Place<'_>, name: &'static str) -> Result<usize> {
        let value = self.required(place, name, "an offset")?;
        let index = value.as_u64().and_then(|number| usize::try_from(number).ok());
        index.ok_or_else(|| self.fault(place, name, &value, "an offset"))
    }

    pub(crate) fn object(&mut self, place: &Place<'_>, name: &'static str) -> Result<Self> {
        match self.required(place, name, "an object")? {
            Value::Object(values) => Ok(Self { values, column: self.column }),
            other => Err(self.fault(place, name, &other, "an object")),
        }
    }

    /// An object, unless it is missing or null.
    pub(crate) fn optional_object(&mut self, place: &Place<'_>, name: &'static str) -> Result<Option<Self>> {
        if self.is_absent(name) { Ok(None) } else { self.object(place, name).map(Some) }
    }

    /// A list of objects; `None` where it is missing.
    pub(crate) fn objects(&mut self, place: &Place<'_>, name: &'static str) -> Result<Option<Vec<Self>>> {
        let expected = "a list of objects";
        let Some(value) = self.take(name) else { return Ok(None) };
        let Value::Array(elements) = value else { return Err(self.fault(place, name, &value, expected)) };
        let object = |element| match element {
            Value::Object(values) => Ok(Self { values, column: self.column }),
            other => Err(self.fault(place, name, &other, expected)),
        };
        elements.into_iter().map(object).collect::<Result<_>>().map(Some)
    }

    /// A list of strings.
    pub(crate) fn strings(&mut self, place: &Place<'_>, name: &'static str) -> Result<Vec<String>> {
        let expected = "a list of strings";
        let strings = self.list(place, name, expected, |value| value.as_str().map(str::to_owned))?;
        strings.ok_or_else(|| place.error(self.field(name), "nothing", expected))
    }

    /// A list of two objects.
    pub(crate) fn pair(&mut self, place: &Place<'_>, name: &'static str) -> Result<[Self; 2]> {
        let expected = "a list of two objects";
        let mut value = self.required(place, name, expected)?;
        let part =
            |values: &mut Map<String, Value>| Self { values: std::mem::take(values), column: self.column };
        let parts = match value.as_array_mut().map(Vec::as_mut_slice) {
            Some([Value::Object(first), Value::Object(second)]) => Some([part(first), part(second)]),
            _ => None,
        };
        parts.ok_or_else(|| self.fault(place, name, &value, expected))
    }

    /// A list whose elements `read` accepts; `None` where it is missing.
    pub(crate) fn list<T>(
        &mut self,
        place: &Place<'_>,
        name: &'static str,
        expected: &str,
        read: impl Fn(&Value) -> Option<T>,
    ) -> Result<Option<Vec<T>>> {
        let Some(value) = self.take(name) else { return Ok(None) };
        let Value::Array(elements) = &value else { return Err(self.fault(place, name, &value, expected)) };
        let read = |element| read(element).ok_or_else(|| self.fault(place, name, element, expected));
        elements.iter().map(read).collect::<Result<_>>().map(Some)
    }

    /// The end of an object in which a value that nobody asked for is a fault; `part` is as for [`Object::unread`].
    pub(crate) fn end(self, place: &Place<'_>, part: &str, expected: &str) -> Result<()> {
        match self.unread(part).next() {
            None => Ok(()),
            Some(key) => Err(place.error(None, format!("the key {}", quoted(&key)), expected)),
        }
    }

    /// Names of the values that nobody asked for; `part` is the name of the object with a dot behind it, or empty.
    pub(crate) fn unread(self, part: &str) -> impl Iterator<Item = String> {
        self.values
            .into_iter()
            .filter(|(_, value)| !value.is_null())
            .map(move |(key, _)| format!("{part}{key}"))
    }
}
