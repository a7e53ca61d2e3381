//! A copy of the crate, broken, built and tried out.

use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use crate::docs::Model;
use crate::list::Mutation;

/// Far more than a model takes at the usual bound. One that takes longer has not been seen to fail.
const AT_MOST: Duration = Duration::from_secs(300);

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

/// What became of a model on a mutant.
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

/// The test program of a mutant.
pub(crate) struct Mutant(PathBuf);

impl Bench {
    pub(crate) fn new(root: &Path, bound: Option<usize>) -> Result<Self, String> {
        let copy = root.join("target/mutations/copy");
        fs::create_dir_all(&copy).map_err(|error| format!("{}: {error}", copy.display()))?;
        let manifest = read(&root.join("Cargo.toml"))?;
        write(&copy.join("Cargo.toml"), &alone(&manifest))?;
        Ok(Self { root: root.to_owned(), copy, bound: bound.unwrap_or(2).to_string() })
    }

    /// Makes the copy the crate with one mutation; says why not, otherwise.
    pub(crate) fn apply(&self, mutation: &Mutation) -> Result<(), String> {
        mirror(&self.root.join("src"), &self.copy.join("src"))?;
        for (file, find, replace) in mutation.edits {
            let file = self.copy.join("src").join(file);
            let text = read(&file)?;
            match text.matches(find).count() {
                1 => write(&file, &text.replacen(find, replace, 1))?,
                count => return Err(format!("the text to replace is there {count} times: {find}")),
            }
        }
        Ok(())
    }

    /// The crate with one mutation; why not, otherwise.
    pub(crate) fn build(&self, mutation: &Mutation) -> Result<Mutant, String> {
        self.apply(mutation)?;
        let built = Command::new(env!("CARGO"))
            .args(["test", "--release", "--lib", "--no-run", "--message-format=json-render-diagnostics"])
            .args(QUICK_BUILD.iter().flat_map(|setting| ["--config", setting]))
            .current_dir(&self.copy)
            .env("CARGO_TARGET_DIR", self.copy.join("../build"))
            .env("RUSTFLAGS", "--cfg mutextree_loom -A warnings")
            .output()
            .map_err(|error| format!("cargo: {error}"))?;
        if !built.status.success() {
            return Err(format!("does not compile\n{}", String::from_utf8_lossy(&built.stderr)));
        }
        let messages = String::from_utf8_lossy(&built.stdout);
        let program =
            messages.lines().filter_map(|line| line.split_once(r#""executable":""#)?.1.split_once('"')).next_back();
        program.map(|(path, _)| Mutant(PathBuf::from(path))).ok_or_else(|| "cargo names no test program".into())
    }

    pub(crate) fn run(&self, mutant: &Mutant, model: &Model) -> Result<Outcome, String> {
        let said = self.copy.join("../said");
        let file = fs::File::create(&said).map_err(|error| error.to_string())?;
        let both = file.try_clone().map_err(|error| error.to_string())?;
        let mut child = Command::new(&mutant.0)
            .args([&model.test(), "--exact", "--nocapture"])
            .env("LOOM_MAX_PREEMPTIONS", &self.bound)
            .env_remove("RUST_BACKTRACE")
            .stdout(Stdio::from(file))
            .stderr(Stdio::from(both))
            .spawn()
            .map_err(|error| error.to_string())?;
        let Some(success) = wait(&mut child)? else { return Ok(Outcome::TookTooLong) };
        let said = String::from_utf8_lossy(&fs::read(&said).map_err(|error| error.to_string())?).into_owned();
        if !said.contains("running 1 test") {
            return Err(format!("{} did not run", model.test()));
        }
        Ok(if success { Outcome::Passed } else { Outcome::Failed(reason(&said)) })
    }
}

/// The manifest of a workspace of its own: without the members, tests and examples, which are not
/// copied.
fn alone(manifest: &str) -> String {
    let (mut kept, mut is_copied) = (Vec::new(), true);
    for line in manifest.lines() {
        if line.starts_with('[') {
            is_copied = !line.starts_with("[[");
        }
        let is_elsewhere =
            line.starts_with("members") || line.starts_with("default-members") || line.contains("path =");
        if is_copied && !is_elsewhere {
            kept.push(line);
        }
    }
    kept.join("\n")
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

/// Makes `to` a copy of `from`. Only what differs is written, so that cargo sees what has changed.
fn mirror(from: &Path, to: &Path) -> Result<(), String> {
    fs::create_dir_all(to).map_err(|error| format!("{}: {error}", to.display()))?;
    for entry in fs::read_dir(from).map_err(|error| format!("{}: {error}", from.display()))? {
        let (from, name) = entry.map(|entry| (entry.path(), entry.file_name())).map_err(|error| error.to_string())?;
        let to = to.join(name);
        if from.is_dir() {
            mirror(&from, &to)?;
        } else {
            let text = read(&from)?;
            if read(&to).ok().as_ref() != Some(&text) {
                write(&to, &text)?;
            }
        }
    }
    Ok(())
}

fn read(path: &Path) -> Result<String, String> {
    fs::read_to_string(path).map_err(|error| format!("{}: {error}", path.display()))
}

fn write(path: &Path, text: &str) -> Result<(), String> {
    fs::write(path, text).map_err(|error| format!("{}: {error}", path.display()))
}
