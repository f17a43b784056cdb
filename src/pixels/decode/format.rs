//! What a file is, by its first bytes.

use image::ImageFormat;

use crate::pixels::PixelsError;

/// The formats that are read, by how their files begin.
const READ: [(&[u8], ImageFormat, &str); 8] = [
    (b"\x89PNG\r\n\x1a\n", ImageFormat::Png, "PNG"),
    (b"\xFF\xD8\xFF", ImageFormat::Jpeg, "JPEG"),
    (b"II*\0", ImageFormat::Tiff, "TIFF"),
    (b"MM\0*", ImageFormat::Tiff, "TIFF"),
    (b"II+\0", ImageFormat::Tiff, "TIFF"),
    (b"MM\0+", ImageFormat::Tiff, "TIFF"),
    (b"BM", ImageFormat::Bmp, "BMP"),
    (b"RIFF", ImageFormat::WebP, "WebP"),
];

const SAVE: &str = "save it as PNG, JPEG or TIFF";
const EXPORT: &str = "export the field of view as PNG or TIFF";
const UNPACK: &str = "unpack it and send the images in it";
const IMAGE_ITSELF: &str = "send the image file itself";

const AS_TEXT: &str = "images that were transferred as text are";
const AS_IT_IS: &str = "send the file as it is, in binary mode";

/// The formats that are told from others and not read: where in a file, which bytes, what it is, and what to do.
const NOT_READ: [(usize, &[u8], &str, &str); 68] = [
    (0, b"GIF8", "GIF images are", SAVE),
    (4, b"ftypavif", "AVIF images are", SAVE),
    (4, b"ftypavis", "AVIF images are", SAVE),
    (4, b"ftyphei", "HEIC images are", SAVE),
    (4, b"ftyphev", "HEIC images are", SAVE),
    (4, b"ftypmif1", "HEIC images are", SAVE),
    (4, b"ftypmsf1", "HEIC images are", SAVE),
    (4, b"ftypcrx ", "raw files of cameras are", SAVE),
    (4, b"ftyp", "videos are", "save one frame as PNG"),
    (0, b"\x1A\x45\xDF\xA3", "videos are", "save one frame as PNG"),
    (8, b"AVI ", "videos are", "save one frame as PNG"),
    (0, b"FUJIFILMCCD-RAW", "raw files of cameras are", SAVE),
    (0, b"\0\0\0\x0CjP  \r\n\x87\n", "JPEG 2000 images are", SAVE),
    (0, b"\xFF\x4F\xFF\x51", "JPEG 2000 images are", SAVE),
    (0, b"\0\0\0\x0CJXL \r\n\x87\n", "JPEG XL images are", SAVE),
    (0, b"\xFF\x0A", "JPEG XL images are", SAVE),
    (0, b"II\xBC", "JPEG XR images are", SAVE),
    (128, b"DICM", "DICOM files are", EXPORT),
    (0, b"ZISRAWFILE", "CZI files are", EXPORT),
    (0, b"\xDA\xCE\xBE\x0A", "ND2 files are", EXPORT),
    (0, b"\x89HDF\r\n\x1a\n", "HDF5 files are", EXPORT),
    (0, b"[GENERAL]", "the index files of MIRAX slides are", EXPORT),
    (0, b"[HIERARCHICAL]", "the index files of MIRAX slides are", EXPORT),
    (0, b"[Virtual Microscope", "the index files of Hamamatsu's slides are", EXPORT),
    (0, b"%PDF", "PDF documents are", EXPORT),
    (0, b"%!PS", "PostScript documents are", EXPORT),
    (0, b"AT&TFORM", "DjVu documents are", EXPORT),
    (0, b"\xD0\xCF\x11\xE0\xA1\xB1\x1A\xE1", "compound documents are", EXPORT),
    (0, b"8BPS", "Photoshop documents are", SAVE),
    (0, b"gimp xcf", "GIMP's documents are", SAVE),
    (0, b"\0\0\x01\0", "icons are", SAVE),
    (0, b"\0\0\x02\0", "cursors are", SAVE),
    (0, b"P1", "PNM images are", SAVE),
    (0, b"P2", "PNM images are", SAVE),
    (0, b"P3", "PNM images are", SAVE),
    (0, b"P4", "PNM images are", SAVE),
    (0, b"P5", "PNM images are", SAVE),
    (0, b"P6", "PNM images are", SAVE),
    (0, b"P7", "PNM images are", SAVE),
    (0, b"\x76\x2F\x31\x01", "OpenEXR images are", SAVE),
    (0, b"#?RADIANCE", "Radiance images are", SAVE),
    (0, b"#?RGBE", "Radiance images are", SAVE),
    (0, b"SIMPLE  =", "FITS images are", SAVE),
    (0, b"DDS ", "DDS images are", SAVE),
    (0, b"qoif", "QOI images are", SAVE),
    (0, b"farbfeld", "farbfeld images are", SAVE),
    (0, b"\x93NUMPY", "NumPy's arrays are", SAVE),
    (0, b"MATLAB 5.0", "MATLAB's files are", SAVE),
    (0, b"PK\x03\x04", "ZIP archives are", UNPACK),
    (0, b"PK\x05\x06", "ZIP archives are", UNPACK),
    (0, b"\x1F\x8B", "files packed by gzip are", UNPACK),
    (0, b"BZh", "files packed by bzip2 are", UNPACK),
    (0, b"\xFD7zXZ\0", "files packed by xz are", UNPACK),
    (0, b"\x28\xB5\x2F\xFD", "files packed by zstd are", UNPACK),
    (0, b"7z\xBC\xAF\x27\x1C", "7z archives are", UNPACK),
    (0, b"Rar!", "RAR archives are", UNPACK),
    (257, b"ustar", "tar archives are", UNPACK),
    // The first is a PNG's start without its carriage return, the others have more of them, or what is no UTF-8 replaced.
    (0, b"\x89PNG\n\x1a\n", AS_TEXT, AS_IT_IS),
    (0, b"\x89PNG\r\r\n\x1a\r\n", AS_TEXT, AS_IT_IS),
    (0, b"\xEF\xBF\xBDPNG", AS_TEXT, AS_IT_IS),
    (0, b"\xC2\x89PNG", AS_TEXT, AS_IT_IS),
    (0, b"\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD", AS_TEXT, AS_IT_IS),
    (0, b"\xC3\xBF\xC3\x98\xC3\xBF", AS_TEXT, AS_IT_IS),
    (0, b"data:", "data URLs are", IMAGE_ITSELF),
    (0, b"iVBORw0KGgo", "images in base64 are", IMAGE_ITSELF),
    (0, b"/9j/", "images in base64 are", IMAGE_ITSELF),
    (0, b"UklGR", "images in base64 are", IMAGE_ITSELF),
    (0, b"SUkqA", "images in base64 are", IMAGE_ITSELF),
];

/// The format by the first bytes, and its name.
///
/// # Errors
/// [`PixelsError::UnknownFormat`] with what the bytes are instead.
pub(super) fn detect(bytes: &[u8]) -> Result<(ImageFormat, &'static str), PixelsError> {
    let is_read = |&&(start, format, _): &&(&[u8], _, _)| {
        bytes.starts_with(start) && (format != ImageFormat::WebP || bytes.get(8..12) == Some(b"WEBP"))
    };
    match READ.iter().find(is_read) {
        Some(&(_, format, name)) => Ok((format, name)),
        None => Err(PixelsError::UnknownFormat { found: describe(bytes) }),
    }
}

/// What a file is that is not read, and what to do, as a clause.
fn describe(bytes: &[u8]) -> String {
    if bytes.is_empty() {
        return "the file is empty".into();
    }
    let is_it = |&&(at, mark, ..): &&(usize, &[u8], _, _)| bytes.get(at..).is_some_and(|rest| rest.starts_with(mark));
    if let Some((.., what, remedy)) = NOT_READ.iter().find(is_it) {
        return format!("{what} not read, so {remedy}");
    }
    match kind_of_text(bytes) {
        Some(what) => format!("the file is {what} and not an image"),
        None => "the file is not an image of a known format".into(),
    }
}

/// What kind of text a file begins as.
fn kind_of_text(bytes: &[u8]) -> Option<&'static str> {
    let start = &bytes[..bytes.len().min(1024)];
    let start = match std::str::from_utf8(start) {
        Ok(text) => text,
        // A letter may be cut in two at the end.
        Err(error) if error.error_len().is_none() => std::str::from_utf8(&start[..error.valid_up_to()]).ok()?,
        Err(_) => return None,
    };
    if start.chars().any(|c| c.is_control() && !matches!(c, '\t' | '\n' | '\r' | '\x0C')) {
        return None;
    }
    let start = start.trim_start_matches('\u{FEFF}').trim_start().to_ascii_lowercase();
    Some(match start.as_str() {
        text if text.starts_with("<!doctype html") || text.starts_with("<html") => "an HTML page",
        text if text.starts_with('<') && text.contains("<svg") => "an SVG drawing",
        text if text.starts_with("<?xml") => "an XML document",
        text if text.starts_with('{') || text.starts_with('[') => "JSON",
        _ => "text",
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_read_is_named_with_what_to_do() {
        let mut dicom = vec![0; 128];
        dicom.extend(b"DICM\x02\0\0\0");
        for (bytes, words) in [
            (&b""[..], "the file is empty"),
            (b"GIF89a\x01\0\x01\0", "GIF images are not read, so save it as PNG, JPEG or TIFF"),
            (b"\0\0\0\x18ftypheic\0\0\0\0mif1heic", "HEIC images are not read"),
            (b"\0\0\0\x1Cftypavif\0\0\0\0", "AVIF images are not read"),
            (b"\0\0\0\x0CjP  \r\n\x87\n\0\0\0\x14ftypjp2 ", "JPEG 2000 images are not read"),
            (b"\xFF\x0A\xFA\x7F", "JPEG XL images are not read"),
            (&dicom, "DICOM files are not read, so export the field of view as PNG or TIFF"),
            (b"%PDF-1.7\n", "PDF documents are not read"),
            (b"<?xml version=\"1.0\"?>\n<svg width=\"9\"></svg>", "the file is an SVG drawing and not an image"),
            (b"8BPS\0\x01", "Photoshop documents are not read"),
            (b"\0\0\x01\0\x01\0", "icons are not read"),
            (b"P6\n2 2\n255\n", "PNM images are not read"),
            (b"\x76\x2F\x31\x01\x02\0\0\0", "OpenEXR images are not read"),
            (b"AT&TFORM\0\0\0\0DJVU", "DjVu documents are not read"),
            (b"\x1F\x8B\x08\0", "files packed by gzip are not read, so unpack it"),
            (b"PK\x03\x04\x14\0", "ZIP archives are not read"),
            (b"RIFF\x10\0\0\0AVI LIST", "videos are not read"),
            (b"  \n<!DOCTYPE HTML><html>", "the file is an HTML page and not an image"),
            (b"{\"image\": \"a.png\"}", "the file is JSON and not an image"),
            (b"\x89PNG\n\x1a\n\0\0\0", "images that were transferred as text are not read, so send the file as it is"),
            ("\u{FFFD}PNG\r\n\x1a\n".as_bytes(), "images that were transferred as text are not read"),
            ("\u{89}PNG\r\n\x1a\n".as_bytes(), "images that were transferred as text are not read"),
            (b"\x89PNG\r\r\n\x1a\r\n\0\0", "images that were transferred as text are not read"),
            ("ÿØÿà\0\x10JFIF".as_bytes(), "images that were transferred as text are not read"),
            (
                "\u{FFFD}\u{FFFD}\u{FFFD}\u{FFFD}\0\x10JFIF".as_bytes(),
                "images that were transferred as text are not read",
            ),
            (b"data:image/png;base64,iVBORw0KGgo", "data URLs are not read, so send the image file itself"),
            ("Sehr geehrte Frau Müller".as_bytes(), "the file is text and not an image"),
            (b"RIFF\x10\0\0\0WAVEfmt ", "the file is not an image of a known format"),
            (b"\x89PN", "the file is not an image of a known format"),
        ] {
            let Err(PixelsError::UnknownFormat { found }) = detect(bytes) else { panic!("{words}") };
            assert!(found.starts_with(words), "{found}: {words}");
        }
    }

    #[test]
    fn big_tiffs_are_tiffs() {
        for start in [b"II+\0\x08\0\0\0", b"MM\0+\0\x08\0\0"] {
            assert_eq!(detect(start).unwrap(), (ImageFormat::Tiff, "TIFF"));
        }
    }
}
