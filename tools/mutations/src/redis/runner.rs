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
}

impl Runner {
    /// As a word that chooses its faults.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Unit => "unit",
            Self::Servers => "servers",
        }
    }

    /// What cargo is to build.
    pub(super) fn target(self) -> &'static [&'static str] {
        match self {
            Self::Unit => &["--lib"],
            Self::Servers => &["--test", "redis"],
        }
    }

    /// Where its tests are.
    pub(super) fn folder(self) -> &'static str {
        match self {
            Self::Unit => "src",
            Self::Servers => "tests",
        }
    }
}
