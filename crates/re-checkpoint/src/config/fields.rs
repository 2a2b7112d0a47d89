//! Typed access to the fields of a `config.json`.

use std::ops::RangeInclusive;
use std::path::Path;

use re_data::text::brief;
use serde::Deserialize;
use serde_json::{Map, Value};

use super::Activation;
use crate::error::{Error, Result};

/// The fields of a `config.json`; `null` stands for one that is left out.
pub(super) struct Fields<'a> {
    pub raw: &'a Map<String, Value>,
    pub path: &'a Path,
}

impl Fields<'_> {
    pub fn get(&self, field: &str) -> Option<&Value> {
        self.raw.get(field).filter(|value| !value.is_null())
    }

    pub fn fault(&self, field: &'static str, found: impl ToString, expected: impl Into<String>) -> Error {
        let found = brief(&found.to_string());
        Error::Config { path: self.path.to_owned(), field, found, expected: expected.into() }
    }

    /// A value that is known by name.
    pub fn name<T: for<'a> Deserialize<'a>>(
        &self,
        field: &'static str,
        default: Option<&str>,
        expected: &str,
    ) -> Result<T> {
        let value = self.get(field).cloned().or_else(|| default.map(Value::from));
        let value = value.ok_or_else(|| self.fault(field, "nothing", expected))?;
        T::deserialize(&value).map_err(|_| self.fault(field, &value, expected))
    }

    pub fn activation(&self, field: &'static str, default: &str) -> Result<Activation> {
        let expected = "\"gelu\", \"gelu_new\", \"relu\", \"silu\" or \"tanh\"";
        self.name(field, Some(default), expected)
    }

    pub fn flag(&self, field: &'static str, default: bool) -> Result<bool> {
        let Some(value) = self.get(field) else { return Ok(default) };
        value.as_bool().ok_or_else(|| self.fault(field, value, "true or false"))
    }

    pub fn whole(&self, field: &'static str, default: i64, range: RangeInclusive<i64>) -> Result<i64> {
        let Some(value) = self.get(field) else { return Ok(default) };
        let fits = value.as_i64().filter(|number| range.contains(number));
        let expected = || format!("a whole number from {} to {}", range.start(), range.end());
        fits.ok_or_else(|| self.fault(field, value, expected()))
    }

    pub fn size(&self, field: &'static str, default: i64, largest: i64) -> Result<i64> {
        self.whole(field, default, 1..=largest)
    }

    pub fn number(
        &self,
        field: &'static str,
        default: f64,
        fits: impl Fn(f64) -> bool,
        expected: &str,
    ) -> Result<f64> {
        let Some(value) = self.get(field) else { return Ok(default) };
        value.as_f64().filter(|number| fits(*number)).ok_or_else(|| self.fault(field, value, expected))
    }

    pub fn rate(&self, field: &'static str, default: f64) -> Result<f64> {
        let fits = |rate| (0.0..1.0).contains(&rate);
        self.number(field, default, fits, "a rate from 0 up to, not including, 1")
    }
}
