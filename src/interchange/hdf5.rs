//! Reading HDF5 files that strangers wrote: groups, text attributes, and tensors of floating-point numbers.
//!
//! In: the bytes of a file. Out: [`StoredTensor`]s in f32. What a file declares is held against its length before
//! memory is taken for it.

use std::path::Path;

use half::f16;
use hdf5_reader::error::Error;
use hdf5_reader::group::Group;
use hdf5_reader::{Dataset, Datatype, Hdf5File, OpenOptions};

use crate::interchange::limits::NumberBudget;
use crate::interchange::{InspectedTensor, InterchangeError};
use crate::model::StoredTensor;

/// Groups within groups; a model within a model has four of them.
const DEEPEST_GROUP: usize = 24;
/// The fewest bytes that a group or a tensor takes.
const SMALLEST_OBJECT: usize = 64;

/// An open file.
pub(super) struct Hdf5 {
    file: Hdf5File,
    origin: String,
    budget: NumberBudget,
    /// Bytes of it, unpacked where it lies in a zip.
    length: usize,
}

impl Hdf5 {
    /// Opens the HDF5 that is, or lies in, the file at `path`, whose length decides how many numbers are read.
    ///
    /// # Errors
    /// When it is not HDF5 or is damaged.
    pub(super) fn open(bytes: Vec<u8>, path: &Path) -> Result<Self, InterchangeError> {
        let (origin, read) = (path.display().to_string(), "read");
        let length = std::fs::metadata(path).map(|metadata| metadata.len());
        let length = length.map_err(|source| InterchangeError::Io { action: read, path: path.to_owned(), source })?;
        let length = usize::try_from(length).unwrap_or(usize::MAX);
        let budget = NumberBudget::of_file(length);
        let all = bytes.len();
        let options = OpenOptions::default()
            .with_chunk_cache_bytes(0)
            .with_max_chunk_bytes(budget.bytes())
            .with_max_read_bytes(budget.bytes())
            .with_max_object_header_bytes(budget.bytes());
        let file = Hdf5File::from_vec_with_options(bytes, options).map_err(|error| unreadable(&origin, &error))?;
        Ok(Self { file, origin, budget, length: all })
    }

    /// The group at a path, which is empty for the root; `None` where there is none.
    pub(super) fn group(&self, path: &str) -> Result<Option<Group>, InterchangeError> {
        let group = if path.is_empty() { self.file.root_group() } else { self.file.group(path) };
        self.found(group)
    }

    /// A text attribute of a group.
    pub(super) fn text(&self, group: &Group, name: &str) -> Result<Option<String>, InterchangeError> {
        let text = group.attribute(name).and_then(|attribute| attribute.read_string());
        self.found(text)
    }

    /// A list of texts; Keras spreads one that is too long for an attribute over several, `name0`, `name1` and so on.
    pub(super) fn texts(&self, group: &Group, name: &str) -> Result<Option<Vec<String>>, InterchangeError> {
        let attributes = group.attributes().map_err(|error| unreadable(&self.origin, &error))?;
        let of = |name: &str| match attributes.iter().find(|attribute| attribute.name == name) {
            // An empty list has no type of its own, and is written as one of numbers.
            Some(attribute) if attribute.num_elements().is_ok_and(|count| count == 0) => Ok(Some(Vec::new())),
            Some(attribute) => attribute.read_strings().map(Some),
            None => Ok(None),
        };
        let read = |name: &str| of(name).map_err(|error| unreadable(&self.origin, &error));
        if let Some(all) = read(name)? {
            return Ok(Some(all));
        }
        let mut all = None;
        for number in 0.. {
            let Some(more) = read(&format!("{name}{number}"))? else { break };
            all.get_or_insert_with(Vec::new).extend(more);
        }
        Ok(all)
    }

    /// The names of the groups and of the tensors in a group.
    pub(super) fn members(&self, group: &Group) -> Result<(Vec<String>, Vec<String>), InterchangeError> {
        group.member_names().map_err(|error| unreadable(&self.origin, &error))
    }

    /// The shape of a tensor of floating-point numbers; the whole numbers beside a layer's variables are counters and seeds.
    pub(super) fn shape(&self, path: &str) -> Result<Option<Vec<usize>>, InterchangeError> {
        let dataset = self.dataset(path)?.filter(|dataset| matches!(dataset.dtype(), Datatype::FloatingPoint { .. }));
        Ok(dataset.as_ref().map(sizes))
    }

    /// All tensors, groups within groups. Links may lead in circles, so there is an end to how many and how deep.
    pub(super) fn list(&self) -> Result<Vec<InspectedTensor>, InterchangeError> {
        // No group and no tensor takes less of a file than its name and the header of an object.
        let most = self.length / SMALLEST_OBJECT;
        let (mut found, mut groups, mut seen) = (Vec::new(), vec![String::new()], 0);
        while let Some(path) = groups.pop() {
            let Some(group) = self.group(&path)? else { continue };
            let (below, tensors) = self.members(&group)?;
            let within = |name: &String| if path.is_empty() { name.clone() } else { format!("{path}/{name}") };
            seen += below.len() + tensors.len();
            if seen > most || path.split('/').count() > DEEPEST_GROUP {
                return Err(self.unreadable("its groups lead in circles".to_owned()));
            }
            groups.extend(below.iter().map(within));
            for name in tensors.iter().map(within) {
                let Some(dataset) = self.dataset(&name)? else { continue };
                found.push(InspectedTensor { name, shape: sizes(&dataset), numbers: numbers(dataset.dtype()) });
            }
        }
        Ok(found)
    }

    /// A tensor of numbers of 16, 32 or 64 bits.
    ///
    /// # Errors
    /// When it is damaged, holds other numbers, or more than a file of this length can.
    pub(super) fn tensor(&mut self, path: &str) -> Result<Option<StoredTensor>, InterchangeError> {
        let Some(dataset) = self.dataset(path)? else { return Ok(None) };
        let Datatype::FloatingPoint { size, .. } = *dataset.dtype() else {
            return Err(self.unreadable(format!("the tensor {path} holds other numbers than floating-point ones")));
        };
        let count = dataset.num_elements().map_err(|error| self.unreadable(format!("the tensor {path}: {error}")))?;
        self.budget.take(count).map_err(|reason| self.unreadable(format!("the tensor {path} {reason}")))?;
        let bytes = dataset.read_native_bytes().map_err(|error| self.unreadable(error.to_string()))?;
        let data = match size {
            2 => bytes.as_chunks().0.iter().map(|bytes| f16::from_ne_bytes(*bytes).to_f32()).collect(),
            4 => bytes.as_chunks().0.iter().map(|bytes| f32::from_ne_bytes(*bytes)).collect(),
            8 => bytes.as_chunks().0.iter().map(|bytes| f64::from_ne_bytes(*bytes) as f32).collect(),
            _ => {
                return Err(
                    self.unreadable(format!("the tensor {path} holds numbers of {size} bytes; 2, 4 and 8 are read"))
                );
            }
        };
        Ok(Some(StoredTensor { shape: sizes(&dataset), data }))
    }

    /// An error about this file.
    pub(super) fn unreadable(&self, reason: String) -> InterchangeError {
        InterchangeError::Unreadable { origin: self.origin.clone(), reason }
    }

    fn dataset(&self, path: &str) -> Result<Option<Dataset>, InterchangeError> {
        self.found(self.file.dataset(path))
    }

    fn found<T>(&self, result: Result<T, Error>) -> Result<Option<T>, InterchangeError> {
        match result {
            Ok(found) => Ok(Some(found)),
            Err(error) if is_missing(&error) => Ok(None),
            Err(error) => Err(unreadable(&self.origin, &error)),
        }
    }
}

/// The shape of a tensor.
fn sizes(dataset: &Dataset) -> Vec<usize> {
    dataset.shape().iter().map(|size| *size as usize).collect()
}

/// What a type of numbers is called.
fn numbers(datatype: &Datatype) -> String {
    match datatype {
        Datatype::FloatingPoint { size, .. } => format!("f{}", 8 * u32::from(*size)),
        Datatype::FixedPoint { size, .. } => format!("whole numbers of {} bits", 8 * u32::from(*size)),
        _ => "no numbers".to_owned(),
    }
}

/// Whether an error says no more than that something is not there.
fn is_missing(error: &Error) -> bool {
    match error {
        Error::GroupNotFound(_) | Error::DatasetNotFound(_) | Error::AttributeNotFound(_) => true,
        Error::Context { source, .. } => is_missing(source),
        _ => false,
    }
}

fn unreadable(origin: &str, error: &Error) -> InterchangeError {
    InterchangeError::Unreadable { origin: origin.to_owned(), reason: format!("its HDF5 is damaged: {error}") }
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};

    use flate2::read::GzDecoder;

    use super::*;

    fn fixture(name: &str) -> Vec<u8> {
        let path = format!("{}/tests/fixtures/keras/{name}.gz", env!("CARGO_MANIFEST_DIR"));
        let mut bytes = Vec::new();
        GzDecoder::new(std::fs::File::open(path).unwrap()).read_to_end(&mut bytes).unwrap();
        bytes
    }

    /// Opens bytes as if a file of them were read.
    fn open(bytes: &[u8]) -> Result<Hdf5, InterchangeError> {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(bytes).unwrap();
        Hdf5::open(bytes.to_vec(), file.path())
    }

    /// Element i of the tensor that tests/fixtures/keras_import.py wrote.
    fn element(index: usize) -> f32 {
        (((7919 * index) % 2003) as f64 / 1001.0 - 1.0) as f32
    }

    #[test]
    fn tensors_are_those_of_h5py_in_every_layout_and_byte_order() {
        let layouts = ["contiguous", "big_endian", "double", "chunks", "gzip", "shuffle", "checked", "growing"];
        let newest = ["new/chunks", "new/growing", "new/single"];
        for (name, tensors) in [("layouts.h5", &layouts[..]), ("layouts_latest.h5", &newest)] {
            let mut file = open(&fixture(name)).unwrap();
            for tensor in tensors {
                let StoredTensor { shape, data } = file.tensor(tensor).unwrap().unwrap();
                assert_eq!(shape, [20, 30], "{tensor}");
                assert!(data.iter().enumerate().all(|(index, value)| *value == element(index)), "{tensor}");
            }
        }
        let half = open(&fixture("layouts.h5")).unwrap().tensor("half").unwrap().unwrap();
        assert!(half.data.iter().enumerate().all(|(index, value)| *value == f16::from_f32(element(index)).to_f32()));
    }

    #[test]
    fn other_numbers_missing_tensors_and_damage_are_told_apart() {
        let bytes = fixture("layouts.h5");
        let mut file = open(&bytes).unwrap();
        let error = file.tensor("integers").unwrap_err().to_string();
        assert!(error.ends_with("the tensor integers holds other numbers than floating-point ones"), "{error}");
        assert!(file.tensor("nothing").unwrap().is_none());
        assert!(file.group("nothing/at/all").unwrap().is_none());
        for length in [8, 100, bytes.len() / 2] {
            let read = open(&bytes[..length]).and_then(|mut file| file.tensor("growing"));
            assert!(read.is_err(), "{length}");
        }
    }

    #[test]
    fn a_file_cannot_ask_for_more_memory_than_its_length_allows() {
        let mut file = open(&fixture("layouts.h5")).unwrap();
        let before = file.budget.bytes();
        assert!(before < (2 << 20), "{before}");
        // Read often enough, the same tensor is more than the file can hold.
        let refused = (0..10_000).find_map(|_| file.tensor("contiguous").err());
        assert!(refused.unwrap().to_string().contains("more than a file of this length holds"));
    }
}
