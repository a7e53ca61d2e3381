//! The master, or the slot, moves while there are connections.

use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use super::super::fake::{Fake, Gate, Reply, bulk, echo as echo_reply};
use super::super::{echo, is_down, is_later, is_unsure, soon, within};
use super::{BOTH, Says, answers, cluster, server, text};
use crate::redis::value::Value;

/// The old master hangs: whoever waits on it, in whatever way, is set free by the first who looks.
#[test]
fn a_new_master_takes_all_connections_with_it() {
    for (what, connect) in BOTH {
        let gate = Gate::default();
        let (old, new) = (gate.server(), server("new", "master"));
        let says = [Says::new(old.port(), 1), Says::new(old.port(), 1)];
        let guides = says.each_ref().map(Says::start);
        let wire = connect(&guides.each_ref().map(Fake::port));
        let mut own = wire.open(soon()).unwrap();
        thread::scope(|scope| {
            let wire = &wire;
            let call = scope.spawn(move || wire.call(&echo("held"), soon()));
            let mut mine = wire.open(soon()).unwrap();
            let other = scope.spawn(move || mine.call(&echo("mine"), soon()));
            gate.wait_for("held");
            gate.wait_for("mine");
            wire.look(soon());
            assert!(!call.is_finished() && !other.is_finished() && own.is_good(), "{what}: nothing has changed");
            says.iter().for_each(|says| says.set(Ok((new.port(), 2))));
            wire.look(soon());
            for cut in [call.join().unwrap(), other.join().unwrap()] {
                assert!(cut.as_ref().is_err_and(is_unsure), "{what}: {cut:?}");
            }
        });
        assert!(!own.is_good(), "{what}: the idle ones are cut, too");
        assert!(is_down(&own.call(&echo("one"), soon()).unwrap_err()), "{what}");
        answers(&wire, "two");
        gate.open("held");
        gate.open("mine");
    }
}

/// Nodes give no number: one of them alone is not believed.
#[test]
fn a_node_that_contradicts_all_others() {
    let (right, wrong) = (server("right", "master"), server("wrong", "master"));
    let guides = [right.port(), right.port(), wrong.port()].map(|port| Says::new(port, 1).start());
    let wire = cluster(&guides.each_ref().map(Fake::port));
    answers(&wire, "one");
    let own = wire.open(soon()).unwrap();
    (0..9).for_each(|_| wire.look(soon()));
    assert!(own.is_good());
    assert_eq!(wrong.connections(), 0);
}

#[test]
fn without_guides_the_last_master_is_tried() {
    for (what, connect) in BOTH {
        let server = server("a", "master");
        let says = Says::new(server.port(), 1);
        let guide = says.start();
        let wire = connect(&[guide.port()]);
        answers(&wire, "one");
        says.set(Err("ERR not now"));
        wire.open(soon()).map(drop).unwrap_or_else(|failure| panic!("{what}: {failure:?}"));
        answers(&wire, "two");
    }
}

#[test]
fn moved_is_followed() {
    let new = server("new", "master");
    let to = new.port();
    let old = Fake::start(move |_, words| match &*words[0] {
        b"ECHO" | b"BLMPOP" => Reply::Bytes(format!("-MOVED 11905 127.0.0.1:{to}\r\n").into_bytes()),
        _ => echo_reply(words),
    });
    // The guide has not heard of it, and never will.
    let guide = Says::new(old.port(), 1).start();
    for by_own in [false, true] {
        let wire = cluster(&[guide.port()]);
        if by_own {
            let mut own = wire.open(soon()).unwrap();
            assert!(is_later(&own.call(&echo("one"), soon()).unwrap_err()));
            assert!(!own.is_good());
            assert!(wire.open(soon()).unwrap().call(&echo("one"), soon()).is_ok());
        } else {
            answers(&wire, "one");
        }
    }
}

#[test]
fn a_slot_that_is_being_moved_is_sat_out() {
    for error in ["TRYAGAIN Multiple keys request during rehashing of slot", "ASK 11905 127.0.0.1:1"] {
        let moves = Arc::new(Mutex::new(true));
        let state = moves.clone();
        let server = Fake::start(move |_, words| match &*words[0] {
            b"ECHO" if *state.lock().unwrap() => Reply::Bytes(format!("-{error}\r\n").into_bytes()),
            _ => echo_reply(words),
        });
        let wire = cluster(&[Says::new(server.port(), 1).start().port()]);
        // On a busy machine the deadline may come while the last answer is on its way.
        let call = || {
            let began = Instant::now();
            let failure = wire.call(&echo("one"), within(Duration::from_millis(500))).unwrap_err();
            assert!(began.elapsed() < Duration::from_secs(3), "{failure:?}");
            Some(failure).filter(is_later)
        };
        let text = text((0..20).find_map(|_| call()).expect("it says why"));
        assert!(text.contains("the slot of this tree is being moved") && text.contains(error), "{text}");
        thread::scope(|scope| {
            let call = scope.spawn(|| wire.call(&echo("two"), soon()));
            thread::sleep(Duration::from_millis(100));
            assert!(!call.is_finished());
            *moves.lock().unwrap() = false;
            assert_eq!(call.join().unwrap(), Ok(Value::Bytes(b"two".into())));
        });
        assert_eq!(server.connections(), 1, "it decides about the slot all the time");
    }
}

/// A proxy, or a name, that leads to another server: its run id tells.
#[test]
fn another_process_at_the_same_place() {
    let who = Arc::new(Mutex::new("a"));
    let says = who.clone();
    let server = Fake::start(move |_, words| match &*words[0] {
        b"INFO" => Reply::Bytes(bulk(format!("run_id:{}\r\nrole:master\r\n", says.lock().unwrap()).as_bytes())),
        _ => echo_reply(words),
    });
    let wire = super::super::wire(&server.url());
    let first = wire.open(soon()).unwrap();
    let second = wire.open(soon()).unwrap();
    assert!(first.is_good());
    *who.lock().unwrap() = "b";
    let third = wire.open(soon()).unwrap();
    assert!(!first.is_good() && !second.is_good() && third.is_good());
    // Both are behind one proxy, it seems: they do not cut each other for ever.
    *who.lock().unwrap() = "a";
    let fourth = wire.open(soon()).unwrap();
    assert!(third.is_good() && fourth.is_good());
}
