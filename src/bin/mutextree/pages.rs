//! What is made of the command line itself: completion for shells, and manual pages.

use std::io::{self, Write as _};
use std::process::ExitCode;

use clap::CommandFactory as _;

use crate::args::Arguments;
use crate::status::Failure;

pub(crate) fn completions(shell: clap_complete::Shell) -> Result<ExitCode, Failure> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Arguments::command(), "mutextree", &mut script);
    io::stdout().write_all(&script)?;
    Ok(ExitCode::SUCCESS)
}

pub(crate) fn man(subcommand: Option<&str>) -> Result<ExitCode, Failure> {
    let mut root = Arguments::command();
    root.build();
    let command = match subcommand {
        None => root.clone(),
        Some(name) => {
            let found = root.find_subcommand(name);
            let command = found.ok_or_else(|| Failure::usage(format!("there is no subcommand `{name}`")))?;
            command.clone().name(format!("mutextree-{name}"))
        }
    };
    let mut page = Vec::new();
    clap_mangen::Man::new(command).section("1").render(&mut page)?;
    io::stdout().write_all(&page)?;
    Ok(ExitCode::SUCCESS)
}
