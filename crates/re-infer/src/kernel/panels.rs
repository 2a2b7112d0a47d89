//! Matrix products with one factor laid out in panels.
//!
//! A matrix of `n` columns and `k` rows lies in panels of as many columns as a tile of registers is wide: for each panel, and
//! within it for each of the `k` rows, the panel's values side by side. Columns that the last panel lacks are zeros. A tile keeps the
//! sums of a few rows and one panel in registers while it goes through the `k` rows, so that each result is one sum in the order
//! of `k`, whatever the number of rows: results do not depend on how work is divided.
#![allow(unsafe_code)]

use std::hint::black_box;

use super::lanes::Lanes;
use super::values::{Curve, activate};
use super::{Kernel, Task};

/// Calls a function for each row of a tile. Not in a loop, which a compiler may leave one: then sums would lie in memory and not
/// in registers.
macro_rules! each_row {
    ($function:ident::<$L:ident, $ROWS:ident>($($argument:expr),*)) => {
        each_row!($function, $L, $ROWS, ($($argument),*), 0 1 2 3 4 5 6 7 8 9 10 11)
    };
    ($function:ident, $L:ident, $ROWS:ident, $arguments:tt, $($row:literal)*) => {
        $(each_row!(@one $function, $L, $ROWS, $row, $arguments);)*
    };
    (@one $function:ident, $L:ident, $ROWS:ident, $row:literal, ($($argument:expr),*)) => {
        $function::<$L, $ROWS, $row>($($argument),*)
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

/// Values that the panels of a matrix of `rows` rows and `columns` columns take.
pub(crate) fn size(kernel: Kernel, rows: usize, columns: usize) -> usize {
    columns.next_multiple_of(kernel.panel()) * rows
}

/// Lays out in panels the matrix whose value in row `i` and column `j` is `value(i, j)`.
#[inline(always)]
pub(crate) fn fill(
    panel: usize,
    rows: usize,
    columns: usize,
    out: &mut [f32],
    value: impl Fn(usize, usize) -> f32,
) {
    for (number, out) in out.chunks_exact_mut((panel * rows).max(1)).enumerate() {
        for (row, out) in out.chunks_exact_mut(panel).enumerate() {
            for (column, out) in (number * panel..).zip(out) {
                *out = if column < columns { value(row, column) } else { 0.0 };
            }
        }
    }
}

/// A matrix in memory, some of whose columns are looked at.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Rows<'a> {
    /// From the first value that is looked at.
    pub values: &'a [f32],
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
pub(crate) struct Product<'a> {
    /// The left factor, of `depth` columns.
    pub left: Rows<'a>,
    /// Its columns, and the rows of the right factor.
    pub depth: usize,
    /// The panels of the right factor.
    pub panels: &'a [f32],
    /// Columns of the right factor.
    pub columns: usize,
    /// What is added to each column, as many values as the panels have columns; nothing where left out.
    pub bias: Option<&'a [f32]>,
    /// What is made of each result.
    pub curve: Option<Curve>,
}

impl Product<'_> {
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
        assert!((count - 1) * stride + self.depth <= values.len(), "left factor");
        assert!(panels * kernel.panel() * self.depth <= self.panels.len(), "panels");
        assert!(self.bias.is_none_or(|bias| panels * kernel.panel() <= bias.len()), "bias");
        assert!((count - 1) * out.stride + self.columns <= out.length, "results");
        kernel.run(Run { product: self, out });
    }
}

struct Run<'a> {
    product: Product<'a>,
    out: Out,
}

impl Task for Run<'_> {
    type Output = ();

    #[inline(always)]
    fn run<L: Lanes>(self) {
        let Product { left, depth, panels, columns, bias, curve } = self.product;
        let width = const { width::<L>() };
        let rows_at_once = (LEFT_BYTES / (4 * depth.max(1))).next_multiple_of(L::ROWS);
        let mut first = 0;
        while first < left.count {
            let some = rows_at_once.min(left.count - first);
            let mut column = 0;
            while column < columns {
                let here = width.min(columns - column);
                // Blocks of nearly equal size: a tile of few rows waits for its own sums.
                let blocks = some.div_ceil(L::ROWS);
                let (size, larger) = (some / blocks, some % blocks);
                let mut row = first;
                for block in 0..blocks {
                    let rows = size + usize::from(block < larger);
                    // SAFETY: `Product::run` has checked that the rows, panels, biases and results are there.
                    unsafe {
                        let tile = Tile {
                            left: left.values.as_ptr().add(row * left.stride),
                            stride: left.stride,
                            depth,
                            panel: panels.as_ptr().add(column * depth),
                            bias: bias.map(|bias| bias.as_ptr().add(column)),
                            out: self.out.start.add(row * self.out.stride + column),
                            out_stride: self.out.stride,
                            columns: here,
                            curve,
                        };
                        tile.of_rows::<L>(rows);
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
struct Tile {
    left: *const f32,
    stride: usize,
    depth: usize,
    panel: *const f32,
    bias: Option<*const f32>,
    out: *mut f32,
    out_stride: usize,
    columns: usize,
    curve: Option<Curve>,
}

impl Tile {
    /// # Safety
    /// All that the fields point at is there, for `rows` rows, at most `L::ROWS`.
    #[inline(always)]
    unsafe fn of_rows<L: Lanes>(self, rows: usize) {
        // SAFETY: the caller's.
        unsafe {
            match rows {
                1 => self.run::<L, 1>(),
                2 => self.run::<L, 2>(),
                3 => self.run::<L, 3>(),
                4 => self.run::<L, 4>(),
                5 => self.run::<L, 5>(),
                6 => self.run::<L, 6>(),
                7 if L::ROWS >= 7 => self.run::<L, 7>(),
                8 if L::ROWS >= 8 => self.run::<L, 8>(),
                9 if L::ROWS >= 9 => self.run::<L, 9>(),
                10 if L::ROWS >= 10 => self.run::<L, 10>(),
                11 if L::ROWS >= 11 => self.run::<L, 11>(),
                12 if L::ROWS >= 12 => self.run::<L, 12>(),
                _ => {}
            }
        }
    }

    #[inline(always)]
    unsafe fn run<L: Lanes, const ROWS: usize>(self) {
        // SAFETY: the caller's.
        unsafe {
            let start = match self.bias {
                None => [L::splat(0.0); VECTORS],
                Some(bias) => [L::load(bias), L::load(bias.add(L::WIDTH))],
            };
            let mut sums = [start; ROWS];
            // Three rows share a pointer, and the pointers have nothing to do with each other as far as the compiler can see:
            // so each row's place is one of them and a multiple of the stride, and needs no instruction of its own.
            let mut groups: Groups = [self.left; MOST_ROWS / GROUP];
            for (number, group) in groups.iter_mut().enumerate() {
                *group = black_box(group.wrapping_add(GROUP * number * self.stride));
            }
            let mut panel = self.panel;
            for _ in 0..self.depth / STEPS {
                steps::<L, ROWS, STEPS>(&mut sums, &mut groups, self.stride, &mut panel);
            }
            for _ in 0..self.depth % STEPS {
                steps::<L, ROWS, 1>(&mut sums, &mut groups, self.stride, &mut panel);
            }
            each_row!(write_row::<L, ROWS>(&self, &sums));
            if let Some(curve) = self.curve {
                for row in 0..ROWS {
                    let out =
                        std::slice::from_raw_parts_mut(self.out.add(row * self.out_stride), self.columns);
                    activate::<L>(curve, out);
                }
            }
        }
    }
}

/// The sums of a tile.
type Sums<L, const ROWS: usize> = [[<L as Lanes>::Vector; VECTORS]; ROWS];

/// Pointers to every third row.
type Groups = [*const f32; MOST_ROWS / GROUP];

/// Adds the products with the next `STEPS` rows of a panel, 1 or 4, and goes on behind them.
///
/// # Safety
/// They are there.
#[inline(always)]
unsafe fn steps<L: Lanes, const ROWS: usize, const STEPS: usize>(
    sums: &mut Sums<L, ROWS>,
    groups: &mut Groups,
    stride: usize,
    panel: &mut *const f32,
) {
    // SAFETY: the caller's.
    unsafe {
        step::<L, ROWS>(sums, groups, stride, *panel, 0);
        if STEPS == 4 {
            step::<L, ROWS>(sums, groups, stride, *panel, 1);
            step::<L, ROWS>(sums, groups, stride, *panel, 2);
            step::<L, ROWS>(sums, groups, stride, *panel, 3);
        }
        groups.iter_mut().for_each(|group| *group = group.wrapping_add(STEPS));
        *panel = panel.wrapping_add(STEPS * VECTORS * L::WIDTH);
    }
}

/// As [`steps`], for one row of the panel, the one number `step` of those to come.
#[inline(always)]
unsafe fn step<L: Lanes, const ROWS: usize>(
    sums: &mut Sums<L, ROWS>,
    groups: &Groups,
    stride: usize,
    panel: *const f32,
    step: usize,
) {
    // SAFETY: the caller's.
    unsafe {
        let right = panel.add(step * VECTORS * L::WIDTH);
        let right = [L::load(right), L::load(right.add(L::WIDTH))];
        each_row!(multiply_row::<L, ROWS>(sums, groups, stride, step, right));
    }
}

/// As [`step`], for one row of the tile.
#[inline(always)]
unsafe fn multiply_row<L: Lanes, const ROWS: usize, const ROW: usize>(
    sums: &mut Sums<L, ROWS>,
    groups: &Groups,
    stride: usize,
    step: usize,
    [first, second]: [L::Vector; VECTORS],
) {
    if let (Some(sums), Some(group)) = (sums.get_mut(ROW), groups.get(ROW / GROUP)) {
        // SAFETY: the caller's.
        unsafe {
            let left = L::splat(*group.add((ROW % GROUP) * stride + step));
            let [of_first, of_second] = sums;
            *of_first = L::multiply_add(left, first, *of_first);
            *of_second = L::multiply_add(left, second, *of_second);
        }
    }
}

/// Writes a row of a tile.
///
/// # Safety
/// There is room for it.
#[inline(always)]
unsafe fn write_row<L: Lanes, const ROWS: usize, const ROW: usize>(tile: &Tile, sums: &Sums<L, ROWS>) {
    let Some([first, second]) = sums.get(ROW).copied() else { return };
    // SAFETY: the caller's; a row that is not whole takes as many values as it has columns.
    unsafe {
        let out = tile.out.add(ROW * tile.out_stride);
        if tile.columns == VECTORS * L::WIDTH {
            L::store(first, out);
            L::store(second, out.add(L::WIDTH));
        } else {
            let mut values = [0.0f32; MOST_COLUMNS];
            L::store(first, values.as_mut_ptr());
            L::store(second, values.as_mut_ptr().add(L::WIDTH));
            values.as_ptr().copy_to_nonoverlapping(out, tile.columns);
        }
    }
}
