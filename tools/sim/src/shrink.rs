//! Makes a failing history shorter: leaves out kinds of faults, callers, operations and single
//! faults, each for as long as it still fails. What is left is what a person has to look at.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use super::emulation::Interpreter;
use super::plan::{Fault, Part, Plan};
use super::trace::Trace;
use super::world::{Outcome, World};

/// As many histories are tried at the most.
const TRIES: u32 = 3000;
/// And for this long.
const LONGEST: Duration = Duration::from_secs(30);

pub(super) struct Shrinker<'a> {
    interpreter: &'a mut Interpreter,
    tries: u32,
    began: Instant,
}

impl<'a> Shrinker<'a> {
    pub(super) fn new(interpreter: &'a mut Interpreter) -> Self {
        Self { interpreter, tries: 0, began: Instant::now() }
    }

    fn is_over(&self) -> bool {
        self.tries >= TRIES || self.began.elapsed() > LONGEST
    }

    fn run(&mut self, plan: &Plan) -> Outcome {
        self.tries += 1;
        World::new(plan.clone(), self.interpreter, Trace::default()).run()
    }

    /// Whether it fails, and no later than before; then it is the plan from now on.
    fn keep_if_fails(&mut self, plan: &mut Plan, time: &mut u64, parts: &[Part]) -> bool {
        let mut shorter = plan.clone();
        shorter.left_out.extend(parts);
        if self.is_over() || shorter.left_out.len() == plan.left_out.len() {
            return false;
        }
        let outcome = self.run(&shorter);
        if outcome.violation.is_none() {
            return false;
        }
        (*plan, *time) = (shorter, outcome.time);
        true
    }

    /// The history with as little as possible in it that still fails. It may fail in another way.
    pub(super) fn shorten(&mut self, mut plan: Plan) -> Plan {
        let mut time = self.run(&plan).time;
        loop {
            let before = plan.left_out.len();
            for fault in Fault::ALL {
                self.keep_if_fails(&mut plan, &mut time, &[Part::Kind(fault)]);
            }
            for (process, caller) in callers(&plan) {
                self.keep_if_fails(&mut plan, &mut time, &[Part::Caller(process, caller)]);
            }
            let outcome = self.run(&plan);
            plan.begins.extend(outcome.begun.iter().map(|(operation, at)| (*operation, *at)));
            self.leave_out_operations(&mut plan, &mut time, &outcome.begun);
            let outcome = self.run(&plan);
            let faults = outcome.struck.iter().map(|&(fault, number)| Part::One(fault, number)).collect();
            self.halves(&mut plan, &mut time, faults);
            if plan.left_out.len() == before || self.is_over() {
                return plan;
            }
        }
    }

    /// Earlier ones first: most often it is the last that matter.
    fn leave_out_operations(&mut self, plan: &mut Plan, time: &mut u64, begun: &BTreeMap<(usize, usize, u32), u64>) {
        let mut operations: Vec<_> = begun.iter().map(|(operation, at)| (*at, *operation)).collect();
        operations.sort_unstable();
        let parts =
            operations.into_iter().map(|(_, (process, caller, number))| Part::Operation(process, caller, number));
        self.halves(plan, time, parts.collect());
    }

    /// Tries to leave out all of them, then each half, and so on.
    fn halves(&mut self, plan: &mut Plan, time: &mut u64, parts: Vec<Part>) {
        if parts.is_empty() || self.keep_if_fails(plan, time, &parts) || parts.len() == 1 {
            return;
        }
        let (first, second) = parts.split_at(parts.len() / 2);
        self.halves(plan, time, first.to_vec());
        self.halves(plan, time, second.to_vec());
    }
}

fn callers(plan: &Plan) -> Vec<(usize, usize)> {
    (0..plan.processes).flat_map(|process| (0..plan.callers).map(move |caller| (process, caller))).collect()
}
