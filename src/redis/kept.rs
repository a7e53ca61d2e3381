//! [`KeptLocks`]: what a store keeps, in numbers.

/// What a store [keeps](crate::RedisStoreBuilder::keep), and what has come of it since it was made:
/// see [`RedisStore::kept_locks`](crate::RedisStore::kept_locks).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct KeptLocks {
    /// How many locks are kept now that nobody uses.
    pub kept: usize,
    /// How many were taken again, or below one that is kept, without a request.
    pub hits: u64,
    /// How many were asked for, though they might have been kept: without a lease of their own, and
    /// not as a set.
    pub misses: u64,
    /// How many messages said that somebody else wants something.
    pub recalls: u64,
    /// How many kept locks went back since somebody else wanted them.
    pub given_back: u64,
    /// How many kept locks became those that were held below them, since somebody else wanted a
    /// part of them, or more was done with one of those than to release it.
    pub exchanges: u64,
    /// How often a lock on a node came in place of many that were kept below it, since nobody else
    /// was there.
    pub grown: u64,
}
