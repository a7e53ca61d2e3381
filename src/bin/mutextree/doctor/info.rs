//! What a server says of itself in `INFO`, judged. Nothing is asked here.

use super::Finding;

/// What a server is to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Part {
    /// The one server of a URL.
    Alone,
    /// One of several, which the others say is a master.
    Master,
    /// One of several, which the others say is a replica.
    Replica,
}

/// The fields of `INFO`.
#[derive(Debug)]
pub(super) struct Info(String);

impl Info {
    pub(super) fn new(text: String) -> Self {
        Self(text)
    }

    pub(super) fn field(&self, name: &str) -> Option<&str> {
        self.0.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':')).map(str::trim)
    }

    fn number(&self, name: &str) -> u64 {
        self.field(name).and_then(|value| value.parse().ok()).unwrap_or(0)
    }

    pub(super) fn findings(&self, part: Part) -> Vec<Finding> {
        let own = [self.version(), self.memory(), self.persistence()];
        match part {
            Part::Alone => own.into_iter().chain([self.replication(), self.cluster()]).collect(),
            Part::Master => own.into_iter().chain([self.as_master()]).collect(),
            // It has no locks of its own: what is wrong with it matters once it is master.
            Part::Replica => own.into_iter().map(Finding::for_later).chain([self.as_replica()]).collect(),
        }
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
            let advice = "name the master itself in the URL, as a replica refuses locks; or the Sentinels, as redis-sentinel://host:port,host:port/service";
            return Finding::bad(WHAT, master, advice);
        }
        match self.number("connected_slaves") {
            0 => Finding::good(WHAT, "a master without replicas"),
            replicas => Self::with_replicas(replicas),
        }
    }

    fn with_replicas(replicas: u64) -> Finding {
        Finding::doubtful(
            "replication",
            format!("a master with {replicas} {}", if replicas == 1 { "replica" } else { "replicas" }),
            "know that a failover can lose the locks of the last moments, as replication is asynchronous: check fencing tokens where it matters",
        )
    }

    /// Of a server that others say is a master.
    fn as_master(&self) -> Finding {
        const WHAT: &str = "replication";
        if self.field("role") != Some("master") {
            let advice = "look again in a moment: a failover seems to go on";
            return Finding::doubtful(WHAT, "others name it as master, and it says that it is a replica", advice);
        }
        match self.number("connected_slaves") {
            0 => Finding::doubtful(
                WHAT,
                "a master without replicas",
                "add one, or start those that there are: without it nobody takes over",
            ),
            replicas => Self::with_replicas(replicas),
        }
    }

    /// Of a server that others say is a replica.
    fn as_replica(&self) -> Finding {
        const WHAT: &str = "replication";
        let of = match (self.field("master_host"), self.field("master_port")) {
            (Some(host), Some(port)) => format!("a replica of {host}:{port}"),
            _ => {
                let advice = "look again in a moment: a failover seems to go on";
                return Finding::doubtful(WHAT, "others name it as a replica, and it says that it is a master", advice);
            }
        };
        if self.field("master_link_status") == Some("up") {
            return Finding::good(WHAT, format!("{of}, and follows it"));
        }
        let advice = "look into its log, why it does not follow its master: as it is it would take over with old locks";
        Finding::doubtful(WHAT, format!("{of}, and has no connection to it"), advice)
    }

    fn cluster(&self) -> Finding {
        const WHAT: &str = "cluster";
        if self.field("cluster_enabled") == Some("1") {
            return Finding::doubtful(
                WHAT,
                "this is a node of a cluster",
                "use redis-cluster://host:port in the URL, with some of its nodes: that finds the one that has the tree, also when it moves",
            );
        }
        Finding::good(WHAT, "none: one server decides")
    }
}

#[cfg(test)]
mod tests;
