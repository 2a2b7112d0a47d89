//! What a model was loaded from, watched as long as the model computes with it.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Weak};

use re_data::manifest::Check;
use re_native::FileMap;

use super::Weights;
use crate::error::{Error, Result};

/// The files below a model: those that its tensors lie on, and the manifest of its folder.
#[derive(Debug, Default)]
pub(crate) struct Source {
    /// Alive as long as tensors lie on them.
    maps: Vec<(PathBuf, Weak<FileMap>)>,
    check: Check,
}

impl Source {
    pub fn new(weights: Option<&Weights>) -> Self {
        let maps = weights.into_iter().flat_map(Weights::maps);
        Self {
            maps: maps.map(|(path, map)| (path.to_owned(), Arc::downgrade(map))).collect(),
            check: Check::default(),
        }
    }

    pub fn set_check(&mut self, check: Check) {
        self.check = check;
    }

    /// Makes sure that the files are what was saved, and still what was opened.
    pub fn verify(&self) -> Result<()> {
        self.check.finish()?;
        self.maps.iter().try_for_each(|(path, map)| match map.upgrade() {
            Some(map) => check_unchanged(path, &map),
            None => Ok(()),
        })
    }
}

pub(super) fn check_unchanged(path: &Path, map: &FileMap) -> Result<()> {
    match map.is_unchanged() {
        Ok(true) => Ok(()),
        Ok(false) => Err(Error::FileChanged { path: path.to_owned() }),
        Err(source) => Err(Error::io(path, source)),
    }
}
