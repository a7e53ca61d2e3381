//! Spans of time and names as people read them.

use std::time::Duration;

/// A span as short text: `0.4 s`, `12 s`, `3 min`, `2 h 5 min`, `4 d`. Never longer than 9 columns.
pub(crate) fn span(time: Duration) -> String {
    let seconds = time.as_secs();
    match seconds {
        0..10 if time.subsec_millis() >= 100 || seconds > 0 => format!("{:.1} s", time.as_secs_f64()),
        0 => format!("{} ms", time.as_millis()),
        10..120 => format!("{seconds} s"),
        120..7200 => format!("{} min", seconds / 60),
        7200..172_800 => format!("{} h {} min", seconds / 3600, seconds / 60 % 60),
        _ => format!("{} d", seconds / 86_400),
    }
}

/// A span as the command line takes it: a number of seconds, or a number with its unit.
pub(crate) fn parse_span(text: &str) -> Result<Duration, String> {
    const RULE: &str = "a time is a number of seconds, or has units: 30, 0.5, 500ms, 5m, 1h 30m";
    let plain = text.parse::<f64>().ok().and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
    plain.or_else(|| humantime::parse_duration(text).ok()).ok_or_else(|| RULE.into())
}

/// A text without what would do something to a terminal: owners and paths come from others.
pub(crate) fn printable(text: &str) -> String {
    text.chars().map(|char| if char.is_control() { char::REPLACEMENT_CHARACTER } else { char }).collect()
}

/// The text, cut to so many columns.
pub(crate) fn cut(text: &str, columns: usize) -> String {
    if text.chars().count() <= columns {
        return text.to_owned();
    }
    let mut short: String = text.chars().take(columns.saturating_sub(1)).collect();
    short.push('…');
    short
}

#[cfg(test)]
mod tests;
