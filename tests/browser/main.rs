//! The page in a real browser: Chromium, driven through chromedriver, against the real binary.
//!
//! Where there is no chromedriver the tests say that they were skipped. With `LOBULE_SCREENSHOTS=DIR` they leave
//! pictures of what they saw in that folder.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "clippy takes the helpers of a test for production code"
)]

mod browser;
mod service;

use std::path::PathBuf;

use browser::{Browser, Look};
use fantoccini::Locator;
use image::{Rgb, RgbImage};
use lobule::diagnosis::RESEARCH_USE;
use service::Service;

/// Everything is done from the keyboard; WebDriver writes its keys as private characters.
const ENTER: &str = "\u{E007}";

type Outcome = Result<(), Box<dyn std::error::Error>>;

/// A picture on the disk that the browser can choose, drawn as pink tissue with dark nuclei.
fn picture(folder: &tempfile::TempDir) -> PathBuf {
    let path = folder.path().join("picture.png");
    let drawn = RgbImage::from_fn(350, 230, |x, y| {
        let nucleus = (x % 23).abs_diff(11).pow(2) + (y % 19).abs_diff(9).pow(2) < 20 + (x * y) % 17;
        Rgb(if nucleus { [96, 60, 140] } else { [232, 190 - (x % 40) as u8, 214] })
    });
    drawn.save(&path).unwrap();
    path
}

#[tokio::test]
async fn a_picture_is_classified_with_scripts_off() -> Outcome {
    let Some(browser) = Browser::start(Look { scripts: false, dark: false, width: 1280 }).await? else { return Ok(()) };
    let (service, folder) = (Service::start(), tempfile::tempdir()?);
    let page = &browser.client;

    page.goto("data:text/html,<title>off</title><script>document.title='on'</script>").await?;
    assert_eq!(page.title().await?, "off", "scripts are truly off");

    page.goto(&service.url("/")).await?;
    browser.screenshot("home-without-scripts").await?;
    assert!(page.find(Locator::Css("footer")).await?.text().await?.contains(RESEARCH_USE));
    page.find(Locator::Css("label[for=image]")).await?;
    page.find(Locator::Id("image")).await?.send_keys(&picture(&folder).to_string_lossy()).await?;
    page.find(Locator::Css("button[type=submit]")).await?.send_keys(ENTER).await?;

    let label = page.wait().for_element(Locator::Css("h2[data-field=label]")).await?.text().await?;
    assert!(["Benign", "Malignant"].contains(&label.as_str()), "{label}");
    assert_eq!(page.current_url().await?.path(), "/predict");
    assert!(page.find(Locator::Css("p[data-field=decision]")).await?.text().await?.contains("the decision is"));
    assert!(page.find(Locator::Css("footer")).await?.text().await?.contains(RESEARCH_USE));
    let fill = page.find(Locator::Css(".bar .fill")).await?.rectangle().await?.2;
    let track = page.find(Locator::Css(".bar .track")).await?.rectangle().await?.2;
    assert!(fill > 0.0 && fill < track, "the bar is drawn: {fill} of {track}");
    assert!(page.find(Locator::Css("figure img")).await?.rectangle().await?.2 > 100.0, "the picture is shown");
    browser.screenshot("result-without-scripts").await?;

    page.find(Locator::LinkText("Classify another picture")).await?.send_keys(ENTER).await?;
    page.wait().for_element(Locator::Id("upload")).await?;
    browser.close().await
}

#[tokio::test]
async fn a_broken_picture_gets_an_error_page_with_scripts_off() -> Outcome {
    let Some(browser) = Browser::start(Look { scripts: false, dark: true, width: 1280 }).await? else { return Ok(()) };
    let (service, folder) = (Service::start(), tempfile::tempdir()?);
    let page = &browser.client;
    let text = folder.path().join("text.png");
    std::fs::write(&text, "This is no picture.")?;

    page.goto(&service.url("/")).await?;
    page.find(Locator::Id("image")).await?.send_keys(&text.to_string_lossy()).await?;
    page.find(Locator::Css("button[type=submit]")).await?.send_keys(ENTER).await?;
    let back = page.wait().for_element(Locator::LinkText("Back to the start")).await?;
    let title = page.find(Locator::Css("main h1")).await?.text().await?;
    browser.screenshot("error-without-scripts-dark").await?;
    assert_eq!(title, "That did not work");
    back.send_keys(ENTER).await?;
    page.wait().for_element(Locator::Id("upload")).await?;
    browser.close().await
}

#[tokio::test]
async fn with_scripts_the_result_appears_in_place() -> Outcome {
    for (dark, width, name) in [
        (false, 1280, "light-desktop"),
        (true, 1280, "dark-desktop"),
        (false, 390, "light-phone"),
        (true, 390, "dark-phone"),
    ] {
        let Some(browser) = Browser::start(Look { scripts: true, dark, width }).await? else { return Ok(()) };
        let (service, folder) = (Service::start(), tempfile::tempdir()?);
        let page = &browser.client;

        page.goto(&service.url("/")).await?;
        browser.screenshot(&format!("home-{name}")).await?;
        let input = page.find(Locator::Id("image")).await?;
        input.send_keys(&picture(&folder).to_string_lossy()).await?;
        page.wait().for_element(Locator::Css(".drop img:not([hidden])")).await?;
        page.find(Locator::Css("button[type=submit]")).await?.send_keys(ENTER).await?;
        page.wait().for_element(Locator::Css("#outcome .result")).await?;
        assert_eq!(page.current_url().await?.path(), "/", "the page stays");
        let decision = page.find(Locator::Css("#outcome [data-field=decision]")).await?.text().await?;
        assert!(decision.starts_with("At a threshold of 0.5 the decision is "), "{decision}");
        let fill = page.find(Locator::Css("#outcome .fill")).await?.rectangle().await?.2;
        assert!(fill > 0.0, "the bar is drawn");
        browser.screenshot(&format!("result-{name}")).await?;

        let text = folder.path().join("text.png");
        std::fs::write(&text, "This is no picture.")?;
        input.send_keys(&text.to_string_lossy()).await?;
        page.find(Locator::Css("button[type=submit]")).await?.send_keys(ENTER).await?;
        let problem = page.wait().for_element(Locator::Css("#outcome .problem")).await?.text().await?;
        assert!(problem.contains("not a picture"), "{problem}");
        browser.screenshot(&format!("problem-{name}")).await?;

        let overflow = "return document.documentElement.scrollWidth > document.documentElement.clientWidth";
        assert_eq!(page.execute(overflow, vec![]).await?, false, "nothing is wider than the window: {name}");
        browser.close().await?;
    }
    Ok(())
}
