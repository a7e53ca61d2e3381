//! What the figures were taken on.

use std::fs;
use std::thread::available_parallelism;

/// What it ran on and how it was built, in a sentence.
pub fn machine() -> String {
    let cpus = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = cpus.lines().find_map(|line| line.strip_prefix("model name")?.trim_start().strip_prefix(": "));
    let model = model.unwrap_or("an unknown processor");
    let cores = available_parallelism().map_or_else(|_| "unknown".into(), |cores| cores.to_string());
    let (arch, os) = (std::env::consts::ARCH, std::env::consts::OS);
    let mut text = format!(
        "Measured on {model}, {cores} cores ({arch} {os}), built by {} ({}).",
        env!("BUILT_BY"),
        env!("BUILT_AS")
    );
    if cfg!(debug_assertions) {
        text.push_str("\nThis is a debug build: its figures mean nothing. Use --release.");
    }
    text
}
