//! Matrix products with one factor laid out in panels.
//!
//! A matrix of `n` columns and `k` rows lies in panels of as many columns as a tile of registers is wide: for each panel, and
//! within it for each of the `k` rows, the panel's values side by side. Columns that the last panel lacks are zeros. A tile keeps the
//! sums of a few rows and one panel in registers while it goes through the `k` rows, so that each result is one sum in the order
//! of `k`, whatever the number of rows: results do not depend on how work is divided.
#![allow(unsafe_code)]

use std::hint::black_box;

use super::lanes::Lanes;
use super::packed::{Packed, RowScale, Scales};
use super::tiles::{self, Configured, Multiply};
use super::values::{Curve, activate};
use super::{Kernel, Task};

/// Calls a function for each row of a tile. Not in a loop, which a compiler may leave one: then sums would lie in memory and not
/// in registers.
macro_rules! each_row {
    ($function:ident::<$P:ident, $L:ident, $ROWS:ident>($($argument:expr),*)) => {
        each_row!($function, ($P, $L, $ROWS), ($($argument),*), 0 1 2 3 4 5 6 7 8 9 10 11)
    };
    ($function:ident, $types:tt, $arguments:tt, $($row:literal)*) => {
        $(each_row!(@one $function, $types, $row, $arguments);)*
    };
    (@one $function:ident, ($P:ident, $L:ident, $ROWS:ident), $row:literal, ($($argument:expr),*)) => {
        $function::<$P, $L, $ROWS, $row>($($argument),*)
    };
}
/// Vectors beside each other in a panel.
const VECTORS: usize = 2;
/// Most rows of a tile, and most columns of a panel.
const MOST_ROWS: usize = 12;
const MOST_COLUMNS: usize = 32;
/// Rows that share a pointer.
const GROUP: usize = 3;
/// Rows of the panel that a tile takes at a time.
const STEPS: usize = 4;
/// Bytes of the left factor that are gone through for each panel: they stay in the second cache beside a panel.
const LEFT_BYTES: usize = 512 << 10;

/// Columns of a panel.
pub(super) const fn width<L: Lanes>() -> usize {
    assert!(VECTORS * L::WIDTH <= MOST_COLUMNS && L::ROWS <= MOST_ROWS);
    VECTORS * L::WIDTH
}

/// Number of values that the panels of a matrix of `rows` rows and `columns` columns take.
pub(crate) fn size(kernel: Kernel, rows: usize, columns: usize) -> usize {
    columns.next_multiple_of(kernel.panel()) * rows
}

/// Rows that lie in memory where tiles are whole: `rows` and some that nobody looks at.
pub(crate) const fn filled(rows: usize) -> usize {
    rows + tiles::ROWS
}

/// Lays out in panels the matrix whose value in row `i` and column `j` is `value(i, j)`, and `none` behind the last column.
#[inline(always)]
pub(crate) fn fill<P: Copy>(
    panel: usize,
    rows: usize,
    columns: usize,
    none: P,
    out: &mut [P],
    value: impl Fn(usize, usize) -> P,
) {
    for (number, out) in out.chunks_exact_mut((panel * rows).max(1)).enumerate() {
        for (row, out) in out.chunks_exact_mut(panel).enumerate() {
            for (column, out) in (number * panel..).zip(out) {
                *out = if column < columns { value(row, column) } else { none };
            }
        }
    }
}

/// A matrix in memory, some of whose columns are looked at.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Rows<'a, P = f32> {
    /// From the first value that is looked at.
    pub values: &'a [P],
    /// Values from row to row.
    pub stride: usize,
    /// Number of rows.
    pub count: usize,
}

/// Where results go: a matrix, some of whose columns are written by one call.
///
/// Calls that run at the same time write different columns or rows of it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Out {
    start: *mut f32,
    length: usize,
    stride: usize,
}

// SAFETY: it is a place in memory; `Product::run` says who may write there.
unsafe impl Send for Out {}
// SAFETY: as above.
unsafe impl Sync for Out {}

impl Out {
    /// A matrix of rows of `stride` values, which nobody else looks at as long as products write to it.
    pub fn new(values: &mut [f32], stride: usize) -> Self {
        Self { start: values.as_mut_ptr(), length: values.len(), stride }
    }

    /// The part from row `row` and column `column` on.
    pub fn from(self, row: usize, column: usize) -> Self {
        let offset = row * self.stride + column;
        assert!(offset <= self.length, "{offset} of {}", self.length);
        // SAFETY: the place is within the matrix, or at its end.
        Self { start: unsafe { self.start.add(offset) }, length: self.length - offset, ..self }
    }
}

/// The product of a matrix with one in panels.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Product<'a, P = f32> {
    /// The left factor, of `depth` columns.
    pub left: Rows<'a, P>,
    /// Its columns, and the rows of the right factor.
    pub depth: usize,
    /// The panels of the right factor.
    pub panels: &'a [P],
    /// Columns of the right factor.
    pub columns: usize,
    /// What is added to each column, as many values as the panels have columns; nothing where left out.
    pub bias: Option<&'a [f32]>,
    /// What sums are multiplied by; nothing where left out.
    pub scales: Option<Scales<'a>>,
    /// What is made of each result.
    pub curve: Option<Curve>,
}

impl<P: Packed> Product<'_, P> {
    /// Writes the product to `out`: `left.count` rows, `columns` columns.
    ///
    /// # Safety
    /// `out` still lies in memory, and nobody else reads or writes these rows and columns of it meanwhile.
    pub unsafe fn run(self, kernel: Kernel, out: Out) {
        let Rows { values, stride, count } = self.left;
        let panels = self.columns.div_ceil(kernel.panel());
        if count == 0 || panels == 0 {
            return;
        }
        let tiles = kernel.tiles().and(P::TILES);
        let rows = if P::WHOLE { filled(count) } else { count };
        assert!((rows - 1) * stride + self.depth <= values.len(), "left factor");
        assert!(tiles.is_none() || self.depth.is_multiple_of(tiles::DEPTH), "depth of tiles");
        assert!(panels * kernel.panel() * self.depth <= self.panels.len(), "panels");
        assert!(self.bias.is_none_or(|bias| panels * kernel.panel() <= bias.len()), "bias");
        let scaled = |scales: Scales<'_>| {
            panels * kernel.panel() <= scales.columns.len() && count <= scales.rows.len()
        };
        assert!(self.scales.is_none_or(scaled), "scales");
        assert!((count - 1) * out.stride + self.columns <= out.length, "results");
        P::run(kernel, Run { product: self, out, tiles });
    }
}

struct Run<'a, P> {
    product: Product<'a, P>,
    out: Out,
    tiles: Option<Multiply>,
}

impl<P: Packed> Task for Run<'_, P> {
    type Output = ();

    #[inline(always)]
    fn run<L: Lanes>(self) {
        let Product { left, depth, panels, columns, bias, scales, curve } = self.product;
        let width = const { width::<L>() };
        let most = if self.tiles.is_some() { 2 * tiles::ROWS } else { L::ROWS };
        let rows_at_once = (LEFT_BYTES / (4 * depth.max(1))).next_multiple_of(most);
        let mut in_tiles = self.tiles.map(|multiply| (multiply, Configured::new(), tiles::Sums::default()));
        let mut first = 0;
        while first < left.count {
            let some = rows_at_once.min(left.count - first);
            let mut column = 0;
            while column < columns {
                let here = width.min(columns - column);
                // Blocks of nearly equal size: a tile of few rows waits for its own sums.
                let blocks = some.div_ceil(most);
                let (size, larger) = match P::WHOLE {
                    false => (some / blocks, some % blocks),
                    true => (most, 0),
                };
                let mut row = first;
                for block in 0..blocks {
                    let rows = (size + usize::from(block < larger)).min(first + some - row);
                    // SAFETY: `Product::run` has checked that the rows, panels, biases, scales and results are there.
                    unsafe {
                        let tile = Tile {
                            left: left.values.as_ptr().add(row * left.stride),
                            stride: left.stride,
                            depth,
                            panel: panels.as_ptr().add(column * depth),
                            bias: bias.map(|bias| bias.as_ptr().add(column)),
                            scales: scales.map(|Scales { columns, rows }| {
                                (columns.as_ptr().add(column), rows.as_ptr().add(row))
                            }),
                            out: self.out.start.add(row * self.out.stride + column),
                            out_stride: self.out.stride,
                            columns: here,
                            curve,
                        };
                        match &mut in_tiles {
                            Some((multiply, configured, sums)) => {
                                tile.in_tiles::<L>(rows, *multiply, configured, sums);
                            }
                            None => tile.of_rows::<L>(rows),
                        }
                    }
                    row += rows;
                }
                column += width;
            }
            first += some;
        }
    }
}

/// A few rows times one panel.
pub(crate) struct Tile<P> {
    pub left: *const P,
    pub stride: usize,
    pub depth: usize,
    pub panel: *const P,
    pub bias: Option<*const f32>,
    pub scales: Option<(*const f32, *const RowScale)>,
    pub out: *mut f32,
    pub out_stride: usize,
    pub columns: usize,
    pub curve: Option<Curve>,
}

impl<P: Packed> Tile<P> {
    /// # Safety
    /// All that the fields point at is there, for `rows` rows, at most `L::ROWS`.
    #[inline(always)]
    unsafe fn of_rows<L: Lanes>(self, rows: usize) {
        // SAFETY: the caller's.
        unsafe {
            match rows {
                _ if P::WHOLE => self.run_whole::<L>(rows),
                1 => self.run::<L, 1>(1),
                2 => self.run::<L, 2>(2),
                3 => self.run::<L, 3>(3),
                4 => self.run::<L, 4>(4),
                5 => self.run::<L, 5>(5),
                6 => self.run::<L, 6>(6),
                7 if L::ROWS >= 7 => self.run::<L, 7>(7),
                8 if L::ROWS >= 8 => self.run::<L, 8>(8),
                9 if L::ROWS >= 9 => self.run::<L, 9>(9),
                10 if L::ROWS >= 10 => self.run::<L, 10>(10),
                11 if L::ROWS >= 11 => self.run::<L, 11>(11),
                12 if L::ROWS >= 12 => self.run::<L, 12>(12),
                _ => {}
            }
        }
    }

    /// As [`of_rows`](Self::of_rows), computed for as many rows as there can be.
    #[inline(always)]
    unsafe fn run_whole<L: Lanes>(self, rows: usize) {
        // SAFETY: the caller's; there are rows behind the last.
        unsafe {
            match L::ROWS {
                MOST_ROWS => self.run::<L, MOST_ROWS>(rows),
                _ => self.run::<L, 6>(rows),
            }
        }
    }

    #[inline(always)]
    unsafe fn run<L: Lanes, const ROWS: usize>(self, rows: usize) {
        // SAFETY: the caller's.
        unsafe {
            let mut sums = [[P::start::<L>(&self, 0, 0), P::start::<L>(&self, 0, 1)]; ROWS];
            each_row!(start_row::<P, L, ROWS>(&self, &mut sums, rows));
            // Three rows share a pointer, and the pointers have nothing to do with each other as far as the compiler can see:
            // so each row's place is one of them and a multiple of the stride, and needs no instruction of its own.
            let mut groups: Groups<P> = [self.left; MOST_ROWS / GROUP];
            for (number, group) in groups.iter_mut().enumerate() {
                *group = black_box(group.wrapping_add(GROUP * number * self.stride));
            }
            let mut panel = self.panel;
            for _ in 0..self.depth / STEPS {
                steps::<P, L, ROWS, STEPS>(&mut sums, &mut groups, self.stride, &mut panel);
            }
            for _ in 0..self.depth % STEPS {
                steps::<P, L, ROWS, 1>(&mut sums, &mut groups, self.stride, &mut panel);
            }
            each_row!(write_row::<P, L, ROWS>(&self, &sums, rows));
            self.curve::<L>(rows);
        }
    }

    /// As [`of_rows`](Self::of_rows), for up to twice [`tiles::ROWS`] rows.
    #[inline(always)]
    unsafe fn in_tiles<L: Lanes>(
        self,
        rows: usize,
        multiply: Multiply,
        configured: &Configured,
        memory: &mut tiles::Sums,
    ) {
        // SAFETY: the caller's; the memory is of as many sums as a block of tiles has, and those of no row may be any.
        unsafe {
            for row in 0..rows {
                let at = memory.row(row).cast::<P::Sum<L>>();
                at.write_unaligned(P::start::<L>(&self, row, 0));
                at.add(1).write_unaligned(P::start::<L>(&self, row, 1));
            }
            let (left, panel) = (self.left.cast(), self.panel.cast());
            configured.run(multiply, left, self.stride, panel, self.depth, rows > tiles::ROWS, memory);
            for row in 0..rows {
                let at = memory.row(row).cast::<P::Sum<L>>();
                self.write::<L>(row, [at.read_unaligned(), at.add(1).read_unaligned()]);
            }
            self.curve::<L>(rows);
        }
    }

    /// Writes what becomes of the sums of a row.
    ///
    /// # Safety
    /// There is room for it.
    #[inline(always)]
    unsafe fn write<L: Lanes>(&self, row: usize, [first, second]: [P::Sum<L>; VECTORS]) {
        // SAFETY: the caller's; a row that is not whole takes as many values as it has columns.
        unsafe {
            let (first, second) = (P::finish::<L>(self, row, 0, first), P::finish::<L>(self, row, 1, second));
            let out = self.out.add(row * self.out_stride);
            if self.columns == VECTORS * L::WIDTH {
                L::store(first, out);
                L::store(second, out.add(L::WIDTH));
            } else {
                let mut values = [0.0f32; MOST_COLUMNS];
                L::store(first, values.as_mut_ptr());
                L::store(second, values.as_mut_ptr().add(L::WIDTH));
                values.as_ptr().copy_to_nonoverlapping(out, self.columns);
            }
        }
    }

    /// Puts the curve of each result of some rows in its place.
    #[inline(always)]
    unsafe fn curve<L: Lanes>(&self, rows: usize) {
        let Some(curve) = self.curve else { return };
        for row in 0..rows {
            // SAFETY: the caller's.
            let out =
                unsafe { std::slice::from_raw_parts_mut(self.out.add(row * self.out_stride), self.columns) };
            activate::<L>(curve, out);
        }
    }
}

/// The sums of a tile.
type Sums<P, L, const ROWS: usize> = [[<P as Packed>::Sum<L>; VECTORS]; ROWS];

/// Pointers to every third row.
type Groups<P> = [*const P; MOST_ROWS / GROUP];

/// Where the sums of a row of a tile begin.
#[inline(always)]
unsafe fn start_row<P: Packed, L: Lanes, const ROWS: usize, const ROW: usize>(
    tile: &Tile<P>,
    sums: &mut Sums<P, L, ROWS>,
    rows: usize,
) {
    let row = if ROW < rows { ROW } else { 0 };
    if let Some(sums) = sums.get_mut(ROW) {
        // SAFETY: the caller's; a row that is not there begins as the first one.
        *sums = unsafe { [P::start::<L>(tile, row, 0), P::start::<L>(tile, row, 1)] };
    }
}

/// Adds the products with the next `STEPS` rows of a panel, 1 or 4, and goes on behind them.
///
/// # Safety
/// They are there.
#[inline(always)]
unsafe fn steps<P: Packed, L: Lanes, const ROWS: usize, const STEPS: usize>(
    sums: &mut Sums<P, L, ROWS>,
    groups: &mut Groups<P>,
    stride: usize,
    panel: &mut *const P,
) {
    // SAFETY: the caller's.
    unsafe {
        step::<P, L, ROWS>(sums, groups, stride, *panel, 0);
        if STEPS == 4 {
            step::<P, L, ROWS>(sums, groups, stride, *panel, 1);
            step::<P, L, ROWS>(sums, groups, stride, *panel, 2);
            step::<P, L, ROWS>(sums, groups, stride, *panel, 3);
        }
        groups.iter_mut().for_each(|group| *group = group.wrapping_add(STEPS));
        *panel = panel.wrapping_add(STEPS * VECTORS * L::WIDTH);
    }
}

/// As [`steps`], for one row of the panel, the one number `step` of those to come.
#[inline(always)]
unsafe fn step<P: Packed, L: Lanes, const ROWS: usize>(
    sums: &mut Sums<P, L, ROWS>,
    groups: &Groups<P>,
    stride: usize,
    panel: *const P,
    step: usize,
) {
    // SAFETY: the caller's.
    unsafe {
        let right = panel.add(step * VECTORS * L::WIDTH);
        let right = [P::load::<L>(right), P::load::<L>(right.add(L::WIDTH))];
        each_row!(multiply_row::<P, L, ROWS>(sums, groups, stride, step, right));
    }
}

/// As [`step`], for one row of the tile.
#[inline(always)]
unsafe fn multiply_row<P: Packed, L: Lanes, const ROWS: usize, const ROW: usize>(
    sums: &mut Sums<P, L, ROWS>,
    groups: &Groups<P>,
    stride: usize,
    step: usize,
    [first, second]: [P::Right<L>; VECTORS],
) {
    if let (Some(sums), Some(group)) = (sums.get_mut(ROW), groups.get(ROW / GROUP)) {
        // SAFETY: the caller's.
        unsafe {
            let left = *group.add((ROW % GROUP) * stride + step);
            let [of_first, of_second] = sums;
            *of_first = P::add::<L>(left, first, *of_first);
            *of_second = P::add::<L>(left, second, *of_second);
        }
    }
}

/// Writes a row of a tile.
///
/// # Safety
/// There is room for it.
#[inline(always)]
unsafe fn write_row<P: Packed, L: Lanes, const ROWS: usize, const ROW: usize>(
    tile: &Tile<P>,
    sums: &Sums<P, L, ROWS>,
    rows: usize,
) {
    if let Some(sums) = sums.get(ROW).copied().filter(|_| ROW < rows) {
        // SAFETY: the caller's.
        unsafe { tile.write::<L>(ROW, sums) };
    }
}
