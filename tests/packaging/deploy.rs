//! The guide's page "Deploy": its commands and its manifest say the same, the README's command too; the job of the page
//! "An archive"; and the real gcloud takes the commands of all pages.

use std::fs;
use std::process::Command;

use anyhow::{Context, ensure};
use serde_json::Value;

use super::{hold, procfile, root, stderr, text};

pub(crate) const PAGE: &str = "src/guide/deploy.md";

const ARCHIVE: &str = "src/guide/archive.md";

/// The blocks of code in a language, one after another.
fn blocks(page: &str, language: &str) -> String {
    let open = format!("```{language}\n");
    page.split(&open).skip(1).filter_map(|rest| Some(rest.split_once("```")?.0)).collect()
}

/// The commands of gcloud, each as its arguments.
fn commands(page: &str) -> Vec<Vec<String>> {
    let lines = blocks(page, "sh").replace("\\\n", " ");
    let commands = lines.lines().filter_map(|line| line.strip_prefix("gcloud "));
    commands.map(|command| command.split_whitespace().map(str::to_owned).collect()).collect()
}

/// The first command that begins so.
fn beginning(page: &str, words: &[&str]) -> anyhow::Result<Vec<String>> {
    let begins =
        |command: &Vec<String>| command.iter().zip(words).filter(|(word, of)| word == of).count() == words.len();
    commands(page).into_iter().find(begins).with_context(|| format!("no gcloud {}", words.join(" ")))
}

/// The deploy's own command.
fn deploy(page: &str) -> anyhow::Result<Vec<String>> {
    beginning(page, &["run", "deploy"])
}

/// The value of a flag of the deploy.
fn flag<'a>(command: &'a [String], name: &str) -> anyhow::Result<&'a str> {
    let value = command.iter().skip_while(|argument| *argument != name).nth(1);
    Ok(value.with_context(|| format!("the deploy has no {name} with a value"))?)
}

/// The requests that an instance is sent at a time.
pub(crate) fn concurrency(page: &str) -> anyhow::Result<usize> {
    flag(&deploy(page)?, "--concurrency")?.parse().context("--concurrency")
}

fn check(page: &str) -> anyhow::Result<()> {
    let command = deploy(page)?;
    let has = |flag: &str| command.iter().any(|argument| argument == flag);
    ensure!(flag(&command, "--source")? == ".", "it deploys another folder");
    ensure!(has("--no-allow-unauthenticated"), "strangers are let in");
    ensure!(has("--cpu-boost"), "no --cpu-boost");
    // A thread for each CPU, and 16 places before each: what comes beyond is answered 503.
    let (concurrency, cpu) = (concurrency(page)?, flag(&command, "--cpu")?);
    let places = 17 * cpu.parse::<usize>()?;
    ensure!(concurrency <= places, "{concurrency} at a time are more than the queue holds");
    let (memory, timeout) = (flag(&command, "--memory")?, flag(&command, "--timeout")?);
    let (least, most) = (flag(&command, "--min-instances")?, flag(&command, "--max-instances")?);
    let manifest = blocks(page, "yaml");
    for line in [
        format!("containerConcurrency: {concurrency}\n"),
        format!("timeoutSeconds: {timeout}\n"),
        format!("cpu: \"{cpu}\""),
        format!("memory: {memory}"),
        format!("minScale: \"{least}\"\n"),
        format!("maxScale: \"{most}\"\n"),
        "startup-cpu-boost: \"true\"\n".into(),
    ] {
        ensure!(manifest.contains(&line), "the manifest does not say {line:?}");
    }
    let ends_in_z = |line: &str| line.contains("path: /") && line.trim_end().ends_with('z');
    let never_arrives = page.contains("healthz") || page.lines().any(ends_in_z);
    ensure!(!never_arrives, "Google's front end answers paths that end in z");
    ensure!(page.contains("No deploy to Google was made from here"), "it does not say that nobody has tried it");
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
    assert_eq!(deploy(&text("README.md")).unwrap(), deploy(&text(PAGE)).unwrap());
}

/// All values of a flag.
fn values<'a>(command: &'a [String], name: &str) -> Vec<&'a String> {
    command.windows(2).filter(|pair| pair[0] == name).map(|pair| &pair[1]).collect()
}

fn check_job(page: &str) -> anyhow::Result<()> {
    let command = beginning(page, &["run", "jobs", "deploy"])?;
    ensure!(flag(&command, "--source")? == ".", "it deploys another folder");
    let process = flag(&command, "--command")?.strip_prefix("/cnb/process/").context("it goes around the launcher")?;
    let process = procfile::command(&text("Procfile"), process)?;
    ensure!(!command.iter().any(|argument| argument.starts_with("--args")), "the launcher passes none on");
    // A task that hangs or fails is tried again, but not for ever, and there are shards for more than one.
    ensure!(flag(&command, "--tasks")?.parse::<u32>()? > 1 && flag(&command, "--max-retries")?.parse::<u32>()? > 0);
    flag(&command, "--task-timeout")?;
    for mount in values(&command, "--add-volume-mount") {
        let (volume, path) =
            mount.strip_prefix("volume=").and_then(|mount| mount.split_once(",mount-path=")).context("a mount")?;
        ensure!(process.contains(path), "the job does not look at {path}");
        let volume = values(&command, "--add-volume")
            .into_iter()
            .find(|value| value.starts_with(&format!("name={volume},")))
            .context("no volume")?;
        ensure!(volume.contains("readonly=true") == (path == "/archive"), "{volume} at {path}");
    }
    ensure!(values(&command, "--add-volume-mount").len() == 2, "the images and the answers");
    ensure!(page.contains("Not tried on Google's machines"), "it does not say that nobody has tried it");
    Ok(())
}

#[test]
fn the_job_runs_what_the_procfile_has_over_buckets_that_it_may_not_change() {
    hold(
        ARCHIVE,
        check_job,
        &[
            ("a process that there is not", "/cnb/process/archive", "/cnb/process/batch"),
            ("a program that is on no path", "--command /cnb/process/archive", "--command lobule"),
            ("arguments that nobody gets", "--tasks 50", "--tasks 50 --args=--resume"),
            ("a single task", "--tasks 50", "--tasks 1"),
            ("no second attempt", "--max-retries 3", "--max-retries 0"),
            ("an archive that can be changed", ",readonly=true", ""),
            ("another place", "mount-path=/answers", "mount-path=/out"),
            ("a claim that nobody has tried", "Not tried on Google's machines", "Tried"),
        ],
    );
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
    fs::write(folder.path().join("service.yaml"), blocks(&page, "yaml")).unwrap();
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
        stderr(&command).into_owned()
    };
    const ACCOUNT: &str = "You do not currently have an active account selected";
    let pages = [PAGE, ARCHIVE, "src/guide/training.md"].map(|page| commands(&text(page)));
    assert!(pages.iter().all(|commands| commands.len() >= 3), "{pages:?}");
    let commands = pages.concat();
    // What only writes to the configuration asks for no account.
    for command in commands.iter().filter(|command| command[0] != "config") {
        let message = answer(command);
        println!("gcloud {}: {}", command.join(" "), message.lines().next().unwrap_or_default());
        assert!(message.contains(ACCOUNT), "gcloud {}\n{message}", command.join(" "));
    }
    let wrong = answer(&["run", "deploy", "lobule", "--source", ".", "--cpu-bost"].map(str::to_owned));
    assert!(wrong.contains("unrecognized arguments"), "{wrong}");
}
