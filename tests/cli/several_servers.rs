//! Sentinels and clusters: each subcommand works there, and `doctor` says of each server what to
//! do.

use std::fs;
use std::process::{Child, Command, Stdio};

use tempfile::TempDir;

use crate::running::{mutextree, run, until};
use crate::server::{Server, free_port};

/// A Sentinel that watches a master as the service `mine`.
struct Sentinel {
    child: Child,
    port: u16,
    _dir: TempDir,
}

impl Sentinel {
    fn of(master: &Server, options: &str) -> Self {
        let (dir, port) = (TempDir::new().unwrap(), free_port());
        let conf = dir.path().join("conf");
        fs::write(&conf, format!("sentinel monitor mine 127.0.0.1 {} 1\n{options}\n", master.port())).unwrap();
        let mut command = Command::new("redis-server");
        command.arg(&conf).args(["--sentinel", "--bind", "127.0.0.1", "--port", &port.to_string()]);
        let child = command.current_dir(&dir).stdout(Stdio::null()).spawn().unwrap();
        Self { child, port, _dir: dir }
    }
}

impl Drop for Sentinel {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn at(url: &str, words: &[&str]) -> Command {
    let mut command = mutextree();
    command.env("MUTEXTREE_REDIS", url).args(words);
    command
}

/// Looks, and shows no password.
fn doctor(url: &str) -> (i32, String) {
    let (status, out, err) = run(&mut at(url, &["doctor", "--timeout", "1s"]));
    assert!(!format!("{out}{err}").contains("secret"), "{out}{err}");
    (status, out)
}

/// The advice below the line that has this in it.
#[track_caller]
fn advice<'a>(out: &'a str, line: &str) -> &'a str {
    let mut lines = out.lines().skip_while(|it| !it.contains(line)).skip(1);
    lines.next().filter(|it| it.contains("to do: ")).unwrap_or_else(|| panic!("no advice on {line:?}:\n{out}"))
}

#[track_caller]
fn the_subcommands_work(url: &str) {
    let program = env!("CARGO_BIN_EXE_mutextree");
    let script = format!("{program} ls; {program} why a/b; echo status $?");
    let (status, out, err) = run(&mut at(url, &["exec", "--owner", "Ann", "a", "b", "--", "sh", "-c", &script]));
    assert_eq!(status, 0, "{err}");
    assert!(out.contains("2 held") && out.contains("held by Ann") && out.contains("status 1"), "{out}");
    assert_eq!(run(&mut at(url, &["break", "--yes", "a"])).0, 1, "nothing is held any more");
}

#[test]
fn by_sentinels() {
    let master = Server::with(&["--requirepass", "secret", "--repl-diskless-sync-delay", "0"]);
    let of = ["--replicaof", "127.0.0.1", &master.port().to_string()];
    let replica = Server::with(&[&of[..], &["--masterauth", "secret", "--requirepass", "secret"]].concat());
    // A Sentinel asks for replicas at once, and then each ten seconds.
    let fixed = format!("redis://:secret@127.0.0.1:{}", master.port());
    until("the replica follows", || doctor(&fixed).1.contains("a master with 1 replica"));
    let sentinel = Sentinel::of(&master, "sentinel auth-pass mine secret");
    let dead = free_port();
    let url = |service| format!("redis-sentinel://:secret@127.0.0.1:{},127.0.0.1:{dead}/{service}", sentinel.port);
    until("all know each other", || doctor(&url("mine")).1.contains("and follows it"));
    let (status, out) = doctor(&url("mine"));
    assert_eq!(status, 0, "{out}");
    let (master, replica) = (format!("127.0.0.1:{}", master.port()), format!("127.0.0.1:{}", replica.port()));
    assert!(out.contains(&format!("127.0.0.1:{}: the master is {master}", sentinel.port)), "{out}");
    assert!(advice(&out, "0 other Sentinels").contains("three"), "{out}");
    assert!(advice(&out, &format!("127.0.0.1:{dead}: ")).contains("take it out of the URL"), "{out}");
    for what in ["version", "memory", "persistence", "replication", "clock"] {
        let of = |address: &String| out.lines().any(|line| line.contains(&format!("{what:<12} {address}: ")));
        assert!(of(&master) && (of(&replica)), "{what}: {out}");
    }
    assert!(advice(&out, "a master with 1 replica").contains("fencing"), "{out}");
    assert!(out.ends_with("locks work here, with the notes above\n"), "{out}");
    the_subcommands_work(&url("mine"));

    let (status, out) = doctor(&url("other"));
    assert_eq!(status, 69, "{out}");
    assert!(advice(&out, ": knows no service `other`").contains("correct the name"), "{out}");
    let (status, _, err) = run(&mut at(&url("other"), &["ls", "--timeout", "1s"]));
    assert_eq!(status, 69, "{err}");
    assert!(err.contains("other") && err.contains(&sentinel.port.to_string()) && !err.contains("secret"), "{err}");
    // Of one that is no Sentinel, and one that does not watch the service.
    let other = Server::start();
    let (plain, sentinel) = (format!("127.0.0.1:{}", other.port()), format!("127.0.0.1:{}", sentinel.port));
    let (status, out) = doctor(&format!("redis-sentinel://{sentinel},{plain}/other"));
    assert_eq!(status, 69, "{out}");
    assert!(advice(&out, "leads to no master").contains("below"), "{out}");
    assert!(advice(&out, &format!("{plain}: ")).contains("name a Sentinel here"), "{out}");
    assert!(advice(&out, ": knows no service `other`").contains("correct the name"), "{out}");
    let (status, out) = doctor(&url("a b"));
    assert_eq!(status, 69);
    assert!(advice(&out, "name of the service").contains("redis-sentinel://"), "{out}");
}

#[test]
fn a_sentinel_may_want_a_password() {
    let master = Server::start();
    let sentinel = Sentinel::of(&master, "requirepass secret");
    let url = format!("redis-sentinel://127.0.0.1:{}/mine", sentinel.port);
    until("it is there", || doctor(&url).1.contains("NOAUTH"));
    let (status, out) = doctor(&url);
    assert_eq!(status, 69, "{out}");
    assert!(advice(&out, "NOAUTH").contains("MUTEXTREE_SENTINEL_LOGIN"), "{out}");
    for name in ["doctor", "ls"] {
        let (status, out, err) = run(at(&url, &[name]).env("MUTEXTREE_SENTINEL_LOGIN", ":secret"));
        assert_eq!(status, 0, "{out}{err}");
    }
    let (status, out, err) = run(at(&url, &["doctor"]).env("MUTEXTREE_SENTINEL_LOGIN", "ann:wrong"));
    assert_eq!(status, 69);
    assert!(advice(&out, &format!("127.0.0.1:{}: ", sentinel.port)).contains("MUTEXTREE_SENTINEL_LOGIN"), "{out}{err}");
    assert!(!format!("{out}{err}").contains("wrong"), "{out}{err}");
}

#[test]
fn in_a_cluster() {
    let node = Server::with(&["--cluster-enabled", "yes", "--cluster-node-timeout", "500"]);
    let (alone, dead) = (Server::start(), free_port());
    let url = format!("redis-cluster://127.0.0.1:{},127.0.0.1:{dead},127.0.0.1:{}", node.port(), alone.port());
    let (status, out) = doctor(&url);
    assert_eq!(status, 69, "{out}");
    assert!(advice(&out, "state fail").contains("start the nodes"), "{out}");
    assert!(advice(&out, "no node has slot").contains("fix"), "{out}");
    let all = ["ADDSLOTSRANGE", "0", "16383"];
    let _: () = redis::cmd("CLUSTER").arg(&all).query(&mut node.connect()).unwrap();
    until("the cluster is well", || doctor(&url).0 == 0);
    let (_, out) = doctor(&url);
    let address = format!("127.0.0.1:{}", node.port());
    assert!(out.contains(&format!("{address}: state ok")) && out.contains(&format!("master {address}")), "{out}");
    assert!(advice(&out, &format!("127.0.0.1:{dead}: ")).contains("take it out of the URL"), "{out}");
    assert!(advice(&out, &format!("127.0.0.1:{}: ", alone.port())).contains("redis://host:port"), "{out}");
    assert!(advice(&out, &format!("{address}: a master without replicas")).contains("add one"), "{out}");
    the_subcommands_work(&url);
    // By the URL of one server it works as long as that has the tree.
    let (status, out) = doctor(&node.url());
    assert_eq!(status, 0, "{out}");
    assert!(advice(&out, "a node of a cluster").contains("redis-cluster://"), "{out}");
}
