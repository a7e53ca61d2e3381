//! How much more two threads do than one.
//!
//! That depends on whether the machine had two cores to give. So two flat mutexes that have nothing
//! to do with each other run in the same rounds, and what is measured is held against them.

use std::ops::RangeInclusive;

use crate::measure::{Effort, cycles, median};
use crate::{Site, Subject};

/// Gives operations a second, on one thread or on two.
pub type Crew<'a> = Box<dyn FnMut(usize) -> f64 + 'a>;

/// Two workers on siblings, or on one node if that is what they are for.
pub fn crew<'a, S: Subject + 'a>(effort: &'a Effort) -> Crew<'a> {
    let mut subjects = S::apart(&Site::siblings(2));
    Box::new(move |threads| cycles(effort, &mut subjects[..threads]))
}

/// Operations a second, and medians of the rounds that count.
pub struct Scaling {
    /// On one thread.
    pub one: f64,
    /// On two.
    pub two: f64,
    /// The median of the rounds' two / one.
    pub ratio: f64,
    /// That ratio as a part of what two flat mutexes reached in the same round.
    pub of_machine: f64,
    /// The ratio of the two flat mutexes: what the machine had to give.
    pub machine: f64,
    /// Whether that was two cores for long enough to tell.
    pub clear: bool,
}

/// What a crew did in one round.
struct Round {
    one: f64,
    two: f64,
    machine: f64,
}

impl Scaling {
    /// In between two flat mutexes had a core each. Below that they shared one; above it the single
    /// one was disturbed.
    const TWO_CORES: RangeInclusive<f64> = 1.95..=2.1;
    /// How many times as many rounds as on a quiet machine are spent on waiting for one, if it need
    /// not be quick.
    const PATIENCE: usize = 3;

    /// Measures `S` on one and on two threads.
    pub fn of<S: Subject, Flat: Subject>(effort: &Effort) -> Self {
        let [scaling] = Self::all::<Flat, 1>(effort, [crew::<S>(effort)]);
        scaling
    }

    /// Measures each of `crews` on one and on two threads, in turns. Two flat mutexes do the same
    /// in each round, and only the rounds count in which *they* had a core each. If there were
    /// hardly any, all count, and it is not clear what of.
    pub fn all<Flat: Subject, const N: usize>(effort: &Effort, mut crews: [Crew<'_>; N]) -> [Self; N] {
        let mut flat = crew::<Flat>(effort);
        let is_clear = |round: &[Round; N]| Self::TWO_CORES.contains(&round[0].machine);
        let enough = effort.rounds.div_ceil(2);
        let most = if effort.quick { effort.rounds } else { Self::PATIENCE * effort.rounds };
        let mut rounds: Vec<[Round; N]> = Vec::new();
        let mut clear = 0;
        while clear < enough && rounds.len() < most {
            // One flat lock before the others, two after: so that a disturbance in between shows.
            let flat_one = flat(1);
            let done = crews.each_mut().map(|crew| (crew(1), crew(2)));
            let machine = flat(2) / flat_one;
            rounds.push(done.map(|(one, two)| Round { one, two, machine }));
            clear += usize::from(rounds.last().is_some_and(is_clear));
        }
        let clear = clear >= enough.min(3);
        rounds.retain(|round| is_clear(round) || !clear);
        std::array::from_fn(|crew| {
            let median_of = |figure: fn(&Round) -> f64| median(rounds.iter().map(|round| figure(&round[crew])));
            Self {
                one: median_of(|round| round.one),
                two: median_of(|round| round.two),
                ratio: median_of(|round| round.two / round.one),
                of_machine: median_of(|round| round.two / round.one / round.machine),
                machine: median_of(|round| round.machine),
                clear,
            }
        })
    }
}
