//! x
use std::process::ExitCode;
use crate::args::Watch;
use crate::status::Failure;
pub(crate) fn run(_: &Watch) -> Result<ExitCode, Failure> { todo!() }
