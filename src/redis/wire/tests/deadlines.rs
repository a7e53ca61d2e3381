//! A deadline ends the wait of its caller, and nothing else.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use super::fake::{Fake, Gate, Reply, echo as echo_reply};
use super::{Wire, echo, is_down, is_unsure, soon, wire, wire_with, within};
use crate::redis::error::{Failure, RedisStoreError};
use crate::redis::value::Value;

fn bytes(text: &str) -> Result<Value, Failure> {
    Ok(Value::Bytes(text.into()))
}

/// Runs calls in threads that a test can wait for.
fn call_in<'scope>(
    scope: &'scope thread::Scope<'scope, '_>,
    wire: &'scope Wire,
    text: &'static str,
    deadline: u64,
) -> thread::ScopedJoinHandle<'scope, Result<Value, Failure>> {
    scope.spawn(move || wire.call(&echo(text), deadline))
}

fn wait_until(condition: impl Fn() -> bool) {
    let began = Instant::now();
    while !condition() {
        assert!(began.elapsed() < Duration::from_secs(10), "it does not come to that");
        thread::yield_now();
    }
}

#[test]
fn the_patient_never_fail_for_the_impatient() {
    let server = Fake::echoing();
    server.delay(Duration::from_millis(100));
    let wire = wire(&server.url());
    let (done, answers, tries) = (AtomicBool::new(false), AtomicUsize::new(0), AtomicUsize::new(0));
    thread::scope(|scope| {
        for _ in 0..12 {
            scope.spawn(|| {
                while !done.load(Ordering::SeqCst) {
                    let failure = wire.call(&echo("impatient"), within(Duration::from_millis(1))).unwrap_err();
                    assert!(is_down(&failure) || is_unsure(&failure), "{failure:?}");
                    tries.fetch_add(1, Ordering::SeqCst);
                }
            });
        }
        let patient: Vec<_> = (0..4)
            .map(|thread| {
                let (wire, answers) = (&wire, &answers);
                scope.spawn(move || {
                    for number in 0..6 {
                        let text = format!("{thread} {number}");
                        assert_eq!(wire.call(&echo(&text), soon()), bytes(&text));
                        answers.fetch_add(1, Ordering::SeqCst);
                    }
                })
            })
            .collect();
        let results: Vec<_> = patient.into_iter().map(thread::ScopedJoinHandle::join).collect();
        done.store(true, Ordering::SeqCst);
        for result in results {
            result.unwrap();
        }
    });
    assert_eq!(answers.into_inner(), 24);
    assert!(tries.into_inner() > 100, "they were impatient");
}

#[test]
fn the_impatient_do_not_heap_up_work() {
    let server = silent_once();
    let wire = wire(&server.url());
    wire.call(&echo("open"), soon()).unwrap();
    let mut not_sent = 0;
    for _ in 0..200 {
        not_sent += usize::from(is_down(&wire.call(&echo("silence"), within(Duration::from_millis(2))).unwrap_err()));
    }
    assert!(not_sent >= 200 - 65, "{not_sent}");
    assert!(server.commands(0).len() <= 3 + 65, "{}", server.commands(0).len());
    assert_eq!(server.connections(), 1);
}

#[test]
fn a_leader_that_leaves_hands_the_reading_on() {
    let gate = Gate::default();
    let server = gate.server();
    let wire = wire(&server.url());
    thread::scope(|scope| {
        let a = call_in(scope, &wire, "a", soon());
        let b = call_in(scope, &wire, "b", soon());
        gate.wait_for("a");
        gate.wait_for("b");
        let leader = call_in(scope, &wire, "leader", within(Duration::from_millis(500)));
        wait_until(|| wire.site().queued() == 1);
        let gone = call_in(scope, &wire, "gone", within(Duration::from_millis(500)));
        wait_until(|| wire.site().queued() == 2);
        let follower = call_in(scope, &wire, "follower", soon());
        wait_until(|| wire.site().queued() == 3);
        gate.open("a");
        assert_eq!(a.join().unwrap(), bytes("a"));
        gate.wait_for("leader"); // and the two behind it are sent with it
        assert!(is_unsure(&leader.join().unwrap().unwrap_err()));
        assert!(is_unsure(&gone.join().unwrap().unwrap_err()));
        for word in ["leader", "gone", "follower", "b"] {
            gate.open(word);
        }
        assert_eq!(follower.join().unwrap(), bytes("follower"));
        assert_eq!(b.join().unwrap(), bytes("b"));
        gate.open("next");
        assert_eq!(wire.call(&echo("next"), soon()), bytes("next"));
    });
    assert_eq!(server.connections(), 2);
}

#[test]
fn what_was_not_sent_is_down_and_never_runs() {
    let gate = Gate::default();
    let server = gate.server();
    let wire = wire(&server.url());
    thread::scope(|scope| {
        let held = [call_in(scope, &wire, "a", soon()), call_in(scope, &wire, "b", soon())];
        gate.wait_for("a");
        gate.wait_for("b");
        let failure = wire.call(&echo("late"), within(Duration::from_millis(20))).unwrap_err();
        let reason = "no answer in time".to_owned();
        let address = format!("127.0.0.1:{}", server.port());
        assert_eq!(failure, Failure::Down(RedisStoreError::Unreachable { address, reason }));
        for word in ["a", "b", "c"] {
            gate.open(word);
        }
        for call in held {
            call.join().unwrap().unwrap();
        }
    });
    assert_eq!(wire.call(&echo("c"), soon()), bytes("c"));
    assert_eq!(wire.site().queued(), 0);
    assert!(!gate.has_come("late"));
}

#[test]
fn a_late_answer_is_nobodys() {
    let gate = Gate::default();
    let server = gate.server();
    let wire = wire(&server.url());
    for word in ["open", "two"] {
        gate.open(word);
    }
    wire.call(&echo("open"), soon()).unwrap();
    assert!(is_unsure(&wire.call(&echo("one"), within(Duration::from_millis(100))).unwrap_err()));
    gate.open("one");
    assert_eq!(wire.call(&echo("two"), soon()), bytes("two"));
    assert_eq!(server.connections(), 1, "a deadline costs no connection");
}

/// Its first connection says nothing more once it was asked for silence.
fn silent_once() -> Fake {
    let silent = AtomicBool::new(false);
    Fake::start(move |number, words| {
        if number == 0 && words.last().unwrap() == b"silence" {
            silent.store(true, Ordering::SeqCst);
        }
        if number == 0 && silent.load(Ordering::SeqCst) { Reply::Nothing } else { echo_reply(words) }
    })
}

#[test]
fn a_connection_that_is_overdue_is_given_up() {
    let server = silent_once();
    let wire = wire_with(&server.url(), None, 500_000).unwrap();
    wire.call(&echo("open"), soon()).unwrap();
    assert!(is_unsure(&wire.call(&echo("silence"), within(Duration::from_millis(100))).unwrap_err()));
    // It waits for the connection's oldest command, not for its own.
    assert!(is_unsure(&wire.call(&echo("patient"), soon()).unwrap_err()));
    assert_eq!(wire.call(&echo("next"), soon()), bytes("next"));
    assert_eq!(server.connections(), 2);
    server.wait_for_closed(1);
}

/// Found out by the next caller, as nobody looks meanwhile.
#[test]
fn an_idle_connection_that_is_overdue_is_not_used() {
    let server = silent_once();
    let wire = wire_with(&server.url(), None, 200_000).unwrap();
    wire.call(&echo("open"), soon()).unwrap();
    assert!(is_unsure(&wire.call(&echo("silence"), within(Duration::from_millis(100))).unwrap_err()));
    thread::sleep(Duration::from_millis(150));
    assert_eq!(wire.call(&echo("next"), soon()), bytes("next"));
    assert_eq!(server.connections(), 2);
}

#[test]
fn the_longest_times_mean_for_ever() {
    let server = Fake::echoing();
    let wire = wire_with(&server.url(), None, u64::MAX).unwrap();
    server.delay(Duration::from_millis(2));
    thread::scope(|scope| {
        for _ in 0..6 {
            scope.spawn(|| {
                for _ in 0..20 {
                    assert_eq!(wire.call(&echo("for ever"), u64::MAX), bytes("for ever"));
                }
            });
        }
    });
    let mut own = wire.open(u64::MAX).unwrap();
    assert_eq!(own.call(&echo("own"), u64::MAX), bytes("own"));
}

#[test]
fn a_time_that_has_passed_sends_nothing() {
    let server = Fake::echoing();
    let wire = wire_with(&server.url(), None, 0).unwrap();
    for deadline in [0, 1] {
        assert!(is_down(&wire.call(&echo("late"), deadline).unwrap_err()));
        assert!(wire.open(deadline).is_err_and(|failure| is_down(&failure)));
    }
}

#[test]
fn a_connection_of_ones_own_ends_with_a_deadline() {
    let gate = Gate::default();
    let server = gate.server();
    let wire = wire(&server.url());
    let mut own = wire.open(soon()).unwrap();
    assert!(is_unsure(&own.call(&echo("late"), within(Duration::from_millis(20))).unwrap_err()));
    assert!(!own.is_good());
    gate.open("late");
    gate.open("next");
    assert!(is_down(&own.call(&echo("next"), soon()).unwrap_err()));
    let mut failures = Vec::new();
    assert!(!own.exchange(&echo("next"), 2, soon(), |at, each| failures.push((at, is_down(&each.unwrap_err())))));
    assert_eq!(failures, [(0, true), (1, true)]);
}

#[test]
fn a_pipeline_is_answered_in_order_up_to_what_is_lost() {
    let server = Fake::start(|_, words| match &**words.last().unwrap() {
        b"silent" => Reply::Nothing,
        b"error" => Reply::Bytes(b"-ERR no\r\n".into()),
        _ => echo_reply(words),
    });
    let wire = wire(&server.url());
    let mut own = wire.open(soon()).unwrap();
    let pipeline: Vec<u8> = ["a", "error", "b"].map(echo).concat();
    let mut answers = Vec::new();
    assert!(own.exchange(&pipeline, 3, soon(), |at, each| answers.push((at, each))));
    let refused = Err(Failure::Refused(RedisStoreError::Protocol("ERR no".into())));
    assert_eq!(answers, [(0, bytes("a")), (1, refused), (2, bytes("b"))]);
    let pipeline: Vec<u8> = ["c", "silent"].map(echo).concat();
    let mut answers = Vec::new();
    let good = own.exchange(&pipeline, 2, within(Duration::from_millis(300)), |_, each| {
        answers.push(each.is_ok());
    });
    assert!(!good && !own.is_good());
    assert_eq!(answers, [true, false]);
}

#[test]
fn dropping_sends_nothing() {
    let server = Fake::echoing();
    let wire = wire(&server.url());
    wire.call(&echo("hello"), soon()).unwrap();
    let own = wire.open(soon()).unwrap();
    drop(own);
    drop(wire);
    server.wait_for_closed(2);
    assert_eq!(server.commands(0), ["INFO", "PING", "ECHO"]);
    assert_eq!(server.commands(1), ["INFO", "PING"]);
}
