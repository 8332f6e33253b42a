#![allow(clippy::disallowed_methods, reason = "a cluster is waited for: deadlines need a clock, kubeconfigs are files")]
//! A Kubernetes cluster as a place.
//!
//! Two clients: the reader, whose transport refuses whatever is no read and no dry run, and the writer, made
//! when there is something to write. Live objects are read as JSON values: what a server of another version
//! adds is kept, and nothing is lost in types of one version.

mod connection;
mod execute;
mod fault;
mod fields;
mod follow;
mod kind;
mod ledger;
mod live;
mod marks;
mod observe;
mod preview;
mod readiness;
mod transport;
mod trouble;

use std::{collections::BTreeMap, sync::Arc};

pub use connection::{ClusterSettings, Patience};
use serde_json::Value as Json;
use tokio::sync::{Mutex, OnceCell};

use self::{
    connection::{Connection, Request},
    execute::ClusterWriter,
    kind::Kind,
    ledger::{ClusterLedger, ClusterLedgerWriter},
};
use super::{
    Failure, FailureKind, Hold, Identity, Ledger, LedgerWriter, Observation, Pending, Platform, Progress, Scope, State,
    Verified, Writer,
};
use crate::{
    target::Release,
    value::{Key, Masked, Secrets},
};

/// How many requests are on their way at once.
const AT_ONCE: usize = 8;

/// A Kubernetes cluster.
pub struct Cluster {
    settings: ClusterSettings,
    reader: Connection,
    kinds: Kinds,
    ledger: ClusterLedger,
    identity: OnceCell<Identity>,
}

impl Cluster {
    /// Opens the kubeconfig and makes the client that reads. Nothing is asked of the server yet.
    pub async fn connect(settings: ClusterSettings, secrets: Arc<Secrets>) -> Result<Self, Failure> {
        let reader = Connection::open(&settings, secrets, true).await?;
        let ledger = ClusterLedger::new(reader.clone(), settings.namespace.clone());
        Ok(Self { settings, kinds: Kinds::new(reader.clone()), reader, ledger, identity: OnceCell::new() })
    }

    async fn identified(&self) -> Result<&Identity, Failure> {
        self.identity.get_or_try_init(|| identify(&self.reader)).await
    }

    /// The client that writes is made where it is used, with the same settings.
    fn write_settings(&self, place: &Verified) -> Result<ClusterSettings, Failure> {
        if *place.identity().server.as_str() == *self.reader.server {
            Ok(self.settings.clone())
        } else {
            let text = format!("{} was checked, and {} would be written", place.identity().server, self.reader.server);
            Err(Failure::new(FailureKind::WrongPlace, Masked::words(text)))
        }
    }
}

impl Platform for Cluster {
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
        Box::pin(follow::follow(&self.reader, &self.kinds, release, keys, progress))
    }

    fn writer(&self, place: Verified, hold: Arc<dyn Hold>) -> Result<Box<dyn Writer>, Failure> {
        let settings = self.write_settings(&place)?;
        Ok(Box::new(ClusterWriter::new(settings, self.reader.clone(), hold)))
    }

    fn ledger_writer(&self, place: Verified) -> Result<Box<dyn LedgerWriter>, Failure> {
        let settings = self.write_settings(&place)?;
        Ok(Box::new(ClusterLedgerWriter::new(settings, self.ledger.clone(), self.reader.secrets.clone())))
    }
}

/// Which cluster answers: by the UID of its first namespace, or by its authority for those who may not see
/// that.
async fn identify(reader: &Connection) -> Result<Identity, Failure> {
    let version = reader.send(&Request::get("/version")).await?;
    let version = version.body.get("gitVersion").and_then(Json::as_str).unwrap_or_default().to_owned();
    let answer = reader.send(&Request::get("/api/v1/namespaces/kube-system")).await?;
    let unique = match answer.accepted() {
        Ok(namespace) => namespace.pointer("/metadata/uid").and_then(Json::as_str).map(Box::from),
        Err(status) if matches!(status.code, 403 | 404) => None,
        Err(status) => return Err(reader.refused(&status, "see which cluster this is")),
    };
    let unique = unique.or_else(|| reader.authority.as_ref().map(|hash| format!("ca:{hash}").into()));
    let unique = unique.unwrap_or_else(|| reader.server.clone());
    Ok(Identity { server: Masked::words(reader.server.to_string()), unique, version: version.into() })
}

/// Kinds by their address form; those that are not built in are looked up once.
struct Kinds {
    reader: Connection,
    found: Mutex<BTreeMap<Box<str>, Option<Kind>>>,
}

impl Kinds {
    fn new(reader: Connection) -> Self {
        Self { reader, found: Mutex::default() }
    }

    /// `None`: the server does not serve it.
    async fn find(&self, text: &str) -> Result<Option<Kind>, Failure> {
        if let Some(kind) = Kind::known(text) {
            return Ok(Some(kind));
        }
        let mut found = self.found.lock().await;
        if let Some(Some(kind)) = found.get(text) {
            return Ok(Some(kind.clone()));
        }
        let Some((path, api_version, name)) = kind::discovery(text) else { return Ok(None) };
        let served = self.reader.get(&path, &format!("see what {api_version} serves")).await?;
        let resources = served.as_ref().and_then(|served| served.get("resources")).and_then(Json::as_array);
        let kind = resources.into_iter().flatten().find_map(|resource| {
            let plural = resource.get("name").and_then(Json::as_str)?;
            let is_it = resource.get("kind").and_then(Json::as_str) == Some(name) && !plural.contains('/');
            is_it.then(|| Kind {
                api_version: api_version.into(),
                name: name.into(),
                plural: plural.into(),
                namespaced: resource.get("namespaced").and_then(Json::as_bool).unwrap_or(true),
            })
        });
        found.insert(text.into(), kind.clone());
        Ok(kind)
    }

    /// The kind that the parent of a set calls `Deployment.apps`.
    async fn by_group(&self, group_kind: &str) -> Result<Option<Kind>, Failure> {
        if let Some(kind) = Kind::made().into_iter().find(|kind| marks::group_kind(kind) == group_kind) {
            return Ok(Some(kind));
        }
        let Some((name, group)) = group_kind.split_once('.') else {
            return self.find(&format!("v1/{group_kind}")).await;
        };
        let served = self.reader.get(&format!("/apis/{group}"), &format!("see what {group} serves")).await?;
        let version = served.as_ref().and_then(|served| served.pointer("/preferredVersion/groupVersion"));
        match version.and_then(Json::as_str) {
            Some(version) => self.find(&format!("{version}/{name}")).await,
            None => Ok(None),
        }
    }
}
