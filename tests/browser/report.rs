//! The report of an evaluation, as a file in the browser.

use std::process::Command;

use lobule::diagnosis::RESEARCH_USE;

use super::browser::{Browser, Look};
use super::support::drawn::tissue;
use super::{LOOKS, Outcome};

#[tokio::test]
#[ignore = "needs Chromium and axe-core (LOBULE_AXE)"]
async fn a_report_fits_every_width_asks_nobody_and_has_no_faults() -> Outcome {
    let folder = tempfile::tempdir()?;
    for (slide, first) in [("SOB_B_F", 1), ("SOB_M_DC", 11)] {
        for case in first..first + 3 {
            std::fs::write(folder.path().join(format!("{slide}-14-{case}-100-001.png")), tissue())?;
        }
    }
    let out = folder.path().join("report");
    let mut evaluate = Command::new(env!("CARGO_BIN_EXE_lobule"));
    evaluate.args(["evaluate", "--data"]).arg(folder.path()).arg("--report").arg(&out);
    assert!(evaluate.output()?.status.success());
    for (name, dark, width) in LOOKS {
        let browser = Browser::start(Look { scripts: true, dark, width }).await?;
        let page = &browser.client;
        page.goto(&format!("file://{}", out.join("report.html").display())).await?;
        browser.screenshot(&format!("report-{name}")).await?;
        let wide = page.execute("return document.documentElement.scrollWidth - innerWidth", vec![]).await?;
        assert!(wide.as_f64().is_some_and(|wide| wide <= 0.0), "{name}: {wide} pixels too wide");
        assert!(page.source().await?.contains(RESEARCH_USE));
        assert_eq!(browser.complaints("file:").await?, Vec::<String>::new(), "{name}");
        assert_eq!(browser.faults().await?, Vec::<String>::new(), "{name}");
        browser.close().await?;
    }
    Ok(())
}
