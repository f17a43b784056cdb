//! The tensors of the Open Inference Protocol that come with a request, as the files of images.

use std::borrow::Cow;

use bytes::Bytes;

use super::{bad_request, check_number_of_images, image};
use crate::serve::error::{Code, HttpError};
use crate::serve::upload::json::Json;
use crate::serve::upload::{File, begin_of_base64};

/// The one tensor of a request.
pub(super) struct Input<'a> {
    datatype: Cow<'a, str>,
    shape: Vec<usize>,
    data: Elements<'a>,
}

enum Elements<'a> {
    Listed(Json<'a>),
    Binary(&'a [u8]),
}

impl<'a> Input<'a> {
    /// Takes it out of a request, with the bytes that follow its JSON.
    ///
    /// # Errors
    /// 400 where there is not one, or no data of it.
    pub(super) fn of(request: &mut Json<'a>, binary: &'a [u8]) -> Result<Self, HttpError> {
        let inputs = match request.take("inputs") {
            Some(Json::List(list)) => list.items,
            _ => return Err(bad_request(&format!("The body has no list of inputs. {HOW}"))),
        };
        let [mut input] = <[Json; 1]>::try_from(inputs)
            .map_err(|inputs| bad_request(&format!("There are {} inputs instead of one. {HOW}", inputs.len())))?;
        let Some(Json::Text(datatype)) = input.take("datatype") else {
            return Err(bad_request(&format!("The input has no datatype. {HOW}")));
        };
        let shape = match input.take("shape") {
            Some(Json::List(list)) if list.items.is_empty() => list.numbers.iter().map(whole).collect(),
            _ => None,
        };
        let shape =
            shape.ok_or_else(|| bad_request(&format!("The input's shape is no list of whole numbers. {HOW}")))?;
        let size = input.take("parameters").and_then(|mut parameters| parameters.take("binary_data_size"));
        let data = match (input.take("data"), size) {
            (Some(data), None) if binary.is_empty() => Elements::Listed(data),
            (None, Some(Json::Number(size))) if whole(size) == Some(binary.len()) => Elements::Binary(binary),
            (None, Some(_)) => {
                let detail = format!(
                    "The input's binary_data_size is not the {} bytes behind the JSON, whose length the header \
                     Inference-Header-Content-Length has.",
                    binary.len()
                );
                return Err(bad_request(&detail));
            }
            (None, None) => return Err(bad_request(&format!("The input has no data. {HOW}"))),
            (Some(_), _) => {
                return Err(bad_request("The input has data in the JSON, and there are bytes behind it too."));
            }
        };
        Ok(Self { datatype, shape, data })
    }

    /// The files of its images, at least one. Bitmaps of narrow images are longer than the samples in them, so there must be
    /// room for these two together.
    ///
    /// # Errors
    /// 400 where its data is not what its shape says, 413 where it has more images than these, 503 where there is no room.
    pub(super) fn files(self, most: usize, has_room_for: impl Fn(usize) -> bool) -> Result<Vec<File>, HttpError> {
        match &*self.datatype {
            "BYTES" => self.encoded(most),
            "UINT8" => self.pixels(most, has_room_for),
            _ => Err(bad_request(&format!("The input's datatype is neither BYTES nor UINT8. {HOW}"))),
        }
    }

    /// The images whose files are the elements.
    fn encoded(self, most: usize) -> Result<Vec<File>, HttpError> {
        let Self { shape, data, .. } = self;
        let images = shape.iter().try_fold(1, |product: usize, &side| product.checked_mul(side)).unwrap_or(usize::MAX);
        check_number_of_images(images, most)?;
        let mut files = Vec::new();
        match data {
            Elements::Listed(data) => add_texts(data, &mut files)?,
            Elements::Binary(mut rest) => {
                while let Some((length, behind)) = rest.split_first_chunk() {
                    let element = behind.split_at_checked(u32::from_le_bytes(*length) as usize);
                    let Some((element, behind)) = element.filter(|_| files.len() < images) else { break };
                    files.push(file(element));
                    rest = behind;
                }
                if !rest.is_empty() {
                    return Err(bad_request("The bytes of the input are not elements with their lengths before them."));
                }
            }
        }
        if files.len() != images {
            return Err(disagrees(files.len(), "elements", images));
        }
        Ok(files)
    }

    /// The images whose pixels follow each other.
    fn pixels(self, most: usize, has_room_for: impl Fn(usize) -> bool) -> Result<Vec<File>, HttpError> {
        let Self { shape, data, .. } = self;
        let [images, height, width, 3] = shape[..] else {
            let detail = "The shape of an input of UINT8 is not [n, height, width, 3]: images of RGB, one pixel after the \
                          other.";
            return Err(bad_request(detail));
        };
        check_number_of_images(images, most)?;
        let sides = [height, width, 3];
        let samples =
            sides.iter().try_fold(images, |product: usize, &side| product.checked_mul(side)).unwrap_or(usize::MAX);
        if samples == 0 {
            return Err(HttpError::new(Code::NoImage, "The images of this request have no pixels."));
        }
        let (bytes, copied) = match &data {
            Elements::Binary(bytes) => (*bytes, 0),
            Elements::Listed(Json::List(list)) if list.items.is_empty() => {
                if let Some((place, _)) = list.numbers.others.first() {
                    let what = format!("Sample {place}, counted from 0, is not a whole number from 0 to 255.");
                    return Err(bad_request(&what));
                }
                (&list.numbers.bytes[..], samples)
            }
            Elements::Listed(_) => return Err(bad_request("The data of an input of UINT8 are not numbers alone.")),
        };
        if bytes.len() != samples {
            return Err(disagrees(bytes.len(), "samples", samples));
        }
        // These are within what has arrived by now, and so are the images and the rows.
        if !has_room_for(copied + images * bitmap_length(width, height)) {
            return Err(HttpError::overloaded());
        }
        let file = |pixels| File { name: None, content: bitmap(pixels, width).into(), damage: None };
        Ok(bytes.chunks_exact(samples / images).map(file).collect())
    }
}

const HOW: &str = "Send one input of the datatype BYTES, whose elements are the files of images in base64, or UINT8, whose \
                   shape is [n, height, width, 3].";

fn disagrees(found: usize, what: &str, expected: usize) -> HttpError {
    bad_request(&format!("The input's data has {found} {what}, where its shape has {expected}."))
}

fn whole(number: f64) -> Option<usize> {
    (number.fract() == 0.0 && (0.0..9e15).contains(&number)).then_some(number as usize)
}

/// Adds the images of a list of texts, which may lie in lists of their own.
fn add_texts(data: Json, files: &mut Vec<File>) -> Result<(), HttpError> {
    match data {
        Json::Text(text) => files.push(image(text.into_owned())),
        Json::List(list) if list.numbers.bytes.is_empty() => {
            list.items.into_iter().try_for_each(|item| add_texts(item, files))?;
        }
        _ => return Err(bad_request("The data of an input of BYTES are not texts alone, each the base64 of a file.")),
    }
    Ok(())
}

/// A file as bytes, which may be its base64.
fn file(element: &[u8]) -> File {
    match (begin_of_base64(element), std::str::from_utf8(element)) {
        (Some(_), Ok(text)) => image(text.to_owned()),
        _ => File { name: None, content: Bytes::copy_from_slice(element), damage: None },
    }
}

const BITMAP_HEADER: usize = 54;

/// Bytes of a row, which are a multiple of four, beyond the samples in it.
fn padding(width: usize) -> usize {
    (width * 3).wrapping_neg() % 4
}

fn bitmap_length(width: usize, height: usize) -> usize {
    BITMAP_HEADER + (width * 3 + padding(width)) * height
}

/// Pixels of so wide an image as a bitmap, which is the plainest file that is read: so they go the way of all files.
fn bitmap(pixels: &[u8], width: usize) -> Vec<u8> {
    let row = width * 3;
    let (padding, height) = (padding(width), pixels.len() / row);
    let size = bitmap_length(width, height);
    let mut file = Vec::with_capacity(size);
    file.extend(b"BM");
    // The size of the file, where the pixels begin, and the header's own size; rows come from the top down.
    for number in [size, 0, BITMAP_HEADER, 40, width, height.wrapping_neg()] {
        file.extend((number as u32).to_le_bytes());
    }
    file.extend([1, 0, 24, 0]);
    file.extend([0; 24]);
    for row in pixels.chunks_exact(row) {
        file.extend(row.chunks_exact(3).flat_map(|pixel| [pixel[2], pixel[1], pixel[0]]));
        file.extend(std::iter::repeat_n(0, padding));
    }
    file
}
