//! Which cache lines a lock writes that another thread touches: what limits it on many cores, shown
//! without any. `scripts/lines` runs this, on a build in which every access to an atomic, a mutex,
//! a reference count or the index is noted (`src/sync/counted.rs`).
//!
//! Each test has two users, each on a thread of its own. Both have locked before, so nothing is
//! made any more. Then each does the same once more, and what they touch is compared. The numbers
//! are what is true today: a change that raises one has to say so here.
#![cfg(mutextree_lines)]

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Barrier;
use std::thread;
use std::time::Duration;

use mutextree::lines::{Access, record};
use mutextree::{LockStore, MemoryStore, TreeMutex};

/// What each of two users touched.
struct Touched([Vec<Access>; 2]);

impl Touched {
    /// Runs `user` for both, each as often as is needed until nothing is new, and once more.
    fn by(user: impl Fn(usize) + Sync) -> Self {
        let done = Barrier::new(2);
        let run = |number: usize| {
            (0..8).for_each(|_| user(number));
            done.wait();
            let touched = record(|| user(number));
            // Until both are done neither ends: their stacks are no common lines.
            done.wait();
            touched
        };
        thread::scope(|scope| {
            let users = [0, 1].map(|number| scope.spawn(move || run(number)));
            Self(users.map(|user| user.join().expect("no panic")))
        })
    }

    /// The lines that one of them writes and the other reads or writes, with what is there.
    fn common(&self) -> BTreeMap<usize, BTreeSet<&'static str>> {
        let mut common = BTreeMap::<_, BTreeSet<_>>::new();
        for (one, other) in [(0, 1), (1, 0)] {
            let written = self.0[one].iter().filter(|access| access.writes);
            for access in written.filter(|access| self.0[other].iter().any(|touched| touched.line == access.line)) {
                common.entry(access.line).or_default().insert(access.what);
            }
        }
        common
    }

    /// How many lines each user writes.
    fn written(&self) -> [usize; 2] {
        let written = |user: &Vec<Access>| {
            let lines: BTreeSet<usize> = user.iter().filter(|access| access.writes).map(|access| access.line).collect();
            lines.len()
        };
        self.0.each_ref().map(written)
    }

    /// How many accesses each user makes, reads included.
    fn accesses(&self) -> [usize; 2] {
        self.0.each_ref().map(Vec::len)
    }

    #[track_caller]
    fn assert_common(&self, expected: usize) {
        let common = self.common();
        let mut times = BTreeMap::<String, usize>::new();
        for (user, touched) in self.0.iter().enumerate() {
            for access in touched.iter().filter(|access| common.contains_key(&access.line)) {
                *times.entry(format!("user {user}: {access}")).or_default() += 1;
            }
        }
        let touched: Vec<String> = times.iter().map(|(access, times)| format!("{access}, {times} times")).collect();
        assert_eq!(common.len(), expected, "lines that one writes and the other touches:\n{}", touched.join("\n"));
    }
}

/// Two files of one directory, four components deep, each with what `made` makes of its handle.
fn siblings(made: impl Fn(TreeMutex) -> TreeMutex) -> [TreeMutex; 2] {
    let store = MemoryStore::new();
    [0, 1].map(|n| made(store.mutex(format!("org/team/project/file{n}")).unwrap()))
}

fn lock_and_unlock(handles: &[TreeMutex; 2]) -> Touched {
    Touched::by(|user| drop(handles[user].lock().unwrap()))
}

#[test]
fn handles_of_two_nodes_have_no_line_in_common() {
    for made in [|mutex| mutex, TreeMutex::shared, TreeMutex::node_only, |mutex: TreeMutex| mutex.shared().node_only()]
    {
        let touched = lock_and_unlock(&siblings(made));
        touched.assert_common(0);
        assert_eq!(touched.written(), [1, 1], "a lock writes the line of its node, and no other");
    }
}

/// Neither do a handle of a node and one of a node below another, nor handles that are far apart.
#[test]
fn handles_at_any_depth_have_no_line_in_common() {
    let store = MemoryStore::new();
    let handles = ["a", "b/c/d/e/f/g/h/i/j/k/l/m/n/o/p/q"].map(|path| store.mutex(path).unwrap());
    lock_and_unlock(&handles).assert_common(0);
}

/// Nor do nodes that were made one after the other, and lie side by side. Neither do a thread that
/// locks one of two by its path and one that locks the other by its handle.
#[test]
fn neighbours_have_no_line_in_common() {
    for by_path in [[false, false], [true, false], [true, true]] {
        paths_apart(|| {
            let store = MemoryStore::new();
            let path = |user: usize, n: usize| format!("org/team/file{user}-{n}");
            let handles: Vec<_> = (0..64).map(|n| [0, 1].map(|user| store.mutex(path(user, n)).unwrap())).collect();
            Touched::by(|user| {
                for (n, handles) in handles.iter().enumerate() {
                    if by_path[user] {
                        drop(store.lock(path(user, n)).unwrap());
                    } else {
                        drop(handles[user].lock().unwrap());
                    }
                }
            })
        });
    }
}

/// What both touched when they had no line in common. Of so many paths some may keep each other out
/// of a thread's table, and then use the index. That is as their hashes are, and seldom so.
fn paths_apart(touched: impl Fn() -> Touched) -> Touched {
    for _ in 0..8 {
        let touched = touched();
        if touched.common().is_empty() {
            return touched;
        }
    }
    let touched = touched();
    touched.assert_common(0);
    touched
}

/// After a lock above has come by, a claim looks up once. From then on it is as before.
#[test]
fn after_a_walk_handles_have_no_line_in_common() {
    let store = MemoryStore::new();
    let handles = [0, 1].map(|n| store.mutex(format!("org/team/project/file{n}")).unwrap());
    lock_and_unlock(&handles).assert_common(0);
    drop(store.lock("org").unwrap());
    lock_and_unlock(&handles).assert_common(0);
}

#[test]
fn owned_guards_of_two_nodes_have_no_line_in_common() {
    let handles = siblings(|mutex| mutex);
    let touched = Touched::by(|user| drop(handles[user].lock_owned().unwrap()));
    touched.assert_common(0);
    assert!(touched.written().iter().all(|lines| *lines <= 2), "the node, and its reference count");
}

#[test]
fn tasks_on_two_nodes_have_no_line_in_common() {
    let handles = siblings(|mutex| mutex);
    Touched::by(|user| drop(futures_lite::future::block_on(handles[user].lock_async()).unwrap())).assert_common(0);
}

/// Whose a lock is, or when its lease ends, stands in the word. It counts no references, so one
/// owner may be that of all.
#[test]
fn locks_with_owners_and_leases_have_no_line_in_common() {
    let (owner, minute) = (mutextree::Owner::from("both"), Duration::from_secs(60));
    for handles in [
        siblings(|mutex| mutex.owner("one of two")),
        siblings(|mutex| mutex.owner(owner.clone())),
        siblings(|mutex| mutex.lease(minute)),
        siblings(|mutex| mutex.owner(owner.clone()).lease(minute)),
    ] {
        let touched = lock_and_unlock(&handles);
        touched.assert_common(0);
        assert_eq!(touched.written(), [1, 1], "a lock writes the line of its node, and no other");
    }
}

/// All draw their tokens from one counter.
#[test]
fn shared_leases_and_tokens_have_one_line_in_common() {
    lock_and_unlock(&siblings(|mutex| mutex.shared().lease(Duration::from_secs(60)))).assert_common(1);
    let handles = siblings(|mutex| mutex);
    let touched = Touched::by(|user| {
        let guard = handles[user].lock().unwrap();
        guard.fencing_token();
    });
    touched.assert_common(1);
}

/// A shared lock has a record, which counts the owner's references.
#[test]
fn an_owner_of_two_shared_handles_is_a_second_line_in_common() {
    let owner = mutextree::Owner::from("both");
    lock_and_unlock(&siblings(|mutex| mutex.shared().owner(owner.clone()))).assert_common(2);
}

/// Both do this at the same time until they have met so often that they sit: the node that both
/// read is spread.
fn until_they_sit(user: impl Fn(usize) + Sync) -> Touched {
    for _ in 0..10_000 {
        let start = Barrier::new(2);
        thread::scope(|scope| {
            for number in [0, 1] {
                let (start, user) = (&start, &user);
                scope.spawn(move || {
                    start.wait();
                    (0..1_000).for_each(|_| user(number));
                });
            }
        });
        let touched = Touched::by(&user);
        if touched.common().is_empty() {
            return touched;
        }
    }
    panic!("two threads read one node in ten million rounds, and it was not spread");
}

/// Readers that have not met at the node are counted in its word. Once they have, each sits in a
/// line of its own.
#[test]
fn readers_of_one_node_have_no_line_in_common() {
    let reader = MemoryStore::new().mutex("org/team/project/file").unwrap().shared();
    let handles = [reader.clone(), reader];
    let touched = lock_and_unlock(&handles);
    touched.assert_common(1);
    // More if they meet, and one of them has to claim once more.
    assert!(writes_in_common(&touched).into_iter().all(|writes| writes >= 2), "the claim and its end");
    let touched = until_they_sit(|user| drop(handles[user].lock().unwrap()));
    assert_eq!(touched.written(), [1, 1], "a lock writes its seat, and nothing else");
}

/// As a file system does it: the directory, shared and node only, then the file.
#[test]
fn writers_of_two_files_have_no_line_in_common() {
    let store = MemoryStore::new();
    let directory = store.mutex("org/team/project").unwrap().shared().node_only();
    let files = [0, 1].map(|n| store.mutex(format!("org/team/project/file{n}")).unwrap());
    let two_steps = |user: usize| {
        let directory = directory.lock().unwrap();
        drop(files[user].lock().unwrap());
        drop(directory);
    };
    let touched = Touched::by(two_steps);
    touched.assert_common(1);
    // More if they meet, and one of them has to claim once more.
    assert!(writes_in_common(&touched).into_iter().all(|writes| writes >= 2), "the claim and its end");
    assert_eq!(until_they_sit(two_steps).written(), [2, 2], "the seat and the file's node");
}

/// What a thread looked up a moment ago it finds without the index: it writes the node's word and
/// its reference count.
#[test]
fn paths_of_two_threads_have_no_line_in_common() {
    for paths in [1, 64] {
        let touched = paths_apart(|| {
            let store = MemoryStore::new();
            Touched::by(|user| {
                (0..paths).for_each(|n| drop(store.lock(format!("org/team/project/file{user}-{n}")).unwrap()));
            })
        });
        let written = touched.written();
        assert!(written.iter().all(|lines| (paths..=2 * paths).contains(lines)), "{written:?} for {paths} paths each");
    }
}

/// More paths than a thread remembers are looked up in the index, most of whose shards have paths
/// of both.
#[test]
fn too_many_paths_have_the_shards_of_the_index_in_common() {
    const PATHS: usize = 1_500;
    let store = MemoryStore::new();
    let touched = Touched::by(|user| {
        (0..PATHS).for_each(|n| drop(store.lock(format!("org/team/project/file{user}-{n}")).unwrap()));
    });
    let common = touched.common();
    let all = ["a shard of the index"].into();
    assert!(common.values().all(|what| *what == all), "{common:?}");
    assert_eq!(common.len(), 64, "every shard");
}

/// How often each writes a line that the other touches.
fn writes_in_common(touched: &Touched) -> [usize; 2] {
    let common = touched.common();
    let is_common = |access: &&Access| access.writes && common.contains_key(&access.line);
    touched.0.each_ref().map(|user| user.iter().filter(is_common).count())
}

/// What would be seen if a lock wrote what another reads: a handle that asks for a token does.
#[test]
fn a_line_that_only_one_writes_is_seen() {
    let handles = siblings(|mutex| mutex);
    let touched = Touched::by(|user| {
        let guard = handles[user].lock().unwrap();
        if user == 0 {
            guard.fencing_token();
        }
    });
    touched.assert_common(0);
    let shared = MemoryStore::new().mutex("a").unwrap().shared();
    let looks = Touched::by(|user| match user {
        0 => drop(shared.lock().unwrap()),
        _ => _ = shared.is_locked(),
    });
    looks.assert_common(1);
    assert!(looks.accesses().into_iter().all(|count| count > 0), "both were recorded");
}
