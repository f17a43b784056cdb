//! The `Procfile`, as Google's entrypoint buildpack reads it.

use anyhow::{bail, ensure};

use super::{hold, text};

/// The command of the web process: `^(\w+):\s*(.+)$`, line by line.
pub(crate) fn web(text: &str) -> anyhow::Result<String> {
    let processes = text.lines().filter_map(|line| {
        let (name, command) = line.split_once(':')?;
        let is_word = !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
        (is_word && !command.trim().is_empty()).then(|| (name, command.trim()))
    });
    let web: Vec<&str> = processes.filter(|(name, _)| *name == "web").map(|(_, command)| command).collect();
    let &[command] = web.as_slice() else { bail!("{} web processes", web.len()) };
    ensure!(command.starts_with("exec "), "{command:?} leaves a shell between SIGTERM and the service");
    ensure!(command == "exec lobule serve", "{command:?} is not the service");
    Ok(command.to_owned())
}

#[test]
fn it_has_a_web_process_that_sigterm_reaches() {
    hold(
        "Procfile",
        |text| web(text).map(drop),
        &[
            ("no exec, so that bash gets the signal", "exec ", ""),
            ("another process", "web", "worker"),
            ("a name that is no word", "web", "web-1"),
            ("a command without a name", "web: ", ""),
            ("an empty command", "exec lobule serve", ""),
            ("a port of its own", "serve", "serve --listen 127.0.0.1:80"),
        ],
    );
    assert!(text("Procfile").lines().count() == 1);
}
