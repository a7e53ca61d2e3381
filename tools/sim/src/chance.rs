//! [`Chance`]: the only source of what is drawn. One seed has many streams, each for one purpose:
//! an operation of a caller, a fault that may befall one request, the delay of a message. Which
//! stream it is follows from who, what and when. So what is left out of a history changes little of
//! the rest, and a failing one can be made shorter.

use fastrand::Rng;

/// A stream of numbers that a seed and a name decide.
#[derive(Clone, Debug)]
pub(super) struct Chance(Rng);

impl Chance {
    pub(super) fn new(seed: u64, stream: u64) -> Self {
        Self::about(seed, &[stream])
    }

    /// A stream of its own for what all these say together.
    pub(super) fn about(seed: u64, what: &[u64]) -> Self {
        Self(Rng::with_seed(what.iter().fold(mix(seed), |mixed, &number| mix(mixed ^ mix(number)))))
    }

    /// A number from `low` to `high`, both included.
    pub(super) fn between(&mut self, low: u64, high: u64) -> u64 {
        self.0.u64(low..=high.max(low))
    }

    /// The same, with every order of magnitude as likely as any other.
    pub(super) fn magnitude(&mut self, low: u64, high: u64) -> u64 {
        let (low, high) = (low.max(1) as f64, high.max(1) as f64);
        (low * (high / low).powf(self.0.f64())) as u64
    }

    pub(super) fn hits(&mut self, probability: f64) -> bool {
        self.0.f64() < probability
    }

    pub(super) fn pick<T: Copy>(&mut self, from: &[T]) -> T {
        from[self.0.usize(..from.len())]
    }
}

/// The finaliser of splitmix64 (Steele, Lea and Flood 2014): every bit depends on every other.
fn mix(number: u64) -> u64 {
    let number = number.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let number = (number ^ (number >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let number = (number ^ (number >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    number ^ (number >> 31)
}
