//! Who listens hears of every loss, and who does not is forgotten.

use super::*;

fn loss(path: &str) -> LostLock {
    LostLock::new(path.parse().unwrap(), None, 1)
}

#[test]
fn each_listener_hears_of_every_loss_from_its_beginning() {
    let losses = Losses::new();
    losses.tell(&loss("before"));
    let one = losses.watch();
    losses.tell(&loss("a"));
    let other = losses.watch();
    losses.tell(&loss("b"));
    assert_eq!(one.try_iter().collect::<Vec<_>>(), [loss("a"), loss("b")]);
    assert_eq!(other.try_iter().collect::<Vec<_>>(), [loss("b")]);
    assert!(one.try_recv().is_err());
}

/// Without a loss, and in any order.
#[test]
fn a_listener_that_is_dropped_is_forgotten() {
    let losses = Losses::new();
    assert!(!losses.any());
    for _ in 0..3 {
        let (one, other, third) = (losses.watch(), losses.watch(), losses.watch());
        drop(other);
        assert!(losses.any());
        losses.tell(&loss("a"));
        assert_eq!((one.len(), third.len()), (1, 1));
        drop((one, third));
        assert!(!losses.any());
        assert!(losses.0.listening.lock().senders.is_empty());
    }
    (0..1000).for_each(|_| drop(losses.watch()));
    assert!(losses.0.listening.lock().senders.is_empty());
}

#[test]
fn a_listener_learns_that_the_store_is_gone() {
    let losses = Losses::new();
    let listener = losses.watch();
    losses.tell(&loss("a"));
    drop(losses);
    assert_eq!(listener.recv(), Ok(loss("a")), "what was told is not lost");
    assert!(listener.recv().is_err());
    drop(listener);
}

#[test]
fn one_that_never_hears_anything_waits() {
    let listener = LostLocks::never();
    assert_eq!(listener.try_recv(), Err(crossbeam_channel::TryRecvError::Empty));
    assert!(format!("{listener:?}").contains("untaken: 0"));
}
