//! Parses the arguments, sets up logging and runs one command.

use std::process::ExitCode;

use lobule::cli::{Arguments, logging};

fn main() -> ExitCode {
    let arguments = Arguments::read();
    if let Err(error) = logging::init(arguments.command.is_service()) {
        eprintln!("error: {error:#}");
        return ExitCode::FAILURE;
    }
    match arguments.command.run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!("{error:#}");
            ExitCode::FAILURE
        }
    }
}
