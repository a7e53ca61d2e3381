//! [`Scene`]: who waits for whom at a moment. [`Detector`]: the cycles that two scenes have in
//! common. Pure: no clock, no lock, no thread.

use std::collections::{HashMap, HashSet, VecDeque};
use std::hash::Hash;
use std::thread::ThreadId;

use super::{Deadlock, Wanted};
use crate::backend::{HeldLock, WaitingLock};
use crate::error::Blocker;
use crate::path::TreePath;
use crate::request::{Kind, Owner, conflicts};

/// More edges than this are not looked through. Then nothing is said (D8).
pub(super) const MOST_EDGES: usize = 10_000;

/// After so many rounds a waiter gives way for one of another process that did not.
const ROUNDS_FOR_OTHERS: u32 = 4;

/// A wait that cannot go on at present. One that is for several nodes may be in a scene once for
/// each of them: it is over when it has all of them.
#[derive(Debug)]
pub(crate) struct Wait<K> {
    /// Tells it from all other waits, for as long as it lasts.
    pub(crate) key: K,
    pub(crate) line: WaitingLock,
    /// For whom else than the line's owner it waits: they stand still, too (D3).
    pub(crate) owners: Vec<Owner>,
    /// All that it wants, if that is more than the line says.
    pub(crate) members: Vec<(TreePath, Kind)>,
    /// Those that came later have a greater one.
    pub(crate) order: u64,
    /// Whether it can be ended here.
    pub(crate) ours: bool,
    /// What is in its way.
    pub(crate) behind: Vec<Behind>,
}

/// What is in the way of a wait: one of the scene's locks, or another of its waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Behind {
    Lock(usize),
    Wait(usize),
}

/// Who waits for whom. Locks that end by themselves are not in it (D4).
#[derive(Debug)]
pub(crate) struct Scene<K> {
    pub(crate) locks: Vec<HeldLock>,
    pub(crate) waits: Vec<Wait<K>>,
}

impl<K> Default for Scene<K> {
    fn default() -> Self {
        Self { locks: Vec::new(), waits: Vec::new() }
    }
}

/// By whom a lock is held, or who stands still in a wait: D2 and D3.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Holder {
    Thread(ThreadId),
    Owner(Option<String>, Owner),
}

impl Holder {
    /// D2.
    fn of(lock: &HeldLock) -> Option<Self> {
        match lock.agent.as_ref().and_then(|agent| agent.thread_id()) {
            Some(thread) => Some(Self::Thread(thread)),
            None => lock.owner.clone().map(|owner| Self::Owner(lock.client.clone(), owner)),
        }
    }
}

/// The owner whose lock it is, if it is no thread's.
pub(super) fn owned_by(lock: &HeldLock) -> Option<&Owner> {
    match Holder::of(lock) {
        Some(Holder::Owner(..)) => lock.owner.as_ref(),
        _ => None,
    }
}

/// Whose locks stay held while these waits last.
pub(crate) struct Stuck(HashMap<Holder, Vec<usize>>);

impl Stuck {
    /// D3.
    pub(crate) fn new<K>(waits: &[Wait<K>]) -> Self {
        let mut stuck: HashMap<_, Vec<_>> = HashMap::new();
        for (at, Wait { line, owners, .. }) in waits.iter().enumerate() {
            if let Some(thread) = line.agent.as_ref().and_then(|agent| agent.thread_id()) {
                stuck.entry(Holder::Thread(thread)).or_default().push(at);
            }
            let others = owners.iter().filter(|owner| Some(*owner) != line.owner.as_ref());
            for owner in line.owner.iter().chain(others) {
                stuck.entry(Holder::Owner(line.client.clone(), owner.clone())).or_default().push(at);
            }
        }
        Self(stuck)
    }

    /// The waits in which the holder of this lock stands still. Empty if the holder goes on, or
    /// may.
    pub(crate) fn of(&self, lock: &HeldLock) -> &[usize] {
        Holder::of(lock).and_then(|holder| self.0.get(&holder)).map_or(&[], Vec::as_slice)
    }
}

/// An edge: from a wait to a wait that it stands behind, or whose holder has the lock with this
/// fencing token.
type Edge<K> = (K, K, Option<u64>);

/// An edge as the scene has it: to a wait, and by which lock.
#[derive(Clone, Copy, Debug)]
struct To {
    wait: usize,
    lock: Option<usize>,
}

/// Compares each scene with the one before.
#[derive(Debug)]
pub(crate) struct Detector<K> {
    before: HashSet<Edge<K>>,
    /// Waits of others that should have given way, and for how many rounds.
    others: HashMap<K, u32>,
}

/// Which waits are to end, and why.
type Verdicts<K> = Vec<(K, Deadlock)>;

/// What came of a round.
#[derive(Debug)]
pub(crate) struct Found<K> {
    /// Waits to be ended, and with what.
    pub(crate) verdicts: Verdicts<K>,
    /// Whether there is a cycle that was not there before: it is to be confirmed.
    pub(crate) suspects: bool,
}

impl<K: Clone + Eq + Hash> Detector<K> {
    pub(crate) fn new() -> Self {
        Self { before: HashSet::new(), others: HashMap::new() }
    }

    /// Nothing could be seen: what comes next is a first look.
    pub(crate) fn forget(&mut self) {
        self.before.clear();
    }

    /// Looks at a scene.
    pub(crate) fn look(&mut self, scene: &Scene<K>) -> Found<K> {
        let Some(all) = edges(scene) else {
            self.forget();
            return Found { verdicts: Vec::new(), suspects: false };
        };
        let name = |from: usize, to: To| {
            let token = to.lock.and_then(|lock| scene.locks[lock].fencing_token);
            (scene.waits[from].key.clone(), scene.waits[to.wait].key.clone(), token)
        };
        // D5: what was there before, too.
        let mut confirmed: Vec<Vec<To>> = all.clone();
        for (from, edges) in confirmed.iter_mut().enumerate() {
            edges.retain(|&to| self.before.contains(&name(from, to)));
        }
        self.before = all.iter().enumerate().flat_map(|(from, to)| to.iter().map(move |&to| name(from, to))).collect();
        let mut graph = Graph::new(all);
        graph.prune();
        let suspects = graph.alive.contains(&true);
        let (verdicts, others) = self.judge(scene, Graph::new(confirmed));
        self.others = others;
        let suspects = suspects && verdicts.is_empty();
        Found { verdicts, suspects }
    }

    /// D6: the youngest wait of each cycle ends.
    fn judge(&self, scene: &Scene<K>, mut graph: Graph) -> (Verdicts<K>, HashMap<K, u32>) {
        let (mut verdicts, mut others) = (Vec::new(), HashMap::new());
        loop {
            graph.prune();
            let youngest = (0..scene.waits.len()).filter(|&at| graph.alive[at]).max_by_key(|&at| scene.waits[at].order);
            let Some(youngest) = youngest else { return (verdicts, others) };
            // What is left may lead into a cycle without being in one.
            let Some(cycle) = graph.cycle(youngest) else {
                graph.alive[youngest] = false;
                continue;
            };
            let mut victim = Some(youngest);
            if !scene.waits[youngest].ours {
                let rounds = self.others.get(&scene.waits[youngest].key).map_or(1, |rounds| rounds + 1);
                others.insert(scene.waits[youngest].key.clone(), rounds);
                let ours = cycle.iter().map(|to| to.wait).filter(|&at| scene.waits[at].ours);
                victim = ours.max_by_key(|&at| scene.waits[at].order).filter(|_| rounds > ROUNDS_FOR_OTHERS);
            }
            if let Some(victim) = victim {
                verdicts.push((scene.waits[victim].key.clone(), told(scene, &cycle, victim)));
            }
            for gone in [Some(youngest), victim].into_iter().flatten() {
                let key = &scene.waits[gone].key;
                (0..scene.waits.len()).for_each(|at| graph.alive[at] &= scene.waits[at].key != *key);
            }
        }
    }
}

/// The edges of a scene, by the wait that they come from; `None` if there are too many.
fn edges<K: Eq + Hash>(scene: &Scene<K>) -> Option<Vec<Vec<To>>> {
    let stuck = Stuck::new(&scene.waits);
    // Where each wait is in the scene: it stands still if it does so in one place.
    let mut places: HashMap<&K, Vec<usize>> = HashMap::new();
    scene.waits.iter().enumerate().for_each(|(at, wait)| places.entry(&wait.key).or_default().push(at));
    let all_of = |at: usize| places.get(&scene.waits[at].key).map_or(&[][..], Vec::as_slice);
    let mut count = 0;
    let mut all = Vec::with_capacity(scene.waits.len());
    for wait in &scene.waits {
        let mut edges = Vec::new();
        for behind in &wait.behind {
            match *behind {
                Behind::Wait(to) if scene.waits[to].key != wait.key => {
                    edges.extend(all_of(to).iter().map(|&to| To { wait: to, lock: None }));
                }
                Behind::Wait(_) => {}
                Behind::Lock(lock) => {
                    let stuck = stuck.of(&scene.locks[lock]);
                    // D3: one that waits in two places does two things at a time.
                    let is_one = stuck.iter().all(|&at| scene.waits[at].key == scene.waits[stuck[0]].key);
                    let stuck = if is_one { stuck.first().map_or(&[][..], |&at| all_of(at)) } else { &[] };
                    edges.extend(stuck.iter().map(|&to| To { wait: to, lock: Some(lock) }));
                }
            }
        }
        count += edges.len();
        if count > MOST_EDGES {
            return None;
        }
        all.push(edges);
    }
    Some(all)
}

struct Graph {
    edges: Vec<Vec<To>>,
    alive: Vec<bool>,
}

impl Graph {
    fn new(edges: Vec<Vec<To>>) -> Self {
        Self { alive: vec![true; edges.len()], edges }
    }

    /// Takes away what leads nowhere, again and again.
    fn prune(&mut self) {
        let mut into = vec![Vec::new(); self.edges.len()];
        let mut ways = vec![0; self.edges.len()];
        for (from, edges) in self.edges.iter().enumerate().filter(|(from, _)| self.alive[*from]) {
            for to in edges.iter().filter(|to| self.alive[to.wait]) {
                into[to.wait].push(from);
                ways[from] += 1;
            }
        }
        let mut ends: Vec<usize> = (0..ways.len()).filter(|&at| self.alive[at] && ways[at] == 0).collect();
        while let Some(end) = ends.pop() {
            self.alive[end] = false;
            for &from in &into[end] {
                ways[from] -= 1;
                if ways[from] == 0 && self.alive[from] {
                    ends.push(from);
                }
            }
        }
    }

    /// A shortest way from there back to it: the edges, the last of which leads to the start.
    fn cycle(&self, start: usize) -> Option<Vec<To>> {
        // By wait: where the way came from, and by which edge.
        let mut came: HashMap<usize, (usize, To)> = HashMap::new();
        let mut queue = VecDeque::from([start]);
        while let Some(from) = queue.pop_front() {
            for &to in self.edges[from].iter().filter(|to| self.alive[to.wait]) {
                if to.wait != start && came.contains_key(&to.wait) {
                    continue;
                }
                came.insert(to.wait, (from, to));
                if to.wait == start {
                    let mut way = vec![to];
                    let mut at = from;
                    while at != start {
                        let (before, edge) = came[&at];
                        way.push(edge);
                        at = before;
                    }
                    way.reverse();
                    return Some(way);
                }
                queue.push_back(to.wait);
            }
        }
        None
    }
}

/// A wait in the way of another, as a line for the node which is. A set stands still because of one
/// of its members, and may be in the way at another one.
fn in_the_way<K: PartialEq>(scene: &Scene<K>, earlier: usize, wants: &WaitingLock) -> WaitingLock {
    let keeps_out = |path: &TreePath, kind: Kind| conflicts((&wants.path, wants.kind), (path, kind));
    let Wait { key, line, members, .. } = &scene.waits[earlier];
    let mut line = WaitingLock { behind: None, ..line.clone() };
    if keeps_out(&line.path, line.kind) {
        return line;
    }
    let others = scene.waits.iter().filter(|other| other.key == *key).map(|other| (&other.line.path, other.line.kind));
    let members = members.iter().map(|(path, kind)| (path, *kind));
    if let Some((path, kind)) = members.chain(others).find(|(path, kind)| keeps_out(path, *kind)) {
        (line.path, line.kind) = (path.clone(), kind);
    }
    line
}

/// The cycle as it is told to `victim`, who comes first.
fn told<K: PartialEq>(scene: &Scene<K>, cycle: &[To], victim: usize) -> Deadlock {
    let start = cycle.iter().position(|to| to.wait == victim).unwrap_or(0);
    let wanted = (0..cycle.len()).map(|step| {
        // How the way came to this wait, and how it goes on.
        let came = cycle[(start + step) % cycle.len()];
        let goes = cycle[(start + step + 1) % cycle.len()];
        let mut wants = scene.waits[came.wait].line.clone();
        // A set may wait for several: the one who is meant here is the holder.
        if let Some(owner) = came.lock.and_then(|lock| owned_by(&scene.locks[lock])) {
            wants.owner = Some(owner.clone());
        }
        wants.behind = Some(match goes.lock {
            Some(lock) => Blocker::by_holder(wants.path.clone(), scene.locks[lock].clone()),
            None => Blocker::by_waiter(wants.path.clone(), in_the_way(scene, goes.wait, &wants)),
        });
        Wanted { holds: came.lock.map(|lock| scene.locks[lock].clone()), wants }
    });
    Deadlock::new(wanted.collect())
}

#[cfg(test)]
mod tests;
