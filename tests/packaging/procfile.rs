//! The `Procfile`, as Google's entrypoint buildpack reads it.

use super::{hold, text};

/// The command of the web process: `^(\w+):\s*(.+)$`, line by line.
pub(crate) fn web(text: &str) -> Result<String, String> {
    let processes = text.lines().filter_map(|line| {
        let (name, command) = line.split_once(':')?;
        let is_word = !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
        (is_word && !command.trim().is_empty()).then(|| (name, command.trim()))
    });
    let mut web = processes.filter(|(name, _)| *name == "web").map(|(_, command)| command);
    let command = web.next().ok_or("no web process")?;
    if web.next().is_some() {
        return Err("two web processes".into());
    }
    if !command.starts_with("exec ") {
        return Err(format!("{command:?} leaves a shell between SIGTERM and the service"));
    }
    if command != "exec lobule serve" {
        return Err(format!("{command:?} is not the service"));
    }
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
