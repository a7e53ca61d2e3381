//! One run: starts the workers on a tree, waits until their time is up, and then checks the whole
//! tree once more.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::{Duration, Instant};

use fastrand::Rng;
use walkdir::WalkDir;

use crate::locks::Locks;
use crate::operations::{Growth, Site};
use crate::seal::Content;
use crate::tally::{Shared, Tally};
use crate::worker::Worker;

/// How long workers may take to finish what they are at. No operation is that long, so beyond it a
/// lock does not come.
const PATIENCE: Duration = Duration::from_secs(20);

/// How the workers are to work.
pub(crate) struct Plan {
    pub(crate) threads: u8,
    pub(crate) time: Duration,
    pub(crate) lock: bool,
    pub(crate) seed: u64,
    /// The size of the tree, which it is to keep.
    pub(crate) size: Growth,
}

/// What came of it.
#[derive(Debug)]
pub(crate) struct Outcome {
    pub(crate) tally: Tally,
    pub(crate) elapsed: Duration,
    /// What was wrong with the tree at the end, in words.
    pub(crate) damage: Vec<String>,
}

/// Runs the workers below `root`. `look_on` is called every now and then, and returns whether to go
/// on.
pub(crate) fn run(
    root: &Path,
    plan: &Plan,
    mut look_on: impl FnMut(Duration, &Shared) -> bool,
) -> Result<Outcome, String> {
    const GLANCE: Duration = Duration::from_millis(50);
    let shared = Arc::new(Shared::new(plan.size));
    let locks = Arc::new(Locks::new(plan.lock));
    let (sender, finished) = mpsc::channel();
    let start = Instant::now();
    // Not scoped threads: those could not be left behind if they are stuck.
    for worker in 1..=plan.threads {
        let (root, locks, shared, sender) = (root.to_path_buf(), locks.clone(), shared.clone(), sender.clone());
        let (size, rng) = (plan.size, Rng::with_seed(plan.seed.wrapping_mul(1000) + u64::from(worker)));
        thread::spawn(move || {
            let result = Worker::new(Site::new(&root, &locks, worker), &shared, size, rng).run();
            let _ = sender.send(result); // nobody listens if another worker has failed
        });
    }
    drop(sender);

    let mut tally = Tally::default();
    let mut fault = None;
    let mut left = plan.threads;
    let mut stopped = None; // when
    while left > 0 {
        match finished.recv_timeout(GLANCE) {
            Ok(result) => {
                left -= 1;
                result.map_or_else(|error| fault = Some(error), |worker| tally += worker);
            }
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => return Err("a worker panicked".to_owned()),
        }
        let elapsed = start.elapsed();
        let go_on = look_on(elapsed, &shared) && elapsed < plan.time && fault.is_none();
        if stopped.is_none() && !go_on {
            stopped = Some(elapsed);
            shared.stop.store(true, Relaxed);
        }
        if stopped.is_some_and(|at| elapsed > at + PATIENCE) {
            return Err(format!("{left} workers are stuck: they wait for locks that do not come"));
        }
    }
    if let Some(error) = fault {
        return Err(error);
    }
    let damage = audit(root, shared.size().files);
    Ok(Outcome { tally, elapsed: stopped.unwrap_or_else(|| start.elapsed()), damage })
}

/// What is wrong with a tree that nobody works on: it should have so many files, all of them whole.
fn audit(root: &Path, expected: i64) -> Vec<String> {
    let (mut files, mut torn) = (0, 0);
    for entry in WalkDir::new(root).into_iter().filter_map(Result::ok).filter(|entry| entry.file_type().is_file()) {
        files += 1;
        torn += i64::from(!Content::read(entry.path()).is_ok_and(|content| content.sound_seal().is_some()));
    }
    let mut damage = Vec::new();
    if torn > 0 {
        damage.push(format!("{torn} files are torn"));
    }
    if files != expected {
        damage.push(format!("there are {files} files; by what was done there should be {expected}"));
    }
    damage
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::seal::write_new;
    use std::fs;

    /// A small tree, so that workers meet all the time: six directories of ten files each.
    fn tree() -> (tempfile::TempDir, Growth) {
        let root = tempfile::tempdir().unwrap();
        for directory in ["a", "a/b", "a/b/c", "a/d", "e", "e/f"] {
            let directory = root.path().join(directory);
            fs::create_dir(&directory).unwrap();
            for file in 0..10 {
                write_new(&directory.join(file.to_string()), &[b'x'; 3000], file).unwrap();
            }
        }
        (root, Growth { files: 60, directories: 6 })
    }

    #[test]
    fn with_locks_nothing_is_violated_and_the_tree_keeps_its_size() {
        let (root, size) = tree();
        let plan = Plan { threads: 4, time: Duration::from_secs(60), lock: true, seed: 1, size };
        let outcome = run(root.path(), &plan, |_, shared| shared.done.load(Relaxed) < 10_000).unwrap();
        assert_eq!(outcome.tally.violations(), 0, "{:?}", outcome.tally.examples);
        assert_eq!(outcome.damage, Vec::<String>::new());
        assert!(outcome.tally.counts.iter().all(|count| count.done > 0), "{:?}", outcome.tally.counts);
        assert_ne!(outcome.tally.sum().waits.count, 0, "they never met");
        let files = WalkDir::new(root.path()).into_iter().filter(|entry| entry.as_ref().unwrap().file_type().is_file());
        assert!((30..120).contains(&files.count()));
    }

    #[test]
    fn without_locks_violations_are_seen() {
        let (root, size) = tree();
        let plan = Plan { threads: 4, time: Duration::from_secs(30), lock: false, seed: 1, size };
        let outcome = run(root.path(), &plan, |_, shared| shared.violations.load(Relaxed) == 0).unwrap();
        assert_ne!(outcome.tally.violations(), 0);
        assert!(!outcome.tally.examples.is_empty());
        assert_eq!(outcome.tally.sum().waits.count, 0);
    }

    #[test]
    fn the_last_look_at_the_tree_finds_what_is_torn_or_missing() {
        let (root, size) = tree();
        assert_eq!(audit(root.path(), size.files), Vec::<String>::new());
        fs::write(root.path().join("a/1"), "torn").unwrap();
        fs::remove_file(root.path().join("a/2")).unwrap();
        assert_eq!(audit(root.path(), size.files).len(), 2);
    }

    #[cfg(unix)]
    #[test]
    fn what_is_nobodys_fault_ends_the_run_with_the_path_named() {
        let (root, size) = tree();
        std::os::unix::fs::symlink("loop", root.path().join("loop")).unwrap();
        let plan = Plan { threads: 2, time: Duration::from_secs(60), lock: true, seed: 1, size };
        let error = run(root.path(), &plan, |_, _| true).unwrap_err();
        assert!(error.contains("`loop`"), "{error}");
    }
}
