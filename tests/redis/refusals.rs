//! Servers that will not do: each is its own error, at once, and none tells a password.

use std::error::Error;
use std::io::{Read, Write};
use std::net::TcpListener;
use std::time::{Duration, Instant};

use mutextree::{LockError, LockStore, RedisStore, RedisStoreError};

use crate::server::{Server, free_port};

#[track_caller]
fn refused(url: &str) -> RedisStoreError {
    let began = Instant::now();
    let error = RedisStore::builder(url).timeout(Duration::from_secs(2)).connect().unwrap_err();
    assert!(began.elapsed() < Duration::from_secs(6), "it hung");
    let source = error.source().expect("it says why").to_string();
    for text in [error.to_string(), source, format!("{error:?}"), format!("{:?}", RedisStore::builder(url))] {
        assert!(!text.contains("secret"), "{text}");
    }
    let LockError::Store(error) = error else { panic!("{error}") };
    error.downcast_ref::<RedisStoreError>().unwrap().clone()
}

#[test]
fn a_server_that_is_not_there() {
    let url = format!("redis://me:secret@127.0.0.1:{}/", free_port());
    let error = refused(&url);
    assert!(matches!(error, RedisStoreError::Unreachable { .. }), "{error}");
    let error = refused("unix:///no/such/socket?user=me&pass=secret");
    assert!(matches!(error, RedisStoreError::Unreachable { .. }), "{error}");
}

#[test]
fn a_server_that_never_answers() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("redis://127.0.0.1:{}/", listener.local_addr().unwrap().port());
    let error = refused(&url);
    assert!(matches!(&error, RedisStoreError::Unreachable { reason, .. } if reason == "no answer in time"), "{error}");
}

#[test]
fn what_is_no_url_and_no_name() {
    for url in ["", "127.0.0.1", "http://127.0.0.1/", "redis://:secret@127.0.0.1:x/", "redis://127.0.0.1/secret"] {
        let error = refused(url);
        assert!(matches!(error, RedisStoreError::Config(_)), "{url}: {error}");
    }
    for tree in ["", "a{b", "a}b"] {
        let error = RedisStore::builder("redis://127.0.0.1/").tree(tree).connect().unwrap_err();
        let source = error.source().unwrap().to_string();
        assert!(source.contains("name of a tree"), "{source}");
    }
}

#[test]
fn a_wrong_password() {
    let server = Server::with(&["--requirepass", "right"]);
    let address = format!("127.0.0.1:{}", server.port());
    for login in ["", ":secret@", "me:secret@"] {
        let error = refused(&format!("redis://{login}{address}/"));
        assert!(matches!(error, RedisStoreError::Authentication { .. }), "{login} {error}");
    }
    let store = RedisStore::connect(&format!("redis://:right@{address}/")).unwrap();
    assert!(!format!("{store:?}").contains("right"));
}

#[test]
fn a_user_without_permission_is_told_for_what() {
    for (rule, named) in [
        ("+@all -hset ~*", "HSET"),
        ("+@all -blmpop ~*", "BLMPOP"),
        ("+@all -info ~*", "INFO"),
        ("+@all -eval ~*", "EVAL"),
        ("+@all -zadd -rpush ~*", "ZADD, RPUSH"),
        ("+@all ~other:*", "~{tree}:*"),
    ] {
        let mut options = vec!["--user", "me", "on", ">secret"];
        options.extend(rule.split(' '));
        let server = Server::with(&options);
        println!("{rule}");
        let error = refused(&format!("redis://me:secret@127.0.0.1:{}/", server.port()));
        let RedisStoreError::Permission { missing } = &error else { panic!("{error}") };
        assert!(missing.contains(named), "{missing}");
    }
}

/// All that a user needs.
pub(crate) const COMMANDS: [&str; 17] = [
    "info",
    "eval",
    "evalsha",
    "time",
    "hset",
    "hget",
    "hmget",
    "hexists",
    "hdel",
    "zadd",
    "zscore",
    "zrangebyscore",
    "zrangebylex",
    "zrem",
    "rpush",
    "pexpire",
    "blmpop",
];

/// A user of this server who may run these commands: its URL.
fn user(server: &Server, name: &str, commands: impl Iterator<Item = &'static str>) -> String {
    let mut setuser = redis::cmd("ACL");
    setuser.arg("SETUSER").arg(name).arg("on").arg(">secret").arg("~{mutextree}:*").arg("-@all");
    commands.for_each(|command| _ = setuser.arg(format!("+{command}")));
    let _: () = setuser.query(&mut server.connect()).unwrap();
    format!("redis://{name}:secret@127.0.0.1:{}/", server.port())
}

#[test]
fn what_a_user_needs_is_enough() {
    let server = Server::start();
    let store = RedisStore::connect(&user(&server, "me", COMMANDS.into_iter())).unwrap();
    crate::conformance::waiting::everybody_gets_a_turn(|| store.clone());
    let lease = store.lock("a").unwrap().into_lease().unwrap();
    lease.refresh().unwrap();
    let mut guard = store.resume("a", lease.token()).unwrap().into_guard();
    let _ = guard.downgrade();
    assert_eq!(store.locks().unwrap().len(), 1);
    guard.unlock().unwrap();
}

#[test]
fn each_command_that_is_missing_is_named_before_there_is_a_lock() {
    let server = Server::start();
    let unnoticed: Vec<String> = COMMANDS
        .into_iter()
        .filter_map(|missing| {
            let url = user(&server, missing, COMMANDS.into_iter().filter(|&command| command != missing));
            let Err(LockError::Store(error)) = RedisStore::connect(&url) else { return Some(missing.to_owned()) };
            match error.downcast_ref::<RedisStoreError>() {
                Some(RedisStoreError::Permission { missing: named })
                    if named.split([' ', ',']).any(|word| word == missing.to_uppercase()) =>
                {
                    None
                }
                _ => Some(format!("{missing}: {error}")),
            }
        })
        .collect();
    assert!(unnoticed.is_empty(), "{unnoticed:?}");
}

#[test]
fn a_server_that_evicts() {
    let server = Server::with(&["--maxmemory", "100mb", "--maxmemory-policy", "allkeys-lru"]);
    let error = refused(&server.url());
    assert_eq!(error, RedisStoreError::Evicting { policy: "allkeys-lru".into() });
    // It evicts nothing without a limit, and none of ours if only what expires is evicted.
    for options in [
        ["--maxmemory", "0", "--maxmemory-policy", "allkeys-lru"],
        ["--maxmemory", "100mb", "--maxmemory-policy", "volatile-lru"],
    ] {
        RedisStore::connect(&Server::with(&options).url()).unwrap();
    }
}

#[test]
fn a_server_that_is_too_old() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("redis://127.0.0.1:{}/", listener.local_addr().unwrap().port());
    std::thread::spawn(move || {
        let (mut client, _) = listener.accept().unwrap();
        let info = "# Server\r\nredis_version:6.2.14\r\n";
        let mut buffer = [0; 4096];
        while let Ok(length @ 1..) = client.read(&mut buffer) {
            // One answer a command, of which several may come together.
            let commands = buffer[..length].iter().filter(|&&byte| byte == b'*').count();
            client.write_all(format!("${}\r\n{info}\r\n", info.len()).repeat(commands).as_bytes()).unwrap();
        }
    });
    assert_eq!(refused(&url), RedisStoreError::TooOld { version: "6.2.14".into() });
}
