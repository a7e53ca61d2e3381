//! Kept locks: nobody uses them, and then somebody does.

use super::super::super::lock::Lend;
use super::*;

#[test]
fn what_nobody_uses_is_renewed_once_it_has_a_user_again() {
    for user_stays in [true, false] {
        let mut agenda = agenda();
        let lock = holds(&mut agenda, 1, 0);
        assert!(lock.let_go(MS));
        assert!(due(&mut agenda, 400 * MS).is_empty());
        assert_eq!(agenda.next(), LEASE, "the keeper sleeps");
        assert_eq!(lock.lend(true, 0, LEASE, 500 * MS), Lend::Yes);
        assert!(lock.was_left() && !lock.was_left());
        agenda.lent(&lock);
        assert!(user_stays || lock.let_go(500 * MS));
        let batch = due(&mut agenda, 500 * MS).renewals.remove(0);
        assert_eq!(batch.len(), 1);
        agenda.renewed(&batch, &found(&[Found::Held]), 500 * MS, 510 * MS);
        let next = due(&mut agenda, 500 * MS + LEASE / 3);
        assert_eq!((renewals(&next).len(), lock.was_left()), (usize::from(user_stays), !user_stays));
    }
}

#[test]
fn what_nobody_uses_is_renewed_for_those_below_it() {
    let mut agenda = agenda();
    let lock = holds(&mut agenda, 1, 0);
    lock.let_go(MS);
    assert_eq!(lock.draw(LEASE, 2 * MS), Lend::Yes);
    assert_eq!(renewals(&due(&mut agenda, 300 * MS)), [1]);
    lock.was_host();
    assert!(due(&mut agenda, 500 * MS).is_empty() && lock.was_left());
}

#[test]
fn what_was_lost_is_not_let_go_of() {
    let mut agenda = agenda();
    let lock = holds(&mut agenda, 1, 0);
    assert_eq!(due(&mut agenda, LEASE).lost.len(), 1);
    assert!(!lock.let_go(LEASE - 1) && !lock.is_unused(), "the loss is told");
}
