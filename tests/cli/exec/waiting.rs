//! Waiting: what is said, and that turns come.

use std::process::Command;
use std::thread::sleep;
use std::time::Duration;

use mutextree::LockStore as _;

use super::{exec, snapshot, tree};
use crate::running::{Running, run, until};
use crate::server::Server;

#[test]
fn a_waiter_says_for_whom_it_waits_and_gets_its_turn() {
    let server = Server::start();
    let store = tree(&server);
    let held = store.mutex("a").unwrap().owner("the tester").lock_owned().unwrap();
    let mut waiter = Running::start(exec(&server).args(["-v", "a/b", "--", "echo", "ran"]));
    let line = waiter.complains("waiting");
    assert!(line.contains("`a/b`") && line.contains("`a` is held by the tester since"), "{line}");
    assert!(!line.contains(['\r', '\x1b']), "not a terminal: {line:?}");
    drop(held);
    assert_eq!(waiter.line(), "ran");
    assert_eq!(waiter.status(), 0);
    assert!(waiter.complaints().iter().any(|line| line.contains("locked `a/b` after")));
    assert!(snapshot(&server).is_empty());
}

/// A name is for people: two that have the same one are in each other's way all the same.
#[test]
fn who_has_the_same_owner_is_named_and_who_came_later_is_not() {
    let server = Server::start();
    let store = tree(&server);
    let _held = store.mutex("a").unwrap().owner("nightly").lock_owned().unwrap();
    let nightly = ["--owner", "nightly", "a/b", "--", "true"];
    let (status, _, err) = run(exec(&server).arg("-n").args(nightly));
    assert_eq!(status, 75);
    assert!(err.contains("`a` is held by nightly"), "{err}");
    // A reader is in no reader's way, so it is not found by looking for what is in its own.
    let first = Running::start(exec(&server).args(["-w", "1s", "--shared"]).args(nightly));
    until("the first waits", || snapshot(&server).waiters().len() == 1);
    let _later = Running::start(exec(&server).args(["--owner", "Zoe", "a/b", "--", "true"]));
    until("the other waits behind it", || snapshot(&server).waiters().len() == 2);
    let line = first.complains("within 1.0 s");
    assert!(line.contains("`a` is held by nightly") && !line.contains("Zoe"), "{line}");
}

#[test]
fn what_does_not_wait_says_nothing() {
    let server = Server::start();
    let mut quiet = Running::start(exec(&server).args(["a", "--", "true"]));
    assert_eq!(quiet.status(), 0);
    assert_eq!(quiet.complaints(), [] as [String; 0]);
}

/// Its lease is a full one from the start of the command, though it waited.
#[test]
fn a_lock_that_was_waited_for_is_kept() {
    let server = Server::start();
    let store = tree(&server);
    let held = store.lock("a").unwrap();
    let mut waiter =
        Running::start(exec(&server).args(["--lease", "30s", "a", "--", "sh", "-c", "echo in; read line"]));
    waiter.complains("waiting");
    drop(held);
    assert_eq!(waiter.line(), "in");
    let remaining = snapshot(&server).holders().next().unwrap().remaining.unwrap();
    assert!(remaining.as_secs() >= 20, "{remaining:?}");
    waiter.type_line("");
    assert_eq!(waiter.status(), 0);
}

#[test]
fn an_owner_shows_who_it_is() {
    let server = Server::start();
    for (options, expected) in [(&[][..], "(sh)"), (&["--owner", "Ann's job"], "Ann's job")] {
        let mut holder =
            Running::start(exec(&server).args(options).args(["a", "--", "sh", "-c", "echo in; read line"]));
        holder.line();
        let owner = snapshot(&server).holders().next().unwrap().owner.clone().unwrap();
        assert!(owner.as_str().contains(expected), "{owner}");
        if options.is_empty() {
            assert!(owner.as_str().contains(&format!(":{} ", holder.pid())), "{owner}");
        }
        holder.type_line("");
        assert_eq!(holder.status(), 0);
    }
}

#[test]
fn a_waiter_that_is_told_to_end_leaves_the_queue_at_once() {
    let server = Server::start();
    let store = tree(&server);
    let _held = store.lock("a").unwrap();
    for (signal, number) in [("-TERM", 15), ("-INT", 2), ("-HUP", 1)] {
        let mut waiter = Running::start(exec(&server).args(["a", "--", "echo", "ran"]));
        until("it waits", || snapshot(&server).waiters().len() == 1);
        waiter.signal(signal);
        assert_eq!(waiter.status(), 128 + number);
        assert_eq!(snapshot(&server).waiters().len(), 0, "it gave up its place before it ended");
    }
}

/// It asks who is in its way, and is told to end before it has the answer.
#[test]
fn a_waiter_leaves_the_queue_of_a_slow_server() {
    let server = Server::start();
    let store = tree(&server);
    let _held = store.lock("a").unwrap();
    let mut waiter = Running::start(exec(&server).args(["a", "--", "echo", "ran"]));
    until("it waits", || snapshot(&server).waiters().len() == 1);
    until("it listens for messages", || server.blocked() == 1);
    let _: () = redis::cmd("CLIENT").arg("PAUSE").arg(700).arg("WRITE").query(&mut server.connect()).unwrap();
    // It asks who is in its way, and has no answer; on a slow machine it has asked before.
    for _ in (0..100).take_while(|_| server.blocked() < 2) {
        sleep(Duration::from_millis(5));
    }
    waiter.signal("-TERM");
    assert_eq!(waiter.status(), 128 + 15);
    assert_eq!(snapshot(&server).waiters().len(), 0, "it gave up its place before it ended");
}

/// Each adds one to a number in a file, which only works if they take turns.
#[test]
fn many_take_turns() {
    let server = Server::start();
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("number");
    std::fs::write(&file, "0").unwrap();
    let script = "n=$(cat \"$0\"); sleep 0.01; echo $((n + 1)) >\"$0\"";
    let start = || -> Running {
        let mut command: Command = exec(&server);
        Running::start(command.args(["a/b", "--", "sh", "-c", script]).arg(&file))
    };
    let mut all: Vec<Running> = (0..12).map(|_| start()).collect();
    assert!(all.iter_mut().all(|one| one.status() == 0));
    assert_eq!(std::fs::read_to_string(&file).unwrap().trim(), "12");
}
