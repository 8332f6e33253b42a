//! The deploy lock: numbered entries of the ledger, of which the highest counts. Taking it is creating the next
//! one, which fails when somebody else was faster.

use std::{
    convert::Infallible,
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

use serde::{Deserialize, Serialize};

use crate::{
    platform::{EntryName, Failure, FailureKind, Hold, Ledger, LedgerWriter, What},
    value::{Application, Masked},
};

/// How long a lock is good without being renewed: what a killed run keeps others waiting.
const GOOD_FOR: Duration = Duration::from_secs(60);
/// Between two looks at a lock that somebody else holds.
const LOOK: Duration = Duration::from_secs(1);

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
    until: AtomicU64,
    now: fn() -> u64,
    number: AtomicU64,
}

impl Hold for Held {
    fn still_ours(&self) -> Result<(), Failure> {
        if (self.now)() < self.until.load(Ordering::Relaxed) {
            return Ok(());
        }
        let text = "the deploy lock has run out while this was going on; nothing more is written";
        Err(Failure::new(FailureKind::Locked, text.into()))
    }
}

/// The lock of one application, and who wants it.
pub(super) struct Lock<'a> {
    pub(super) ledger: &'a dyn LedgerWriter,
    pub(super) application: &'a Application,
    pub(super) by: &'a str,
    pub(super) now: fn() -> u64,
}

impl Lock<'_> {
    /// Takes the lock, or says who has it. Waits for as long as `patience` allows.
    pub(super) async fn take(&self, patience: Duration, told: &(dyn Fn(What) + Sync)) -> Result<Held, Failure> {
        let until = (self.now)() + patience.as_secs();
        loop {
            match self.try_take().await {
                Err(failure) if failure.kind == FailureKind::Locked && (self.now)() < until => {
                    told(What::Doing(Masked::words(format!("waiting: {failure}"))));
                    tokio::time::sleep(LOOK).await;
                }
                other => return other,
            }
        }
    }

    async fn try_take(&self) -> Result<Held, Failure> {
        let application = self.application;
        let state = lock_state(self.ledger.reader(), application).await?;
        let at = (self.now)();
        if let Some(lease) = state.lease.as_ref().filter(|lease| lease.held && lease.until > at) {
            let words = format!(
                "{} has been deploying {application} for {} s; its lock runs out in {} s if it is not renewed",
                lease.by,
                at.saturating_sub(lease.at),
                lease.until - at
            );
            return Err(Failure::new(FailureKind::Locked, Masked::words(words)));
        }
        let held = Held { until: AtomicU64::new(0), now: self.now, number: AtomicU64::new(state.number) };
        if self.next(&held, at, true).await? {
            Ok(held)
        } else {
            let words = format!("somebody else began to deploy {application} at this moment");
            Err(Failure::new(FailureKind::Locked, Masked::words(words)))
        }
    }

    /// The next entry; false when somebody else made it.
    async fn next(&self, held: &Held, since: u64, hold: bool) -> Result<bool, Failure> {
        let number = held.number.load(Ordering::Relaxed) + 1;
        let at = (self.now)();
        let until = if hold { at + GOOD_FOR.as_secs() } else { at };
        let lease = Lease { held: hold, by: self.by.to_owned(), at: since, until };
        let body = serde_json::to_vec(&lease).unwrap_or_default();
        let made = self.ledger.create(self.application, &name(number), &body).await?;
        if made {
            held.number.store(number, Ordering::Relaxed);
            held.until.store(until, Ordering::Relaxed);
        }
        Ok(made)
    }

    /// Renews the lock for as long as it is ours. What cannot be renewed runs out, and writing stops by itself.
    pub(super) async fn keep(&self, held: &Held) -> Infallible {
        let since = (self.now)();
        loop {
            tokio::time::sleep(GOOD_FOR / 3).await;
            if held.still_ours().is_err() {
                return std::future::pending().await;
            }
            match self.next(held, since, true).await {
                Ok(true) => {
                    // Entries that count no more; one that stays is cleared away later.
                    let _ = self.clear(held.number.load(Ordering::Relaxed)).await;
                }
                Ok(false) => {
                    // Taken over: nothing more may be written.
                    held.until.store(0, Ordering::Relaxed);
                    return std::future::pending().await;
                }
                Err(_) => {}
            }
        }
    }

    /// Gives the lock back, and clears away entries that count no more.
    pub(super) async fn give_back(&self, held: &Held) -> Result<(), Failure> {
        if self.next(held, (self.now)(), false).await? {
            self.clear(held.number.load(Ordering::Relaxed)).await?;
        }
        Ok(())
    }

    /// Removes the entries before this one.
    async fn clear(&self, number: u64) -> Result<(), Failure> {
        for entry in self.ledger.reader().list(self.application).await? {
            let known = entry.0.strip_prefix("lock/").and_then(|text| text.parse::<u64>().ok());
            if known.is_some_and(|known| known < number) {
                self.ledger.remove(self.application, &entry).await?;
            }
        }
        Ok(())
    }
}
