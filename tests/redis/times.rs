//! Times: what a holder believes is never longer than what the server keeps, what is lost stays
//! lost, and what should last does.

/// What dead clients leave behind.
mod dead_clients;
/// Answers that come late.
mod late_answers;
/// Requests that arrive late, or never.
mod late_requests;
/// Heartbeats so rare that they find nothing: what they would make up for is noticed.
mod rare_heartbeats;
/// What lasts, and for how long.
mod what_lasts;
