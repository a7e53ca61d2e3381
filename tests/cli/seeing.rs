//! `ls`, `why`, `watch`, `break`, `doctor` at a server.

use std::process::{Command, Stdio};
use std::time::Duration;

use mutextree::{LockStore as _, OwnedTreeMutexGuard, RedisStore};
use serde_json::Value;

use crate::running::{Running, mutextree, run, until};
use crate::server::{Server, free_port};

fn command(server: &Server, name: &str) -> Command {
    let mut command = mutextree();
    command.env("MUTEXTREE_REDIS", server.url()).arg(name);
    command
}

/// Ann holds `org/team`, Ben waits for `org/team/file`; and something else is held.
struct Scene {
    server: Server,
    store: RedisStore,
    ann: OwnedTreeMutexGuard<RedisStore>,
    _other: OwnedTreeMutexGuard<RedisStore>,
    _ben: Running,
}

fn scene() -> Scene {
    let server = Server::start();
    let store = RedisStore::connect(&server.url()).unwrap();
    let ann = store.mutex("org/team").unwrap().owner("Ann").lock_owned().unwrap();
    let other = store.mutex("org/other").unwrap().owner("Zoe\x1b[2J").shared().lock_owned().unwrap();
    let ben = Running::start(command(&server, "exec").args(["--owner", "Ben", "org/team/file", "--", "true"]));
    until("Ben waits", || store.snapshot().unwrap().waiters().len() == 1);
    Scene { server, store, ann, _other: other, _ben: ben }
}

#[test]
fn ls_shows_holders_and_waiters_as_a_tree() {
    let scene = scene();
    let (status, out, err) = run(&mut command(&scene.server, "ls"));
    assert_eq!(status, 0, "{err}");
    for expected in ["team", "held", "Ann", "file", "waits", "Ben", "behind `org/team`", "Zoe", "2 held, 1 wait"] {
        assert!(out.contains(expected), "{expected}: {out}");
    }
    assert!(!out.contains('\x1b'), "what others wrote does nothing to a terminal: {out:?}");
    let (_, out, _) = run(command(&scene.server, "ls").arg("org/other"));
    assert!(out.contains("Zoe") && !out.contains("Ann"), "{out}");
    let (status, out, _) = run(command(&scene.server, "ls").arg("nothing/here"));
    assert_eq!(status, 0);
    assert!(out.contains("nothing is locked"), "{out}");
    let (status, _, err) = run(command(&scene.server, "ls").arg("a//b"));
    assert_eq!(status, 64, "{err}");
    // Another tree of the same server.
    let (_, out, _) = run(command(&scene.server, "ls").args(["--tree", "other"]));
    assert!(out.contains("nothing is locked"), "{out}");
}

#[test]
fn ls_gives_json_to_programs() {
    let scene = scene();
    let (_, out, _) = run(command(&scene.server, "ls").arg("--json"));
    let all: Value = serde_json::from_str(&out).unwrap();
    let ann = all["held"].as_array().unwrap().iter().find(|lock| lock["owner"] == "Ann").unwrap();
    assert_eq!((ann["path"].as_str(), ann["mode"].as_str()), (Some("org/team"), Some("exclusive")));
    assert_eq!(ann["fencing_token"].as_u64(), Some(scene.ann.fencing_token()));
    assert!(ann["remaining"].as_f64().unwrap() > 1.0);
    assert_eq!(all["waiting"][0]["behind"]["owner"], "Ann");
}

#[test]
fn why_names_all_that_is_in_the_way() {
    let scene = scene();
    let why = |options: &str| {
        let (status, out, _) = run(command(&scene.server, "why").args(options.split(' ')));
        (status, out)
    };
    let (status, out) = why("org/team/file/x");
    assert_eq!(status, 1);
    assert!(out.contains("has to wait for 2"), "{out}");
    assert!(out.contains("`org/team` held by Ann") && out.contains("`org/team/file` waited for by Ben"), "{out}");
    assert!(out.contains("behind `org/team` held by Ann") && out.contains("token"), "{out}");
    assert_eq!(why("org/third").0, 0);
    assert_eq!(why("--shared org/other").0, 0);
    assert_eq!(why("--node-only org").0, 0);
    assert_eq!(why("org").0, 1);
}

#[test]
fn break_asks_and_ends_the_lock_by_path_or_token() {
    let scene = scene();
    let ask = |answer: &str| {
        let mut asked = Running::start(command(&scene.server, "break").arg("org/team"));
        asked.type_line(answer);
        let status = asked.status();
        (status, asked.complaints().join("\n"))
    };
    let (status, err) = ask("n");
    assert_eq!(status, 1);
    assert!(err.contains("`org/team`") && err.contains("held by Ann") && err.contains("[y/N]"), "{err}");
    scene.ann.refresh().unwrap();
    let (status, _) = ask("y");
    assert_eq!(status, 0);
    assert!(scene.ann.refresh().is_err(), "it is not held any more");

    let guard = scene.store.mutex("x").unwrap().owner("Ann").lock_owned().unwrap();
    let token = guard.fencing_token().to_string();
    let (status, out, err) = run(command(&scene.server, "break").args(["--yes", &token]));
    assert_eq!(status, 0, "{err}");
    assert!(out.contains("ended `x`") && out.contains(&format!("refuse fencing tokens up to {token}")), "{out}");
    assert!(guard.refresh().is_err());
    // Nothing to end: nothing above or below it is ended instead.
    for nothing in ["org", "x", "12345"] {
        let (status, _, err) = run(command(&scene.server, "break").args(["--yes", nothing]));
        assert_eq!(status, 1);
        assert!(err.contains("no lock on exactly"), "{err}");
    }
    assert_eq!(run(command(&scene.server, "break").args(["--yes", "a//b"])).0, 64);
}

#[test]
fn nobody_answers_and_nothing_is_ended() {
    let scene = scene();
    let (status, _, _) = run(command(&scene.server, "break").arg("org/team"));
    assert_eq!(status, 1);
    scene.ann.refresh().unwrap();
}

#[test]
fn watch_writes_a_line_for_each_change() {
    let server = Server::start();
    let store = RedisStore::connect(&server.url()).unwrap();
    let watch = Running::start(command(&server, "watch").args(["--json", "-i", "20ms", "org"]));
    let read = || -> Value { serde_json::from_str(&watch.line()).unwrap() };
    let guard = store.mutex("org/team").unwrap().owner("Ann").lock_owned().unwrap();
    let new = read();
    assert_eq!((new["event"].as_str(), new["lock"]["path"].as_str()), (Some("new"), Some("org/team")));
    assert_eq!(new["lock"]["fencing_token"].as_u64(), Some(guard.fencing_token()));
    let elsewhere = store.lock("elsewhere").unwrap();
    drop((elsewhere, guard));
    let gone = read();
    assert_eq!((gone["event"].as_str(), gone["lock"]["path"].as_str()), (Some("gone"), Some("org/team")));
}

#[test]
fn watch_without_a_terminal_says_what_to_do() {
    let (status, _, err) = run(command(&Server::start(), "watch").arg("a"));
    assert_eq!(status, 64);
    assert!(err.contains("--json"), "{err}");
}

#[test]
fn doctor_finds_a_good_server_good() {
    let server = Server::with(&["--appendonly", "yes"]);
    let (status, out, err) = run(&mut command(&server, "doctor"));
    assert_eq!(status, 0, "{out}{err}");
    for what in ["connection", "permissions", "version", "memory", "persistence", "replication", "clock", "latency"] {
        assert!(out.lines().any(|line| line.starts_with("ok") && line.contains(what)), "{what}: {out}");
    }
    assert!(out.ends_with("locks work here\n"), "{out}");
}

/// Each server that will not do, and what is said of it.
#[test]
fn doctor_says_what_to_do() {
    let look = |url: String| {
        let (status, out, err) = run(mutextree().args(["doctor", "--timeout", "2s", "--redis", &url]));
        assert!(!out.contains("secret") && !err.contains("secret"), "{out}{err}");
        (status, out)
    };
    let fails = |url: String, expected: &[&str]| {
        let (status, out) = look(url);
        assert_eq!(status, 69, "{out}");
        assert!(expected.iter().all(|text| out.contains(text)), "{expected:?}: {out}");
        assert!(out.contains("FAIL") && out.contains("to do: ") && out.contains("do not work"), "{out}");
    };
    fails(format!("redis://127.0.0.1:{}", free_port()), &["connection", "start the server"]);
    fails("nonsense".into(), &["correct the URL"]);
    let server = Server::with(&["--requirepass", "right"]);
    fails(format!("redis://:secret@127.0.0.1:{}", server.port()), &["password"]);
    let server = Server::with(&["--requirepass", "secret"]);
    let (status, out) = look(format!("redis://:secret@127.0.0.1:{}", server.port()));
    assert_eq!(status, 0, "{out}");
    assert!(out.contains("redis://:***@127.0.0.1"), "{out}");
    let server = Server::with(&["--maxmemory", "100mb", "--maxmemory-policy", "allkeys-lru"]);
    fails(server.url(), &["memory", "noeviction"]);
    let server = Server::start();
    let acl = ["SETUSER", "ann", "on", ">secret", "~*", "+@all", "-zadd"];
    let _: () = redis::cmd("ACL").arg(&acl).query(&mut server.connect()).unwrap();
    fails(format!("redis://ann:secret@127.0.0.1:{}", server.port()), &["permissions", "ZADD", "ACL SETUSER"]);
    let replica = Server::with(&["--replicaof", "127.0.0.1", &server.port().to_string()]);
    fails(replica.url(), &["master"]);
    // The master is told that it has one.
    until("it has a replica", || look(server.url()).1.contains("1 replica"));
    let (status, out) = look(server.url());
    assert_eq!(status, 0, "{out}");
    assert!(out.contains("failover"), "{out}");
}

#[test]
fn a_reader_that_goes_away_is_no_error() {
    let scene = scene();
    let mut ls = command(&scene.server, "ls").stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    drop(ls.stdout.take());
    let output = ls.wait_with_output().unwrap();
    assert!(output.status.success() && output.stderr.is_empty(), "{output:?}");
}

#[test]
fn a_silent_server_is_an_error_in_time() {
    let server = Server::start();
    crate::running::kill("-STOP", &server.pid().to_string());
    for name in [&["ls"][..], &["why", "a"], &["break", "a"], &["watch", "--json"]] {
        let began = std::time::Instant::now();
        let (status, _, err) = run(command(&server, name[0]).args(&name[1..]).args(["--timeout", "300ms"]));
        assert_eq!(status, 69, "{name:?}: {err}");
        assert!(began.elapsed() < Duration::from_secs(10), "{name:?}");
    }
    crate::running::kill("-CONT", &server.pid().to_string());
}
