use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use mutextree::{
    Backend, LockError, LockStore, MemoryGrant, MemoryNode, MemoryStore, Mode, PathRef, Request, Scope, TreePath, Wait,
};

use crate::Watched;
use crate::common::asking::{AT_MOST, asking};
use crate::common::hand::Hand;
use crate::common::kinds::EXCLUSIVE;
use crate::seen::Seen;

/// A task's wait, polled until it shows as one.
fn until_it_waits<S: Watched, T>(seen: &mut Seen, wait: &mut Hand<T>) {
    assert!(wait.poll().is_none(), "it waits");
    seen.until("the task waits", |seen| {
        if wait.is_woken_within(Duration::ZERO) {
            assert!(wait.poll().is_none(), "it waits");
        }
        seen.waiting(S::NAME) == 1.0
    });
}

pub(crate) fn a_free_lock_is_no_wait<S: Watched>() {
    let (mut seen, store) = (Seen::from_now(), S::make());
    let mutex = store.mutex("free/lock").unwrap().owner("me");
    drop(mutex.lock().unwrap());
    drop(mutex.try_lock_for(AT_MOST).unwrap());
    drop(store.lock("free/lock").unwrap());
    let task = mutex.clone();
    drop(Hand::new(async move { task.lock_owned_async().await.unwrap() }).block_on());
    let task = store.clone();
    drop(Hand::new(async move { task.lock_async("free/lock").await.unwrap() }).block_on());
    drop(mutex.try_lock().unwrap());

    assert!(seen.spans().is_empty(), "{:?}", seen.spans());
    assert!(seen.times("mutextree_lock_wait_seconds", &[]).is_empty());
    assert_eq!(seen.acquisitions(S::NAME, "acquired"), 6);
    assert_eq!(seen.count("mutextree_lock_acquisitions_total", &[]), 6);
    assert!(seen.events("mutextree::wait").is_empty() && seen.events("mutextree::loss").is_empty());
}

pub(crate) fn a_thread_waits<S: Watched>() {
    let (mut seen, store) = (Seen::from_now(), S::make());
    let holder = store.mutex("team").unwrap().owner("the holder").lock_owned().unwrap();
    let mutex = store.mutex("team/project").unwrap().shared().node_only().owner("the waiter");
    let waits = asking(move || drop(mutex.lock().unwrap()));
    seen.until("a thread waits", |seen| seen.waiting(S::NAME) == 1.0);
    let labels = [("store", S::NAME), ("mode", "shared"), ("scope", "node")];
    assert_eq!(seen.gauge("mutextree_locks_waiting", &labels), 1.0);
    drop(holder);
    waits.ends();

    let span = seen.only_wait();
    span.says(&[("path", "team/project"), ("mode", "shared"), ("scope", "node only"), ("owner", "the waiter")]);
    span.says(&[("store", S::NAME), ("blocker", "team"), ("blocker_owner", "the holder"), ("outcome", "acquired")]);
    let waited = span.number("waited");
    assert!(waited > 0.0 && waited < AT_MOST.as_secs_f64());
    assert_eq!(seen.times("mutextree_lock_wait_seconds", &labels), [waited]);
    assert_eq!(seen.waits(S::NAME, "acquired"), [waited]);
    assert_eq!(seen.waiting(S::NAME), 0.0);
    assert!(seen.events("mutextree::wait").is_empty());
}

pub(crate) fn a_task_waits<S: Watched>() {
    let (mut seen, store) = (Seen::from_now(), S::make());
    let holder = store.mutex("team/project").unwrap().owner("the holder").lock_owned().unwrap();
    let mutex = store.mutex("team").unwrap();
    let mut wait = Hand::new(async move { drop(mutex.lock_async().await.unwrap()) });
    until_it_waits::<S, _>(&mut seen, &mut wait);
    drop(holder);
    wait.block_on();

    let span = seen.only_wait();
    span.says(&[("path", "team"), ("mode", "exclusive"), ("scope", "subtree"), ("outcome", "acquired")]);
    span.says(&[("blocker", "team/project"), ("blocker_owner", "the holder"), ("store", S::NAME)]);
    assert!(!span.fields.contains_key("owner"));
    assert_eq!(seen.waits(S::NAME, "acquired"), [span.number("waited")]);
    assert_eq!(seen.waiting(S::NAME), 0.0);
    seen.until("all is released", |seen| seen.held(S::NAME) == 0.0);
    assert_eq!(seen.acquisitions(S::NAME, "acquired"), 2);
}

pub(crate) fn a_task_gives_up<S: Watched>() {
    let (mut seen, store) = (Seen::from_now(), S::make());
    let holder = store.lock("team").unwrap();
    let mutex = store.mutex("team").unwrap();
    let mut wait = Hand::new(async move { drop(mutex.lock_async().await.unwrap()) });
    until_it_waits::<S, _>(&mut seen, &mut wait);
    drop(wait);

    seen.only_wait().says(&[("path", "team"), ("outcome", "cancelled")]);
    assert_eq!(seen.waits(S::NAME, "cancelled").len(), 1);
    assert_eq!(seen.acquisitions(S::NAME, "cancelled"), 1);
    assert_eq!(seen.waiting(S::NAME), 0.0);
    drop(holder);
    assert_eq!(seen.held(S::NAME), 0.0);
    assert!(store.mutex("team").unwrap().try_lock_for(AT_MOST).is_ok());
}

pub(crate) fn a_thread_times_out<S: Watched>() {
    let (mut seen, store) = (Seen::from_now(), S::make());
    let _holder = store.mutex("team").unwrap().owner("the holder").lock_owned().unwrap();
    let mutex = store.mutex("team/project").unwrap().owner("the waiter");
    let timeout = Duration::from_millis(30);
    assert!(mutex.try_lock_for(timeout).is_err());

    let span = seen.only_wait();
    span.says(&[("path", "team/project"), ("outcome", "timed_out"), ("blocker", "team")]);
    assert!(span.number("waited") > 0.0, "it waits from when it sleeps, which is a moment later");
    assert_eq!(seen.waits(S::NAME, "timed_out"), [span.number("waited")]);
    assert_eq!(seen.acquisitions(S::NAME, "timed_out"), 1);
    assert_eq!(seen.waiting(S::NAME), 0.0);
    let events = seen.events("mutextree::wait");
    assert_eq!(events.len(), 1, "{events:?}");
    assert_eq!((events[0].level, events[0].parent.as_deref()), (tracing::Level::INFO, Some("mutextree.lock")));
    events[0].says(&[("path", "team/project"), ("mode", "exclusive"), ("scope", "subtree"), ("owner", "the waiter")]);
    events[0].says(&[("store", S::NAME), ("blocker", "team"), ("blocker_owner", "the holder")]);
    events[0].says(&[("message", "timed out waiting for a lock")]);
    assert_eq!(events[0].number("waited"), span.number("waited"));
}

pub(crate) fn an_upgrade_waits<S: Watched>() {
    let (mut seen, store) = (Seen::from_now(), S::make());
    let mutex = store.mutex("team").unwrap().shared();
    let other = mutex.clone().owner("the other").lock_owned().unwrap();
    let mut guard = mutex.owner("the reader").lock_owned().unwrap();
    let waits = asking(move || {
        guard.try_upgrade_for(AT_MOST).unwrap();
        drop(guard);
    });
    seen.until("the upgrade waits", |seen| seen.waiting(S::NAME) == 1.0);
    drop(other);
    waits.ends();

    let span = seen.only_wait();
    span.says(&[("path", "team"), ("mode", "exclusive"), ("owner", "the reader"), ("outcome", "acquired")]);
    span.says(&[("blocker", "team"), ("blocker_owner", "the other")]);
    assert_eq!(seen.waits(S::NAME, "acquired"), [span.number("waited")]);
    assert_eq!(seen.acquisitions(S::NAME, "acquired"), 2, "it is none by itself");
    assert_eq!(seen.waiting(S::NAME), 0.0);
}

pub(crate) fn a_refused_try_is_no_wait<S: Watched>() {
    let (mut seen, store) = (Seen::from_now(), S::make());
    let _holder = store.lock("team").unwrap();
    let mutex = store.mutex("team/project").unwrap().shared();
    assert!(matches!(mutex.try_lock(), Err(LockError::WouldBlock { .. })));
    assert!(matches!(mutex.try_lock_for(Duration::ZERO), Err(LockError::TimedOut { .. })));

    assert!(seen.spans().is_empty(), "{:?}", seen.spans());
    assert!(seen.events("mutextree::wait").is_empty());
    assert!(seen.times("mutextree_lock_wait_seconds", &[]).is_empty());
    let labels = |outcome| [("store", S::NAME), ("mode", "shared"), ("scope", "subtree"), ("outcome", outcome)];
    assert_eq!(seen.count("mutextree_lock_acquisitions_total", &labels("would_block")), 1);
    assert_eq!(seen.count("mutextree_lock_acquisitions_total", &labels("timed_out")), 1);
    assert_eq!(seen.held(S::NAME), 1.0);
}

pub(crate) fn a_wait_has_the_span_around_it_as_its_parent<S: Watched>() {
    let (mut seen, store) = (Seen::from_now(), S::make());
    let holder = store.lock("team").unwrap();
    tracing::info_span!("a thread's").in_scope(|| {
        assert!(store.try_lock_for("team", Duration::from_millis(5)).is_err());
    });
    assert_eq!(seen.only_wait().parent.as_deref(), Some("a thread's"));

    let mutex = store.mutex("team").unwrap();
    let span = tracing::info_span!("a task's");
    let mut wait = Hand::new({
        let mutex = mutex.clone();
        async move {
            let mut wait = std::pin::pin!(mutex.lock_async());
            std::future::poll_fn(|context| span.in_scope(|| wait.as_mut().poll(context))).await.is_ok()
        }
    });
    until_it_waits::<S, _>(&mut seen, &mut wait);
    drop(holder);
    assert!(wait.block_on());
    assert_eq!(seen.spans()[1].parent.as_deref(), Some("a task's"));
}

/// Threads and tasks, some of which give up: every attempt has one outcome, and the gauges end
/// where they began.
pub(crate) fn many_at_once_add_up<S: Watched>() {
    let (mut seen, store) = (Seen::from_now(), S::make());
    let threads: Vec<_> = (0..4)
        .map(|number| {
            let store = store.clone();
            asking(move || {
                let (mut acquired, mut timed_out) = (0, 0);
                for round in 0..30 {
                    let mutex = store.mutex(if (number + round) % 5 == 0 { "a" } else { "a/b" }).unwrap();
                    match mutex.try_lock_for(Duration::from_micros(200 * round)) {
                        Ok(_) => acquired += 1,
                        Err(_) => timed_out += 1,
                    }
                }
                (acquired, timed_out)
            })
        })
        .collect();
    let (mut acquired, mut timed_out, mut cancelled) = (0, 0, 0);
    for round in 0..30 {
        let mutex = store.mutex("a/b").unwrap();
        let mut task = Hand::new(async move { drop(mutex.lock_async().await.unwrap()) });
        if task.poll().is_some() {
            acquired += 1;
        } else if round % 2 == 0 {
            cancelled += 1;
        } else {
            task.block_on();
            acquired += 1;
        }
    }
    for thread in threads {
        let (mine, lost) = thread.ends();
        (acquired, timed_out) = (acquired + mine, timed_out + lost);
    }

    assert_eq!(seen.acquisitions(S::NAME, "acquired"), acquired);
    assert_eq!(seen.acquisitions(S::NAME, "timed_out"), timed_out);
    assert_eq!(seen.acquisitions(S::NAME, "cancelled"), cancelled);
    assert_eq!(seen.times("mutextree_lock_hold_seconds", &[("store", S::NAME)]).len() as u64, acquired);
    assert_eq!((seen.waiting(S::NAME), seen.held(S::NAME)), (0.0, 0.0));
    let spans = seen.spans();
    assert_eq!(spans.len(), seen.times("mutextree_lock_wait_seconds", &[]).len());
    assert!(spans.iter().all(|span| span.is_closed && span.fields.contains_key("outcome")), "{spans:?}");
}

/// Waits are seen by default, and nothing of what each lock would cost.
#[test]
fn in_memory_only_waits_are_measured_by_default() {
    let (mut seen, store) = (Seen::from_now(), MemoryStore::new());
    let holder = store.lock("team").unwrap();
    assert!(store.try_lock("team").is_err());
    let other = store.clone();
    let waits = asking(move || drop(other.lock("team").unwrap()));
    seen.until("a thread waits", |seen| seen.waiting("memory") == 1.0);
    drop(holder);
    waits.ends();

    assert_eq!(seen.acquisitions("memory", "would_block"), 1);
    assert_eq!(seen.waits("memory", "acquired").len(), 1);
    seen.only_wait();
    assert_eq!(seen.acquisitions("memory", "acquired"), 0);
    assert_eq!(seen.gauge("mutextree_locks_held", &[]), 0.0);
    assert!(seen.times("mutextree_lock_hold_seconds", &[]).is_empty());
}

/// A store with an `acquire_async` of its own, which is not ready at its first poll if it is told
/// so.
#[derive(Clone)]
struct OfItsOwn(MemoryStore);

static PENDS: AtomicBool = AtomicBool::new(false);

struct Later(bool);

impl Future for Later {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        context.waker().wake_by_ref();
        if std::mem::take(&mut self.0) { Poll::Pending } else { Poll::Ready(()) }
    }
}

impl Backend for OfItsOwn {
    type Node = MemoryNode;
    type Grant = MemoryGrant;

    fn resolve(&self, path: PathRef<'_>) -> MemoryNode {
        self.0.resolve(path)
    }

    fn path(node: &MemoryNode) -> &TreePath {
        MemoryStore::path(node)
    }

    fn acquire(node: &MemoryNode, request: &Request, wait: Wait) -> Result<MemoryGrant, LockError> {
        MemoryStore::acquire(node, request, wait)
    }

    async fn acquire_async(node: &MemoryNode, request: &Request) -> Result<MemoryGrant, LockError> {
        Later(PENDS.load(Ordering::Relaxed)).await;
        MemoryStore::acquire_async(node, request).await
    }

    fn release(node: &MemoryNode, grant: MemoryGrant) -> Result<(), LockError> {
        MemoryStore::release(node, grant)
    }

    fn downgrade(node: &MemoryNode, grant: &mut MemoryGrant) -> Result<(), LockError> {
        MemoryStore::downgrade(node, grant)
    }

    fn mode(grant: &MemoryGrant) -> Mode {
        MemoryStore::mode(grant)
    }

    fn fencing_token(node: &MemoryNode, grant: &MemoryGrant) -> u64 {
        MemoryStore::fencing_token(node, grant)
    }

    fn is_held(node: &MemoryNode, grant: &MemoryGrant) -> bool {
        MemoryStore::is_held(node, grant)
    }

    fn refresh(node: &MemoryNode, grant: &MemoryGrant, lease: Option<Duration>) -> Result<(), LockError> {
        MemoryStore::refresh(node, grant, lease)
    }

    fn is_locked(node: &MemoryNode, scope: Scope) -> bool {
        MemoryStore::is_locked(node, scope)
    }
}

#[test]
fn a_store_of_ones_own_waits_if_it_is_not_ready_at_once() {
    for (pends, waits) in [(false, 0), (true, 1)] {
        let (mut seen, store) = (Seen::from_now(), OfItsOwn(MemoryStore::new()));
        PENDS.store(pends, Ordering::Relaxed);
        let wait = crate::common::hand::lock(&store, "a", EXCLUSIVE);
        drop(wait.block_on());
        assert_eq!(seen.waits("other", "acquired").len(), waits);
        assert_eq!(seen.spans().len(), waits);
        assert_eq!(seen.acquisitions("other", "acquired"), 1);
        assert_eq!(seen.waiting("other"), 0.0);
    }
}
