//! Rules about the sources that no lint holds. Each test names every line that breaks its rule.

mod comments;
mod files;

use crate::comments::{Line, Source};
use crate::files::{Language, documents, root, sources};

/// How wide comments and documents are.
const COLUMNS: usize = 100;
/// How long a file of `src/` is.
const LINES: usize = 400;

/// Fails with all complaints at once, a line each.
#[track_caller]
fn assert_none(rule: &str, complaints: &[String]) {
    assert!(complaints.is_empty(), "{rule}; {} do not:\n{}", complaints.len(), complaints.join("\n"));
}

/// Whether a line that is too wide may be: a row of a table, or one with an address, which cannot
/// be wrapped.
fn is_exempt(text: &str) -> bool {
    text.trim_start_matches(['/', '!', '#', '-', '*', ' ']).starts_with('|') || text.contains("://")
}

fn too_wide(line: &Line<'_>) -> bool {
    line.comment.is_some_and(|comment| line.text.chars().count() > COLUMNS && !is_exempt(comment))
}

#[test]
fn comments_are_at_most_100_columns_wide() {
    let (mut complaints, mut checked) = (Vec::new(), 0);
    for file in sources(&["src", "tests", "benches", "examples", "tools", "fuzz", "python", "scripts", ".ci"]) {
        let source = Source::new(&file.text, file.language);
        let lines: Vec<_> = source.lines().collect();
        checked += lines.iter().filter(|line| line.comment.is_some()).count();
        let wide = lines.iter().filter(|line| too_wide(line));
        complaints.extend(wide.map(|line| format!("{}:{}: {}", file.name, line.number, line.text.trim())));
    }
    assert!(checked > 3000, "the comments were found, not {checked}");
    assert_none("comments are at most 100 columns wide", &complaints);
}

#[test]
fn a_comment_that_is_too_wide_is_seen() {
    let (short, long) = ("x".repeat(90), "x".repeat(100));
    let wide = |text: &str, language| Source::new(text, language).lines().filter(too_wide).count();
    for begin in ["// ", "/// ", "//! ", "    // ", "let it = 1; // ", "let it = \"//\"; // ", "let it = '\"'; // "] {
        assert_eq!(wide(&format!("{begin}{long}"), Language::Rust), 1, "{begin}");
        assert_eq!(wide(&format!("let it = 1;\n{begin}{}", &short[..70]), Language::Rust), 0, "{begin}");
    }
    assert_eq!(wide(&format!("-- {long}\nlocal it = 1 -- {long}\nlocal it = '-- {long}'"), Language::Lua), 2);
    assert_eq!(wide(&format!("# {long}\n\nit=1 # {long}\nit=$#{long}\n"), Language::Shell), 2);
    // What is code, a table or an address is none.
    for fine in [format!("let it = \"// {long}\";"), format!("let it = r#\"\n\"// {long}\n\"#;"), format!("f({long});")]
    {
        assert_eq!(wide(&fine, Language::Rust), 0, "{fine}");
    }
    assert_eq!(wide(&format!("/// | {long} |\n// https://{long}"), Language::Rust), 0);
}

#[test]
fn documents_are_at_most_100_columns_wide() {
    let (mut complaints, mut checked) = (Vec::new(), 0);
    for file in documents() {
        checked += 1;
        complaints.extend(wide_lines(&file.text).map(|(at, line)| format!("{}:{at}: {line}", file.name)));
    }
    assert!(checked >= 8, "the documents were found, not {checked}");
    assert_none("documents are at most 100 columns wide", &complaints);
}

/// Lines of a document that are too wide, and in no block of code.
fn wide_lines(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let mut is_code = false;
    let lines = text.lines().zip(1..).filter(move |(line, _)| {
        is_code ^= line.trim_start().starts_with("```");
        !is_code && line.chars().count() > COLUMNS && !is_exempt(line)
    });
    lines.map(|(line, number)| (number, line))
}

#[test]
fn a_document_that_is_too_wide_is_seen() {
    let long = "word ".repeat(30);
    let text = format!("{long}\n| {long} |\n```sh\n{long}\n```\n[there]: https://example.org/{long}\n{long}\n");
    assert_eq!(wide_lines(&text).map(|(at, _)| at).collect::<Vec<_>>(), [1, 7]);
}

#[test]
fn files_are_at_most_400_lines_long() {
    let (mut complaints, mut checked) = (Vec::new(), 0);
    for file in sources(&["src"]) {
        checked += 1;
        let length = file.text.lines().count();
        if length > LINES {
            complaints.push(format!("{}: {length} lines", file.name));
        }
    }
    assert!(checked > 50, "the sources were found, not {checked}");
    assert_none("files of src are at most 400 lines long", &complaints);
}

/// The lock protocol in memory is built from `src/sync` alone, so that loom sees all of it. The
/// models, the Redis store, which loom does not run, and the command are free. Clippy's
/// `disallowed-types` cannot hold this: it looks through re-exports, and would ban `crate::sync`
/// with what it wraps.
#[test]
fn the_protocol_in_memory_names_no_primitive_but_those_of_sync() {
    const FREE: [&str; 4] = ["src/sync", "src/memory/models", "src/redis", "src/bin"];
    let banned = ["std::sync", "parking_lot", "hashbrown", "loom::", "shuttle::", "Instant::now", "thread::park"];
    let (mut complaints, mut checked) = (Vec::new(), 0);
    for file in sources(&["src"]) {
        if FREE.iter().any(|free| file.name.starts_with(free)) || file.is_tests() {
            continue;
        }
        checked += 1;
        complaints.extend(names(&Source::new(&file.text, file.language), &banned, &file.name));
    }
    assert!(checked > 15, "the sources were found, not {checked}");
    assert_none("primitives of threads and time belong in src/sync", &complaints);
}

/// What must not be named in `src/redis/protocol`: it is told the time and what came, and says what
/// to send. `own` stands for this crate's module `redis`, as `redis` alone is the client library.
const IMPURE: [&str; 18] = [
    // Clocks.
    "Instant",
    "SystemTime",
    "clock::",
    "own::clock",
    "sync::now",
    "sync::clock",
    // Threads.
    "std::thread",
    "thread::",
    "sleep(",
    // Sockets.
    "std::net",
    "std::os",
    "TcpStream",
    "UnixStream",
    "own::wire",
    "redis::",
    // What drives the protocol.
    "own::run",
    // Chance.
    "getrandom",
    "fastrand",
];

fn impure(text: &str, name: &str) -> Vec<String> {
    let text = text.replace("crate::redis::", "own::");
    names(&Source::new(&text, Language::Rust), &IMPURE, name)
}

#[test]
fn the_protocol_over_redis_is_pure() {
    let (mut complaints, mut checked) = (Vec::new(), 0);
    for file in sources(&["src/redis/protocol", "src/redis/protocol.rs"]) {
        if file.language == Language::Rust && !file.is_tests() {
            checked += 1;
            complaints.extend(impure(&file.text, &file.name));
        }
    }
    println!("{checked} files of src/redis/protocol");
    let is_there = root().join("src/redis/protocol").is_dir();
    assert_eq!(checked > 0, is_there, "the protocol is there, and {checked} files of it were found");
    assert_none("the protocol names no clock, thread, socket or client library", &complaints);
}

#[test]
fn an_impure_protocol_is_seen() {
    for line in [
        "use std::time::Instant;",
        "std::thread::spawn(f);",
        "fn f(it: redis::Value) {}",
        "use crate::redis::wire;",
        "use crate::redis::run::Engine;",
        "use redis::Client;",
    ] {
        assert_eq!(impure(line, "file").len(), 1, "{line}");
    }
    for line in [
        "use crate::redis::protocol::keys;",
        "use crate::redis::error::Failure;",
        "use std::time::Duration; // not Instant",
        "let text = 1;",
    ] {
        assert!(impure(line, "file").is_empty(), "{line}");
    }
}

/// Where code names one of these. Comments may.
fn names(source: &Source<'_>, banned: &[&str], name: &str) -> Vec<String> {
    let named = |line: Line<'_>| {
        let found = banned.iter().find(|banned| line.code.contains(**banned))?;
        Some(format!("{name}:{}: {found}", line.number))
    };
    source.lines().filter_map(named).collect()
}

/// A promise that is in no list is tested on no store, and the compiler does not tell.
#[test]
fn every_promise_of_the_conformance_suite_is_in_its_list() {
    let folder = "tests/common/conformance";
    let files = sources(&[folder]);
    let list = &files.iter().find(|file| file.name.ends_with("/mod.rs")).expect("the suite is there").text;
    let (mut complaints, mut checked) = (Vec::new(), 0);
    for file in files.iter().filter(|file| !file.name.ends_with("/mod.rs")) {
        let promises =
            file.text.lines().filter_map(|line| line.strip_prefix("pub(crate) fn ")?.split(['<', '(']).next());
        for promise in promises {
            checked += 1;
            if !list.split(|char: char| !char.is_alphanumeric() && char != '_').any(|word| word == promise) {
                complaints.push(format!("{}: {promise}", file.name));
            }
        }
    }
    assert!(checked > 40, "the promises were found, not {checked}");
    assert_none("promises are named in the list of conformance!", &complaints);
}

/// What comments and documents say about where things are is so.
#[test]
fn files_that_are_named_are_there() {
    let (mut complaints, mut checked) = (Vec::new(), 0);
    let mut check = |name: &str, number: usize, text: &str| {
        for path in named_files(text) {
            checked += 1;
            if !root().join(path).exists() {
                complaints.push(format!("{name}:{number}: {path}"));
            }
        }
    };
    for file in sources(&["src", "tests", "benches", "examples", "tools", "fuzz", "python", "scripts", ".ci"]) {
        for line in Source::new(&file.text, file.language).lines() {
            check(&file.name, line.number, line.comment.unwrap_or_default());
        }
    }
    for file in documents() {
        file.text.lines().zip(1..).for_each(|(line, number)| check(&file.name, number, line));
    }
    assert!(checked > 100, "the names were found, not {checked}");
    assert_none("files that are named are there", &complaints);
}

/// Names of files and folders of this repository in a text. Some things that look alike are paths
/// of locks, so only what is under folders that hold no example's locks counts, or has the ending
/// of a file.
fn named_files(text: &str) -> impl Iterator<Item = &str> {
    let words = text.split(|char: char| !char.is_ascii_alphanumeric() && !"_./-*".contains(char));
    let paths = words.map(|word| word.trim_end_matches(['.', '/']));
    paths.filter(|path| {
        let (folder, rest) = path.split_once('/').unwrap_or_default();
        let ends_as_file = [".rs", ".md", ".lua"].iter().any(|ending| rest.ends_with(ending));
        let is_ours = match folder {
            "tests" | "scripts" | "tools" => !rest.is_empty(),
            "src" | "docs" | "examples" | "benches" | "fuzz" => ends_as_file,
            _ => false,
        };
        is_ours && !rest.contains('*')
    })
}

#[test]
fn named_files_are_found() {
    let text = "See `tests/run`, scripts/loom. docs/proof.md (tools/), `src/memory/*.rs`, docs/report and tests/redis/main.rs:7.";
    let found: Vec<_> = named_files(text).collect();
    assert_eq!(found, ["tests/run", "scripts/loom", "docs/proof.md", "tests/redis/main.rs"]);
}

/// `docs/proof.md` names tests by their functions.
#[test]
fn tests_that_are_named_are_there() {
    let proof = documents().into_iter().find(|file| file.name == "docs/proof.md").expect("the page is there");
    let sources = sources(&["src", "tests", "examples", "tools"]);
    let words = sources.iter().flat_map(|file| file.text.split(|char: char| !char.is_alphanumeric() && char != '_'));
    let words: std::collections::HashSet<_> = words.collect();
    let named: Vec<_> = named_tests(&proof.text).collect();
    assert!(named.len() > 100, "the names were found, not {}", named.len());
    let complaints: Vec<_> = named.iter().filter(|name| !words.contains(*name)).map(|name| name.to_string()).collect();
    assert_none("tests that docs/proof.md names are there", &complaints);
}

/// Names in backquotes that are long enough to be sentences.
fn named_tests(text: &str) -> impl Iterator<Item = &str> {
    let is_name =
        |word: &&str| word.chars().all(|char| char.is_ascii_lowercase() || char.is_ascii_digit() || char == '_');
    text.split('`').skip(1).step_by(2).filter(is_name).filter(|word| word.matches('_').count() > 1)
}

#[test]
fn named_tests_are_found() {
    let text = "`a_lost_lock_is_told`, `programs`, `random_steps`, a_word_not_quoted, `src/a_b_c.rs`, `is_it_so`.";
    assert_eq!(named_tests(text).collect::<Vec<_>>(), ["a_lost_lock_is_told", "is_it_so"]);
}
