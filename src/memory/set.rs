//! Sets: several nodes claimed as one lock.
//!
//! * `phase.rs` claiming all members or none, and tries
//! * `acquire.rs` an acquisition of a set that may have to wait, step by step
//! * `future.rs` the same as a future
//! * `grants.rs` from members to grants, or to the error that names the blocked member
//!
//! # The steps
//! A set has members, none of which covers another. It takes them as one request takes its node:
//!
//! 1. **Claim and look up, all members in one phase.** A phase holds the tree's *set lock*, and
//!    sleeps for nobody. At the first obstacle, on a member or above it, all claims are withdrawn.
//!    Then the set waits at that obstacle, in the queue there, without a claim.
//! 2. **Look down, after the phase.** If no member has an obstacle on it or above it, all claims
//!    stand. What is left are locks below the members. The set keeps its claims, so that newcomers
//!    below withdraw theirs, and drains all members.
//!
//! A set has one stamp, and one place in one queue at a time. When its patience is over it closes
//! the gates of all members and of all their ancestors, and keeps them closed until it is through.
//!
//! | stage | claims held | sleeps at | when woken |
//! |---|---|---|---|
//! | before a phase, or after one that withdrew | none | a member or an ancestor of one | a new phase |
//! | draining | all | a descendant of a member | goes on with the walks |
//!
//! # Invariants
//! * **S1.** A claim of a set is made within a phase. Phases of one tree do not overlap. If the set
//!   may have to drain, it looks up for all its members after the last claim of the phase, also
//!   where `CLEAR` would spare it that.
//! * **S2.** Outside of phases a set has claims on all of its members, or on none.
//! * **S3.** A set that sleeps without claims has not claimed the member that it sleeps for, or has
//!   withdrawn that claim. A new phase claims that member first.
//! * **S4.** No code of users runs under the set lock: who is to be woken is collected, and is
//!   woken after the phase.
//! * **S5.** The set lock is taken under no other lock of the tree. Slow locks are taken under it.
//!
//! # Exclusion
//! Each member's claim is made as a single one, and is followed by the same looks. So the argument
//! in `claim.rs` holds for each of them. Members of one set do not conflict with each other.
//!
//! # Nobody waits in a circle
//! Only requests that drain wait while they hold claims. For such a request, take a moment after
//! its last claim and before its last looks up. Say that P drains and waits for Q, because of Q's
//! claim on a node below P's claimed node. Only if Q drains, too, can a circle go on. Then Q looked
//! up from that node, and did not see P's claim. So Q's look came before P's claim, and Q's moment
//! before P's. Round a circle each moment would come before itself.
//!
//! Two things make this hold for sets. A set does not wait for itself, as no member covers another.
//! And it looks up for all members after the last claim (S1). With `CLEAR` alone it could drain for
//! one member while P, which has not taken `CLEAR` off yet, is above another. (A single request
//! that used `CLEAR` is granted, and does not drain.)
//!
//! * *With upgrades* that are pending: a set sleeps with its claims only while no upgrade below a
//!   shared member is (invariant 13). Otherwise it withdraws all of them, and sleeps in the same
//!   place without.
//!
//! # Nobody starves
//! Once the set has closed its gates, no newcomer and no younger waiter claims a member or a node
//! above one. Of the waiters that are older there are finitely many, and they get through first.
//! So a phase comes that meets no obstacle. From then on the claims keep newcomers out below *all*
//! members at the same time. The holders below leave, and the set is through. Two gates that two
//! sets have closed do no harm, as the older set passes both.
//!
//! # No wake-up is lost
//! Whoever sleeps because of a claim that a set withdraws is woken by the end of that claim, as by
//! any other. The rest is in `wait.rs`: a woken waiter for K may keep others asleep that are behind
//! it in K's queue. Those rely on it to claim K, to sleep at K again, or to give up. A set does one
//! of these, since a new phase begins with K (S3). If it meets an obstacle elsewhere after that,
//! the end of its claim on K goes through the queue.
//!
//! # No invented conflict
//! A claim that is withdrawn within a phase must not make a try fail.
//!
//! * **Tries of sets** are phases themselves, with their looks down. So a set's try sees of other
//!   sets only what they hold, or drain. Of two that race, the first one meets nothing of the
//!   other.
//! * **Tries of one node** take no set lock. They read the number of phases instead, before and
//!   after. It is odd during a phase. If the try was refused, and the number is the same and even,
//!   no phase has withdrawn anything that it saw: the phase would have begun before the second
//!   reading, and ended after the first. Otherwise it takes the set lock, and tries once more.
//!   So a single try that races with a set's try fails only if the set holds, or if another does.
//!
//! Granted tries, and claims by the fast path, read no number.

mod acquire;
mod future;
mod grants;
mod phase;

pub(super) use self::grants::{acquire, acquire_async};
pub(super) use self::phase::Sets;

#[cfg(all(test, mutextree_loom))]
pub(super) use self::acquire::{SetAcquisition, block_on};

#[cfg(all(test, mutextree_loom))]
pub(super) use self::phase::try_claim_all;

#[cfg(all(test, not(any(mutextree_loom, mutextree_shuttle))))]
mod tests;
