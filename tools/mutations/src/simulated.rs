//! The same faults of the store over Redis on the simulator: each of those in [`FOUND`] has to be
//! found within so many histories.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::copy::{edit, mirror, read, write};
use crate::redis::list::{self, Fault};
use crate::{header, report};

mod found;

use found::FOUND;

/// The fault that is called this.
fn fault(what: &str) -> Result<&'static Fault, String> {
    list::all().find(|fault| fault.what == what).ok_or_else(|| format!("{what}: there is no such fault"))
}

/// What is tried: the faults whose text, or file, has one of these words; all if there is none.
fn chosen(words: &[String]) -> Result<Vec<(&'static Fault, u64)>, String> {
    let mut chosen = Vec::new();
    for &(what, within) in FOUND {
        let fault = fault(what)?;
        let names =
            |word: &String| fault.what.contains(&**word) || fault.edits.iter().any(|(file, ..)| file.contains(&**word));
        if words.is_empty() || words.iter().any(names) {
            chosen.push((fault, within));
        }
    }
    if chosen.is_empty() {
        return Err(format!("no fault that the simulator finds is named by: {}", words.join(" ")));
    }
    Ok(chosen)
}

/// Whether the list names faults that there are.
pub(crate) fn check() -> bool {
    let complaints: Vec<String> = FOUND.iter().filter_map(|(what, _)| fault(what).err()).collect();
    println!("{} faults that the simulator has to find, not run", FOUND.len());
    report(&complaints)
}

/// Whether each is found within its number of histories.
pub(crate) fn run(root: &Path, words: &[String]) -> Result<bool, String> {
    let (bench, faults) = (Bench::new(root)?, chosen(words)?);
    let (mut table, mut complaints) = (header("histories"), Vec::new());
    let as_it_is = bench.build(&[])?;
    for (at, &(fault, within)) in faults.iter().enumerate() {
        eprintln!("{}/{} {}", at + 1, faults.len(), fault.what);
        let said = match planted(fault) {
            Some((from, to)) => simulate(&as_it_is, &["--plant", from, to], within)?,
            None => simulate(&bench.build(fault.edits)?, &[], within)?,
        };
        match said {
            Some(told) => {
                eprintln!("    {told}");
                let (histories, rule) = told.split_once(": ").unwrap_or((&told, ""));
                table.add_row([fault.what, histories, &rule.chars().take(60).collect::<String>()]);
            }
            None => complaints.push(format!("{}: not found in {within} histories", fault.what)),
        }
    }
    println!("{table}");
    println!("{} faults, {} found", faults.len(), faults.len() - complaints.len());
    Ok(report(&complaints))
}

/// A fault in a single place of a script is planted while the simulator runs. Others are built.
fn planted(fault: &Fault) -> Option<(&'static str, &'static str)> {
    match fault.edits {
        &[(file, from, to)] if file.starts_with("redis/lua/") => Some((from, to)),
        _ => None,
    }
}

/// How many histories it took, and the rule that was broken; `None` if none was.
fn simulate(program: &Path, more: &[&str], within: u64) -> Result<Option<String>, String> {
    let mut command = Command::new(program);
    command.args(["--seed", "1", "--brief", "--histories", &within.to_string()]).args(more);
    let output = command.output().map_err(|error| format!("{}: {error}", program.display()))?;
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    let last = said.lines().last().unwrap_or_default();
    let histories = last.strip_prefix("histories ").and_then(|rest| rest.split_once(',')).map(|(count, _)| count);
    let Some(histories) = histories else {
        return Err(format!("the simulator said no last line: {said}{}", String::from_utf8_lossy(&output.stderr)));
    };
    let rule = said.lines().find_map(|line| line.strip_prefix("seed ")?.split_once(": ")).map(|(_, rule)| rule);
    Ok(rule.map(|rule| format!("{histories}: {rule}")))
}

/// Where broken copies are made: always the same place, so that what they need is built once.
struct Bench {
    root: PathBuf,
    folder: PathBuf,
}

impl Bench {
    fn new(root: &Path) -> Result<Self, String> {
        let bench = Self { root: root.to_owned(), folder: root.join("target/mutations/simulated") };
        for folder in ["docs", "tools/judge", "tools/lua", "tools/sim"] {
            mirror(&root.join(folder), &bench.copy().join(folder))?;
        }
        let manifest = bench.copy().join("tools/sim/Cargo.toml");
        write(&manifest, &format!("{}\n[workspace]\n", read(&root.join("tools/sim/Cargo.toml"))?))?;
        for file in ["README.md", "CHANGELOG.md"] {
            write(&bench.copy().join(file), &read(&root.join(file))?)?;
        }
        if let Ok(lock) = fs::read_to_string(root.join("Cargo.lock")) {
            write(&bench.copy().join("tools/sim/Cargo.lock"), &lock)?;
        }
        Ok(bench)
    }

    fn copy(&self) -> PathBuf {
        self.folder.join("copy")
    }

    /// The simulator of a copy with these faults.
    fn build(&self, edits: &[crate::copy::Edit]) -> Result<PathBuf, String> {
        mirror(&self.root.join("src"), &self.copy().join("src"))?;
        edit(&self.copy().join("src"), edits)?;
        let target = self.folder.join("build");
        let built = Command::new(env!("CARGO"))
            .args(["build", "--release", "--bin", "mutextree-sim"])
            .current_dir(self.copy().join("tools/sim"))
            .env("CARGO_TARGET_DIR", &target)
            .env("RUSTFLAGS", "-A warnings")
            .output()
            .map_err(|error| format!("cargo: {error}"))?;
        if !built.status.success() {
            return Err(format!("does not compile\n{}", String::from_utf8_lossy(&built.stderr)));
        }
        let program = target.join(if edits.is_empty() { "as-it-is" } else { "broken" });
        fs::copy(target.join("release/mutextree-sim"), &program).map_err(|error| error.to_string())?;
        Ok(program)
    }
}
