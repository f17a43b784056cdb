//! `lobule completions` and `lobule man`: what a shell and a manual know of the commands, from their own description.

use clap::{Args, CommandFactory};
use clap_complete::Shell;

use crate::cli::{Arguments, output};

/// Arguments of `lobule completions`.
#[derive(Debug, Args)]
pub struct CompletionsArguments {
    /// The shell that completes.
    shell: Shell,
}

pub(super) fn completions(arguments: &CompletionsArguments) -> anyhow::Result<()> {
    let mut script = Vec::new();
    clap_complete::generate(arguments.shell, &mut Arguments::command(), "lobule", &mut script);
    output::print(&String::from_utf8(script)?).map(drop)
}

/// Prints a page for the program and one for each command, one after the other, as `man` shows them.
pub(super) fn man() -> anyhow::Result<()> {
    let mut program = Arguments::command();
    program.build();
    output::print(&String::from_utf8(pages(&program)?)?).map(drop)
}

fn pages(command: &clap::Command) -> std::io::Result<Vec<u8>> {
    let mut pages = Vec::new();
    clap_mangen::Man::new(command.clone()).render(&mut pages)?;
    for command in command.get_subcommands().filter(|command| command.get_name() != "help") {
        pages.extend(self::pages(command)?);
    }
    Ok(pages)
}
