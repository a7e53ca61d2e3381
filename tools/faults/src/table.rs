//! A violation as a table: what the acquisitions that it is about did, and what was done meanwhile.

use comfy_table::Table;

use crate::event::{Event, What, name, worker_of};
use crate::round::Outcome;
use crate::verdict::Wrong;

/// So much before the first of them and after the violation is shown, in microseconds.
const AROUND: u64 = 50_000;
/// More rows than this help nobody.
const ROWS: usize = 120;

pub(crate) fn show(wrong: &Wrong, outcome: &Outcome) -> String {
    let start = outcome.events.first().map_or(0, |event| event.at).min(wrong.at);
    let since = |at: u64| format!("{:.3}", (at as f64 - start as f64) / 1000.0);
    let events: Vec<&Event> = outcome.events.iter().filter(|event| wrong.ids.contains(&event.id)).collect();
    let from = events.first().map_or(wrong.at, |event| event.at).saturating_sub(AROUND);
    let until = events.last().map_or(wrong.at, |event| event.at).max(wrong.at) + AROUND;
    let mut rows: Vec<(u64, [String; 3])> = Vec::new();
    let mut seen = 0;
    for (at, event) in events.iter().enumerate() {
        // Of many looks in a row the first and the last; and those around the violation.
        let is_seen =
            |at: usize| events.get(at).is_some_and(|other| matches!(other.what, What::Seen) && other.id == event.id);
        let inner = at > 0 && is_seen(at - 1) && is_seen(at) && is_seen(at + 1);
        if inner && event.at.abs_diff(wrong.at) > 5000 {
            seen += 1;
            continue;
        }
        let text = event.to_string();
        let what = text.splitn(3, ' ').nth(2).unwrap_or_default();
        let more = if seen > 0 { format!(" ({seen} more before)") } else { String::new() };
        seen = 0;
        rows.push((event.at, [since(event.at), name(event.id), format!("{what}{more}")]));
    }
    let workers: Vec<u64> = wrong.ids.iter().map(|&id| worker_of(id)).collect();
    for note in outcome.incidents.notes.iter().filter(|note| (from..=until).contains(&note.at)) {
        let who = note.worker.map_or("server".into(), |worker| worker.to_string());
        if note.worker.is_none_or(|worker| workers.contains(&worker)) {
            rows.push((note.at, [since(note.at), who, format!("** {}", note.text)]));
        }
    }
    rows.push((wrong.at, [since(wrong.at), "judge".into(), format!("!! {}", wrong.rule)]));
    rows.sort();
    let left_out = rows.len().saturating_sub(ROWS);
    let mut table = Table::new();
    table.set_header(["ms", "who", "what"]);
    table.add_rows(rows.into_iter().skip(left_out).map(|(_, row)| row));
    let more = if left_out > 0 { format!("\n({left_out} earlier rows left out)") } else { String::new() };
    format!("{}: {}\n(times in the table count from {start})\n{table}{more}", wrong.rule, wrong.text)
}
