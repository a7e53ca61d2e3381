//! Locks in files of a directory.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use tempfile::TempDir;

use crate::running::{Running, kill, lives, mutextree, run, until};

struct Locks {
    _keep: TempDir,
    dir: PathBuf,
}

impl Locks {
    fn new() -> Self {
        let keep = TempDir::new().unwrap();
        let dir = keep.path().join("locks");
        Self { _keep: keep, dir }
    }

    fn command(&self, name: &str) -> Command {
        let mut command = mutextree();
        command.arg(name).arg("--dir").arg(&self.dir);
        command
    }

    fn exec(&self) -> Command {
        self.command("exec")
    }

    /// Tries a lock, and returns the exit status.
    fn tries(&self, options: &str) -> i32 {
        run(self.exec().arg("-n").args(options.split(' ')).args(["--", "true"])).0
    }

    fn holds(&self, options: &str) -> Running {
        let running =
            Running::start(self.exec().args(options.split(' ')).args(["--", "sh", "-c", "echo $$; read line"]));
        running.line();
        running
    }

    /// How many requests have a file.
    fn files(&self) -> usize {
        fs::read_dir(self.dir.join("requests")).map_or(0, Iterator::count)
    }
}

#[test]
fn related_nodes_exclude_each_other() {
    let locks = Locks::new();
    let mut holder = locks.holds("org/team");
    for (options, expected) in [
        ("org/team", 75),
        ("org", 75),
        ("/", 75),
        ("org/team/file", 75),
        ("--shared org/team/file", 75),
        ("--node-only org", 0),
        ("org/other", 0),
        ("org/tea", 0),
        ("x org/team y", 75),
    ] {
        assert_eq!(locks.tries(options), expected, "{options}");
    }
    holder.type_line("");
    assert_eq!(holder.status(), 0);
    assert_eq!(locks.tries("org"), 0);
    assert_eq!(locks.files(), 0, "nothing is left behind");
}

#[test]
fn readers_share_and_keep_writers_out_above_and_below() {
    let locks = Locks::new();
    let _reader = locks.holds("--shared a/b");
    for (options, expected) in
        [("-s a/b", 0), ("-s a", 0), ("-s a/b/c", 0), ("a/b/c", 75), ("a", 75), ("--node-only a", 0), ("a/c", 0)]
    {
        assert_eq!(locks.tries(options), expected, "{options}");
    }
}

#[test]
fn the_kernel_frees_the_lock_of_a_process_that_is_killed() {
    let locks = Locks::new();
    let mut holder = Running::start(locks.exec().args(["a", "--", "sh", "-c", "trap '' TERM; echo $$; sleep 1000"]));
    let command = holder.line();
    let mut waiter = Running::start(locks.exec().args(["a/b", "--", "sh", "-c", "echo in; read line"]));
    waiter.complains("waiting");
    holder.child.kill().unwrap();
    // The watchdog has the lock for as long as the command lives.
    assert_eq!(waiter.line(), "in");
    assert!(!lives(&command), "the next one has the lock, and the command lives");
    waiter.type_line("");
    assert_eq!(waiter.status(), 0);
    assert_eq!(locks.files(), 0, "what the dead one left is removed");
}

#[test]
fn a_waiter_that_is_killed_holds_up_nobody() {
    let locks = Locks::new();
    let holder = locks.holds("a/x");
    let mut waiter = Running::start(locks.exec().args(["a", "--", "true"]));
    waiter.complains("waiting");
    // Behind that waiter, whom it is in conflict with.
    let behind = Running::start(locks.exec().args(["a/y", "--", "echo", "ran"]));
    let line = behind.complains("waiting");
    assert!(line.contains("waits for `a`"), "{line}");
    waiter.child.kill().unwrap();
    assert_eq!(behind.line(), "ran");
    drop(holder);
}

#[test]
fn turns_come_in_order() {
    let locks = Locks::new();
    let mut holder = locks.holds("a");
    let mut waiters = Vec::new();
    for number in 0..4 {
        let script = format!("echo {number} >>\"$0\"");
        let log = locks.dir.join("log");
        waiters.push(Running::start(locks.exec().args(["a", "--", "sh", "-c", &script]).arg(&log)));
        until("it is in the queue", || locks.files() == 2 + number);
    }
    holder.type_line("");
    assert!(waiters.iter_mut().all(|waiter| waiter.status() == 0));
    assert_eq!(fs::read_to_string(locks.dir.join("log")).unwrap(), "0\n1\n2\n3\n");
}

#[test]
fn many_at_once_take_turns() {
    let locks = Locks::new();
    fs::create_dir(&locks.dir).unwrap();
    let number = locks.dir.join("number");
    fs::write(&number, "0").unwrap();
    let script = "n=$(cat \"$0\"); sleep 0.01; echo $((n + 1)) >\"$0\"";
    let sets = [&["a", "b"][..], &["b/x", "a"], &["a"], &["b", "c", "a/y"]];
    let mut all: Vec<Running> = (0..16)
        .map(|at| {
            let paths = sets[at % sets.len()].iter().chain(["a"].iter());
            Running::start(locks.exec().args(paths).args(["--", "sh", "-c", script]).arg(&number))
        })
        .collect();
    assert!(all.iter_mut().all(|one| one.status() == 0));
    assert_eq!(fs::read_to_string(&number).unwrap().trim(), "16");
    assert_eq!(locks.files(), 0);
}

#[test]
fn several_paths_are_had_together_or_not_at_all() {
    let locks = Locks::new();
    let mut holder = locks.holds("--owner Ann b/file");
    let (status, _, err) = run(locks.exec().args(["-n", "c", "b", "a", "--", "true"]));
    assert_eq!(status, 75);
    assert!(err.contains("`b/file` is held by Ann") && err.contains("in the way of `b`"), "{err}");
    assert_eq!(locks.files(), 1, "nothing is kept of it");
    // Each of these crosses another one.
    let script = ["--", "sh", "-c", "for i in 1 2 3; do \"$0\" exec --dir \"$1\" $2 -- true || exit; done"];
    let mut all: Vec<Running> = ["a b c", "c b a", "b a", "a", "b/x c"]
        .map(|paths| {
            let program = env!("CARGO_BIN_EXE_mutextree");
            let mut shell = Command::new(script[1]);
            Running::start(shell.args(&script[2..]).arg(program).arg(&locks.dir).arg(paths))
        })
        .into();
    until("they wait", || locks.files() >= 5);
    holder.type_line("");
    assert_eq!(holder.status(), 0);
    assert!(all.iter_mut().all(|one| one.status() == 0), "none waits for ever, whatever the order");
    assert_eq!(locks.files(), 0);
}

#[test]
fn tokens_rise() {
    let locks = Locks::new();
    let token = || -> u64 {
        let script = "echo $MUTEXTREE_FENCING_TOKEN";
        run(locks.exec().args(["a", "--", "sh", "-c", script])).1.trim().parse().unwrap()
    };
    let (first, second) = (token(), token());
    fs::remove_dir_all(&locks.dir).unwrap();
    assert!(first < second && second < token());
}

#[test]
fn waiting_ends_in_time_and_by_signals() {
    let locks = Locks::new();
    let _holder = locks.holds("--owner Ann a");
    let (status, _, err) = run(locks.exec().args(["-w", "300ms", "a", "--", "true"]));
    assert_eq!(status, 75);
    assert!(err.contains("within 0.3 s") && err.contains("held by Ann"), "{err}");
    let mut waiter = Running::start(locks.exec().args(["a", "--", "true"]));
    waiter.complains("waiting");
    waiter.signal("-TERM");
    assert_eq!(waiter.status(), 143);
    until("its place is free", || locks.files() == 1);
}

#[test]
fn statuses_are_those_of_a_server() {
    let locks = Locks::new();
    assert_eq!(run(locks.exec().args(["a", "--", "sh", "-c", "exit 9"])).0, 9);
    assert_eq!(run(locks.exec().args(["a", "--", "no-such-command"])).0, 127);
    assert_eq!(run(locks.exec().args(["--lease", "30s", "a", "--", "true"])).0, 64);
    let (status, _, err) = run(mutextree().args(["exec", "--dir", "/proc/no", "a", "--", "true"]));
    assert_eq!(status, 69);
    assert!(err.contains("/proc/no"), "{err}");
    assert_eq!(locks.files(), 0);
}

#[test]
fn a_table_that_a_stopped_process_has_is_said() {
    let locks = Locks::new();
    assert_eq!(locks.tries("a"), 0);
    // As a process of this program that was stopped just then would.
    let mut other = Command::new("flock");
    let other = Running::start(other.arg(locks.dir.join("table")).args(["sh", "-c", "echo in; read line"]));
    assert_eq!(other.line(), "in");
    let (status, _, err) = run(locks.exec().args(["-n", "a", "--", "true"]));
    assert_eq!(status, 69);
    assert!(err.contains("does not go on"), "{err}");
}

#[test]
fn the_tree_can_be_looked_at() {
    let locks = Locks::new();
    let _holder = locks.holds("--owner Ann a/b c");
    let mut waiter = Running::start(locks.exec().args(["--owner", "Ben", "a", "--", "true"]));
    waiter.complains("waiting");
    let (status, out, _) = run(&mut locks.command("ls"));
    assert_eq!(status, 0);
    assert!(out.contains("Ann") && out.contains("Ben") && out.contains("2 held, 1 wait"), "{out}");
    let (status, out, _) = run(locks.command("why").arg("a/b/c"));
    assert_eq!(status, 1);
    assert!(out.contains("held by Ann") && out.contains("`a` waited for by Ben"), "{out}");
    assert_eq!(run(locks.command("why").arg("z")).0, 0);
    let (status, _, err) = run(locks.command("break").args(["--yes", "c"]));
    assert_eq!(status, 64);
    assert!(err.contains("kill"), "{err}");
    let (status, out, _) = run(&mut locks.command("doctor"));
    assert_eq!(status, 0);
    assert!(out.contains("file system") && out.contains("locks work here"), "{out}");
    // A look is in nobody's way, and is none itself.
    assert_eq!(locks.files(), 2);
    kill("-TERM", &waiter.pid().to_string());
    waiter.status();
}
