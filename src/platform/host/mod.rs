#![allow(clippy::disallowed_methods, reason = "a host is waited for: deadlines need a clock")]
//! A Docker host as a place.
//!
//! Read through the engine's API alone; services are written by Docker Compose, layer by layer, everything else by the
//! engine. What a container was made of stands in a label of its own; Docker Compose's hash beside it says whether that
//! is still what is wanted.

mod container;
mod content;
mod document;
mod execute;
mod failure;
mod follow;
mod ledger;
mod observe;
mod program;
mod progress;

use std::{collections::BTreeMap, path::PathBuf, sync::Arc};

pub use program::{DockerCompose, Fed, Invocation, reads_input, subcommand};
use serde_json::Value as Json;
use tokio::sync::OnceCell;

use self::{
    execute::HostWriter,
    failure::failure,
    ledger::{HostLedger, HostLedgerWriter},
};
use super::{
    Failure, FailureKind, Hold, Identity, Ledger, LedgerWriter, Observation, Pending, Platform, Progress, Scope, State,
    Verified, Writer,
};
use crate::{
    engine::{Engine, Patience, Query},
    environment::EngineName,
    target::Release,
    value::{Key, Masked, Secrets},
};

/// How many requests are on their way at once.
const AT_ONCE: usize = 8;

/// Which host, and which project on it.
#[derive(Clone, Debug)]
pub struct HostSettings {
    /// Which engine is meant.
    pub engine: EngineName,
    /// The Compose project that everything belongs to.
    pub project: Box<str>,
    /// Variables of the process: they name engines, and where files may stand in between.
    pub variables: BTreeMap<String, String>,
}

/// One Docker Engine.
#[derive(Clone)]
pub struct Host {
    engine: Engine,
    name: EngineName,
    project: Box<str>,
    /// Where files may stand in between.
    between: PathBuf,
    secrets: Arc<Secrets>,
    ledger: HostLedger,
    identity: Arc<OnceCell<Identity>>,
}

impl Host {
    /// The engine that is meant. Nothing is asked of it yet.
    ///
    /// # Errors
    /// When what names it makes no sense.
    pub fn new(settings: HostSettings, secrets: Arc<Secrets>) -> Result<Self, Failure> {
        let variables = settings.variables;
        let address = settings.engine.address(&variables);
        let engine = address.and_then(|address| Engine::new(address, Patience::default()));
        let engine = engine.map_err(|error| failure(&error, "reach the host", &secrets))?;
        let between = variables.get("TMPDIR").filter(|path| !path.is_empty()).map_or("/tmp", String::as_str);
        Ok(Self {
            ledger: HostLedger::new(engine.clone(), settings.project.clone(), Arc::clone(&secrets)),
            name: settings.engine,
            project: settings.project,
            between: between.into(),
            engine,
            secrets,
            identity: Arc::new(OnceCell::new()),
        })
    }

    async fn get(&self, path: &str, query: Query<'_>, doing: &str) -> Result<Json, Failure> {
        self.engine.get(path, query).await.map_err(|error| failure(&error, doing, &self.secrets))
    }

    async fn find(&self, path: &str, doing: &str) -> Result<Option<Json>, Failure> {
        self.engine.find(path, &[]).await.map_err(|error| failure(&error, doing, &self.secrets))
    }

    async fn identified(&self) -> Result<&Identity, Failure> {
        let identify = || async {
            let information = self.get("/info", &[], "ask which engine it is").await?;
            let text = |name: &str| information.get(name).and_then(Json::as_str).unwrap_or_default();
            Ok(Identity {
                server: Masked::words(self.engine.place()),
                unique: text("ID").into(),
                version: text("ServerVersion").into(),
            })
        };
        self.identity.get_or_try_init(identify).await
    }

    fn verified(&self, place: &Verified) -> Result<(), Failure> {
        if place.identity().server.as_str() == self.engine.place() {
            return Ok(());
        }
        let text = format!("{} was checked, and {} would be written", place.identity().server, self.engine.place());
        Err(Failure::new(FailureKind::WrongPlace, Masked::words(text)))
    }
}

impl Platform for Host {
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
        Box::pin(follow::follow(self, release, keys, progress))
    }

    fn writer(&self, place: Verified, hold: Arc<dyn Hold>) -> Result<Box<dyn Writer>, Failure> {
        self.verified(&place)?;
        Ok(Box::new(HostWriter::new(self, hold)?))
    }

    fn ledger_writer(&self, place: Verified) -> Result<Box<dyn LedgerWriter>, Failure> {
        self.verified(&place)?;
        Ok(Box::new(HostLedgerWriter::new(self.ledger.clone())))
    }
}
