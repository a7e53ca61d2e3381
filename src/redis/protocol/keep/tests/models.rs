//! Threads that meet at what is kept, in orders that shuttle draws: `scripts/shuttle`. What each
//! fails on is in `tools/mutations/src/redis/list/keeping.rs` and `keeping_below.rs`.

use super::*;
use crate::redis::primitives::Mutex;
use crate::redis::protocol::agenda::{Agenda, Room};

use shuttle::thread::{JoinHandle, spawn};

const LEASE: u64 = TIMING.lease;
const ROOM: Room = Room { renewals: true, heartbeats: true, releases: true };

fn orders(model: fn()) {
    let count = std::env::var("MUTEXTREE_SHUTTLE_ITERATIONS").map_or(1000, |count| count.parse().unwrap());
    shuttle::check_random(model, count);
    shuttle::check_pct(model, count, 3);
}

/// What a process keeps, and what is due when; `a` is held, with number 1, since 0.
struct World {
    keep: Keep,
    agenda: Mutex<Agenda<()>>,
    lock: Arc<Lock>,
}

impl World {
    fn new() -> Arc<Self> {
        let keep = Keep::new(IDLE);
        let lock = held(&keep, 1, "a", EXCLUSIVE, 0);
        let agenda = Mutex::new(Agenda::new(TIMING));
        agenda.lock().held(&lock);
        Arc::new(Self { keep, agenda, lock })
    }

    /// What a thread does meanwhile.
    fn aside<R: Send + 'static>(self: &Arc<Self>, act: impl FnOnce(&Self) -> R + Send + 'static) -> JoinHandle<R> {
        let world = self.clone();
        spawn(move || act(&world))
    }

    fn lets_go(&self, now: u64) -> bool {
        self.keep.keep(&self.lock, &target("a"), EXCLUSIVE, now)
    }

    fn take(&self, now: u64) -> bool {
        let found = self.keep.take(&target("a"), EXCLUSIVE, None, &TIMING, now);
        if let Found::It(lock) = &found
            && lock.was_left()
        {
            self.agenda.lock().lent(lock);
        }
        matches!(found, Found::It(_))
    }

    /// How many renewals are due at that time.
    fn renewals(&self, now: u64) -> usize {
        self.agenda.lock().take(now, ROOM).renewals.len()
    }

    fn take_below(&self) -> Option<Arc<Lock>> {
        let new = || Lock::new(2, "k1", "a/x".parse().unwrap(), None, LEASE);
        let found = self.keep.take_below((&target("a/x"), EXCLUSIVE), &TIMING, 2 * MS, new, |_, _| ());
        if let Found::It(lock) = found { Some(lock) } else { None }
    }
}

/// K3: what is let go of and taken again while a recall goes through the parts is not kept after
/// it, and whatever was kept goes back once.
#[test]
fn no_recall_is_lost() {
    orders(|| {
        let world = World::new();
        let other = held(&world.keep, 2, "b", EXCLUSIVE, 0);
        let user = world.aside(|world| {
            let is_kept = world.lets_go(MS);
            is_kept && (!world.take(2 * MS) || world.lets_go(3 * MS))
        });
        let user_of_b = world.aside(move |world| world.keep.keep(&other, &target("b"), EXCLUSIVE, MS));
        let back = world.keep.recall(&TreePath::root(), EXCLUSIVE, 3 * MS).back.len();
        let kept = usize::from(user.join().unwrap()) + usize::from(user_of_b.join().unwrap());
        assert_eq!((world.keep.count(), back), (0, kept));
    });
}

/// K6: a lock that was taken after the recall was counted is let go of, while it is looked for what
/// is in use. What is said to be in use is not kept.
#[test]
fn what_is_said_to_be_in_use_is_not_kept() {
    orders(|| {
        let world = World::new();
        let user = world.aside(|world| world.lets_go(MS));
        let found = world.agenda.lock().in_the_way(&TreePath::root(), EXCLUSIVE);
        let mut back = Vec::new();
        let in_use = world.keep.in_use(found, &mut back).len();
        let is_kept = user.join().unwrap();
        assert!(in_use == 0 || !is_kept, "each try is refused from now on");
        assert_eq!(world.keep.count() + back.len(), usize::from(is_kept));
    });
}

/// K13: whoever is lent a cover whose renewal is due has it renewed.
#[test]
fn a_user_has_the_lock_renewed() {
    orders(|| {
        let world = World::new();
        assert!(world.lets_go(MS));
        let keeper = world.aside(|world| world.renewals(LEASE / 2));
        assert!(world.take(LEASE / 2));
        let before = keeper.join().unwrap();
        assert!(before + world.renewals(LEASE / 2 + 1) > 0, "nobody renews it");
    });
}

/// K13: either its user is told that it was lost, or it was let go of before, and nobody is.
#[test]
fn a_loss_is_told_or_the_lock_is_kept() {
    orders(|| {
        let world = World::new();
        let keeper = world.aside(|world| {
            let lost = world.agenda.lock().take(LEASE, ROOM).lost;
            assert_eq!(lost.len(), 1);
            lost.iter().filter(|lock| !lock.is_unused()).count()
        });
        let is_kept = world.lets_go(LEASE - 1);
        assert_eq!(keeper.join().unwrap() + usize::from(is_kept), 1);
    });
}

/// K10 and K11: who is below a kept lock, or comes or leaves, while it is recalled. What the server
/// enters goes back once, by the exchange or by its user.
#[test]
fn an_exchange_forgets_nobody() {
    orders(|| {
        let world = World::new();
        assert!(world.lets_go(MS));
        let user = world.aside(|world| {
            let guest = world.take_below();
            let leave = |lock: &Arc<Lock>| world.keep.leave(lock, &target("a/x"), true, 3 * MS, |left| left.is_all);
            guest.map(|lock| (leave(&lock), lock.renews()))
        });
        let recalled = world.keep.recall(&TreePath::root(), EXCLUSIVE, 3 * MS);
        assert_eq!(recalled.back.len() + recalled.exchanged, 1, "it was in the way");
        let mut own = 0;
        let mut back = 0;
        for exchange in world.keep.begun() {
            let done = world.keep.exchanged(&exchange, &[true], 4 * MS, |done| done);
            (own, back) = (done.own.len(), done.back.len());
            assert_eq!(own + back, 1);
        }
        match user.join().unwrap() {
            // It came too late, or left in time: then the lock above went back as a whole.
            None | Some((true, _)) if recalled.exchanged == 0 => {}
            Some((true, _)) => assert_eq!((own, back), (0, 1), "nobody has it"),
            // A release before the answer would leave behind what the exchange enters.
            Some((false, is_own)) => assert!(own == 1 && is_own, "its user gives back what it has by then"),
            None => panic!("an exchange without a guest"),
        }
    });
}

/// K15: somebody queues for a lock below a node, and has it recalled, while the node is asked for.
/// What is in the way goes back once, whichever lock that is by then.
#[test]
fn no_recall_is_lost_while_a_node_grows() {
    orders(|| {
        let keep = Arc::new(Keep::new(IDLE).that_grows(2));
        kept(&keep, 1, "a/b", EXCLUSIVE, 0);
        kept(&keep, 2, "a/c", EXCLUSIVE, 0);
        // Whether he waits, as the server has it.
        let waits = Arc::new(Mutex::new(false));
        let other = {
            let (keep, waits) = (keep.clone(), waits.clone());
            spawn(move || {
                *waits.lock() = true;
                recall(&keep, "a/b", SHARED, MS)
            })
        };
        let new = |target: &Target| Lock::new(3, "k1", target.path.clone(), None, LEASE);
        let asks = || keep.grow((&target("a/x"), EXCLUSIVE), ("k1", &TIMING), MS, new);
        let mut back = Vec::new();
        let mut was_granted = false;
        if let Some(mut growth) = (0..3).find_map(|_| asks()) {
            was_granted = !*waits.lock();
            growth.answer(was_granted, MS);
            back.extend(keep.grown(growth, MS, |_| {}).back.iter().map(|lock| lock.number));
        }
        back.extend(other.join().unwrap());
        assert_eq!(back, [if was_granted { 3 } else { 1 }]);
        assert!(matches!(take(&keep, "a", EXCLUSIVE, 2 * MS), Found::Nothing));
        assert_eq!(keep.count(), usize::from(!was_granted));
    });
}
