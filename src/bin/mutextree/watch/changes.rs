//! `watch --json`: a line for each lock or waiter that is new or gone. What comes and goes between
//! two looks is not seen.

use std::collections::BTreeMap;
use std::io::{self, Write as _};
use std::process::ExitCode;
use std::thread;
use std::time::Duration;

use mutextree::{Snapshot, TreePath};
use serde_json::{Map, Value, json};

use crate::dir::wall_clock;
use crate::place::Place;
use crate::status::{Failure, say};

/// What is different at each look though nothing happened.
const VARYING: [&str; 4] = ["held_for", "remaining", "waited", "behind"];

/// Each lock and waiter without what varies, as text, and how many there are of it.
type Known = BTreeMap<String, usize>;

pub(super) fn run(place: &Place, prefix: &TreePath, interval: Duration) -> Result<ExitCode, Failure> {
    let mut before = Known::new();
    loop {
        match place.snapshot() {
            Ok(snapshot) => {
                let now = known(&snapshot.below(prefix))?;
                let mut out = io::stdout().lock();
                for line in changes(&before, &now) {
                    writeln!(out, "{line}")?;
                }
                out.flush()?;
                before = now;
            }
            // It is asked again.
            Err(Failure::Status(_, message)) => say(&message),
            Err(other) => return Err(other),
        }
        thread::sleep(interval.max(Duration::from_millis(10)));
    }
}

fn known(snapshot: &Snapshot) -> Result<Known, Failure> {
    let all = serde_json::to_value(snapshot);
    let all = all.map_err(|error| Failure::system("cannot write the locks as JSON", error))?;
    let mut known = Known::new();
    for state in ["held", "waiting"] {
        for lock in all[state].as_array().into_iter().flatten() {
            let mut fields: Map<String, Value> = lock.as_object().cloned().unwrap_or_default();
            fields.retain(|name, _| !VARYING.contains(&name.as_str()));
            fields.insert("state".into(), state.into());
            *known.entry(Value::Object(fields).to_string()).or_default() += 1;
        }
    }
    Ok(known)
}

fn changes(before: &Known, now: &Known) -> Vec<String> {
    let time = Duration::from_micros(wall_clock()).as_secs_f64();
    let line = |event: &str, lock: &str| {
        let lock: Value = serde_json::from_str(lock).unwrap_or_default();
        json!({ "time": time, "event": event, "lock": lock }).to_string()
    };
    let more = |one: &Known, than: &Known, event: &str| -> Vec<String> {
        let more = one.iter().flat_map(|(lock, &count)| {
            let others = than.get(lock).copied().unwrap_or(0);
            std::iter::repeat_n(lock, count.saturating_sub(others))
        });
        more.map(|lock| line(event, lock)).collect()
    };
    let mut lines = more(before, now, "gone");
    lines.extend(more(now, before, "new"));
    lines
}

#[cfg(test)]
mod tests;
