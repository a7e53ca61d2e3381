//! The pool over connections that are no sockets, with every fault, drawn by lot: in threads of the
//! system, and, under `--cfg mutextree_shuttle`, in orders that shuttle draws.
//!
//! Each command is a number, and its answer is the same number, so an answer that goes astray
//! shows. What else is looked at: what is said not to have been sent has not been carried out; who
//! waits for ever without a fault gets an answer; no more connections than [`MOST`]; no command
//! comes to a server that it is not for; at the end all permits are back. A wake-up that is lost
//! leaves a thread asleep, which shuttle reports.

use std::collections::{HashSet, VecDeque};

use super::super::super::clock::clock;
use super::super::super::error::{Failure, RedisStoreError};
use super::super::super::primitives::{Arc, Mutex};
use super::super::super::value::Value;
use super::super::answer::Answer;
use super::super::transport::{Halt, Partly};
use super::{Connect, MOST, Pool, Transport};

#[cfg(not(mutextree_shuttle))]
mod system {
    pub(super) use std::thread::{JoinHandle, spawn, yield_now};

    pub(super) fn draw(below: u64) -> u64 {
        fastrand::u64(..below)
    }

    /// Microseconds that are about a step of a thread.
    pub(super) const STEP: u64 = 20;

    /// A wait that only ends this way if something was lost.
    pub(super) const PATIENCE: u64 = 10_000_000;
}

#[cfg(mutextree_shuttle)]
mod system {
    use shuttle::rand::{RngCore, thread_rng};
    pub(super) use shuttle::thread::{JoinHandle, spawn, yield_now};

    pub(super) fn draw(below: u64) -> u64 {
        thread_rng().next_u64() % below
    }

    pub(super) const STEP: u64 = 1;

    /// For ever: shuttle notices if nobody is ever woken.
    pub(super) const PATIENCE: u64 = u64::MAX;
}

use system::{JoinHandle, PATIENCE, STEP, draw, spawn, yield_now};

fn one_in(count: u64) -> bool {
    draw(count) == 0
}

/// What all the connections of a run have in common.
struct World {
    has_faults: bool,
    state: Mutex<WorldState>,
}

#[derive(Default)]
struct WorldState {
    open: usize,
    carried_out: HashSet<u64>,
}

struct Network {
    world: Arc<World>,
    address: Arc<str>,
}

impl Connect for Network {
    type Transport = Wires;

    fn connect(&self, deadline: u64) -> Result<Wires, Failure> {
        yield_now();
        if clock() >= deadline || self.world.has_faults && one_in(5) {
            let (address, reason) = (self.address[..].into(), "it is not there".into());
            return Err(Failure::Down(RedisStoreError::Unreachable { address, reason }));
        }
        let mut state = self.world.state.lock();
        state.open += 1;
        assert!(state.open <= MOST, "too many connections");
        drop(state);
        Ok(Wires {
            world: self.world.clone(),
            run: draw(2),
            outbox: Vec::new(),
            begun: Vec::new(),
            unanswered: VecDeque::new(),
        })
    }

    fn address(&self) -> Arc<str> {
        self.address.clone()
    }
}

/// A connection, and the server at its end.
struct Wires {
    world: Arc<World>,
    /// Which of two runs of a server it is.
    run: u64,
    outbox: Vec<u8>,
    /// The server has so much of the next command.
    begun: Vec<u8>,
    unanswered: VecDeque<u64>,
}

impl Drop for Wires {
    fn drop(&mut self) {
        self.world.state.lock().open -= 1;
    }
}

impl Wires {
    fn arrive(&mut self, bytes: &[u8]) {
        for &byte in bytes {
            self.begun.push(byte);
            if let Ok(number) = <[u8; 8]>::try_from(&self.begun[..]) {
                let number = u64::from_le_bytes(number);
                self.begun.clear();
                self.unanswered.push_back(number);
                assert!(!self.is_to_another(run_of(number)), "{number} is for another server");
                assert!(self.world.state.lock().carried_out.insert(number), "{number} is carried out twice");
            }
        }
    }

    /// Lets the time pass until the deadline, which may be the point of it.
    fn wait_until(deadline: u64) {
        while clock() < deadline {
            yield_now();
        }
    }

    fn may_time_out(deadline: u64) -> bool {
        deadline < clock() + 1_000_000 && one_in(3)
    }

    fn breaks(&self) -> bool {
        self.world.has_faults && one_in(20)
    }
}

/// For which run a command is, if not for any.
fn run_of(number: u64) -> &'static str {
    ["", "0", "1", ""][number as usize % 4]
}

impl Transport for Wires {
    fn is_to_another(&self, run: &str) -> bool {
        !run.is_empty() && run != self.run.to_string()
    }

    fn is_cut(&self) -> bool {
        self.breaks()
    }

    fn flush(&mut self, deadline: u64) -> Result<(), Halt> {
        let rest = std::mem::take(&mut self.outbox);
        if rest.is_empty() {
            return Ok(());
        }
        self.write(&rest, deadline).map_err(|partly| {
            self.leave(&rest[partly.written..]);
            partly.halt
        })
    }

    fn write(&mut self, bytes: &[u8], deadline: u64) -> Result<(), Partly> {
        yield_now();
        assert!(self.outbox.is_empty(), "what was begun is written first");
        let some = usize::try_from(draw(bytes.len() as u64)).unwrap();
        if self.breaks() {
            self.arrive(&bytes[..some]);
            return Err(Partly { written: some, halt: Halt::Broken("it broke".into()) });
        }
        if Self::may_time_out(deadline) {
            self.arrive(&bytes[..some]);
            Self::wait_until(deadline);
            return Err(Partly { written: some, halt: Halt::TimedOut });
        }
        self.arrive(bytes);
        Ok(())
    }

    fn leave(&mut self, rest: &[u8]) {
        self.outbox.extend_from_slice(rest);
    }

    fn received(&mut self) -> Result<Option<Answer>, Halt> {
        if self.breaks() {
            return Err(Halt::Broken("it broke".into()));
        }
        if one_in(2) {
            return Ok(None);
        }
        let Some(number) = self.unanswered.pop_front() else { return Ok(None) };
        if self.breaks() {
            return Ok(Some(Err("READONLY it is a replica".into())));
        }
        Ok(Some(Ok(Value::Int(number.try_into().unwrap()))))
    }

    fn receive(&mut self, deadline: u64) -> Result<Answer, Halt> {
        yield_now();
        assert!(self.outbox.is_empty(), "nobody waits for an answer to what is not sent");
        assert!(!self.unanswered.is_empty(), "nobody waits for what never comes");
        if Self::may_time_out(deadline) {
            Self::wait_until(deadline);
            return Err(Halt::TimedOut);
        }
        loop {
            if let Some(answer) = self.received()? {
                return Ok(answer);
            }
            yield_now();
        }
    }

    fn has_more(&self) -> bool {
        false
    }
}

/// One run: some threads that call with all sorts of deadlines.
fn run_once(threads: u64, calls: u64, has_faults: bool) {
    let world = Arc::new(World { has_faults, state: Mutex::default() });
    let timeout = if has_faults && one_in(2) { STEP * 100 } else { u64::MAX };
    let pool = Arc::new(Pool {
        timeout, // without the floor that a real one has
        ..Pool::new(Network { world: world.clone(), address: "here".into() }, u64::MAX)
    });
    let threads: Vec<JoinHandle<Vec<u64>>> = (0..threads)
        .map(|thread| {
            let pool = pool.clone();
            spawn(move || {
                (0..calls)
                    .filter(|call| is_not_sent(&pool, thread * calls + call))
                    .map(|call| thread * calls + call)
                    .collect()
            })
        })
        .collect();
    let not_sent: Vec<u64> = threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect();
    let (busy, queued, idle) = {
        let state = pool.state.lock();
        (state.busy, state.queue.len(), state.idle.len())
    };
    assert_eq!((busy, queued), (0, 0), "all permits are back");
    {
        let world = world.state.lock();
        assert_eq!(world.open, idle);
        for number in not_sent {
            assert!(!world.carried_out.contains(&number), "{number} was carried out, and its caller told otherwise");
        }
    }
    drop(pool);
    assert_eq!(world.state.lock().open, 0);
}

/// Calls with a number, and says whether the pool claims not to have sent it.
fn is_not_sent(pool: &Pool<Network>, number: u64) -> bool {
    let is_patient = one_in(3);
    let deadline = if is_patient { clock().saturating_add(PATIENCE) } else { clock() + draw(STEP * 60) };
    let answer = pool.call_to(run_of(number), &number.to_le_bytes(), deadline);
    assert!(!is_patient || clock() < deadline, "{number} was forgotten");
    match &answer {
        Ok(value) => assert_eq!(*value, Value::Int(number.try_into().unwrap())),
        Err(failure) => {
            let may_fail = pool.connector().world.has_faults || *failure == Failure::Stranger;
            assert!(!is_patient || may_fail, "{number} was lost: {failure:?}");
            assert!(!matches!(failure, Failure::Refused(_) | Failure::NoScript), "{failure:?}");
        }
    }
    matches!(answer, Err(Failure::Down(_) | Failure::Stranger))
}

#[cfg(not(mutextree_shuttle))]
#[test]
fn random_deadlines() {
    for _ in 0..60 {
        run_once(8, 60, false);
    }
}

#[cfg(not(mutextree_shuttle))]
#[test]
fn random_deadlines_and_faults() {
    for _ in 0..60 {
        run_once(8, 60, true);
    }
}

#[cfg(mutextree_shuttle)]
mod shuffled {
    use super::run_once;

    fn schedules() -> usize {
        std::env::var("MUTEXTREE_SHUTTLE_ITERATIONS").map_or(1000, |count| count.parse().unwrap())
    }

    #[test]
    fn orders_of_deadlines() {
        shuttle::check_random(|| run_once(6, 5, false), schedules());
        shuttle::check_pct(|| run_once(6, 5, false), schedules(), 4);
    }

    #[test]
    fn orders_of_deadlines_and_faults() {
        shuttle::check_random(|| run_once(6, 5, true), schedules());
        shuttle::check_pct(|| run_once(6, 5, true), schedules(), 4);
    }
}
