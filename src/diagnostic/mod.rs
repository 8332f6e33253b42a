//! What is wrong with what somebody wrote, and what could not be done: findings with a code, a severity,
//! a place and a remedy, in the order they were found.

mod code;
mod finding;
mod nearest;

pub use code::{Code, Severity, codes};
pub use finding::{Finding, Findings, Label};
pub use nearest::nearest;
