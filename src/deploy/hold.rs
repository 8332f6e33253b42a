//! The deploy lock: numbered entries of the ledger, of which the highest counts. Taking it is creating the next
//! one, which fails when somebody else was faster.

use std::sync::atomic::{AtomicU64, Ordering};

use serde::{Deserialize, Serialize};

use crate::{
    platform::{EntryName, Failure, FailureKind, Hold, Ledger, LedgerWriter},
    value::{Application, Masked},
};

/// How long a lock is good without being renewed, seconds.
const GOOD_FOR: u64 = 30 * 60;

/// What a lock entry says.
#[derive(Clone, Debug, Serialize, Deserialize, PartialEq, Eq)]
pub struct Lease {
    /// Whether somebody holds it.
    pub held: bool,
    /// Who.
    pub by: String,
    /// Since when, seconds since 1970.
    pub at: u64,
    /// Until when, seconds since 1970.
    pub until: u64,
}

/// The lock as it stands.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LockState {
    /// The highest entry; 0 when there is none.
    pub number: u64,
    /// What it says.
    pub lease: Option<Lease>,
}

/// Reads the lock.
pub async fn lock_state(ledger: &dyn Ledger, application: &Application) -> Result<LockState, Failure> {
    let number = highest(ledger, application).await?;
    if number == 0 {
        return Ok(LockState::default());
    }
    let body = ledger.read(application, &name(number)).await?;
    Ok(LockState { number, lease: body.and_then(|body| serde_json::from_slice(&body).ok()) })
}

async fn highest(ledger: &dyn Ledger, application: &Application) -> Result<u64, Failure> {
    let names = ledger.list(application).await?;
    Ok(names.iter().filter_map(|name| name.0.strip_prefix("lock/")?.parse().ok()).max().unwrap_or(0))
}

fn name(number: u64) -> EntryName {
    EntryName(format!("lock/{number}").into())
}

/// The lock while it is ours.
#[derive(Debug)]
pub(super) struct Held {
    until: u64,
    now: fn() -> u64,
    number: AtomicU64,
}

impl Hold for Held {
    fn still_ours(&self) -> Result<(), Failure> {
        if (self.now)() < self.until {
            return Ok(());
        }
        let text = "the deploy lock has run out while this was going on; nothing more is written";
        Err(Failure::new(FailureKind::Locked, text.into()))
    }
}

/// Takes the lock, or says who has it.
pub(super) async fn take(
    ledger: &dyn LedgerWriter,
    application: &Application,
    by: &str,
    now: fn() -> u64,
) -> Result<Held, Failure> {
    let state = lock_state(ledger, application).await?;
    let at = now();
    if let Some(lease) = state.lease.as_ref().filter(|lease| lease.held && lease.until > at) {
        let minutes = (lease.until - at).div_ceil(60);
        let words = format!(
            "{} has been deploying {application} since {} seconds; the lock runs out in {minutes} minutes",
            lease.by,
            at.saturating_sub(lease.at)
        );
        return Err(Failure::new(FailureKind::Locked, Masked::words(words)));
    }
    let number = state.number + 1;
    let lease = Lease { held: true, by: by.to_owned(), at, until: at + GOOD_FOR };
    let body = serde_json::to_vec(&lease).unwrap_or_default();
    if ledger.create(application, &name(number), &body).await? {
        Ok(Held { until: lease.until, now, number: AtomicU64::new(number) })
    } else {
        let words = format!("somebody else began to deploy {application} at this moment");
        Err(Failure::new(FailureKind::Locked, Masked::words(words)))
    }
}

/// Gives the lock back, and clears away entries that count no more.
pub(super) async fn give_back(
    ledger: &dyn LedgerWriter,
    application: &Application,
    held: &Held,
    by: &str,
) -> Result<(), Failure> {
    let number = held.number.load(Ordering::Relaxed);
    let at = (held.now)();
    let lease = Lease { held: false, by: by.to_owned(), at, until: at };
    let body = serde_json::to_vec(&lease).unwrap_or_default();
    if ledger.create(application, &name(number + 1), &body).await? {
        for entry in ledger.list(application).await? {
            if entry
                .0
                .strip_prefix("lock/")
                .and_then(|text| text.parse::<u64>().ok())
                .is_some_and(|known| known <= number)
            {
                ledger.remove(application, &entry).await?;
            }
        }
    }
    Ok(())
}
