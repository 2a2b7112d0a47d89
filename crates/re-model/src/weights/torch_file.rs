//! Reads what `torch.save(model.state_dict(), path)` writes, without running the pickle code inside.
//!
//! Such a file is a zip archive of uncompressed members: `data.pkl`, a pickle that describes the tensors, and
//! one `data/KEY` of raw numbers per storage. A pickle is a program that may call any Python function; of
//! those only the ones are known that build tensors, and everything else is refused.
//! The file is memory-mapped and all places in it are checked when it is opened.

mod error;
mod state_dict;
mod value;

use std::borrow::Cow;
use std::collections::HashMap;
use std::io::ErrorKind;
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

use rawzip::{CompressionMethod, ZipArchive, ZipSliceArchive};
use re_data::model_file;
use re_native::FileMap;
use safetensors::Dtype;

pub use self::error::{TorchFileError, Unsupported};
use self::state_dict::{StateDict, state_dict};
use self::value::Tensor;

/// What every pickle of the format before PyTorch 1.6 begins with: protocol 2 and its magic number.
const LEGACY_MAGIC: &[u8] = b"\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19";
/// More than any state dict needs (about 200 bytes per tensor); bounds the memory that a pickle can ask for.
const LONGEST_PICKLE: usize = 16 << 20;
/// As many dimensions as PyTorch's own loops support.
const MOST_DIMENSIONS: usize = 64;

/// An opened file of `torch.save`.
#[derive(Debug)]
pub struct TorchFile {
    pub(super) map: Arc<FileMap>,
    tensors: Vec<Entry>,
    by_name: HashMap<String, usize>,
    ignored: Vec<String>,
}

/// One tensor of a [`TorchFile`].
#[derive(Debug, Clone)]
pub struct TorchTensor<'a> {
    /// Its name in the state dict.
    pub name: &'a str,
    /// Type of its elements.
    pub dtype: Dtype,
    /// Its dimensions.
    pub shape: &'a [usize],
    /// Its elements in row-major order, little-endian, at any alignment: a part of the file where they lie
    /// there in this order, gathered otherwise.
    pub bytes: Cow<'a, [u8]>,
}

/// A tensor whose place in the file has been checked.
#[derive(Debug)]
struct Entry {
    name: String,
    dtype: Dtype,
    shape: Vec<usize>,
    /// Bytes from one element to the next in each dimension.
    strides: Vec<usize>,
    /// From its first to its last byte in the file.
    bytes: Range<usize>,
    contiguous: bool,
}

impl TorchFile {
    /// Opens the state dict at `path`.
    ///
    /// # Errors
    /// [`TorchFileError::Io`]; [`TorchFileError::Malformed`] for a damaged file; [`TorchFileError::Unsupported`],
    /// with the lines of Python that convert it, for one that holds something else than a plain state dict.
    pub fn open(path: &Path) -> Result<Self, TorchFileError> {
        let file = model_file::open_regular(path).map_err(|error| match error {
            re_data::Error::Io { source, .. } => source,
            other => std::io::Error::new(ErrorKind::InvalidInput, other),
        })?;
        let map = FileMap::new(file)?;
        let (tensors, ignored) = read(&map).map_err(|fault| fault.in_file(path))?;
        let by_name = tensors.iter().enumerate().map(|(i, entry)| (entry.name.clone(), i)).collect();
        Ok(Self { map, tensors, by_name, ignored })
    }

    /// Names of the tensors, in the order of the file.
    pub fn names(&self) -> impl ExactSizeIterator<Item = &str> {
        self.tensors.iter().map(|entry| entry.name.as_str())
    }

    /// Names of the entries that are no tensors.
    pub fn ignored(&self) -> &[String] {
        &self.ignored
    }

    /// The tensor called `name`, if there is one.
    pub fn tensor(&self, name: &str) -> Option<TorchTensor<'_>> {
        self.by_name.get(name).and_then(|&index| self.tensors.get(index)).map(|entry| entry.read(&self.map))
    }

    /// All tensors, in the order of the file; each is read when the iterator comes to it.
    pub fn tensors(&self) -> impl ExactSizeIterator<Item = TorchTensor<'_>> {
        self.tensors.iter().map(|entry| entry.read(&self.map))
    }
}

/// A fault in a file whose path the caller knows.
#[derive(Debug)]
enum Fault {
    Malformed { place: String, found: String, expected: &'static str },
    Archive(rawzip::Error),
    Unsupported(Unsupported),
}

impl Fault {
    fn malformed(place: impl Into<String>, found: impl Into<String>, expected: &'static str) -> Self {
        Self::Malformed { place: place.into(), found: found.into(), expected }
    }

    fn in_file(self, path: &Path) -> TorchFileError {
        match self {
            Self::Malformed { place, found, expected } => {
                TorchFileError::Malformed { place, found, expected }
            }
            Self::Archive(source) => TorchFileError::Archive { source: Box::new(source) },
            Self::Unsupported(found) => TorchFileError::Unsupported { path: path.to_owned(), found },
        }
    }
}

impl From<rawzip::Error> for Fault {
    fn from(source: rawzip::Error) -> Self {
        Self::Archive(source)
    }
}

/// The tensors in the bytes of a file, and the names of other entries.
fn read(file: &[u8]) -> Result<(Vec<Entry>, Vec<String>), Fault> {
    if file.starts_with(LEGACY_MAGIC) {
        return Err(Fault::Unsupported(Unsupported::Legacy));
    }
    let members = Members::read(file)?;
    if members.ranges.contains_key("constants.pkl") {
        return Err(Fault::Unsupported(Unsupported::TorchScript));
    }
    // Absent before PyTorch 2.1, which ran on little-endian machines only.
    if members.get("byteorder").is_ok_and(|order| order == b"big") {
        return Err(Fault::Unsupported(Unsupported::BigEndian));
    }
    let program = members.get("data.pkl")?;
    if program.len() > LONGEST_PICKLE {
        let found = format!("{} bytes", program.len());
        return Err(Fault::malformed("data.pkl", found, "the description of a state dict, at most 16 MiB"));
    }
    let StateDict { tensors, ignored } = state_dict(program)?;
    let entries = tensors.into_iter().map(|(name, tensor)| Entry::locate(name, tensor, &members));
    Ok((entries.collect::<Result<_, _>>()?, ignored))
}

/// The members of the archive, by their path below its one top folder.
struct Members<'a> {
    file: &'a [u8],
    ranges: HashMap<String, Range<usize>>,
}

impl<'a> Members<'a> {
    fn read(file: &'a [u8]) -> Result<Self, Fault> {
        let archive: ZipSliceArchive<&[u8]> = ZipArchive::from_slice(file)?;
        let mut ranges = HashMap::new();
        let mut entries = archive.entries();
        while let Some(header) = entries.next_entry()? {
            let path = header.file_path();
            let Some((_, name)) =
                std::str::from_utf8(path.as_bytes()).ok().and_then(|path| path.split_once('/'))
            else {
                continue;
            };
            if header.compression_method() != CompressionMethod::STORE || header.flags().is_encrypted() {
                return Err(Fault::Unsupported(Unsupported::Compressed { member: name.to_owned() }));
            }
            let (start, end) = archive.get_entry(header.wayfinder())?.compressed_data_range();
            // Both lie inside `file`, and so fit.
            if ranges.insert(name.to_owned(), start as usize..end as usize).is_some() {
                return Err(Fault::malformed(name, "several members of this name", "one"));
            }
        }
        Ok(Self { file, ranges })
    }

    fn range(&self, name: &str) -> Result<Range<usize>, Fault> {
        self.ranges
            .get(name)
            .cloned()
            .ok_or_else(|| Fault::malformed(name, "nothing", "a member of the archive"))
    }

    fn get(&self, name: &str) -> Result<&'a [u8], Fault> {
        self.file
            .get(self.range(name)?)
            .ok_or_else(|| Fault::malformed(name, "too few bytes", "a whole member"))
    }
}

impl Entry {
    /// Checks that every element of `tensor` lies inside its storage, and the storage inside the file.
    fn locate(name: String, tensor: Tensor<'_>, members: &Members<'_>) -> Result<Self, Fault> {
        let Tensor { storage, offset, shape, strides } = tensor;
        let item = storage.dtype.bitsize() / 8;
        let member = members.range(&format!("data/{}", storage.key))?;
        let outside = || {
            let found = format!("shape {shape:?}, strides {strides:?}, offset {offset}");
            Fault::malformed(&name, found, "elements inside the storage and the file")
        };

        // A product that ignores zeros bounds every partial product of the sizes as well.
        shape.iter().try_fold(item, |n, &size| n.checked_mul(size.max(1))).ok_or_else(outside)?;
        let count: usize = shape.iter().product();
        if count == 0 {
            let bytes = member.start..member.start;
            return Ok(Self {
                name,
                dtype: storage.dtype,
                shape,
                strides: Vec::new(),
                bytes,
                contiguous: true,
            });
        }
        // The stride of a dimension of one element is never used and may be anything.
        let steps: Vec<usize> =
            shape.iter().zip(&strides).map(|(&size, &stride)| if size == 1 { 0 } else { stride }).collect();
        let last = shape
            .iter()
            .zip(&steps)
            .try_fold(offset, |at, (&size, &step)| at.checked_add((size - 1).checked_mul(step)?))
            .ok_or_else(outside)?;
        let held = member.len() / item;
        if last >= storage.elements || storage.elements > held {
            return Err(outside());
        }
        if count > storage.elements {
            return Err(Fault::Unsupported(Unsupported::Expanded { name, shape }));
        }
        let mut dense = 1;
        let contiguous = shape.iter().zip(&steps).rev().all(|(&size, &step)| {
            let fits = size == 1 || step == dense;
            dense *= size;
            fits
        });
        Ok(Self {
            name,
            dtype: storage.dtype,
            bytes: member.start + offset * item..member.start + (last + 1) * item,
            strides: steps.into_iter().map(|step| step * item).collect(),
            shape,
            contiguous,
        })
    }

    fn read<'a>(&'a self, file: &'a [u8]) -> TorchTensor<'a> {
        let stored = file.get(self.bytes.clone()).unwrap_or_default();
        let bytes = if self.contiguous {
            Cow::Borrowed(stored)
        } else {
            let item = self.dtype.bitsize() / 8;
            let mut gathered = Vec::with_capacity(self.shape.iter().product::<usize>() * item);
            let dimensions: Vec<_> = self.shape.iter().copied().zip(self.strides.iter().copied()).collect();
            gather(stored, &dimensions, item, &mut gathered);
            Cow::Owned(gathered)
        };
        TorchTensor { name: &self.name, dtype: self.dtype, shape: &self.shape, bytes }
    }
}

/// Appends the elements of `item` bytes that lie in `stored` at the (size, stride in bytes) of each dimension.
fn gather(stored: &[u8], dimensions: &[(usize, usize)], item: usize, gathered: &mut Vec<u8>) {
    match dimensions.split_first() {
        None => gathered.extend(stored.iter().take(item)),
        Some((&(size, stride), inner)) => {
            for index in 0..size {
                gather(stored.get(index * stride..).unwrap_or_default(), inner, item, gathered);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use proptest::prelude::*;
    use rawzip::ZipArchiveWriter;

    use super::*;

    const VIEWS: &[u8] = include_bytes!("../../../../fixtures/golden/torch_save/views.bin");

    /// Opens damaged bytes and reads whatever they still describe.
    fn survive(file: &[u8]) {
        let Ok((tensors, _)) = read(file) else { return };
        for entry in &tensors {
            let tensor = entry.read(file);
            let count: usize = tensor.shape.iter().product();
            assert_eq!(tensor.bytes.len(), count * entry.dtype.bitsize() / 8, "{}", entry.name);
            assert!(tensor.bytes.len() <= file.len(), "{}", entry.name);
        }
    }

    /// An archive of one tensor over a storage of six floats that claims to have `elements`.
    fn archive(offset: u8, shape: &[u8], strides: &[u8], elements: u8) -> Vec<u8> {
        let mut program = b"\x80\x02}X\x01\x00\x00\x00wctorch._utils\n_rebuild_tensor_v2\n(".to_vec();
        program.extend(b"(X\x07\x00\x00\x00storagectorch\nFloatStorage\nX\x01\x00\x00\x000N");
        program.extend([b'K', elements, b't', b'Q', b'K', offset]);
        for sizes in [shape, strides] {
            program.push(b'(');
            program.extend(sizes.iter().flat_map(|&size| [b'K', size]));
            program.push(b't');
        }
        program.extend(b"\x89}tRs.");
        let numbers: Vec<u8> = (0..6).flat_map(|n| (n as f32).to_le_bytes()).collect();

        let mut file = ZipArchiveWriter::new(Vec::new());
        for (name, content) in [("a/data.pkl", &program), ("a/data/0", &numbers)] {
            let (mut entry, config) = file.new_file(name).start().unwrap();
            let mut writer = config.wrap(&mut entry);
            writer.write_all(content).unwrap();
            let (_, descriptor) = writer.finish().unwrap();
            entry.finish(descriptor).unwrap();
        }
        file.finish().unwrap()
    }

    fn floats(file: &[u8]) -> Result<Vec<f32>, Fault> {
        let (tensors, _) = read(file)?;
        let bytes = tensors[0].read(file).bytes;
        Ok(bytes.as_chunks().0.iter().map(|&chunk| f32::from_le_bytes(chunk)).collect())
    }

    #[test]
    fn strides_and_offsets_are_honoured() {
        let read =
            |offset, shape: &[u8], strides: &[u8]| floats(&archive(offset, shape, strides, 6)).unwrap();
        assert_eq!(read(0, &[2, 3], &[3, 1]), [0.0, 1.0, 2.0, 3.0, 4.0, 5.0]);
        assert_eq!(read(0, &[3, 2], &[1, 3]), [0.0, 3.0, 1.0, 4.0, 2.0, 5.0]);
        assert_eq!(read(1, &[2, 2], &[3, 1]), [1.0, 2.0, 4.0, 5.0]);
        assert_eq!(read(5, &[], &[]), [5.0]);
        assert_eq!(read(4, &[1, 2], &[200, 1]), [4.0, 5.0]);
        assert_eq!(read(2, &[3], &[0]), [2.0, 2.0, 2.0]);
        assert!(read(0, &[0, 255], &[255, 1]).is_empty());
    }

    #[test]
    fn elements_outside_the_storage_or_the_file_are_refused() {
        let refused = |offset, shape: &[u8], strides: &[u8], elements| {
            floats(&archive(offset, shape, strides, elements)).unwrap_err()
        };
        for fault in [
            refused(6, &[], &[], 6),
            refused(1, &[2, 3], &[3, 1], 6),
            refused(0, &[2], &[6], 6),
            refused(0, &[4], &[1], 3),
            refused(0, &[7], &[1], 7),
            refused(0, &[255; 9], &[0; 9], 6),
        ] {
            assert!(matches!(fault, Fault::Malformed { .. }), "{fault:?}");
        }
        let repeated = refused(0, &[255, 255], &[0, 0], 6);
        assert!(matches!(repeated, Fault::Unsupported(Unsupported::Expanded { .. })), "{repeated:?}");
    }

    #[test]
    fn no_truncation_panics() {
        for length in 0..VIEWS.len() {
            assert!(read(&VIEWS[..length]).is_err(), "{length} bytes");
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(5_000))]

        #[test]
        fn no_bytes_panic(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
            survive(&bytes);
        }

        // The description lies at the beginning of the file, the directory at its end.
        #[test]
        fn no_change_panics(
            changes in prop::collection::vec((0..1600usize, any::<bool>(), any::<u8>()), 1..5)
        ) {
            let mut file = VIEWS.to_vec();
            for (place, from_end, byte) in changes {
                file[if from_end { VIEWS.len() - 1 - place } else { place }] = byte;
            }
            survive(&file);
        }
    }
}
