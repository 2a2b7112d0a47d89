//! Attention, row by row and head by head, without padding (Vaswani et al. 2017).

use std::cell::RefCell;
use std::ops::Range;

use rayon::prelude::*;
use re_checkpoint::attention::{DisentangledAttention, RelativeAttention};

use crate::error::Result;
use crate::kernel::Kernel;
use crate::kernel::panels::{self, Out, Product, Rows};
use crate::kernel::values::Softmax;
use crate::linear::{Linear, Norm, Pass};
use crate::weights::Weights;

/// Queries that are worked on together: their scores stay in the cache.
const QUERIES: usize = 24;

thread_local! {
    /// Memory for one head in one row, kept from one to the next.
    static SCRATCH: RefCell<Vec<f32>> = const { RefCell::new(Vec::new()) };
}

/// What the scores of all layers know of the distance of key and query, the former minus the latter.
#[derive(Debug)]
pub(crate) enum Distances {
    None,
    /// A bias by head and distance, `[heads, 2 * reach - 1]`, that of distance 0 in the middle (Raffel et al. 2020).
    Bias {
        values: Vec<f32>,
        reach: usize,
    },
    /// Vectors that each layer makes keys and queries of (He et al. 2021): `[rows, hidden]`, and the row of each distance.
    Rows {
        values: Vec<f32>,
        row_of: Vec<usize>,
        reach: usize,
    },
}

/// The tables behind [`Distances`].
#[derive(Debug)]
pub(crate) enum DistanceTable {
    None,
    Bias { shape: RelativeAttention, heads: usize, values: Vec<f32> },
    Rows { shape: DisentangledAttention, width: usize, values: Vec<f32>, norm: Option<Norm> },
}

impl DistanceTable {
    /// What rows of up to `reach` tokens need.
    pub fn within(&self, reach: usize, pass: Pass) -> Distances {
        let distances = || 1 - reach as i64..reach as i64;
        match self {
            Self::Bias { shape, heads, values } => {
                let of_head = |head: usize| {
                    distances().map(move |distance| {
                        let row = usize::try_from(shape.bucket(distance)).unwrap_or_default();
                        values.get(row * heads + head).copied().unwrap_or_default()
                    })
                };
                Distances::Bias { values: (0..*heads).flat_map(of_head).collect(), reach }
            }
            Self::Rows { shape, width, values, norm }
                if shape.content_to_position || shape.position_to_content =>
            {
                let row = |distance: i64| usize::try_from(shape.row(distance)).unwrap_or_default();
                let (first, last) = (row(1 - reach as i64), row(reach as i64 - 1));
                let mut values = values.get(first * width..(last + 1) * width).unwrap_or_default().to_vec();
                if let Some(norm) = norm {
                    norm.forward(&mut values, &[], pass);
                }
                let row_of = distances().map(|distance| row(-distance) - first).collect();
                Distances::Rows { values, row_of, reach }
            }
            _ => Distances::None,
        }
    }
}

/// Makes keys and queries of distances in one layer.
#[derive(Debug, Default)]
pub(crate) struct DistanceProjections {
    key: Option<Linear>,
    query: Option<Linear>,
}

impl DistanceProjections {
    /// `layer` is the layer's name, `shared` the names of its projections to queries and keys; `factor` is that of queries.
    pub fn new(
        weights: &mut Weights<'_>,
        shape: DisentangledAttention,
        layer: &str,
        shared: [&str; 2],
        width: usize,
        factor: f32,
    ) -> Result<Self> {
        let [query, key] = shared.map(|name| format!("{layer}.{name}"));
        let own = |name: &str| format!("{layer}.attention.self.{name}");
        let (key, query) = match shape.shared_projections {
            true => (key, query),
            false => (own("pos_key_proj"), own("pos_query_proj")),
        };
        let mut projection = |wanted: bool, name: &str, factor| {
            wanted.then(|| weights.scaled(name, width, width, factor)).transpose()
        };
        Ok(Self {
            key: projection(shape.content_to_position, &key, 1.0)?,
            query: projection(shape.position_to_content, &query, factor)?,
        })
    }
}

/// Distances as keys and queries of one layer, each head's in panels.
struct Terms<'a> {
    keys: Option<Vec<f32>>,
    queries: Option<Vec<f32>>,
    /// Number of distances that differ.
    rows: usize,
    row_of: &'a [usize],
    reach: usize,
}

/// The shape of a layer's attention.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Shape {
    pub heads: usize,
    /// Width of a head.
    pub width: usize,
}

impl Shape {
    fn hidden(self) -> usize {
        self.heads * self.width
    }
}

/// What attention computes on: queries, already scaled, of some or all tokens, and keys and values of all.
pub(crate) struct Attended<'a> {
    /// `[queries, hidden]`.
    pub queries: &'a [f32],
    /// `[tokens, 2 * hidden]`, each token's key and value side by side.
    pub key_value: &'a [f32],
    /// First token of each row, and the end of the last.
    pub starts: &'a [usize],
    /// The tokens that the queries are of, ascending, where those are not all.
    pub positions: Option<&'a [usize]>,
}

impl Attended<'_> {
    /// The tokens of a row, and its queries.
    fn row(&self, row: usize) -> (Range<usize>, Range<usize>) {
        let tokens = match self.starts.get(row..row + 2) {
            Some([start, end]) => *start..*end,
            _ => 0..0,
        };
        let queries = match self.positions {
            None => tokens.clone(),
            Some(positions) => {
                let place = |token| positions.partition_point(|&position| position < token);
                place(tokens.start)..place(tokens.end)
            }
        };
        (tokens, queries)
    }

    /// Where a query stands in its row.
    fn place(&self, query: usize, tokens: &Range<usize>) -> usize {
        let token = self.positions.map_or(Some(query), |positions| positions.get(query).copied());
        token.unwrap_or_default().saturating_sub(tokens.start)
    }

    /// Writes what each query gets of the values, `[queries, hidden]`.
    pub fn attend(
        &self,
        shape: Shape,
        distances: &Distances,
        projections: &DistanceProjections,
        out: &mut [f32],
        pass: Pass,
    ) {
        let terms = terms(shape, distances, projections, pass);
        let rows = self.starts.len().saturating_sub(1);
        let out = Out::new(out, shape.hidden());
        let task = |number: usize| {
            let (row, head) = (number / shape.heads, number % shape.heads);
            SCRATCH.with_borrow_mut(|scratch| {
                self.attend_head(shape, row, head, distances, terms.as_ref(), scratch, out, pass.kernel);
            });
        };
        match pass.divided {
            true => (0..rows * shape.heads).into_par_iter().for_each(task),
            false => (0..rows * shape.heads).for_each(task),
        }
    }

    /// One head in one row.
    #[allow(unsafe_code, clippy::too_many_arguments)]
    fn attend_head(
        &self,
        shape: Shape,
        row: usize,
        head: usize,
        distances: &Distances,
        terms: Option<&Terms<'_>>,
        scratch: &mut Vec<f32>,
        out: Out,
        kernel: Kernel,
    ) {
        let (tokens, queries) = self.row(row);
        let (length, panel, hidden) = (tokens.len(), kernel.panel(), shape.hidden());
        if length == 0 || queries.is_empty() {
            return;
        }
        let places = length.next_multiple_of(panel);
        let term_places = terms.map_or(0, |terms| terms.rows.next_multiple_of(panel));
        let sizes = [
            panels::size(kernel, shape.width, length),
            panels::size(kernel, length, shape.width),
            QUERIES * places,
            QUERIES * term_places,
            length * term_places,
        ];
        let [keys, values, scores, of_queries, of_keys] = parts(scratch, sizes);

        let from = |which: usize| {
            let at = tokens.start * 2 * hidden + which * hidden + head * shape.width;
            self.key_value.get(at..).unwrap_or_default()
        };
        let key_rows = Rows { values: from(0), stride: 2 * hidden, count: length };
        lay_out_columns(key_rows, shape.width, panel, keys);
        lay_out_rows(Rows { values: from(1), ..key_rows }, shape.width, panel, values);
        let terms_of = |panels: &Option<Vec<f32>>| -> Option<Range<usize>> {
            let size = panels.as_ref()?.len() / shape.heads;
            Some(head * size..(head + 1) * size)
        };
        if let Some(terms) = terms
            && let (Some(panels), Some(range)) = (&terms.queries, terms_of(&terms.queries))
        {
            let panels = panels.get(range).unwrap_or_default();
            let product = product(key_rows, shape.width, panels, terms.rows);
            // SAFETY: nobody else has the memory.
            unsafe { product.run(kernel, Out::new(of_keys, term_places)) };
        }

        let mut first = queries.start;
        while first < queries.end {
            let count = QUERIES.min(queries.end - first);
            let at = first * hidden + head * shape.width;
            let left = Rows { values: self.queries.get(at..).unwrap_or_default(), stride: hidden, count };
            // SAFETY: nobody else has the memory.
            unsafe { product(left, shape.width, keys, length).run(kernel, Out::new(scores, places)) };
            if let Some(terms) = terms
                && let (Some(panels), Some(range)) = (&terms.keys, terms_of(&terms.keys))
            {
                let panels = panels.get(range).unwrap_or_default();
                let product = product(left, shape.width, panels, terms.rows);
                // SAFETY: nobody else has the memory.
                unsafe { product.run(kernel, Out::new(of_queries, term_places)) };
            }
            for (number, scores) in scores.chunks_exact_mut(places).take(count).enumerate() {
                let place = self.place(first + number, &tokens);
                if let Distances::Bias { values, reach } = distances {
                    let at = head * (2 * reach - 1) + reach - 1 - place;
                    let bias = values.get(at..at + length).unwrap_or_default();
                    scores.iter_mut().zip(bias).for_each(|(score, bias)| *score += bias);
                }
                if let Some(terms) = terms {
                    let of_query = of_queries.get(number * term_places..).unwrap_or_default();
                    terms.add(place, length, of_query, of_keys, term_places, scores);
                }
            }
            let rows = scores.get_mut(..count * places).unwrap_or_default();
            kernel.run(Softmax { rows, stride: places, count: length });
            let left = Rows { values: scores, stride: places, count };
            // SAFETY: each head in each row writes rows and columns of its own, and `out` is borrowed until all are done.
            unsafe {
                product(left, length, values, shape.width).run(kernel, out.from(first, head * shape.width))
            };
            first += count;
        }
    }
}

impl Terms<'_> {
    /// Adds to a query's scores what its and the keys' distances give.
    fn add(
        &self,
        place: usize,
        length: usize,
        of_query: &[f32],
        of_keys: &[f32],
        places: usize,
        scores: &mut [f32],
    ) {
        let rows = self.row_of.get(self.reach - 1 - place..).unwrap_or_default();
        for (key, (score, row)) in scores.iter_mut().zip(rows).take(length).enumerate() {
            if self.keys.is_some() {
                *score += of_query.get(*row).copied().unwrap_or_default();
            }
            if self.queries.is_some() {
                *score += of_keys.get(key * places + row).copied().unwrap_or_default();
            }
        }
    }
}

/// A layer's terms of scores with distances, where there are any.
fn terms<'a>(
    shape: Shape,
    distances: &'a Distances,
    projections: &DistanceProjections,
    pass: Pass,
) -> Option<Terms<'a>> {
    let Distances::Rows { values, row_of, reach } = distances else { return None };
    let (hidden, panel) = (shape.hidden(), pass.kernel.panel());
    let rows = values.len() / hidden.max(1);
    let project = |projection: &Option<Linear>| {
        let projection = projection.as_ref()?;
        let mut projected = vec![0.0; rows * hidden];
        projection.forward(values, rows, None, &mut projected, pass);
        let size = panels::size(pass.kernel, shape.width, rows);
        let mut laid_out = vec![0.0; shape.heads * size];
        for (head, out) in laid_out.chunks_exact_mut(size.max(1)).enumerate() {
            let values = projected.get(head * shape.width..).unwrap_or_default();
            lay_out_columns(Rows { values, stride: hidden, count: rows }, shape.width, panel, out);
        }
        Some(laid_out)
    };
    Some(Terms {
        keys: project(&projections.key),
        queries: project(&projections.query),
        rows,
        row_of,
        reach: *reach,
    })
}

fn product<'a>(left: Rows<'a>, depth: usize, panels: &'a [f32], columns: usize) -> Product<'a> {
    Product { left, depth, panels, columns, bias: None, scales: None, curve: None }
}

/// Rows as the columns of a matrix in panels.
fn lay_out_columns(rows: Rows<'_>, width: usize, panel: usize, out: &mut [f32]) {
    let mut from = rows.values.chunks(rows.stride.max(1)).take(rows.count);
    for out in out.chunks_exact_mut((panel * width).max(1)) {
        for column in 0..panel {
            let slots = out.iter_mut().skip(column).step_by(panel);
            match from.next() {
                Some(row) => slots.zip(row.iter().take(width)).for_each(|(slot, value)| *slot = *value),
                None => slots.for_each(|slot| *slot = 0.0),
            }
        }
    }
}

/// Rows as the rows of a matrix in panels.
fn lay_out_rows(rows: Rows<'_>, width: usize, panel: usize, out: &mut [f32]) {
    for (number, out) in out.chunks_exact_mut((panel * rows.count).max(1)).enumerate() {
        let columns = number * panel..width.min((number + 1) * panel);
        for (out, row) in out.chunks_exact_mut(panel).zip(rows.values.chunks(rows.stride.max(1))) {
            let (here, behind) = out.split_at_mut(columns.len());
            here.copy_from_slice(row.get(columns.clone()).unwrap_or_default());
            behind.fill(0.0);
        }
    }
}

/// Memory in parts of these sizes, with any content.
fn parts<const N: usize>(memory: &mut Vec<f32>, sizes: [usize; N]) -> [&mut [f32]; N] {
    let all = sizes.iter().sum();
    if memory.len() < all {
        memory.resize(all, 0.0);
    }
    let mut rest = memory.as_mut_slice();
    sizes.map(|size| {
        let (part, behind) = std::mem::take(&mut rest).split_at_mut(size);
        rest = behind;
        part
    })
}
