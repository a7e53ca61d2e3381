//! Opening a connection.

use std::net::TcpListener;
use std::time::{Duration, Instant};

use super::fake::{Fake, Reply, echo as echo_reply};
use super::server::Server;
use super::{command, echo, is_down, is_later, soon, wire, wire_with, within};
use crate::redis::error::{Failure, RedisStoreError};
use crate::redis::value::Value;

#[test]
fn a_server_that_is_full_refuses_for_now() {
    let full = || Reply::Close(b"-ERR max number of clients reached\r\n".into());
    for answer in [full, || Reply::Reset] {
        let server = Fake::start(move |number, words| if number < 2 { answer() } else { echo_reply(words) });
        let wire = wire(&server.url());
        assert!(is_later(&wire.call(&echo("one"), soon()).unwrap_err()));
        assert!(wire.open(soon()).is_err_and(|failure| is_later(&failure)));
        assert_eq!(wire.call(&echo("two"), soon()), Ok(Value::Bytes(b"two".into())));
    }
}

/// It says so, or resets the connection, as the packets fall.
#[test]
fn a_real_server_that_is_full() {
    let server = Server::with(&["--maxclients", "1"]);
    let (first, second) = (wire(&server.url()), wire(&server.url()));
    let began = Instant::now();
    while first.call(&echo("here"), soon()).is_err() {
        assert!(began.elapsed() < Duration::from_secs(10)); // the connection that saw it start
    }
    for _ in 0..200 {
        let failure = second.call(&echo("full"), soon()).unwrap_err();
        assert!(matches!(failure, Failure::Later(RedisStoreError::Busy { .. })), "{failure:?}");
    }
    assert_eq!(first.call(&echo("here"), soon()), Ok(Value::Bytes(b"here".into())));
    drop(first);
    while let Err(failure) = second.call(&echo("room"), soon()) {
        assert!(is_later(&failure), "{failure:?}");
        assert!(began.elapsed() < Duration::from_secs(20));
    }
}

#[test]
fn a_server_that_is_not_ready() {
    for error in
        ["LOADING Redis is loading the dataset in memory", "BUSY Redis is busy running a script.", "MASTERDOWN x"]
    {
        let server = Fake::start(move |number, words| match number {
            0 => Reply::Bytes(format!("-{error}\r\n").into_bytes()),
            _ => echo_reply(words),
        });
        let wire = wire(&server.url());
        let failure = wire.call(&echo("one"), soon()).unwrap_err();
        assert_eq!(failure, Failure::Later(RedisStoreError::Busy { reason: error.into() }));
        wire.call(&echo("two"), soon()).unwrap();
    }
}

/// What a server says may repeat what it was sent.
#[test]
fn no_message_has_the_password() {
    for error in
        ["ERR unknown command 'AUTH', with args beginning with: 'me' 'secret'", "WRONGPASS secret", "NOPERM secret"]
    {
        let server = Fake::start(move |_, words| match &*words[0] {
            b"AUTH" => Reply::Bytes(format!("-{error}\r\n").into_bytes()),
            _ => echo_reply(words),
        });
        let address = format!("127.0.0.1:{}", server.port());
        let failure = wire(&format!("redis://me:secret@{address}/")).call(&echo("one"), soon()).unwrap_err();
        assert_eq!(failure, Failure::Refused(RedisStoreError::Authentication { address }));
    }
    for url in ["redis://me:secret@127.0.0.1:x/", "secret", "redis://:secret@0.0.0.0/", "redis://:secret@host/db"] {
        let error = wire_with(url, None, 1).err().unwrap();
        assert!(matches!(&error, RedisStoreError::Config(text) if !text.contains("secret")), "{error}");
    }
}

#[test]
fn what_is_no_reason_to_fail() {
    let server = Fake::start(|_, words| match &*words[0] {
        b"CLIENT" => Reply::Bytes(b"-NOPERM User me has no permissions to run the 'client|setname' command\r\n".into()),
        b"INFO" => Reply::Bytes(b"-ERR syntax error\r\n".into()),
        b"PING" => Reply::Bytes(b"-NOPERM User me has no permissions to run the 'ping' command\r\n".into()),
        _ => echo_reply(words),
    });
    let wire = wire_with(&server.url(), Some("name".into()), 5_000_000).unwrap();
    assert_eq!(wire.call(&echo("one"), soon()), Ok(Value::Bytes(b"one".into())));
    assert_eq!(server.commands(0), ["CLIENT", "INFO", "PING", "ECHO"]);
}

#[test]
fn what_is_said_at_the_login_arrives() {
    let server = Server::with(&["--user", "me", "on", ">secret", "~*", "+@all"]);
    let url = format!("redis://me:secret@127.0.0.1:{}/3", server.port());
    let wire = wire_with(&url, Some("some-name".into()), 5_000_000).unwrap();
    let info = match wire.call(&command(&[b"CLIENT", b"INFO"]), soon()) {
        Ok(Value::Bytes(info)) => String::from_utf8(info).unwrap(),
        other => panic!("{other:?}"),
    };
    for part in [" name=some-name ", " db=3 ", " user=me "] {
        assert!(info.contains(part), "{info}");
    }
    let wrong = super::wire(&url.replace("secret", "other")).open(soon()).err().unwrap();
    assert!(matches!(wrong, Failure::Refused(RedisStoreError::Authentication { .. })), "{wrong:?}");
    let no_such_database = super::wire(&url.replace("/3", "/99")).open(soon()).err().unwrap();
    assert!(no_such_database.is_final(), "{no_such_database:?}");
}

#[test]
fn nobody_answers() {
    // The kernel takes connections that nobody accepts.
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let silent = wire(&format!("redis://:secret@{address}/"));
    let began = Instant::now();
    let reason = "no answer in time".to_owned();
    let down = Failure::Down(RedisStoreError::Unreachable { address, reason });
    assert_eq!(silent.call(&echo("one"), within(Duration::from_millis(50))), Err(down.clone()));
    assert_eq!(silent.open(within(Duration::from_millis(50))).err(), Some(down));
    assert!(began.elapsed() < Duration::from_secs(2));
    // The store's timeout ends it, too.
    let silent = wire_with(&silent_url(&listener), None, 50_000).unwrap();
    assert!(is_down(&silent.call(&echo("one"), soon()).unwrap_err()));
    assert!(began.elapsed() < Duration::from_secs(4));
}

fn silent_url(listener: &TcpListener) -> String {
    format!("redis://{}/", listener.local_addr().unwrap())
}

#[test]
fn nobody_is_there() {
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    for (url, address) in [
        (format!("redis://:secret@127.0.0.1:{port}/"), format!("127.0.0.1:{port}")),
        (format!("redis://:secret@no-such-host.invalid:{port}/"), format!("no-such-host.invalid:{port}")),
        ("unix:///no/such/socket?pass=secret".into(), "/no/such/socket".into()),
    ] {
        let failure = wire(&url).call(&echo("one"), soon()).unwrap_err();
        assert!(is_down(&failure), "{failure:?}");
        let text = failure.into_error().to_string();
        assert!(text.contains(&address) && !text.contains("secret"), "{text}");
    }
    // It takes connections and ends them: nobody who is full, as far as anybody can see.
    let server = Fake::start(|_, _| Reply::Close(Vec::new()));
    assert!(is_down(&wire(&server.url()).call(&echo("one"), soon()).unwrap_err()));
}

#[cfg(unix)]
#[test]
fn over_a_unix_socket() {
    let server = Server::with(&[]);
    let path = server.socket();
    let wire = wire(&format!("unix://{}?db=2", path.display()));
    assert_eq!(wire.call(&echo("one"), soon()), Ok(Value::Bytes(b"one".into())));
    assert_eq!(wire.address(), path.display().to_string());
}

/// A listener that never accepts: the second or third connection has to wait, and does so in time.
#[cfg(unix)]
#[test]
fn a_unix_socket_whose_backlog_is_full() {
    use socket2::{Domain, SockAddr, Socket, Type};
    let dir = tempfile::TempDir::new().unwrap();
    let path = dir.path().join("socket");
    let listener = Socket::new(Domain::UNIX, Type::STREAM, None).unwrap();
    listener.bind(&SockAddr::unix(&path).unwrap()).unwrap();
    listener.listen(0).unwrap();
    let wire = wire(&format!("unix://{}", path.display()));
    let began = Instant::now();
    let mut failures = Vec::new();
    for _ in 0..3 {
        failures.push(wire.open(within(Duration::from_millis(50))).err().unwrap());
    }
    assert!(failures.iter().all(is_down), "{failures:?}");
    assert!(began.elapsed() < Duration::from_secs(3));
}

/// The name has an address at which nobody listens, as a rule, and one at which the server does.
#[test]
fn all_addresses_of_a_name_are_tried() {
    let server = Fake::echoing();
    let wire = wire(&format!("redis://localhost:{}/", server.port()));
    assert_eq!(wire.call(&echo("one"), soon()), Ok(Value::Bytes(b"one".into())));
}

/// W9: the connection is opened for the call, and may lead to a server that has just taken over.
#[test]
fn a_command_for_one_server_is_not_sent_to_another() {
    let run = |number: usize| ["a", "b"][number.min(1)].repeat(40);
    let server = Fake::start(move |number, words| match &*words[0] {
        b"INFO" => {
            let info = format!("run_id:{}\r\nrole:master\r\nuptime_in_seconds:1\r\n", run(number));
            Reply::Bytes(format!("${}\r\n{info}\r\n", info.len()).into_bytes())
        }
        _ if number == 0 => Reply::Reset,
        _ => echo_reply(words),
    });
    let wire = wire(&server.url());
    // The first one goes away at the first command.
    assert!(wire.call_to(&run(0), &echo("one"), soon()).is_err());
    assert_eq!(wire.server().map(|server| server.run), None, "nobody is logged in yet");
    assert_eq!(wire.call_to(&run(0), &echo("one"), soon()), Err(Failure::Stranger));
    assert_eq!(wire.server().unwrap().run, run(1));
    for run in [run(1), String::new()] {
        assert_eq!(wire.call_to(&run, &echo("two"), soon()), Ok(Value::Bytes(b"two".into())));
    }
    let sent = server.commands(1);
    assert_eq!(sent.iter().filter(|command| *command == "ECHO").count(), 2, "{sent:?}");
    assert!(wire.open(soon()).unwrap().is_to_another(&run(0)));
}
