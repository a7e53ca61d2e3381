//! A copy of the crate, broken, built and tried out on the models.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::copy::{alone, edit, mirror, read, write};
use crate::docs::Model;
use crate::list::Mutation;
use crate::program::{Outcome, Program};

/// It is loom that the models spend their time in: a mutant itself is built in a quarter of the
/// time like this.
const QUICK_BUILD: [&str; 3] =
    ["profile.release.package.'*'.opt-level=3", "profile.release.opt-level=1", "profile.release.incremental=true"];

/// Where mutants are made: the crate's sources in a package of their own, always the same one, so
/// that its dependencies are built once.
pub(crate) struct Bench {
    root: PathBuf,
    copy: PathBuf,
    bound: String,
}

impl Bench {
    pub(crate) fn new(root: &Path, bound: Option<usize>) -> Result<Self, String> {
        let copy = root.join("target/mutations/copy");
        fs::create_dir_all(&copy).map_err(|error| format!("{}: {error}", copy.display()))?;
        let manifest = read(&root.join("Cargo.toml"))?;
        write(&copy.join("Cargo.toml"), &alone(&manifest, &[]))?;
        Ok(Self { root: root.to_owned(), copy, bound: bound.unwrap_or(2).to_string() })
    }

    /// Makes the copy the crate with one mutation; says why not, otherwise.
    pub(crate) fn apply(&self, mutation: &Mutation) -> Result<(), String> {
        // The documentation of the crate includes its documents.
        for folder in ["src", "docs"] {
            mirror(&self.root.join(folder), &self.copy.join(folder))?;
        }
        edit(&self.copy.join("src"), mutation.edits)
    }

    /// The crate with one mutation; why not, otherwise.
    pub(crate) fn build(&self, mutation: &Mutation) -> Result<Program, String> {
        self.apply(mutation)?;
        let mut cargo = Command::new(env!("CARGO"));
        cargo.args(["test", "--release", "--lib"]);
        cargo.args(QUICK_BUILD.iter().flat_map(|setting| ["--config", setting]));
        cargo.current_dir(&self.copy);
        cargo.env("CARGO_TARGET_DIR", self.copy.join("../build"));
        cargo.env("RUSTFLAGS", "--cfg mutextree_loom -A warnings");
        Program::build(&mut cargo)
    }

    pub(crate) fn run(&self, mutant: &Program, model: &Model) -> Result<Outcome, String> {
        let bound = ("LOOM_MAX_PREEMPTIONS", &*self.bound);
        mutant.run(&model.test(), &self.copy.join("../said"), &[bound])
    }
}
