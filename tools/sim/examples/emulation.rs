//! What scripts cost on the emulated server: microseconds for an acquire and a release together.
//!
//! `cargo run --release -p mutextree-sim --example emulation`

use rustix::time::{ClockId, clock_gettime};

use mutextree_sim::simulator::emulation::testing::Emulated;

const LIMITS: [u32; 5] = [64, 16, 64, 128, 1000];
const ROUNDS: u32 = 100_000;
const CLAIM: &[u8] = b"7000000";
const LEASE: &[u8] = b"30000000";

/// What this thread has used, in seconds: others may be busy on the same machine.
fn cpu_time() -> f64 {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    time.tv_sec as f64 + time.tv_nsec as f64 / 1e9
}

fn main() {
    for (name, fast) in [("on the fast paths", true), ("on the long way", false)] {
        let keys = ["n", "e", "l", "w", "wl", "wn", "mb:"].map(|key| format!("{{tree}}:{key}"));
        let mut server = Emulated::default();
        let path = "\x01org\x01team\x01project";
        let chain = ["", "\x01org", "\x01org\x01team", path];
        let about = format!("30000000,7000000,client,2,me{path}");
        let mut time = 1_700_000_000_000_001;
        let began = cpu_time();
        for round in 0..ROUNDS {
            let token = format!("0123456789abcdef.{round:x}");
            let fields = ["tick", "offset", "waiting", &token];
            let fields = || fields.iter().chain(&chain).map(|field| field.as_bytes()).take(if fast { 8 } else { 0 });
            let mut words = vec![CLAIM, token.as_bytes(), b"1", path.as_bytes(), LEASE, about.as_bytes(), b"0"];
            words.extend(fields());
            server.run("Acquire", LIMITS, &keys, &words, time).expect("it is granted");
            time += 16; // the fast path is taken unless the time is a multiple of 16
            let mut words = vec![CLAIM, token.as_bytes(), b"0", b"1", path.as_bytes()];
            words.extend(fields());
            server.run("Release", LIMITS, &keys, &words, time).expect("it is released");
            time += 16;
        }
        let each = (cpu_time() - began) * 1e6 / f64::from(ROUNDS);
        println!("{each:6.1} µs for an acquire and a release {name}");
    }
}
