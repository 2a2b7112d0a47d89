//! How attention scores depend on the distance of query and key.

/// How distances share biases: near ones have one each, farther ones share one in ranges that grow with the distance.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RelativeAttention {
    /// Rows of the table of biases; those from `buckets` on are not used.
    pub rows: i64,
    /// Number of ranges of distances, half of them for keys before the query.
    pub buckets: i64,
    /// Distance from which on all share one bias.
    pub max_distance: i64,
}

impl RelativeAttention {
    /// The row that has the bias of a distance, key minus query.
    pub fn bucket(&self, distance: i64) -> i64 {
        let half = self.buckets / 2;
        let exact = half / 2;
        let steps = distance.abs();
        let row = if steps < exact {
            steps
        } else {
            // In 32-bit floats, as `transformers` computes it: a distance at the edge of a range may fall to either side.
            let from_exact = (steps as f32 / exact as f32).ln();
            let most = (self.max_distance as f64 / exact as f64).ln() as f32;
            let range = (from_exact / most * (half - exact) as f32) as i64;
            (exact + range).min(half - 1)
        };
        if distance > 0 { half + row } else { row }
    }
}

/// Which terms attention scores have beside that of query and key, and how distances share the vectors behind them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DisentangledAttention {
    /// Half the rows of the table of distances, which has that of distance 0 behind the first half.
    pub span: i64,
    /// Number of ranges where distances share rows: half of them are single distances, and the others grow with the
    /// distance. Without, each distance has a row of its own, up to `span`.
    pub buckets: Option<i64>,
    /// Distance that the last range ends with.
    pub max_distance: i64,
    /// Whether a query is scored with the distance of the key.
    pub content_to_position: bool,
    /// Whether a key is scored with the distance of the query.
    pub position_to_content: bool,
    /// Whether distances are projected as queries and keys are, in place of projections of their own.
    pub shared_projections: bool,
    /// Whether the table goes through a LayerNorm.
    pub normalized: bool,
}

impl DisentangledAttention {
    /// The row of a distance, query minus key. It never falls as the distance grows.
    pub fn row(&self, distance: i64) -> i64 {
        (self.bucket(distance) + self.span).clamp(0, 2 * self.span - 1)
    }

    fn bucket(&self, distance: i64) -> i64 {
        let Some(middle) = self.buckets.map(|buckets| buckets / 2) else { return distance };
        let steps = distance.abs();
        if steps <= middle {
            return distance;
        }
        // In 32-bit floats, as `transformers` computes it: a distance at the edge of a range may fall to either side.
        let from_middle = (steps as f32 / middle as f32).ln();
        let most = ((self.max_distance - 1) as f64 / middle as f64) as f32;
        let ranges = (from_middle / most.ln() * (middle - 1) as f32).ceil() as i64;
        (ranges + middle) * distance.signum()
    }
}
