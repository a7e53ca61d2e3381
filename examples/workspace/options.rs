//! The command line.

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use lexopt::prelude::*;

pub(crate) const HELP: &str = "\
Copies a directory tree and lets threads work on the copy, each operation under the tree locks it needs.

Usage: workspace [OPTIONS] [DIR]

Arguments:
  [DIR]          What to copy; by default the sources of mutextree and of all it depends on

Options:
  --threads N    How many workers, 1 to 250 [default: 8]
  --seconds S    For how long they work; 0.5 is half a second [default: 10]
  --files N      Copy the tree again and again until there are so many files [default: 5000]
  --no-lock      Take no locks, and see what happens
  --seed N       Make the same choices again (when they meet is up to the scheduler)
  --help         Print this

Exit status: 0 no violation, 1 violations, 2 it could not run, 130 interrupted";

#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Options {
    pub(crate) directory: Option<PathBuf>,
    pub(crate) threads: u8,
    pub(crate) time: Duration,
    pub(crate) files: usize,
    pub(crate) lock: bool,
    pub(crate) seed: u64,
}

impl Options {
    /// The options given on the command line; `None` if that asks for help.
    pub(crate) fn parse<T: Into<OsString>>(args: impl IntoIterator<Item = T>) -> Result<Option<Self>, lexopt::Error> {
        let mut options = Self {
            directory: None,
            threads: 8,
            time: Duration::from_secs(10),
            files: 5000,
            lock: true,
            seed: fastrand::u64(..1_000_000),
        };
        let mut parser = lexopt::Parser::from_args(args.into_iter().map(Into::into));
        while let Some(argument) = parser.next()? {
            match argument {
                Long("threads") => options.threads = parser.value()?.parse_with(threads)?,
                Long("seconds") => options.time = parser.value()?.parse_with(seconds)?,
                Long("files") => options.files = parser.value()?.parse_with(files)?,
                Long("seed") => options.seed = parser.value()?.parse()?,
                Long("no-lock") => options.lock = false,
                Long("help") | Short('h') => return Ok(None),
                Value(directory) if options.directory.is_none() => options.directory = Some(directory.into()),
                _ => return Err(argument.unexpected()),
            }
        }
        Ok(Some(options))
    }
}

fn threads(text: &str) -> Result<u8, &'static str> {
    text.parse().ok().filter(|threads| (1..=250).contains(threads)).ok_or("a number from 1 to 250 is wanted")
}

fn seconds(text: &str) -> Result<Duration, &'static str> {
    let seconds = text.parse().ok().filter(|seconds| (0.01..=86_400.0).contains(seconds));
    seconds.map(Duration::from_secs_f64).ok_or("a time from 0.01 to 86400 seconds is wanted")
}

fn files(text: &str) -> Result<usize, &'static str> {
    text.parse().ok().filter(|files| (1..=200_000).contains(files)).ok_or("a number from 1 to 200000 is wanted")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_are_understood_in_any_order() {
        let options = Options::parse(["--threads", "3", "dir", "--seconds=0.5", "--no-lock", "--seed", "7"]);
        let expected = Options {
            directory: Some("dir".into()),
            threads: 3,
            time: Duration::from_millis(500),
            files: 5000,
            lock: false,
            seed: 7,
        };
        assert_eq!(options.unwrap(), Some(expected));
        assert_eq!(Options::parse(["--threads", "3", "--help"]).unwrap(), None);
    }

    #[test]
    fn what_cannot_be_meant_is_refused_with_the_option_or_value_named() {
        let cases: [(&[&str], &str); 9] = [
            (&["--threads", "0"], "a number from 1 to 250"),
            (&["--threads", "251"], "a number from 1 to 250"),
            (&["--threads", "many"], "many"),
            (&["--threads"], "--threads"),
            (&["--seconds", "0"], "86400 seconds"),
            (&["--seconds", "NaN"], "86400 seconds"),
            (&["--files", "0"], "a number from 1 to 200000"),
            (&["--fast"], "--fast"),
            (&["one", "two"], "two"),
        ];
        for (args, named) in cases {
            let error = Options::parse(args).unwrap_err().to_string();
            assert!(error.contains(named), "{args:?}: {error}");
        }
    }
}
