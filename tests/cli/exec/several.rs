//! Several paths: all or none, without deadlock and without starvation.

use mutextree::{LockStore as _, OwnedTreeMutexGuard, RedisStore};

use super::{exec, snapshot, tree};
use crate::running::{Running, run, until};
use crate::server::Server;

#[test]
fn all_or_none() {
    let server = Server::start();
    let store = tree(&server);
    let held = store.lock("b").unwrap();
    let (status, out, err) = run(exec(&server).args(["-n", "a", "b", "c", "--", "echo", "ran"]));
    assert_eq!((status, out.as_str()), (75, ""), "{err}");
    assert_eq!(store.snapshot().unwrap().holders().len(), 1, "nothing is kept of it");

    let mut waiter = Running::start(exec(&server).args(["c", "a", "b", "--", "sh", "-c", "echo in; read line"]));
    waiter.complains("waiting");
    drop(held);
    assert_eq!(waiter.line(), "in");
    let held: Vec<_> = snapshot(&server).holders().map(|lock| lock.path.to_string()).collect();
    assert_eq!(held, ["a", "b", "c"]);
    waiter.type_line("");
    assert_eq!(waiter.status(), 0);
    assert!(snapshot(&server).is_empty());
}

/// A lock that is had while another one is waited for would hold up others for as long as that.
#[test]
fn a_part_of_the_set_keeps_others_out_for_a_moment_only() {
    let server = Server::start();
    let store = tree(&server);
    let held = store.lock("b").unwrap();
    let mut set = Running::start(exec(&server).args(["a/x", "b", "a/y", "--", "echo", "all"]));
    set.complains("waiting");
    let (status, out, err) = run(exec(&server).args(["a", "--", "echo", "got in"]));
    assert_eq!((status, out.as_str()), (0, "got in\n"), "{err}");
    drop(held);
    assert_eq!(set.line(), "all");
    assert_eq!(set.status(), 0);
}

/// Each of these four can wait for another that waits for it.
#[test]
fn crossing_sets_and_a_lock_around_them_all_get_through() {
    let server = Server::start();
    let sets: [&[&str]; 4] = [&["a/x", "a/y"], &["a/y", "a/x"], &["a"], &["a/x", "b"]];
    let script = |paths: &[&str]| {
        let program = env!("CARGO_BIN_EXE_mutextree");
        format!("for i in 1 2 3 4 5; do {program} exec {} -- true || exit; done", paths.join(" "))
    };
    let start = |paths: &[&str]| {
        let mut shell = std::process::Command::new("sh");
        Running::start(shell.env("MUTEXTREE_REDIS", server.url()).args(["-c", &script(paths)]))
    };
    let mut all: Vec<Running> = sets.iter().map(|paths| start(paths)).collect();
    assert!(all.iter_mut().all(|one| one.status() == 0));
    assert!(snapshot(&server).is_empty());
}

/// An adversary that always holds the one that is wanted next. In the end all of the branch is
/// locked at once.
#[test]
fn nobody_is_starved_by_locks_that_come_and_go() {
    let server = Server::start();
    let store = tree(&server);
    let take = |path: &str| -> OwnedTreeMutexGuard<RedisStore> { store.lock(path).unwrap() };
    let waits_for = |path: &str| {
        let now = store.snapshot().unwrap();
        let waits = now.waiters().any(|waiter| waiter.path.to_string() == path);
        // It waits for it, and holds nothing: the other one is free.
        waits && now.holders().len() == 1
    };
    let mut held = take("a/x");
    let mut victim = Running::start(exec(&server).args(["a/x", "a/y", "--", "sh", "-c", "echo in; read line"]));
    let (mut here, mut there) = ("a/x", "a/y");
    for round in 0..8 {
        until(&format!("round {round}: it waits for {here}"), || waits_for(here));
        let next = take(there);
        drop(held);
        held = next;
        (here, there) = (there, here);
    }
    victim.complains("locking all of `a` instead");
    until("it waits for a", || waits_for("a"));
    drop(held);
    assert_eq!(victim.line(), "in");
    assert_eq!(snapshot(&server).holders().next().unwrap().path.to_string(), "a");
    victim.type_line("");
    assert_eq!(victim.status(), 0);
}
