//! Safetensors files of any program.

use std::path::Path;

use safetensors::tensor::{Metadata, TensorInfo};
use safetensors::{Dtype, SafeTensors};

use crate::interchange::format::read_whole;
use crate::interchange::numbers::Numbers;
use crate::interchange::{InspectedTensor, InterchangeError};
use crate::model::{StoredTensor, StoredTensors};

/// The tensors of a file that hold numbers with a point, as f32, and the entry `key` of its metadata. Whole numbers, such
/// as torch's `num_batches_tracked`, are left out.
///
/// # Errors
/// When the file cannot be read or is not safetensors, or when its numbers have a point and are of a type that is not read,
/// such as f8: left out, they would seem to be missing.
pub(super) fn read(path: &Path, key: &str) -> Result<(StoredTensors, Option<String>), InterchangeError> {
    let bytes = read_whole(path)?;
    let origin = path.display().to_string();
    let (length, header) = header(&bytes, &origin)?;
    // The header stands behind its own length in 8 bytes, and every tensor's place was checked with it.
    let data = &bytes[8 + length..];
    let mut tensors = StoredTensors::new();
    for (name, info) in header.tensors() {
        let numbers = numbers(info.dtype).map_err(|kind| InterchangeError::Unreadable {
            origin: origin.clone(),
            reason: format!("its tensor {name} is of {kind}; write it as f32, f16 or bf16"),
        })?;
        if let Some(numbers) = numbers.read(&data[info.data_offsets.0..info.data_offsets.1]) {
            tensors.insert(name, StoredTensor { shape: info.shape.clone(), data: numbers });
        }
    }
    Ok((tensors, header.metadata().as_ref().and_then(|entries| entries.get(key).cloned())))
}

/// The tensors of a file's bytes, without their numbers.
///
/// # Errors
/// When they are not safetensors.
pub(super) fn list(bytes: &[u8], origin: &str) -> Result<Vec<InspectedTensor>, InterchangeError> {
    let tensor = |(name, info): (String, &TensorInfo)| InspectedTensor {
        name,
        shape: info.shape.clone(),
        numbers: numbers(info.dtype).map_or_else(|kind| kind, |numbers| numbers.name().to_owned()),
    };
    Ok(header(bytes, origin)?.1.tensors().into_iter().map(tensor).collect())
}

/// The header's length, and the header, of which every tensor's place has been checked.
fn header(bytes: &[u8], origin: &str) -> Result<(usize, Metadata), InterchangeError> {
    SafeTensors::read_metadata(bytes).map_err(|error| InterchangeError::Unreadable {
        origin: origin.to_owned(),
        reason: format!("it is not a whole safetensors file: {error}"),
    })
}

/// How numbers of a type are stored, or what it is called where it is not read.
fn numbers(dtype: Dtype) -> Result<Numbers, String> {
    Ok(match dtype {
        Dtype::BF16 => Numbers::Bf16,
        Dtype::F16 => Numbers::F16,
        Dtype::F32 => Numbers::F32,
        Dtype::F64 => Numbers::F64,
        Dtype::BOOL => Numbers::Other { name: "bool", size: 1 },
        Dtype::U8 => Numbers::Other { name: "u8", size: 1 },
        Dtype::I8 => Numbers::Other { name: "i8", size: 1 },
        Dtype::U16 => Numbers::Other { name: "u16", size: 2 },
        Dtype::I16 => Numbers::Other { name: "i16", size: 2 },
        Dtype::U32 => Numbers::Other { name: "u32", size: 4 },
        Dtype::I32 => Numbers::Other { name: "i32", size: 4 },
        Dtype::U64 => Numbers::Other { name: "u64", size: 8 },
        Dtype::I64 => Numbers::Other { name: "i64", size: 8 },
        other => return Err(format!("{other:?}").to_lowercase()),
    })
}

#[cfg(test)]
mod tests {
    use safetensors::serialize;
    use safetensors::tensor::TensorView;

    use super::*;

    #[test]
    fn a_type_with_a_point_that_is_not_read_is_refused_by_its_name_and_whole_numbers_are_left_out() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let read_one = |dtype: Dtype| {
            let bytes = [0; 16];
            let view = TensorView::new(dtype, vec![16 * 8 / dtype.bitsize()], &bytes).unwrap();
            let bytes = serialize([("a.weight", view)], None).unwrap();
            std::fs::write(file.path(), &bytes).unwrap();
            let listed = list(&bytes, "x").unwrap().remove(0).numbers;
            (listed, read(file.path(), "lobule").map(|(tensors, _)| tensors.len()).map_err(|error| error.to_string()))
        };
        for (dtype, name) in [(Dtype::F8_E4M3, "f8_e4m3"), (Dtype::F4, "f4"), (Dtype::C64, "c64")] {
            let (listed, read) = read_one(dtype);
            let error = read.unwrap_err();
            assert_eq!(listed, name);
            assert!(error.contains(&format!("a.weight is of {name}")), "{error}");
        }
        assert_eq!(read_one(Dtype::I64), ("i64".to_owned(), Ok(0)));
        assert_eq!(read_one(Dtype::BOOL), ("bool".to_owned(), Ok(0)));
        assert_eq!(read_one(Dtype::BF16), ("bf16".to_owned(), Ok(1)));
    }
}
