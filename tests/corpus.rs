//! Replays what the fuzzers start from and what they have found: each file of `tests/corpus`.

mod common;

use std::fs;
use std::path::Path;

use common::asking::in_time;

fn replay(target: &str, run: fn(&[u8])) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/corpus").join(target);
    let mut count = 0;
    for entry in fs::read_dir(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display())) {
        let file = entry.unwrap().path();
        eprintln!("{}", file.display()); // the last one shown is the one that failed
        run(&fs::read(&file).unwrap());
        count += 1;
    }
    assert!(count > 5, "the corpus was found");
}

#[test]
fn operations() {
    in_time(|| replay("operations", common::fuzzing::operations));
}

#[test]
fn paths() {
    in_time(|| replay("paths", common::fuzzing::paths));
}
