//! Errors that the server answers, and what is no answer at all.

use std::thread;

use super::fake::{Fake, Gate, Reply, echo as echo_reply};
use super::{echo, is_later, is_unsure, soon, wire};
use crate::redis::error::{Failure, RedisStoreError};
use crate::redis::value::Value;

const WRONG_SERVER: [&str; 6] = [
    "READONLY You can't write against a read only replica.",
    "MASTERDOWN Link with MASTER is down and replica-serve-stale-data is set to 'no'.",
    "MOVED 3999 127.0.0.1:6381",
    "CLUSTERDOWN The cluster is down",
    "UNBLOCKED force unblock from blocking operation, instance state changed (master -> replica?)",
    "LOADING Redis is loading the dataset in memory",
];

const LATER: [&str; 6] = [
    "OOM command not allowed when used memory > 'maxmemory'.",
    "BUSY Redis is busy running a script.",
    "NOREPLICAS Not enough good replicas to write.",
    "MISCONF Redis is configured to save RDB snapshots, but it's currently unable to persist to disk.",
    "ASK 3999 127.0.0.1:6381",
    "TRYAGAIN Multiple keys request during rehashing of slot",
];

/// Its first connection answers with an error, the others echo.
fn refuses_once(error: &'static str) -> Fake {
    Fake::start(move |number, words| match number {
        0 if words[0] == b"ECHO" => Reply::Bytes(format!("-{error}\r\n").into_bytes()),
        _ => echo_reply(words),
    })
}

#[test]
fn the_wrong_server_costs_the_connection() {
    for error in WRONG_SERVER {
        let server = refuses_once(error);
        let wire = wire(&server.url());
        let failure = wire.call(&echo("one"), soon()).unwrap_err();
        assert_eq!(failure, Failure::Later(RedisStoreError::Busy { reason: error.into() }));
        assert_eq!(wire.call(&echo("two"), soon()), Ok(Value::Bytes(b"two".into())), "{error}");
        assert_eq!(server.connections(), 2);
        server.wait_for_closed(1);

        let server = refuses_once(error);
        let mut own = super::wire(&server.url()).open(soon()).unwrap();
        assert!(is_later(&own.call(&echo("one"), soon()).unwrap_err()));
        assert!(!own.is_good(), "{error}");
    }
}

#[test]
fn a_server_that_refuses_for_now_is_kept() {
    for error in LATER {
        let server = refuses_once(error);
        let wire = wire(&server.url());
        for _ in 0..2 {
            assert!(is_later(&wire.call(&echo("one"), soon()).unwrap_err()), "{error}");
        }
        let mut own = wire.open(soon()).unwrap(); // the second connection
        own.call(&echo("own"), soon()).unwrap();
        assert_eq!(server.connections(), 2);
    }
}

/// Two connections are idle, and one of the next commands is refused: both go.
#[test]
fn the_wrong_server_costs_all_that_are_idle() {
    let gate = Gate::default();
    let held = gate.clone();
    let server = Fake::start(move |number, words| match &**words.last().unwrap() {
        b"write" if number < 2 => Reply::Bytes(format!("-{}\r\n", WRONG_SERVER[0]).into_bytes()),
        b"write" => echo_reply(words),
        word => {
            held.pass(word);
            echo_reply(words)
        }
    });
    let wire = wire(&server.url());
    thread::scope(|scope| {
        for word in ["a", "b"] {
            let wire = &wire;
            scope.spawn(move || wire.call(&echo(word), soon()).unwrap());
            gate.wait_for(word);
        }
        gate.open("a");
        gate.open("b");
    });
    assert!(is_later(&wire.call(&echo("write"), soon()).unwrap_err()));
    server.wait_for_closed(2);
    wire.call(&echo("write"), soon()).unwrap();
    assert_eq!(server.connections(), 3);
}

/// What another thread waits for is still answered, and then its connection is not used again.
#[test]
fn the_wrong_server_costs_those_in_use_once_they_have_answered() {
    let gate = Gate::default();
    let held = gate.clone();
    let server = Fake::start(move |number, words| match &**words.last().unwrap() {
        b"write" if number < 2 => Reply::Bytes(format!("-{}\r\n", WRONG_SERVER[0]).into_bytes()),
        b"write" => echo_reply(words),
        word => {
            held.pass(word);
            echo_reply(words)
        }
    });
    let wire = wire(&server.url());
    thread::scope(|scope| {
        let slow = scope.spawn(|| wire.call(&echo("slow"), soon()));
        gate.wait_for("slow");
        assert!(is_later(&wire.call(&echo("write"), soon()).unwrap_err()));
        gate.open("slow");
        assert_eq!(slow.join().unwrap(), Ok(Value::Bytes(b"slow".into())));
    });
    server.wait_for_closed(2);
    wire.call(&echo("write"), soon()).unwrap();
    assert_eq!(server.connections(), 3);
}

#[test]
fn a_script_that_is_not_known() {
    let server = refuses_once("NOSCRIPT No matching script. Please use EVAL.");
    let wire = wire(&server.url());
    let failure = wire.call(&echo("one"), soon()).unwrap_err();
    assert_eq!(failure, Failure::NoScript);
    assert!(failure.is_final());
    assert_eq!(wire.call(&echo("two"), soon()), Err(Failure::NoScript), "the connection is kept");
}

/// Each costs the connection, and no more memory than came.
#[test]
fn what_is_no_answer() {
    let nonsense: [&[u8]; 9] = [
        b"HTTP/1.1 400 Bad Request\r\n\r\n",
        b"$9223372036854775807\r\n",
        b"$-2\r\n",
        b"*1000000000\r\n",
        b"*x\r\n",
        b"$3\r\nabcd\r\n",
        b":12x\r\n",
        b"*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n:1\r\n",
        b"%1\r\n",
    ];
    for bytes in nonsense {
        let server = Fake::start(move |number, words| match number {
            0 if words[0] == b"ECHO" => Reply::Bytes(bytes.into()),
            _ => echo_reply(words),
        });
        let wire = wire(&server.url());
        let failure = wire.call(&echo("one"), soon()).unwrap_err();
        assert!(is_unsure(&failure), "{failure:?}");
        let text = failure.into_error().to_string();
        assert!(text.contains(&format!("127.0.0.1:{}", server.port())) && text.contains("it sent "), "{text}");
        assert_eq!(wire.call(&echo("two"), soon()), Ok(Value::Bytes(b"two".into())));
    }
}

/// A line, or a string, that never ends: it is cut off.
#[test]
fn an_answer_without_end() {
    for start in ["+", "$1000000\r\n"] {
        let server = Fake::start(move |number, words| match number {
            0 if words[0] == b"ECHO" => Reply::Bytes([start.as_bytes(), &vec![b'x'; 4 << 20]].concat()),
            _ => echo_reply(words),
        });
        let wire = wire(&server.url());
        assert!(is_unsure(&wire.call(&echo("one"), soon()).unwrap_err()));
        wire.call(&echo("two"), soon()).unwrap();
    }
}

#[test]
fn an_answer_that_nobody_asked_for() {
    let server = Fake::start(|number, words| match number {
        0 if words[0] == b"ECHO" => Reply::Bytes(b"+one\r\n+another\r\n".into()),
        _ => echo_reply(words),
    });
    let wire = wire(&server.url());
    assert_eq!(wire.call(&echo("one"), soon()), Ok(Value::Text("one".into())));
    assert_eq!(wire.call(&echo("two"), soon()), Ok(Value::Bytes(b"two".into())));
    assert_eq!(server.connections(), 2);

    let mut own = super::wire(&answers_twice().url()).open(soon()).unwrap();
    assert_eq!(own.call(&echo("one"), soon()), Ok(Value::Text("one".into())));
    assert!(!own.is_good(), "the next answer is not the next command's");
}

fn answers_twice() -> Fake {
    Fake::start(|_, words| match &*words[0] {
        b"ECHO" => Reply::Bytes(b"+one\r\n+another\r\n".into()),
        _ => echo_reply(words),
    })
}

#[test]
fn a_connection_that_breaks_takes_the_idle_ones_with_it() {
    for broken in [|| Reply::Close(Vec::new()), || Reply::Reset, || Reply::Close(b"$10\r\nabc".into())] {
        let server = Fake::start(move |number, words| match number {
            0 if words[0] == b"ECHO" => broken(),
            _ => echo_reply(words),
        });
        let wire = wire(&server.url());
        assert!(is_unsure(&wire.call(&echo("one"), soon()).unwrap_err()));
        assert_eq!(wire.call(&echo("two"), soon()), Ok(Value::Bytes(b"two".into())));
        assert_eq!(server.connections(), 2);
    }
}
