//! Writes. Every call asks the hold first, looks at the object again, and carries its version, so that
//! nothing is overwritten that was not seen.

use std::{collections::BTreeMap, sync::Arc};

use serde_json::{Value as Json, json};
use tokio::{
    sync::OnceCell,
    time::{Instant, sleep},
};

use super::{
    ClusterSettings, Kinds,
    connection::{Connection, Request},
    kind::Kind,
    live::Reading,
    preview,
};
use crate::{
    plan::{Call, Step},
    platform::{
        Event, Failure, FailureKind, Hold, Live, Observation, Owner, Pending, Progress, What, Writer,
        codec::encode_onto,
    },
    target::{Cascade, Condition, Release},
    value::{Address, Masked, Node},
};

/// How often a write is tried whose object's status moved in between.
const TRIES: u32 = 8;

/// Writes to a cluster.
pub(super) struct ClusterWriter {
    settings: ClusterSettings,
    reader: Connection,
    kinds: Kinds,
    hold: Arc<dyn Hold>,
    writer: OnceCell<Connection>,
}

impl Writer for ClusterWriter {
    fn execute<'a>(
        &'a self,
        step: &'a Step,
        release: &'a Release,
        seen: &'a Observation,
        progress: &'a dyn Progress,
    ) -> Pending<'a, Result<(), Failure>> {
        Box::pin(async move {
            self.hold.still_ours()?;
            match &step.call {
                Call::Put | Call::Batch { .. } => {
                    for key in &step.carries {
                        self.put(key, release, seen, progress).await?;
                    }
                    Ok(())
                }
                Call::Delete { cascade } => {
                    for address in addresses(step, release)? {
                        self.delete(&address, seen, *cascade, progress).await?;
                    }
                    Ok(())
                }
                Call::Run => {
                    for address in addresses(step, release)? {
                        self.delete(&address, seen, Cascade::All, progress).await?;
                    }
                    for key in &step.carries {
                        self.put(key, release, seen, progress).await?;
                    }
                    Ok(())
                }
                // Who asked for the step follows what it carries.
                Call::Wait => Ok(()),
            }
        })
    }
}

/// What a step is about, as it is called there.
fn addresses(step: &Step, release: &Release) -> Result<Vec<Address>, Failure> {
    if let Some(address) = &step.address {
        return Ok(vec![address.clone()]);
    }
    let address = |key| match release.resources.get(key) {
        Some(resource) => Ok(resource.address.clone()),
        None => Err(Failure::new(FailureKind::Other, Masked::words(format!("{key} is not in the release")))),
    };
    step.carries.iter().map(address).collect()
}

impl ClusterWriter {
    pub(super) fn new(settings: ClusterSettings, reader: Connection, hold: Arc<dyn Hold>) -> Self {
        let kinds = Kinds::new(reader.clone());
        Self { settings, reader, kinds, hold, writer: OnceCell::new() }
    }

    async fn writer(&self) -> Result<&Connection, Failure> {
        let open = || Connection::open(&self.settings, self.reader.secrets.clone(), false);
        self.writer.get_or_try_init(open).await
    }

    async fn kind(&self, address: &Address) -> Result<Kind, Failure> {
        let unknown = || {
            let text = format!("the server does not serve {}; install its definition first", address.kind);
            Failure::new(FailureKind::Invalid, Masked::words(text))
        };
        self.kinds.find(&address.kind).await?.ok_or_else(unknown)
    }

    async fn put(
        &self,
        key: &crate::value::Key,
        release: &Release,
        seen: &Observation,
        progress: &dyn Progress,
    ) -> Result<(), Failure> {
        let Some(resource) = release.resources.get(key) else {
            return Err(Failure::new(FailureKind::Other, Masked::words(format!("{key} is not in the release"))));
        };
        let address = &resource.address;
        let Some(name) = address.name.now() else {
            return Err(Failure::new(FailureKind::Other, Masked::words(format!("the name of {address} is not known"))));
        };
        let kind = self.kind(address).await?;
        // Whose an object is was settled when it was seen; here it only matters that it is not ours.
        let sets = BTreeMap::new();
        let reading = Reading {
            application: &release.application,
            namespace: &self.settings.namespace,
            secrets: &release.concealed,
            sets: &sets,
        };
        let namespace = address.scope.as_deref();
        let doing = format!("write {address}");
        for _ in 0..TRIES {
            self.hold.still_ours()?;
            let there = self.reader.get(&kind.object(namespace, name), &doing).await?;
            let there = there.as_ref().map(|object| reading.live(object, &kind, Condition::Exists));
            unchanged(address, seen.live.get(address), there.as_ref())?;
            let mut body = encode_onto(&resource.body, release, there.as_ref()).map_err(|unresolved| {
                Failure::new(FailureKind::Other, Masked::words(format!("cannot {doing}: {unresolved}")))
            })?;
            if let (Some(there), Some(metadata)) = (&there, body.get_mut("metadata").and_then(Json::as_object_mut)) {
                metadata.insert("resourceVersion".into(), Json::from(&*there.token.0));
            }
            let answer = self.writer().await?.send(&preview::apply(&kind, namespace, name, &body)).await?;
            let warnings = answer.warnings.clone();
            match answer.accepted() {
                Ok(_) => {
                    for warning in warnings {
                        let said = release.concealed.scrub(&warning);
                        let what = What::Doing(Masked::words(format!("{address}: the server warns: {said}")));
                        progress.event(Event { destination: None, key: Some(key.clone()), what });
                    }
                    let what = What::Called(address.clone());
                    progress.event(Event { destination: None, key: Some(key.clone()), what });
                    return Ok(());
                }
                // Its status moved, or it was made or removed just now: look again.
                Err(status) if status.is_outrun() => {}
                Err(status) => return Err(self.reader.refused(&status, &doing)),
            }
        }
        Err(restless(address))
    }

    async fn delete(
        &self,
        address: &Address,
        seen: &Observation,
        cascade: Cascade,
        progress: &dyn Progress,
    ) -> Result<(), Failure> {
        let Some(name) = address.name.now() else { return Ok(()) };
        let kind = self.kind(address).await?;
        let path = kind.object(address.scope.as_deref(), name);
        let doing = format!("remove {address}");
        let before = seen.live.get(address);
        if before.is_some_and(|live| live.owner != Owner::Us) {
            let text = format!("{address} bears no mark of ours, and is not removed");
            return Err(Failure::new(FailureKind::Invalid, Masked::words(text)));
        }
        let mut removed = false;
        for _ in 0..TRIES {
            self.hold.still_ours()?;
            let Some(there) = self.reader.get(&path, &doing).await? else {
                removed = true;
                break;
            };
            let text = |pointer: &str| there.pointer(pointer).and_then(Json::as_str).unwrap_or_default();
            let identifier = before.and_then(|live| live.body.get("metadata")?.get("uid")?.as_str());
            if identifier.is_some_and(|identifier| identifier != text("/metadata/uid")) {
                // Another object of that name: what was to go is gone.
                return Err(changed(address));
            }
            let options = json!({
                "kind": "DeleteOptions",
                "apiVersion": "v1",
                "propagationPolicy": match cascade { Cascade::All => "Foreground", Cascade::Orphan => "Orphan" },
                "preconditions": {"uid": text("/metadata/uid"), "resourceVersion": text("/metadata/resourceVersion")},
            });
            let request = Request::new(http::Method::DELETE, &path).json(&options);
            match self.writer().await?.send(&request).await?.accepted() {
                Ok(_) => {
                    removed = true;
                    break;
                }
                Err(status) if status.code == 404 => {
                    removed = true;
                    break;
                }
                Err(status) if status.is_outrun() => {}
                Err(status) => return Err(self.reader.refused(&status, &doing)),
            }
        }
        if !removed {
            return Err(restless(address));
        }
        progress.event(Event {
            destination: None,
            key: before.and_then(|live| live.key.clone()),
            what: What::Called(address.clone()),
        });
        self.gone(&path, address, before).await
    }

    /// Waits until an object is really gone: what is made in its place must not meet it.
    async fn gone(&self, path: &str, address: &Address, before: Option<&Live>) -> Result<(), Failure> {
        let until = Instant::now() + self.settings.patience.removal;
        let identifier = before.and_then(|live| live.body.get("metadata")?.get("uid")?.as_str());
        loop {
            let there = self.reader.get(path, &format!("see whether {address} is gone")).await?;
            let Some(there) = there else { return Ok(()) };
            let uid = there.pointer("/metadata/uid").and_then(Json::as_str);
            if identifier.is_some() && uid != identifier {
                return Ok(());
            }
            if Instant::now() >= until {
                let finalizers = there.pointer("/metadata/finalizers").map(Json::to_string).unwrap_or_default();
                let text = format!("{address} is still being removed (finalizers {finalizers}); see what holds it");
                return Err(Failure::new(FailureKind::Other, Masked::words(text)));
            }
            sleep(self.settings.patience.look / 2).await;
        }
    }
}

/// Whether an object still is what was seen, as far as anybody would have decided otherwise: what its
/// controllers note on it does not count.
fn unchanged(address: &Address, seen: Option<&Live>, there: Option<&Live>) -> Result<(), Failure> {
    match (seen, there) {
        // What was to change and is gone is made anew.
        (_, None) => Ok(()),
        (Some(seen), Some(there)) if seen.token == there.token => Ok(()),
        (Some(seen), Some(there)) if decided(&seen.body) == decided(&there.body) => Ok(()),
        // Made by an earlier try of the same run.
        (None, Some(there)) if there.owner == Owner::Us => Ok(()),
        (None, Some(_)) => {
            let text = format!("{address} was made by somebody else in the meantime; plan again");
            Err(Failure::new(FailureKind::Conflict, Masked::words(text)))
        }
        (Some(_), Some(_)) => Err(changed(address)),
    }
}

fn changed(address: &Address) -> Failure {
    let text = format!("{address} was changed by somebody else after it was looked at; plan again");
    Failure::new(FailureKind::Conflict, Masked::words(text))
}

fn restless(address: &Address) -> Failure {
    let text = format!("{address} changes faster than it can be written; see who changes it");
    Failure::new(FailureKind::Conflict, Masked::words(text))
}

/// A body without what the server and its controllers keep in it.
fn decided(body: &Node) -> Node {
    let mut body = body.clone();
    if let Some(metadata) = body.get_mut("metadata") {
        for name in ["resourceVersion", "generation"] {
            metadata.remove(name);
        }
        if let Some(annotations) = metadata.get_mut("annotations") {
            let noted: Vec<_> = annotations
                .entries()
                .iter()
                .map(|(name, _)| name.clone())
                .filter(|name| {
                    [
                        "deployment.kubernetes.io/",
                        "pv.kubernetes.io/",
                        "volume.kubernetes.io/",
                        "volume.beta.kubernetes.io/",
                    ]
                    .iter()
                    .any(|prefix| name.starts_with(prefix))
                })
                .collect();
            for name in noted {
                annotations.remove(&name);
            }
            if annotations.entries().is_empty() {
                metadata.remove("annotations");
            }
        }
    }
    body
}
