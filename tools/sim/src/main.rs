//! Runs the simulator; see `scripts/sim`.

fn main() {}
