//! Makes a failing history shorter: leaves out operations, kinds of faults, callers and single
//! faults, each for as long as it still fails. What is left is what a person has to look at.
//!
//! * The beginning goes first: of many operations most are over when the last begin, and each that
//!   is left out early on may change who waits for whom ever after. A history of the last ones
//!   alone is tried with few of them, then with twice as many, and so on. It is short, and so is
//!   each try from there on.
//! * An operation begins when it did in the history that this one was made from, whatever came
//!   before it is left out or shorter now. So it meets the same others, and the same faults.

use rustix::time::{ClockId, clock_gettime};

use super::emulation::Interpreter;
use super::plan::{Fault, Part, Plan};
use super::trace::Trace;
use super::world::{Outcome, World};

/// As many histories are tried at the most.
const TRIES: u32 = 3000;
/// And for so many seconds of this thread's own time: others may be busy on the same machine.
const LONGEST: i64 = 30;
/// With so few operations a history is tried first.
const FEWEST: usize = 4;

pub(super) struct Shrinker<'a> {
    interpreter: &'a mut Interpreter,
    tries: u32,
    began: i64,
}

impl<'a> Shrinker<'a> {
    pub(super) fn new(interpreter: &'a mut Interpreter) -> Self {
        Self { interpreter, tries: 0, began: seconds() }
    }

    fn is_over(&self) -> bool {
        self.tries >= TRIES || seconds() - self.began > LONGEST
    }

    fn run(&mut self, plan: &Plan) -> Outcome {
        self.tries += 1;
        World::new(plan.clone(), self.interpreter, Trace::default()).run()
    }

    /// Whether it still fails without these; then it is the plan from now on.
    fn keep_if_fails(&mut self, plan: &mut Plan, parts: &[Part]) -> bool {
        let mut shorter = plan.clone();
        shorter.left_out.extend(parts);
        if self.is_over() || shorter.left_out.len() == plan.left_out.len() {
            return false;
        }
        let fails = self.run(&shorter).violation.is_some();
        if fails {
            *plan = shorter;
        }
        fails
    }

    /// The history with as little as possible in it that still fails. It may fail in another way.
    pub(super) fn shorten(&mut self, mut plan: Plan) -> Plan {
        loop {
            let before = plan.left_out.len();
            let operations = self.operations(&mut plan);
            self.keep_the_last(&mut plan, &operations);
            for fault in Fault::ALL {
                if plan.has(fault) {
                    self.keep_if_fails(&mut plan, &[Part::Kind(fault)]);
                }
            }
            for (process, caller) in callers(&plan) {
                self.keep_if_fails(&mut plan, &[Part::Caller(process, caller)]);
            }
            let operations = self.operations(&mut plan);
            self.halves(&mut plan, operations);
            let outcome = self.run(&plan);
            let faults = outcome.struck.iter().map(|&(fault, number)| Part::One(fault, number)).collect();
            self.halves(&mut plan, faults);
            if plan.left_out.len() == before || self.is_over() {
                return plan;
            }
        }
    }

    /// The operations of a history, in the order in which they begin; each begins at that time from
    /// now on, whatever is left out.
    fn operations(&mut self, plan: &mut Plan) -> Vec<Part> {
        let begun = self.run(plan).begun;
        let mut operations: Vec<_> = begun.iter().map(|(operation, at)| (*at, *operation)).collect();
        operations.sort_unstable();
        plan.begins.extend(begun);
        operations.into_iter().map(|(_, (whose, caller, number))| Part::Operation(whose, caller, number)).collect()
    }

    /// Leaves out all operations but the last few, as few as possible.
    fn keep_the_last(&mut self, plan: &mut Plan, operations: &[Part]) {
        let counts = std::iter::successors(Some(FEWEST), |count| Some(2 * count));
        for count in counts.take_while(|count| *count < operations.len()) {
            if self.keep_if_fails(plan, &operations[..operations.len() - count]) {
                return;
            }
        }
    }

    /// Tries to leave out all of them, then each half, and so on.
    fn halves(&mut self, plan: &mut Plan, parts: Vec<Part>) {
        if parts.is_empty() || self.keep_if_fails(plan, &parts) || parts.len() == 1 {
            return;
        }
        let (first, second) = parts.split_at(parts.len() / 2);
        self.halves(plan, first.to_vec());
        self.halves(plan, second.to_vec());
    }
}

fn callers(plan: &Plan) -> Vec<(usize, usize)> {
    (0..plan.processes).flat_map(|process| (0..plan.callers).map(move |caller| (process, caller))).collect()
}

/// What this thread has used.
fn seconds() -> i64 {
    clock_gettime(ClockId::ThreadCPUTime).tv_sec
}
