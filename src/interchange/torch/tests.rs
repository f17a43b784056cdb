//! `.pth` files of our own making, and one of torch's.

use std::io::{Cursor, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipWriter};

use super::*;

/// A pickle of a dictionary that opens with `PROTO`, a dictionary and a mark; what is added to it comes in pairs.
struct Pickle(Vec<u8>);

impl Pickle {
    fn new() -> Self {
        Self(b"\x80\x02}(".to_vec())
    }

    fn text(mut self, text: &str) -> Self {
        self.0.push(b'X');
        self.0.extend((text.len() as u32).to_le_bytes());
        self.0.extend(text.bytes());
        self
    }

    fn bytes(mut self, bytes: &[u8]) -> Self {
        self.0.extend(bytes);
        self
    }

    fn sizes(mut self, sizes: &[u64]) -> Self {
        self.0.push(b'(');
        for size in sizes {
            self.0.extend(b"\x8a\x08");
            self.0.extend(size.to_le_bytes());
        }
        self.0.push(b't');
        self
    }

    /// A name and a tensor as torch writes one.
    fn tensor(self, name: &str, kind: &str, storage: &str, shape: &[u64], strides: &[u64]) -> Self {
        let kind = format!("ctorch\n{kind}\n");
        let begun =
            self.text(name).bytes(b"ctorch._utils\n_rebuild_tensor_v2\n((").text("storage").bytes(kind.as_bytes());
        let stored = begun.text(storage).text("cpu").bytes(b"K\x09tQK\x01").sizes(shape).sizes(strides);
        stored.bytes(b"\x89ccollections\nOrderedDict\n)RtR")
    }

    fn end(self) -> Vec<u8> {
        self.bytes(b"u.").0
    }
}

/// A zip of `data.pkl` and of storages.
fn zip_of(entries: &[(&str, &[u8])], method: CompressionMethod) -> Vec<u8> {
    let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
    for (name, bytes) in entries {
        zip.start_file(*name, SimpleFileOptions::default().compression_method(method)).unwrap();
        zip.write_all(bytes).unwrap();
    }
    zip.finish().unwrap().into_inner()
}

fn file_of(pickle: &[u8], storages: &[(&str, &[u8])]) -> Vec<u8> {
    let names: Vec<String> = storages.iter().map(|(name, _)| format!("x/data/{name}")).collect();
    let storages = names.iter().zip(storages).map(|(name, (_, bytes))| (name.as_str(), *bytes));
    let entries: Vec<(&str, &[u8])> = std::iter::once(("x/data.pkl", pickle)).chain(storages).collect();
    zip_of(&entries, CompressionMethod::Stored)
}

fn read_bytes(bytes: &[u8]) -> Result<StoredTensors, String> {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), bytes).unwrap();
    read_file(file.path())
}

fn read_file(path: &Path) -> Result<StoredTensors, String> {
    Archive::open(path).and_then(read).map_err(|error| error.to_string())
}

fn read_legacy_file(path: &Path) -> Result<StoredTensors, String> {
    read_legacy(path).map_err(|error| error.to_string())
}

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures").join(name)
}

fn floats(values: &[f32]) -> Vec<u8> {
    values.iter().flat_map(|value| value.to_le_bytes()).collect()
}

/// The files are made by
///
/// ```python
/// import torch
/// shared = torch.arange(12.0).reshape(3, 4)
/// state = {"module.t": shared[1:].t(), "module.half": torch.tensor([0.5, -2.0]).half(),
///          "module.brain": torch.tensor([1.5]).bfloat16(), "module.double": torch.tensor([[0.25]]).double(),
///          "module.parameter": torch.nn.Parameter(torch.tensor([3.0, 4.0])),
///          "module.num_batches_tracked": torch.tensor(7), "module.shared": shared}
/// checkpoint = {"epoch": 3, "lr": 0.1, "state_dict": state, "best": None}
/// torch.save(checkpoint, "tests/fixtures/torch_state.pth")
/// torch.save(checkpoint, "tests/fixtures/torch_legacy.pth", _use_new_zipfile_serialization=False)
/// ```
#[test]
fn checkpoints_of_torch_are_read_with_views_halves_doubles_and_parameters() {
    for tensors in [read_file(&fixture("torch_state.pth")), read_legacy_file(&fixture("torch_legacy.pth"))] {
        let tensors = tensors.unwrap();
        let is = |name: &str, shape: &[usize], data: &[f32]| {
            let StoredTensor { shape: found, data: numbers } = &tensors[&format!("module.{name}")];
            assert_eq!((&found[..], &numbers[..]), (shape, data), "{name}");
        };
        is("t", &[4, 2], &[4.0, 8.0, 5.0, 9.0, 6.0, 10.0, 7.0, 11.0]);
        is("half", &[2], &[0.5, -2.0]);
        is("brain", &[1], &[1.5]);
        is("double", &[1, 1], &[0.25]);
        is("parameter", &[2], &[3.0, 4.0]);
        is("shared", &[3, 4], &[0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0, 9.0, 10.0, 11.0]);
        assert_eq!(tensors.len(), 6, "whole numbers are left out");
    }
}

#[test]
fn offsets_and_strides_are_those_of_the_pickle() {
    let pickle = Pickle::new().tensor("a", "FloatStorage", "0", &[2, 2], &[1, 2]).end();
    let tensors = read_bytes(&file_of(&pickle, &[("0", &floats(&[9.0, 1.0, 2.0, 3.0, 4.0]))])).unwrap();
    assert_eq!(tensors["a"], StoredTensor { shape: vec![2, 2], data: vec![1.0, 3.0, 2.0, 4.0] });
}

#[test]
fn what_a_pickle_must_not_name_is_refused_by_that_name() {
    for (module, name) in
        [("os", "system"), ("builtins", "eval"), ("torch._utils", "_rebuild_xla_tensor"), ("argparse", "Namespace")]
    {
        let call = format!("c{module}\n{name}\n(");
        let attack = Pickle::new().text("a").bytes(call.as_bytes()).text("touch /tmp/x").bytes(b"tR").end();
        let error = read_bytes(&file_of(&attack, &[])).unwrap_err();
        assert!(error.contains(&format!("names {module}.{name}")) && error.contains("state_dict()"), "{error}");
    }
    // The same by the operation of protocol 4, and by a tensor's own function on other things.
    let attack = Pickle::new().text("a").text("os").text("system").bytes(b"\x93)R").end();
    assert!(read_bytes(&file_of(&attack, &[])).unwrap_err().contains("names os.system"));
    let attack = Pickle::new().text("a").bytes(b"ctorch._utils\n_rebuild_tensor_v2\n)R").end();
    assert!(read_bytes(&file_of(&attack, &[])).unwrap_err().contains("is not described as torch describes"));
}

#[test]
fn tensors_beyond_their_storage_and_sizes_beyond_the_file_are_refused_in_a_sentence() {
    let numbers = floats(&[0.0; 8]);
    let refused = |shape: &[u64], strides: &[u64]| {
        let pickle = Pickle::new().tensor("a", "FloatStorage", "0", shape, strides).end();
        read_bytes(&file_of(&pickle, &[("0", &numbers)])).unwrap_err()
    };
    for (shape, strides) in [
        (vec![8], vec![1]), // the offset is one
        (vec![1 << 40], vec![0]),
        (vec![1 << 32, 1 << 32, 1 << 32], vec![0, 0, 0]),
        (vec![2], vec![u64::MAX >> 1]),
        (vec![2, 2], vec![1]),
    ] {
        let error = refused(&shape, &strides);
        assert!(error.contains("its tensor a is larger than what holds its numbers"), "{shape:?}: {error}");
    }
    assert!(refused(&[u64::MAX], &[1]).contains("sizes are no whole numbers"));
    // A thousand tensors of one storage.
    let mut many = Pickle::new();
    for index in 0..1000 {
        many = many.tensor(&format!("t{index}"), "FloatStorage", "0", &[4096], &[1]);
    }
    let error = read_bytes(&file_of(&many.end(), &[("0", &floats(&[0.0; 4097]))])).unwrap_err();
    assert!(error.contains("is one of many that share their numbers"), "{error}");
    let error =
        read_bytes(&file_of(&Pickle::new().tensor("a", "FloatStorage", "0", &[1], &[1]).end(), &[])).unwrap_err();
    assert!(error.contains("x/data/0") && error.contains("is missing"), "{error}");
}

#[test]
fn bombs_are_refused_before_memory_is_taken() {
    // A dictionary that holds itself, twice at each of forty levels; tuples within tuples; more of nothing than allowed.
    let doubled = [b"}q\x00".to_vec(), b"h\x00h\x00\x86q\x00".repeat(40), b"0}.".to_vec()].concat();
    assert_eq!(read_bytes(&file_of(&doubled, &[])).unwrap(), StoredTensors::new());
    let deep = [b")".to_vec(), b"\x85".repeat(400_000), b"0}.".to_vec()].concat();
    assert_eq!(read_bytes(&file_of(&deep, &[])).unwrap(), StoredTensors::new());
    let error = read_bytes(&file_of(&b"N".repeat(1_000_000), &[])).unwrap_err();
    assert!(error.contains("more operations than"), "{error}");
    // A text of four gigabytes of which there are three bytes.
    assert!(read_bytes(&file_of(b"\x80\x02X\xff\xff\xff\xffabc", &[])).unwrap_err().contains("it is cut off"));
    // What is recalled from the memo to be copied: sizes, a storage's name, a list, a tensor's name.
    let refused = |begin: Pickle, again: &[u8], end: &[u8]| {
        read_bytes(&file_of(&begin.bytes(&again.repeat(90_000)).bytes(end).0, &[])).unwrap_err()
    };
    let rebuild = || Pickle(b"\x80\x02".to_vec()).bytes(b"ctorch._utils\n_rebuild_tensor_v2\nq\x000");
    let stored = |pickle: Pickle, name: &str| {
        let begun = pickle.bytes(b"((").text("storage").bytes(b"ctorch\nFloatStorage\n").text(name);
        begun.bytes(b"NNtQ")
    };
    let long = stored(rebuild(), "0").bytes(b"K\x00(").bytes(&b"K\x01".repeat(200_000)).bytes(b"tq\x02h\x02tq\x010");
    assert!(refused(long, b"h\x00h\x01R0", b"}.").contains("more than eight axes"));
    let named = stored(rebuild(), &"0".repeat(1 << 20)).bytes(b"K\x00))tq\x010");
    assert!(refused(named, b"h\x00h\x01R0", b"}.").contains("refers to what is no storage"));
    let list = Pickle(b"\x80\x02ccollections\nOrderedDict\nq\x000](".to_vec()).bytes(&b"NN\x86".repeat(60_000));
    assert!(refused(list.bytes(b"e\x85q\x010"), b"h\x00h\x01R0", b"}.").contains("copies one list again"));
    let tensor = stored(rebuild().bytes(b"h\x00"), "0").bytes(b"K\x00))tRq\x010").text(&"n".repeat(1 << 20));
    assert!(refused(tensor.bytes(b"q\x020}("), b"h\x02h\x01", b"u.").contains("gives one name to many tensors"));
    // Zeros that shrink a thousand times.
    let zeros = vec![0; 8 << 20];
    let bomb = zip_of(&[("x/data.pkl", b"}."), ("x/data/0", &zeros)], CompressionMethod::Deflated);
    let error = read_bytes(&bomb).unwrap_err();
    assert!(error.contains("as in a zip bomb"), "{error}");
}

#[test]
fn views_of_a_long_storage_cost_no_more_than_their_own_numbers() {
    const VIEWS: usize = 4000;
    let mut pickle = Pickle::new();
    for index in 0..VIEWS {
        pickle = pickle.tensor(&format!("t{index}"), "FloatStorage", "0", &[2], &[3]);
    }
    let mut storage = floats(&[0.0, 1.0, 2.0, 3.0, 4.0]);
    storage.resize(32 << 20, 0);
    let begin = Instant::now();
    let tensors = read_bytes(&file_of(&pickle.end(), &[("0", &storage)])).unwrap();
    assert_eq!((tensors.len(), &tensors["t7"].data[..]), (VIEWS, &[1.0, 4.0][..]));
    // To convert the storage for each of them is to read 128 GB.
    assert!(begin.elapsed() < Duration::from_secs(15), "{:?}", begin.elapsed());
}

#[test]
fn names_that_lead_out_of_the_archive_are_refused() {
    for name in ["x/../../data/0", "../x", "/etc/passwd", "..\\x"] {
        let error = read_bytes(&zip_of(&[("x/data.pkl", b"}."), (name, b"")], CompressionMethod::Stored)).unwrap_err();
        assert!(error.contains("leads out of the archive"), "{name}: {error}");
    }
}

#[test]
fn a_damaged_file_is_refused_or_read_and_nothing_panics() {
    let pickle = Pickle::new().tensor("a", "HalfStorage", "0", &[3, 2], &[2, 1]).end();
    let whole = file_of(&pickle, &[("0", &[7; 14])]);
    assert_eq!(read_bytes(&whole).unwrap()["a"].shape, [3, 2]);
    let legacy = std::fs::read(fixture("torch_legacy.pth")).unwrap();
    let path = tempfile::NamedTempFile::new().unwrap();
    for (whole, read) in [(whole, read_file as fn(&Path) -> _), (legacy, read_legacy_file)] {
        let try_one = |bytes: &[u8]| {
            std::fs::write(path.path(), bytes).unwrap();
            read(path.path())
        };
        for end in 0..whole.len() {
            assert!(try_one(&whole[..end]).is_err(), "cut off behind {end} bytes");
        }
        for at in 0..whole.len() {
            for change in [1, 0xff] {
                let mut bytes = whole.clone();
                bytes[at] ^= change;
                let _ = try_one(&bytes);
            }
        }
    }
}
