//! x
use std::process::ExitCode;
use crate::args::Doctor;
use crate::status::Failure;
pub(crate) fn run(_: &Doctor) -> Result<ExitCode, Failure> { todo!() }
