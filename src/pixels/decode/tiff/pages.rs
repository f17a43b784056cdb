//! Which of a file's directories is the image: the first at full size.

use std::collections::HashSet;

use super::directory::{Directory, File, tag};
use super::{Note, PixelsError, not_read, refused};

/// Entries of all directories together that are looked at while pages are counted: a minute's stack of images has fewer.
const MOST_ENTRIES: usize = 1 << 20;

/// The first directory that is neither a thumbnail nor a mask, and what is to be told of the others.
///
/// A file of nothing but reduced images is read as its first, as other readers do, unless its image is elsewhere or was
/// cut off.
pub(super) fn choose<'a>(file: &File<'a>, first: u64) -> Result<(Directory<'a>, Vec<Note>), PixelsError> {
    let mut chosen = None;
    let (mut pages, mut skipped) = (0, false);
    let (mut seen, mut entries) = (HashSet::new(), 0);
    let mut next = first;
    let mut is_cut = false;
    // A chain that runs in a circle, or out of the file, ends there.
    while next != 0 && seen.insert(next) && entries < MOST_ENTRIES {
        let Some(page) = file.directory(next) else {
            is_cut = true;
            break;
        };
        (next, entries) = (page.next, entries + page.len());
        if is_full(&page) {
            pages += 1;
            chosen = chosen.or(Some(page));
        } else {
            skipped |= chosen.is_none();
        }
    }
    let Some(chosen) = chosen else {
        let reduced = file.directory(first).ok_or_else(|| refused("it has no readable directory of its images"))?;
        // Cameras put the image below its thumbnail.
        if reduced.field(tag::SUB_IFDS)?.is_some() {
            return Err(not_read("it has a thumbnail in place of an image, as raw images of cameras do"));
        }
        if is_cut {
            return Err(refused("behind its thumbnail the file ends"));
        }
        return Ok((reduced, Vec::new()));
    };
    refuse_channels_as_pages(&chosen)?;
    let mut notes = Vec::new();
    if skipped {
        notes.push(Note::ThumbnailSkipped);
    }
    if pages > 1 {
        notes.push(Note::FirstOfPages(pages));
    }
    Ok((chosen, notes))
}

/// ImageJ and OME store the channels of an image as pages, each in grey, and say so in the description: what the first
/// of them shows is not the image.
fn refuse_channels_as_pages(page: &Directory<'_>) -> Result<(), PixelsError> {
    let description = page.field(tag::IMAGE_DESCRIPTION).ok().flatten().map(|field| field.bytes).unwrap_or_default();
    let description = String::from_utf8_lossy(&description);
    let channels = if description.starts_with("ImageJ=") {
        description.lines().find_map(|line| line.strip_prefix("channels="))
    } else if description.contains("<OME") {
        description.split_once("SizeC=").and_then(|(_, value)| value.get(1..)?.split(['"', '\'']).next())
    } else {
        None
    };
    let channels = channels.and_then(|number| number.trim().parse().ok()).unwrap_or(1);
    if channels > 1_u32 && page.small(tag::SAMPLES_PER_PIXEL, 1)? == 1 {
        return Err(PixelsError::Unsupported(
            "TIFF",
            format!("its {channels} channels are stored as pages, each in grey; export it as RGB"),
        ));
    }
    Ok(())
}

fn is_full(page: &Directory<'_>) -> bool {
    const REDUCED_OR_MASK: u64 = 1 | 4;
    const OLD_REDUCED: u64 = 2;
    let value = |tag| page.unsigned(tag).ok().flatten().unwrap_or(0);
    value(tag::NEW_SUBFILE_TYPE) & REDUCED_OR_MASK == 0 && value(tag::SUBFILE_TYPE) != OLD_REDUCED
}
