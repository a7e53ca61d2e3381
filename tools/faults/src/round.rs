//! One round, which is one history: a server, some workers, faults of some kinds for some seconds.
//! Then all is well again: who waits gets through, all is released, and the tree is empty.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::thread;
use std::time::Duration;

use mutextree::{LockStore, RedisStore};

use crate::checker::{Contents, check};
use crate::clock::{MILLI, SECOND, now};
use crate::event::{Event, What, id, worker_of};
use crate::incidents::Incidents;
use crate::kinds::{Kind, Persistence};
use crate::monitor::Monitor;
use crate::patience::{Left, Patience};
use crate::scene::Scene;
use crate::stuck;
use crate::verdict::{Verdict, Wrong, judge};
use crate::worker::{Setup, TREES};

/// Once all is well, everybody who waits gets through within this, and the tree is empty within as
/// much again, in microseconds of the time that counts: see [`Patience`]. It takes about a lease.
const SOON: u64 = 30 * SECOND;

/// A lease that is longer than a round takes, and than `SOON`: what is not given back shows. Where
/// workers are killed it would hold up the others, and is not asked for.
const LONG: u64 = 100 * SECOND;

/// All is given back this long after all is well and nobody holds or waits any more, also what
/// could not be given back at once.
const GIVEN_BACK: u64 = 10 * SECOND;

/// For so long at a time the lock of the whole tree is waited for.
const TURN: Duration = Duration::from_secs(1);

/// What is drawn for a round.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    pub(crate) persistence: Persistence,
    pub(crate) kinds: Vec<Kind>,
    pub(crate) lease: u64,
    pub(crate) heartbeat: u64,
    pub(crate) timeout: u64,
    pub(crate) length: u64,
}

impl Plan {
    fn draw(random: &mut fastrand::Rng) -> Self {
        let lease = [600, 800, 1000, 1000, 1500, 2500][random.usize(..6)] * MILLI;
        Self {
            persistence: Persistence::draw(random),
            kinds: Kind::draw(random),
            lease,
            // So a lock that was handed over is held for less than a lease at first.
            heartbeat: random.u64(100 * MILLI..=lease / 4),
            timeout: random.u64(lease / 5..=2 * lease),
            length: random.u64(3 * SECOND..6 * SECOND),
        }
    }

    fn longest(&self) -> u64 {
        if self.kinds.iter().any(|kind| kind.kills_workers()) { self.lease } else { LONG }
    }

    pub(crate) fn text(&self) -> String {
        let kinds: Vec<String> = self.kinds.iter().map(Kind::to_string).collect();
        let milli = |time: u64| time / MILLI;
        let (lease, heartbeat, timeout) = (milli(self.lease), milli(self.heartbeat), milli(self.timeout));
        format!(
            "{}; lease {lease} ms, heartbeat {heartbeat} ms, timeout {timeout} ms; {}",
            self.persistence,
            kinds.join(", ")
        )
    }
}

/// What came of a round.
pub(crate) struct Outcome {
    pub(crate) plan: Plan,
    pub(crate) events: Vec<Event>,
    pub(crate) incidents: Incidents,
    pub(crate) verdict: Verdict,
    /// How much of the time in which all had to get through did not count, in microseconds.
    pub(crate) lost: u64,
}

pub(crate) fn run(seed: u64, round: u64, workers: u64, kinds: Option<&[Kind]>) -> Outcome {
    let mut random = fastrand::Rng::with_seed(seed.wrapping_mul(1_000_003).wrapping_add(round));
    let mut plan = Plan::draw(&mut random);
    if let Some(kinds) = kinds {
        plan.kinds = kinds.to_vec();
    }
    let mut scene = Scene::new(plan.persistence, plan.lease, round * 1000 + 1);
    let monitor = Monitor::start(&scene.server.url());
    let through_proxy = if plan.kinds.iter().any(|kind| kind.is_of_network()) { 3 } else { 1 };
    for _ in 0..workers {
        let seed = random.u64(..);
        let setup = Setup {
            number: 0,
            url: String::new(),
            seed,
            keep: keep(seed),
            lease: plan.lease,
            longest: plan.longest(),
            heartbeat: plan.heartbeat,
            timeout: plan.timeout,
            threads: 2,
            tasks: 2,
        };
        scene.add(setup, random.u8(..4) < through_proxy);
    }
    let mut wrongs = Vec::new();
    let end = now() + plan.length;
    let mut next = now() + random.u64(100 * MILLI..400 * MILLI);
    while now() < end {
        scene.undo_until(now());
        if now() >= next && !plan.kinds.is_empty() {
            let kind = plan.kinds[random.usize(..plan.kinds.len())];
            scene.strike(kind, &mut random);
            next = now() + random.u64(10 * MILLI..600 * MILLI);
            if random.u8(..4) == 0 && scene.server_is_well() {
                wrongs.extend(TREES.into_iter().filter_map(|tree| recount(&scene, tree).err()));
            }
        }
        thread::sleep(Duration::from_millis(5));
    }
    scene.undo_all();
    scene.incidents.note(None, "all is well from now on");
    wrongs.extend(TREES.into_iter().filter_map(|tree| recount(&scene, tree).err()));
    let (still_there, lost) = get_through(&mut scene, &plan);
    let limit = if plan.longest() > plan.lease && still_there.is_empty() { GIVEN_BACK } else { SOON };
    if limit < SOON {
        wrongs.extend(TREES.into_iter().filter_map(|tree| empty(&scene, &plan, tree, limit, "NotGivenBack")));
    }
    scene.posts.clear(); // and all their lines are read
    if wrongs.is_empty() && still_there.is_empty() {
        wrongs.extend(TREES.into_iter().filter_map(|tree| empty(&scene, &plan, tree, SOON, "NotEmpty")));
    }
    for (from, until) in monitor.finish() {
        scene.incidents.disturbed(None, from, until);
    }
    let events = scene.log.take();
    wrongs.extend(still_there.into_iter().map(|wrong| with_cause(wrong, &events)));
    for event in &events {
        if let What::Stalled { since } = event.what {
            scene.incidents.disturbed(Some(worker_of(event.id)), since, event.at);
        }
    }
    let mut verdict = judge(&events, &scene.incidents, plan.heartbeat * 7 / 2);
    verdict.wrongs.extend(wrongs);
    Outcome { plan, events, incidents: std::mem::take(&mut scene.incidents), verdict, lost }
}

/// For how long a worker with this seed keeps what nobody uses: half of them do.
fn keep(seed: u64) -> u64 {
    let mut random = fastrand::Rng::with_seed(!seed);
    if random.bool() { random.u64(10 * MILLI..2 * SECOND) } else { 0 }
}

fn wrong(rule: &str, text: String) -> Wrong {
    Wrong { at: now(), rule: rule.into(), text, ids: Vec::new() }
}

/// Recounts all counts and queues of the tree from its records. Nothing, if the server cannot be
/// asked.
fn recount(scene: &Scene, tree: &str) -> Result<Option<Contents>, Wrong> {
    let client = redis::Client::open(scene.server.url()).expect("the URL is one");
    let Ok(mut connection) = client.get_connection_with_timeout(Duration::from_secs(5)) else { return Ok(None) };
    let hook = std::panic::take_hook();
    std::panic::set_hook(Box::new(|_| {}));
    let contents = catch_unwind(AssertUnwindSafe(|| check(&mut connection, tree)));
    std::panic::set_hook(hook);
    match contents {
        Ok(contents) => Ok(Some(contents)),
        Err(panic) => {
            let text = panic
                .downcast_ref::<String>()
                .cloned()
                .or_else(|| panic.downcast_ref().map(|text: &&str| (*text).into()));
            let text = text.unwrap_or_default();
            if text.contains("`Result::unwrap()`") {
                return Ok(None);
            }
            Err(wrong("Recount", format!("what the tree holds does not agree: {text}")))
        }
    }
}

/// Who holds what, as the keys say.
fn held(contents: &Contents) -> String {
    let holders = contents.held.iter().map(|(token, holder)| {
        let path = String::from_utf8_lossy(&holder.path).replace('\x01', "/");
        format!("{token} on {path} (kind {}, fencing token {})", holder.kind, holder.number)
    });
    holders.collect::<Vec<_>>().join(", ")
}

/// Everybody who waits gets through, and releases. Also returns how much of the time did not count.
fn get_through(scene: &mut Scene, plan: &Plan) -> (Vec<Wrong>, u64) {
    scene.posts.iter_mut().for_each(|post| post.worker.finish());
    let mut patience = Patience::new(&scene.ways(), plan.timeout, SOON);
    let mut left = Left::Some;
    let waits = |scene: &Scene| scene.posts.iter().any(|post| !post.worker.is_idle() && !post.worker.has_ended());
    while waits(scene) && left == Left::Some {
        thread::sleep(Duration::from_millis(2));
        left = patience.left();
    }
    if scene.posts.iter().all(|post| post.worker.is_idle()) {
        return (Vec::new(), patience.lost());
    }
    let held: Vec<String> = TREES.iter().filter_map(|tree| Some(held(&recount(scene, tree).ok()??))).collect();
    let held = held.join(" ");
    let posts = scene.posts.iter().filter(|post| !post.worker.is_idle());
    let wrongs = posts.map(|post| {
        let number = post.worker.number;
        let text = if post.worker.has_ended() {
            format!("worker {number} ended by itself")
        } else {
            let (passed, stacks) = (patience.text(), stuck::stacks(number, post.worker.pid()));
            format!("worker {number} is not done {passed}; {stacks}; held, as the server says: [{held}]")
        };
        Wrong { ids: vec![id(number, 0)], ..wrong(rule("Stuck", left), text) }
    });
    (wrongs.collect(), patience.lost())
}

/// What it is called, if the time for it is over.
fn rule(name: &'static str, left: Left) -> &'static str {
    if left == Left::Unknown { "TooBusy" } else { name }
}

/// What a worker is at that is not done.
fn with_cause(wrong: Wrong, events: &[Event]) -> Wrong {
    let (ids, what) = stuck::doing(worker_of(wrong.ids[0]), events);
    Wrong { ids, text: format!("{}; what it is at: {what}", wrong.text), ..wrong }
}

/// Nobody holds or waits for anything any more: by the store's listing and by the keys. Else this
/// rule is broken.
fn empty(scene: &Scene, plan: &Plan, tree: &str, limit: u64, name: &'static str) -> Option<Wrong> {
    let micros = Duration::from_micros;
    let builder = RedisStore::builder(&scene.server.url()).tree(tree);
    let store = match builder.lease(micros(plan.lease)).heartbeat(micros(plan.heartbeat)).connect() {
        Ok(store) => store,
        Err(error) => return Some(wrong(name, format!("no store can connect though all is well: {error}"))),
    };
    let mut patience = Patience::new(&scene.ways(), plan.timeout, limit);
    loop {
        // What a dead client left goes when somebody meets it.
        let all = store.try_lock_for("/", TURN);
        let found = match (all.and_then(|all| all.unlock()), store.locks(), recount(scene, tree)) {
            (Err(error), ..) => format!("the whole tree cannot be locked: {error}"),
            (_, Err(error), _) => format!("the locks cannot be listed: {error}"),
            (.., Err(wrong)) => return Some(wrong),
            (_, Ok(locks), Ok(contents)) => {
                let contents = contents.unwrap_or_default();
                if locks.is_empty() && contents.held.is_empty() && contents.waits.is_empty() {
                    return None;
                }
                format!("listed: {locks:?}; in the keys: {:?}, {:?}", contents.held, contents.waits)
            }
        };
        match patience.left() {
            Left::Some => thread::sleep(Duration::from_millis(20)),
            left => return Some(wrong(rule(name, left), format!("{}: {found}", patience.text()))),
        }
    }
}
