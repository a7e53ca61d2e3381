//! Figures as text.

use serde::Serialize;

/// What a figure counts.
#[derive(Clone, Copy, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Unit {
    /// A ratio.
    Times,
    /// Of time.
    Nanoseconds,
    /// Of a tree.
    Nodes,
    /// Of memory.
    Bytes,
}

impl Unit {
    /// As a reader wants it: with its unit, and with as many digits as mean something.
    pub fn show(self, value: f64) -> String {
        match self {
            Self::Times if value.abs() < 9.995 => format!("{value:.2}x"),
            Self::Times => format!("{value:.1}x"),
            Self::Nodes => thousands(value),
            Self::Bytes => format!("{value:.0} B"),
            Self::Nanoseconds => match value {
                ..100.0 => format!("{value:.1} ns"),
                ..10_000.0 => format!("{} ns", thousands(value)),
                ..10_000_000.0 => format!("{} µs", thousands(value / 1e3)),
                _ => format!("{} ms", thousands(value / 1e6)),
            },
        }
    }
}

/// A time in nanoseconds.
pub fn nanos(value: f64) -> String {
    Unit::Nanoseconds.show(value)
}

/// Operations a second.
pub fn rate(value: f64) -> String {
    match value {
        ..1e5 => format!("{:.1} k/s", value / 1e3),
        ..1e6 => format!("{:.2} M/s", value / 1e6),
        _ => format!("{:.1} M/s", value / 1e6),
    }
}

/// A count, its digits in groups of three.
pub fn thousands(value: f64) -> String {
    let digits = format!("{value:.0}");
    let groups: Vec<&str> = digits.as_bytes().rchunks(3).rev().filter_map(|group| str::from_utf8(group).ok()).collect();
    groups.join(",")
}
