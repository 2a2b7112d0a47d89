//! What the encoder makes of rows, for those who do something else with it than classify.

use ndarray::{Array2, Axis, Slice};
use re_data::Encoded;

use super::RelationClassifier;
use crate::error::Result;
use crate::head::HeadInput;
use crate::inference::{in_batches, matrix};
use crate::ops::Mode;

impl RelationClassifier {
    /// Hidden states of the last layer, `[tokens, hidden_size]` for each of `rows`, special tokens included.
    ///
    /// # Errors
    /// As [`RelationClassifier::logits`].
    pub fn hidden_states(&self, rows: &[Encoded]) -> Result<Vec<Array2<f32>>> {
        let _guard = tch::no_grad_guard();
        let mut all = vec![Array2::default((0, 0)); rows.len()];
        in_batches(rows, &self.model, |numbers, batch| {
            let states = self.model.encoder().forward(batch, Mode::Eval)?;
            let states = matrix(&states, batch.tokens(), self.width(), "Encoder::forward")?;
            for (&row, tokens) in numbers.iter().zip(batch.row_ranges()) {
                if let Some(slot) = all.get_mut(row) {
                    *slot = states.slice_axis(Axis(0), Slice::from(tokens)).to_owned();
                }
            }
            Ok(())
        })?;
        self.model.verify()?;
        Ok(all)
    }

    /// The mentions of `rows`: means of the hidden states of the last layer over the tokens of the subject, and over those of
    /// the object, `[rows, hidden_size]` each. An entity that truncation removed has zeros.
    ///
    /// # Errors
    /// As [`RelationClassifier::logits`].
    pub fn mentions(&self, rows: &[Encoded]) -> Result<[Array2<f32>; 2]> {
        let _guard = tch::no_grad_guard();
        let mut all = [(); 2].map(|()| Array2::zeros((rows.len(), self.width())));
        in_batches(rows, &self.model, |numbers, batch| {
            let states = self.model.encoder().forward(batch, Mode::Eval)?;
            let input = HeadInput { states: &states, batch, tokens: None };
            for (entity, all) in all.iter_mut().enumerate() {
                let means = matrix(
                    &input.entity_mean(entity)?,
                    numbers.len(),
                    self.width(),
                    "HeadInput::entity_mean",
                )?;
                for (&row, mean) in numbers.iter().zip(means.rows()) {
                    all.row_mut(row).assign(&mean);
                }
            }
            Ok(())
        })?;
        self.model.verify()?;
        Ok(all)
    }

    fn width(&self) -> usize {
        usize::try_from(self.model.config().hidden_size).unwrap_or_default()
    }
}
