//! x
use std::process::ExitCode;
use crate::args::Ls;
use crate::status::Failure;
pub(crate) fn run(_: &Ls) -> Result<ExitCode, Failure> { todo!() }
