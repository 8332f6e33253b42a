//! How it ended, as one word; the command line makes its exit code of it.

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
