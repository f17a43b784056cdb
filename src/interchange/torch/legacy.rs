//! What `torch.save` wrote before version 1.6, torchvision's own files among it: pickles one after the other, then the
//! numbers of the storages.
//!
//! In: a file's bytes. Out: where the tensors lie, and the storages by name.

use std::collections::HashMap;

use crate::interchange::torch::objects::{Item, Object, PickleError, TensorPlaces};
use crate::interchange::torch::pickle::load;

/// Reads the file of which [`crate::interchange::format::Format`] has seen the beginning.
pub(super) fn read(bytes: &[u8]) -> Result<(TensorPlaces<'_>, HashMap<&str, &[u8]>), PickleError> {
    const CUT_OFF: PickleError = PickleError::Broken("the file is cut off");
    let mut rest = bytes;
    // A number by which the format is known, its version, and the sizes of C's types.
    for _ in 0..3 {
        (_, _, rest) = load(rest)?;
    }
    let (objects, last, rest) = load(rest)?;
    let places = objects.tensors(last)?;
    // All storages, those of whole numbers too, have to be stepped over.
    let sizes = objects.objects.iter().filter_map(|object| match object {
        Object::Storage { numbers, name } => Some((*name, numbers.size())),
        _ => None,
    });
    let sizes: HashMap<&str, usize> = sizes.collect();
    let (names, list, mut rest) = load(rest)?;
    let mut storages = HashMap::new();
    for name in names.items(list).ok_or(PickleError::Broken("it does not name its storages"))? {
        let Item::Text(name) = name else { return Err(PickleError::Broken("a storage has no name")) };
        let size = *sizes.get(name).ok_or(PickleError::Broken("a storage belongs to no tensor"))?;
        let (count, behind) = rest.split_first_chunk().ok_or(CUT_OFF)?;
        let length = usize::try_from(u64::from_le_bytes(*count)).ok().and_then(|count| count.checked_mul(size));
        let (numbers, behind) = length.and_then(|length| behind.split_at_checked(length)).ok_or(CUT_OFF)?;
        storages.insert(*name, numbers);
        rest = behind;
    }
    Ok((places, storages))
}
