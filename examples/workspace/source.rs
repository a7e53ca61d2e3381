//! What is copied: a directory, or the sources of this crate and of all that it is built from.

use std::collections::HashMap;
use std::env;
use std::error::Error;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;

use mutextree::ToTreePath;
use serde_json::Value;
use walkdir::{DirEntry, WalkDir};

/// More than that is no tree for an example.
const MOST_FILES: usize = 200_000;

/// What there is to copy.
#[derive(Debug, Default)]
pub(crate) struct Source {
    /// Where it comes from, for people.
    pub(crate) name: String,
    /// Each after the directory that it is in.
    pub(crate) entries: Vec<Entry>,
    pub(crate) files: usize,
    pub(crate) skipped: Skipped,
}

#[derive(Debug)]
pub(crate) struct Entry {
    pub(crate) from: PathBuf,
    /// Below the copy's root.
    pub(crate) to: PathBuf,
    pub(crate) is_dir: bool,
}

/// What is left out, and why.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Skipped {
    /// Symbolic links (which may lead out of the tree), sockets and the like.
    pub(crate) special: usize,
    pub(crate) unreadable: usize,
    /// Their names cannot be locked: not UTF-8, or far too deep.
    pub(crate) unnamable: usize,
}

impl Source {
    /// One directory.
    pub(crate) fn directory(directory: &Path) -> Result<Self, Box<dyn Error>> {
        let shown = directory.display();
        let about = fs::metadata(directory).map_err(|error| format!("cannot read `{shown}`: {error}"))?;
        if !about.is_dir() {
            return Err(format!("`{shown}` is not a directory").into());
        }
        fs::read_dir(directory).map_err(|error| format!("cannot list `{shown}`: {error}"))?;
        let mut source = Self { name: format!("`{shown}`"), ..Self::default() };
        source.add(directory, Path::new(""), |_| true)?;
        if source.files == 0 {
            return Err(format!("there is no file in `{shown}` that can be copied ({})", source.skipped).into());
        }
        Ok(source)
    }

    /// The sources of this crate and of its dependencies, tests and examples included, where cargo
    /// has put them.
    pub(crate) fn packages() -> Result<Self, Box<dyn Error>> {
        let manifest = Path::new(env!("CARGO_MANIFEST_DIR")).join("Cargo.toml");
        let Packages { sources, target } = packages_of(&manifest).map_err(|error| {
            format!(
                "cannot find the sources of mutextree and its dependencies: {error}; name a directory to copy instead"
            )
        })?;
        let mut source = Self { name: format!("the sources of {} packages", sources.len()), ..Self::default() };
        let wanted =
            |entry: &DirEntry| !entry.file_name().as_encoded_bytes().starts_with(b".") && entry.path() != target;
        for (name, directory) in &sources {
            source.entries.push(Entry { from: directory.clone(), to: name.into(), is_dir: true });
            source.add(directory, Path::new(name), wanted)?;
        }
        Ok(source)
    }

    fn add(&mut self, top: &Path, under: &Path, wanted: impl Fn(&DirEntry) -> bool) -> Result<(), Box<dyn Error>> {
        let mut walk = WalkDir::new(top).min_depth(1).into_iter();
        while let Some(entry) = walk.next() {
            let Ok(entry) = entry else {
                self.skipped.unreadable += 1;
                continue;
            };
            let is_dir = entry.file_type().is_dir();
            let to = under.join(entry.path().strip_prefix(top)?);
            let skip = if !wanted(&entry) {
                true
            } else if !is_dir && !entry.file_type().is_file() {
                self.skipped.special += 1;
                true
            } else if to.to_tree_path().is_err() {
                self.skipped.unnamable += 1;
                true
            } else if !is_dir && File::open(entry.path()).is_err() {
                self.skipped.unreadable += 1;
                true
            } else {
                false
            };
            if skip {
                if is_dir {
                    walk.skip_current_dir();
                }
                continue;
            }
            self.files += usize::from(!is_dir);
            if self.files > MOST_FILES {
                return Err(format!(
                    "there are more than {MOST_FILES} files in {}: name a smaller directory",
                    self.name
                )
                .into());
            }
            self.entries.push(Entry { from: entry.into_path(), to, is_dir });
        }
        Ok(())
    }
}

impl std::fmt::Display for Skipped {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { special, unreadable, unnamable } = self;
        write!(
            f,
            "left out: {special} links and special files, {unreadable} unreadable, {unnamable} with no UTF-8 name"
        )
    }
}

/// What a package is built from, itself included.
#[derive(Debug, PartialEq)]
struct Packages {
    /// Each with a name of its own, and its directory.
    sources: Vec<(String, PathBuf)>,
    /// Where cargo puts what it builds, which is no source.
    target: PathBuf,
}

/// Asks cargo what the package of this manifest is built from.
fn packages_of(manifest: &Path) -> Result<Packages, Box<dyn Error>> {
    let cargo = env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let run = |command: &mut Command| -> Result<Vec<u8>, Box<dyn Error>> {
        let output = command.output().map_err(|error| format!("cannot run `cargo`: {error}"))?;
        if output.status.success() {
            return Ok(output.stdout);
        }
        let said = String::from_utf8_lossy(&output.stderr);
        Err(format!("`cargo` says: {}", said.trim().lines().next().unwrap_or("nothing")).into())
    };
    // The packages for other systems are not there, and need not be.
    let version = String::from_utf8(run(Command::new(&cargo).arg("-vV"))?)?;
    let host = version.lines().find_map(|line| line.strip_prefix("host: ")).ok_or("`cargo -vV` names no host")?;
    let metadata = |more: &[&str]| {
        let mut command = Command::new(&cargo);
        command.args(["metadata", "--format-version=1", "--filter-platform", host, "--manifest-path"]);
        run(command.arg(manifest).args(more))
    };
    // The other packages of the workspace may need what has not been fetched yet.
    let metadata = metadata(&["--offline"]).or_else(|_| metadata(&[]))?;
    reachable(&serde_json::from_slice(&metadata)?, manifest).ok_or_else(|| "`cargo metadata` is not understood".into())
}

/// Reads the answer of `cargo metadata`; `None` if it is no such answer.
fn reachable(metadata: &Value, manifest: &Path) -> Option<Packages> {
    let packages = metadata["packages"].as_array()?;
    let mut dependencies = HashMap::new();
    for node in metadata["resolve"]["nodes"].as_array()? {
        dependencies.insert(node["id"].as_str()?, node["dependencies"].as_array()?);
    }
    let own = packages.iter().find(|package| package["manifest_path"].as_str().map(Path::new) == Some(manifest))?;
    let mut ids = vec![own["id"].as_str()?];
    let mut at = 0;
    while let Some(id) = ids.get(at) {
        for dependency in *dependencies.get(id)? {
            let dependency = dependency.as_str()?;
            if !ids.contains(&dependency) {
                ids.push(dependency);
            }
        }
        at += 1;
    }
    let mut sources = Vec::new();
    for package in packages.iter().filter(|package| package["id"].as_str().is_some_and(|id| ids.contains(&id))) {
        let name = format!("{}-{}", package["name"].as_str()?, package["version"].as_str()?);
        sources.push((name, Path::new(package["manifest_path"].as_str()?).parent()?.to_path_buf()));
    }
    Some(Packages { sources, target: metadata["target_directory"].as_str()?.into() })
}

impl Entry {
    /// What a file says, or its beginning: an operation on a very long file would be a long one.
    pub(crate) fn text(&self) -> io::Result<Vec<u8>> {
        const MOST: u64 = 64 << 10;
        let mut text = Vec::new();
        io::Read::read_to_end(&mut io::Read::take(File::open(&self.from)?, MOST), &mut text)?;
        Ok(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[cfg(unix)]
    #[test]
    fn links_and_unnamable_files_are_left_out_and_counted() {
        use std::os::unix::{ffi::OsStrExt, fs::symlink};
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir(dir.path().join("sub")).unwrap();
        fs::write(dir.path().join("sub/file"), "text").unwrap();
        symlink("/", dir.path().join("everything")).unwrap();
        symlink("nowhere", dir.path().join("sub/dangling")).unwrap();
        fs::write(dir.path().join(std::ffi::OsStr::from_bytes(b"\xff")), "text").unwrap();
        let skipped = Skipped { special: 2, unreadable: 0, unnamable: 1 };
        let source = Source::directory(dir.path()).unwrap();
        assert_eq!((source.files, source.skipped), (1, skipped));
        let copied: Vec<_> = source.entries.iter().map(|entry| (entry.to.to_str().unwrap(), entry.is_dir)).collect();
        assert_eq!(copied, [("sub", true), ("sub/file", false)]);
    }

    #[test]
    fn what_is_no_directory_with_files_is_refused_by_name() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("file");
        fs::write(&file, "").unwrap();
        let empty = dir.path().join("empty");
        fs::create_dir_all(empty.join("sub")).unwrap();
        let none = dir.path().join("none");
        for (path, said) in [(&file, "is not a directory"), (&empty, "no file"), (&none, "cannot read")] {
            let error = Source::directory(path).unwrap_err().to_string();
            assert!(error.contains(said) && error.contains(path.to_str().unwrap()), "{error}");
        }
    }

    #[test]
    fn the_answer_of_cargo_is_followed_to_what_the_package_needs() {
        let metadata = serde_json::json!({
            "packages": [
                { "id": "own", "name": "own", "version": "1.0.0", "manifest_path": "/own/Cargo.toml" },
                { "id": "needed", "name": "needed", "version": "2.0.0", "manifest_path": "/needed/Cargo.toml" },
                { "id": "other", "name": "other", "version": "3.0.0", "manifest_path": "/other/Cargo.toml" },
            ],
            "resolve": { "nodes": [
                { "id": "own", "dependencies": ["needed"] },
                { "id": "needed", "dependencies": [] },
                { "id": "other", "dependencies": ["own"] },
            ] },
            "target_directory": "/own/target",
        });
        let found = reachable(&metadata, Path::new("/own/Cargo.toml")).unwrap();
        let sources = vec![("own-1.0.0".into(), "/own".into()), ("needed-2.0.0".into(), "/needed".into())];
        assert_eq!(found, Packages { sources, target: "/own/target".into() });
        assert!(reachable(&metadata, Path::new("/missing/Cargo.toml")).is_none());
        assert!(reachable(&Value::Null, Path::new("/own/Cargo.toml")).is_none());
    }
}
