//! A violation as a table: what the acquisitions that it is about did, and what was done meanwhile.

use comfy_table::{Table, presets};

use crate::clock::SECOND;
use crate::event::{Event, What, name, worker_of};
use crate::round::Outcome;
use crate::verdict::Wrong;

/// So much before the first of them and after the violation is shown, in microseconds.
const AROUND: u64 = 50_000;
/// Looks this near to the violation are all shown.
const NEAR: u64 = 5000;
/// More rows than this help nobody.
const ROWS: usize = 120;

pub(crate) fn show(wrong: &Wrong, outcome: &Outcome) -> String {
    let notes = &outcome.incidents.notes;
    let times = outcome.events.iter().map(|event| event.at).chain(notes.iter().map(|note| note.at));
    let clock = Clock { start: times.min().unwrap_or(wrong.at) };
    let events: Vec<&Event> = outcome.events.iter().filter(|event| wrong.ids.contains(&event.id)).collect();
    let from = events.first().map_or(wrong.at, |event| event.at).saturating_sub(AROUND);
    let until = events.last().map_or(wrong.at, |event| event.at).max(wrong.at) + AROUND;
    let mut rows: Vec<(u64, String, String)> = Vec::new();
    let is_seen =
        |id: u64, at: usize| events.get(at).is_some_and(|event| matches!(event.what, What::Seen) && event.id == id);
    let mut left_out = 0;
    for (at, event) in events.iter().enumerate() {
        // Of many looks in a row the first and the last; and those around the violation.
        let is_inner = at > 0 && [at - 1, at, at + 1].iter().all(|&at| is_seen(event.id, at));
        if is_inner && event.at.abs_diff(wrong.at) > NEAR {
            left_out += 1;
            continue;
        }
        let more = if left_out > 0 { format!(" ({left_out} more before)") } else { String::new() };
        left_out = 0;
        rows.push((event.at, name(event.id), text(&event.what, &clock) + &more));
    }
    let workers: Vec<u64> = wrong.ids.iter().map(|&id| worker_of(id)).collect();
    for note in notes.iter().filter(|note| (from..=until).contains(&note.at)) {
        if note.worker.is_none_or(|worker| workers.contains(&worker)) {
            let who = note.worker.map_or("server".into(), |worker| worker.to_string());
            rows.push((note.at, who, format!("** {}", note.text)));
        }
    }
    rows.push((wrong.at, "judge".into(), format!("!! {}", wrong.rule)));
    rows.sort();
    let skipped = rows.len().saturating_sub(ROWS);
    let mut table = Table::new();
    table.load_style(presets::ASCII_FULL_CONDENSED).set_header(["ms", "who", "what"]);
    table.add_rows(rows.into_iter().skip(skipped).map(|(at, who, what)| [clock.milli(at), who, what]));
    let more = if skipped > 0 { format!("\n({skipped} earlier rows are left out)") } else { String::new() };
    let text = clock.humanize(&wrong.text, &wrong.ids);
    format!("{}: {text}\n(times are milliseconds from the start of the round)\n{table}{more}", wrong.rule)
}

/// Times as people read them.
struct Clock {
    start: u64,
}

impl Clock {
    fn milli(&self, at: u64) -> String {
        format!("{:.3}", (at as f64 - self.start as f64) / 1000.0)
    }

    /// A sentence of the judge, with its numbers for ids and times replaced.
    fn humanize(&self, text: &str, ids: &[u64]) -> String {
        let mut out = String::new();
        let mut rest = text;
        while let Some(begin) = rest.find(|char: char| char.is_ascii_digit()) {
            let digits = rest[begin..].find(|char: char| !char.is_ascii_digit()).map_or(rest.len(), |end| begin + end);
            let (before, number) = (&rest[..begin], &rest[begin..digits]);
            out.push_str(before);
            match number.parse::<u64>() {
                Ok(id) if ids.contains(&id) => out.push_str(&name(id)),
                Ok(time) if time.abs_diff(self.start) < 600 * SECOND && time > SECOND => {
                    out.push_str(&self.milli(time))
                }
                _ => out.push_str(number),
            }
            rest = &rest[digits..];
        }
        out + rest
    }
}

fn text(what: &What, clock: &Clock) -> String {
    let milli = |micros: u64| micros as f64 / 1000.0;
    match what {
        What::Asks { claim, waits } => format!("asks for {claim}{}", if *waits { "" } else { ", and does not wait" }),
        What::Granted { claim, token, before, lease, renews } => {
            let renews = if *renews { ", which renews itself" } else { "" };
            let (before, lease) = (clock.milli(*before), milli(*lease));
            format!("has {claim}, token {token}; asked for at {before}; a lease of {lease} ms{renews}")
        }
        What::Refused => "is refused, or gives up".into(),
        What::Failed { text } => format!("is told: {text}"),
        What::Seen => "is_held: yes".into(),
        What::Refreshes { length: 0 } => "refreshes".into(),
        What::Refreshes { length } => format!("sets the end to {} ms from now", milli(*length)),
        What::Weaker => "downgrades".into(),
        What::Lost => "it is lost".into(),
        What::Releases => "releases".into(),
        What::Released => "has released".into(),
        What::Stalled { since } => format!("did not run since {}", clock.milli(*since)),
        What::Panicked { text } => format!("panicked: {text}"),
        What::Idle => "is done".into(),
        What::Kept { hits, recalls } => format!("had {hits} kept locks again, and {recalls} recalls"),
    }
}
