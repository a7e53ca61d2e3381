use super::super::acquisition::MayWait;
use super::super::samples::{MS, Name, ROOM, TIMING, acquisition, agenda, down, found, granted, held, lock, queued};
use super::*;
use std::slice;

mod unused;

const LEASE: u64 = TIMING.lease;

/// A lock that holds, on an agenda.
fn holds(agenda: &mut Agenda<Name>, number: u64, sent: u64) -> Arc<Lock> {
    let lock = held(number, sent);
    agenda.held(&lock);
    lock
}

/// What is due at that time.
fn due(agenda: &mut Agenda<Name>, now: u64) -> Work<Name> {
    let next = agenda.next();
    let work = agenda.take(now, ROOM);
    assert!(work.is_empty() || next <= now, "the keeper would have slept until {next}, and it is {now}");
    work
}

fn renewals(work: &Work<Name>) -> Vec<u64> {
    work.renewals.iter().flatten().map(|renewal| renewal.lock.number).collect()
}

#[test]
fn a_lease_is_renewed_after_a_third_and_again_while_there_is_no_answer() {
    let mut agenda = agenda();
    let lock = holds(&mut agenda, 1, 0);
    assert!(due(&mut agenda, 100 * MS).is_empty());
    let mut tries = Vec::new();
    let mut now = 0;
    while lock.is_held(now) {
        now = agenda.next();
        if !due(&mut agenda, now).renewals.is_empty() {
            tries.push(now / MS);
        }
    }
    assert_eq!(tries[..4], [300, 450, 562, 646], "P6: time for several tries");
    assert!(tries.len() < 10, "{tries:?}");
}

#[test]
fn an_answer_to_any_try_renews_the_lease() {
    let mut agenda = agenda();
    let lock = holds(&mut agenda, 1, 0);
    let first = due(&mut agenda, 300 * MS).renewals.remove(0);
    let second = due(&mut agenda, 450 * MS).renewals.remove(0);
    agenda.renewed(&second, &found(&[Found::Held]), 450 * MS, 460 * MS);
    assert_eq!(lock.deadline(), 450 * MS + LEASE, "it counts from before it was sent");
    assert_eq!(agenda.kept[&1].due, 450 * MS + LEASE / 3);
    agenda.renewed(&first, &Err(down()), 300 * MS, 500 * MS);
    assert!(lock.is_held(500 * MS + LEASE / 2));
    assert_eq!(agenda.next(), 550 * MS, "an error is tried again soon");
}

#[test]
fn what_is_due_soon_goes_along_and_the_first_to_end_goes_first() {
    let mut agenda = agenda();
    holds(&mut agenda, 1, 70 * MS);
    holds(&mut agenda, 2, 0);
    holds(&mut agenda, 3, 200 * MS);
    let work = due(&mut agenda, 300 * MS);
    assert_eq!(renewals(&work), [2, 1]);
    assert_eq!(work.renewals.len(), 1, "in one call");
}

#[test]
fn no_call_renews_too_many() {
    let mut agenda = agenda();
    (1..=600).for_each(|number| _ = holds(&mut agenda, number, 0));
    let work = due(&mut agenda, 300 * MS);
    assert_eq!(work.renewals.iter().map(Vec::len).collect::<Vec<_>>(), [256, 256, 88]);
}

#[test]
fn a_loss_is_told_at_the_deadline_and_once() {
    let mut agenda = agenda();
    let lock = holds(&mut agenda, 1, 0);
    lock.stop_renewing();
    agenda.reschedule(&lock);
    assert!(due(&mut agenda, LEASE - 1).is_empty());
    assert_eq!(agenda.next(), LEASE, "though nobody renews it");
    assert_eq!(due(&mut agenda, LEASE).lost.len(), 1);
    assert!(due(&mut agenda, LEASE + 1).is_empty() && !agenda.forget(&lock));
}

#[test]
fn what_the_server_does_not_know_any_more_is_lost_at_once() {
    let mut agenda = agenda();
    let lock = holds(&mut agenda, 1, 0);
    let batch = due(&mut agenda, 300 * MS).renewals.remove(0);
    agenda.renewed(&batch, &found(&[Found::Lost]), 300 * MS, 310 * MS);
    assert!(!lock.is_held(310 * MS));
    assert_eq!(due(&mut agenda, 310 * MS).lost.len(), 1);
}

#[test]
fn a_lock_whose_answer_was_late_is_renewed_at_once() {
    let (mut agenda, lock) = (agenda(), held(1, 0));
    agenda.held(&lock); // some time later: most of the lease may be over
    assert_eq!(agenda.next(), LEASE / 3);
    assert_eq!(agenda.take(LEASE - MS, ROOM).renewals.len(), 1);
    assert_eq!(agenda.next(), LEASE, "the loss is told in time, whatever becomes of that");
}

#[test]
fn a_lock_by_message_is_renewed_within_its_claim_window() {
    let mut agenda = agenda();
    let lock = lock(1);
    lock.granted(100, 350 * MS, true);
    agenda.handed_over(&lock, 100 * MS);
    assert_eq!(agenda.next(), 225 * MS);
    assert_eq!(renewals(&due(&mut agenda, 225 * MS)), [1]);
}

#[test]
fn a_lock_whose_lease_was_shortened_is_looked_at_when_it_ends() {
    let mut agenda = agenda();
    let lock = holds(&mut agenda, 1, 0);
    lock.begin_to_set(50 * MS, 0);
    agenda.reschedule(&lock);
    assert_eq!(agenda.next(), 50 * MS);
    assert_eq!(due(&mut agenda, 50 * MS).lost.len(), 1);
}

#[test]
fn a_lock_that_renews_itself_again_is_renewed() {
    let mut agenda = agenda();
    let lock = lock(1);
    lock.granted(100, LEASE, false);
    agenda.held(&lock);
    assert!(lock.was_set(lock.epoch(), LEASE, true, 0));
    agenda.reschedule(&lock);
    assert_eq!(renewals(&due(&mut agenda, 300 * MS)), [1]);
}

#[test]
fn all_that_is_held_is_renewed_at_once_when_another_server_may_have_forgotten_it() {
    let mut agenda = agenda();
    let (_one, _two) = (holds(&mut agenda, 1, 0), holds(&mut agenda, 2, 0));
    assert!(due(&mut agenda, 50 * MS).is_empty());
    agenda.renew_soon(60 * MS);
    assert_eq!(renewals(&due(&mut agenda, 60 * MS)), [1, 2]);
}

/// A waiter that the server has queued, as an answer says to a request sent at that time.
fn waits(agenda: &mut Agenda<Name>, sent: u64) -> Arc<Lock> {
    let mut acquisition = acquisition(MayWait::Until(NEVER));
    acquisition.begin(sent, false, agenda);
    acquisition.answered(queued(7), sent, sent, &TIMING, agenda);
    acquisition.lock().clone()
}

#[test]
fn a_waiter_shows_that_it_lives_and_again_while_there_is_no_answer() {
    let mut agenda = agenda();
    let lock = waits(&mut agenda, 0);
    assert!(due(&mut agenda, 49 * MS).is_empty());
    assert_eq!(due(&mut agenda, 100 * MS).heartbeats[0][0].number, 1);
    assert_eq!(due(&mut agenda, 150 * MS).heartbeats.len(), 1, "on another lane");
    assert!(agenda.beaten(slice::from_ref(&lock), &found(&[Found::Waits(70 * MS)]), 150 * MS, 160 * MS).is_empty());
    assert!(due(&mut agenda, 179 * MS).is_empty());
    assert_eq!(agenda.next(), 230 * MS, "when the lease in its way ends it asks again");
    let told = agenda.beaten(slice::from_ref(&lock), &found(&[Found::Granted(9)]), 230 * MS, 240 * MS);
    assert_eq!(told, [("waiter", News::Granted(9))]);
    assert_eq!(lock.waited_at(), 230 * MS, "its claim window began anew when that was sent, or later");
    let told = agenda.beaten(&[lock], &found(&[Found::Lost]), 250 * MS, 260 * MS);
    assert_eq!(told, [("waiter", News::Ask)], "a server that forgot");
}

#[test]
fn waiters_that_are_due_soon_go_along() {
    let mut agenda = agenda();
    for (number, sent) in [(1, 0), (2, 50), (3, 51)] {
        agenda.waits(&lock(number), "waiter", None, sent * MS, sent * MS);
    }
    let mut numbers: Vec<_> = due(&mut agenda, 100 * MS).heartbeats[0].iter().map(|lock| lock.number).collect();
    numbers.sort_unstable();
    assert_eq!(numbers, [1, 2], "half a heartbeat is soon");
}

#[test]
fn a_heartbeat_without_an_answer_is_sent_again_after_half_of_one() {
    let mut agenda: Agenda<Name> = Agenda::new(Timing { heartbeat: 1000 * MS, ..TIMING });
    let lock = lock(1);
    agenda.waits(&lock, "waiter", None, 0, 0);
    assert_eq!(agenda.take(1000 * MS, ROOM).heartbeats.len(), 1);
    assert_eq!(agenda.kept[&1].due, 1500 * MS);
    // What is said of it says when it is due again.
    let mut after = |found: Result<Refreshed, Failure>| {
        agenda.beaten(slice::from_ref(&lock), &found, 1000 * MS, 1100 * MS);
        agenda.kept[&1].due / MS
    };
    assert_eq!(after(Err(down())), 1150);
    assert_eq!(after(found(&[Found::Waits(300 * MS)])), 1400);
    assert_eq!(after(found(&[Found::Waits(NEVER / 2)])), 2100);
    assert_eq!(after(found(&[Found::Granted(9)])), 2100);
    assert_eq!(after(found(&[Found::Lost])), 2100);
}

#[test]
fn what_is_due_soon_alone_is_no_reason_for_a_call() {
    let mut agenda = agenda();
    waits(&mut agenda, 0);
    holds(&mut agenda, 2, 0);
    agenda.look_now(); // there is room again
    assert!(due(&mut agenda, 99 * MS).is_empty(), "it is due after a heartbeat");
    agenda.look_now();
    assert!(due(&mut agenda, 99 * MS).is_empty());
    agenda.take(100 * MS, ROOM);
    agenda.look_now();
    assert!(due(&mut agenda, 299 * MS).renewals.is_empty());
}

#[test]
fn a_waiter_is_told_once_when_the_server_was_silent_for_a_lease() {
    let mut agenda = agenda();
    waits(&mut agenda, 0);
    let mut told = Vec::new();
    for now in (0..1500).map(|now| now * MS) {
        let work = agenda.take(now, Room { heartbeats: now < LEASE, ..ROOM });
        told.extend(work.silent.iter().map(|_| now / MS));
    }
    assert_eq!(told, [900], "not after two");
}

#[test]
fn a_waiter_whose_heartbeats_are_answered_is_never_told_of_silence() {
    let mut agenda = agenda();
    for now in (0..5000).map(|now| now * MS) {
        if now == 0 {
            waits(&mut agenda, 0);
        }
        let work = agenda.take(now, ROOM);
        assert!(work.silent.is_empty());
        for batch in work.heartbeats {
            agenda.beaten(&batch, &found(&[Found::Waits(NEVER / 2)]), now, now);
        }
    }
}

#[test]
fn a_message_is_for_a_waiter_and_not_for_a_holder() {
    let mut agenda = agenda();
    let mut acquisition = acquisition(MayWait::Until(NEVER));
    acquisition.begin(1, false, &mut agenda);
    assert_eq!(agenda.waiter(1), Some("waiter"), "before the first answer, too");
    acquisition.answered(granted(9), 1, 2, &TIMING, &mut agenda);
    assert_eq!((agenda.waiter(1), agenda.waiter(2)), (None, None));
}

#[test]
fn a_listener_that_was_away_has_all_waiters_ask_at_once() {
    let mut agenda = agenda();
    waits(&mut agenda, 0);
    holds(&mut agenda, 2, 0);
    agenda.beat_soon(10 * MS);
    let work = due(&mut agenda, 10 * MS);
    assert_eq!((work.heartbeats.len(), work.renewals.len()), (1, 0));
}

#[test]
fn what_cannot_be_given_back_is_tried_for_as_long_as_the_server_may_hold_it() {
    let mut agenda = agenda();
    let lock = lock(1);
    lock.granted(100, LEASE, true);
    lock.begin_to_set(600_000 * MS, 0); // ten minutes
    agenda.give_up(Release::of_unwanted(lock), 0);
    let (mut now, mut last, mut tries) = (0, 0, 0);
    while agenda.next() != NEVER {
        now = now.max(agenda.next());
        for given_up in due(&mut agenda, now).releases {
            (tries, last) = (tries + 1, now);
            agenda.not_given_back(given_up, now);
        }
    }
    assert!(last > 599_000 * MS, "{last}");
    assert!((600..700).contains(&tries), "once a second: {tries}");
}

#[test]
fn what_is_short_leased_is_given_back_for_its_claim_window_at_least() {
    let mut agenda = agenda();
    let short = Arc::new(Lock::new(1, "c1", "a".parse().unwrap(), None, 0));
    agenda.give_up(Release::of_unwanted(short), 0);
    let given_up = due(&mut agenda, 0).releases.remove(0);
    agenda.not_given_back(given_up, 0);
    assert_eq!(due(&mut agenda, 340 * MS).releases.len(), 1);
}

#[test]
fn without_room_nothing_is_taken_and_nothing_is_lost() {
    let mut agenda = agenda();
    holds(&mut agenda, 1, 0);
    agenda.give_up(Release::of_unwanted(lock(2)), 0);
    agenda.left_over(More::Tidy);
    let none = Room { renewals: false, heartbeats: false, releases: false };
    assert!(agenda.take(400 * MS, none).is_empty());
    assert_eq!(agenda.next(), LEASE, "the keeper sleeps: it is called when there is room");
    agenda.look_now();
    let work = due(&mut agenda, 400 * MS);
    assert_eq!((renewals(&work).len(), work.releases.len(), work.more), (1, 1, Some(More::Tidy)));
}

#[test]
fn tidying_is_noted_once_and_hand_overs_each_and_first() {
    let mut agenda = agenda();
    let at = More::HandOver { path: vec![], below: 1, cursor: vec![] };
    for more in [More::None, More::Tidy, More::Tidy, at.clone(), at.clone()] {
        agenda.left_over(more);
    }
    let mut left = Vec::new();
    while agenda.next() != NEVER {
        let now = agenda.next().max(100 * MS);
        left.extend(due(&mut agenda, now).more);
    }
    assert_eq!(left, [at.clone(), at, More::Tidy]);
    // The server has time for others in between.
    agenda.left_over(More::Tidy);
    assert!(due(&mut agenda, 109 * MS).is_empty());
    assert_eq!(agenda.next(), 110 * MS);
    assert_eq!(due(&mut agenda, 110 * MS).more, Some(More::Tidy));
}

#[test]
fn after_the_last_hand_over_the_keeper_sleeps() {
    let mut agenda = agenda();
    let at = More::HandOver { path: vec![], below: 1, cursor: vec![] };
    [at.clone(), at.clone()].into_iter().for_each(|more| agenda.left_over(more));
    assert_eq!(due(&mut agenda, 1).more, Some(at.clone()));
    assert_eq!(agenda.next(), 1, "there is another");
    assert_eq!(due(&mut agenda, 1).more, Some(at));
    assert_eq!(agenda.next(), NEVER);
}

#[test]
fn no_pipeline_of_releases_is_too_long() {
    let mut agenda = agenda();
    (1..=100).for_each(|number| agenda.give_up(Release::of_unwanted(lock(number)), 0));
    let mut first = due(&mut agenda, 1).releases;
    assert_eq!(first.len(), RELEASES);
    agenda.not_given_back(first.remove(0), 1);
    assert_eq!(due(&mut agenda, 2).releases.len(), 100 - RELEASES, "one is not due yet");
    assert_eq!(due(&mut agenda, 1 + RETRY).releases.len(), 1);
}

#[test]
fn what_the_server_cannot_hold_any_more_is_not_given_back() {
    let mut agenda = agenda();
    for now in [LEASE + TIMING.timeout - 1, LEASE + TIMING.timeout] {
        agenda.give_up(Release::of_unwanted(lock(1)), 0);
        let is_tried = now < LEASE + TIMING.timeout;
        assert_eq!(agenda.take(now, ROOM).releases.len(), usize::from(is_tried));
    }
}

/// Or the keeper would drop it.
#[test]
fn work_of_any_kind_is_some() {
    let nothing = || agenda().take(0, ROOM);
    assert!(nothing().is_empty());
    let mut gives_back = agenda();
    gives_back.give_up(Release::of_unwanted(lock(1)), 0);
    let all = [
        Work { renewals: vec![vec![]], ..nothing() },
        Work { heartbeats: vec![vec![]], ..nothing() },
        gives_back.take(0, ROOM),
        Work { more: Some(More::Tidy), ..nothing() },
        Work { lost: vec![lock(1)], ..nothing() },
        Work { silent: vec!["waiter"], ..nothing() },
    ];
    all.iter().for_each(|work| assert!(!work.is_empty(), "{work:?}"));
}

#[test]
fn a_lock_that_was_broken_is_lost_at_once() {
    let mut agenda = agenda();
    let lock = holds(&mut agenda, 1, 0);
    agenda.broken(1, 99);
    agenda.broken(2, 100);
    assert!(lock.is_held(1), "other grants are meant");
    agenda.broken(1, 100);
    assert!(!lock.is_held(1));
    let work = due(&mut agenda, 1);
    assert_eq!(work.lost.iter().map(|lock| lock.number).collect::<Vec<_>>(), [1]);
    agenda.broken(1, 100);
    assert!(due(&mut agenda, 2).is_empty(), "told once");
}
