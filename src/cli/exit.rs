//! How a run ended, in the one number that scripts read.

use crate::{
    diagnostic::Findings,
    platform::{Failure, FailureKind},
    value::{Masked, Name},
};

/// The table of exit codes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Exit {
    /// Done, or nothing to do.
    Done,
    /// Failed; nothing was changed.
    Failed,
    /// There are changes; only where `--exit-code` asks.
    Changes,
    /// The plan is stale.
    Stale,
    /// Somebody else holds the deploy lock.
    Locked,
    /// Refused by a guard, a policy, or for lack of consent.
    Refused,
    /// Applied, but not ready in time.
    NotReady,
    /// Failed and rolled back.
    RolledBack,
    /// Stopped part-way, or the roll-back failed.
    PartWay,
    /// The command line is not one.
    Usage,
    /// Interrupted from the keyboard.
    Interrupted,
    /// Told to end.
    Terminated,
    /// What another program ended with, in whose place this one stood.
    Theirs(u8),
}

impl Exit {
    /// The number.
    pub const fn code(self) -> u8 {
        match self {
            Self::Done => 0,
            Self::Failed => 1,
            Self::Changes => 2,
            Self::Stale => 3,
            Self::Locked => 4,
            Self::Refused => 5,
            Self::NotReady => 6,
            Self::RolledBack => 7,
            Self::PartWay => 8,
            Self::Usage => 64,
            Self::Interrupted => 130,
            Self::Terminated => 143,
            Self::Theirs(code) => code,
        }
    }
}

/// Findings that end a command.
#[derive(Debug, thiserror::Error)]
#[error("the findings above forbid going on")]
pub(super) struct Found(pub(super) Findings);

/// A command that ends for a reason that is no finding.
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
pub(super) struct Stop {
    pub(super) exit: Exit,
    pub(super) message: Masked,
    pub(super) help: Option<Masked>,
}

impl Stop {
    pub(super) fn new(exit: Exit, message: impl Into<String>) -> Self {
        Self { exit, message: Masked::words(message), help: None }
    }

    /// A service that nobody knows, with those there are.
    pub(super) fn unknown_service<'n>(message: String, known: impl IntoIterator<Item = &'n Name>) -> Self {
        let list: Vec<String> = known.into_iter().map(|name| format!("`{name}`")).collect();
        Self::new(Exit::Usage, message).help(format!("there are {}", list.join(", ")))
    }

    pub(super) fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(Masked::words(help));
        self
    }
}

/// What a failure of a place means before anything was written there.
pub(super) const fn of_failure(failure: &Failure) -> Exit {
    match failure.kind {
        FailureKind::Locked => Exit::Locked,
        FailureKind::WrongPlace => Exit::Refused,
        _ => Exit::Failed,
    }
}
