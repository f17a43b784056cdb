//! The `Procfile`, as Google's entrypoint buildpack reads it.

use anyhow::{Context, bail, ensure};

use super::{hold, text};

/// The processes, each with its command: `^(\w+):\s*(.+)$`, line by line.
fn processes(text: &str) -> Vec<(&str, &str)> {
    let pairs = text.lines().filter_map(|line| line.split_once(':'));
    let pairs = pairs.map(|(name, command)| (name, command.trim()));
    let is_word = |name: &str| !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
    pairs.filter(|(name, command)| is_word(name) && !command.is_empty()).collect()
}

/// The command of a process.
pub(crate) fn command(text: &str, name: &str) -> anyhow::Result<String> {
    let processes = processes(text);
    let of_name: Vec<&str> =
        processes.iter().filter(|(found, _)| *found == name).map(|(_, command)| *command).collect();
    let &[command] = of_name.as_slice() else { bail!("{} {name} processes", of_name.len()) };
    ensure!(command.starts_with("exec "), "{command:?} leaves a shell between SIGTERM and the program");
    Ok(command.to_owned())
}

fn check(text: &str) -> anyhow::Result<()> {
    let web = command(text, "web")?;
    ensure!(web == "exec lobule serve", "{web:?} is not the service");
    let archive = command(text, "archive")?;
    let words: Vec<&str> = archive.split_whitespace().collect();
    ensure!(words.starts_with(&["exec", "lobule", "predict"]), "{archive:?} predicts nothing");
    // A task that is tried again goes on with its own file, and one bad image is no reason to try again.
    ensure!(words.contains(&"--resume") && words.contains(&"--skip-unreadable"), "{archive:?}");
    // The launcher passes no arguments on to a process of a Procfile, so that all come from variables.
    let variable = |name: &str| archive.contains(&format!("\"${{{name}:-")).then_some(()).context(name.to_owned());
    ["LOBULE_ARCHIVE", "LOBULE_ANSWERS"].into_iter().try_for_each(variable)?;
    // A later execution must not find the answers of an earlier one and go on with them.
    ensure!(archive.contains("CLOUD_RUN_EXECUTION"), "{archive:?} writes to one place for ever");
    Ok(())
}

#[test]
fn it_has_a_service_and_a_job_that_sigterm_reaches() {
    hold(
        "Procfile",
        check,
        &[
            ("no exec, so that bash gets the signal", "exec ", ""),
            ("no exec in the job", "archive: exec ", "archive: "),
            ("another process", "web", "worker"),
            ("a name that is no word", "web", "web-1"),
            ("a command without a name", "web: ", ""),
            ("an empty command", "exec lobule serve", ""),
            ("a port of its own", "serve", "serve --listen 127.0.0.1:80"),
            ("a job without a name", "archive", "the-archive"),
            ("a job that begins again", " --resume", ""),
            ("a job that fails at a bad image", " --skip-unreadable", ""),
            ("a job that goes on with last year's", "CLOUD_RUN_EXECUTION", "HOSTNAME"),
            ("a folder with a space in its name", "\"${LOBULE_ARCHIVE:-/archive}\"", "${LOBULE_ARCHIVE:-/archive}"),
        ],
    );
    assert!(text("Procfile").lines().count() == 2);
}
