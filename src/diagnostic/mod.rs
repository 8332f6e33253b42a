//! What is wrong with what somebody wrote, and what could not be done: findings with a code, a severity,
//! a place and a remedy, in the order they were found.

mod code;
mod finding;
mod nearest;
mod render;
mod view;

pub use code::{Code, Severity, codes};
pub use finding::{Finding, Findings, Label};
pub use nearest::nearest;
pub use render::{Style, render};
pub use view::{FindingView, PlaceView, view};
