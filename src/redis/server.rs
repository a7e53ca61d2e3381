//! [`Server`]: a server, as far as it has to be known to tell what it may have forgotten.

/// One run of one server. Names have 40 characters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::redis) struct Server {
    /// The name of this run: another one after each start.
    pub(in crate::redis) run: String,
    /// The name of its history, which its replicas share.
    pub(in crate::redis) history: String,
    /// The name of the history that it had as a replica, before it became master; zeros if it was
    /// none.
    pub(in crate::redis) earlier: String,
    /// Its node in a cluster, as `CLUSTER MYID` says; empty if it is in none, or was not asked.
    pub(in crate::redis) node: String,
    /// For how long it had been up when it was asked, in microseconds.
    pub(in crate::redis) up: u64,
}

impl Server {
    /// From the answer to `INFO`. `None` if it says no name.
    pub(in crate::redis) fn of_info(info: &str) -> Option<Self> {
        let field = |name: &str| {
            let line = info.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
            line.map(|value| value.trim().to_owned())
        };
        let name = |name| field(name).filter(|name| name.len() == NAME);
        let none = || "0".repeat(NAME);
        Some(Self {
            run: name("run_id")?,
            history: name("master_replid").unwrap_or_else(none),
            earlier: name("master_replid2").unwrap_or_else(none),
            node: String::new(),
            up: field("uptime_in_seconds")?.parse::<u64>().ok()?.saturating_mul(1_000_000),
        })
    }

    /// Whether an answer to `INFO` says that it is in a cluster.
    pub(in crate::redis) fn is_in_cluster(info: &str) -> bool {
        info.lines().any(|line| line.trim() == "redis_mode:cluster")
    }
}

/// How many characters a name has.
const NAME: usize = 40;

#[cfg(test)]
mod tests;
