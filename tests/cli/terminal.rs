//! A real terminal, by tmux: what a person sees, and what the keys do.

use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};

use mutextree::{LockStore as _, RedisStore};

use crate::running::{kill, lives, until};
use crate::server::Server;

/// A terminal of 100 columns and 20 lines, with a shell that knows the server.
struct Terminal {
    socket: String,
}

impl Terminal {
    fn start(server: &Server) -> Self {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let terminal = Self { socket: format!("mutextree-test-{}-{number}", std::process::id()) };
        let program = std::path::Path::new(env!("CARGO_BIN_EXE_mutextree")).parent().unwrap();
        let path = format!("{}:{}", program.display(), std::env::var("PATH").unwrap());
        let shell = "exec bash --norc --noprofile";
        let shell = format!("PATH='{path}' MUTEXTREE_REDIS='{}' PS1='$ ' {shell}", server.url());
        terminal.tmux(&["new-session", "-d", "-x", "100", "-y", "20", "sh", "-c", &shell]);
        terminal.shows("$");
        terminal
    }

    fn tmux(&self, arguments: &[&str]) -> String {
        let mut command = Command::new("tmux");
        command.args(["-L", &self.socket, "-f", "/dev/null"]).args(arguments).stdin(Stdio::null());
        let output = command.output().expect("these tests need a terminal: `tmux` (Debian package tmux) cannot be run");
        assert!(output.status.success(), "tmux {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    fn screen(&self) -> String {
        self.tmux(&["capture-pane", "-p"]).trim_end().to_owned()
    }

    /// Presses keys, by tmux's names.
    fn press(&self, keys: &[&str]) {
        self.tmux(&[&["send-keys"], keys].concat());
    }

    fn enter(&self, line: &str) {
        self.tmux(&["send-keys", "-l", line]);
        self.press(&["Enter"]);
    }

    #[track_caller]
    fn shows(&self, text: &str) {
        self.shows_when(text, |screen| screen.contains(text));
    }

    #[track_caller]
    fn shows_when(&self, what: &str, holds: impl Fn(&str) -> bool) {
        let mut last = String::new();
        let shown = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            until(what, || {
                last = self.screen();
                holds(&last)
            });
        }));
        assert!(shown.is_ok(), "{what:?} is not shown:\n{last}");
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        let _ = Command::new("tmux").args(["-L", &self.socket, "kill-server"]).status();
    }
}

fn scene() -> (Server, RedisStore, Terminal) {
    let server = Server::start();
    let store = RedisStore::connect(&server.url()).unwrap();
    let terminal = Terminal::start(&server);
    (server, store, terminal)
}

#[test]
fn the_waiting_line_is_one_and_goes_away() {
    let (_server, store, terminal) = scene();
    let held = store.mutex("org").unwrap().owner("the tester").lock_owned().unwrap();
    terminal.enter("mutextree exec org/team -- echo had it");
    terminal.shows("mutextree: waiting for `org/team` since ");
    let first = terminal.screen();
    terminal.shows_when("it is written anew", |screen| screen.contains("waiting for") && *screen != *first);
    let screen = terminal.screen();
    assert_eq!(screen.matches("waiting for").count(), 1, "{screen}");
    assert!(screen.contains("`org` is held by the tester since"), "{screen}");
    drop(held);
    terminal.shows("\nhad it\n$");
    let screen = terminal.screen();
    assert!(!screen.contains("waiting for"), "{screen}");
}

#[test]
fn ctrl_c_ends_the_wait() {
    let (_server, store, terminal) = scene();
    let _held = store.lock("a").unwrap();
    terminal.enter("mutextree exec a -- echo had it; echo status $?");
    terminal.shows("waiting for");
    terminal.press(&["C-c"]);
    // As for any program, the shell gives up the rest of the line.
    terminal.shows_when("a prompt", |screen| screen.ends_with("\n$") && !screen.contains("waiting for"));
    until("it left the queue", || store.snapshot().unwrap().waiters().len() == 0);
    terminal.enter("echo status $?");
    terminal.shows("status 130");
}

#[test]
fn the_command_has_the_terminal() {
    let (_server, store, terminal) = scene();
    terminal.enter("mutextree exec a -- sh -c 'read name; echo hello $name; [ -t 0 ] && echo a terminal'");
    until("it is held", || store.snapshot().unwrap().holders().len() == 1);
    terminal.enter("Ann");
    terminal.shows("hello Ann\na terminal\n$");
    // And the shell has it back.
    terminal.enter("echo still $((1 + 1))");
    terminal.shows("still 2");
    until("it is free", || store.snapshot().unwrap().is_empty());
}

/// A shell checks that it is in the foreground before it goes on.
#[test]
fn an_interactive_shell_works_under_a_lock() {
    let (_server, store, terminal) = scene();
    terminal.enter("mutextree exec a -- env PS1='locked> ' bash --norc --noprofile");
    terminal.shows("\nlocked>");
    // Before it runs, Ctrl-C would be the shell's.
    terminal.enter("sh -c 'echo up; exec sleep 1000'");
    terminal.shows("\nup");
    terminal.press(&["C-c"]);
    terminal.shows_when("two prompts", |screen| screen.matches("\nlocked>").count() == 2);
    assert_eq!(store.snapshot().unwrap().holders().len(), 1, "Ctrl-C was for the sleep alone");
    terminal.enter("exit 3");
    terminal.shows_when("the first shell", |screen| screen.ends_with("\n$"));
    terminal.enter("echo status $?");
    terminal.shows("status 3");
}

#[test]
fn ctrl_c_goes_to_the_command_alone() {
    let (_server, store, terminal) = scene();
    terminal
        .enter("mutextree exec a -- sh -c 'trap \"echo caught; exit 4\" INT; echo in; while :; do sleep 0.1; done'");
    terminal.shows("\nin");
    terminal.press(&["C-c"]);
    terminal.shows("caught");
    terminal.enter("echo status $?");
    terminal.shows("status 4");
    until("it is free", || store.snapshot().unwrap().is_empty());
}

#[test]
fn ctrl_z_stops_both_and_fg_goes_on() {
    let (_server, store, terminal) = scene();
    terminal.enter("mutextree exec a -- sh -c 'echo in; read line; echo got $line'");
    terminal.shows("\nin");
    terminal.press(&["C-z"]);
    terminal.shows("Stopped");
    terminal.shows("if it does not go on within");
    terminal.enter("jobs");
    terminal.shows("[1]+  Stopped");
    assert_eq!(store.snapshot().unwrap().holders().len(), 1);
    terminal.enter("fg");
    terminal.enter("more");
    terminal.shows("got more");
    terminal.enter("echo status $?");
    terminal.shows("status 0");
}

/// The lease goes on while both are stopped. Then the command must not go on.
#[test]
fn what_is_stopped_for_too_long_is_killed() {
    let (_server, store, terminal) = scene();
    terminal.enter("mutextree exec --lease 2s a -- sh -c 'echo number: $$; while :; do sleep 0.1; done'");
    terminal.shows("\nnumber: ");
    let screen = terminal.screen();
    let (_, pid) = screen.rsplit_once("\nnumber: ").unwrap();
    let pid = pid.trim().to_owned();
    terminal.press(&["C-z"]);
    terminal.shows("Stopped");
    drop(store.mutex("a").unwrap().try_lock_owned_for(crate::running::SOON).unwrap());
    assert!(!lives(&pid), "another has the lock, and the command lives");
    terminal.enter("fg");
    terminal.shows("was lost");
    terminal.enter("echo status $?");
    terminal.shows("status 76");
}

/// Others in a pipeline read the keys as well. The command gets the terminal when it asks for it.
#[test]
fn a_pipeline_shares_the_terminal() {
    let (_server, _store, terminal) = scene();
    terminal.enter("mutextree exec a -- seq 100 | (read first; echo first $first; read key </dev/tty; echo key $key)");
    terminal.shows("first 1");
    terminal.enter("hello");
    terminal.shows("key hello");
    terminal.enter("echo piped | mutextree exec a -- sh -c 'read line; read key </dev/tty; echo $line and $key'");
    terminal.enter("typed");
    terminal.shows("piped and typed");
    terminal.enter("echo still $((1 + 1))");
    terminal.shows("still 2");
}

#[test]
fn a_job_in_the_background_leaves_the_terminal_alone() {
    let (_server, store, terminal) = scene();
    terminal.enter("mutextree exec a -- sh -c 'sleep 1000' &");
    until("it is held", || store.snapshot().unwrap().holders().len() == 1);
    terminal.enter("echo still $((1 + 1))");
    terminal.shows("still 2");
    terminal.enter("kill %1");
    until("it is free", || store.snapshot().unwrap().is_empty());
}

#[test]
fn a_command_that_dies_leaves_the_terminal_as_it_was() {
    let (_server, _store, terminal) = scene();
    terminal.enter("mutextree exec a -- sh -c 'stty -echo raw; kill -9 $$'");
    terminal.shows_when("a prompt", |screen| screen.ends_with("\n$"));
    terminal.enter("stty -a | grep -o ' -\\?echo ' | tr -d ' '");
    terminal.shows("\necho\n$");
}

#[test]
fn watch_ends_with_its_terminal() {
    let (_server, _store, terminal) = scene();
    terminal.enter("echo number: $$");
    terminal.shows("\nnumber: ");
    let screen = terminal.screen();
    let (_, pid) = screen.rsplit_once("\nnumber: ").unwrap();
    let pid = pid.lines().next().unwrap().to_owned();
    terminal.enter("exec mutextree watch");
    terminal.shows("q quit");
    drop(terminal);
    until("it is gone", || !lives(&pid));
}

#[test]
fn watch_draws_the_tree_and_obeys_its_keys() {
    let (server, store, terminal) = scene();
    let team = store.mutex("org/team").unwrap().owner("Ann").lock_owned().unwrap();
    let other = store.mutex("other").unwrap().owner("Zoe").shared().lock_owned().unwrap();
    let reader = RedisStore::connect(&server.url()).unwrap();
    let waiter = std::thread::spawn(move || {
        drop(reader.mutex("org/team/file").unwrap().owner("Ben").lock_owned().unwrap());
    });
    until("Ben waits", || store.snapshot().unwrap().waiters().len() == 1);
    terminal.enter("mutextree watch -i 100ms");
    terminal.shows("2 held, 1 waiting");
    let screen = terminal.screen();
    for expected in ["PATH ▼", "org/team", "held", "exclusive", "Ann", "Ben", "Ann holds org/team", "q quit"] {
        assert!(screen.contains(expected), "{expected}:\n{screen}");
    }
    // Sorted by path, then by state, where waiters come first; then turned round.
    let comes_first = |screen: &str, one: &str, other: &str| screen.find(one) < screen.find(other);
    assert!(comes_first(&screen, "Ann", "Ben") && comes_first(&screen, "Ben", "Zoe"), "{screen}");
    terminal.press(&["s"]);
    terminal.shows_when("STATE ▼", |screen| screen.contains("STATE ▼") && comes_first(screen, "Ben", " Ann "));
    terminal.press(&["r"]);
    terminal.shows("STATE ▲");
    terminal.press(&["w"]);
    terminal.shows_when("only what waits", |screen| screen.contains("2 shown") && !screen.contains("Zoe"));
    terminal.press(&["w", "/"]);
    terminal.shows("filter: █");
    terminal.press(&["z", "o", "q"]);
    terminal.shows("filter: zoq█");
    terminal.press(&["BSpace", "Enter"]);
    terminal.shows_when("Zoe alone", |screen| screen.contains("1 shown") && !screen.contains("Ben"));
    terminal.press(&["Escape"]);
    terminal.shows("Ben");
    // It is redrawn as things change; not while it is stopped.
    terminal.press(&["Space"]);
    terminal.shows("stopped");
    drop(team);
    waiter.join().unwrap();
    terminal.shows("2 held, 1 waiting");
    terminal.press(&["Space"]);
    terminal.shows("1 held, 0 waiting");
    // A server that does not answer is said, and the keys go on.
    kill("-STOP", &server.pid().to_string());
    terminal.shows("ago: ");
    kill("-CONT", &server.pid().to_string());
    terminal.shows_when("an answer", |screen| !screen.contains("ago: "));
    // Ctrl-Z, and back.
    terminal.press(&["C-z"]);
    terminal.shows("Stopped");
    terminal.enter("fg");
    terminal.shows("1 held, 0 waiting");
    terminal.press(&["q"]);
    terminal.shows_when("the shell", |screen| screen.ends_with("\n$") && !screen.contains("q quit"));
    drop(other);
}
