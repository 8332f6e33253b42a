#![allow(clippy::disallowed_methods, reason = "a Swarm is waited for: deadlines need a clock")]
//! The managers of a Swarm as a place, through the Docker Engine of one of them.
//!
//! Services, networks, configs and secrets are read and written whole, as JSON; what an engine of another version adds is
//! kept. Volumes are made by tasks on their nodes, and left there.

mod connection;
mod execute;
mod follow;
mod ledger;
mod live;
mod observe;
mod preview;
mod tasks;

use std::sync::Arc;

pub use connection::Patience;
use serde_json::Value as Json;
use tokio::sync::OnceCell;

use self::{
    connection::Connection,
    execute::SwarmWriter,
    ledger::{SwarmLedger, SwarmLedgerWriter},
    live::text,
};
use super::{
    Failure, FailureKind, Hold, Identity, Ledger, LedgerWriter, Observation, Pending, Platform, Progress, Scope, State,
    Verified, Writer,
};
use crate::{
    engine::Engine,
    image::Registries,
    target::Release,
    value::{Key, Masked, Name, Secrets},
};

/// How many requests are on their way at once.
const AT_ONCE: usize = 8;

/// A Swarm.
pub struct Swarm {
    reader: Connection,
    registries: Registries,
    ledger: SwarmLedger,
    identity: OnceCell<Identity>,
    version: OnceCell<preview::Version>,
}

impl Swarm {
    /// The Swarm of an engine, where everything belongs to a stack. Nothing is asked of it yet.
    pub fn new(engine: Engine, stack: Name, registries: Registries, secrets: Arc<Secrets>, patience: Patience) -> Self {
        let reader = Connection { engine, stack, secrets, patience };
        let ledger = SwarmLedger::new(reader.clone());
        Self { reader, registries, ledger, identity: OnceCell::new(), version: OnceCell::new() }
    }

    async fn identified(&self) -> Result<&Identity, Failure> {
        self.identity.get_or_try_init(|| identify(&self.reader)).await
    }

    /// The newest version of the API that the engine speaks.
    async fn version(&self) -> Result<preview::Version, Failure> {
        let ask = || async {
            let answer = self.reader.get("/version", &[], "see which version the engine has").await?;
            let told = text(&answer, "/ApiVersion").split_once('.');
            let parsed = told.and_then(|(major, minor)| Some((major.parse().ok()?, minor.parse().ok()?)));
            Ok(parsed.unwrap_or_default())
        };
        self.version.get_or_try_init(ask).await.copied()
    }

    /// Whoever writes has been told which Swarm it is.
    async fn checked(reader: Connection, place: Identity) -> Result<Connection, Failure> {
        let found = identify(&reader).await?;
        if found.unique == place.unique {
            return Ok(reader);
        }
        let words = format!("{} was another Swarm a moment ago; see which manager answers there", place.server);
        Err(Failure::new(FailureKind::WrongPlace, Masked::words(words)))
    }
}

/// Which Swarm answers: by the id that it was given when it was made.
async fn identify(reader: &Connection) -> Result<Identity, Failure> {
    let info = reader.get("/info", &[], "see which Swarm this is").await?;
    let place = reader.engine.place().to_owned();
    let state = text(&info, "/Swarm/LocalNodeState");
    if info.pointer("/Swarm/ControlAvailable").and_then(Json::as_bool) != Some(true) {
        let words = match state {
            "active" => format!(
                "the Docker Engine at {place} is a worker of its Swarm; name a manager in the Docker context or DOCKER_HOST"
            ),
            "locked" => format!("the Swarm at {place} is locked; unlock it with `docker swarm unlock`"),
            _ => format!(
                "the Docker Engine at {place} is in no Swarm; name a manager in the Docker context or DOCKER_HOST, or \
                 make one of it with `docker swarm init`"
            ),
        };
        return Err(Failure::new(FailureKind::WrongPlace, Masked::words(words)));
    }
    let unique = text(&info, "/Swarm/Cluster/ID");
    let version = text(&info, "/ServerVersion");
    Ok(Identity { server: Masked::words(place), unique: unique.into(), version: version.into() })
}

impl Platform for Swarm {
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
        Ok(Box::new(SwarmWriter::new(self.reader.clone(), self.registries.clone(), place, hold)))
    }

    fn ledger_writer(&self, place: Verified) -> Result<Box<dyn LedgerWriter>, Failure> {
        Ok(Box::new(SwarmLedgerWriter::new(self.ledger.clone(), place)))
    }
}
