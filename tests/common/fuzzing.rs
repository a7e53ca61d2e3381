//! What the fuzzers run on the bytes that they make up: programs of operations on the store, and
//! paths. The oracles are as plain as can be.

use std::path::Path;

use mutextree::{MemoryStore, PathError, ToTreePath, TreePath};

use super::kinds::{Ask, KINDS, TREE};
use super::side_by_side::{Step, side_by_side};

/// Two bytes are a step of a program: what to do, and on what.
pub fn operations(data: &[u8]) {
    let steps: Vec<Step> = data.chunks_exact(2).take(400).map(|two| step(two[0], two[1])).collect();
    let store = MemoryStore::new();
    side_by_side(store.clone(), &steps, MemoryStore::shrink_to_fit);
    store.shrink_to_fit();
    assert_eq!(store.node_count(), 1, "the root is all that is left");
}

fn step(what: u8, which: u8) -> Step {
    let which = usize::from(which);
    let path = TREE[which % TREE.len()];
    let ask = Ask::new(path, KINDS[which / TREE.len() % KINDS.len()]);
    match what % 16 {
        0..=4 => Step::Try(ask),
        5 => Step::TryForNoTime(ask),
        6 => Step::LockByPath(ask.path),
        7..=9 => Step::Release(which),
        10 => Step::Unlock(which),
        11 => Step::Downgrade(which),
        12 => Step::AskToken(which),
        13 => Step::IsLocked(ask),
        14 => Step::DropHandles,
        _ => Step::Shrink,
    }
}

/// The bytes as text, as a file path, and, cut at 0xff, as two lists of components, cut at 0xfe.
pub fn paths(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    as_text(&text);
    as_file(&text);
    let mut halves = data.splitn(2, |byte| *byte == 0xff);
    let [one, other] = [(); 2].map(|()| names(halves.next().unwrap_or_default()));
    as_lists(&one, &other);
}

fn names(data: &[u8]) -> Vec<String> {
    let is_root = data.is_empty();
    let names = data.split(|byte| *byte == 0xfe).map(|name| String::from_utf8_lossy(name).into_owned());
    names.skip(usize::from(is_root)).collect()
}

/// What is wrong with a list of names, if anything: the first thing, or that there are too many.
fn judge(names: &[&str], dots: bool) -> Result<(), &'static str> {
    for (at, name) in names.iter().enumerate() {
        match *name {
            _ if at >= 128 => return Err("too deep"),
            "" => return Err("empty component"),
            "." | ".." if dots => return Err("relative"),
            long if long.len() > 255 => return Err("too long"),
            _ => {}
        }
    }
    Ok(())
}

fn kind(error: &PathError) -> &'static str {
    match error {
        PathError::Empty => "empty",
        PathError::EmptyComponent { .. } => "empty component",
        PathError::Relative { .. } => "relative",
        PathError::TooDeep { .. } => "too deep",
        PathError::ComponentTooLong { .. } => "too long",
        _ => "something else",
    }
}

fn as_text(text: &str) {
    let parsed = text.parse::<TreePath>();
    let inner = text.strip_prefix('/').unwrap_or(text);
    let names: Vec<&str> = inner.strip_suffix('/').unwrap_or(inner).split('/').collect();
    let (expected, names) = match text {
        "" => (Err("empty"), vec![]),
        "/" => (Ok(()), vec![]),
        _ => (judge(&names, true), names),
    };
    match parsed {
        Ok(path) => {
            assert_eq!(expected, Ok(()), "{text:?} was accepted");
            assert!(path.components().eq(names.iter().copied()), "{text:?} became {path:?}");
            assert_eq!(path.to_string().parse().as_ref(), Ok(&path), "what is shown of {text:?} is another path");
            assert_eq!(text.to_path_ref().unwrap().as_key(), path.as_key());
            assert_eq!(names.to_tree_path().as_ref(), Ok(&path), "as text and as a list");
            consistent(&path, &names);
        }
        Err(error) => {
            assert_eq!(Err(kind(&error)), expected, "{text:?}: {error}");
            assert!(error.to_string().len() < 1000, "an error is no flood: {error}");
        }
    }
}

#[cfg(unix)]
fn as_file(text: &str) {
    let names: Vec<&str> = text.split('/').filter(|name| !matches!(*name, "" | ".")).collect();
    match Path::new(text).to_tree_path() {
        Ok(path) => assert!(path.components().eq(names), "{text:?} became {path:?}"),
        Err(PathError::Empty) => assert!(names.is_empty() && !text.starts_with('/')),
        Err(PathError::Relative { index, .. }) => assert_eq!(names[index], ".."),
        Err(error) => assert_eq!(names.to_tree_path(), Err(error), "{text:?}"),
    }
}

#[cfg(not(unix))]
fn as_file(text: &str) {
    let _ = Path::new(text).to_tree_path(); // what it means differs
}

fn as_lists(one: &[String], other: &[String]) {
    let (Some(a), Some(b)) = (as_list(one), as_list(other)) else { return };
    assert_eq!(a == b, one == other, "{a:?} {b:?}");
    assert_eq!(a.as_key() == b.as_key(), one == other, "{a:?} {b:?}");
    assert_eq!(a.cmp(&b), one.cmp(other), "{a:?} {b:?}");
    assert_eq!(a.starts_with(&b), one.starts_with(other), "{a:?} {b:?}");
    let all = [one, other].concat();
    if all.len() <= 128 {
        assert_eq!(a.join(b), all.to_tree_path(), "{all:?}");
    }
}

/// The path of these names, if they are one.
fn as_list(names: &[String]) -> Option<TreePath> {
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    match names.to_tree_path() {
        Ok(path) => {
            assert_eq!(judge(&names, false), Ok(()), "{names:?} was accepted");
            consistent(&path, &names);
            return Some(path);
        }
        Err(PathError::TooDeep { depth }) => assert!(depth == names.len() && depth > 128),
        Err(error) => assert_eq!(judge(&names, false), Err(kind(&error)), "{names:?}"),
    }
    None
}

/// A path says the same of itself as the list that it was made from.
fn consistent(path: &TreePath, names: &[&str]) {
    assert!(path.components().eq(names.iter().copied()), "{names:?} became {path:?}");
    assert!(path.components().rev().eq(names.iter().rev().copied()), "{names:?} from the back");
    assert_eq!(path.depth(), names.len());
    assert_eq!(path.is_root(), names.is_empty());
    let parent = names.split_last().map(|(_, above)| above.to_tree_path().expect("a shorter list"));
    assert_eq!(path.parent(), parent);
    let _ = path.to_string();
}
