//! Carrying out a plan: the lock, the record, the steps, the waiting, and how it ended. Nothing of any one
//! target.

mod apply;
mod history;
mod hold;
mod look;
mod verdict;

pub use apply::{Approved, Deployment, Outcome, apply, content_key};
pub use history::history;
pub use hold::{Lease, LockState, lock_state};
pub use look::{Outlook, Site};
pub use verdict::Verdict;
