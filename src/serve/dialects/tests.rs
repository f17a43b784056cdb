use proptest::prelude::*;

use super::*;
use crate::serve::upload::MemoryLimit;

/// Requests that are well-formed, for each dialect in turn.
const REQUESTS: [&str; 5] = [
    r#"{"instances": [{"b64": "iVBORw0K"}, "AAAA", {"image": {"b64": "A\/8="}, "k": 1}], "parameters": {"threshold": 0.5}}"#,
    r#"{"inputs": "iVBORw0K", "parameters": {"top_k": 1, "function_to_apply": "softmax", "threshold": "balanced"}}"#,
    r#"{"id": "a", "inputs": [{"name": "x", "datatype": "BYTES", "shape": [2, 1], "data": [["iVBORw0K"], ["AAAA"]]}]}"#,
    r#"{"inputs": [{"name": "x", "datatype": "UINT8", "shape": [2, 1, 2, 3], "data": [[[[0, 1, 2], [3, 4, 255]]], [[[6, 7, 8], [9, 10, 11]]]]}], "outputs": [{"name": "label"}]}"#,
    "{\"inputs\": [{\"datatype\": \"BYTES\", \"shape\": [1], \"parameters\": {\"binary_data_size\": 6}}]}\x02\0\0\0BM",
];

/// Where the JSON of the last of them ends.
const HEADER: usize = REQUESTS[4].len() - 6;

const MOST: usize = 4;

/// The files of a request to each dialect, or the status of its refusal.
fn taken(dialect: usize, body: &[u8], header: Option<usize>) -> Result<Vec<File>, u16> {
    let files = match dialect {
        0 => vertex::take(body, MOST).map(|(files, ..)| files),
        1 => hugging_face::take(body).map(|(files, ..)| files),
        _ => {
            open_inference::take(body, header, MOST, &MemoryLimit::new(1 << 20).reservation()).map(|(files, ..)| files)
        }
    };
    files.map_err(|error| error.code.status().as_u16())
}

#[test]
fn well_formed_requests_have_their_files() {
    for (index, (request, files)) in REQUESTS.iter().zip([3, 1, 2, 2, 1]).enumerate() {
        let header = (index == 4).then_some(HEADER);
        assert_eq!(taken(index, request.as_bytes(), header).unwrap().len(), files, "{request}");
    }
    let bitmap = &taken(3, REQUESTS[3].as_bytes(), None).unwrap()[1].content;
    assert_eq!(::image::load_from_memory(bitmap).unwrap().to_rgb8().into_raw(), [6, 7, 8, 9, 10, 11]);
}

#[test]
fn bitmaps_that_are_longer_than_what_arrived_have_their_part_of_the_memory() {
    let text =
        r#"{"inputs": [{"datatype": "UINT8", "shape": [2, 500, 1, 3], "parameters": {"binary_data_size": 3000}}]}"#;
    let binary = [text.as_bytes(), &[7; 3000]].concat();
    let listed =
        text.replace(r#""parameters": {"binary_data_size": 3000}"#, &format!("\"data\":[{}7]", "7,".repeat(2999)));
    let bitmaps = 2 * (54 + 4 * 500);
    for (body, header, taken) in [(&binary[..], Some(text.len()), bitmaps), (listed.as_bytes(), None, bitmaps + 3000)] {
        let more = taken - body.len();
        for (room, expected) in [(more, None), (more - 1, Some(Code::Overloaded))] {
            let held = MemoryLimit::new(room).reservation();
            let files = open_inference::take(body, header, MOST, &held).map(|(files, ..)| files);
            assert_eq!(files.as_ref().err().map(|error| error.code), expected);
            assert!(files.is_err() || files.unwrap().iter().all(|file| file.content.len() == bitmaps / 2));
        }
    }
}

proptest! {
    #[test]
    fn requests_that_were_changed_are_read_or_are_the_clients_mistake(
        request in 0..REQUESTS.len(),
        edits in prop::collection::vec((any::<prop::sample::Index>(), 0..4_usize, any::<u8>(), 1..20_usize), 1..6),
        header in prop::option::of(prop_oneof![Just(HEADER), 0..300_usize, Just(usize::MAX)]),
    ) {
        let mut body = REQUESTS[request].as_bytes().to_vec();
        for (at, kind, byte, length) in edits {
            let at = at.index(body.len());
            let end = body.len().min(at + length);
            match kind {
                0 => body[at] = byte,
                1 => body.insert(at, b"[]{},:\"0-.e\\"[usize::from(byte) % 12]),
                2 => drop(body.drain(at..end)),
                _ => {
                    let copy = body[at..end].to_vec();
                    body.splice(at..at, copy);
                }
            }
            body.push(b' ');
        }
        match taken(request, &body, header) {
            Ok(files) => prop_assert!((1..=MOST).contains(&files.len())),
            Err(status) => prop_assert!((400..500).contains(&status), "{status}"),
        }
    }
}
