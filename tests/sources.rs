//! Rules about the sources that no lint can hold: clippy's `disallowed-types` looks through
//! re-exports, and would ban `crate::sync` with what it wraps.

use std::fs;
use std::path::{Path, PathBuf};

fn sources(dir: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}

/// The lock protocol is built from `src/sync` alone, so that loom sees all of it. The models, and
/// the Redis store, which loom does not run, are free.
#[test]
fn the_protocol_names_no_primitive_but_those_of_sync() {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let (mut files, mut checked) = (Vec::new(), 0);
    sources(&src, &mut files);
    for file in files {
        let inner = file.strip_prefix(&src).unwrap();
        let free = ["sync.rs", "sync", "memory/models.rs", "memory/models", "redis.rs", "redis"];
        if free.iter().any(|free| inner.starts_with(free)) || inner.to_string_lossy().ends_with("tests.rs") {
            continue;
        }
        checked += 1;
        for (at, line) in fs::read_to_string(&file).unwrap().lines().enumerate() {
            let code = line.split("//").next().unwrap_or_default();
            for banned in ["std::sync", "parking_lot", "dashmap", "loom::", "shuttle::", "Instant::now", "thread::park"]
            {
                assert!(!code.contains(banned), "{}:{}: `{banned}` belongs in src/sync", inner.display(), at + 1);
            }
        }
    }
    assert!(checked > 15, "the sources were found");
}
