//! The files of the repository that have rules.

use std::fs;
use std::path::{Path, PathBuf};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Language {
    Rust,
    Lua,
    Shell,
}

pub(crate) struct File {
    /// From the root of the repository.
    pub(crate) name: String,
    pub(crate) language: Language,
    pub(crate) text: String,
}

impl File {
    /// Whether it holds unit tests.
    pub(crate) fn is_tests(&self) -> bool {
        self.name.ends_with("tests.rs") || self.name.contains("/tests/")
    }
}

pub(crate) fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// All sources in these folders, and those of these names that are files, in order.
pub(crate) fn sources(names: &[&str]) -> Vec<File> {
    let mut paths = Vec::new();
    names.iter().for_each(|name| collect(&root().join(name), &mut paths));
    paths.sort();
    paths.iter().filter_map(|path| source(path)).collect()
}

/// What people read first, and what they read next.
pub(crate) fn documents() -> Vec<Document> {
    let mut paths = Vec::new();
    for folder in ["", "docs", "tests"] {
        let files = fs::read_dir(root().join(folder)).expect("the folder is there");
        let files = files.map(|file| file.expect("a folder can be read").path());
        paths.extend(files.filter(|path| path.extension().is_some_and(|extension| extension == "md")));
    }
    paths.sort();
    paths
        .iter()
        .map(|path| Document { name: name(path), text: fs::read_to_string(path).expect("it is text") })
        .collect()
}

pub(crate) struct Document {
    pub(crate) name: String,
    pub(crate) text: String,
}

/// What is made on the way, and not kept.
const MADE: [&str; 4] = ["target", "corpus", "artifacts", "coverage"];

fn collect(path: &Path, found: &mut Vec<PathBuf>) {
    if path.is_file() {
        found.push(path.to_owned());
    }
    let Ok(entries) = fs::read_dir(path) else { return };
    for entry in entries {
        let entry = entry.expect("a folder can be read");
        if !MADE.contains(&&*entry.file_name().to_string_lossy()) {
            collect(&entry.path(), found);
        }
    }
}

fn source(path: &Path) -> Option<File> {
    let extension = path.extension().map(|extension| extension.to_string_lossy());
    let text = fs::read_to_string(path).ok()?;
    let language = match extension.as_deref() {
        Some("rs") => Language::Rust,
        Some("lua") => Language::Lua,
        Some("sh") => Language::Shell,
        None if text.starts_with("#!") => Language::Shell,
        _ => return None,
    };
    Some(File { name: name(path), language, text })
}

fn name(path: &Path) -> String {
    path.strip_prefix(root()).unwrap_or(path).to_string_lossy().replace('\\', "/")
}
