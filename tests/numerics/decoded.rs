//! Drawn files of every format, layout, depth and orientation show the pixels that the programs show by which these files
//! are looked at: libtiff, libpng, libjpeg, libwebp, lcms and Pillow. `tests/bench/files/golden.py` makes the fixture.

use std::fs;
use std::path::Path;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use image::{RgbImage, imageops};
use lobule::pixels::{DecodeLimits, Field, Fields, LargeImage, Note, PixelsError, decode};
use serde::Deserialize;

use crate::golden;

#[derive(Deserialize)]
struct Entry {
    name: String,
    file: String,
    /// The pixels as a PNG; none where the file must be refused.
    shows: Option<String>,
    #[serde(default)]
    lossy: bool,
}

/// The largest difference of two images' levels, and the mean one.
fn apart(one: &RgbImage, other: &RgbImage) -> (u8, f64) {
    let apart: Vec<u8> = one.iter().zip(other.iter()).map(|(a, b)| a.abs_diff(*b)).collect();
    let sum: f64 = apart.iter().copied().map(f64::from).sum();
    (apart.iter().copied().max().unwrap_or_default(), sum / apart.len() as f64)
}

#[test]
fn drawn_files_show_what_the_references_show() {
    let entries: Vec<Entry> = golden("decoded.json");
    assert!(entries.len() > 300, "{} files", entries.len());
    let mut wrong = Vec::new();
    for Entry { name, file, shows, lossy } in &entries {
        let decoded = decode(&BASE64_STANDARD.decode(file).unwrap(), &DecodeLimits::default());
        match (decoded, shows) {
            (Err(PixelsError::Undecodable(..) | PixelsError::Unsupported(..)), None) => {}
            (Ok(decoded), Some(shows)) => {
                let png = BASE64_STANDARD.decode(shows).unwrap();
                let want = image::load_from_memory_with_format(&png, image::ImageFormat::Png).unwrap().into_rgb8();
                let (most, mean) = apart(&decoded.image, &want);
                let fits = if *lossy { mean <= 2.0 } else { most <= 1 };
                if decoded.image.dimensions() != want.dimensions() || !fits {
                    wrong.push(format!("{name}: up to {most} levels apart, {mean:.2} in the mean"));
                }
            }
            (Ok(_), None) => wrong.push(format!("{name}: decoded, though nobody can know what it shows")),
            (Err(error), _) => wrong.push(format!("{name}: {error}")),
        }
    }
    assert!(wrong.is_empty(), "{} of {} files:\n{}", wrong.len(), entries.len(), wrong.join("\n"));
}

/// The fields of a file, and what was done to it; all of it is read.
fn fields_of(path: &Path, size: u32) -> Result<(Vec<Field>, Vec<Note>), PixelsError> {
    let mut image = LargeImage::open(path)?;
    let fields = image.fields(Fields::new(size, size / 3).unwrap())?;
    let notes = fields.notes().to_vec();
    Ok((fields.collect::<Result<_, _>>()?, notes))
}

#[test]
fn fields_of_drawn_files_are_crops_of_what_they_show_and_what_is_refused_has_none() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("image");
    let mut wrong = Vec::new();
    for Entry { name, file, .. } in golden::<Vec<Entry>>("decoded.json") {
        let file = BASE64_STANDARD.decode(file).unwrap();
        fs::write(&path, &file).unwrap();
        let Ok(whole) = decode(&file, &DecodeLimits::default()) else {
            wrong.extend(fields_of(&path, 1).is_ok().then(|| format!("{name}: it has fields and no image")));
            continue;
        };
        let size = (whole.image.width().min(whole.image.height()) / 2).max(1);
        match fields_of(&path, size) {
            Err(error) => wrong.push(format!("{name}: {error}")),
            Ok((fields, notes)) => {
                let crop = |field: &Field| imageops::crop_imm(&whole.image, field.x, field.y, size, size).to_image();
                if notes != whole.notes || fields.is_empty() || fields.iter().any(|field| crop(field) != field.image) {
                    wrong.push(format!("{name}: its fields are others"));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
