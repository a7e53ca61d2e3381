//! What the tests share. Each test program takes in all of it by `mod common;`, and uses a part.
// What one program leaves unused another one uses.
#![allow(dead_code, unused_macros, unreachable_pub)]

/// Threads that ask for a lock: whether they still wait, what became of them, and never a test that
/// hangs.
pub mod asking;
/// Random locks, for proptest.
pub mod choices;
/// The promises of a store, a test each.
#[macro_use]
pub mod conformance;
/// Deadlocks, a test each, for every store that names them.
#[macro_use]
pub mod circles;
/// What the fuzzers run, and the tests on what they found.
pub mod fuzzing;
/// Futures polled by hand.
pub mod hand;
/// What happened in a run with threads, and whether it may have.
pub mod history;
/// The four kinds of lock, and trees small enough to try everything on.
pub mod kinds;
/// A store of one mutex and one list: the oracle, and a store written outside the crate.
pub mod naive;
/// Programs of one thread, run on a store and on the naive one.
pub mod side_by_side;
/// What a thread does in a run that is recorded.
pub mod steps;
/// One request in the midst of a storm of others, recorded.
pub mod storm;
