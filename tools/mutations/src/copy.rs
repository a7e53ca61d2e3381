//! A copy of the crate, and what is changed in it.

use std::fs;
use std::path::Path;

/// In which file of `src/`, which text, which is there once, and what to put in its place.
pub(crate) type Edit = (&'static str, &'static str, &'static str);

/// Changes a copy of `src/`; says why not, otherwise.
pub(crate) fn edit(src: &Path, edits: &[Edit]) -> Result<(), String> {
    for (file, find, replace) in edits {
        let file = src.join(file);
        let text = read(&file)?;
        match text.matches(find).count() {
            1 => write(&file, &text.replacen(find, replace, 1))?,
            count => return Err(format!("the text to replace is there {count} times: {find}")),
        }
    }
    Ok(())
}

/// The manifest of a workspace of its own, without members, tests and examples. Of the tests that
/// it lists those of `kept` stay. Programs stay, as they say which features they need.
pub(crate) fn alone(manifest: &str, kept: &[&str]) -> String {
    let (head, listed) = manifest.split_once("[[").unwrap_or((manifest, ""));
    let mut text = own_lines(head);
    for section in listed.split("[[") {
        // A list of targets ends where the next table begins.
        let (target, rest) =
            section.split_once("\n[").map_or((section, String::new()), |(target, rest)| (target, format!("\n[{rest}")));
        if target.starts_with("bin]]") || kept.iter().any(|name| target.contains(&format!("name = \"{name}\""))) {
            text += &format!("[[{target}\n");
        }
        text += &own_lines(&rest);
    }
    text
}

/// What does not name another package of the workspace.
fn own_lines(text: &str) -> String {
    let is_elsewhere =
        |line: &&str| line.starts_with("members") || line.starts_with("default-members") || line.contains("{ path =");
    text.lines().filter(|line| !is_elsewhere(line)).flat_map(|line| [line, "\n"]).collect()
}

/// Makes `to` a copy of `from`. Only what differs is written, so that cargo sees what has changed.
pub(crate) fn mirror(from: &Path, to: &Path) -> Result<(), String> {
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

pub(crate) fn read(path: &Path) -> Result<String, String> {
    fs::read_to_string(path).map_err(|error| format!("{}: {error}", path.display()))
}

pub(crate) fn write(path: &Path, text: &str) -> Result<(), String> {
    fs::write(path, text).map_err(|error| format!("{}: {error}", path.display()))
}
