//! `mutextree doctor`: can this server, or this directory, be used; and what to do if not.
//!
//! * `doctor/server.rs`: what servers say of themselves; `doctor/info.rs`: their `INFO`
//! * `doctor/sentinels.rs`, `doctor/cluster.rs`: how servers are found, if there are several
//! * `doctor/asking.rs`: which servers a URL leads to; connections to them
//! * `doctor/directory.rs`: a directory
//!
//! Each look is a line: how good it is, what was looked at, what was found, and what to do. The
//! lines come as they are found, so that one sees which look hangs.

use std::io::{self, IsTerminal as _, Write as _};
use std::process::ExitCode;

mod asking;
mod cluster;
mod directory;
mod info;
mod sentinels;
mod server;

use crate::args::Doctor;
use crate::redact::redacted;
use crate::status::{Failure, UNAVAILABLE};
use crate::text::printable;

/// How good it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Grade {
    Good,
    /// It works, and could be better.
    Doubtful,
    /// Locks do not work here.
    Bad,
}

/// What one look found.
#[derive(Debug)]
struct Finding {
    grade: Grade,
    what: &'static str,
    found: String,
    /// What to do about it; nothing if it is good.
    advice: Option<&'static str>,
}

impl Finding {
    fn good(what: &'static str, found: impl Into<String>) -> Self {
        Self { grade: Grade::Good, what, found: found.into(), advice: None }
    }

    fn doubtful(what: &'static str, found: impl Into<String>, advice: &'static str) -> Self {
        Self { grade: Grade::Doubtful, what, found: found.into(), advice: Some(advice) }
    }

    fn bad(what: &'static str, found: impl Into<String>, advice: &'static str) -> Self {
        Self { grade: Grade::Bad, what, found: found.into(), advice: Some(advice) }
    }

    /// Of one server of several.
    fn at(self, address: &str) -> Self {
        Self { found: format!("{address}: {}", self.found), ..self }
    }

    /// Nothing is wrong for now.
    fn for_later(self) -> Self {
        Self { grade: if self.grade == Grade::Bad { Grade::Doubtful } else { self.grade }, ..self }
    }
}

/// Writes findings as they come.
struct Report {
    worst: Grade,
    is_coloured: bool,
}

impl Report {
    fn add(&mut self, finding: &Finding) -> Result<(), Failure> {
        let (word, colour) = match finding.grade {
            Grade::Good => ("ok", 32),
            Grade::Doubtful => ("note", 33),
            Grade::Bad => ("FAIL", 31),
        };
        if finding.grade == Grade::Bad || self.worst == Grade::Good {
            self.worst = finding.grade;
        }
        let mut word = format!("{word:<4}");
        if self.is_coloured {
            word = format!("\x1b[{colour}m{word}\x1b[0m");
        }
        let mut out = io::stdout().lock();
        writeln!(out, "{word}  {:<12} {}", finding.what, printable(&redacted(&finding.found)))?;
        if let Some(advice) = &finding.advice {
            writeln!(out, "{:19}to do: {}", "", advice)?;
        }
        Ok(out.flush()?)
    }
}

pub(crate) fn run(doctor: &Doctor) -> Result<ExitCode, Failure> {
    let mut report = Report { worst: Grade::Good, is_coloured: io::stdout().is_terminal() };
    let mut tell = |finding: Finding| report.add(&finding);
    match &doctor.keeper.dir {
        Some(dir) => directory::look(dir, &mut tell)?,
        None => server::look(&doctor.keeper, &mut tell)?,
    }
    let (verdict, status) = match report.worst {
        Grade::Good => ("locks work here", 0),
        Grade::Doubtful => ("locks work here, with the notes above", 0),
        Grade::Bad => ("locks do not work here", UNAVAILABLE),
    };
    writeln!(io::stdout(), "{verdict}")?;
    Ok(ExitCode::from(status))
}
