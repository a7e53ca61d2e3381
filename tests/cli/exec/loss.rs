//! A lock that is about to be lost, or was: the command is stopped, and that before another can
//! have the lock.

use std::time::{Duration, Instant};

use mutextree::LockStore as _;

use super::{exec, snapshot, tree};
use crate::running::{Running, kill, lives, until};
use crate::server::Server;

const LEASE: Duration = Duration::from_secs(3);

fn start(server: &Server, script: &str) -> Running {
    Running::start(exec(server).args(["--lease", "3s", "a", "--", "sh", "-c", script]))
}

/// Stops the server, and returns after what time none of these processes lives.
fn without_server(server: &Server, running: &mut Running, family: &[&str]) -> Duration {
    kill("-STOP", &server.pid().to_string());
    let stopped = Instant::now();
    until("they are gone", || !family.iter().any(|pid| lives(pid)));
    let time = stopped.elapsed();
    assert_eq!(running.status(), 76, "whatever the command's own status was");
    kill("-CONT", &server.pid().to_string());
    time
}

#[test]
fn a_command_runs_for_longer_than_the_lease() {
    let server = Server::start();
    let mut running = Running::start(exec(&server).args(["--lease", "1s", "a", "--", "sleep", "3"]));
    assert_eq!(running.status(), 0);
    assert_eq!(running.complaints(), [] as [String; 0]);
}

#[test]
fn a_silent_server_ends_the_command_before_the_lease_ends() {
    let server = Server::start();
    let script = "trap 'echo told; exit 0' TERM; echo $$; while :; do sleep 0.01; done";
    let mut running = start(&server, script);
    let pid = running.line();
    let time = without_server(&server, &mut running, &[&pid]);
    assert_eq!(running.line(), "told");
    assert!(time < LEASE, "{time:?}");
    let complaints = running.complaints().join("\n");
    assert!(complaints.contains("could not be renewed") && complaints.contains("was lost"), "{complaints}");
}

#[test]
fn a_command_that_ignores_sigterm_is_killed_before_the_lease_ends() {
    let server = Server::start();
    let script = "trap '' TERM; (exec sleep 1000) & echo $$ $!; while :; do sleep 0.01; done";
    let mut running = start(&server, script);
    let line = running.line();
    let family: Vec<&str> = line.split(' ').collect();
    let time = without_server(&server, &mut running, &family);
    assert!(time < LEASE, "{time:?}");
}

/// Consul's `lock` killed its shell alone, and what that had started ran on without the lock.
#[test]
fn grandchildren_die_though_the_command_obeys() {
    let server = Server::start();
    let script = "(trap '' TERM; exec sleep 1000) & echo $!; trap 'exit 0' TERM; while :; do sleep 0.01; done";
    let mut running = start(&server, script);
    let grandchild = running.line();
    let time = without_server(&server, &mut running, &[&grandchild]);
    assert!(time < LEASE, "{time:?}");
}

/// A stopped process does not hear of SIGTERM until it is continued.
#[test]
fn a_stopped_command_is_told_too() {
    let server = Server::start();
    let mut running = start(&server, "trap 'echo told; exit 0' TERM; echo $$; while :; do sleep 0.01; done");
    let pid = running.line();
    kill("-STOP", &pid);
    without_server(&server, &mut running, &[&pid]);
    assert_eq!(running.line(), "told");
}

#[test]
fn a_short_outage_is_sat_out() {
    let server = Server::start();
    let mut running = start(&server, "echo in; read line");
    assert_eq!(running.line(), "in");
    kill("-STOP", &server.pid().to_string());
    std::thread::sleep(LEASE / 3); // what is tested is that so much time does no harm
    kill("-CONT", &server.pid().to_string());
    running.type_line("");
    assert_eq!(running.status(), 0);
}

#[test]
fn a_broken_lock_stops_the_command() {
    let server = Server::start();
    let store = tree(&server);
    let mut running = start(&server, "trap 'echo told; exit 0' TERM; echo in; while :; do sleep 0.01; done");
    assert_eq!(running.line(), "in");
    let held = snapshot(&server).holders().next().unwrap().clone();
    assert!(store.break_lock(&held).unwrap());
    assert_eq!(running.line(), "told");
    assert_eq!(running.status(), 76);
    running.complains("somebody has ended it");
}

#[test]
fn a_server_that_forgot_the_lock_stops_the_command() {
    let server = Server::start();
    let mut running = start(&server, "trap 'echo told; exit 0' TERM; echo in; while :; do sleep 0.01; done");
    assert_eq!(running.line(), "in");
    let _: () = redis::cmd("FLUSHALL").query(&mut server.connect()).unwrap();
    assert_eq!(running.line(), "told");
    assert_eq!(running.status(), 76);
}

#[test]
fn a_wait_at_a_server_that_goes_away_ends() {
    let mut server = Server::start();
    let store = tree(&server);
    let held = store.lock("a").unwrap();
    let mut waiter = Running::start(exec(&server).args(["--lease", "1s", "a", "--", "echo", "ran"]));
    waiter.complains("waiting");
    server.kill();
    assert_eq!(waiter.status(), 69);
    std::mem::forget(held); // its server is gone
}
