//! Which format a file has, by its content.

use std::io::Read;
use std::path::Path;

use crate::interchange::InterchangeError;
use crate::interchange::archive::Archive;
use crate::system::open_file;

/// The first bytes of an HDF5 file.
const HDF5: &[u8] = b"\x89HDF\r\n\x1a\n";
/// The first bytes of a zip that holds anything.
const ZIP: &[u8] = b"PK\x03\x04";
/// The first bytes of what torch wrote before version 1.6: a pickle of a number that nothing else begins with.
const LEGACY_TORCH: &[u8] = b"\x80\x02\x8a\x0al\xfc\x9cF\xf9 j\xa8P\x19.";

/// All bytes of a file.
///
/// # Errors
/// When it cannot be read, or is no file.
pub(super) fn read_whole(path: &Path) -> Result<Vec<u8>, InterchangeError> {
    let mut bytes = Vec::new();
    let read = open_file(path).and_then(|mut file| {
        // Reserved at once: a vector that grows would take half as much again.
        bytes.reserve_exact(usize::try_from(file.metadata()?.len()).unwrap_or_default());
        file.read_to_end(&mut bytes)
    });
    read.map_err(|source| InterchangeError::Io { action: "read", path: path.to_owned(), source })?;
    Ok(bytes)
}

/// A file's format.
pub(super) enum Format {
    /// Safetensors, whatever wrote it.
    Safetensors,
    /// What `torch.save` writes: a zip.
    Torch(Archive),
    /// What it wrote before version 1.6.
    LegacyTorch,
    /// ONNX, which has no first bytes of its own: a protobuf that begins with a small version and with what follows it.
    Onnx,
    /// Keras 3's `.keras`: a zip.
    Keras(Archive),
    /// Keras's `.h5`.
    Hdf5,
}

impl Format {
    /// Looks into a file.
    ///
    /// # Errors
    /// When it cannot be read or has another format.
    pub(super) fn of(path: &Path) -> Result<Self, InterchangeError> {
        let unreadable = |reason: &str| {
            let (origin, reason) = (path.display().to_string(), reason.to_owned());
            Err(InterchangeError::Unreadable { origin, reason })
        };
        let mut start = Vec::new();
        let read = open_file(path).and_then(|file| file.take(16).read_to_end(&mut start));
        read.map_err(|source| InterchangeError::Io { action: "read", path: path.to_owned(), source })?;
        if start.starts_with(ZIP) {
            let archive = Archive::open(path)?;
            if archive.names().any(|name| name.ends_with("/data.pkl")) {
                return Ok(Self::Torch(archive));
            }
            if archive.names().any(|name| name == "config.json") {
                return Ok(Self::Keras(archive));
            }
            return unreadable("it is a zip of neither Keras nor torch: it holds no config.json and no data.pkl");
        }
        if start.starts_with(HDF5) {
            return Ok(Self::Hdf5);
        }
        if start.starts_with(LEGACY_TORCH) {
            return Ok(Self::LegacyTorch);
        }
        // The length of the header in eight bytes, then the header, a JSON object.
        match start[..] {
            [_, _, _, _, _, _, _, _, b'{', ..] => Ok(Self::Safetensors),
            [0x08, 1..=127, 0x12 | 0x1a | 0x22 | 0x28 | 0x32 | 0x3a | 0x42, ..] => Ok(Self::Onnx),
            _ => unreadable("it is no safetensors, .pth, .keras, .h5 or ONNX file"),
        }
    }
}
