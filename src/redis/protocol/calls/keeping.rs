//! What is kept goes back, is in use, becomes what is held below it, or becomes one lock above: the
//! scripts are `lua/give_back.lua`, `lua/in_use.lua`, `lua/exchange.lua` and `lua/grow.lua`.

use super::{about_with, new};
use crate::redis::protocol::keys::Target;
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

/// Makes a kept lock those that are held below it. The claim in their records is 0: they are in
/// use.
pub(in crate::redis::protocol) fn exchange<'a>(
    host: &Lock,
    guests: impl Iterator<Item = (&'a Lock, u8, Target)>,
    client: &str,
    timing: &Timing,
) -> Call {
    let tombstone = if host.is_unsure() { timing.tombstone(host.lease) } else { 0 };
    let call = new(Script::Exchange, timing).bytes(host.token.as_bytes());
    let call = call.number(host.fencing_token()).number(tombstone);
    guests.fold(call, |call, (lock, kind, target)| {
        let call = call.bytes(lock.token.as_bytes()).number(kind.into()).number(lock.fencing_token());
        call.bytes(&about_with(lock, target.text(), client, 0))
    })
}

/// Asks for a lock in place of what this client keeps on its node and below it. What `acquire`
/// answers is the answer.
pub(in crate::redis::protocol) fn grow<'a>(
    host: &Lock,
    target: &Target,
    about: &[u8],
    given: impl Iterator<Item = &'a Lock>,
    timing: &Timing,
) -> Call {
    let call = new(Script::Grow, timing).bytes(host.token.as_bytes()).bytes(target.text());
    let call = call.number(host.lease).bytes(about);
    given.fold(call, |call, lock| call.bytes(lock.token.as_bytes()).number(lock.fencing_token()))
}
