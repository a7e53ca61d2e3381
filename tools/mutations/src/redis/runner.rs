//! What runs the tests that have to notice a fault.

/// Folders of the repository that a broken copy has beside `src/`.
pub(super) const FOLDERS: [&str; 3] = ["docs", "tests/redis", "tests/common"];

/// A way to build and run tests of a broken copy. A test is named as its program names it.
///
/// Another one, as a simulator, is one more name here. It needs a target that cargo builds in the
/// copy (its folder among [`FOLDERS`]), and that takes the name of a test.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Runner {
    /// The unit tests: no server, no time.
    Unit,
    /// The tests against real servers.
    Servers,
    /// Threads in orders that shuttle draws.
    Shuttle,
}

impl Runner {
    /// As a word that chooses its faults.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Unit => "unit",
            Self::Servers => "servers",
            Self::Shuttle => "shuttle",
        }
    }

    /// What cargo is to build.
    pub(super) fn target(self) -> &'static [&'static str] {
        match self {
            Self::Unit | Self::Shuttle => &["--lib"],
            Self::Servers => &["--test", "redis"],
        }
    }

    /// Where its tests are.
    pub(super) fn folder(self) -> &'static str {
        match self {
            Self::Unit | Self::Shuttle => "src",
            Self::Servers => "tests",
        }
    }

    /// What rustc is told, and the folder for what it makes of that.
    pub(super) fn build(self) -> (&'static str, &'static str) {
        match self {
            Self::Unit | Self::Servers => ("-A warnings", "build"),
            Self::Shuttle => ("-A warnings --cfg mutextree_shuttle", "build-shuttle"),
        }
    }
}
