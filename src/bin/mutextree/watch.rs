//! `mutextree watch`: the locks, redrawn as they change.
//!
//! * `watch/rows.rs`: a snapshot as rows of a table; sorting and filtering them
//! * `watch/screen.rs`, `watch/columns.rs`: what is drawn, and what there is room for
//! * `watch/keys.rs`: what the keys do
//! * `watch/changes.rs`: `--json`: a line for each change
//!
//! A thread asks for the snapshots, so that the keys work while a server does not answer.

use std::io::{self, IsTerminal as _};
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use crossbeam_channel::{Receiver, bounded};
use mutextree::{Snapshot, ToTreePath as _, TreePath};
use ratatui::DefaultTerminal;
use ratatui::crossterm::event::{self, Event, KeyEventKind};
use rustix::process::{Signal, getpgrp, kill_process_group};
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

mod changes;
mod columns;
mod keys;
mod rows;
mod screen;

use crate::args::Watch;
use crate::place::Place;
use crate::status::Failure;
use keys::Answer;
use screen::Screen;

/// How long the keys wait for what the other thread brings, and the other way round.
const TURN: Duration = Duration::from_millis(50);

/// How long it may take to leave the terminal as it was.
const PATIENCE: Duration = Duration::from_millis(500);

/// What came of a look: a snapshot, or why there is none.
type Look = Result<Snapshot, String>;

pub(crate) fn run(watch: &Watch) -> Result<ExitCode, Failure> {
    let prefix: TreePath = watch.prefix.to_tree_path()?;
    let is_terminal = io::stdout().is_terminal() && io::stdin().is_terminal();
    if !(watch.json || is_terminal) {
        return Err(Failure::usage("`watch` draws on a terminal, and this is none; `--json` writes lines instead"));
    }
    let place = Place::open(&watch.keeper, None)?;
    if watch.json {
        return changes::run(&place, &prefix, watch.interval);
    }
    let ended = end_by_signals().map_err(|error| Failure::system("cannot handle signals", error))?;
    let mut screen = Screen::new(place.name(), prefix.clone());
    let looks = look_again_and_again(place, prefix, watch.interval);
    let mut terminal = ratatui::try_init().map_err(|error| Failure::system("cannot use the terminal", error))?;
    let result = show(&mut terminal, &mut screen, &looks, &ended);
    ratatui::restore();
    result.map_err(|error| Failure::system("cannot use the terminal", error))?;
    Ok(ExitCode::SUCCESS)
}

/// Becomes true when a signal says that this is to end. What reads the keys never returns once the
/// terminal is gone, so the signal ends the process itself if nothing else has.
fn end_by_signals() -> io::Result<Arc<AtomicBool>> {
    let mut signals = Signals::new([SIGTERM, SIGHUP, SIGINT])?;
    let ended = Arc::new(AtomicBool::new(false));
    let told = ended.clone();
    thread::spawn(move || {
        for signal in signals.forever() {
            told.store(true, Ordering::Relaxed);
            thread::sleep(PATIENCE);
            let _ = signal_hook::low_level::emulate_default_handler(signal);
        }
    });
    Ok(ended)
}

/// One look that is not shown yet is enough.
fn look_again_and_again(place: Place, prefix: TreePath, interval: Duration) -> Receiver<Look> {
    let (sender, receiver) = bounded(1);
    thread::spawn(move || {
        loop {
            let look = match place.snapshot() {
                Ok(snapshot) => Ok(snapshot.below(&prefix)),
                Err(Failure::Status(_, message)) => Err(message),
                Err(_) => Err("no answer".into()),
            };
            if sender.send(look).is_err() {
                return;
            }
            thread::sleep(interval.max(TURN));
        }
    });
    receiver
}

fn show(
    terminal: &mut DefaultTerminal,
    screen: &mut Screen,
    looks: &Receiver<Look>,
    ended: &AtomicBool,
) -> io::Result<()> {
    while !ended.load(Ordering::Relaxed) {
        terminal.draw(|frame| screen.draw(frame))?;
        if event::poll(TURN)?
            && let Event::Key(key) = event::read()?
            && key.kind != KeyEventKind::Release
        {
            match keys::press(screen, key) {
                Answer::Quit => return Ok(()),
                Answer::Stop => {
                    ratatui::restore();
                    let _ = kill_process_group(getpgrp(), Signal::TSTP);
                    *terminal = ratatui::try_init()?;
                }
                Answer::Draw => {}
            }
        }
        if let Ok(look) = looks.try_recv() {
            screen.take(look);
        }
    }
    Ok(())
}
