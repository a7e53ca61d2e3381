//! Several paths: one lock, all of it or nothing, without deadlock and without starvation.

use mutextree::LockStore as _;

use super::{exec, snapshot, tree};
use crate::running::{Running, mutextree, run};
use crate::server::Server;

#[test]
fn all_or_none() {
    let server = Server::start();
    let store = tree(&server);
    let held = store.mutex("b/file").unwrap().owner("Ann").lock_owned().unwrap();
    let (status, out, err) = run(exec(&server).args(["-n", "a", "b", "c", "--", "echo", "ran"]));
    assert_eq!((status, out.as_str()), (75, ""), "{err}");
    assert!(err.contains("`b/file` is held by Ann") && err.contains("in the way of `b`"), "{err}");
    assert_eq!(store.snapshot().unwrap().holders().len(), 1, "nothing is kept of it");

    let mut waiter = Running::start(exec(&server).args(["c", "a", "b", "--", "sh", "-c", "echo in; read line"]));
    let line = waiter.complains("waiting");
    assert!(line.contains("`b/file` is held by Ann") && line.contains("in the way of `b`"), "{line}");
    assert_eq!(store.snapshot().unwrap().holders().len(), 1, "it holds nothing while it waits");
    let mut why = mutextree();
    let (status, out, _) = run(why.env("MUTEXTREE_REDIS", server.url()).args(["why", "c/x"]));
    assert_eq!(status, 1);
    assert!(out.contains("as one with other paths; behind `b/file` held by Ann"), "{out}");
    drop(held);
    assert_eq!(waiter.line(), "in");
    let all = snapshot(&server);
    let held: Vec<_> = all.holders().map(|lock| lock.path.to_string()).collect();
    assert_eq!(held, ["a", "b", "c"]);
    waiter.type_line("");
    assert_eq!(waiter.status(), 0);
    assert!(snapshot(&server).is_empty());
}

#[test]
fn one_token_is_for_all_of_them() {
    let server = Server::start();
    let script = "echo $MUTEXTREE_FENCING_TOKEN; read line";
    let mut holder = Running::start(exec(&server).args(["a", "b/x", "b/y", "--", "sh", "-c", script]));
    let token: u64 = holder.line().parse().unwrap();
    let held: Vec<_> = snapshot(&server).holders().map(|lock| lock.fencing_token).collect();
    assert_eq!(held, [Some(token); 3]);
    // By the token all of it ends.
    let mut ends = mutextree();
    ends.env("MUTEXTREE_REDIS", server.url()).args(["break", "--yes", &token.to_string()]);
    let (status, out, err) = run(&mut ends);
    assert_eq!((status, out.lines().count()), (0, 3), "{out}{err}");
    assert_eq!(holder.status(), 76);
}

#[test]
fn what_loses_one_of_them_is_stopped_and_gives_back_the_others() {
    let server = Server::start();
    let mut holder = Running::start(exec(&server).args(["a", "b", "--", "sh", "-c", "echo in; read line"]));
    assert_eq!(holder.line(), "in");
    let store = tree(&server);
    let all = store.snapshot().unwrap();
    assert!(store.break_lock(all.holders().nth(1).unwrap()).unwrap());
    assert_eq!(holder.status(), 76);
    holder.complains("`a`, `b` is lost");
    assert!(snapshot(&server).is_empty());
}

/// What waits holds nothing, so it keeps nobody out who came before it.
#[test]
fn who_came_first_gets_in_though_a_set_waits() {
    let server = Server::start();
    let store = tree(&server);
    let (held, other) = (store.lock("b").unwrap(), store.lock("a/z").unwrap());
    let mut first = Running::start(exec(&server).args(["a", "--", "echo", "got in"]));
    first.complains("waiting");
    let mut set = Running::start(exec(&server).args(["a/x", "b", "a/y", "--", "echo", "all"]));
    set.complains("waiting");
    drop(other);
    assert_eq!(first.line(), "got in");
    assert_eq!(first.status(), 0);
    drop(held);
    assert_eq!(set.line(), "all");
    assert_eq!(set.status(), 0);
}

/// Who comes later is behind the set at each of its paths, so locks that come and go do not starve
/// it.
#[test]
fn who_comes_later_waits_behind_the_set() {
    let server = Server::start();
    let store = tree(&server);
    let held = store.lock("a/x").unwrap();
    let script = ["--", "sh", "-c", "echo in; read line"];
    let mut set = Running::start(exec(&server).args(["--owner", "Set", "a/x", "a/y"]).args(script));
    set.complains("waiting");
    let (status, _, err) = run(exec(&server).args(["-n", "a/y", "--", "true"]));
    assert_eq!(status, 75);
    assert!(err.contains("Set waits for `a/y`"), "{err}");
    drop(held);
    assert_eq!(set.line(), "in");
    let held: Vec<_> = snapshot(&server).holders().map(|lock| lock.path.to_string()).collect();
    assert_eq!(held, ["a/x", "a/y"], "and nothing that was not asked for");
    set.type_line("");
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

#[test]
fn more_than_the_server_takes_in_one_step_is_64() {
    let server = Server::start();
    let paths: Vec<String> = (0..65).map(|number| number.to_string()).collect();
    let (status, out, err) = run(exec(&server).args(&paths).args(["--", "echo", "ran"]));
    assert_eq!((status, out.as_str()), (64, ""));
    assert!(err.contains("65") && err.contains("64"), "{err}");
    assert_eq!(run(exec(&server).args(&paths[1..]).args(["--", "true"])).0, 0);
}
