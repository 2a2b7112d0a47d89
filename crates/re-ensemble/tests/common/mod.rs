//! Small matrices of probabilities for the tests.
#![allow(dead_code, clippy::unwrap_used, reason = "shared by test files that each use a part of it")]

use std::sync::Arc;

use rand::RngExt;
use re_data::random::stream;
use re_data::{
    ByteSpan, Entity, LabelSet, Outcomes, PredictError, Predictor, Probabilities, RelationExample, RowError,
};
use re_ensemble::{Gold, Member};

pub fn labels(names: &[&str]) -> Arc<LabelSet> {
    Arc::new(LabelSet::new(names.iter().copied()).unwrap())
}

pub fn ids(names: &[&str]) -> Vec<String> {
    names.iter().map(|&name| name.to_owned()).collect()
}

/// A member with the classes a, b, c, ... and the rows 0, 1, 2, ...
pub fn member<const C: usize>(name: &str, rows: &[[f32; C]]) -> Member {
    let names = ["a", "b", "c", "d", "e"];
    let ids = (0..rows.len()).map(|row| row.to_string()).collect();
    let labels = labels(names.get(..C).unwrap());
    Member::new(name, Probabilities::new(ids, labels, rows.as_flattened().to_vec()).unwrap())
}

pub fn examples(count: usize) -> Vec<RelationExample> {
    let entity = |start| Entity::new(ByteSpan::with_len(start, 1));
    (0..count)
        .map(|row| {
            RelationExample::new(row.to_string(), format!("x y {row}"), [entity(0), entity(2)]).unwrap()
        })
        .collect()
}

/// A random task of three classes: gold labels, and members that give the gold class the most
/// probable place in a share of the rows.
pub fn task(rows: usize, skills: &[f64], seed: u64) -> (Gold, Vec<Member>) {
    let names = ["a", "b", "c"];
    let mut random = stream(seed, "test task", 0);
    let gold: Vec<usize> = (0..rows).map(|_| random.random_range(0..3)).collect();
    let members = skills.iter().enumerate().map(|(number, &skill)| {
        let matrix: Vec<[f32; 3]> = gold
            .iter()
            .map(|&gold| {
                let known = random.random_range(0.0..1.0) < skill;
                let top = if known { gold } else { (gold + random.random_range(1..3)) % 3 };
                let confidence: f32 = random.random_range(0.4..0.9);
                std::array::from_fn(|class| if class == top { confidence } else { (1.0 - confidence) / 2.0 })
            })
            .collect();
        member(&format!("m{number}"), &matrix)
    });
    let members = members.collect();
    let rows = gold.iter().enumerate().map(|(row, &class)| (row.to_string(), *names.get(class).unwrap()));
    (Gold::new(rows).unwrap(), members)
}

/// A predictor that answers from a table, by the number in the id. Rows that it lacks, and empty ones, fail.
pub struct Table {
    pub labels: Arc<LabelSet>,
    pub rows: Vec<Vec<f32>>,
}

impl Predictor for Table {
    fn labels(&self) -> &Arc<LabelSet> {
        &self.labels
    }

    fn outcomes(&self, examples: &[RelationExample]) -> Result<Outcomes, PredictError> {
        let rows = examples.iter().map(|example| {
            let row = example.id().parse::<usize>().ok().and_then(|row| self.rows.get(row));
            let row = row.filter(|row| !row.is_empty());
            Ok((example.id().to_owned(), row.ok_or_else(|| RowError::new(example.id(), "no such row"))?))
        });
        Ok(Outcomes::new(Arc::clone(&self.labels), rows)?)
    }
}
