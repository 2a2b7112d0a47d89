//! What turns judged pairs into a graph, as one file that lies beside the model.

use std::path::Path;

use re_data::{LabelSet, PairRule, files};
use serde::{Deserialize, Serialize};

use crate::calibrate::Calibration;
use crate::constraints::TypeConstraints;
use crate::error::{Error, Result};
use crate::properties::RelationProperties;
use crate::threshold::Thresholds;

/// Everything between the predictor's probabilities and the graph. Each part may be absent, and then changes nothing.
///
/// ```
/// use re_extract::GraphSettings;
/// let settings: GraphSettings = serde_json::from_str(
///     r#"{"properties": {"symmetric": ["spouse"]}, "thresholds": {"pooled": {"value": 0.5}}}"#,
/// )?;
/// assert!(settings.properties.is_symmetric("spouse"));
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct GraphSettings {
    /// Which pairs of mentions are candidates.
    pub rule: PairRule,
    /// Which types each relation joins.
    pub constraints: TypeConstraints,
    /// Symmetric and inverse relations.
    pub properties: RelationProperties,
    /// What makes scores of probabilities.
    pub calibration: Calibration,
    /// From which score on a relation is told.
    pub thresholds: Thresholds,
}

impl GraphSettings {
    /// Name of the file in a model's folder.
    pub const FILE: &'static str = "graph.json";

    /// Reads settings from a JSON file.
    ///
    /// # Errors
    /// [`Error::Data`] where it cannot be read, [`Error::File`] where it is not what it should be.
    pub fn load(path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref();
        let text = std::fs::read_to_string(path).map_err(|error| re_data::Error::io(path, error))?;
        let mut json = serde_json::Deserializer::from_str(&text);
        let fault = |field: String, reason: serde_json::Error| Error::File {
            path: path.to_owned(),
            field: if field == "." { "the whole".to_owned() } else { field },
            reason: reason.to_string(),
        };
        let settings = serde_path_to_error::deserialize(&mut json)
            .map_err(|error| fault(error.path().to_string(), error.into_inner()))?;
        json.end().map_err(|error| fault("behind the end".to_owned(), error))?;
        Ok(settings)
    }

    /// Writes settings to a JSON file.
    ///
    /// # Errors
    /// [`Error::Data`] where that fails.
    pub fn save(&self, path: impl AsRef<Path>) -> Result<()> {
        let path = path.as_ref();
        let text = serde_json::to_string_pretty(self).map_err(|error| Error::File {
            path: path.to_owned(),
            field: "the whole".to_owned(),
            reason: error.to_string(),
        })?;
        Ok(files::write(path, text + "\n")?)
    }

    /// Whether every relation that is named is one of the predictor's.
    ///
    /// # Errors
    /// [`Error::UnknownRelation`] for the first that is none.
    pub fn check(&self, labels: &LabelSet) -> Result<()> {
        let constraints = self.constraints.relations().map(|(name, _)| ("constraints", name));
        let properties = self.properties.relations().map(|name| ("properties", name));
        let calibration = self.calibration.relations().map(|name| ("calibration", name));
        let thresholds = self.thresholds.relations().map(|(name, _)| ("thresholds", name));
        let named = constraints.chain(properties).chain(calibration).chain(thresholds);
        let is_relation =
            |name: &str| labels.id(name).is_some_and(|class| labels.no_relation() != Some(class));
        match named.into_iter().find(|(_, name)| !is_relation(name)) {
            None => Ok(()),
            Some((part, found)) => Err(Error::UnknownRelation {
                part,
                found: found.to_owned(),
                expected: labels.names().iter().filter(|name| is_relation(name)).cloned().collect(),
            }),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::threshold::Threshold;

    #[test]
    fn settings_are_read_as_they_were_written() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(GraphSettings::FILE);
        let thresholds = BTreeMap::from([("a".to_owned(), Threshold::declared(0.1))]);
        let settings = GraphSettings {
            rule: PairRule { same_sentence: true, ..PairRule::default() },
            constraints: TypeConstraints::declare([("a", "P", "O")]).unwrap(),
            properties: RelationProperties::new(["a"], [["b", "c"]]).unwrap(),
            calibration: Calibration::with_temperature(1.7).unwrap(),
            thresholds: Thresholds::declare(thresholds, None).unwrap(),
        };
        settings.save(&path).unwrap();
        assert_eq!(GraphSettings::load(&path).unwrap(), settings);

        let message = |text: &str| {
            std::fs::write(&path, text).unwrap();
            let error = GraphSettings::load(&path).unwrap_err().to_string();
            error.replace(&path.display().to_string(), "PATH")
        };
        let wrong = message(r#"{"thresholds": {"relations": {"a": {"value": "high"}}}}"#);
        assert!(wrong.starts_with("PATH: thresholds: ") || wrong.starts_with("PATH: thresholds."), "{wrong}");
        assert!(message("{} {}").starts_with("PATH: behind the end: trailing characters"));
        assert!(message("").starts_with("PATH: the whole: EOF"));
        assert!(message(r#"{"treshold": {}}"#).contains("unknown field `treshold`"));
        let absent = GraphSettings::load(folder.path().join("none")).unwrap_err();
        assert!(matches!(absent, Error::Data(re_data::Error::Io { .. })));
    }

    #[test]
    fn relations_that_the_predictor_lacks_are_named() {
        let labels = LabelSet::new(["no_relation", "a", "b"]).unwrap();
        let message = |settings: GraphSettings| settings.check(&labels).unwrap_err().to_string();
        let properties = RelationProperties::new(["x"], []).unwrap();
        let settings = GraphSettings { properties, ..GraphSettings::default() };
        assert_eq!(message(settings), r#"properties: found the relation "x", expected one of "a", "b""#);
        let constraints = TypeConstraints::declare([("no_relation", "P", "P")]).unwrap();
        let settings = GraphSettings { constraints, ..GraphSettings::default() };
        assert!(message(settings).starts_with(r#"constraints: found the relation "no_relation""#));
        GraphSettings::default().check(&labels).unwrap();
    }
}
