//! Clients: a plain one over hyper, whose answers are held against the contract, and raw text over TCP for what no
//! proper client sends.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::{HeaderMap, Request, StatusCode, header::CONTENT_TYPE};
use hyper_util::{client::legacy::Client, rt::TokioExecutor};
use serde_json::Value;

use super::contract;

#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: String,
}

impl Answer {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    /// The status and the stable code of a problem.
    pub(crate) fn problem(&self) -> (u16, String) {
        assert_eq!(self.header("content-type"), "application/problem+json", "{self:?}");
        self.code()
    }

    /// The status and the stable code of an error, whatever its shape.
    pub(crate) fn code(&self) -> (u16, String) {
        (self.status.as_u16(), self.json()["code"].as_str().unwrap().to_owned())
    }
}

/// A request to be sent.
pub(crate) struct Call(Request<Full<Bytes>>);

/// The head of a request to classify a body of so many bytes, and two whole requests, as text.
pub(crate) fn predict_head(length: usize) -> String {
    format!("POST /predict HTTP/1.1\r\nHost: x\r\nContent-Type: image/png\r\nContent-Length: {length}\r\n\r\n")
}
pub(crate) const READY: &[u8] = b"GET /ready HTTP/1.1\r\nHost: x\r\n\r\n";
pub(crate) const READY_AND_CLOSE: &[u8] = b"GET /ready HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";

impl Call {
    pub(crate) fn new(method: &str, address: &str, path: &str) -> Self {
        let request = Request::builder().method(method).uri(format!("http://{address}{path}"));
        Self(request.body(Full::default()).unwrap())
    }

    pub(crate) fn query(mut self, query: &str) -> Self {
        *self.0.uri_mut() = format!("{}?{query}", self.0.uri()).parse().unwrap();
        self
    }

    pub(crate) fn header(mut self, name: &'static str, value: &str) -> Self {
        self.0.headers_mut().insert(name, value.parse().unwrap());
        self
    }

    pub(crate) fn body(mut self, content_type: &str, body: impl Into<Bytes>) -> Self {
        self.0.headers_mut().insert(CONTENT_TYPE, content_type.parse().unwrap());
        *self.0.body_mut() = Full::new(body.into());
        self
    }

    pub(crate) fn json(self, body: &Value) -> Self {
        self.body("application/json", body.to_string())
    }

    /// An image, or what is said to be one, as the body.
    pub(crate) fn image(self, image: impl Into<Bytes>) -> Self {
        self.body("image/png", image)
    }

    /// A form with one file.
    pub(crate) fn file(self, field: &str, name: &str, content: &[u8]) -> Self {
        self.form(&[FormField::file(field, name, content)])
    }

    pub(crate) fn form(self, fields: &[FormField]) -> Self {
        self.body("multipart/form-data; boundary=frontier", form(fields))
    }

    /// Sends it as HTTP/1.1 on a connection of its own.
    pub(crate) fn send(self) -> Answer {
        self.exchange(false)
    }

    /// Sends it as HTTP/2 with prior knowledge.
    pub(crate) fn send_h2c(self) -> Answer {
        self.exchange(true)
    }

    fn exchange(self, h2c: bool) -> Answer {
        let (method, path) = (self.0.method().to_string(), self.0.uri().path().to_owned());
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let answer = runtime.block_on(async {
            let client = Client::builder(TokioExecutor::new()).http2_only(h2c).build_http();
            let (parts, body) = client.request(self.0).await.unwrap().into_parts();
            let body = body.collect().await.unwrap().to_bytes();
            Answer { status: parts.status, headers: parts.headers, body: String::from_utf8_lossy(&body).into_owned() }
        });
        assert_eq!(contract::faults(&method, &path, &answer), Vec::<String>::new(), "{method} {path}: {answer:?}");
        answer
    }
}

#[derive(Clone)]
pub(crate) struct FormField {
    head: String,
    content: Vec<u8>,
}

impl FormField {
    pub(crate) fn file(field: &str, name: &str, content: &[u8]) -> Self {
        Self::typed(field, Some(name), "application/octet-stream", content)
    }

    /// A part with a type of its own, and a file name where one is given.
    pub(crate) fn typed(field: &str, name: Option<&str>, content_type: &str, content: &[u8]) -> Self {
        let name = name.map_or_else(String::new, |name| format!("; filename=\"{name}\""));
        let head = format!("Content-Disposition: form-data; name=\"{field}\"{name}\r\nContent-Type: {content_type}");
        Self { head, content: content.to_vec() }
    }

    pub(crate) fn text(field: &str, content: &str) -> Self {
        Self { head: format!("Content-Disposition: form-data; name=\"{field}\""), content: content.into() }
    }
}

pub(crate) fn form(fields: &[FormField]) -> Vec<u8> {
    let mut body = Vec::new();
    for field in fields {
        write!(body, "--frontier\r\n{}\r\n\r\n", field.head).unwrap();
        body.extend_from_slice(&field.content);
        body.extend_from_slice(b"\r\n");
    }
    body.extend_from_slice(b"--frontier--\r\n");
    body
}

/// A connection on which this text has been sent.
pub(crate) fn raw(address: &str, text: &[u8]) -> TcpStream {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    stream.set_write_timeout(Some(Duration::from_secs(20))).unwrap();
    stream.write_all(text).unwrap();
    stream
}

/// Everything until the other side closes.
pub(crate) fn read_to_the_end(mut stream: TcpStream) -> String {
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).unwrap();
    String::from_utf8_lossy(&answer).into_owned()
}

/// One answer of an HTTP/1 connection that stays open.
pub(crate) fn read_answer(stream: &mut TcpStream) -> String {
    try_read_answer(stream).expect("an answer")
}

/// As [`read_answer`], or nothing where the connection ends before there is one.
pub(crate) fn try_read_answer(stream: &mut TcpStream) -> Option<String> {
    let mut answer = Vec::new();
    let mut byte = [0];
    while !answer.ends_with(b"\r\n\r\n") {
        stream.read_exact(&mut byte).ok()?;
        answer.push(byte[0]);
    }
    let head = String::from_utf8(answer).unwrap();
    let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")).unwrap().parse().unwrap();
    let mut body = vec![0; length];
    stream.read_exact(&mut body).ok()?;
    Some(head + &String::from_utf8(body).unwrap())
}
