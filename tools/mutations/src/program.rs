//! A test program of a broken copy: how it is built, and what becomes of one of its tests.

use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

/// Far more than a test takes that passes. One that takes longer has not been seen to fail.
const AT_MOST: Duration = Duration::from_secs(300);

/// What became of a test.
pub(crate) enum Outcome {
    Passed,
    /// With the first line of what it said.
    Failed(String),
    TookTooLong,
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Passed => f.write_str("passed"),
            Self::Failed(why) => write!(f, "failed: {why}"),
            Self::TookTooLong => f.write_str("took too long"),
        }
    }
}

pub(crate) struct Program(PathBuf);

impl Program {
    /// What this command of cargo's builds; why not, otherwise.
    pub(crate) fn build(cargo: &mut Command) -> Result<Self, String> {
        let built = cargo
            .args(["--no-run", "--message-format=json-render-diagnostics"])
            .output()
            .map_err(|error| format!("cargo: {error}"))?;
        if !built.status.success() {
            return Err(format!("does not compile\n{}", String::from_utf8_lossy(&built.stderr)));
        }
        let messages = String::from_utf8_lossy(&built.stdout);
        let program =
            messages.lines().filter_map(|line| line.split_once(r#""executable":""#)?.1.split_once('"')).next_back();
        program.map(|(path, _)| Self(PathBuf::from(path))).ok_or_else(|| "cargo names no test program".into())
    }

    /// Runs one test. `said` is a file for what it says.
    pub(crate) fn run(&self, test: &str, said: &Path, variables: &[(&str, &str)]) -> Result<Outcome, String> {
        let file = fs::File::create(said).map_err(|error| error.to_string())?;
        let both = file.try_clone().map_err(|error| error.to_string())?;
        let mut child = Command::new(&self.0)
            .args([test, "--exact", "--nocapture"])
            .envs(variables.iter().copied())
            .env_remove("RUST_BACKTRACE")
            .stdout(Stdio::from(file))
            .stderr(Stdio::from(both))
            .spawn()
            .map_err(|error| error.to_string())?;
        let Some(success) = wait(&mut child)? else { return Ok(Outcome::TookTooLong) };
        let said = String::from_utf8_lossy(&fs::read(said).map_err(|error| error.to_string())?).into_owned();
        if !said.contains("running 1 test") {
            return Err(format!("{test} did not run"));
        }
        Ok(if success { Outcome::Passed } else { Outcome::Failed(reason(&said)) })
    }
}

/// How it ended, if it did in time.
fn wait(child: &mut Child) -> Result<Option<bool>, String> {
    let started = Instant::now();
    loop {
        if let Some(status) = child.try_wait().map_err(|error| error.to_string())? {
            return Ok(Some(status.success()));
        }
        if started.elapsed() > AT_MOST {
            let _ = child.kill();
            let _ = child.wait();
            return Ok(None);
        }
        thread::sleep(Duration::from_millis(20));
    }
}

/// The message of the first panic.
fn reason(said: &str) -> String {
    let mut after = said.lines().skip_while(|line| !line.contains("panicked at")).skip(1);
    let message = after.find(|line| !line.trim().is_empty()).unwrap_or("it died without a word").trim();
    message.chars().take(70).collect()
}
