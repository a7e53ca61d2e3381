use clap::{CommandFactory as _, Parser as _};

use super::{Arguments, Subcommand};

#[test]
fn the_command_line_is_consistent() {
    Arguments::command().debug_assert();
}

#[test]
fn paths_end_where_the_command_begins() {
    let line = ["mutextree", "exec", "--dir", "d", "a/b", "c", "--", "ls", "--all", "--", "x"];
    let Subcommand::Exec(exec) = Arguments::try_parse_from(line).unwrap().command else { panic!("it is exec") };
    assert_eq!(exec.paths, ["a/b", "c"]);
    assert_eq!(exec.command, ["ls", "--all", "--", "x"]);
}

/// Every example of the help is a command line that is understood.
#[test]
fn the_examples_parse() {
    let mut checked = 0;
    let root = Arguments::command();
    let helps = root.get_subcommands().filter_map(|command| command.get_after_help()).chain(root.get_after_long_help());
    for help in helps {
        for line in help.to_string().lines().filter_map(|line| line.strip_prefix("  mutextree ")) {
            // What follows an example is behind several blanks, or is the shell's.
            let line = line.split("   ").next().unwrap();
            let line = line.split([';', '|', '>', '&']).next().unwrap();
            let words = ["mutextree"].into_iter().chain(line.split_whitespace());
            if let Err(error) = Arguments::try_parse_from(words) {
                panic!("{line}: {error}");
            }
            checked += 1;
        }
    }
    assert!(checked > 20, "{checked} examples were found");
}
