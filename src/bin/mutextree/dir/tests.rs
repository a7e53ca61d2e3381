use mutextree::{Kind, Mode, Scope, TreePath, conflicts};
use tempfile::TempDir;

use super::{Directory, Entry, State, Table};

fn paths(texts: &[&str]) -> Vec<TreePath> {
    texts.iter().map(|text| text.parse().unwrap()).collect()
}

fn directory() -> (TempDir, Directory) {
    let dir = TempDir::new().unwrap();
    let directory = Directory::open(&dir.path().join("locks")).unwrap();
    (dir, directory)
}

#[test]
fn a_request_is_in_the_way_as_the_table_of_conflicts_says() {
    let kinds = [Mode::Exclusive, Mode::Shared]
        .into_iter()
        .flat_map(|mode| [Scope::Subtree, Scope::Node].map(|scope| Kind::new(mode, scope)));
    let kinds: Vec<_> = kinds.collect();
    let (_dir, dir) = directory();
    let mut refused = 0;
    for held in &kinds {
        for wanted in &kinds {
            for path in ["a", "a/b", "a/b/c", "a/c", "/"] {
                let table = Table::lock(&dir).unwrap();
                let mut first = table.add(&paths(&["a/b"]), *held, "first").unwrap();
                table.grant(&mut first).unwrap();
                let second = table.add(&paths(&[path, "z"]), *wanted, "second").unwrap();
                let expected = conflicts((&paths(&["a/b"])[0], *held), (&paths(&[path])[0], *wanted));
                let in_the_way = table.in_the_way(&second.entry).unwrap();
                assert_eq!(!in_the_way.is_empty(), expected, "{held} on a/b, {wanted} on {path}");
                refused += usize::from(expected);
            }
        }
    }
    assert!(refused > 20, "{refused}");
    assert!(Table::lock(&dir).unwrap().entries().unwrap().is_empty(), "all are gone");
}

#[test]
fn waiters_have_their_turns_in_order() {
    let (_dir, dir) = directory();
    let table = Table::lock(&dir).unwrap();
    let mut holder = table.add(&paths(&["a/x"]), Kind::default(), "holder").unwrap();
    table.grant(&mut holder).unwrap();
    let inner = table.add(&paths(&["a"]), Kind::default(), "inner").unwrap();
    let leaf = table.add(&paths(&["a/y"]), Kind::default(), "leaf").unwrap();
    let owners = |entry: &Entry| -> Vec<String> {
        table.in_the_way(entry).unwrap().into_iter().map(|entry| entry.owner).collect()
    };
    assert_eq!(owners(&inner.entry), ["holder"]);
    assert_eq!(owners(&leaf.entry), ["inner"]);
    drop(inner);
    assert!(owners(&leaf.entry).is_empty());
}

#[test]
fn numbers_rise_and_survive_the_directory() {
    let (_keep, dir) = directory();
    let mut last = 0;
    for _ in 0..100 {
        let number = Table::lock(&dir).unwrap().draw().unwrap();
        assert!(number > last);
        last = number;
    }
    std::fs::remove_file(dir.path().join("table")).unwrap();
    assert!(Table::lock(&dir).unwrap().draw().unwrap() > last);
}

#[test]
fn a_token_is_above_those_of_earlier_holders() {
    let (_keep, dir) = directory();
    let mut tokens = Vec::new();
    for _ in 0..3 {
        let table = Table::lock(&dir).unwrap();
        let mut request = table.add(&paths(&["a"]), Kind::default(), "me").unwrap();
        table.grant(&mut request).unwrap();
        let State::Held { token, .. } = request.entry.state else { panic!("it is held") };
        tokens.push(token);
    }
    assert!(tokens.is_sorted() && tokens[0] > 0 && tokens[0] < tokens[2], "{tokens:?}");
}

#[test]
fn what_a_dead_process_left_is_removed() {
    let (_keep, dir) = directory();
    let left = dir.path().join("requests/7");
    std::fs::write(&left, "half a req").unwrap();
    assert!(Table::lock(&dir).unwrap().entries().unwrap().is_empty());
    assert!(!left.exists());
}

#[test]
fn a_directory_that_cannot_be_made_is_an_error() {
    let keep = TempDir::new().unwrap();
    assert!(Directory::open(&keep.path().join("no/such")).is_err());
    std::fs::write(keep.path().join("file"), "").unwrap();
    assert!(Directory::open(&keep.path().join("file")).is_err());
}
