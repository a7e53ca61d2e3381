//! x
use std::process::ExitCode;
use crate::args::Why;
use crate::status::Failure;
pub(crate) fn run(_: &Why) -> Result<ExitCode, Failure> { todo!() }
