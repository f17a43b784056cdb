//! Files of `torch.save`: a pickle that describes tensors, and the storages that hold their numbers.
//!
//! In: a file. Out: its tensors as f32, in the names that they have there.

mod legacy;
mod objects;
mod pickle;
#[cfg(test)]
mod tests;

use std::borrow::Cow;
use std::path::Path;

use crate::interchange::archive::Archive;
use crate::interchange::format::read_whole;
use crate::interchange::numbers::Numbers;
use crate::interchange::torch::objects::{PickleError, TensorPlace, TensorPlaces};
use crate::interchange::torch::pickle::load;
use crate::interchange::{InspectedTensor, InterchangeError};
use crate::model::{StoredTensor, StoredTensors};

/// How many times as large as the file its tensors may be as f32: numbers of one byte are not read, so two would do.
const MOST_GROWTH: u64 = 4;

/// Reads the tensors of a zip that hold numbers with a point; whole numbers, such as `num_batches_tracked`, are left out.
///
/// # Errors
/// When the pickle names what is none of a tensor's parts or is damaged, or when a tensor reaches beyond its storage.
pub(super) fn read(mut archive: Archive) -> Result<StoredTensors, InterchangeError> {
    let (folder, pickle) = pickle(&mut archive)?;
    let (origin, length) = (archive.origin().to_owned(), archive.length());
    let places = places(&pickle, &origin)?;
    collect(places, length, &origin, |storage| Ok(Cow::Owned(archive.read(&format!("{folder}data/{storage}"))?)))
}

/// The tensors of a zip without their numbers.
///
/// # Errors
/// As [`read`], but for their numbers.
pub(super) fn list(mut archive: Archive) -> Result<Vec<InspectedTensor>, InterchangeError> {
    let (_, pickle) = pickle(&mut archive)?;
    Ok(places(&pickle, archive.origin())?.into_iter().map(listed).collect())
}

/// The same of a file from before torch 1.6.
///
/// # Errors
/// As [`list`], and when the file cannot be read.
pub(super) fn list_legacy(path: &Path) -> Result<Vec<InspectedTensor>, InterchangeError> {
    let (origin, bytes) = (path.display().to_string(), read_whole(path)?);
    let (places, _) = legacy::read(&bytes).map_err(|error| refused(error, &origin))?;
    Ok(places.into_iter().map(listed).collect())
}

fn listed((name, TensorPlace { numbers, shape, .. }): (&str, TensorPlace)) -> InspectedTensor {
    InspectedTensor { name: name.to_owned(), shape, numbers: numbers.name().to_owned() }
}

/// The folder within a zip, and the pickle in it.
fn pickle(archive: &mut Archive) -> Result<(String, Vec<u8>), InterchangeError> {
    let origin = archive.origin().to_owned();
    let folder = archive.names().find_map(|name| name.strip_suffix("data.pkl")).unwrap_or_default().to_owned();
    let byte_order = format!("{folder}byteorder");
    if archive.names().any(|name| name == byte_order) && archive.read(&byte_order)? != b"little" {
        return Err(unreadable(&origin, "its numbers are big-endian; write it anew on another machine".to_owned()));
    }
    let pickle = archive.read(&format!("{folder}data.pkl"))?;
    Ok((folder, pickle))
}

/// Where the tensors of a pickle lie.
fn places<'a>(pickle: &'a [u8], origin: &str) -> Result<TensorPlaces<'a>, InterchangeError> {
    load(pickle).and_then(|(objects, last, _)| objects.tensors(last)).map_err(|error| refused(error, origin))
}

/// The same of a file from before torch 1.6.
///
/// # Errors
/// As [`read`], and when the file cannot be read.
pub(super) fn read_legacy(path: &Path) -> Result<StoredTensors, InterchangeError> {
    let (origin, bytes) = (path.display().to_string(), read_whole(path)?);
    let (places, storages) = legacy::read(&bytes).map_err(|error| refused(error, &origin))?;
    collect(places, bytes.len() as u64, &origin, |storage| match storages.get(storage) {
        Some(numbers) => Ok(Cow::Borrowed(*numbers)),
        None => Err(unreadable(&origin, format!("its storage {storage} is missing"))),
    })
}

/// The tensors at those places, of a file of that length.
fn collect<'a>(
    mut places: TensorPlaces,
    length: u64,
    origin: &str,
    mut storage: impl FnMut(&str) -> Result<Cow<'a, [u8]>, InterchangeError>,
) -> Result<StoredTensors, InterchangeError> {
    places.retain(|(_, place)| !matches!(place.numbers, Numbers::Other { .. }));
    // Tensors of one storage come one after the other, so that it is read once.
    places.sort_by_key(|(_, place)| place.storage);
    let mut left = length.saturating_mul(MOST_GROWTH);
    let mut tensors = StoredTensors::new();
    let (mut opened, mut held) = (None, Cow::Borrowed(&[][..]));
    for (name, place) in places {
        if opened != Some(place.storage) {
            held = storage(place.storage)?;
            opened = Some(place.storage);
        }
        let broken = |what: &str| unreadable(origin, format!("its tensor {name} {what}"));
        let count = count_within(&place, held.len() / place.numbers.size());
        let count = count.ok_or_else(|| broken("is larger than what holds its numbers"))?;
        left = left.checked_sub(4 * count as u64).ok_or_else(|| broken("is one of many that share their numbers"))?;
        let data = numbers(&place, count, &held).ok_or_else(|| broken("has strides that are none"))?;
        tensors.insert(name.to_owned(), StoredTensor { shape: place.shape, data });
    }
    Ok(tensors)
}

fn unreadable(origin: &str, reason: String) -> InterchangeError {
    InterchangeError::Unreadable { origin: origin.to_owned(), reason }
}

fn refused(error: PickleError, origin: &str) -> InterchangeError {
    match error {
        PickleError::Global(name) => InterchangeError::Refused {
            origin: origin.to_owned(),
            reason: format!(
                "its pickle names {name}, which torch.load would import and which is no part of a tensor; save the \
                 tensors alone, by torch.save(model.state_dict(), F) or as safetensors"
            ),
        },
        PickleError::Broken(reason) => unreadable(origin, format!("its pickle is not a state_dict: {reason}")),
    }
}

/// How many numbers a tensor has, where they lie within the `held` ones of its storage and are no more than these.
fn count_within(place: &TensorPlace, held: usize) -> Option<usize> {
    let count = place.shape.iter().try_fold(1, |count: usize, size| count.checked_mul(*size))?;
    if place.shape.len() != place.strides.len() {
        return None;
    }
    let last = place.shape.iter().zip(&place.strides).try_fold(place.offset, |last, (size, stride)| {
        last.checked_add(size.saturating_sub(1).checked_mul(*stride)?)
    })?;
    (count <= held && (count == 0 || last < held)).then_some(count)
}

/// A tensor's numbers row by row; [`count_within`] has found them to be in the storage.
fn numbers(place: &TensorPlace, count: usize, storage: &[u8]) -> Option<Vec<f32>> {
    if count == 0 {
        return Some(Vec::new());
    }
    let size = place.numbers.size();
    let mut expected = 1;
    let contiguous = place.shape.iter().zip(&place.strides).rev().all(|(size, stride)| {
        let fits = *size == 1 || *stride == expected;
        expected *= size;
        fits
    });
    if contiguous {
        return place.numbers.read(storage.get(place.offset * size..(place.offset + count) * size)?);
    }
    // Only the tensor's own numbers are touched: many may be views of a storage that is far longer than all of them.
    let mut bytes = Vec::with_capacity(count * size);
    let mut index = vec![0; place.shape.len()];
    for _ in 0..count {
        let step: usize = index.iter().zip(&place.strides).map(|(index, stride)| index * stride).sum();
        let at = (place.offset + step) * size;
        bytes.extend_from_slice(storage.get(at..at + size)?);
        for (index, size) in index.iter_mut().zip(&place.shape).rev() {
            *index += 1;
            if *index < *size {
                break;
            }
            *index = 0;
        }
    }
    place.numbers.read(&bytes)
}
