//! The ledger on a host: a volume per entry, the entry in its labels. Labels can never change, and making a volume that
//! is there gives the one that is there: the nonce that comes back says whose it is.

use std::sync::Arc;

use http::HeaderMap;
use serde_json::{Value as Json, json};
use sha2::{Digest as _, Sha256};

use super::{container::label, failure::failure};
use crate::{
    engine::Engine,
    platform::{EntryName, Failure, FailureKind, Ledger, LedgerWriter, Pending},
    session::Session,
    target::naming::{base32, slug},
    value::{Application, Secrets},
};

/// Whose ledger.
const LEDGER: &str = "dev.transship.ledger";
/// The name of an entry.
const ENTRY: &str = "dev.transship.entry";
/// Who made it.
const NONCE: &str = "dev.transship.nonce";
/// What it holds.
const BODY: &str = "dev.transship.body";

/// The ledger, to read.
#[derive(Clone)]
pub(super) struct HostLedger {
    engine: Engine,
    /// The same application may be there once more, as another project.
    project: Box<str>,
    secrets: Arc<Secrets>,
}

impl HostLedger {
    pub(super) const fn new(engine: Engine, project: Box<str>, secrets: Arc<Secrets>) -> Self {
        Self { engine, project, secrets }
    }

    /// Whose entries they are.
    fn mark(&self, application: &Application) -> String {
        format!("{application} as {}", self.project)
    }

    /// The name of the volume of an entry.
    fn volume(&self, application: &Application, name: &EntryName) -> String {
        let hash = base32(&Sha256::digest(self.mark(application).as_bytes()), 6);
        format!("transship_{}-{hash}_{}", slug(&self.project, 40), name.0.replace('/', "."))
    }

    fn failed(&self, error: &crate::engine::Error, doing: &str) -> Failure {
        failure(error, doing, &self.secrets)
    }
}

impl Ledger for HostLedger {
    fn list<'a>(&'a self, application: &'a Application) -> Pending<'a, Result<Vec<EntryName>, Failure>> {
        Box::pin(async move {
            let filters = json!({"label": [format!("{LEDGER}={}", self.mark(application))]}).to_string();
            let list = self.engine.get("/volumes", &[("filters", &filters)]).await;
            let list = list.map_err(|error| self.failed(&error, "read the ledger"))?;
            let volumes = list.get("Volumes").and_then(Json::as_array).into_iter().flatten();
            let names = volumes.filter_map(|volume| label(volume.get("Labels"), ENTRY));
            let mut names: Vec<EntryName> = names.map(|name| EntryName(name.into())).collect();
            names.sort();
            Ok(names)
        })
    }

    fn read<'a>(
        &'a self,
        application: &'a Application,
        name: &'a EntryName,
    ) -> Pending<'a, Result<Option<Vec<u8>>, Failure>> {
        Box::pin(async move {
            let path = format!("/volumes/{}", self.volume(application, name));
            let found = self.engine.find(&path, &[]).await;
            let found = found.map_err(|error| self.failed(&error, "read the ledger"))?;
            Ok(found.and_then(|volume| Some(label(volume.get("Labels"), BODY)?.as_bytes().to_vec())))
        })
    }
}

/// The ledger, to write.
pub(super) struct HostLedgerWriter(HostLedger);

impl HostLedgerWriter {
    pub(super) const fn new(ledger: HostLedger) -> Self {
        Self(ledger)
    }
}

impl LedgerWriter for HostLedgerWriter {
    fn reader(&self) -> &dyn Ledger {
        &self.0
    }

    fn create<'a>(
        &'a self,
        application: &'a Application,
        name: &'a EntryName,
        body: &'a [u8],
    ) -> Pending<'a, Result<bool, Failure>> {
        Box::pin(async move {
            let doing = "write the ledger";
            let other = |text: &'static str| Failure::new(FailureKind::Other, text.into());
            let random = Session::random().map_err(|_| other("the machine gives no random bytes"))?;
            let nonce = base32(&random, 26);
            let body = std::str::from_utf8(body).map_err(|_| other("an entry of the ledger is no text"))?;
            let volume = json!({
                "Name": self.0.volume(application, name),
                "Labels": {LEDGER: self.0.mark(application), ENTRY: &*name.0, NONCE: nonce, BODY: body},
            });
            let made = self.0.engine.writer().post("/volumes/create", &[], HeaderMap::new(), Some(&volume)).await;
            let made = made.map_err(|error| self.0.failed(&error, doing))?;
            Ok(label(made.get("Labels"), NONCE) == Some(nonce.as_str()))
        })
    }

    fn remove<'a>(&'a self, application: &'a Application, name: &'a EntryName) -> Pending<'a, Result<(), Failure>> {
        Box::pin(async move {
            let path = format!("/volumes/{}", self.0.volume(application, name));
            match self.0.engine.writer().delete(&path, &[]).await {
                Ok(_) => Ok(()),
                Err(error) if error.is_missing() => Ok(()),
                Err(error) => Err(self.0.failed(&error, "remove an entry of the ledger")),
            }
        })
    }
}
