#![allow(clippy::disallowed_methods, reason = "Marathon is waited for: deadlines need a clock, tokens are in files")]
//! Marathon as a place: apps through its API, and files in the store that its agents fetch from.
//!
//! Two connections: the one that reads refuses whatever is no read and no dry run, the other is made when there is
//! something to write. Apps are read as JSON values: what a server of another version adds is kept.

mod connection;
mod execute;
mod fault;
mod follow;
mod ledger;
mod live;
mod observe;
mod standing;
mod store;
mod token;

use std::sync::Arc;

pub use connection::{MarathonAccess, Patience};
use serde_json::Value as Json;
pub use token::token;
use tokio::sync::OnceCell;

use self::{
    connection::{Connection, Request},
    execute::MarathonWriter,
    ledger::{MarathonLedger, MarathonLedgerWriter},
};
use super::{
    Failure, FailureKind, Hold, Identity, Ledger, LedgerWriter, Observation, Pending, Platform, Progress, Scope, State,
    Verified, Writer,
};
use crate::{
    target::Release,
    value::{Key, Masked, Secrets},
};

/// A Marathon.
pub struct MarathonPlace {
    access: MarathonAccess,
    reader: Connection,
    ledger: MarathonLedger,
    identity: OnceCell<Identity>,
}

impl MarathonPlace {
    /// Makes the client that reads. Nothing is asked of the server yet.
    pub fn connect(access: MarathonAccess, secrets: Arc<Secrets>) -> Result<Self, Failure> {
        let reader = Connection::open(&access, secrets, true)?;
        let ledger = MarathonLedger::new(reader.clone());
        Ok(Self { access, reader, ledger, identity: OnceCell::new() })
    }

    async fn identified(&self) -> Result<&Identity, Failure> {
        self.identity.get_or_try_init(|| identify(&self.reader)).await
    }

    /// The connection that writes is made where it is used, with the same settings.
    fn open(&self, place: &Verified) -> Result<Connection, Failure> {
        if *place.identity().server.as_str() != *self.reader.server {
            let text = format!("{} was checked, and {} would be written", place.identity().server, self.reader.server);
            return Err(Failure::new(FailureKind::WrongPlace, Masked::words(text)));
        }
        Connection::open(&self.access, Arc::clone(&self.reader.secrets), false)
    }
}

impl Platform for MarathonPlace {
    fn identify(&self) -> Pending<'_, Result<Identity, Failure>> {
        Box::pin(async { self.identified().await.cloned() })
    }

    fn observe<'a>(&'a self, scope: Scope<'a>) -> Pending<'a, Result<Observation, Failure>> {
        Box::pin(observe::observe(self, scope))
    }

    fn ledger(&self) -> &dyn Ledger {
        &self.ledger
    }

    fn follow<'a>(
        &'a self,
        release: &'a Release,
        keys: &'a [Key],
        progress: &'a dyn Progress,
    ) -> Pending<'a, Result<Vec<(Key, State)>, Failure>> {
        Box::pin(follow::follow(&self.reader, release, keys, progress))
    }

    fn writer(&self, place: Verified, hold: Arc<dyn Hold>) -> Result<Box<dyn Writer>, Failure> {
        Ok(Box::new(MarathonWriter::new(self.open(&place)?, hold)))
    }

    fn ledger_writer(&self, place: Verified) -> Result<Box<dyn LedgerWriter>, Failure> {
        Ok(Box::new(MarathonLedgerWriter::new(self.open(&place)?, self.ledger.clone())))
    }
}

/// Which Marathon answers: by the framework that it is to Mesos, which stays when its leader changes.
async fn identify(reader: &Connection) -> Result<Identity, Failure> {
    let doing = "see which Marathon this is";
    let info = reader.send(&Request::get("/v2/info")).await?;
    let info = info.accepted().map_err(|status| reader.refused(&status, doing))?;
    let text = |name: &str| info.get(name).and_then(Json::as_str).filter(|text| !text.is_empty());
    let Some(unique) = text("frameworkId") else {
        let words = format!("{} is no Marathon, or not registered at Mesos; check the address", reader.server);
        return Err(Failure::new(FailureKind::Other, Masked::words(words)));
    };
    let version = text("version").unwrap_or_default().into();
    Ok(Identity { server: Masked::words(reader.server.to_string()), unique: unique.into(), version })
}
