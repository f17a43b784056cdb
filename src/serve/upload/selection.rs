//! Which of the things that came with a request are the images to classify.
//!
//! Where one is expected, it is the one file that is an image by its bytes; what a program sends beside it, such as JSON
//! with a file name, is passed over. Several images are refused, and so are several files without an image among them. In
//! a batch every file gets an answer, except text and JSON beside others.

use super::base64::begins_as_image;
use super::{Expected, Fields, File, no_image};
use crate::serve::error::{Code, HttpError};

/// Things of a form besides its images; what a page or a program sends beside them is few.
const OTHER_FIELDS: usize = 32;

/// Bytes that the fields which are no files may have together.
const TEXT_BYTES: usize = 64 << 10;

/// What has been read of a request so far.
#[derive(Debug)]
pub(super) struct Selection {
    expected: Expected,
    files: Vec<Candidate>,
    fields: Fields,
    chose_nothing: bool,
    text_bytes: usize,
    others: usize,
}

#[derive(Debug)]
struct Candidate {
    file: File,
    is_image: bool,
    /// Whether it is said to be text or JSON, and is not an image all the same.
    is_document: bool,
}

impl Selection {
    pub(super) fn new(expected: Expected) -> Self {
        Self { expected, files: Vec::new(), fields: Vec::new(), chose_nothing: false, text_bytes: 0, others: 0 }
    }

    pub(super) fn has_files(&self) -> bool {
        !self.files.is_empty()
    }

    /// Adds a file; `is_document` is whether its type says that it is text or JSON.
    ///
    /// # Errors
    /// 400 and 413 when there are too many.
    pub(super) fn add_file(&mut self, file: File, is_document: bool) -> Result<(), HttpError> {
        let is_image = begins_as_image(&file.content);
        let is_document = is_document && !is_image;
        self.files.push(Candidate { file, is_image, is_document });
        let count = |is: fn(&Candidate) -> bool| self.files.iter().filter(|candidate| is(candidate)).count();
        match self.expected {
            Expected::One if count(|file| file.is_image) > 1 => {
                let detail =
                    "There is more than one image in this form. Send one a request, or all of them to /predict/batch.";
                Err(HttpError::new(Code::SeveralImages, detail))
            }
            Expected::AtMost(most) if count(|file| !file.is_document) > most => {
                let detail = format!("There are more than {most} files in this form. Send them in several requests.");
                Err(HttpError::new(Code::TooLarge, detail))
            }
            Expected::One if !is_image => self.add_other(),
            Expected::AtMost(_) if is_document => self.add_other(),
            _ => Ok(()),
        }
    }

    /// Adds a file input in which nothing was chosen, as a browser sends it.
    ///
    /// # Errors
    /// 413 when there are too many.
    pub(super) fn add_nothing(&mut self) -> Result<(), HttpError> {
        self.chose_nothing = true;
        self.add_other()
    }

    /// Adds a field that is no file.
    ///
    /// # Errors
    /// 413 when there are too many.
    pub(super) fn add_field(&mut self, name: Option<&str>, value: &[u8]) -> Result<(), HttpError> {
        self.check_text(value.len())?;
        self.text_bytes += value.len();
        self.fields.push((name.unwrap_or_default().to_owned(), String::from_utf8_lossy(value).into_owned()));
        self.add_other()
    }

    /// Checks that there may be so many bytes of one more field that is no file, before they are all there.
    ///
    /// # Errors
    /// 413 when there are too many.
    pub(super) fn check_text(&self, bytes: usize) -> Result<(), HttpError> {
        if self.text_bytes.saturating_add(bytes) <= TEXT_BYTES {
            return Ok(());
        }
        let detail = format!(
            "The fields of this form that are no images have more than {TEXT_BYTES} bytes. Leave them out; an image \
             needs a file name, or a type such as image/png."
        );
        Err(HttpError::new(Code::TooLarge, detail))
    }

    fn add_other(&mut self) -> Result<(), HttpError> {
        self.others += 1;
        if self.others <= OTHER_FIELDS {
            return Ok(());
        }
        let detail = format!("The form has more than {OTHER_FIELDS} fields besides its images. Send fewer.");
        Err(HttpError::new(Code::TooLarge, detail))
    }

    /// The images, at least one, and the fields beside them.
    ///
    /// # Errors
    /// 400 when there is none, 415 when none of several files is one.
    pub(super) fn finish(mut self) -> Result<(Vec<File>, Fields), HttpError> {
        let is_one = self.expected == Expected::One;
        if self.files.is_empty() {
            let what = if self.chose_nothing { "No image was chosen." } else { "There is no file in this form." };
            return Err(no_image(what));
        }
        if is_one && self.files.iter().all(|candidate| candidate.file.content.is_empty()) {
            return Err(no_image("The file is empty."));
        }
        let counts = |candidate: &Candidate| if is_one { candidate.is_image } else { !candidate.is_document };
        if self.files.iter().any(counts) {
            self.files.retain(counts);
        }
        if is_one && self.files.len() > 1 {
            let detail =
                "None of the files in this form is an image. Send one; PNG, JPEG, TIFF, WebP and BMP are read.";
            return Err(HttpError::new(Code::NotAnImage, detail));
        }
        Ok((self.files.into_iter().map(|candidate| candidate.file).collect(), self.fields))
    }
}
