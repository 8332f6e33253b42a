//! Plans: what would have to change, why, and what that does to what runs. All of it is pure.

mod change;
mod record;

pub use change::{
    Action, Because, Blocked, Call, Cause, Certainty, Change, Consent, Consequence, Difference, Gate, Goal, Options,
    Plan, Stage, Step, StepId,
};
pub use record::{Record, RecordedResource};
