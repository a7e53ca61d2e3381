//! [`Kind`]: the faults, and which of them a round has.

use std::fmt;

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Kind {
    KillHolder,
    KillWaiter,
    KillGranted,
    StopWorker,
    KillServer,
    StopServer,
    KillClients,
    PauseClients,
    FlushScripts,
    FlushAll,
    FullMemory,
    Delay,
    Freeze,
    Cut,
    LoseAnswers,
    LoseRequests,
    LoseMessages,
}

use Kind::*;

impl Kind {
    pub(crate) const ALL: [Self; 17] = [
        KillHolder,
        KillWaiter,
        KillGranted,
        StopWorker,
        KillServer,
        StopServer,
        KillClients,
        PauseClients,
        FlushScripts,
        FlushAll,
        FullMemory,
        Delay,
        Freeze,
        Cut,
        LoseAnswers,
        LoseRequests,
        LoseMessages,
    ];

    /// Whether the proxy does it.
    pub(crate) fn is_of_network(self) -> bool {
        matches!(self, Delay | Freeze | Cut | LoseAnswers | LoseRequests | LoseMessages)
    }

    pub(crate) fn kills_workers(self) -> bool {
        matches!(self, KillHolder | KillWaiter | KillGranted)
    }

    /// Their names, with commas between them; an empty text is none.
    pub(crate) fn parse(names: &str) -> Result<Vec<Self>, String> {
        let names = names.split(',').map(str::trim).filter(|name| !name.is_empty());
        names
            .map(|name| {
                let kind = Self::ALL.into_iter().find(|kind| kind.to_string() == name);
                kind.ok_or_else(|| {
                    let all: Vec<String> = Self::ALL.iter().map(Self::to_string).collect();
                    format!("{name} is no kind of fault; there are: {}", all.join(", "))
                })
            })
            .collect()
    }

    /// One in four, and of those that kill workers one in six: a round with few kinds finds what
    /// one with all of them hides.
    pub(crate) fn draw(random: &mut fastrand::Rng) -> Vec<Self> {
        let rarely = |kind: Self| if kind.kills_workers() { 6 } else { 4 };
        let mut kinds: Vec<Self> = Self::ALL.into_iter().filter(|&kind| random.u8(..rarely(kind)) == 0).collect();
        if kinds.is_empty() {
            kinds.push(Self::ALL[random.usize(..Self::ALL.len())]);
        }
        kinds
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            KillHolder => "kill holders",
            KillWaiter => "kill waiters",
            KillGranted => "kill the just granted",
            StopWorker => "stop workers",
            KillServer => "kill the server",
            StopServer => "stop the server",
            KillClients => "CLIENT KILL",
            PauseClients => "CLIENT PAUSE",
            FlushScripts => "SCRIPT FLUSH",
            FlushAll => "FLUSHALL",
            FullMemory => "maxmemory",
            Delay => "delay",
            Freeze => "freeze",
            Cut => "cut",
            LoseAnswers => "lose answers",
            LoseRequests => "lose requests",
            LoseMessages => "lose messages",
        })
    }
}

/// How the server keeps its data.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Persistence {
    None,
    EverySecond,
    /// A server process that is killed loses nothing that anybody was told of: an answer leaves it
    /// after the write to its log, and the write is in the operating system's hands from then on.
    Always,
}

impl Persistence {
    pub(crate) fn draw(random: &mut fastrand::Rng) -> Self {
        [Self::None, Self::EverySecond, Self::Always][random.usize(..3)]
    }

    pub(crate) fn options(self) -> &'static [&'static str] {
        match self {
            Self::None => &[],
            Self::EverySecond => &["--appendonly", "yes", "--appendfsync", "everysec"],
            Self::Always => &["--appendonly", "yes", "--appendfsync", "always"],
        }
    }

    /// What a loss is put down to when the server is killed. `None`: there must be none.
    pub(crate) fn loses(self) -> Option<&'static str> {
        match self {
            Self::None => Some("the server killed, no persistence"),
            // Its writes may be put off while the disk is busy.
            Self::EverySecond => Some("the server killed, AOF everysec"),
            Self::Always => None,
        }
    }
}

impl fmt::Display for Persistence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::None => "no persistence",
            Self::EverySecond => "AOF everysec",
            Self::Always => "AOF always",
        })
    }
}
