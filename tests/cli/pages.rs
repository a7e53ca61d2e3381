//! Help, completion and manual pages.

use std::io::Write as _;
use std::process::Stdio;

use crate::running::{mutextree, run};

const SUBCOMMANDS: [&str; 8] = ["exec", "ls", "why", "watch", "break", "doctor", "completions", "man"];

#[test]
fn every_help_has_examples() {
    for name in SUBCOMMANDS {
        let (status, out, _) = run(mutextree().args([name, "--help"]));
        assert_eq!(status, 0);
        assert!(out.contains("Examples:\n  mutextree ") && out.contains("Usage:"), "{name}: {out}");
        let (status, short, _) = run(mutextree().args([name, "-h"]));
        assert!(status == 0 && short.contains("Usage:"), "{name}: {short}");
    }
    let (status, out, _) = run(mutextree().arg("--help"));
    assert_eq!(status, 0);
    assert!(SUBCOMMANDS.iter().all(|name| out.contains(name)) && out.contains("Examples:"), "{out}");
    let (status, out, _) = run(mutextree().arg("--version"));
    assert_eq!((status, out), (0, format!("mutextree {}\n", env!("CARGO_PKG_VERSION"))));
}

#[test]
fn no_arguments_and_unknown_ones_are_64() {
    let (status, _, err) = run(mutextree().args(["doctor", "redis://ann:secret@host"]));
    assert_eq!(status, 64);
    assert!(err.contains("redis://ann:***@host") && !err.contains("secret"), "{err}");
    for arguments in [&[][..], &["nonsense"], &["ls", "--nonsense"], &["completions", "nonsense"], &["man", "nonsense"]]
    {
        let (status, out, err) = run(mutextree().args(arguments));
        assert_eq!((status, out.as_str()), (64, ""), "{arguments:?}: {err}");
        assert!(!err.is_empty());
    }
}

#[test]
fn shells_can_complete_it() {
    for shell in ["bash", "zsh", "fish"] {
        let (status, out, err) = run(mutextree().args(["completions", shell]));
        assert_eq!(status, 0, "{err}");
        assert!(SUBCOMMANDS.iter().all(|name| out.contains(name)) && out.contains("no-wait"), "{shell}");
    }
    // One of them is surely there to say whether it is a script.
    let script = run(mutextree().args(["completions", "bash"])).1;
    let complete = format!(
        "{script}\nCOMP_WORDS=(mutextree wa); COMP_CWORD=1; _mutextree mutextree wa mutextree; echo \"${{COMPREPLY[@]}}\""
    );
    let mut bash = std::process::Command::new("bash").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    bash.stdin.take().unwrap().write_all(complete.as_bytes()).unwrap();
    let output = bash.wait_with_output().unwrap();
    assert_eq!(String::from_utf8_lossy(&output.stdout).trim(), "watch");
}

#[test]
fn there_is_a_manual_page_for_all_and_for_each() {
    let (status, page, err) = run(mutextree().arg("man"));
    assert_eq!(status, 0, "{err}");
    assert!(page.contains(".TH mutextree 1") && SUBCOMMANDS.iter().all(|name| page.contains(name)), "{page}");
    for name in SUBCOMMANDS {
        let (status, page, _) = run(mutextree().args(["man", name]));
        assert!(status == 0 && page.contains(&format!(".TH mutextree-{name} 1")), "{name}: {page}");
        assert!(page.contains("Examples:"), "{name}");
    }
}
