//! The layouts of graphs.

use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::by_name::by_name;
use crate::read::format::extension;

/// Layout of graphs. `docs/FORMATS.md` says what each can hold.
///
/// In text (`FromStr`, `Display`, serde) a layout has the name given with it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(into = "&'static str", try_from = "String")]
#[non_exhaustive]
pub enum GraphFormat {
    /// `csv`: a row for each relation (RFC 4180, with a header): `document`, then `subject`, `subject_start`, `subject_end`,
    /// `subject_type`, `subject_entity`, `subject_score`, `relation`, the same six columns of the object, and `score`.
    /// Offsets count code points. What a mention or relation lacks is empty.
    Csv,
    /// `dot`: a directed graph for Graphviz, a cluster for each document where entities are those of documents. Nodes show the
    /// entity's first surface form and type, edges the relation and its score.
    Dot,
    /// `graphml`: GraphML (Brandes et al. 2002) with attributes that have types: of nodes `label`, `type`, `entity` and
    /// `document`, of edges `label`, `score` and `document`.
    GraphMl,
    /// `ntriples`: RDF 1.1 N-Triples. A relation is a triple of two entities; one with a score is described by an
    /// `rdf:Statement`, too.
    NTriples,
}

impl GraphFormat {
    /// All layouts.
    pub const ALL: [Self; 4] = [Self::Csv, Self::Dot, Self::GraphMl, Self::NTriples];

    const EXPECTED: &'static str = "one of csv, dot, graphml, ntriples";

    /// Name of the layout, such as `dot`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Csv => "csv",
            Self::Dot => "dot",
            Self::GraphMl => "graphml",
            Self::NTriples => "ntriples",
        }
    }

    /// The layout to write where only the name of the file tells: `.csv`, `.dot` or `.gv`, `.graphml`, `.nt`.
    pub fn of_output(path: &Path) -> Option<Self> {
        match extension(path).as_deref() {
            Some("csv") => Some(Self::Csv),
            Some("dot" | "gv") => Some(Self::Dot),
            Some("graphml") => Some(Self::GraphMl),
            Some("nt") => Some(Self::NTriples),
            _ => None,
        }
    }
}

by_name!(GraphFormat);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_go_both_ways() {
        for format in GraphFormat::ALL {
            assert_eq!(format.to_string().parse::<GraphFormat>().unwrap(), format);
            assert!(GraphFormat::EXPECTED.contains(format.name()));
            let json = serde_json::to_string(&format).unwrap();
            assert_eq!(serde_json::from_str::<GraphFormat>(&json).unwrap(), format);
        }
        let error = "xml".parse::<GraphFormat>().unwrap_err().to_string();
        assert!(error.contains("one of csv, dot"), "{error}");
        let of = |name: &str| GraphFormat::of_output(Path::new(name));
        assert_eq!(
            (of("a.GV"), of("a.nt"), of("a.jsonl")),
            (Some(GraphFormat::Dot), Some(GraphFormat::NTriples), None)
        );
    }
}
