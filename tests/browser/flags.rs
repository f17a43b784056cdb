//! What speaks against a prediction, on the page.

use fantoccini::{Client, Locator};
use serde_json::{Value, json};

use super::browser::{Browser, Look};
use super::support::drawn::{noise, tissue};
use super::support::flagging::knows_only;
use super::support::service::Service;
use super::{ENTER, LOOKS, Outcome};

/// What the page says of an image, field by field, and the items of its list of flags.
const SAID: &str = "const result = document.querySelector('.result');
    const text = (element) => element.textContent;
    return {
      fields: ['heading', 'confidence', 'probability', 'decision', 'flags'].map((name) =>
        text(result.querySelector(`[data-field=${name}]`))),
      flags: [...result.querySelectorAll('.flags li')].filter((item) => item.getClientRects().length > 0).map(text),
    };";

/// Sends an image by the form.
async fn send(page: &Client, service: &Service, image: &std::path::Path) -> Outcome {
    page.goto(&service.url("/")).await?;
    page.find(Locator::Id("image")).await?.send_keys(&image.to_string_lossy()).await?;
    page.find(Locator::Css("button[type=submit]")).await?.send_keys(ENTER).await?;
    page.wait().for_element(Locator::Css(".result h2")).await?;
    Ok(())
}

#[tokio::test]
#[ignore = "needs Chromium and axe-core (LOBULE_AXE)"]
async fn what_is_flagged_is_said_in_words_with_scripts_and_without_them() -> Outcome {
    let folder = tempfile::tempdir()?;
    let [known, foreign, weights] = ["known.png", "foreign.png", "w.safetensors"].map(|name| folder.path().join(name));
    std::fs::write(&known, tissue())?;
    std::fs::write(&foreign, noise(330))?;
    let mut file = knows_only(&image::load_from_memory(&tissue())?.into_rgb8());
    file.metadata.flags.as_mut().ok_or("no flags")?.uncertain = 1e-6;
    file.write(&weights)?;
    let service = Service::start(&["--weights", &weights.to_string_lossy()]);
    for (name, dark, width) in LOOKS {
        let browser = Browser::start(Look { scripts: true, dark, width }).await?;
        let page = &browser.client;
        send(page, &service, &foreign).await?;
        let said = page.execute(SAID, vec![]).await?;
        let words = |at: usize| said["fields"][at].as_str().unwrap_or_default().to_owned();
        assert_eq!(words(0), "No decision");
        assert!(words(1).starts_with("The more probable class is ") && words(2).ends_with('%'), "{said}");
        assert!(words(3).contains("no decision is made, because of the flag foreign. The probability"), "{said}");
        let flags: Vec<&str> = said["flags"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
        assert!(flags.len() == 2 && flags[0].contains("Check that the right file was sent"), "{said}");
        let heard = page.find(Locator::Id("progress")).await?.text().await?;
        assert_eq!(heard, "Result: No decision, flagged foreign and stain", "a screen reader hears it");
        page.execute("document.querySelector('#outcome').scrollIntoView()", vec![]).await?;
        browser.screenshot(&format!("flagged-{name}")).await?;
        assert_eq!(browser.faults().await?, Vec::<String>::new(), "{name}");
        let overflow = "return document.documentElement.scrollWidth > document.documentElement.clientWidth";
        assert_eq!(page.execute(overflow, vec![]).await?, false, "nothing is wider than the window: {name}");

        send(page, &service, &known).await?;
        let unflagged = page.execute(SAID, vec![]).await?;
        assert_eq!((&unflagged["flags"], &unflagged["fields"][4]), (&json!([]), &"none".into()), "{unflagged}");
        browser.screenshot(&format!("unflagged-{name}")).await?;
        assert_eq!(browser.complaints(&service.url("/")).await?, Vec::<String>::new(), "{name}");
        browser.close().await?;

        let browser = Browser::start(Look { scripts: false, dark, width }).await?;
        for (image, with_scripts) in [(&foreign, &said), (&known, &unflagged)] {
            send(&browser.client, &service, image).await?;
            assert_eq!(browser.client.execute(SAID, vec![]).await?, *with_scripts, "{name}");
        }
        browser.close().await?;
    }
    Ok(())
}
