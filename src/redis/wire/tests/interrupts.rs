//! Signals that interrupt system calls.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use nix::sys::pthread::{pthread_kill, pthread_self};
use nix::sys::signal::Signal;

use super::fake::{Fake, Reply, bulk};
use super::{echo, soon, wire};
use crate::redis::value::Value;

/// Runs `work` while a signal a millisecond comes to its thread.
fn interrupted<T: Send>(work: impl FnOnce() -> T + Send) -> T {
    let seen = Arc::new(AtomicBool::new(false));
    signal_hook::flag::register(signal_hook::consts::SIGUSR1, seen.clone()).unwrap();
    let done = AtomicBool::new(false);
    let (sender, receiver) = crossbeam_channel::bounded(1);
    let result = thread::scope(|scope| {
        let worker = scope.spawn(|| {
            sender.send(pthread_self()).unwrap();
            let result = work();
            done.store(true, Ordering::SeqCst);
            // The thread has to be there for as long as it is sent signals.
            while done.load(Ordering::SeqCst) {
                thread::yield_now();
            }
            result
        });
        let thread = receiver.recv().unwrap();
        while !done.load(Ordering::SeqCst) && !worker.is_finished() {
            pthread_kill(thread, Signal::SIGUSR1).unwrap();
            thread::sleep(Duration::from_millis(1));
        }
        done.store(false, Ordering::SeqCst);
        worker.join().unwrap()
    });
    assert!(seen.load(Ordering::SeqCst), "no signal came");
    result
}

#[test]
fn no_call_fails_and_no_connection_is_lost() {
    let server = Fake::echoing();
    server.delay(Duration::from_millis(20));
    let wire = wire(&server.url());
    interrupted(|| {
        for number in 0..30 {
            let text = number.to_string();
            assert_eq!(wire.call(&echo(&text), soon()), Ok(Value::Bytes(text.into_bytes())));
        }
    });
    assert_eq!(server.connections(), 1);
}

#[test]
fn a_short_deadline_is_kept() {
    let server = Fake::echoing();
    let wire = wire(&server.url());
    wire.call(&echo("open"), soon()).unwrap();
    server.delay(Duration::from_millis(20));
    interrupted(|| {
        for _ in 0..30 {
            wire.call(&echo("short"), super::within(Duration::from_millis(90))).unwrap();
        }
    });
    assert_eq!(server.connections(), 1);
}

/// The name is looked up, the connection made, and the login answered, all under signals.
#[test]
fn connections_are_opened() {
    let server = Fake::echoing();
    server.delay(Duration::from_millis(5));
    let wire = wire(&format!("redis://localhost:{}/", server.port()));
    interrupted(|| {
        for _ in 0..20 {
            let mut connection = wire.open(soon()).unwrap();
            connection.call(&echo("hello"), soon()).unwrap();
            assert!(connection.is_good());
        }
    });
    assert_eq!(server.connections(), 20);
}

/// More than any buffer holds, so that writing waits, too.
#[test]
fn a_long_command_goes_out_whole() {
    let server = Fake::start(|_, words| Reply::Bytes(bulk(words.last().unwrap().len().to_string().as_bytes())));
    let wire = wire(&server.url());
    let mut pipeline = echo(&"x".repeat(16 << 20));
    pipeline.extend_from_slice(&echo("end"));
    let mut lengths = Vec::new();
    interrupted(|| {
        let mut connection = wire.open(soon()).unwrap();
        connection.exchange(&pipeline, 2, soon(), |_, each| lengths.push(each));
    });
    assert_eq!(lengths, [Ok(Value::Bytes(b"16777216".into())), Ok(Value::Bytes(b"3".into()))]);
}
