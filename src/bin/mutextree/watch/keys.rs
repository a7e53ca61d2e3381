//! What the keys do.

use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyModifiers};

use super::screen::Screen;

/// What the program does next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Answer {
    Draw,
    Quit,
    /// Ctrl-Z.
    Stop,
}

pub(super) fn press(screen: &mut Screen, key: KeyEvent) -> Answer {
    if key.modifiers.contains(KeyModifiers::CONTROL) {
        return match key.code {
            KeyCode::Char('c') => Answer::Quit,
            KeyCode::Char('z') => Answer::Stop,
            _ => Answer::Draw,
        };
    }
    if screen.is_typing {
        match key.code {
            KeyCode::Char(char) => screen.filter.push(char),
            KeyCode::Backspace => drop(screen.filter.pop()),
            KeyCode::Enter => screen.is_typing = false,
            KeyCode::Esc => {
                screen.filter.clear();
                screen.is_typing = false;
            }
            _ => {}
        }
        return Answer::Draw;
    }
    let page = isize::try_from(screen.page).unwrap_or(isize::MAX);
    match key.code {
        KeyCode::Char('q') => return Answer::Quit,
        KeyCode::Esc if screen.filter.is_empty() => return Answer::Quit,
        KeyCode::Esc => screen.filter.clear(),
        KeyCode::Char('s') => screen.sorted_by = screen.sorted_by.next(),
        KeyCode::Char('r') => screen.is_reversed = !screen.is_reversed,
        KeyCode::Char('/') => screen.is_typing = true,
        KeyCode::Char('w') => screen.only_contended = !screen.only_contended,
        KeyCode::Char(' ') => screen.is_frozen = !screen.is_frozen,
        KeyCode::Up | KeyCode::Char('k') => screen.scroll(-1),
        KeyCode::Down | KeyCode::Char('j') => screen.scroll(1),
        KeyCode::PageUp => screen.scroll(-page),
        KeyCode::PageDown => screen.scroll(page),
        KeyCode::Home => screen.scroll(isize::MIN),
        KeyCode::End => screen.scroll(isize::MAX),
        _ => {}
    }
    Answer::Draw
}
