//! What a worker is at that is not done though all is well: by what it told, and by where its
//! threads are.

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::env;
use std::fs;
use std::process::{Command, Stdio};

use crate::event::{Event, What, name, worker_of};

/// What its users are at, and the acquisitions that this is about.
pub(crate) fn doing(worker: u64, events: &[Event]) -> (Vec<u64>, String) {
    let its: Vec<&Event> = events.iter().filter(|event| worker_of(event.id) == worker).collect();
    if !its.iter().any(|event| matches!(event.what, What::Asks { .. })) {
        let told = its.iter().filter_map(|event| match &event.what {
            What::Failed { text } => Some(text),
            _ => None,
        });
        let (times, last) = told.fold((0, None), |(times, _), text| (times + 1, Some(text)));
        let last = last.map_or("nothing", String::as_str);
        return (
            Vec::new(), // all of its events are those errors
            format!("it has asked for no lock yet; it was told {times} times, at last: {last}"),
        );
    }
    let mut open: BTreeMap<u64, (&str, &dyn std::fmt::Display)> = BTreeMap::new();
    for event in its {
        match &event.what {
            What::Asks { claim, .. } => _ = open.insert(event.id, ("asks for", claim)),
            What::Granted { claim, .. } => _ = open.insert(event.id, ("holds", claim)),
            What::Releases => {
                if let Some(open) = open.get_mut(&event.id) {
                    open.0 = "gives back";
                }
            }
            // A holder goes on after an error.
            What::Failed { .. } if open.get(&event.id).is_some_and(|open| open.0 != "asks for") => {}
            What::Refused | What::Failed { .. } | What::Released => _ = open.remove(&event.id),
            _ => {}
        }
    }
    let what: Vec<String> = open.iter().map(|(id, (does, claim))| format!("{} {does} {claim}", name(*id))).collect();
    let what = if what.is_empty() { "nothing that it told of".into() } else { what.join(", ") };
    (open.into_keys().collect(), what)
}

/// Where the threads of a process are: in a file, if there is a `gdb`.
pub(crate) fn stacks(worker: u64, pid: u32) -> String {
    let mut gdb = Command::new("gdb");
    gdb.args(["--batch", "-ex", "thread apply all bt", "-p", &pid.to_string()]);
    let stacks = match gdb.stdin(Stdio::null()).stderr(Stdio::null()).output() {
        Ok(output) if output.status.success() => output.stdout,
        Ok(output) => return format!("no stacks: gdb ended with {}", output.status),
        Err(error) => return format!("no stacks: gdb cannot be run: {error}"),
    };
    let file = env::temp_dir().join(format!("mutextree-faults-{pid}-{worker}.txt"));
    match fs::write(&file, stacks) {
        Ok(()) => format!("its stacks are in {}", file.display()),
        Err(error) => format!("no stacks: {} cannot be written: {error}", file.display()),
    }
}
