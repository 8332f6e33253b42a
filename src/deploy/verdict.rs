//! How it ended, as one word, which is the exit code.

use serde::Serialize;

/// In rising order of weight: of several destinations the heaviest counts.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, schemars::JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// Nothing was to be done.
    Unchanged,
    /// Everything was done and has settled.
    Applied,
    /// What was approved does not hold any more; nothing was changed.
    Stale,
    /// Somebody else deploys; nothing was changed.
    Locked,
    /// A guard, a policy or the lack of consent forbids it; nothing was changed.
    Refused,
    /// It failed before anything was changed.
    Failed,
    /// Told to stop; what was begun stays.
    Interrupted,
    /// Applied, and not ready in time.
    NotReady,
    /// Stopped part-way.
    Mixed,
}

impl Verdict {
    /// The exit code.
    pub const fn exit_code(self) -> u8 {
        match self {
            Self::Unchanged | Self::Applied => 0,
            Self::Failed => 1,
            Self::Stale => 3,
            Self::Locked => 4,
            Self::Refused => 5,
            Self::NotReady => 6,
            Self::Interrupted => 130,
            Self::Mixed => 8,
        }
    }
}
