//! The variables of the environment. One that is set to nothing is a deployer's way of not setting it, everywhere.

use std::env::{self, VarError};

use anyhow::bail;
use clap::{Command, CommandFactory, FromArgMatches};

use super::Arguments;

impl Arguments {
    /// Reads the arguments, and for those that are not given the variables of the environment; leaves the program with
    /// a message where they are wrong.
    pub fn read() -> Self {
        let matches = without_empty_variables(Self::command()).get_matches();
        Self::from_arg_matches(&matches).unwrap_or_else(|error| error.exit())
    }
}

/// A command whose arguments take nothing from a variable that is empty.
fn without_empty_variables(command: Command) -> Command {
    let command = command.mut_args(|argument| {
        let is_empty = argument.get_env().is_some_and(|name| env::var_os(name).is_some_and(|value| value.is_empty()));
        if is_empty { argument.env(None) } else { argument }
    });
    command.mut_subcommands(without_empty_variables)
}

/// A variable that is text, if it is set to anything.
pub(super) fn variable(name: &str) -> anyhow::Result<Option<String>> {
    match env::var(name) {
        Ok(text) => Ok(Some(text).filter(|text| !text.is_empty())),
        Err(VarError::NotPresent) => Ok(None),
        Err(VarError::NotUnicode(_)) => bail!("the variable {name} is not text; unset it, or set it to text"),
    }
}
