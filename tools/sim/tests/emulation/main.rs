//! The emulated server against a real one: random programs of commands, random programs of the
//! scripts that ship, and how values get into a script and out of it.
//!
//! A failure prints the seed of its program. `MUTEXTREE_SEED=seed` runs that program alone;
//! `MUTEXTREE_PROGRAMS=number` sets how many there are.

mod commands;
mod drawing;
mod expressions;
mod scripts;
mod server;
mod time;

use mutextree_sim::simulator::emulation::testing::Emulated;
use server::Server;

/// Runs programs, each from a seed of its own.
fn programs(usual: u64, mut program: impl FnMut(u64, &mut Server, &mut Emulated)) {
    let (mut server, mut emulated) = (Server::start(), Emulated::default());
    let given = |name| std::env::var(name).ok().map(|text| text.parse::<u64>().expect("a number"));
    let seeds = match given("MUTEXTREE_SEED") {
        Some(seed) => seed..seed + 1,
        // New ones each time: what was tried once would be tried for ever.
        None => {
            let first = fastrand::u64(..1 << 48);
            first..first + given("MUTEXTREE_PROGRAMS").unwrap_or(usual)
        }
    };
    for seed in seeds {
        server.clear();
        emulated.clear();
        program(seed, &mut server, &mut emulated);
    }
}
