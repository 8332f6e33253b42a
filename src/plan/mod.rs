//! Plans: what would have to change, why, and what that does to what runs. All of it is pure.

mod build;
mod change;
mod difference;
mod record;
mod saved;
mod trace;
mod words;

pub use build::build;
pub use change::{
    Action, Because, Blocked, Call, Cause, Certainty, Change, Consent, Consequence, Difference, Gate, Goal, Kept,
    Options, Plan, Stage, Step, StepId,
};
pub use record::{Record, RecordedResource};
pub use saved::{SavedChange, SavedDifference, SavedPlan, SavedStage, Stale, action_word};
pub use trace::trace;
pub use words::{cause_words, effect_words};
