//! The ledger: a Secret per entry. Creating one that exists fails, whoever else tries at the same moment.

use std::sync::Arc;

use base64::Engine as _;
use http::Method;
use serde_json::{Value as Json, json};
use tokio::sync::OnceCell;

use super::{
    ClusterSettings,
    connection::{Connection, Request},
    fields::MANAGER,
    kind::Kind,
    marks,
};
use crate::{
    platform::{
        EntryName, Failure, FailureKind, Ledger, LedgerWriter, Pending,
        entry::{decoded, nonce},
    },
    value::{Application, Fingerprint, Masked, Name, Secrets},
};

/// The largest piece of an entry: a Secret holds a megabyte in all.
const PIECE: usize = 700 * 1024;

/// Label: the ledger an object belongs to.
const LEDGER: &str = "transship.dev/ledger";
/// Label of a piece: the Secret it is a piece of.
const PIECE_OF: &str = "transship.dev/piece-of";
/// Annotation: the entry's name.
const ENTRY: &str = "transship.dev/entry";
/// Annotation: tells one try to create an entry from another's.
const NONCE: &str = "transship.dev/nonce";
/// Annotation: names of the pieces, in order.
const PIECES: &str = "transship.dev/pieces";
/// Type of the Secrets.
const TYPE: &str = "transship.dev/entry";

/// Reads a ledger.
#[derive(Clone)]
pub(super) struct ClusterLedger {
    reader: Connection,
    namespace: Name,
}

impl ClusterLedger {
    pub(super) fn new(reader: Connection, namespace: Name) -> Self {
        Self { reader, namespace }
    }

    fn collection(&self) -> String {
        Kind::known("v1/Secret").map(|kind| kind.collection(Some(&self.namespace))).unwrap_or_default()
    }

    fn path(&self, name: &str) -> String {
        format!("{}/{name}", self.collection())
    }

    async fn secret(&self, name: &str) -> Result<Option<Json>, Failure> {
        let doing = format!("read the ledger (Secret {}/{name})", self.namespace);
        self.reader.get(&self.path(name), &doing).await
    }

    /// The Secret of an entry; another thing of that name is none.
    async fn entry(&self, application: &Application, entry: &EntryName) -> Result<Option<Json>, Failure> {
        let found = self.secret(&secret_name(application, entry)).await?;
        Ok(found.filter(|secret| marks::annotation(secret, ENTRY) == Some(&*entry.0)))
    }
}

impl Ledger for ClusterLedger {
    fn list<'a>(&'a self, application: &'a Application) -> Pending<'a, Result<Vec<EntryName>, Failure>> {
        Box::pin(async move {
            // Names are enough: bodies can be large.
            let request = Request::get(self.collection())
                .query("labelSelector", format!("{LEDGER}={},!{PIECE_OF}", ledger_id(application)))
                .accept("application/json;as=PartialObjectMetadataList;v=v1;g=meta.k8s.io,application/json");
            let secrets = self.reader.list(&request).await?;
            let secrets = secrets.map_err(|status| {
                self.reader.refused(&status, &format!("read the ledger in namespace {}", self.namespace))
            })?;
            let mut names: Vec<EntryName> =
                secrets.iter().filter_map(|secret| Some(EntryName(marks::annotation(secret, ENTRY)?.into()))).collect();
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
            let Some(secret) = self.entry(application, name).await? else { return Ok(None) };
            let Some(pieces) = marks::annotation(&secret, PIECES) else { return body(&secret, name).map(Some) };
            let mut whole = Vec::new();
            for piece in pieces.split(',') {
                // Gone in the middle: somebody removes the entry.
                let Some(secret) = self.secret(piece).await? else { return Ok(None) };
                whole.extend(body(&secret, name)?);
            }
            Ok(Some(whole))
        })
    }
}

/// Writes a ledger.
pub(super) struct ClusterLedgerWriter {
    settings: ClusterSettings,
    ledger: ClusterLedger,
    secrets: Arc<Secrets>,
    writer: OnceCell<Connection>,
    /// Done once: the namespace is there.
    namespace: OnceCell<()>,
}

impl ClusterLedgerWriter {
    pub(super) fn new(settings: ClusterSettings, ledger: ClusterLedger, secrets: Arc<Secrets>) -> Self {
        Self { settings, ledger, secrets, writer: OnceCell::new(), namespace: OnceCell::new() }
    }

    async fn writer(&self) -> Result<&Connection, Failure> {
        self.writer.get_or_try_init(|| Connection::open(&self.settings, self.secrets.clone(), false)).await
    }

    /// What is written lives in the application's namespace, which the first of all writes may have to make.
    async fn namespace(&self, application: &Application) -> Result<(), Failure> {
        let make = || async {
            let namespace = &self.settings.namespace;
            let path = format!("/api/v1/namespaces/{}", super::kind::escape(namespace));
            // Who may not look at namespaces was given one.
            if !self.settings.create_namespace || self.ledger.reader.send(&Request::get(path)).await?.code != 404 {
                return Ok(());
            }
            let body = json!({
                "apiVersion": "v1",
                "kind": "Namespace",
                "metadata": {
                    "name": **namespace,
                    "annotations": {
                        marks::APPLICATION: application.to_string(),
                        marks::RESOURCE: "application/namespace",
                    },
                }
            });
            let Some(kind) = Kind::known("v1/Namespace") else { return Ok(()) };
            // Under a name of its own: what a release says of the namespace later does not take this away.
            let request = Request::new(Method::PATCH, kind.object(None, namespace))
                .query("fieldManager", format!("{MANAGER}-ledger"))
                .content_type("application/apply-patch+yaml")
                .json(&body);
            let writer = self.writer().await?;
            let answer = writer.send(&request).await?.accepted();
            answer.map(drop).map_err(|status| writer.refused(&status, &format!("make the namespace {namespace}")))
        };
        self.namespace.get_or_try_init(make).await.copied()
    }

    async fn post(&self, secret: &Json) -> Result<bool, Failure> {
        let writer = self.writer().await?;
        let request = Request::new(Method::POST, self.ledger.collection()).query("fieldManager", MANAGER).json(secret);
        match writer.send(&request).await?.accepted() {
            Ok(_) => Ok(true),
            Err(status) if status.code == 409 => Ok(false),
            Err(status) if status.code == 404 => {
                let text = format!(
                    "namespace {} is not there; create it, or set kubernetes.createNamespace in transship.yaml",
                    self.settings.namespace
                );
                Err(Failure::new(FailureKind::Invalid, Masked::words(text)))
            }
            Err(status) => {
                Err(writer.refused(&status, &format!("write the ledger in namespace {}", self.settings.namespace)))
            }
        }
    }

    async fn delete(&self, name: &str) -> Result<(), Failure> {
        let writer = self.writer().await?;
        match writer.send(&Request::new(Method::DELETE, self.ledger.path(name))).await?.accepted() {
            Ok(_) => Ok(()),
            Err(status) if status.code == 404 => Ok(()),
            Err(status) => Err(writer.refused(&status, &format!("remove a ledger entry (Secret {name})"))),
        }
    }
}

impl LedgerWriter for ClusterLedgerWriter {
    fn reader(&self) -> &dyn Ledger {
        &self.ledger
    }

    fn create<'a>(
        &'a self,
        application: &'a Application,
        name: &'a EntryName,
        body: &'a [u8],
    ) -> Pending<'a, Result<bool, Failure>> {
        Box::pin(async move {
            self.namespace(application).await?;
            let head = secret_name(application, name);
            let nonce = nonce();
            let mut secret = entry(application, name, &head, &nonce);
            let mut made = Vec::new();
            if body.len() > PIECE {
                // The pieces first, under names of this try alone: the entry is there once its head is.
                for (number, piece) in body.chunks(PIECE).enumerate() {
                    let piece_name = format!("{head}.{nonce}.{number}");
                    let mut part = entry(application, name, &piece_name, &nonce);
                    part["metadata"]["labels"][PIECE_OF] = Json::from(marks::slug(&head));
                    set_body(&mut part, piece);
                    self.post(&part).await?;
                    made.push(piece_name);
                }
                secret["metadata"]["annotations"][PIECES] = Json::from(made.join(","));
            } else {
                set_body(&mut secret, body);
            }
            if self.post(&secret).await? {
                return Ok(true);
            }
            // Taken; unless it was this very try, whose answer was lost.
            let there = self.ledger.entry(application, name).await?;
            if there.is_some_and(|there| marks::annotation(&there, NONCE) == Some(&nonce)) {
                return Ok(true);
            }
            for piece in made {
                self.delete(&piece).await?;
            }
            Ok(false)
        })
    }

    fn remove<'a>(&'a self, application: &'a Application, name: &'a EntryName) -> Pending<'a, Result<(), Failure>> {
        Box::pin(async move {
            let Some(secret) = self.ledger.entry(application, name).await? else { return Ok(()) };
            self.delete(&secret_name(application, name)).await?;
            for piece in marks::annotation(&secret, PIECES).into_iter().flat_map(|pieces| pieces.split(',')) {
                self.delete(piece).await?;
            }
            Ok(())
        })
    }
}

/// `transship.shop.production.revision-12-opened`. Frozen.
fn secret_name(application: &Application, entry: &EntryName) -> String {
    let words: Vec<String> = entry.0.split('/').map(marks::slug).collect();
    let mut parts = vec!["transship".to_owned(), marks::slug(&application.project)];
    if !application.environment.is_empty() {
        parts.push(marks::slug(&application.environment));
    }
    parts.push(words.join("-"));
    parts.join(".")
}

/// What selects the entries of one application in one environment. Frozen.
fn ledger_id(application: &Application) -> String {
    let hash = Fingerprint::of_bytes(application.to_string().as_bytes()).to_string();
    hash.chars().take(32).collect()
}

fn entry(application: &Application, name: &EntryName, secret: &str, nonce: &str) -> Json {
    json!({
        "apiVersion": "v1",
        "kind": "Secret",
        "type": TYPE,
        "immutable": true,
        "metadata": {
            "name": secret,
            "labels": {LEDGER: ledger_id(application)},
            "annotations": {ENTRY: *name.0, NONCE: nonce, marks::APPLICATION: application.to_string()},
        }
    })
}

fn set_body(secret: &mut Json, body: &[u8]) {
    secret["data"] = json!({"body": base64::engine::general_purpose::STANDARD.encode(body)});
}

fn body(secret: &Json, name: &EntryName) -> Result<Vec<u8>, Failure> {
    let encoded = secret.pointer("/data/body").and_then(Json::as_str).unwrap_or_default();
    decoded(encoded, name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_frozen() {
        let application = Application { project: "shop".into(), environment: "production".into() };
        let name = |entry: &str| secret_name(&application, &EntryName(entry.into()));
        assert_eq!(name("revision/12/opened"), "transship.shop.production.revision-12-opened");
        assert_eq!(name("lock/41"), "transship.shop.production.lock-41");
        assert_eq!(name("key"), "transship.shop.production.key");
        assert_eq!(ledger_id(&application), "903fef0d5516b093c9ce590397d34534");
    }
}
