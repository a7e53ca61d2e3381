//! Exit statuses, each; what the command gets; bad input.

use std::io::Write as _;
use std::os::unix::process::ExitStatusExt as _;
use std::process::Stdio;

use mutextree::LockStore as _;

use super::{exec, snapshot, tree};
use crate::running::{Running, mutextree, run};
use crate::server::{Server, free_port};

#[test]
fn the_commands_own_status_is_passed_on() {
    let server = Server::start();
    for (script, expected) in [("exit 0", 0), ("exit 7", 7), ("exit 255", 255), ("kill -9 $$", 137), ("kill $$", 143)] {
        assert_eq!(run(exec(&server).args(["a", "--", "sh", "-c", script])).0, expected, "{script}");
    }
    assert!(snapshot(&server).is_empty());
}

/// The loop of a shell stops if what it runs is ended by Ctrl-C, and not if that exits with 130.
#[test]
fn an_interrupted_command_ends_as_one_that_was_interrupted() {
    let server = Server::start();
    let status = Running::start(exec(&server).args(["a", "--", "sh", "-c", "kill -INT $$"])).ends();
    assert_eq!(status.signal(), Some(2));
}

#[test]
fn a_lock_that_cannot_be_had_is_75_or_what_was_asked_for() {
    let server = Server::start();
    let store = tree(&server);
    let _held = store.mutex("a").unwrap().owner("the tester").lock_owned().unwrap();
    for (options, expected) in [
        (&["--no-wait"][..], 75),
        (&["-n", "-E", "3"], 3),
        (&["--wait", "0"], 75),
        (&["--wait", "300ms"], 75),
        (&["-w", "0.3", "-E", "0"], 0),
    ] {
        let (status, out, err) = run(exec(&server).args(options).args(["a/b", "--", "echo", "ran"]));
        assert_eq!((status, out.as_str()), (expected, ""), "{options:?}: {err}");
        assert!(err.contains("`a/b`") && err.contains("`a` is held by the tester"), "{options:?}: {err}");
    }
    // What waited has left the queue.
    assert_eq!(store.snapshot().unwrap().waiters().len(), 0);
}

#[test]
fn a_server_that_cannot_be_used_is_69() {
    let port = free_port();
    let nobody = format!("redis://ann:secret@127.0.0.1:{port}");
    let (status, _, err) = run(mutextree().args(["exec", "--redis", &nobody, "a", "--", "true"]));
    assert_eq!(status, 69, "{err}");
    assert!(err.contains(&port.to_string()) && !err.contains("secret"), "{err}");

    let server = Server::with(&["--requirepass", "right"]);
    let url = format!("redis://:wrong@127.0.0.1:{}", server.port());
    let (status, _, err) = run(mutextree().env("MUTEXTREE_REDIS", url).args(["exec", "a", "--", "true"]));
    assert_eq!(status, 69, "{err}");
    assert!(err.contains("password") && !err.contains("wrong"), "{err}");
}

#[test]
fn what_makes_no_sense_is_64_and_says_why() {
    let server = Server::start();
    for (line, reason) in [
        ("a true", "--"),
        ("a --", "COMMAND"),
        ("-- true", "PATH"),
        ("a//b -- true", "empty"),
        ("a/../b -- true", "from the root down"),
        ("--lease 10ms a -- true", "1 s"),
        ("--lease 3s --kill-after 2s a -- true", "--kill-after"),
        ("--lease x a -- true", "500ms"),
        ("--wait 1 --no-wait a -- true", "--no-wait"),
        ("-E 256 a -- true", "256"),
        ("--owner= a -- true", "--owner"),
        ("--tree {x} a -- true", "brace"),
        ("--redis nonsense a -- true", "URL"),
        ("--dir /tmp --tree x a -- true", "--dir"),
        ("--dir /tmp --lease 30s a -- true", "--dir"),
        ("redis://ann:secret@host a -- true", "redis://ann:***@host"),
    ] {
        let (status, out, err) = run(exec(&server).args(line.split(' ')));
        assert_eq!((status, out.as_str()), (64, ""), "{line}: {err}");
        assert!(err.contains(reason) && !err.contains("secret"), "{line}: {err}");
    }
    let (status, _, err) = run(mutextree().args(["exec", "a", "--", "true"]));
    assert_eq!(status, 64);
    assert!(err.contains("MUTEXTREE_REDIS") && err.contains("--dir"), "{err}");
    assert!(snapshot(&server).is_empty());
}

#[test]
fn a_command_that_cannot_be_run_is_126_or_127_and_leaves_no_lock() {
    let server = Server::start();
    for (command, expected) in [("/etc/passwd", 126), ("no-such-command", 127)] {
        let (status, _, err) = run(exec(&server).args(["a", "--", command]));
        assert_eq!(status, expected, "{err}");
        assert!(err.contains(command), "{err}");
        assert!(snapshot(&server).is_empty());
    }
}

#[test]
fn no_shell_is_in_between() {
    let server = Server::start();
    let words = ["$HOME; *", "a  b", "", "`id`", "--", "-n"];
    let (status, out, err) = run(exec(&server).args(["a", "--", "printf", "[%s]"]).args(words));
    assert_eq!((status, out.trim_end()), (0, "[$HOME; *][a  b][][`id`][--][-n]"), "{err}");
}

#[test]
fn stdin_and_stdout_pass_through() {
    let server = Server::start();
    let mut cat = exec(&server).args(["a", "--", "cat"]).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let all: Vec<u8> = (0..1_000_000_u32).map(|at| at.to_le_bytes()[at as usize % 3]).collect();
    let mut stdin = cat.stdin.take().unwrap();
    let sent = all.clone();
    let writer = std::thread::spawn(move || stdin.write_all(&sent).unwrap());
    let output = cat.wait_with_output().unwrap();
    writer.join().unwrap();
    assert!(output.status.success() && output.stdout == all, "{} bytes came", output.stdout.len());
}

#[test]
fn the_command_finds_a_rising_token_and_its_paths() {
    let server = Server::start();
    let mut last = 0;
    for _ in 0..3 {
        let script = "echo $MUTEXTREE_FENCING_TOKEN; echo \"$MUTEXTREE_PATH\"";
        let (_, out, err) = run(exec(&server).args(["b/c", "a", "b", "--", "sh", "-c", script]));
        let lines: Vec<_> = out.lines().collect();
        assert_eq!(lines[1..], ["a", "b"], "{err}");
        let token: u64 = lines[0].parse().unwrap();
        assert!(token > last, "{token} after {last}");
        last = token;
    }
    // A later holder by other means has a greater one.
    assert!(tree(&server).lock("a").unwrap().fencing_token() > last);
}

#[test]
fn the_command_leads_a_group_of_its_own() {
    let server = Server::start();
    let (_, out, _) = run(exec(&server).args(["a", "--", "sh", "-c", "echo $$; ps -o pgid= -p $$"]));
    let numbers: Vec<_> = out.split_whitespace().collect();
    assert_eq!(numbers[0], numbers[1]);
}

#[test]
fn shared_and_node_only_exclude_as_the_table_says() {
    let server = Server::start();
    let mut reader = Running::start(exec(&server).args(["--shared", "a", "--", "sh", "-c", "echo in; read line"]));
    assert_eq!(reader.line(), "in");
    let status = |options: &[&str]| run(exec(&server).arg("-n").args(options).args(["--", "true"])).0;
    assert_eq!(status(&["-s", "a/b"]), 0);
    assert_eq!(status(&["a/b"]), 75);
    assert_eq!(status(&["--node-only", "/"]), 0);
    assert_eq!(status(&["b"]), 0);
    reader.close_stdin();
    assert_eq!(reader.status(), 1); // of `read` at the end of its input
    assert_eq!(status(&["a/b"]), 0);
}
