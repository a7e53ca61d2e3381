//! Signals pass on; what becomes of the command if its keeper is killed or stopped.

use std::time::{Duration, Instant};

use mutextree::LockStore as _;

use super::{exec, snapshot, tree};
use crate::running::{Running, kill, lives, mutextree, until};
use crate::server::Server;

/// Says its process and that of a grandchild of the same group that ignores SIGTERM.
const FAMILY: &str = "(trap '' TERM; exec sleep 1000) & echo $$ $!; wait";

fn family(running: &Running) -> Vec<String> {
    running.line().split(' ').map(String::from).collect()
}

#[test]
fn signals_pass_on_to_the_command() {
    let server = Server::start();
    for (name, signal) in
        [("TERM", "-TERM"), ("INT", "-INT"), ("HUP", "-HUP"), ("QUIT", "-QUIT"), ("USR1", "-USR1"), ("USR2", "-USR2")]
    {
        let script = format!("trap 'echo {name}; exit 5' {name}; echo in; while :; do sleep 0.01; done");
        let mut running = Running::start(exec(&server).args(["a", "--", "sh", "-c", &script]));
        assert_eq!(running.line(), "in");
        running.signal(signal);
        assert_eq!(running.line(), name);
        assert_eq!(running.status(), 5);
    }
}

#[test]
fn a_second_interrupt_kills() {
    let server = Server::start();
    let script = "trap 'echo INT' INT; echo in; while :; do sleep 0.01; done";
    let mut running = Running::start(exec(&server).args(["a", "--", "sh", "-c", script]));
    assert_eq!(running.line(), "in");
    running.signal("-INT");
    assert_eq!(running.line(), "INT");
    running.signal("-INT");
    assert_eq!(running.status(), 137);
}

#[cfg(target_os = "linux")]
#[test]
fn what_was_ignored_at_the_start_stays_ignored() {
    let server = Server::start();
    let program = env!("CARGO_BIN_EXE_mutextree");
    let loops = "while :; do sleep 0.01; done";
    let script = format!("trap '' HUP; exec {program} exec a -- sh -c \"trap 'echo usr' USR1; echo in; {loops}\"");
    let mut shell = std::process::Command::new("sh");
    let mut running = Running::start(shell.env("MUTEXTREE_REDIS", server.url()).args(["-c", &script]));
    assert_eq!(running.line(), "in");
    running.signal("-HUP");
    // What comes later is passed on, so the first would have been as well.
    running.signal("-USR1");
    assert_eq!(running.line(), "usr");
    running.signal("-USR1");
    assert_eq!(running.line(), "usr");
    running.signal("-TERM");
    assert_eq!(running.status(), 143);
}

#[test]
fn a_killed_command_frees_its_lock() {
    let server = Server::start();
    let mut running = Running::start(exec(&server).args(["a", "--", "sh", "-c", "echo $$; read line"]));
    kill("-KILL", &running.line());
    assert_eq!(running.status(), 137);
    assert!(snapshot(&server).is_empty());
}

#[test]
fn a_killed_keeper_takes_its_command_along() {
    let server = Server::start();
    let mut running = Running::start(exec(&server).args(["--lease", "6s", "a", "--", "sh", "-c", FAMILY]));
    let family = family(&running);
    running.child.kill().unwrap();
    let killed = Instant::now();
    until("the group is gone", || !family.iter().any(|pid| lives(pid)));
    // Long before another can have the lock.
    assert!(killed.elapsed() < Duration::from_secs(4), "{:?}", killed.elapsed());
    assert_eq!(snapshot(&server).holders().len(), 1);
}

/// A keeper that does not go on cannot renew the lease, nor stop the command. Its watchdog does.
#[test]
fn a_stopped_keeper_has_its_command_stopped_before_the_lease_ends() {
    let server = Server::start();
    let store = tree(&server);
    let mut running = Running::start(exec(&server).args(["--lease", "3s", "a", "--", "sh", "-c", FAMILY]));
    let family = family(&running);
    running.signal("-STOP");
    let _next = store.mutex("a").unwrap().try_lock_owned_for(Duration::from_secs(30)).unwrap();
    assert!(!family.iter().any(|pid| lives(pid)), "the next one has the lock, and the command lives");
    running.signal("-CONT");
    assert_eq!(running.status(), 76);
    drop(store);
}

#[test]
fn a_group_can_be_waited_for() {
    let server = Server::start();
    let script = "exec 3<&0; (read line <&3; echo later) & echo first";
    for (option, kept) in [(Some("--wait-group"), 1), (None, 0)] {
        let mut running = Running::start(exec(&server).args(option).args(["a", "--", "sh", "-c", script]));
        assert_eq!(running.line(), "first");
        if option.is_none() {
            assert_eq!(running.status(), 0);
        }
        assert_eq!(snapshot(&server).holders().len(), kept);
        running.type_line("");
        assert_eq!(running.line(), "later");
        assert_eq!(running.status(), 0);
        assert!(snapshot(&server).is_empty());
    }
}

/// Nobody but the program itself starts it like this; it must not hang or crash all the same.
#[test]
fn a_watchdog_started_by_hand_ends() {
    for arguments in [&[][..], &["x", "y"], &["1", "1"]] {
        let mut watchdog = mutextree();
        let mut running = Running::start(watchdog.arg("--mutextree-watchdog").args(arguments));
        running.close_stdin();
        assert!(running.ends().code().is_some());
    }
}
