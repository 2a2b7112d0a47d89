//! Parameters by name, from safetensors files of any floating-point type.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use re_checkpoint::tensors::{Dtype, in_folder, stored_names};
use re_checkpoint::{EncoderConfig, FileMap, StoredTensor, TensorFile};

use crate::computing::{Computing, LayerProduct, NumberFormat};
use crate::error::{Error, Result};
use crate::kernel::Kernel;
use crate::linear::{Linear, Norm};

/// The weights of a folder, while a model is built of them.
pub(crate) struct Weights<'a> {
    path: &'a Path,
    files: &'a [TensorFile],
    names: BTreeMap<String, usize>,
    /// Prefix that the model's names have and the file's may lack, such as `bert.`.
    prefix: String,
    file_has_prefix: bool,
    taken: BTreeSet<String>,
    missing: Vec<String>,
    /// What products are to be computed with.
    pub kernel: Kernel,
    computing: &'a Computing,
}

/// Values of a floating-point type.
#[derive(Debug, Clone, Copy)]
enum Format {
    F64,
    F32,
    F16,
    Bf16,
    /// Whole numbers of eight bits, those of a row times a scale.
    I8,
}

/// A tensor whose shape and type have been checked.
#[derive(Clone, Copy)]
struct Values<'a> {
    format: Format,
    bytes: &'a [u8],
    offset: usize,
    /// Values of a row.
    width: usize,
    /// The scale of each row, where values have one, and where it lies.
    scales: &'a [u8],
    scales_offset: usize,
}

/// The rows of a table that stays in the file.
#[derive(Debug)]
pub(crate) struct Table {
    map: Arc<FileMap>,
    format: Format,
    offset: usize,
    width: usize,
    scales_offset: usize,
}

/// The safetensors files of a folder and what names them.
///
/// # Errors
/// [`Error::NoWeights`] where there are none; those of reading them.
pub(crate) fn open(folder: &Path) -> Result<(PathBuf, Vec<TensorFile>)> {
    in_folder(folder)?.ok_or_else(|| Error::NoWeights { folder: folder.to_owned() })
}

impl<'a> Weights<'a> {
    pub fn new(
        path: &'a Path,
        files: &'a [TensorFile],
        config: &EncoderConfig,
        computing: &'a Computing,
    ) -> Self {
        let mut names = BTreeMap::new();
        for (number, file) in files.iter().enumerate() {
            names.extend(file.names().into_iter().map(|name| (name, number)));
        }
        let prefix = format!("{}.", config.prefix());
        let file_has_prefix = names.keys().any(|name| name.starts_with(&prefix));
        Self {
            path,
            files,
            names,
            prefix,
            file_has_prefix,
            taken: BTreeSet::new(),
            missing: Vec::new(),
            kernel: computing.kernel,
            computing,
        }
    }

    /// The tensor of that name and shape. One that is missing is noted for [`check`](Self::check).
    fn values(&mut self, name: &str, shape: &[usize]) -> Result<Option<Values<'a>>> {
        for stored in stored_names(name, &self.prefix, self.file_has_prefix) {
            let Some(file) = self.names.get(&stored).and_then(|&number| self.files.get(number)) else {
                continue;
            };
            let Some(tensor) = file.tensor(&stored) else { continue };
            let mut values = checked(file.path(), &stored, &tensor, shape)?;
            if matches!(values.format, Format::I8) {
                let name = scales_of(&stored);
                let Some(tensor) = file.tensor(&name) else {
                    self.missing.push(name);
                    return Ok(None);
                };
                let scales = checked(file.path(), &name, &tensor, shape.get(..1).unwrap_or_default())?;
                if !matches!(scales.format, Format::F32) {
                    let (path, found) = (file.path().to_owned(), format!("{:?}", tensor.dtype));
                    return Err(Error::TensorType { path, name, found });
                }
                (values.scales, values.scales_offset) = (scales.bytes, scales.offset);
                self.taken.insert(name);
            }
            self.taken.insert(stored);
            return Ok(Some(values));
        }
        self.missing.push(name.to_owned());
        Ok(None)
    }

    /// A vector.
    pub fn vector(&mut self, name: &str, length: usize) -> Result<Vec<f32>> {
        self.tensor(name, &[length])
    }

    /// A tensor of any shape, flat; empty where it is missing.
    pub fn tensor(&mut self, name: &str, shape: &[usize]) -> Result<Vec<f32>> {
        Ok(self.values(name, shape)?.map(Values::read).unwrap_or_default())
    }

    /// A table whose rows are read as they are needed.
    pub fn table(&mut self, name: &str, rows: usize, width: usize) -> Result<Option<Table>> {
        let Some(values) = self.values(name, &[rows, width])? else { return Ok(None) };
        let inside = |file: &&TensorFile| file.map().as_ptr_range().contains(&values.bytes.as_ptr());
        let file = self.files.iter().find(inside);
        Ok(file.map(|file| Table {
            map: Arc::clone(file.map()),
            format: values.format,
            offset: values.offset,
            width,
            scales_offset: values.scales_offset,
        }))
    }

    /// A LayerNorm: `NAME.weight` and `NAME.bias`.
    pub fn norm(&mut self, name: &str, width: usize, eps: f64) -> Result<Norm> {
        Ok(Norm {
            weight: self.vector(&format!("{name}.weight"), width)?,
            bias: self.vector(&format!("{name}.bias"), width)?,
            eps,
        })
    }

    /// A linear layer in 32-bit floats: `NAME.weight` and `NAME.bias`.
    pub fn linear(&mut self, name: &str, from: usize, to: usize) -> Result<Linear> {
        self.scaled(name, from, to, 1.0)
    }

    /// As [`linear`](Self::linear), its results times `factor`.
    pub fn scaled(&mut self, name: &str, from: usize, to: usize, factor: f32) -> Result<Linear> {
        self.joined(None, &[name], from, to, factor)
    }

    /// Several linear layers of one of the encoder's layers as one, of `to` results each, times `factor`.
    pub fn layer(
        &mut self,
        product: LayerProduct,
        names: &[&str],
        from: usize,
        to: usize,
        factor: f32,
    ) -> Result<Linear> {
        self.joined(Some(product), names, from, to, factor)
    }

    fn joined(
        &mut self,
        product: Option<LayerProduct>,
        names: &[&str],
        from: usize,
        to: usize,
        factor: f32,
    ) -> Result<Linear> {
        let (mut weights, mut biases) = (Vec::new(), Vec::new());
        for name in names {
            weights.push(self.values(&format!("{name}.weight"), &[to, from])?);
            biases.extend(self.vector(&format!("{name}.bias"), to)?);
        }
        let weights: Option<Vec<Values<'_>>> = weights.into_iter().collect();
        let Some(weights) = weights else { return Ok(Linear::default()) };
        biases.iter_mut().for_each(|bias| *bias *= factor);
        let bytes = weights.iter().all(|weights| matches!(weights.format, Format::I8));
        let format = product.map_or(NumberFormat::Fp32, |product| self.computing.format(product, bytes));
        let rows = weights
            .iter()
            .flat_map(|weights| weights.bytes.chunks_exact((weights.format.bytes() * from).max(1)));
        let rows: Vec<&[u8]> = rows.collect();
        let stored = weights.first().map_or(Format::F32, |weights| weights.format);
        let same = weights.iter().all(|weights| weights.format.bytes() == stored.bytes());
        // Mixed types do not occur in practice; they are read in whole.
        if !same || !matches!(stored, Format::F32) {
            let all: Vec<f32> = weights.into_iter().flat_map(Values::read).collect();
            let rows: Vec<&[f32]> = all.chunks_exact(from.max(1)).collect();
            return Ok(Linear::new(self.kernel, format, from, &rows, &biases, factor, |row, i| {
                row.get(i).copied().unwrap_or_default()
            }));
        }
        Ok(Linear::new(self.kernel, format, from, &rows, &biases, factor, |row, i| {
            row.get(4 * i..).and_then(|at| at.first_chunk()).map_or(0.0, |bytes| f32::from_le_bytes(*bytes))
        }))
    }

    /// A matrix without a bias.
    pub fn matrix(&mut self, name: &str, from: usize, to: usize) -> Result<Linear> {
        let values = self.tensor(name, &[to, from])?;
        let rows: Vec<&[f32]> = values.chunks_exact(from.max(1)).collect();
        let bias = vec![0.0; rows.len()];
        Ok(Linear::new(self.kernel, NumberFormat::Fp32, from, &rows, &bias, 1.0, |row, i| {
            row.get(i).copied().unwrap_or_default()
        }))
    }

    /// Makes sure that nothing has been missing so far.
    ///
    /// # Errors
    /// [`Error::MissingTensors`].
    pub fn check(&mut self) -> Result<()> {
        match self.missing.is_empty() {
            true => Ok(()),
            false => Err(Error::MissingTensors {
                path: self.path.to_owned(),
                names: std::mem::take(&mut self.missing),
            }),
        }
    }

    /// Makes sure that the files have no layers that were not asked for.
    ///
    /// # Errors
    /// [`Error::MoreLayers`].
    pub fn check_layers(&self, layers: i64) -> Result<()> {
        let further = |name: &&String| name.contains("encoder.layer.") && !self.taken.contains(*name);
        match self.names.keys().find(further) {
            None => Ok(()),
            Some(name) => Err(Error::MoreLayers { path: self.path.to_owned(), name: name.clone(), layers }),
        }
    }
}

/// The values of a tensor, if it has this shape and a floating-point type.
fn checked<'a>(path: &Path, name: &str, tensor: &StoredTensor<'a>, shape: &[usize]) -> Result<Values<'a>> {
    if tensor.shape != shape {
        return Err(Error::Shape {
            path: path.to_owned(),
            name: name.to_owned(),
            found: tensor.shape.to_vec(),
            expected: shape.to_vec(),
        });
    }
    let fault = |found: String| Error::TensorType { path: path.to_owned(), name: name.to_owned(), found };
    let format = match tensor.dtype {
        Dtype::F64 => Format::F64,
        Dtype::F32 => Format::F32,
        Dtype::F16 => Format::F16,
        Dtype::BF16 => Format::Bf16,
        Dtype::I8 => Format::I8,
        other => return Err(fault(format!("{other:?}"))),
    };
    let bytes = shape.iter().try_fold(format.bytes(), |bytes, &size| bytes.checked_mul(size));
    if bytes != Some(tensor.bytes.len()) {
        return Err(fault(format!("{:?} and {} bytes for {shape:?}", tensor.dtype, tensor.bytes.len())));
    }
    let width = shape.iter().skip(1).product();
    let (bytes, offset) = (tensor.bytes, tensor.offset);
    Ok(Values { format, bytes, offset, width, scales: &[], scales_offset: 0 })
}

/// Name of the scales of a tensor's rows.
pub(crate) fn scales_of(name: &str) -> String {
    format!("{name}_scale")
}

impl Format {
    fn bytes(self) -> usize {
        match self {
            Self::F64 => 8,
            Self::F32 => 4,
            Self::F16 | Self::Bf16 => 2,
            Self::I8 => 1,
        }
    }

    /// Calls `each` with the values that lie in `bytes`.
    #[inline(always)]
    fn each(self, bytes: &[u8], mut each: impl FnMut(f32)) {
        match self {
            Self::F64 => bytes.as_chunks().0.iter().for_each(|bytes| each(f64::from_le_bytes(*bytes) as f32)),
            Self::F32 => bytes.as_chunks().0.iter().for_each(|bytes| each(f32::from_le_bytes(*bytes))),
            Self::F16 => bytes.as_chunks().0.iter().for_each(|bytes| each(half(u16::from_le_bytes(*bytes)))),
            Self::Bf16 => {
                let wide = |bytes| f32::from_bits(u32::from(u16::from_le_bytes(bytes)) << 16);
                bytes.as_chunks().0.iter().for_each(|bytes| each(wide(*bytes)));
            }
            Self::I8 => bytes.iter().for_each(|byte| each(f32::from(byte.cast_signed()))),
        }
    }
}

impl Values<'_> {
    fn read(self) -> Vec<f32> {
        let mut values = Vec::with_capacity(self.bytes.len() / self.format.bytes());
        if !matches!(self.format, Format::I8) {
            self.format.each(self.bytes, |value| values.push(value));
            return values;
        }
        let scales = self.scales.as_chunks().0.iter().map(|bytes| f32::from_le_bytes(*bytes));
        for (row, scale) in self.bytes.chunks_exact(self.width.max(1)).zip(scales) {
            self.format.each(row, |value| values.push(value * scale));
        }
        values
    }
}

impl Table {
    /// Adds a row to `sum`; nothing where there is no such row.
    pub fn add(&self, row: usize, sum: &mut [f32]) {
        let length = self.width * self.format.bytes();
        let start = self.offset + row * length;
        let mut sum = sum.iter_mut();
        let scale = match self.format {
            Format::I8 => {
                let at = self.map.get(self.scales_offset + 4 * row..);
                at.and_then(|at| at.first_chunk()).map_or(0.0, |bytes| f32::from_le_bytes(*bytes))
            }
            _ => 1.0,
        };
        self.format.each(self.map.get(start..start + length).unwrap_or_default(), |value| {
            if let Some(sum) = sum.next() {
                *sum += value * scale;
            }
        });
    }
}

/// A half-precision number (IEEE 754 binary16).
fn half(bits: u16) -> f32 {
    let (sign, exponent, fraction) =
        (u32::from(bits >> 15) << 31, u32::from(bits >> 10) & 31, u32::from(bits) & 1023);
    match exponent {
        // A whole number of steps of 2 to the power -24.
        0 => f32::from_bits(sign | (fraction as f32 / 16_777_216.0).to_bits()),
        31 => f32::from_bits(sign | 0x7f80_0000 | fraction << 13),
        _ => f32::from_bits(sign | (exponent + 112) << 23 | fraction << 13),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn halves_are_those_of_the_standard() {
        let of = |bits: u16| half(bits);
        assert_eq!([of(0x3c00), of(0xc000), of(0x7bff), of(0x3555)], [1.0, -2.0, 65504.0, 0.333_251_95]);
        assert_eq!([of(0x0001), of(0x03ff), of(0x0400)], [5.960_464_5e-8, 6.097_555e-5, 6.103_515_6e-5]);
        assert_eq!([of(0x7c00), of(0xfc00)], [f32::INFINITY, f32::NEG_INFINITY]);
        assert!(of(0x7e00).is_nan() && of(0x8000).is_sign_negative());
    }
}
