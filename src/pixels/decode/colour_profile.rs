//! From the colours of an image that says which colours it means, to sRGB.
//!
//! Networks of this field are trained on sRGB. What differs from it is converted as browsers and Pillow's ImageCms do it
//! by default: by the perceptual intent, which is the colorimetric one for profiles that have no other, and without black
//! point compensation.

use std::sync::Arc;

use image::DynamicImage;
use moxcms::{
    Chromaticity, CicpColorPrimaries, CicpProfile, ColorPrimaries, ColorProfile, DataColorSpace, Layout,
    MatrixCoefficients, ParsingOptions, ToneReprCurve, TransferCharacteristics, Transform8BitExecutor,
    TransformOptions,
};

use super::notes::Note;

/// The largest profile that is read; those of printers, the largest there are, have 2 or 3 MB.
pub(super) const MOST_PROFILE_BYTES: usize = 4 << 20;

/// Where an image's colours are defined.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum ColourSource {
    /// An ICC profile.
    Profile(Vec<u8>),
    /// ITU-T H.273's code points: primaries, transfer function, matrix, and 1 for the full range (PNG's `cICP`).
    CodePoints([u8; 4]),
    /// PNG's `gAMA` and `cHRM`.
    Gamma {
        /// What samples between 0 and 1 are raised to, to be proportional to light; none where it is sRGB's curve.
        exponent: Option<f64>,
        /// x and y of white, red, green and blue; none where they are sRGB's.
        chromaticities: Option<[f64; 8]>,
    },
}

impl ColourSource {
    /// Its profile; none where it is broken or of a kind that is not applied.
    fn profile(&self) -> Option<ColorProfile> {
        match self {
            Self::Profile(bytes) => {
                let limits = ParsingOptions {
                    max_profile_size: MOST_PROFILE_BYTES,
                    max_allowed_clut_size: MOST_PROFILE_BYTES,
                    ..ParsingOptions::default()
                };
                ColorProfile::new_from_slice_with_options(bytes, limits).ok()
            }
            Self::CodePoints([primaries, transfer, 0, 1]) => {
                let transfer_characteristics = TransferCharacteristics::try_from(*transfer).ok()?;
                // These two are for more light than a screen for sRGB gives, and need more than a profile.
                if matches!(transfer_characteristics, TransferCharacteristics::Smpte2084 | TransferCharacteristics::Hlg)
                {
                    return None;
                }
                let mut profile = ColorProfile::new_srgb();
                let code_points = CicpProfile {
                    color_primaries: CicpColorPrimaries::try_from(*primaries).ok()?,
                    transfer_characteristics,
                    matrix_coefficients: MatrixCoefficients::Identity,
                    full_range: true,
                };
                // What this gives back says nothing; without a curve the points were none that it knows.
                profile.red_trc = None;
                profile.update_rgb_colorimetry_from_cicp(code_points);
                profile.red_trc.is_some().then_some(profile)
            }
            Self::CodePoints(_) => None,
            Self::Gamma { exponent, chromaticities } => {
                let mut profile = match *exponent {
                    None => ColorProfile::new_srgb(),
                    Some(exponent @ 0.1..=10.0) => with_curve(ToneReprCurve::Parametric(vec![exponent as f32])),
                    Some(_) => return None,
                };
                if let Some(places) = chromaticities {
                    let place = |index: usize| Chromaticity::new(places[index] as f32, places[index + 1] as f32);
                    let primaries = ColorPrimaries { red: place(2), green: place(4), blue: place(6) };
                    profile.update_rgb_colorimetry(place(0).to_xyyb(), primaries);
                }
                Some(profile)
            }
        }
    }

    /// Whether it can only be meant for sRGB: gAMA holds a power of 2.2 where sRGB's curve is meant.
    fn is_srgb_by_name(&self) -> bool {
        match self {
            Self::Profile(_) => false,
            Self::CodePoints(points) => matches!(points, [1, 13, 0, 1]),
            Self::Gamma { exponent, chromaticities } => {
                exponent.is_none_or(|exponent| (exponent / 2.2 - 1.0).abs() <= 0.05)
                    && chromaticities.is_none_or(|places| {
                        let srgb = [0.3127, 0.3290, 0.64, 0.33, 0.30, 0.60, 0.15, 0.06];
                        places.iter().zip(srgb).all(|(place, srgb)| (place - srgb).abs() < 0.002)
                    })
            }
        }
    }
}

/// Converts the colours of an image of 8 bits to sRGB; transparency is kept. Without a note nothing was done.
pub(super) fn to_srgb(image: &mut DynamicImage, is_grey: bool, source: &ColourSource) -> Option<Note> {
    let (conversion, note) = Conversion::of(source, is_grey, image.color().has_alpha());
    match conversion {
        Some(conversion) if conversion.apply(image).is_none() => Some(Note::ProfileNotApplied),
        _ => note,
    }
}

/// How colours become sRGB's.
pub(super) struct Conversion {
    transform: Arc<Transform8BitExecutor>,
    layout: Layout,
}

impl Conversion {
    /// The conversion of such colours, where there is one to be made, and what is to be said.
    pub(super) fn of(source: &ColourSource, is_grey: bool, has_alpha: bool) -> (Option<Self>, Option<Note>) {
        if source.is_srgb_by_name() {
            return (None, None);
        }
        let Some(profile) = source.profile() else { return (None, Some(Note::ProfileNotApplied)) };
        let meant_for_it = match source {
            ColourSource::Profile(_) => (profile.color_space == DataColorSpace::Gray) == is_grey,
            ColourSource::CodePoints(_) | ColourSource::Gamma { .. } => true,
        };
        let srgb = ColorProfile::new_srgb();
        let layout = if has_alpha { Layout::Rgba } else { Layout::Rgb };
        match rgb_profile(profile).and_then(|profile| Some((changes_colours(&profile, &srgb)?, profile))) {
            Some((false, _)) => (None, None),
            Some((true, profile)) if meant_for_it => {
                match profile.create_transform_8bit(layout, &srgb, layout, options()) {
                    Ok(transform) => (Some(Self { transform, layout }), Some(Note::ColoursConverted)),
                    Err(_) => (None, Some(Note::ProfileNotApplied)),
                }
            }
            _ => (None, Some(Note::ProfileNotApplied)),
        }
    }

    /// Converts in place, row by row, so that no second image is needed; none where it cannot be applied.
    pub(super) fn apply(&self, image: &mut DynamicImage) -> Option<()> {
        let row = image.width() as usize * self.layout.channels();
        let samples: &mut [u8] = match (image, self.layout) {
            (DynamicImage::ImageRgb8(pixels), Layout::Rgb) => pixels,
            (DynamicImage::ImageRgba8(pixels), Layout::Rgba) => pixels,
            _ => return None,
        };
        let mut before = Vec::with_capacity(row);
        for row in samples.chunks_exact_mut(row) {
            before.clear();
            before.extend_from_slice(row);
            self.transform.transform(&before, row).ok()?;
        }
        Some(())
    }
}

fn options() -> TransformOptions {
    TransformOptions { prefer_fixed_point: false, ..TransformOptions::default() }
}

/// The profile for red, green and blue that gives equal ones what this one for greys gives them.
fn rgb_profile(profile: ColorProfile) -> Option<ColorProfile> {
    match (profile.color_space, profile.pcs) {
        (DataColorSpace::Rgb, _) => Some(profile),
        (DataColorSpace::Gray, DataColorSpace::Xyz) => {
            let curve = profile.gray_trc?;
            Some(with_curve(curve))
        }
        _ => None,
    }
}

/// sRGB's primaries with a curve of its own.
fn with_curve(curve: ToneReprCurve) -> ColorProfile {
    let mut profile = ColorProfile::new_srgb();
    profile.cicp = None;
    profile.red_trc = Some(curve.clone());
    profile.green_trc = Some(curve.clone());
    profile.blue_trc = Some(curve);
    profile
}

/// Whether the profile gives colours that differ by more than a level from what they are as sRGB; none where it gives none.
fn changes_colours(profile: &ColorProfile, srgb: &ColorProfile) -> Option<bool> {
    let transform = profile.create_transform_8bit(Layout::Rgb, srgb, Layout::Rgb, options()).ok()?;
    let levels = || (0..=255_u8).step_by(15);
    let colours: Vec<u8> =
        levels().flat_map(|r| levels().flat_map(move |g| levels().flat_map(move |b| [r, g, b]))).collect();
    let mut converted = vec![0; colours.len()];
    transform.transform(&colours, &mut converted).ok()?;
    Some(colours.iter().zip(&converted).any(|(before, after)| before.abs_diff(*after) > 1))
}

#[cfg(test)]
mod tests;
