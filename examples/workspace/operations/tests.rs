//! The checker has to notice what the locks prevent. So each operation runs here with its files
//! changed halfway.

use super::*;
use crate::check::Violation::{self, *};
use crate::seal::{Seal, write_new};
use std::fs;

type Operation = fn(&Site<'_>) -> Result<Growth, Stop>;

fn path(text: &str) -> TreePath {
    text.parse().unwrap()
}

const READ: Operation = |site| read(site, &path("a/file"));
const EDIT: Operation = |site| edit(site, &path("a/file"), b"edited", 3);
const LIST: Operation = |site| list(site, &path("a")).map(|_| Growth::default());
const CREATE: Operation = |site| create(site, &path("a/new"), b"new");
const DELETE: Operation = |site| delete(site, &path("a/file"));
const RENAME: Operation = |site| relocate(site, &path("a/file"), &path("a/renamed"));
const MOVE: Operation = |site| relocate(site, &path("a/sub"), &path("b/sub"));
const COPY: Operation = |site| copy_directory(site, &path("a"), &path("b/copy"));
const DELETE_ALL: Operation = |site| delete_directory(site, &path("a"));

const ALL: [Operation; 9] = [READ, EDIT, LIST, CREATE, DELETE, RENAME, MOVE, COPY, DELETE_ALL];

/// `a/file`, `a/sub/deep/file` and an empty `b`.
fn tree() -> tempfile::TempDir {
    let root = tempfile::tempdir().unwrap();
    fs::create_dir_all(root.path().join("a/sub/deep")).unwrap();
    fs::create_dir(root.path().join("b")).unwrap();
    for (file, stamp) in [("a/file", 1), ("a/sub/deep/file", 2)] {
        write_new(&root.path().join(file), b"text of the file", stamp).unwrap();
    }
    root
}

/// Runs the operation on a fresh tree, with `meanwhile` halfway. Without locks, which would not let
/// it happen.
fn run(operation: Operation, meanwhile: &dyn Fn(&Path)) -> Result<Growth, Stop> {
    let (root, locks) = (tree(), Locks::new(false));
    let halfway = || meanwhile(root.path());
    let site = Site { halfway: &halfway, ..Site::new(root.path(), &locks, 1) };
    operation(&site)
}

#[test]
fn undisturbed_everything_is_done_and_nothing_is_noticed() {
    let (file, none) = (Growth { files: 1, directories: 0 }, Growth::default());
    let expected = [
        (READ, none),
        (EDIT, none),
        (LIST, none),
        (CREATE, file),
        (DELETE, Growth { files: -1, directories: 0 }),
        (RENAME, none),
        (MOVE, none),
        (COPY, Growth { files: 2, directories: 3 }),
        (DELETE_ALL, Growth { files: -2, directories: -3 }),
    ];
    for (at, (operation, growth)) in expected.into_iter().enumerate() {
        for lock in [true, false] {
            let (root, locks) = (tree(), Locks::new(lock));
            let done = operation(&Site::new(root.path(), &locks, 1));
            assert!(matches!(done, Ok(done) if done == growth), "operation {at}: {done:?}");
            // And all that is left in the tree is whole.
            for entry in walkdir::WalkDir::new(root.path()).into_iter().filter_map(Result::ok) {
                let content = crate::seal::Content::read(entry.path());
                assert!(entry.file_type().is_dir() || content.unwrap().sound_seal().is_some(), "{entry:?}");
            }
        }
    }
}

#[test]
fn the_directory_taken_away_is_noticed_by_everyone() {
    for (at, operation) in ALL.into_iter().enumerate() {
        let stop = run(operation, &|root| fs::rename(root.join("a"), root.join("elsewhere")).unwrap()).unwrap_err();
        assert!(matches!(stop, Stop::Violated(Gone, _)), "operation {at}: {stop:?}");
    }
}

#[track_caller]
fn noticed(operation: Operation, violation: Violation, meanwhile: fn(&Path)) {
    let stop = run(operation, &|root| meanwhile(root)).unwrap_err();
    assert!(matches!(stop, Stop::Violated(noticed, _) if noticed == violation), "{stop:?}");
}

#[test]
fn a_file_changed_or_replaced_is_noticed() {
    let rewrite: fn(&Path) = |root| {
        fs::remove_file(root.join("a/file")).unwrap();
        write_new(&root.join("a/file"), b"text of the file", 9).unwrap();
    };
    for operation in [READ, EDIT, DELETE, RENAME] {
        noticed(operation, Changed, rewrite);
    }
    let rewrite_deep: fn(&Path) = |root| {
        fs::remove_file(root.join("a/sub/deep/file")).unwrap();
        write_new(&root.join("a/sub/deep/file"), b"another text", 9).unwrap();
    };
    noticed(MOVE, Changed, rewrite_deep);
}

#[test]
fn somebody_in_the_middle_of_writing_is_noticed() {
    let torn: fn(&Path) = |root| fs::write(root.join("a/file"), b"half of a fi").unwrap();
    noticed(COPY, Torn, torn);
    // Those who read first find it at their first look.
    for operation in [READ, EDIT] {
        let (root, locks) = (tree(), Locks::new(false));
        torn(root.path());
        let stop = operation(&Site::new(root.path(), &locks, 1)).unwrap_err();
        assert!(matches!(stop, Stop::Violated(Torn, _)), "{stop:?}");
    }
}

#[test]
fn names_that_come_or_go_are_noticed() {
    let appears: fn(&Path) = |root| fs::write(root.join("a/stranger"), "").unwrap();
    for operation in [LIST, COPY, DELETE_ALL] {
        noticed(operation, Changed, appears);
    }
    let vanishes: fn(&Path) = |root| fs::remove_file(root.join("a/file")).unwrap();
    noticed(LIST, Changed, vanishes);
    for operation in [READ, EDIT, DELETE, RENAME, COPY, DELETE_ALL] {
        noticed(operation, Gone, vanishes);
    }
    noticed(MOVE, Changed, |root| fs::create_dir(root.join("a/sub/stranger")).unwrap());
}

#[test]
fn a_free_name_taken_by_somebody_else_is_noticed() {
    noticed(CREATE, Changed, |root| fs::write(root.join("a/new"), "").unwrap());
    noticed(RENAME, Changed, |root| fs::write(root.join("a/renamed"), "").unwrap());
    noticed(MOVE, Changed, |root| fs::create_dir(root.join("b/sub")).unwrap());
    noticed(COPY, Changed, |root| fs::create_dir(root.join("b/copy")).unwrap());
}

#[test]
fn a_target_that_was_gone_before_is_no_violation() {
    for (at, operation) in ALL.into_iter().enumerate() {
        for lock in [true, false] {
            let (root, locks) = (tree(), Locks::new(lock));
            fs::remove_dir_all(root.path().join("a")).unwrap();
            let stop = operation(&Site::new(root.path(), &locks, 1)).unwrap_err();
            assert!(matches!(stop, Stop::Pass), "operation {at}: {stop:?}");
        }
    }
}

#[test]
fn what_cannot_be_done_is_passed_by() {
    let impossible: [Operation; 6] = [
        |site| relocate(site, &path("a"), &path("a/sub/a")), // into itself
        |site| relocate(site, &path("a/sub"), &path("a")),   // onto what contains it
        |site| copy_directory(site, &path("a"), &path("a/copy")),
        |site| relocate(site, &path("/"), &path("b/root")),
        |site| delete_directory(site, &path("/")),
        |site| create(site, &path("a/file"), b""), // the name is taken
    ];
    for (at, operation) in impossible.into_iter().enumerate() {
        let stop = run(operation, &|_| ()).unwrap_err();
        assert!(matches!(stop, Stop::Pass), "operation {at}: {stop:?}");
    }
}

#[test]
fn an_edit_makes_a_torn_file_whole() {
    let (root, locks) = (tree(), Locks::new(false));
    fs::write(root.path().join("a/file"), [b'x'; 100]).unwrap();
    let site = Site::new(root.path(), &locks, 1);
    assert!(matches!(EDIT(&site), Err(Stop::Violated(Torn, _))));
    assert!(READ(&site).is_ok());
    let seal = Seal::read(&root.path().join("a/file")).unwrap();
    assert!(EDIT(&site).is_ok());
    assert_ne!(Seal::read(&root.path().join("a/file")).unwrap(), seal);
}
