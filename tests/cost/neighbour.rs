//! An honest client that posts a small image again and again, and how long it waits for its answers.

use std::io::Write;
use std::net::TcpStream;
use std::time::{Duration, Instant};

use serde_json::Value;

use super::client::connect;
use super::support::client::{predict_head, try_read_answer};
use super::support::drawn::tissue;

pub(crate) struct Neighbour {
    address: String,
    request: Vec<u8>,
    stream: Option<TcpStream>,
    /// What the service said of the image when nobody else was there.
    right: Option<Value>,
}

/// How long the answers took that were right, sorted, and how many others there were.
#[derive(Default)]
pub(crate) struct Latency {
    pub(crate) times: Vec<Duration>,
    /// Requests that were asked to come back, or lost their connection.
    pub(crate) refused: usize,
    /// Answers with another probability than the right one.
    pub(crate) wrong: usize,
}

impl Neighbour {
    pub(crate) fn new(address: &str) -> Self {
        let image = tissue();
        let request = [predict_head(image.len()).as_bytes(), &image].concat();
        Self { address: address.to_owned(), request, stream: None, right: None }
    }

    /// Asks again and again for so long; the first answer of all is taken for the right one.
    pub(crate) fn ask(&mut self, time: Duration) -> Latency {
        let mut latency = Latency::default();
        let end = Instant::now() + time;
        while Instant::now() < end {
            let began = Instant::now();
            match self.probability() {
                Some(probability) if *self.right.get_or_insert_with(|| probability.clone()) == probability => {
                    latency.times.push(began.elapsed());
                }
                Some(_) => latency.wrong += 1,
                None => {
                    latency.refused += 1;
                    std::thread::sleep(Duration::from_millis(50)); // it is asked to come back, and does not flood
                }
            }
        }
        latency.times.sort();
        latency
    }

    /// The probability in an answer that is 200.
    fn probability(&mut self) -> Option<Value> {
        let mut stream = self.stream.take().unwrap_or_else(|| connect(&self.address));
        stream.write_all(&self.request).ok()?;
        let answer = try_read_answer(&mut stream)?;
        if !answer.to_ascii_lowercase().contains("\r\nconnection: close\r\n") {
            self.stream = Some(stream);
        }
        let body = answer.strip_prefix("HTTP/1.1 200 ")?.split_once("\r\n\r\n")?.1;
        Some(serde_json::from_str::<Value>(body).unwrap()["probability_malignant"].clone())
    }
}

impl Latency {
    /// A percentile in milliseconds; nothing was answered where it is not a number.
    pub(crate) fn percentile(&self, percent: usize) -> f64 {
        let at = (self.times.len() * percent / 100).min(self.times.len().saturating_sub(1));
        self.times.get(at).map_or(f64::NAN, |time| time.as_secs_f64() * 1e3)
    }
}
