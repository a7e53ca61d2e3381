//! The first copy of the tree, sealed file by file.

use std::error::Error;
use std::fs;
use std::path::{Path, PathBuf};

use walkdir::WalkDir;

use crate::operations::Growth;
use crate::seal::write_new;
use crate::source::Source;

/// No directory gets more copies than that, or to list it would take longer than all else.
const MOST_SIDE_BY_SIDE: usize = 50;

/// Copies the tree below `root`; if more than once, each copy into a numbered directory. Returns
/// how much there is then.
///
/// `each` is called with the number of files written so far, and returns whether to go on.
pub(crate) fn copy(
    source: &mut Source,
    root: &Path,
    count: usize,
    mut each: impl FnMut(u64) -> bool,
) -> Result<Growth, Box<dyn Error>> {
    let place = |number: usize| match count {
        1 => root.to_path_buf(),
        2..=MOST_SIDE_BY_SIDE => root.join(format!("copy-{number}")),
        _ => root.join(format!("copies-{}/copy-{number}", number / MOST_SIDE_BY_SIDE)),
    };
    let copies: Vec<PathBuf> = (0..count).map(place).collect();
    copies.iter().try_for_each(fs::create_dir_all)?;
    let around = WalkDir::new(root).min_depth(1).into_iter().count();
    let mut size = Growth { files: 0, directories: around as i64 };
    let failed = |error| format!("cannot copy to `{}`: {error}", root.display());
    for entry in &source.entries {
        if entry.is_dir {
            copies.iter().try_for_each(|copy| fs::create_dir(copy.join(&entry.to))).map_err(failed)?;
            size.directories += count as i64;
            continue;
        }
        let Ok(text) = entry.text() else {
            source.skipped.unreadable += 1; // it was readable a moment ago
            continue;
        };
        for copy in &copies {
            size.files += 1;
            write_new(&copy.join(&entry.to), &text, size.files as u32).map_err(failed)?;
            if !each(size.files as u64) {
                return Ok(size);
            }
        }
    }
    Ok(size)
}

/// How often a tree of so many files is to be copied to make at least so many.
pub(crate) fn copies_needed(files: usize, at_least: usize) -> usize {
    at_least.div_ceil(files.max(1)).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::seal::Content;

    #[test]
    fn a_tree_is_copied_as_often_as_it_takes_with_its_texts() {
        let (from, to) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        fs::create_dir_all(from.path().join("a/empty")).unwrap();
        fs::write(from.path().join("a/one"), "text one").unwrap();
        fs::write(from.path().join("two"), vec![b'2'; 100_000]).unwrap();
        let mut source = Source::directory(from.path()).unwrap();

        let once = copy(&mut source, to.path(), 1, |_| true).unwrap();
        assert_eq!(once, Growth { files: 2, directories: 2 });
        let one = Content::read(&to.path().join("a/one")).unwrap();
        assert!(one.sound_seal().is_some() && one.body() == b"text one");
        assert_eq!(Content::read(&to.path().join("two")).unwrap().body(), vec![b'2'; 65_536], "long files are cut");

        let thrice = copy(&mut source, &to.path().join("a/empty"), copies_needed(2, 5), |_| true).unwrap();
        assert_eq!(thrice, Growth { files: 6, directories: 9 });
        for number in 0..3 {
            let one = Content::read(&to.path().join(format!("a/empty/copy-{number}/a/one"))).unwrap();
            assert!(one.sound_seal().is_some());
        }
    }

    #[test]
    fn copying_stops_when_told_to() {
        let (from, to) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        for name in ["a", "b", "c"] {
            fs::write(from.path().join(name), name).unwrap();
        }
        let mut source = Source::directory(from.path()).unwrap();
        let size = copy(&mut source, to.path(), 1, |files| files < 2).unwrap();
        assert_eq!(size.files, 2);
    }
}
