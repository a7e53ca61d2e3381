//! What is kept goes back, or is in use: the scripts are `lua/give_back.lua` and `lua/in_use.lua`.

use super::new;
use crate::redis::protocol::lock::Lock;
use crate::redis::protocol::script::{Call, Script};
use crate::redis::protocol::timing::Timing;

/// Gives locks back, and says which fencing token each of them was lent with last.
pub(in crate::redis::protocol) fn give_back<'a>(
    locks: impl Iterator<Item = &'a Lock> + Clone,
    timing: &Timing,
) -> Call {
    let unsure = locks.clone().filter(|lock| lock.is_unsure()).map(|lock| timing.tombstone(lock.lease));
    let call = new(Script::GiveBack, timing).number(unsure.max().unwrap_or(0));
    locks.fold(call, |call, lock| call.bytes(lock.token.as_bytes()).number(lock.fencing_token()))
}

/// Says that locks are in use, and will not be kept.
pub(in crate::redis) fn in_use<'a>(locks: impl Iterator<Item = &'a Lock>, timing: &Timing) -> Call {
    let call = new(Script::InUse, timing);
    locks.fold(call, |call, lock| call.bytes(lock.token.as_bytes()).number(lock.fencing_token()))
}
