//! What a server says of itself in `INFO`, judged. Nothing is asked here.

use super::Finding;

/// The fields of `INFO`.
#[derive(Debug)]
pub(super) struct Info(String);

impl Info {
    pub(super) fn new(text: String) -> Self {
        Self(text)
    }

    fn field(&self, name: &str) -> Option<&str> {
        self.0.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':')).map(str::trim)
    }

    fn number(&self, name: &str) -> u64 {
        self.field(name).and_then(|value| value.parse().ok()).unwrap_or(0)
    }

    pub(super) fn findings(&self) -> Vec<Finding> {
        vec![self.version(), self.memory(), self.persistence(), self.replication(), self.cluster()]
    }

    fn version(&self) -> Finding {
        const WHAT: &str = "version";
        // Others that speak its protocol say which Redis they are like.
        let name = self.field("server_name").unwrap_or("redis");
        let Some(version) = self.field("redis_version") else {
            return Finding::bad(WHAT, "the server does not say what it is", "use a Redis server, 7.0 or later");
        };
        let major = version.split('.').next().and_then(|major| major.parse::<u32>().ok());
        if major.is_none_or(|major| major < 7) {
            return Finding::bad(WHAT, format!("{name} {version}"), "use Redis 7.0 or later");
        }
        Finding::good(WHAT, format!("{name} {version}"))
    }

    fn memory(&self) -> Finding {
        const WHAT: &str = "memory";
        let policy = self.field("maxmemory_policy").unwrap_or("unknown");
        let limit = self.number("maxmemory");
        if limit == 0 {
            return Finding::good(WHAT, format!("no limit (maxmemory 0), policy {policy}"));
        }
        let used = self.number("used_memory");
        let found = format!("{} of {} MB used, policy {policy}", used >> 20, limit >> 20);
        if policy.starts_with("allkeys") {
            return Finding::bad(WHAT, found, "set maxmemory-policy to noeviction: with this one locks are evicted");
        }
        if used > limit / 10 * 9 {
            return Finding::doubtful(WHAT, found, "raise maxmemory: when it is reached, locks are refused");
        }
        Finding::good(WHAT, found)
    }

    /// A server that forgets its locks tells their holders late.
    fn persistence(&self) -> Finding {
        const WHAT: &str = "persistence";
        if self.field("aof_enabled") == Some("1") {
            return Finding::good(WHAT, "on (append-only file)");
        }
        Finding::doubtful(
            WHAT,
            "no append-only file",
            "set appendonly yes, or accept that a restart forgets the locks; holders learn of it at their next renewal",
        )
    }

    fn replication(&self) -> Finding {
        const WHAT: &str = "replication";
        if self.field("role") != Some("master") {
            let master = match (self.field("master_host"), self.field("master_port")) {
                (Some(host), Some(port)) => format!("a replica of {host}:{port}"),
                _ => "no master".into(),
            };
            return Finding::bad(WHAT, master, "name the master itself in the URL: a replica refuses locks");
        }
        match self.number("connected_slaves") {
            0 => Finding::good(WHAT, "a master without replicas"),
            replicas => Finding::doubtful(
                WHAT,
                format!("a master with {replicas} replicas"),
                "know that a failover can lose the locks of the last moments, as replication is asynchronous: check fencing tokens where it matters",
            ),
        }
    }

    fn cluster(&self) -> Finding {
        const WHAT: &str = "cluster";
        if self.field("cluster_enabled") == Some("1") {
            return Finding::doubtful(
                WHAT,
                "this is a node of a cluster",
                "name the node that has the slot of the tree (CLUSTER KEYSLOT '{tree}:n'), or use a server that is no cluster",
            );
        }
        Finding::good(WHAT, "none: one server decides")
    }
}

#[cfg(test)]
mod tests;
