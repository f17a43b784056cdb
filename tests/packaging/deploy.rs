//! The guide's page "Deploy": its commands and its manifest say the same, the README's command too, and the real gcloud
//! takes them.

use std::fs;
use std::process::Command;

use serde_json::Value;

use super::{hold, root, text};

/// The page.
pub(crate) const PAGE: &str = "src/guide/deploy.md";

/// The blocks of code in a language.
fn blocks<'a>(page: &'a str, language: &str) -> Vec<&'a str> {
    let open = format!("```{language}\n");
    page.split(&open).skip(1).filter_map(|rest| Some(rest.split_once("```")?.0)).collect()
}

/// The commands of gcloud, each as its arguments.
fn commands(page: &str) -> Vec<Vec<String>> {
    let lines = blocks(page, "sh").concat().replace("\\\n", " ");
    let commands = lines.lines().filter_map(|line| line.strip_prefix("gcloud "));
    commands.map(|command| command.split_whitespace().map(str::to_owned).collect()).collect()
}

/// The deploy's own command.
fn deploy(page: &str) -> Result<Vec<String>, String> {
    let mut commands = commands(page).into_iter();
    commands.find(|command| command.starts_with(&["run".into(), "deploy".into()])).ok_or("no gcloud run deploy".into())
}

/// The value of a flag of the deploy.
fn flag(command: &[String], name: &str) -> Result<String, String> {
    let place = command.iter().position(|argument| argument == name).ok_or(format!("the deploy has no {name}"))?;
    command.get(place + 1).cloned().ok_or(format!("{name} has no value"))
}

/// The requests that an instance is sent at a time.
pub(crate) fn concurrency(page: &str) -> Result<usize, String> {
    flag(&deploy(page)?, "--concurrency")?.parse().map_err(|error| format!("--concurrency: {error}"))
}

fn check(page: &str) -> Result<(), String> {
    let command = deploy(page)?;
    if flag(&command, "--source")? != "." {
        return Err("it deploys another folder".into());
    }
    if !command.iter().any(|argument| argument == "--no-allow-unauthenticated") {
        return Err("strangers are let in".into());
    }
    // A thread for each CPU, and 16 places before each: what comes beyond is answered 503.
    let (concurrency, cpu) = (concurrency(page)?, flag(&command, "--cpu")?);
    if concurrency > 17 * cpu.parse::<usize>().map_err(|error| error.to_string())? {
        return Err(format!("{concurrency} at a time are more than the queue holds"));
    }
    let (memory, timeout) = (flag(&command, "--memory")?, flag(&command, "--timeout")?);
    let (least, most) = (flag(&command, "--min-instances")?, flag(&command, "--max-instances")?);
    if !command.iter().any(|argument| argument == "--cpu-boost") {
        return Err("no --cpu-boost".into());
    }
    let manifest = blocks(page, "yaml").concat();
    for line in [
        format!("containerConcurrency: {concurrency}\n"),
        format!("timeoutSeconds: {timeout}\n"),
        format!("cpu: \"{cpu}\""),
        format!("memory: {memory}"),
        format!("minScale: \"{least}\"\n"),
        format!("maxScale: \"{most}\"\n"),
        "startup-cpu-boost: \"true\"\n".into(),
    ] {
        if !manifest.contains(&line) {
            return Err(format!("the manifest does not say {line:?}"));
        }
    }
    if page.contains("healthz") || page.lines().any(|line| line.contains("path: /") && line.trim_end().ends_with('z')) {
        return Err("Google's front end answers paths that end in z".into());
    }
    if !page.contains("No deploy to Google was made from here") {
        return Err("it does not say that nobody has tried it".into());
    }
    Ok(())
}

#[test]
fn the_page_deploys_safely_and_says_one_thing() {
    hold(
        PAGE,
        check,
        &[
            ("strangers", "--no-allow-unauthenticated", "--allow-unauthenticated"),
            ("the default concurrency", "--concurrency ", "--concurrency 80 --was "),
            ("a manifest with another concurrency", "containerConcurrency: ", "containerConcurrency: 1"),
            ("another memory", "memory: 512Mi", "memory: 1Gi"),
            ("another folder", "--source .", "--source src"),
            ("a probe that never arrives", "path: /health\n", "path: /healthz\n"),
            ("a claim that nobody has tried", "No deploy to Google was made from here", "It was deployed"),
        ],
    );
    assert_eq!(deploy(&text("README.md")), deploy(&text(PAGE)));
}

#[test]
fn no_route_ends_in_z_and_no_body_is_larger_than_cloud_run_passes_on() {
    let api: Value = serde_json::from_str(&text("src/serve/routes/openapi.json")).unwrap();
    let routes = api["paths"].as_object().unwrap();
    assert!(routes.contains_key("/health") && routes.contains_key("/ready"));
    assert!(routes.keys().all(|route| !route.ends_with('z')), "{routes:?}");
    let help = Command::new(env!("CARGO_BIN_EXE_lobule")).args(["serve", "--help"]).output().unwrap();
    let help = String::from_utf8(help.stdout).unwrap().split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(help.contains(&format!("[default: {}]", 32 << 20)), "{help}");
    assert!(help.contains("[default: 0.0.0.0:8080]"), "{help}");
}

#[test]
#[ignore = "needs gcloud"]
fn the_real_gcloud_takes_the_commands_up_to_the_account() {
    let (folder, page) = (tempfile::tempdir().unwrap(), text(PAGE));
    fs::write(folder.path().join("service.yaml"), blocks(&page, "yaml").concat()).unwrap();
    let answer = |arguments: &[String]| {
        let in_the_clone = arguments.iter().any(|argument| argument == "--source");
        let command = Command::new("gcloud")
            .args(arguments)
            .env("CLOUDSDK_CONFIG", folder.path())
            .env("CLOUDSDK_CORE_PROJECT", "my-project")
            .env("CLOUDSDK_RUN_REGION", "europe-west1")
            .env("CLOUDSDK_CORE_DISABLE_PROMPTS", "1")
            .current_dir(if in_the_clone { root() } else { folder.path() })
            .output()
            .unwrap();
        String::from_utf8_lossy(&command.stderr).into_owned()
    };
    const ACCOUNT: &str = "You do not currently have an active account selected";
    let commands = commands(&page);
    assert!(commands.len() >= 4, "{commands:?}");
    // What only writes to the configuration asks for no account.
    for command in commands.iter().filter(|command| command[0] != "config") {
        let message = answer(command);
        println!("gcloud {}: {}", command.join(" "), message.lines().next().unwrap_or_default());
        assert!(message.contains(ACCOUNT), "gcloud {}\n{message}", command.join(" "));
    }
    let wrong = answer(&["run", "deploy", "lobule", "--source", ".", "--cpu-bost"].map(str::to_owned));
    assert!(wrong.contains("unrecognized arguments"), "{wrong}");
}
