//! What the simulator promises of itself: a seed makes one history, and histories find faults.

use std::process::{Command, Output};

fn sim(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_mutextree-sim")).args(arguments).output().expect("the simulator can be started")
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

#[test]
fn a_seed_makes_the_same_history_in_each_process() {
    for seed in 1..=12 {
        let seed = seed.to_string();
        let once = sim(&["--whole", &seed]);
        assert!(once.status.success(), "{}", said(&once));
        assert!(said(&once).lines().count() > 10, "something happens");
        assert_eq!(said(&once), said(&sim(&["--whole", &seed])));
    }
}

#[test]
fn histories_without_a_violation_end_well() {
    let output = sim(&["--histories", "40", "--seed", "1"]);
    assert!(output.status.success(), "{}", said(&output));
    let last = said(&output).lines().last().unwrap_or_default().to_owned();
    assert!(last.starts_with("histories 40, acquisitions ") && last.ends_with(", violations 0"), "{last}");
}

/// Histories that broke a rule once. In the first a renewal revived three of four members of a set.
/// In the second a grace period was longer by what the server's clock was set back.
#[test]
fn what_was_found_once_stays_mended() {
    for seed in ["781283549446", "7020360"] {
        let output = sim(&["--whole", seed]);
        assert!(output.status.success(), "{}", said(&output));
    }
}

/// A fault in a script is found, its history is made shorter, and a person can follow it.
#[test]
fn a_planted_fault_is_found_and_told() {
    let claim = "  set_end(token, now + lease, it.version > 0 or it.client == '')\n";
    let output = sim(&["--plant", claim, "", "--histories", "300", "--seed", "3001"]);
    let said = said(&output);
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("both are held"), "{said}");
    let rows = said.lines().filter(|line| line.starts_with("| ")).count();
    assert!((4..200).contains(&rows), "{rows} rows: {said}");
    assert!(said.contains("again: scripts/sim --repeat "), "{said}");
    assert!(said.lines().last().is_some_and(|line| line.ends_with(", violations 1")), "{said}");
}

/// Forty callers are at it for half a minute before it fails: of thousands of rows a few are
/// left.
#[test]
fn a_long_history_becomes_a_short_one() {
    let claim = "  set_end(token, now + lease, it.version > 0 or it.client == '')\n";
    let output = sim(&["--plant", claim, "", "--repeat", "328"]);
    let said = said(&output);
    assert_eq!(output.status.code(), Some(1), "{said}");
    let rows = said.lines().filter(|line| line.starts_with("| ")).count();
    assert!((4..100).contains(&rows), "{rows} rows: {said}");
}

#[test]
fn what_it_cannot_do_it_says() {
    for (arguments, sentence) in [
        (&["--plant", "no script has this", "x", "--histories", "1"][..], "no script has this text"),
        (&["--seed", "1"], "one of --seconds, --histories, --repeat and --whole is needed"),
        (&["--seconds", "many"], "many"),
        (&["--what"], "--what"),
    ] {
        let output = sim(arguments);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}");
        let error = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(error.contains(sentence), "{arguments:?}: {error}");
    }
}
