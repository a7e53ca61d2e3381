//! From what workers told and what was done to them to violations. It lets the judge see all in the
//! order of time, and adds two rules about locks that were lost.
//!
//! What a holder believes lasts from its grant to the last time at which it saw `is_held` say yes.
//! What that rests on is not told by the workers. But at time t it rests on a request that was
//! sent after t less its longest lease; of a worker that keeps locks also at the time of the grant,
//! as that may be of a lock that it kept. So the judge is told at a lease after a loss of data:
//! what is believed from now on rests on a request since.

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use mutextree_judge::Judge;

use crate::claim::Locked;
use crate::clock::{MILLI, SECOND};
use crate::event::{Event, What, name, worker_of};
use crate::incidents::Incidents;

/// One acquisition, from its request to its end.
#[derive(Clone, Debug)]
struct Life {
    claim: Locked,
    token: u64,
    before: u64,
    from: u64,
    lease: u64,
    renews: bool,
    seen: u64,
    weaker: Option<u64>,
    lost: Option<u64>,
    /// The first time at which it was seen held after it had been lost.
    seen_after: Option<u64>,
    /// Its end was set by its holder.
    was_set: bool,
}

/// What should not have happened, for people.
#[derive(Clone, Debug)]
pub(crate) struct Wrong {
    pub(crate) at: u64,
    pub(crate) rule: String,
    pub(crate) text: String,
    /// The acquisitions that it is about.
    pub(crate) ids: Vec<u64>,
}

#[derive(Clone, Debug, Default)]
pub(crate) struct Verdict {
    pub(crate) grants: u64,
    /// How many holders found their lock lost.
    pub(crate) told: u64,
    /// What was kept: how often somebody had it again, and how many recalls came.
    pub(crate) hits: u64,
    pub(crate) recalls: u64,
    /// What users were told, without numbers, and how often.
    pub(crate) errors: BTreeMap<String, u64>,
    /// Overlaps by what lost the data.
    pub(crate) losses: BTreeMap<&'static str, u64>,
    pub(crate) wrongs: Vec<Wrong>,
}

/// What the judge is told, in the order in which it is if the times are the same.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Told {
    Loss { until: u64, by: &'static str },
    Changed { id: u64, claim: Locked },
    Ended { id: u64 },
    Granted { id: u64 },
    Extended { id: u64, until: u64, rests_on: u64 },
}

/// `window`: how long a lock that is handed over is held at first.
pub(crate) fn judge(events: &[Event], incidents: &Incidents, window: u64) -> Verdict {
    let mut verdict = Verdict::default();
    let lives = lives(events, &mut verdict);
    let mut told = Vec::new();
    told.extend(incidents.losses.iter().map(|loss| (loss.from, Told::Loss { until: loss.until, by: loss.by })));
    for (&id, life) in &lives {
        tell(id, life, incidents, &mut told);
        verdict.wrongs.extend(lost_without_cause(id, life, incidents, window));
        verdict.told += u64::from(life.lost.is_some());
    }
    told.sort();
    let mut judge = Judge::new();
    let (mut by, mut losses) = ("", 0);
    for (at, told) in told {
        match told {
            Told::Loss { until, by: what } => {
                by = what;
                judge.data_lost(until);
            }
            Told::Changed { id, claim } => judge.changed(id, at, claim),
            Told::Ended { id } => judge.ended(id, at),
            Told::Granted { id } => {
                let life = &lives[&id];
                let rests_on = life.before.max(at.saturating_sub(life.lease));
                judge.granted(id, life.claim.clone(), life.token, at, life.seen + 1, rests_on);
            }
            Told::Extended { id, until, rests_on } => judge.extended(id, at, until, rests_on),
        }
        if judge.losses() > losses {
            *verdict.losses.entry(by).or_default() += judge.losses() - losses;
            losses = judge.losses();
        }
    }
    verdict.grants = judge.grants();
    verdict.wrongs.extend(judge.violations().iter().map(|violation| Wrong {
        at: violation.at,
        rule: format!("{:?}", violation.rule),
        text: violation.text.clone(),
        ids: [violation.id].into_iter().chain(violation.other).collect(),
    }));
    verdict.wrongs.sort_by_key(|wrong| wrong.at);
    verdict
}

fn lives(events: &[Event], verdict: &mut Verdict) -> BTreeMap<u64, Life> {
    let mut lives: BTreeMap<u64, Life> = BTreeMap::new();
    for event in events {
        match &event.what {
            What::Granted { claim, token, before, lease, renews } => {
                let life = Life {
                    claim: claim.clone(),
                    token: *token,
                    before: *before,
                    from: event.at,
                    lease: *lease,
                    renews: *renews,
                    seen: event.at,
                    weaker: None,
                    lost: None,
                    seen_after: None,
                    was_set: false,
                };
                lives.insert(event.id, life);
            }
            What::Failed { text } => {
                let kind = text.split(|char: char| char.is_ascii_digit()).collect::<Vec<_>>().join("#");
                *verdict.errors.entry(kind.replace("##", "#")).or_default() += 1;
                // Scripts are sent with their text when the server has forgotten them.
                if text.contains("makes no sense") || text.contains("forgets its scripts") {
                    verdict.wrongs.push(wrong(event, "Error", format!("{} was told: {text}", name(event.id))));
                }
            }
            What::Kept { hits, recalls } => {
                verdict.hits += hits;
                verdict.recalls += recalls;
            }
            What::Panicked { text } => {
                verdict.wrongs.push(wrong(event, "Panic", format!("{} panicked: {text}", name(event.id))));
            }
            what => {
                let Some(life) = lives.get_mut(&event.id) else { continue };
                match what {
                    What::Seen if life.lost.is_some() => _ = life.seen_after.get_or_insert(event.at),
                    What::Seen => life.seen = event.at,
                    What::Lost => _ = life.lost.get_or_insert(event.at),
                    What::Weaker => life.weaker = Some(event.at),
                    What::Refreshes { length } => life.was_set |= *length != 0,
                    _ => {}
                }
            }
        }
    }
    lives
}

fn wrong(event: &Event, rule: &str, text: String) -> Wrong {
    Wrong { at: event.at, rule: rule.into(), text, ids: vec![event.id] }
}

fn tell(id: u64, life: &Life, incidents: &Incidents, told: &mut Vec<(u64, Told)>) {
    let until = life.seen + 1;
    told.push((life.from, Told::Granted { id }));
    told.extend(life.weaker.map(|at| (at, Told::Changed { id, claim: life.claim.shared() })));
    for loss in &incidents.losses {
        let at = loss.until + life.lease;
        if life.from < at && at < life.seen {
            told.push((at, Told::Extended { id, until, rests_on: loss.until }));
        }
    }
    if let (Some(lost), Some(seen)) = (life.lost, life.seen_after) {
        told.push((lost, Told::Ended { id }));
        told.push((seen, Told::Extended { id, until: seen + 1, rests_on: seen }));
    }
    // Who was stopped past its lease knows when it wakes.
    let stops = incidents.stops.iter().filter(|stop| stop.worker == worker_of(id) && stop.from > life.from);
    for stop in stops {
        let over = stop.from + life.lease;
        if over < stop.until && life.seen > stop.until {
            told.push((over, Told::Ended { id }));
            told.push((life.seen, Told::Extended { id, until, rests_on: stop.until }));
        }
    }
}

/// Nobody loses a lock for nothing: its lease is over, or it could not be renewed in time, or the
/// server lost it.
fn lost_without_cause(id: u64, life: &Life, incidents: &Incidents, window: u64) -> Option<Wrong> {
    let lost = life.lost?;
    let worker = worker_of(id);
    if life.was_set || incidents.lost_within(lost.saturating_sub(2 * life.lease + SECOND), lost) {
        return None;
    }
    let id_text = name(id);
    if !life.renews {
        let end = life.before + life.lease;
        let text = format!(
            "{id_text} ({}) found at {lost} that it was lost; its lease ends at {end} at the earliest",
            life.claim
        );
        return (lost < end).then(|| Wrong { at: lost, rule: "LostEarly".into(), text, ids: vec![id] });
    }
    // Just handed over it has time for two tries or so: on a busy machine that is too few.
    if lost - life.from < window {
        return None;
    }
    // It was renewed before, for a whole lease. Of that it had two thirds for the next time.
    let time = life.lease / 3 * 2;
    let disturbed = incidents.disturbed_within(worker, lost.saturating_sub(time + 50 * MILLI), lost);
    if disturbed > time / 8 {
        return None;
    }
    let text = format!(
        "{id_text} ({}), which renews itself, found at {lost} that it was lost, though only {disturbed} of the last {time} microseconds were disturbed",
        life.claim
    );
    Some(Wrong { at: lost, rule: "LostWithoutCause".into(), text, ids: vec![id] })
}
