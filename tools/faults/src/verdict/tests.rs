//! What a history has to look like to be objected to, and what comes closest without being wrong.

use super::{Verdict, judge};
use crate::clock::{MILLI, SECOND};
use crate::event::{Event, What, id};
use crate::incidents::{Incidents, Loss, Stop};

const LEASE: u64 = SECOND;
const WINDOW: u64 = 500 * MILLI;
/// When the first request of a history is sent.
const T: u64 = 100 * SECOND;

fn granted(at: u64, id: u64, claim: &str, token: u64, renews: bool) -> Event {
    let claim = claim.parse().unwrap();
    Event { at, id, what: What::Granted { claim, token, before: at - MILLI, lease: LEASE, renews } }
}

fn event(at: u64, id: u64, what: What) -> Event {
    Event { at, id, what }
}

fn rules(verdict: &Verdict) -> Vec<&str> {
    verdict.wrongs.iter().map(|wrong| &*wrong.rule).collect()
}

#[track_caller]
fn found(events: &[Event], incidents: &Incidents, rules_wanted: &[&str]) -> Verdict {
    let verdict = judge(events, incidents, WINDOW);
    assert_eq!(rules(&verdict), rules_wanted, "{:?}", verdict.wrongs);
    verdict
}

#[test]
fn two_at_once_is_what_both_have_seen() {
    let (one, two) = (id(1, 1), id(2, 1));
    let first = granted(T, one, "exclusive:subtree:a", 1, true);
    let second = granted(T + 50, two, "shared:node:a/x", 2, true);
    let seen = |at| event(at, one, What::Seen);
    found(&[first.clone(), seen(T + 49), second.clone()], &Incidents::default(), &[]);
    found(&[first, seen(T + 50), second], &Incidents::default(), &["Overlap"]);
}

#[test]
fn a_loss_of_data_is_no_excuse_a_lease_later() {
    let (one, two) = (id(1, 1), id(2, 1));
    let mut incidents = Incidents::default();
    incidents.losses.push(Loss { from: T + 10, until: T + 20, by: "FLUSHALL" });
    let history = |until| {
        [
            granted(T, one, "exclusive:subtree:a", 1, true),
            granted(T + 30, two, "exclusive:subtree:a", 2, true),
            event(until, one, What::Seen),
            event(until, two, What::Seen),
        ]
    };
    let verdict = found(&history(T + 20 + LEASE), &incidents, &[]);
    assert_eq!(verdict.losses["FLUSHALL"], 1);
    found(&history(T + 21 + LEASE), &incidents, &["Overlap"]);
}

#[test]
fn who_was_stopped_past_its_lease_knows_when_it_wakes() {
    let one = id(1, 1);
    let history = [granted(T, one, "exclusive:subtree:a", 1, true), event(T + 2 * LEASE, one, What::Seen)];
    let mut incidents = Incidents::default();
    incidents.stops.push(Stop { from: T + 10, until: T + LEASE, worker: 1 });
    found(&history, &incidents, &[]);
    incidents.stops.push(Stop { from: T + 10, until: T + LEASE + 11, worker: 2 });
    found(&history, &incidents, &[]);
    incidents.stops.push(Stop { from: T + 10, until: T + LEASE + 11, worker: 1 });
    found(&history, &incidents, &["HeldAfterLost"]);
}

#[test]
fn lost_is_lost() {
    let one = id(1, 1);
    let lease_over = T + LEASE;
    let mut history = vec![
        granted(T, one, "exclusive:subtree:a", 1, false),
        event(lease_over, one, What::Lost),
        event(lease_over + 1, one, What::Releases),
    ];
    found(&history, &Incidents::default(), &[]);
    history.push(event(lease_over + 2, one, What::Seen));
    found(&history, &Incidents::default(), &["HeldAfterLost"]);
}

#[test]
fn a_lease_lasts_as_long_as_it_was_asked_for() {
    let one = id(1, 1);
    let history = |lost| [granted(T, one, "exclusive:subtree:a", 1, false), event(lost, one, What::Lost)];
    found(&history(T + LEASE - MILLI), &Incidents::default(), &[]);
    found(&history(T + LEASE - MILLI - 1), &Incidents::default(), &["LostEarly"]);
    // Its holder has set another end.
    let mut shorter = history(T + LEASE / 2).to_vec();
    shorter.insert(1, event(T + 1, one, What::Refreshes { length: 5 }));
    found(&shorter, &Incidents::default(), &[]);
    let mut incidents = Incidents::default();
    incidents.losses.push(Loss { from: T + 10, until: T + 20, by: "FLUSHALL" });
    found(&history(T + LEASE / 2), &incidents, &[]);
}

#[test]
fn a_renewed_lock_is_lost_only_if_it_was_disturbed() {
    let one = id(1, 1);
    let lost = T + 5 * LEASE;
    let history = [granted(T, one, "exclusive:subtree:a", 1, true), event(lost, one, What::Lost)];
    let mut incidents = Incidents::default();
    found(&history, &incidents, &["LostWithoutCause"]);
    incidents.disturbed(Some(1), lost - LEASE, lost - LEASE / 3 * 2 - 50 * MILLI);
    incidents.disturbed(Some(2), lost - LEASE, lost);
    incidents.disturbed(Some(1), lost - LEASE / 2, lost - LEASE / 2 + LEASE / 13);
    found(&history, &incidents, &["LostWithoutCause"]);
    incidents.disturbed(None, lost - LEASE / 13, lost);
    found(&history, &incidents, &[]);
}

#[test]
fn what_ends_a_worker_is_told() {
    found(
        &[event(T, id(1, 0), What::Panicked { text: "index out of range".into() })],
        &Incidents::default(),
        &["Panic"],
    );
    let text = "the lock store failed: the Redis server answered what makes no sense here: 7".into();
    found(&[event(T, id(1, 5), What::Failed { text })], &Incidents::default(), &["Error"]);
    let text = "the lock store failed: the Redis server at localhost:5 cannot be reached: gone".into();
    found(&[event(T, id(1, 5), What::Failed { text })], &Incidents::default(), &[]);
}
