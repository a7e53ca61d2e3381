//! Who is handed a lock, and who is not.

use super::*;

/// Which of them has the lock by now, without having run.
fn holder(at: &Node, waiters: &[Waiter]) -> Option<usize> {
    let slow = at.cold().slow.lock();
    let holder = slow.queue.iter().find(|waiter| waiter.has_lock)?;
    waiters.iter().position(|waiter| PlainArc::ptr_eq(&waiter.sleeper, &holder.sleeper))
}

fn is_claimed(at: &Node) -> bool {
    Kind::Xs.count(at.word.load(Ordering::SeqCst)) > 0
}

#[test]
fn a_lock_is_handed_to_an_old_task_that_is_first() {
    let thread: Make = |at| waiter(at, Kind::Xs, Place::Here, Stamp::now());
    let drains: Make = |at| waiter(at, Kind::Xs, Place::Below, Stamp::now());
    let below: Make = |at| Waiter { place: Place::Above, ..task(at) };
    let [shared, alone]: [Make; 2] =
        [|at| Waiter { kind: Kind::Ss, ..task(at) }, |at| Waiter { kind: Kind::Xn, ..task(at) }];
    let of_a_set: Make = |at| {
        let set = vec![(at.clone(), Kind::Xs)];
        Waiter { sleeper: Sleeper::for_task(Waker::noop().clone(), None, set, None), ..task(at) }
    };
    for (queue, patience, expected) in [
        (&[task as Make, task][..], Duration::ZERO, Some(0)),
        (&[task, thread], Duration::ZERO, Some(0)),
        (&[task, task], NEVER, None), // not old
        (&[thread, task], Duration::ZERO, None),
        (&[shared, task], Duration::ZERO, None),
        (&[alone, task], Duration::ZERO, None),
        (&[below, task], Duration::ZERO, None),
        (&[of_a_set, task], Duration::ZERO, None),
        (&[task, drains], Duration::ZERO, None), // it is in front
    ] {
        let (at, waiters) = held_in(patience, queue);
        at.release_waited_for(Kind::Xs);
        assert_eq!(holder(&at, &waiters), expected, "{waiters:?}");
        assert_eq!(is_claimed(&at), expected.is_some(), "{waiters:?}");
    }
}

/// As any lock that ends: an old waiter that wants this node, and sleeps elsewhere, has closed a
/// gate here, which keeps out all who came later.
#[test]
fn no_lock_is_handed_over_past_the_gate_of_an_older_waiter() {
    let (at, waiters) = held_in(Duration::ZERO, &[]);
    let (older, younger) = (task(&at), task(&at));
    at.close_gate(&older);
    assert!(at.queue_up(younger.clone(), NEVER).is_some() && waiters.is_empty());
    at.release_waited_for(Kind::Xs);
    assert_eq!(holder(&at, &[younger]), None);
    older.sleeper.open_gates();
}

/// It keeps the lock from one turn to the next, so that no newcomer gets in between.
#[test]
fn a_crowd_of_tasks_hands_the_lock_on() {
    let (at, waiters) = held_in(Duration::ZERO, &[task as Make; 2 * IN_FRONT]);
    for (turn, waiter) in waiters.iter().enumerate() {
        at.release_waited_for(Kind::Xs);
        assert_eq!(holder(&at, &waiters), Some(turn));
        assert!(at.try_claim(Kind::Xs).is_err() && waiter.sleeper.is_woken());
        assert_eq!(at.rise(&waiter.sleeper, waiter.rank()), Turn::Granted);
        assert_eq!(holder(&at, &waiters), None, "it is no waiter any more");
    }
    at.release_waited_for(Kind::Xs);
    assert!(!is_claimed(&at));
}

/// Who looks sees a waiter: it does not know yet that it has the lock.
#[test]
fn a_task_that_was_handed_the_lock_is_seen_waiting() {
    let (at, waiters) = held_in(Duration::ZERO, &[task]);
    at.release_waited_for(Kind::Xs);
    assert_eq!(holder(&at, &waiters), Some(0));
    let snapshot = at.snapshot_around();
    assert_eq!((snapshot.holders().len(), snapshot.waiters().len()), (0, 1), "{snapshot}");
}
