//! The second list: the store over Redis, broken on purpose, one promise at a time, in the scripts
//! and in Rust. Each [`Fault`] names the tests that have to notice it, and what runs them.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::copy::{alone, edit, mirror, read, write};
use crate::program::{Outcome, Program};
use crate::{header, report};

pub(crate) mod list;
mod runner;

use list::Fault;

/// What is tried: the faults whose text, tests or runner have one of these words; all if there is
/// none.
fn chosen(words: &[String]) -> Result<Vec<&'static Fault>, String> {
    let names = |fault: &Fault, word: &String| {
        fault.what.contains(&**word)
            || fault.runner.name() == word
            || fault.fails.iter().any(|test| test.contains(&**word))
            || fault.edits.iter().any(|(file, ..)| file.contains(&**word))
    };
    let faults: Vec<_> =
        list::all().filter(|fault| words.is_empty() || words.iter().any(|word| names(fault, word))).collect();
    if faults.is_empty() {
        return Err(format!("no fault of the store over Redis is named by: {}", words.join(" ")));
    }
    Ok(faults)
}

/// Whether the list fits the code: no test is run.
pub(crate) fn check(root: &Path, words: &[String]) -> Result<bool, String> {
    let (bench, faults) = (Bench::new(root)?, chosen(words)?);
    let mut complaints = Vec::new();
    for fault in &faults {
        let wrong = bench.apply(fault).err().into_iter().chain(bench.missing(fault)?);
        complaints.extend(wrong.map(|why| format!("{}: {why}", fault.what)));
        if list::all().filter(|other| other.what == fault.what).count() > 1 {
            complaints.push(format!("{}: is there twice", fault.what));
        }
    }
    println!("{} faults of the store over Redis, not run", faults.len());
    Ok(report(&complaints))
}

/// Whether each fault is noticed by each test that it names.
pub(crate) fn run(root: &Path, words: &[String]) -> Result<bool, String> {
    let (bench, faults) = (Bench::new(root)?, chosen(words)?);
    let (mut table, mut complaints, mut noticed) = (header("test"), Vec::new(), 0);
    for (at, fault) in faults.iter().enumerate() {
        eprintln!("{}/{} {}", at + 1, faults.len(), fault.what);
        let broken = match bench.build(fault) {
            Ok(broken) => broken,
            Err(complaint) => {
                complaints.push(format!("{}: {complaint}", fault.what));
                continue;
            }
        };
        for test in fault.fails {
            let outcome = broken.run(test, &bench.folder.join("said"), &[])?;
            match outcome {
                Outcome::Failed(_) => noticed += 1,
                _ => complaints.push(format!("{}: {test} should fail, but {outcome}", fault.what)),
            }
            eprintln!("    {test} {outcome}");
            table.add_row([fault.what, test, &outcome.to_string()]);
        }
    }
    println!("{table}");
    println!("{} faults of the store over Redis, {noticed} tests failed on them as they should", faults.len());
    Ok(report(&complaints))
}

/// Where broken copies are made: always the same place, so that what they need is built once.
struct Bench {
    root: PathBuf,
    folder: PathBuf,
}

impl Bench {
    fn new(root: &Path) -> Result<Self, String> {
        let bench = Self { root: root.to_owned(), folder: root.join("target/mutations/redis") };
        let copy = bench.copy();
        fs::create_dir_all(&copy).map_err(|error| format!("{}: {error}", copy.display()))?;
        let manifest = read(&root.join("Cargo.toml"))?;
        write(&copy.join("Cargo.toml"), &alone(&manifest, &["redis"]))?;
        for folder in runner::FOLDERS {
            mirror(&root.join(folder), &copy.join(folder))?;
        }
        Ok(bench)
    }

    fn copy(&self) -> PathBuf {
        self.folder.join("copy")
    }

    /// Makes the copy the crate with one fault; says why not, otherwise.
    fn apply(&self, fault: &Fault) -> Result<(), String> {
        mirror(&self.root.join("src"), &self.copy().join("src"))?;
        edit(&self.copy().join("src"), fault.edits)
    }

    fn build(&self, fault: &Fault) -> Result<Program, String> {
        self.apply(fault)?;
        let mut cargo = Command::new(env!("CARGO"));
        cargo.args(["test", "--features", "redis"]).args(fault.runner.target());
        cargo.args(["--config", "profile.dev.debug=0", "--config", "profile.dev.incremental=true"]);
        let (flags, folder) = fault.runner.build();
        cargo.current_dir(self.copy()).env("CARGO_TARGET_DIR", self.folder.join(folder));
        cargo.env("RUSTFLAGS", flags).env_remove("CARGO_INCREMENTAL");
        Program::build(&mut cargo)
    }

    /// Complaints about tests that are named and not there.
    fn missing(&self, fault: &Fault) -> Result<Vec<String>, String> {
        let mut complaints = Vec::new();
        if fault.fails.is_empty() {
            complaints.push("names no test".to_owned());
        }
        for test in fault.fails {
            let name = test.rsplit("::").next().unwrap_or(test);
            if !defines(&self.root.join(fault.runner.folder()), &format!("fn {name}"))? {
                complaints.push(format!("there is no test {test}"));
            }
        }
        Ok(complaints)
    }
}

/// Whether a file in this folder has a function of this name.
fn defines(folder: &Path, function: &str) -> Result<bool, String> {
    for entry in fs::read_dir(folder).map_err(|error| format!("{}: {error}", folder.display()))? {
        let path = entry.map_err(|error| error.to_string())?.path();
        let found = if path.is_dir() {
            defines(&path, function)?
        } else {
            let text = if path.extension().is_some_and(|ending| ending == "rs") { read(&path)? } else { String::new() };
            text.split(function).skip(1).any(|rest| rest.starts_with(['(', '<']))
        };
        if found {
            return Ok(true);
        }
    }
    Ok(false)
}
