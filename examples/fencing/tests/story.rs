//! The example, run both ways: with fencing tokens and without.

use std::process::Command;

/// The exit status of the example, and what it printed.
fn run(arguments: &[&str]) -> (Option<i32>, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_mutextree-fencing")).args(arguments).output().unwrap();
    let said = String::from_utf8(output.stdout).unwrap();
    (output.status.code(), said + &String::from_utf8(output.stderr).unwrap())
}

#[test]
fn the_late_write_is_refused() {
    let (status, said) = run(&[]);
    assert_eq!(status, Some(0), "{said}");
    assert!(said.contains("eve    is refused"), "{said}");
    assert!(said.ends_with("The stale write was refused: 8 orders have 8 numbers.\n"), "{said}");
}

#[test]
fn without_tokens_it_is_accepted() {
    let (status, said) = run(&["--without-tokens"]);
    assert_eq!(status, Some(1), "{said}");
    assert!(!said.contains("is refused"), "{said}");
    assert!(said.contains("A stale write got through: of 8 orders two have the number 7."), "{said}");
}

#[test]
fn a_server_that_is_not_there_is_an_error() {
    let (status, said) = run(&["--redis", "redis://127.0.0.1:1/"]);
    assert_eq!(status, Some(2), "{said}");
    assert!(said.contains("the Redis server at 127.0.0.1:1 cannot be reached"), "{said}");
}
