//! TensorBoard's event files, as the callback of Keras lays them out: `train/` and `validation/` with the same tags
//! (`epoch_loss`, `epoch_accuracy`, ...), so that both curves of a figure lie in one chart.
//!
//! In: the epochs of a run. Out: a file in each of the two folders, which holds all epochs so far. Its format is
//! TFRecord (length, its checksum, an event, its checksum) around protobuf messages of three kinds and six fields,
//! which are written here by hand. Values are `simple_value`s, which TensorBoard and scripts that read event files all
//! know.
//!
//! Steps count the epochs of a run from 0, as Keras does, so that a run of Lobule lies over one of Keras.

use std::fs::{self, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::Path;

use crate::train::{Epoch, TrainError};

/// The file's name in either folder. TensorBoard takes every file with `tfevents` in its name; a name that never
/// changes leaves a resumed run with one file.
const FILE_NAME: &str = "events.out.tfevents.lobule";

/// The scalars of one epoch in one of the two folders.
#[derive(Clone, Debug)]
struct Scalars {
    /// When the epoch was over, in seconds since 1970.
    ended_at: f64,
    /// Its number in the run, from 0.
    step: u64,
    /// Tags and values; what is not defined is left out.
    values: Vec<(&'static str, f64)>,
}

/// Brings the event files in the folder of a run up to date with all epochs so far. Without any there is no time that
/// the files could begin at, and none are made.
pub(crate) fn write(run: &Path, epochs: &[Epoch]) -> Result<(), TrainError> {
    if epochs.is_empty() {
        return Ok(());
    }
    for (part, tags) in [("train", train_tags as fn(&Epoch) -> Vec<_>), ("validation", validation_tags)] {
        let scalars = |(step, epoch): (u64, &Epoch)| Scalars { ended_at: epoch.ended_at, step, values: tags(epoch) };
        let scalars: Vec<Scalars> = (0..).zip(epochs).map(scalars).collect();
        let dir = run.join(part);
        update(&dir, &scalars).map_err(TrainError::write(dir.join(FILE_NAME)))?;
    }
    Ok(())
}

fn train_tags(epoch: &Epoch) -> Vec<(&'static str, f64)> {
    let figures = &epoch.figures;
    vec![
        ("epoch_loss", figures.train_loss),
        ("epoch_accuracy", figures.train_accuracy),
        ("epoch_learning_rate", figures.learning_rate),
        ("epoch_images_per_second", epoch.images_per_second),
    ]
}

fn validation_tags(epoch: &Epoch) -> Vec<(&'static str, f64)> {
    let figures = &epoch.figures;
    let tags = [
        ("epoch_loss", figures.validation_loss),
        ("epoch_accuracy", figures.validation_accuracy),
        ("epoch_precision", figures.validation_precision),
        ("epoch_recall", figures.validation_recall),
        ("epoch_f1", figures.validation_f1),
        ("epoch_roc_auc", figures.validation_roc_auc),
    ];
    tags.into_iter().filter_map(|(tag, value)| Some((tag, value?))).collect()
}

fn update(dir: &Path, epochs: &[Scalars]) -> io::Result<()> {
    fs::create_dir_all(dir)?;
    let bytes = event_file(epochs);
    // A TensorBoard that is running keeps the file open and reads on from where it was: it sees what is added to the
    // file, and would never see a new file in its place. So only what differs is written: mostly one epoch at the end,
    // and after a training that was resumed from further back all epochs from there on.
    let mut file = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(dir.join(FILE_NAME))?;
    let mut there = Vec::new();
    file.read_to_end(&mut there)?;
    let same = there.iter().zip(&bytes).take_while(|(old, new)| old == new).count();
    file.set_len(same as u64)?;
    file.seek(SeekFrom::End(0))?;
    file.write_all(&bytes[same..])
}

/// A whole event file: its version, then an event for each epoch.
fn event_file(epochs: &[Scalars]) -> Vec<u8> {
    // The version bears the first epoch's time and not the present one, or no file would be the beginning of the next.
    let begun = epochs.first().map_or(0.0, |first| first.ended_at);
    let mut file = record(&[double(1, begun), bytes(3, b"brain.Event:2")].concat());
    for Scalars { ended_at, step, values } in epochs {
        let value = |(tag, value): &(&str, f64)| {
            bytes(1, &[bytes(1, tag.as_bytes()), float(2, *value as f32)].concat()) // Summary.value: tag, simple_value
        };
        let summary: Vec<u8> = values.iter().flat_map(value).collect();
        // Event: wall_time, step, summary.
        file.extend(record(&[double(1, *ended_at), unsigned(2, *step), bytes(5, &summary)].concat()));
    }
    file
}

/// A record of a TFRecord file.
fn record(data: &[u8]) -> Vec<u8> {
    let length = (data.len() as u64).to_le_bytes();
    [&length[..], &masked_checksum(&length), data, &masked_checksum(data)].concat()
}

/// CRC-32C, rotated and shifted as TFRecord has it, because checksums of data that holds checksums are weak.
fn masked_checksum(data: &[u8]) -> [u8; 4] {
    crc32c::crc32c(data).rotate_right(15).wrapping_add(0xa282_ead8).to_le_bytes()
}

/// A protobuf field of eight bytes.
fn double(field: u64, number: f64) -> Vec<u8> {
    [varint(field << 3 | 1), number.to_le_bytes().to_vec()].concat()
}

/// A protobuf field of four bytes.
fn float(field: u64, number: f32) -> Vec<u8> {
    [varint(field << 3 | 5), number.to_le_bytes().to_vec()].concat()
}

/// A protobuf field of a whole number, which is left out when it is 0.
fn unsigned(field: u64, number: u64) -> Vec<u8> {
    if number == 0 { Vec::new() } else { [varint(field << 3), varint(number)].concat() }
}

/// A protobuf field of text, bytes or another message.
fn bytes(field: u64, content: &[u8]) -> Vec<u8> {
    [varint(field << 3 | 2), varint(content.len() as u64), content.to_vec()].concat()
}

/// Seven bits a byte, the lowest first; the eighth bit says that more follow.
fn varint(mut number: u64) -> Vec<u8> {
    let mut encoded = Vec::new();
    while number >= 0x80 {
        encoded.push(number as u8 | 0x80);
        number >>= 7;
    }
    encoded.push(number as u8);
    encoded
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::train::EpochFigures;

    fn two_epochs() -> Vec<Scalars> {
        vec![
            Scalars { ended_at: 1.5, step: 0, values: vec![("epoch_loss", 0.75), ("epoch_accuracy", 0.0)] },
            Scalars { ended_at: 1_700_000_000.25, step: 300, values: vec![("epoch_loss", 0.1)] },
        ]
    }

    // import tensorflow as tf
    // from tensorflow.core.framework.summary_pb2 import Summary
    // from tensorflow.core.util.event_pb2 import Event
    // V = Summary.Value
    // with tf.io.TFRecordWriter("golden") as writer:
    //     for event in [
    //         Event(wall_time=1.5, file_version="brain.Event:2"),
    //         Event(wall_time=1.5, step=0, summary=Summary(value=[
    //             V(tag="epoch_loss", simple_value=0.75), V(tag="epoch_accuracy", simple_value=0.0)])),
    //         Event(wall_time=1700000000.25, step=300, summary=Summary(value=[
    //             V(tag="epoch_loss", simple_value=0.1)])),
    //     ]:
    //         writer.write(event.SerializeToString())
    // print(open("golden", "rb").read().hex())
    const GOLDEN: &str = "1800000000000000a37f4b2209000000000000f83f1a0d627261696e2e4576656e743a322a28646c350000000000\
                          0000d6c55de609000000000000f83f2a2a0a110a0a65706f63685f6c6f7373150000403f0a150a0e65706f63685f\
                          61636375726163791500000000176212fa2100000000000000017becf60900001040fc54d94110ac022a130a110a\
                          0a65706f63685f6c6f737315cdcccc3dc8ccdf88";

    #[test]
    fn files_are_those_of_tensorflow_to_the_last_bit() {
        let hexadecimal: String = event_file(&two_epochs()).iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(hexadecimal, GOLDEN);
    }

    #[test]
    fn a_file_is_brought_up_to_date_in_its_place() -> io::Result<()> {
        let dir = tempfile::tempdir()?;
        let dir = dir.path().join("deep/train");
        let path = dir.join(FILE_NAME);
        let epochs = two_epochs();
        update(&dir, &epochs[..1])?;
        let mut opened = fs::File::open(&path)?;
        opened.seek(SeekFrom::End(0))?;
        update(&dir, &epochs)?;
        let mut added = Vec::new();
        opened.read_to_end(&mut added)?;
        assert_eq!([event_file(&epochs[..1]), added].concat(), event_file(&epochs), "who had it open reads on");

        let other_past = [Scalars { ended_at: 9.0, ..epochs[0].clone() }];
        for epochs in [&epochs[..], &epochs[..1], &other_past, &epochs] {
            update(&dir, epochs)?;
            assert_eq!(fs::read(&path)?, event_file(epochs));
        }
        // As an interruption in the middle of writing leaves it.
        fs::write(&path, &event_file(&epochs)[..100])?;
        update(&dir, &epochs)?;
        assert_eq!(fs::read(&path)?, event_file(&epochs));
        assert_eq!(fs::read_dir(&dir)?.count(), 1);
        Ok(())
    }

    #[test]
    fn both_folders_have_the_tags_of_keras_and_undefined_figures_are_left_out() -> Result<(), TrainError> {
        let run = tempfile::tempdir().unwrap();
        let figures = EpochFigures {
            train_loss: 0.5,
            validation_loss: Some(0.25),
            validation_accuracy: Some(1.0),
            validation_precision: Some(1.0),
            validation_recall: Some(1.0),
            validation_f1: Some(1.0),
            ..EpochFigures::default()
        };
        write(run.path(), &[Epoch { figures, images_per_second: 9.0, ended_at: 1.5 }])?;
        for (part, losses, others) in [
            ("train", 0.5_f32, &["epoch_accuracy", "epoch_learning_rate", "epoch_images_per_second"][..]),
            ("validation", 0.25, &["epoch_accuracy", "epoch_precision", "epoch_recall", "epoch_f1"]),
        ] {
            let file = fs::read(run.path().join(part).join(FILE_NAME)).unwrap();
            let holds = |bytes: &[u8]| file.windows(bytes.len()).any(|window| window == bytes);
            assert!(holds(&[b"epoch_loss\x15", &losses.to_le_bytes()[..]].concat()), "{part}");
            assert!(others.iter().all(|tag| holds(tag.as_bytes())), "{part}");
            assert!(!holds(b"roc_auc"), "{part}");
        }
        Ok(())
    }
}
