//! The page in a real browser: Chromium, driven through chromedriver, against the real binary. Some tests hold the page
//! against axe-core, whose script `LOBULE_AXE` names.
//!
//! Because not every machine has these, all tests here are ignored unless they are asked for:
//! `cargo test --test browser -- --ignored`. With `LOBULE_SCREENSHOTS=DIR` they leave screenshots of what they saw in
//! that folder.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "clippy takes the helpers of a test for production code"
)]

mod browser;
mod flags;
#[cfg(feature = "cli")]
mod report;
#[path = "../support/mod.rs"]
mod support;

use std::path::PathBuf;

use browser::{Browser, Look};
use fantoccini::actions::{InputSource, KeyAction, KeyActions};
use fantoccini::{Client, Locator};
use lobule::diagnosis::RESEARCH_USE;
use serde_json::json;
use support::{drawn::tissue, service::Service};

/// Everything is done from the keyboard; WebDriver writes its keys as private characters.
const ENTER: &str = "\u{E007}";

const LIGHT: Look = Look { scripts: true, dark: false, width: 1280 };

type Outcome = Result<(), Box<dyn std::error::Error>>;

/// An image on the disk that the browser can choose.
fn image(folder: &tempfile::TempDir) -> PathBuf {
    let path = folder.path().join("image.png");
    std::fs::write(&path, tissue()).unwrap();
    path
}

/// The bar is as full as the number says that stands directly above it, with what it is the probability of.
async fn assert_bar_agrees_with_its_text(page: &Client, result: &str) -> Outcome {
    let caption = page.find(Locator::Css(&format!("{result} p:has(+ .bar)"))).await?.text().await?;
    let percent = caption.strip_prefix("Probability of malignancy").and_then(|rest| rest.trim().strip_suffix('%'));
    let percent: f64 = percent.ok_or_else(|| caption.clone())?.parse()?;
    let fill = page.find(Locator::Css(&format!("{result} .bar .fill"))).await?.rectangle().await?.2;
    let track = page.find(Locator::Css(&format!("{result} .bar .track"))).await?.rectangle().await?.2;
    assert!(fill > 0.0 && fill < track, "the bar is drawn: {fill} of {track}");
    assert!((100.0 * fill / track - percent).abs() < 1.0, "{caption}, and the bar is {fill} of {track}");
    Ok(())
}

#[tokio::test]
#[ignore = "needs Chromium"]
async fn an_image_is_classified_with_scripts_off() -> Outcome {
    let browser = Browser::start(Look { scripts: false, dark: false, width: 1280 }).await?;
    let (service, folder) = (Service::start(&[]), tempfile::tempdir()?);
    let page = &browser.client;

    page.goto("data:text/html,<title>off</title><script>document.title='on'</script>").await?;
    assert_eq!(page.title().await?, "off", "scripts are truly off");

    page.goto(&service.url("/")).await?;
    browser.screenshot("home-without-scripts").await?;
    assert!(page.find(Locator::Css(".notice")).await?.text().await?.contains(RESEARCH_USE));
    page.find(Locator::Css("label[for=image]")).await?;
    page.find(Locator::Id("image")).await?.send_keys(&image(&folder).to_string_lossy()).await?;
    page.find(Locator::Css("button[type=submit]")).await?.send_keys(ENTER).await?;

    let heading = page.wait().for_element(Locator::Css("h2[data-field=heading]")).await?.text().await?;
    assert!(["Benign", "Malignant", "No decision"].contains(&heading.as_str()), "{heading}");
    assert_eq!(page.current_url().await?.path(), "/predict/batch");
    assert!(page.find(Locator::Css("p[data-field=decision]")).await?.text().await?.contains("At a threshold of 0.5 "));
    assert!(page.find(Locator::Css(".notice")).await?.text().await?.contains(RESEARCH_USE));
    assert_bar_agrees_with_its_text(page, "article").await?;
    assert!(page.find(Locator::Css("figure img")).await?.rectangle().await?.2 > 100.0, "the image is shown");
    browser.screenshot("result-without-scripts").await?;

    page.find(Locator::LinkText("Classify another image")).await?.send_keys(ENTER).await?;
    page.wait().for_element(Locator::Id("upload")).await?;
    browser.close().await
}

#[tokio::test]
#[ignore = "needs Chromium"]
async fn a_broken_image_gets_an_error_page_with_scripts_off() -> Outcome {
    let browser = Browser::start(Look { scripts: false, dark: true, width: 1280 }).await?;
    let (service, folder) = (Service::start(&[]), tempfile::tempdir()?);
    let page = &browser.client;
    let text = folder.path().join("text.png");
    std::fs::write(&text, "This is no image.")?;

    page.goto(&service.url("/")).await?;
    page.find(Locator::Id("image")).await?.send_keys(&text.to_string_lossy()).await?;
    page.find(Locator::Css("button[type=submit]")).await?.send_keys(ENTER).await?;
    let back = page.wait().for_element(Locator::LinkText("Classify another image")).await?;
    let title = page.find(Locator::Css("main h1")).await?.text().await?;
    browser.screenshot("error-without-scripts-dark").await?;
    assert_eq!(title, "That did not work");
    let problem = page.find(Locator::Css(".problem")).await?.text().await?;
    assert!(problem.contains("text.png") && problem.contains("not an image"), "{problem}");
    back.send_keys(ENTER).await?;
    page.wait().for_element(Locator::Id("upload")).await?;
    page.find(Locator::Css("button[type=submit]")).await?.send_keys(ENTER).await?;
    page.wait().for_element(Locator::LinkText("Back to the start")).await?.send_keys(ENTER).await?;
    page.wait().for_element(Locator::Id("upload")).await?;
    browser.close().await
}

/// The controls that lie under the notice, if only in part.
const HIDDEN: &str = "const notice = document.querySelector('.notice').getBoundingClientRect();
    return [...document.querySelectorAll('main button, main input, main a')].filter((control) => {
      const { top, bottom, width } = control.getBoundingClientRect();
      return width > 0 && top < notice.bottom && bottom > notice.top;
    }).map((control) => control.outerHTML);";

/// Four looks: light and dark, wide and as on a phone.
const LOOKS: [(&str, bool, u32); 4] = [
    ("light-desktop", false, 1280),
    ("dark-desktop", true, 1280),
    ("light-phone", false, 390),
    ("dark-phone", true, 390),
];

#[tokio::test]
#[ignore = "needs Chromium and axe-core (LOBULE_AXE)"]
async fn with_scripts_the_result_appears_in_place() -> Outcome {
    for (name, dark, width) in LOOKS {
        let browser = Browser::start(Look { scripts: true, dark, width }).await?;
        let (service, folder) = (Service::start(&[]), tempfile::tempdir()?);
        let page = &browser.client;

        page.goto(&service.url("/")).await?;
        browser.screenshot(&format!("home-{name}")).await?;
        assert_eq!(page.execute(HIDDEN, vec![]).await?, json!([]), "controls under the notice: {name}");
        assert_eq!(browser.faults().await?, Vec::<String>::new(), "{name}");
        let camera = page.find(Locator::Id("camera")).await?.is_displayed().await?;
        assert_eq!(camera, width < 500, "the camera is offered where there is one");
        page.find(Locator::Id("image")).await?.send_keys(&image(&folder).to_string_lossy()).await?;
        page.wait().for_element(Locator::Css("#chosen li")).await?;
        browser.screenshot(&format!("chosen-{name}")).await?;
        assert_eq!(page.execute(HIDDEN, vec![]).await?, json!([]), "controls under the notice: {name}");
        let shown = "const { top, bottom } = document.querySelector('button[type=submit]').getBoundingClientRect();
            return top >= 0 && bottom <= innerHeight";
        assert_eq!(page.execute(shown, vec![]).await?, true, "the button to press next is in sight: {name}");
        page.find(Locator::Css("button[type=submit]")).await?.send_keys(ENTER).await?;
        page.wait().for_element(Locator::Css("#outcome .result")).await?;
        assert_eq!(page.current_url().await?.path(), "/", "the page stays");
        let decision = page.find(Locator::Css("#outcome [data-field=decision]")).await?.text().await?;
        assert!(decision.starts_with("At a threshold of 0.5 "), "{decision}");
        assert_bar_agrees_with_its_text(page, "#outcome").await?;
        let heard = page.find(Locator::Id("progress")).await?.text().await?;
        let heading = page.find(Locator::Css("#outcome h2")).await?.text().await?;
        assert!(heard.starts_with(&format!("Result: {heading}")), "a screen reader hears: {heard}");
        page.find(Locator::Css("#outcome summary")).await?.send_keys(ENTER).await?;
        let json = page.find(Locator::Css("#outcome pre")).await?.text().await?;
        assert!(serde_json::from_str::<serde_json::Value>(&json)?["request_id"].is_string(), "{json}");
        browser.screenshot(&format!("result-{name}")).await?;
        assert_eq!(browser.faults().await?, Vec::<String>::new(), "{name}");

        let overflow = "return document.documentElement.scrollWidth > document.documentElement.clientWidth";
        assert_eq!(page.execute(overflow, vec![]).await?, false, "nothing is wider than the window: {name}");
        assert_eq!(browser.complaints(&service.url("/")).await?, Vec::<String>::new(), "{name}");
        browser.close().await?;
    }
    Ok(())
}

#[tokio::test]
#[ignore = "needs Chromium and axe-core (LOBULE_AXE)"]
async fn where_the_network_looked_is_shown_to_who_asks() -> Outcome {
    for (name, dark, width) in LOOKS {
        let browser = Browser::start(Look { scripts: true, dark, width }).await?;
        let (service, folder) = (Service::start(&[]), tempfile::tempdir()?);
        let page = &browser.client;
        page.goto(&service.url("/")).await?;
        page.find(Locator::Id("image")).await?.send_keys(&image(&folder).to_string_lossy()).await?;
        page.find(Locator::Id("heatmap")).await?.send_keys(" ").await?;
        page.find(Locator::Css("button[type=submit]")).await?.send_keys(ENTER).await?;
        let overlay = page.wait().for_element(Locator::Css("#outcome .heatmap img")).await?;
        assert!(overlay.rectangle().await?.2 > 200.0, "the overlay is shown: {name}");
        let caption = page.find(Locator::Css("#outcome .heatmap figcaption")).await?.text().await?;
        assert!(caption.contains("no proof") && !caption.contains("\u{2212} "), "{caption}");
        page.find(Locator::Css("#outcome summary")).await?.send_keys(ENTER).await?;
        let json = page.find(Locator::Css("#outcome pre")).await?.text().await?;
        assert!(json.contains("\"heatmap_range\"") && json.len() < 2000, "the image is not there again: {json}");
        page.execute("document.querySelector('#outcome').scrollIntoView()", vec![]).await?;
        browser.screenshot(&format!("heatmap-{name}")).await?;
        assert_eq!(browser.faults().await?, Vec::<String>::new(), "{name}");
        assert_eq!(browser.complaints(&service.url("/")).await?, Vec::<String>::new(), "{name}");
        browser.close().await?;
    }
    Ok(())
}

#[tokio::test]
#[ignore = "needs Chromium and axe-core (LOBULE_AXE)"]
async fn several_images_each_get_a_result_or_an_error_and_one_too_large_is_not_sent() -> Outcome {
    let browser = Browser::start(LIGHT).await?;
    let (service, folder) = (Service::start(&["--max-bytes", "500000"]), tempfile::tempdir()?);
    let page = &browser.client;
    let (text, large) = (folder.path().join("text.png"), folder.path().join("large.png"));
    std::fs::write(&text, "This is no image.")?;
    std::fs::write(&large, vec![0; 500_001])?;

    page.goto(&service.url("/")).await?;
    let files = [image(&folder), text, large].map(|path| path.to_string_lossy().into_owned()).join("\n");
    page.find(Locator::Id("image")).await?.send_keys(&files).await?;
    page.wait().for_element(Locator::Css("#chosen li:nth-child(3)")).await?;
    let refusal = page.find(Locator::Css("#chosen .refusal")).await?.text().await?;
    assert!(refusal.starts_with("too large"), "{refusal}");
    page.find(Locator::Css("button[type=submit]")).await?.click().await?;
    page.wait().for_element(Locator::Css("#outcome > :nth-child(3)")).await?;
    let mut problems = Vec::new();
    for problem in page.find_all(Locator::Css("#outcome .problem")).await? {
        problems.push(problem.text().await?);
    }
    assert!(
        problems.len() == 2 && problems[0].contains("not an image") && problems[1].contains("too large"),
        "{problems:?}"
    );
    page.find(Locator::Css("#outcome .result h2")).await?;
    let counted = page.find(Locator::Id("progress")).await?.text().await?;
    assert!(counted.starts_with("1 of 3 classified") && counted.ends_with(", 2 failed"), "{counted}");
    assert!(!service.log().contains("status=413"), "what is too large was not sent:\n{}", service.log());
    assert_eq!(service.log().matches("route=\"/predict\"").count(), 2, "{}", service.log());
    browser.screenshot("several").await?;
    assert_eq!(browser.faults().await?, Vec::<String>::new());
    // A refused image is an answer of the service, which the console shows as well.
    let complaints = browser.complaints(&service.url("/")).await?;
    assert!(complaints.iter().all(|complaint| complaint.contains("status of 415")), "{complaints:?}");
    browser.close().await
}

#[tokio::test]
#[ignore = "needs Chromium"]
async fn an_image_can_be_dropped_or_pasted_and_a_drawn_one_tried() -> Outcome {
    let browser = Browser::start(LIGHT).await?;
    let service = Service::start(&[]);
    let page = &browser.client;
    page.goto(&service.url("/")).await?;

    // WebDriver can neither drag a file nor fill a clipboard: the events are made by hand, of an image of the page's.
    let give = "const [kind, target] = arguments;
        document.querySelector('.sample canvas').toBlob((blob) => {
          const data = new DataTransfer();
          data.items.add(new File([blob], kind + '.png', { type: 'image/png' }));
          const event = kind === 'drop' ? new DragEvent('drop', { dataTransfer: data, bubbles: true, cancelable: true })
            : new ClipboardEvent('paste', { clipboardData: data, bubbles: true });
          document.querySelector(target).dispatchEvent(event);
        });";
    for (kind, target) in [("drop", ".drop"), ("paste", "body")] {
        page.execute(give, vec![kind.into(), target.into()]).await?;
        let chosen = format!("//ul[@id='chosen']//span[text()='{kind}.png']");
        page.wait().for_element(Locator::XPath(&chosen)).await?;
        page.find(Locator::Css("button[type=submit]")).await?.click().await?;
        let result = format!("//article//p[text()='{kind}.png']");
        page.wait().for_element(Locator::XPath(&result)).await?;
    }
    for (index, name) in ["light", "dense", "ducts"].into_iter().enumerate() {
        let sample = format!(".sample:nth-child({})", index + 1);
        // Out from under the notice, where a result has moved it.
        let show = "document.querySelector(arguments[0]).scrollIntoView({ block: 'center' })";
        page.execute(show, vec![sample.clone().into()]).await?;
        page.find(Locator::Css(&sample)).await?.click().await?;
        let result = format!("//article//p[text()='drawn-{name}.png']");
        page.wait().for_element(Locator::XPath(&result)).await?;
    }
    assert_eq!(browser.complaints(&service.url("/")).await?, Vec::<String>::new());
    browser.close().await
}

#[tokio::test]
#[ignore = "needs Chromium"]
async fn everything_is_done_from_the_keyboard() -> Outcome {
    const TAB: char = '\u{E004}';
    let browser = Browser::start(LIGHT).await?;
    let service = Service::start(&[]);
    let page = &browser.client;
    page.goto(&service.url("/")).await?;
    let focused = "const e = document.activeElement; return e.id || e.className || e.tagName.toLowerCase()";
    let mut order = Vec::new();
    for _ in 0..7 {
        // Keys that are sent to a file input would be taken for a file's name.
        let tab = KeyAction::Down { value: TAB };
        let released = KeyAction::Up { value: TAB };
        page.perform_actions(KeyActions::new("keyboard".to_owned()).then(tab).then(released)).await?;
        order.push(page.execute(focused, vec![]).await?.as_str().unwrap_or_default().to_owned());
    }
    // A network without operating points has none to choose from.
    order.retain(|place| place != "threshold");
    let expected = ["brand", "image", "heatmap", "button", "sample", "sample"];
    assert_eq!(order[..expected.len()], expected, "the order in which Tab goes");
    page.active_element().await?.send_keys(ENTER).await?;
    page.wait().for_element(Locator::Css("#outcome .result h2")).await?;
    assert_eq!(browser.complaints(&service.url("/")).await?, Vec::<String>::new());
    browser.close().await
}

#[tokio::test]
#[ignore = "needs Chromium and axe-core (LOBULE_AXE)"]
async fn a_service_with_a_token_asks_for_it() -> Outcome {
    let browser = Browser::start(LIGHT).await?;
    let (service, folder) = (Service::start_with(&[("LOBULE_TOKEN", "s3cret")], &[]), tempfile::tempdir()?);
    let page = &browser.client;
    page.goto(&service.url("/")).await?;
    page.find(Locator::Id("image")).await?.send_keys(&image(&folder).to_string_lossy()).await?;
    page.find(Locator::Css("button[type=submit]")).await?.click().await?;
    let problem = page.wait().for_element(Locator::Css("#outcome .problem")).await?.text().await?;
    assert!(problem.contains("token"), "{problem}");
    page.find(Locator::Id("token")).await?.send_keys("s3cret").await?;
    browser.screenshot("token").await?;
    assert_eq!(browser.faults().await?, Vec::<String>::new());
    page.find(Locator::Css("button[type=submit]")).await?.click().await?;
    page.wait().for_element(Locator::Css("#outcome .result h2")).await?;
    browser.close().await
}
