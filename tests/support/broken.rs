//! Entries of a folder that have the name of an image and are none, each broken in a way of its own: a row each.

use std::fs;
use std::os::unix::fs::symlink;
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::process::Command;

use image::ImageFormat::{Bmp, Jpeg, Png, Tiff, WebP};

use super::drawn::{bomb, crc32, grey, jpeg_that_says, noise, tiff_with_offset};

/// A broken entry: the ending of its name, words that its sentence must hold, and how it is made.
pub(crate) struct Broken(pub(crate) &'static str, pub(crate) &'static str, pub(crate) Entry);

/// What stands under a broken entry's name.
pub(crate) enum Entry {
    /// A file of these bytes.
    File(fn() -> Vec<u8>),
    /// A link to this place, seen from the folder.
    Link(&'static str),
    /// Anything else, made by a function of its path.
    Made(fn(&Path)),
}

use Entry::{File, Link, Made};

/// What a format that is not read is answered.
const UNKNOWN: &str = "the formats that are read are";
/// What an image of a format that is read and cannot be decoded is answered.
const UNDECODABLE: &str = "cannot be decoded";

pub(crate) const BROKEN: &[Broken] = &[
    Broken("empty.png", "the file is empty", File(Vec::new)),
    Broken("letter.jpg", UNKNOWN, File(|| b"To whom it may concern".to_vec())),
    Broken("error-page.jpg", UNKNOWN, File(|| b"<!DOCTYPE html><title>404</title>".to_vec())),
    Broken("zeros.tif", UNKNOWN, File(|| vec![0; 4096])),
    Broken("late.png", UNKNOWN, File(|| [b"\n", &grey(9, Png)[..]].concat())),
    Broken("gif.png", "GIF images are not read", File(|| b"GIF89a\x01\0\x01\0\0\0\0;".to_vec())),
    Broken("heic.jpg", UNKNOWN, File(|| b"\0\0\0\x18ftypheic\0\0\0\0mif1heic".to_vec())),
    Broken("jpeg-2000.jpg", UNKNOWN, File(|| b"\0\0\0\x0cjP  \r\n\x87\n\0\0\0\x14ftypjp2 ".to_vec())),
    Broken("jpeg-xl.jpg", UNKNOWN, File(|| b"\xff\x0a\xfa\x1f\x01\x90\x08\0".to_vec())),
    Broken("pdf.tif", UNKNOWN, File(|| b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n".to_vec())),
    Broken("dicom.tif", UNKNOWN, File(|| [&[0; 128][..], b"DICM\x02\0\0\0UL\x04\0"].concat())),
    Broken("zip.png", UNKNOWN, File(|| b"PK\x03\x04\x14\0\0\0\x08\0".to_vec())),
    Broken("cut.png", UNDECODABLE, File(|| half(noise(32)))),
    Broken("cut.jpg", UNDECODABLE, File(|| half(grey(100, Jpeg)))),
    Broken("cut.webp", UNDECODABLE, File(|| half(grey(100, WebP)))),
    Broken("cut.bmp", UNDECODABLE, File(|| half(grey(100, Bmp)))),
    Broken("cut.tiff", UNDECODABLE, File(|| half(grey(100, Tiff)))),
    Broken("signature.png", UNDECODABLE, File(|| grey(100, Png)[..8].to_vec())),
    Broken("marks.jpg", UNDECODABLE, File(|| b"\xff\xd8\xff\xd9".to_vec())),
    Broken("header.bmp", UNDECODABLE, File(|| grey(100, Bmp)[..20].to_vec())),
    Broken("wrong-sum.png", UNDECODABLE, File(|| changed(grey(100, Png), 29, 0x55))),
    Broken("no-data.png", UNDECODABLE, File(|| with_chunk_named(grey(100, Png), b"IDAT", b"idAT"))),
    Broken("flat.png", UNDECODABLE, File(|| png_of(0, 0))),
    Broken("no-width.jpg", UNDECODABLE, File(|| jpeg_that_says(0, 16))),
    Broken("nowhere.tif", UNDECODABLE, File(|| tiff_with_offset(0x7fff_fff0))),
    Broken("huge.png", "60000x60000 pixels", File(bomb)),
    Broken("dangling.png", "it is a link to nothing", Link("nowhere")),
    Broken("circle.png", "it is a link back to", Link(".")),
    Broken("itself.png", "it is a link that cannot be followed", Link("itself.png")),
    Broken("null.png", "it is a device, and not a file", Link("/dev/null")),
    Broken("folder.png", "it is a folder", Made(|path| fs::create_dir(path).unwrap())),
    Broken("pipe.png", "it is a named pipe, and not a file", Made(pipe)),
    // The socket's file stays when its listener goes.
    Broken("socket.png", "it is a socket, and not a file", Made(|path| drop(UnixListener::bind(path).unwrap()))),
];

impl Broken {
    /// Makes the entry under this path.
    pub(crate) fn make(&self, path: &Path) {
        match self.2 {
            File(bytes) => fs::write(path, bytes()).unwrap(),
            Link(to) => symlink(to, path).unwrap(),
            Made(make) => make(path),
        }
    }
}

fn half(mut bytes: Vec<u8>) -> Vec<u8> {
    bytes.truncate(bytes.len() / 2);
    bytes
}

fn changed(mut bytes: Vec<u8>, at: usize, by: u8) -> Vec<u8> {
    bytes[at] ^= by;
    bytes
}

fn with_chunk_named(mut png: Vec<u8>, old: &[u8; 4], new: &[u8; 4]) -> Vec<u8> {
    let at = png.windows(4).position(|name| name == old).unwrap();
    let length = u32::from_be_bytes(png[at - 4..at].try_into().unwrap()) as usize;
    png[at..at + 4].copy_from_slice(new);
    let sum = crc32(&png[at..at + 4 + length]);
    png[at + 4 + length..at + 8 + length].copy_from_slice(&sum.to_be_bytes());
    png
}

fn png_of(width: u32, height: u32) -> Vec<u8> {
    let mut png = grey(100, Png);
    png[16..20].copy_from_slice(&width.to_be_bytes());
    png[20..24].copy_from_slice(&height.to_be_bytes());
    let sum = crc32(&png[12..29]);
    png[29..33].copy_from_slice(&sum.to_be_bytes());
    png
}

fn pipe(path: &Path) {
    assert!(Command::new("mkfifo").arg(path).status().unwrap().success());
}
