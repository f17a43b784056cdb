//! Clients of other servers: Vertex AI's containers, the Open Inference Protocol, Hugging Face's image classification. Each
//! gets what `/predict` answers, in its own words; its errors have our codes.

use std::io::Read;
use std::thread;

use base64::prelude::{BASE64_STANDARD, Engine};
use image::ImageFormat;
use serde_json::{Value, json};

use super::client::raw;
use super::drawn::{grey, noise, tissue, truncated};
use super::service::{Service, refused_start};
use super::support::contract::VERTEX;

pub(crate) const INFER: &str = "/v2/models/lobule/infer";

/// What Vertex AI sends for these files.
pub(crate) fn instances(files: &[Vec<u8>]) -> Value {
    json!({ "instances": files.iter().map(|file| json!({ "b64": BASE64_STANDARD.encode(file) })).collect::<Vec<_>>() })
}

/// What a client of the Open Inference Protocol sends for these files.
pub(crate) fn inference(files: &[Vec<u8>]) -> Value {
    let data: Vec<_> = files.iter().map(|file| BASE64_STANDARD.encode(file)).collect();
    json!({ "inputs": [{ "name": "image", "datatype": "BYTES", "shape": [files.len()], "data": data }] })
}

fn images() -> [Vec<u8>; 3] {
    [tissue(), grey(40, ImageFormat::Jpeg), noise(40)]
}

/// What `/predict` answers for each image.
fn expected(service: &Service) -> [Value; 3] {
    images().map(|image| service.predict().image(image).send().json())
}

/// The data of an output.
fn output<'a>(answer: &'a Value, name: &str) -> &'a Value {
    let outputs = answer["outputs"].as_array().unwrap();
    &outputs.iter().find(|output| output["name"] == name).unwrap_or_else(|| panic!("{name}: {answer}"))["data"]
}

#[test]
fn vertex_ai_is_answered_at_the_addresses_that_it_names_and_nowhere_else() {
    let [(_, health), (_, predict)] = VERTEX;
    let service = Service::start(&[]);
    assert_eq!(service.get(health).send().status, 404);
    assert_eq!(service.call("POST", predict).json(&instances(&images())).send().status, 404);

    let service = Service::start_with(&VERTEX, &[]);
    assert_eq!(service.get(health).send().json()["status"], "ready");
    let ask = |body: &Value| service.call("POST", predict).json(body).send();
    let expected = expected(&service);
    let answer = ask(&instances(&images())).json();
    assert_eq!(answer.as_object().unwrap().len(), 1, "Vertex AI hands on the predictions alone");
    for (index, (its, alone)) in answer["predictions"].as_array().unwrap().iter().zip(&expected).enumerate() {
        assert_eq!(its["index"], index);
        for field in
            ["label", "confidence", "probability_malignant", "decision", "threshold", "flags", "notes", "notice"]
        {
            assert_eq!(its[field], alone[field], "{field}");
        }
    }
    let text = BASE64_STANDARD.encode(tissue());
    let spellings = json!({ "parameters": { "threshold": 0.9 }, "instances": [
        text, { "b64": text }, { "image": { "b64": text } }, { "image_bytes": { "b64": text } }, { "image": text },
        { "content": text, "mimeType": "image/png" }, format!("data:image/png;base64,{text}"), format!("\r\n{text}\n"),
    ] });
    let answer = ask(&spellings).json();
    let predictions = answer["predictions"].as_array().unwrap();
    assert_eq!(predictions.len(), 8);
    for its in predictions {
        assert_eq!(its["probability_malignant"], expected[0]["probability_malignant"]);
        assert_eq!(its["threshold"], 0.9);
    }
    // A bad one takes no other down.
    let answer = ask(&instances(&[noise(8), truncated(), b"text".to_vec(), Vec::new()])).json();
    let codes: Vec<_> = (0..4).map(|index| answer["predictions"][index]["error"]["code"].clone()).collect();
    assert_eq!(codes, [Value::Null, "undecodable_image".into(), "not_an_image".into(), "not_an_image".into()]);
    let counted = format!("lobule_requests_total{{route=\"{}\",status=\"200\"}}", VERTEX[1].0);
    service.wait_for_metric(&counted, |requests| requests == 3.0);
}

#[test]
fn vertex_ai_may_name_an_address_that_means_the_same_and_no_other() {
    let routes = [("AIP_HEALTH_ROUTE", "/health"), ("AIP_PREDICT_ROUTE", "/predict/")];
    let service = Service::start_with(&routes, &[]);
    assert_eq!(service.get("/health").send().json()["status"], "alive");
    assert_eq!(service.predict().image(noise(16)).send().status, 200, "an image is one there as ever");
    let body = instances(&[noise(16)]).to_string();
    let head = format!(
        "POST /predict HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n",
        body.len()
    );
    let answer = super::client::read_to_the_end(raw(&service.address, (head + &body).as_bytes()));
    assert!(answer.contains("200 OK") && answer.contains("{\"predictions\":[{\"index\":0"), "{answer}");

    for (name, bad) in [
        ("AIP_HEALTH_ROUTE", "health"),
        ("AIP_PREDICT_ROUTE", "http://x/predict"),
        ("AIP_PREDICT_ROUTE", "/a b"),
        ("AIP_PREDICT_ROUTE", "/a?b"),
        ("AIP_HEALTH_ROUTE", "/metrics"),
        ("AIP_HEALTH_ROUTE", "/"),
        ("AIP_PREDICT_ROUTE", "/predict/batch"),
        ("AIP_PREDICT_ROUTE", "/huggingface"),
        ("AIP_PREDICT_ROUTE", "/v2/models/a/infer"),
        ("AIP_PREDICT_ROUTE", "/health"),
    ] {
        let (code, text) = refused_start(&[(name, bad)], &[]);
        assert_eq!(code, Some(1), "{name}={bad}: {text}");
        assert!(text.contains(&format!("the variable {name} is {bad:?}")) && text.contains("such as"), "{text}");
    }
    let (code, text) = refused_start(&[("AIP_HEALTH_ROUTE", "/a"), ("AIP_PREDICT_ROUTE", "/a")], &[]);
    assert!(code == Some(1) && text.contains("are both \"/a\""), "{text}");
}

#[test]
fn the_open_inference_protocol_is_spoken() {
    let service = Service::start(&[]);
    let server = service.get("/v2").send().json();
    assert_eq!((&server["name"], &server["version"]), (&"lobule".into(), &env!("CARGO_PKG_VERSION").into()));
    assert_eq!(service.get("/v2/health/live").send().json(), json!({ "live": true }));
    assert_eq!(service.get("/v2/health/ready/").send().json(), json!({ "ready": true }));
    let id = service.get("/model").send().json();
    let (name, version) = (id["name"].as_str().unwrap(), id["version"].as_str().unwrap());
    for path in [format!("/v2/models/{name}"), format!("/v2/models/lobule/versions/{version}")] {
        let model = service.get(&path).send().json();
        assert_eq!((&model["name"], &model["versions"]), (&name.into(), &json!([version])));
        assert_eq!(service.get(&format!("{path}/ready")).send().json()["ready"], true);
        let answer = service.call("POST", &format!("{path}/infer")).json(&inference(&[noise(16)])).send();
        assert_eq!(answer.status, 200, "{path}");
    }
    for path in
        ["/v2/models/other", "/v2/models/lobule/versions/1", "/v2/models/other/ready", "/v2/models/lobule/config"]
    {
        let answer = service.get(path).send();
        assert_eq!(answer.code(), (404, "not_found".into()), "{path}");
        assert!(answer.json()["error"].as_str().unwrap().ends_with('.'));
    }
    let answer = service.get(INFER).send();
    assert_eq!((answer.code(), answer.header("allow")), ((405, "method_not_allowed".into()), "POST"));
}

#[test]
fn tensors_of_files_and_of_pixels_have_the_answers_of_predict() {
    let service = Service::start(&[]);
    let infer = |body: &Value| service.call("POST", INFER).json(body).send();
    let expected = expected(&service);
    let mut body = inference(&images());
    (body["id"], body["parameters"]) = ("42".into(), json!({ "threshold": "0.25", "priority": 1 }));
    let answer = infer(&body).json();
    assert_eq!((&answer["id"], &answer["parameters"]["threshold"]), (&"42".into(), &0.25.into()));
    assert_eq!(answer["parameters"]["notice"], lobule::diagnosis::RESEARCH_USE);
    for (index, alone) in expected.iter().enumerate() {
        for field in ["probability_malignant", "confidence", "label"] {
            assert_eq!(output(&answer, field)[index], alone[field], "{field}");
        }
        let flags = alone["flags"].as_array().unwrap().iter().map(|flag| flag.as_str().unwrap()).collect::<Vec<_>>();
        let word = if flags.is_empty() { "none".to_owned() } else { flags.join(";") };
        assert_eq!(output(&answer, "flags")[index], word.as_str());
        assert_eq!(answer["outputs"][0]["shape"], json!([3]));
    }
    // The same pixels by themselves, flat and in the lists of their shape, and only one output.
    for side in [1, 7, 40] {
        let png = noise(side);
        let alone = service.predict().image(png.clone()).send().json();
        let pixels = image::load_from_memory(&png).unwrap().to_rgb8();
        let rows: Vec<Vec<[u8; 3]>> = pixels.rows().map(|row| row.map(|pixel| pixel.0).collect()).collect();
        for data in [json!(pixels.as_raw().repeat(2)), json!([rows, rows])] {
            let shape = [2, side, side, 3];
            let body = json!({
                "inputs": [{ "name": "x", "datatype": "UINT8", "data": data, "shape": shape }],
                "outputs": [{ "name": "probability_malignant" }],
            });
            let answer = infer(&body).json();
            assert_eq!(answer["outputs"].as_array().unwrap().len(), 1);
            let both = json!([alone["probability_malignant"], alone["probability_malignant"]]);
            assert_eq!(output(&answer, "probability_malignant"), &both, "{side}");
        }
    }
}

/// An inference with tensors behind the JSON: the JSON of the answer, and the bytes behind that.
fn infer_binary(service: &Service, body: &Value, tensor: &[u8]) -> (Value, Vec<u8>) {
    let text = body.to_string();
    let head = format!(
        "POST {INFER} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nInference-Header-Content-Length: {}\r\n\
         Content-Length: {}\r\n\r\n{text}",
        text.len(),
        text.len() + tensor.len()
    );
    let mut answer = Vec::new();
    raw(&service.address, &[head.as_bytes(), tensor].concat()).read_to_end(&mut answer).unwrap();
    let body = answer.windows(4).position(|end| end == b"\r\n\r\n").unwrap() + 4;
    let head = String::from_utf8(answer[..body].to_vec()).unwrap();
    assert!(head.starts_with("HTTP/1.1 200"), "{}", String::from_utf8_lossy(&answer));
    assert!(head.contains("content-type: application/octet-stream"), "{head}");
    let length = head.lines().find_map(|line| line.strip_prefix("inference-header-content-length: ")).unwrap();
    let (text, tensors) = answer[body..].split_at(length.parse().unwrap());
    (serde_json::from_slice(text).unwrap(), tensors.to_vec())
}

#[test]
fn tensors_come_and_go_as_bytes_too() {
    let service = Service::start(&[]);
    let expected = expected(&service);
    let element = |bytes: &[u8]| [&(bytes.len() as u32).to_le_bytes(), bytes].concat();
    let [one, two, three] = images();
    let tensor = [element(&one), element(&two), element(BASE64_STANDARD.encode(three).as_bytes())].concat();
    let size = json!({ "binary_data_size": tensor.len() });
    let input = json!({ "name": "image", "datatype": "BYTES", "shape": [3, 1], "parameters": size });
    let outputs =
        json!([{ "name": "probability_malignant", "parameters": { "binary_data": true } }, { "name": "label" }]);
    let (answer, tensors) = infer_binary(&service, &json!({ "inputs": [input], "outputs": outputs }), &tensor);
    let numbers: Vec<f32> = tensors.chunks(4).map(|number| f32::from_le_bytes(number.try_into().unwrap())).collect();
    for (index, alone) in expected.iter().enumerate() {
        assert_eq!(numbers[index], alone["probability_malignant"].as_f64().unwrap() as f32);
        assert_eq!(output(&answer, "label")[index], alone["label"]);
    }
    assert_eq!(answer["outputs"][0]["parameters"], json!({ "binary_data_size": 12 }));

    // What the client of Triton sends by default: pixels, and all outputs as bytes.
    let pixels = image::load_from_memory(&noise(40)).unwrap().to_rgb8().into_raw();
    let size = json!({ "binary_data_size": pixels.len() });
    let input = json!({ "name": "pixels", "datatype": "UINT8", "shape": [1, 40, 40, 3], "parameters": size });
    let body = json!({ "inputs": [input], "parameters": { "binary_data_output": true } });
    let (answer, tensors) = infer_binary(&service, &body, &pixels);
    let sizes: Vec<_> =
        (0..5).map(|at| answer["outputs"][at]["parameters"]["binary_data_size"].as_u64().unwrap()).collect();
    assert_eq!(sizes.iter().sum::<u64>(), tensors.len() as u64);
    let label = expected[2]["label"].as_str().unwrap();
    assert_eq!(tensors[8..8 + 4 + label.len()], element(label.as_bytes()));
    let probability = expected[2]["probability_malignant"].as_f64().unwrap() as f32;
    assert_eq!(tensors[..4], probability.to_le_bytes());
}

#[test]
fn one_image_has_as_much_room_in_the_queue_as_at_predict() {
    // There is room for two batches, and for eight images.
    let service = Service::start_with(&VERTEX, &["--threads", "4", "--queue", "4"]);
    let image = [noise(300)];
    for (path, body) in [(INFER, inference(&image)), (VERTEX[1].1, instances(&image))] {
        let statuses: Vec<u16> = thread::scope(|scope| {
            let ask = || service.call("POST", path).json(&body).send().status.as_u16();
            let clients: Vec<_> = (0..8).map(|_| scope.spawn(ask)).collect();
            clients.into_iter().map(|client| client.join().unwrap()).collect()
        });
        assert_eq!(statuses, [200; 8], "{path}");
    }
}

#[test]
fn hugging_faces_clients_get_labels_with_scores_the_highest_first() {
    let service = Service::start(&[]);
    for (image, alone) in images().into_iter().zip(expected(&service)) {
        let by_body = service.call("POST", "/huggingface").image(image.clone()).send();
        let scores = by_body.json();
        assert_eq!((&scores[0]["label"], &scores[0]["score"]), (&alone["label"], &alone["confidence"]));
        let sum = scores[0]["score"].as_f64().unwrap() + scores[1]["score"].as_f64().unwrap();
        assert!(scores.as_array().unwrap().len() == 2 && (sum - 1.0).abs() < 2e-6, "{scores}");
        assert_eq!(by_body.header("x-lobule-notice"), lobule::diagnosis::RESEARCH_USE);
        assert_eq!(by_body.header("x-lobule-decision"), alone["decision"]);
        let form = service.call("POST", "/huggingface").file("image", "a", &image).send();
        assert_eq!(form.json(), scores, "a form is read as at /predict");
        let text = BASE64_STANDARD.encode(image);
        let ask = |body: Value| service.call("POST", "/huggingface").json(&body).send();
        assert_eq!(ask(json!({ "inputs": text, "parameters": null })).json(), scores);
        let parameters = json!({ "top_k": 1, "function_to_apply": "softmax", "threshold": 1.0 });
        let top = ask(json!({ "inputs": text, "parameters": parameters }));
        assert_eq!(top.json(), json!([scores[0]]));
        assert_ne!(top.header("x-lobule-decision"), "malignant", "the decision is at the threshold");
        assert_eq!(ask(json!({ "inputs": text, "parameters": { "top_k": 5 } })).json(), scores);
    }
}
