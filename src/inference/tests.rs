use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Barrier, mpsc};

use super::*;

const LONG: Duration = Duration::from_secs(60);

fn classification(margin: f64) -> Classification {
    let prediction = Prediction::from_margin(margin);
    let none = Duration::ZERO;
    Classification {
        prediction,
        notes: Vec::new(),
        thumbnail: None,
        heatmap: None,
        queue: none,
        decode: none,
        inference: none,
    }
}

fn image(content: &'static [u8]) -> EncodedImage {
    EncodedImage { content: Bytes::from_static(content), wants_thumbnail: false, wants_heatmap: false }
}

/// A classify function that says when it begins and then waits to be let on, and how often it has begun.
fn gated() -> (Arc<Classify>, Arc<Barrier>, mpsc::Receiver<()>, Arc<AtomicUsize>) {
    let (gate, begun) = (Arc::new(Barrier::new(2)), Arc::new(AtomicUsize::new(0)));
    let (started, has_started) = mpsc::channel();
    let classify: Arc<Classify> = {
        let (gate, begun) = (Arc::clone(&gate), Arc::clone(&begun));
        Arc::new(move |_, _, _| {
            begun.fetch_add(1, Ordering::SeqCst);
            started.send(()).unwrap();
            gate.wait();
            Ok(Ok(classification(0.0)))
        })
    };
    (classify, gate, has_started, begun)
}

#[tokio::test]
async fn a_panic_is_that_images_alone_and_the_thread_goes_on() {
    let classify: Arc<Classify> = Arc::new(|image: EncodedImage, _, _| {
        assert!(!image.content.is_empty(), "an empty image");
        Ok(Ok(classification(1.0)))
    });
    let inference = Inference::start_with(classify, 1, 1, LONG).unwrap();
    let error = inference.classify(image(b"")).await.unwrap_err();
    assert!(matches!(&error, InferenceError::Panicked(message) if message.contains("an empty image")), "{error}");
    assert!(inference.classify(image(b"x")).await.is_ok());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_queue_refuses_and_a_client_that_goes_makes_room_at_once() {
    let (classify, gate, has_started, begun) = gated();
    let inference = Inference::start_with(classify, 1, 1, LONG).unwrap();
    let ask = || {
        let inference = inference.clone();
        tokio::spawn(async move { inference.classify(image(b"x")).await })
    };

    let first = ask();
    has_started.recv().unwrap();
    inference.has_room().unwrap();
    let mut abandoned = Box::pin(inference.classify(image(b"")));
    assert!(timeout(Duration::from_millis(1), &mut abandoned).await.is_err(), "it is the queue's one entry");
    assert!(matches!(inference.classify(image(b"")).await, Err(InferenceError::QueueFull)));
    assert!(inference.has_room().is_err());
    let mut waiting = Box::pin(inference.classify_when_there_is_room(image(b"")));
    assert!(timeout(Duration::from_millis(1), &mut waiting).await.is_err(), "it waits for room in the queue");
    assert_eq!(inference.waiting(), 2, "and is counted with those in it");

    drop(abandoned);
    assert!(timeout(Duration::from_millis(1), &mut waiting).await.is_err(), "it is in the queue and waits");
    assert_eq!(inference.waiting(), 1);
    drop(waiting);
    assert_eq!(inference.waiting(), 0);
    let last = ask();
    gate.wait();
    assert!(first.await.unwrap().is_ok());
    has_started.recv().unwrap();
    gate.wait();
    assert!(last.await.unwrap().is_ok());
    assert_eq!(begun.load(Ordering::SeqCst), 2, "an abandoned job was begun");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_image_that_waits_too_long_is_refused_and_one_that_is_being_classified_is_not() {
    let (classify, gate, has_started, _) = gated();
    let inference = Inference::start_with(classify, 1, 1, Duration::from_millis(20)).unwrap();
    let first = tokio::spawn({
        let inference = inference.clone();
        async move { inference.classify(image(b"")).await }
    });
    has_started.recv().unwrap();
    assert!(matches!(inference.classify(image(b"")).await, Err(InferenceError::WaitTimeout)));
    gate.wait();
    assert!(first.await.unwrap().is_ok());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_large_image_goes_to_a_thread_of_its_own_and_holds_up_no_ordinary_one() {
    let (gate, (started, has_started)) = (Arc::new(Barrier::new(2)), mpsc::channel());
    let classify: Arc<Classify> = {
        let gate = Arc::clone(&gate);
        Arc::new(move |image: EncodedImage, size, _| match (&*image.content, size) {
            (b"large", Size::Ordinary) => Err(TooLarge(image)),
            (b"large", Size::Large) => {
                started.send(()).unwrap();
                gate.wait();
                Ok(Ok(classification(1.0)))
            }
            (_, size) => {
                assert_eq!(size, Size::Ordinary);
                Ok(Ok(classification(0.0)))
            }
        })
    };
    let inference = Inference::start_with(classify, 1, 3, LONG).unwrap();
    let ask = |content| {
        let inference = inference.clone();
        tokio::spawn(async move { inference.classify(image(content)).await.unwrap().prediction.margin })
    };
    let first = ask(b"large");
    has_started.recv().unwrap();
    let mut abandoned = Box::pin(inference.classify(image(b"large")));
    assert!(timeout(Duration::from_millis(1), &mut abandoned).await.is_err());
    assert_eq!(ask(b"ordinary").await.unwrap(), 0.0);
    assert_eq!(inference.waiting(), 1, "the second large one waits for the first");
    drop(abandoned);
    assert_eq!(inference.waiting(), 0, "and leaves the queue with its client");
    gate.wait();
    assert_eq!(first.await.unwrap(), 1.0);
}

#[test]
fn what_is_too_large_for_an_ordinary_thread_is_told_from_what_is_no_image() {
    let limits = DecodeLimits::default();
    let error = |bytes: &[u8]| pixels::decode(bytes, &limits.and(&ORDINARY)).unwrap_err();
    assert!(error(&vec![0; ORDINARY.max_bytes + 1]).is_of_size());
    assert!(!error(b"GIF89a").is_of_size());
    let mut wide = Vec::new();
    let image = image::RgbImage::new(1001, 1000);
    image.write_to(&mut std::io::Cursor::new(&mut wide), image::ImageFormat::Png).unwrap();
    assert!(error(&wide).is_of_size());
    assert!(pixels::decode(&wide, &limits).is_ok());
}
