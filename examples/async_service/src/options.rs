//! The command line.

use std::ffi::OsString;
use std::time::Duration;

use lexopt::prelude::*;

pub(crate) const HELP: &str = "\
Runs an HTTP service whose handlers lock `tenant/project/document`, a job that locks whole tenants, and a load on them.

Usage: mutextree-async-service [OPTIONS]

Options:
  --seconds S       For how long; 0.5 is half a second [default: 5]
  --connections N   How many clients ask at the same time, 1 to 10000 [default: 64]
  --tenants N       How many tenants there are, 1 to 1000 [default: 4]
  --writes P        Of a hundred requests so many write [default: 20]
  --job-every MS    How long the job rests between two tenants, in milliseconds [default: 50]
  --patience MS     How long a request waits for its lock before it is answered with 503 [default: 2000]
  --no-lock         Take no locks, and see what happens
  --help            Print this

Exit status: 0 no violation, 1 violations, 2 it could not run";

#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Options {
    pub(crate) time: Duration,
    pub(crate) connections: u16,
    pub(crate) tenants: u16,
    pub(crate) writes: u8,
    pub(crate) job_every: Duration,
    pub(crate) patience: Duration,
    pub(crate) lock: bool,
}

impl Options {
    /// The options given on the command line; `None` if that asks for help.
    pub(crate) fn parse<T: Into<OsString>>(args: impl IntoIterator<Item = T>) -> Result<Option<Self>, lexopt::Error> {
        let mut options = Self {
            time: Duration::from_secs(5),
            connections: 64,
            tenants: 4,
            writes: 20,
            job_every: Duration::from_millis(50),
            patience: Duration::from_secs(2),
            lock: true,
        };
        let mut parser = lexopt::Parser::from_args(args.into_iter().map(Into::into));
        while let Some(argument) = parser.next()? {
            match argument {
                Long("seconds") => options.time = parser.value()?.parse_with(seconds)?,
                Long("connections") => {
                    options.connections = parser.value()?.parse_with(|text| number(text, 1, 10_000))?
                }
                Long("tenants") => options.tenants = parser.value()?.parse_with(|text| number(text, 1, 1000))?,
                Long("writes") => options.writes = parser.value()?.parse_with(|text| number(text, 0, 100))? as u8,
                Long("job-every") => options.job_every = parser.value()?.parse_with(millis)?,
                Long("patience") => options.patience = parser.value()?.parse_with(millis)?,
                Long("no-lock") => options.lock = false,
                Long("help") | Short('h') => return Ok(None),
                _ => return Err(argument.unexpected()),
            }
        }
        Ok(Some(options))
    }
}

fn seconds(text: &str) -> Result<Duration, &'static str> {
    let seconds = text.parse().ok().filter(|seconds| (0.01..=86_400.0).contains(seconds));
    seconds.map(Duration::from_secs_f64).ok_or("a time from 0.01 to 86400 seconds is wanted")
}

fn millis(text: &str) -> Result<Duration, String> {
    number(text, 0, 60_000).map(|millis| Duration::from_millis(millis.into()))
}

fn number(text: &str, least: u16, most: u16) -> Result<u16, String> {
    let number = text.parse().ok().filter(|number| (least..=most).contains(number));
    number.ok_or_else(|| format!("a number from {least} to {most} is wanted"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_are_understood_in_any_order() {
        let given =
            Options::parse(["--writes", "100", "--seconds=0.5", "--connections", "3", "--patience", "7", "--no-lock"]);
        let expected = Options {
            time: Duration::from_millis(500),
            connections: 3,
            tenants: 4,
            writes: 100,
            job_every: Duration::from_millis(50),
            patience: Duration::from_millis(7),
            lock: false,
        };
        assert_eq!(given.unwrap(), Some(expected));
        assert_eq!(Options::parse(["--tenants", "3", "--help"]).unwrap(), None);
    }

    #[test]
    fn what_cannot_be_meant_is_refused_with_the_option_or_value_named() {
        let cases: [(&[&str], &str); 8] = [
            (&["--connections", "0"], "a number from 1 to 10000"),
            (&["--connections", "many"], "many"),
            (&["--connections"], "--connections"),
            (&["--writes", "101"], "a number from 0 to 100"),
            (&["--seconds", "NaN"], "86400 seconds"),
            (&["--patience", "-1"], "a number from 0 to 60000"),
            (&["--fast"], "--fast"),
            (&["one"], "one"),
        ];
        for (args, named) in cases {
            let error = Options::parse(args).unwrap_err().to_string();
            assert!(error.contains(named), "{args:?}: {error}");
        }
    }
}
