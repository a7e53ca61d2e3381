use mutextree::{HeldLock, Kind, Snapshot, TreePath};
use ratatui::Terminal;
use ratatui::backend::TestBackend;
use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyModifiers};

use super::Screen;
use crate::watch::keys::{Answer, press};

fn screen() -> Screen {
    let held = |path: &str, owner: &str| {
        let mut lock = HeldLock::new(path.parse().unwrap(), Kind::default());
        lock.owner = Some(owner.into());
        lock
    };
    let mut screen = Screen::new("tree `t`".into(), TreePath::root());
    screen.take(Ok(Snapshot::new(vec![held("b", "ann\x1b[2J"), held("a", "ben")], Vec::new())));
    screen
}

fn drawn(screen: &mut Screen, columns: u16, lines: u16) -> String {
    let mut terminal = Terminal::new(TestBackend::new(columns, lines)).unwrap();
    terminal.draw(|frame| screen.draw(frame)).unwrap();
    terminal.backend().to_string()
}

fn keys(screen: &mut Screen, keys: &str) -> Answer {
    keys.chars().fold(Answer::Draw, |_, key| {
        let code = if key == '\n' { KeyCode::Enter } else { KeyCode::Char(key) };
        press(screen, KeyEvent::new(code, KeyModifiers::NONE))
    })
}

#[test]
fn locks_are_shown_in_order_and_do_nothing_to_the_terminal() {
    let text = drawn(&mut screen(), 100, 10);
    let (ben, ann) = (text.find("ben").unwrap(), text.find("ann").unwrap());
    assert!(ben < ann && text.contains("2 held, 0 waiting") && !text.contains('\x1b'), "{text}");
}

#[test]
fn keys_sort_filter_and_quit() {
    let mut screen = screen();
    assert_eq!(keys(&mut screen, "r"), Answer::Draw);
    let text = drawn(&mut screen, 100, 10);
    assert!(text.find("ann").unwrap() < text.find("ben").unwrap(), "{text}");
    // While a filter is typed, its letters are no commands.
    assert_eq!(keys(&mut screen, "/ben q"), Answer::Draw);
    assert_eq!(screen.filter, "ben q");
    press(&mut screen, KeyEvent::new(KeyCode::Backspace, KeyModifiers::NONE));
    press(&mut screen, KeyEvent::new(KeyCode::Backspace, KeyModifiers::NONE));
    keys(&mut screen, "\n");
    let text = drawn(&mut screen, 100, 10);
    assert!(text.contains("ben") && !text.contains("ann") && text.contains("1 shown"), "{text}");
    assert_eq!(keys(&mut screen, "q"), Answer::Quit);
    assert_eq!(press(&mut screen, KeyEvent::new(KeyCode::Char('c'), KeyModifiers::CONTROL)), Answer::Quit);
}

#[test]
fn a_server_that_does_not_answer_is_said() {
    let mut screen = screen();
    screen.take(Err("no answer in time".into()));
    let text = drawn(&mut screen, 100, 10);
    assert!(text.contains("no answer in time") && text.contains("ben"), "what was seen last stays: {text}");
}

#[test]
fn any_size_will_do() {
    for (columns, lines) in [(1, 1), (3, 2), (20, 3), (300, 100)] {
        let mut screen = screen();
        screen.scroll(isize::MAX);
        screen.scroll(isize::MIN);
        drawn(&mut screen, columns, lines);
    }
}
