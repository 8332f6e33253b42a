//! Writes. Every call asks the hold first, looks at the object again, and carries its version, so that nothing is
//! overwritten that was not seen.

use std::{collections::BTreeMap, sync::Arc};

use base64::Engine as _;
use reqwest::header::{HeaderMap, HeaderValue};
use serde_json::{Value as Json, json};
use tokio::{
    sync::OnceCell,
    time::{Instant, sleep},
};

use super::{
    Swarm,
    connection::{Connection, name},
    live::{self, Reading, collection, text},
    observe,
};
use crate::{
    engine::{EngineWriter, Error},
    image::{Reference, Registries},
    plan::{Call, Step},
    platform::{
        Event, Failure, FailureKind, Hold, Live, Observation, Owner, Pending, Progress, Verified, What, Writer,
        codec::{encode_onto, registry_authorization},
    },
    target::{Release, Resource},
    value::{Address, Key, Masked, Value},
};

/// How often a write is tried whose object moved in between without a decision of anybody's.
const TRIES: u32 = 8;
/// The header that tells nodes how to pull.
const AUTHORIZATION: &str = "X-Registry-Auth";

/// Writes to a Swarm.
pub(super) struct SwarmWriter {
    reader: Connection,
    registries: Registries,
    place: Verified,
    hold: Arc<dyn Hold>,
    writer: OnceCell<EngineWriter>,
}

impl Writer for SwarmWriter {
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
                Call::Put | Call::Batch { .. } | Call::Run => {
                    for key in &step.carries {
                        self.put(key, release, seen, step.call == Call::Run, progress).await?;
                    }
                    Ok(())
                }
                Call::Delete { .. } => match &step.address {
                    Some(address) => self.delete(address, seen, progress).await,
                    None => Ok(()),
                },
                // Who asked for the step follows what it carries.
                Call::Wait => Ok(()),
            }
        })
    }
}

impl SwarmWriter {
    pub(super) fn new(reader: Connection, registries: Registries, place: Verified, hold: Arc<dyn Hold>) -> Self {
        Self { reader, registries, place, hold, writer: OnceCell::new() }
    }

    async fn writer(&self) -> Result<&EngineWriter, Failure> {
        let open = || async {
            let reader = Swarm::checked(self.reader.clone(), self.place.identity().clone()).await?;
            Ok(reader.engine.writer())
        };
        self.writer.get_or_try_init(open).await
    }

    async fn put(
        &self,
        key: &Key,
        release: &Release,
        seen: &Observation,
        again: bool,
        progress: &dyn Progress,
    ) -> Result<(), Failure> {
        let other = |text: String| Failure::new(FailureKind::Other, Masked::words(text));
        let resource = release.resources.get(key).ok_or_else(|| other(format!("{key} is not in the release")))?;
        let address = &resource.address;
        let name = address.name.now().ok_or_else(|| other(format!("the name of {address} is not known")))?;
        let doing = format!("write {address}");
        let collection = collection(&address.kind);
        let headers = self.headers(resource, release).await?;
        let networks = observe::networks(&self.reader).await?;
        let (application, secrets) = (&release.application, &*release.concealed);
        let reading = Reading { application, stack: &self.reader.stack, secrets, networks: &networks };
        for _ in 0..TRIES {
            self.hold.still_ours()?;
            let object = self.reader.named(collection, &[name]).await?.into_iter().next();
            let there = object.as_ref().map(|object| reading.live(&address.kind, object));
            unchanged(address, seen.live.get(address), there.as_ref())?;
            let mut body = encode_onto(&resource.body, release, there.as_ref())
                .map_err(|unresolved| other(format!("cannot {doing}: {unresolved}")))?;
            self.complete(resource, &mut body).await?;
            let writer = self.writer().await?;
            let answer = match &object {
                None => writer.post(&format!("{collection}/create"), &[], headers.clone(), Some(&body)).await,
                // It never changes, and is what is wanted.
                Some(_) if &*address.kind == "Network" => return Ok(()),
                Some(object) => {
                    if again {
                        run_again(object, &mut body);
                    }
                    if &*address.kind == "Secret" {
                        // It cannot be read back, and stays.
                        body.as_object_mut().map(|body| body.remove("Data"));
                    }
                    let version = object.pointer("/Version/Index").map(Json::to_string).unwrap_or_default();
                    let path = format!("{collection}/{}/update", text(object, "/ID"));
                    let query = [("version", version.as_str()), ("registryAuthFrom", "spec")];
                    let query = if &*address.kind == "Service" { &query[..] } else { &query[..1] };
                    writer.post(&path, query, headers.clone(), Some(&body)).await
                }
            };
            match answer {
                Ok(answer) => {
                    Self::told(key, address, &answer, release, progress);
                    return Ok(());
                }
                // Its status moved, or it was made or removed just now: look again.
                Err(error) if moved(&error) => {}
                Err(error) => return Err(self.reader.failure(&error, &doing)),
            }
        }
        let text = format!("{address} changes faster than it can be written; see who changes it");
        Err(Failure::new(FailureKind::Conflict, Masked::words(text)))
    }

    /// What the API wants beyond what a release says: ids beside names, content in base64.
    async fn complete(&self, resource: &Resource, body: &mut Json) -> Result<(), Failure> {
        match &*resource.address.kind {
            "Network" => {
                body["CheckDuplicate"] = Json::from(true);
            }
            "Config" | "Secret" => {
                // Bytes are base64 once encoded; text is itself.
                if matches!(resource.body.get("Data").map(|data| &data.value), Some(Value::Text(_)))
                    && let Some(Json::String(data)) = body.get_mut("Data")
                {
                    *data = base64::engine::general_purpose::STANDARD.encode(data.as_bytes());
                }
            }
            _ => {
                for (list, kind, named, identified) in
                    [("Configs", "Config", "ConfigName", "ConfigID"), ("Secrets", "Secret", "SecretName", "SecretID")]
                {
                    let pointer = format!("/TaskTemplate/ContainerSpec/{list}");
                    let Some(Json::Array(items)) = body.pointer_mut(&pointer) else { continue };
                    let names: Vec<String> =
                        items.iter().map(|item| text(item, &format!("/{named}")).to_owned()).collect();
                    let names: Vec<&str> = names.iter().map(String::as_str).collect();
                    let found = self.reader.named(collection(kind), &names).await?;
                    let ids: BTreeMap<&str, &str> =
                        found.iter().map(|object| (name(object), text(object, "/ID"))).collect();
                    for (item, name) in items.iter_mut().zip(&names) {
                        let Some(id) = ids.get(name) else {
                            let words = format!("{kind} {name} is gone, and {} needs it; plan again", resource.address);
                            return Err(Failure::new(FailureKind::Conflict, Masked::words(words)));
                        };
                        item[identified] = Json::from(*id);
                    }
                }
            }
        }
        Ok(())
    }

    /// The credentials of this machine for the registry of a service's image.
    async fn headers(&self, resource: &Resource, release: &Release) -> Result<HeaderMap, Failure> {
        let mut headers = HeaderMap::new();
        let image =
            resource.body.get("TaskTemplate").and_then(|task| task.get("ContainerSpec")?.get("Image")?.as_str());
        let Some(Ok(reference)) = image.map(Reference::parse) else { return Ok(headers) };
        let config = self.registries.pull_secret(&[reference], &release.concealed).await.map_err(|failure| {
            let words = format!("cannot find the credentials for {}: {failure}", resource.address);
            Failure::new(FailureKind::Other, release.concealed.scrub(&words))
        })?;
        let value =
            config.as_ref().and_then(registry_authorization).and_then(|value| HeaderValue::try_from(value).ok());
        if let Some(mut value) = value {
            value.set_sensitive(true);
            headers.insert(AUTHORIZATION, value);
        }
        Ok(headers)
    }

    /// What the engine says beside having done it.
    fn told(key: &Key, address: &Address, answer: &Json, release: &Release, progress: &dyn Progress) {
        let several = answer.get("Warnings").and_then(Json::as_array).into_iter().flatten();
        let warnings = several.chain(answer.get("Warning")).filter_map(Json::as_str).filter(|text| !text.is_empty());
        let event = |what| progress.event(Event { destination: None, key: Some(key.clone()), what });
        for warning in warnings {
            let said = release.concealed.scrub(warning);
            event(What::Doing(Masked::words(format!("{address}: the engine warns: {said}"))));
        }
        event(What::Called(address.clone()));
    }

    async fn delete(&self, address: &Address, seen: &Observation, progress: &dyn Progress) -> Result<(), Failure> {
        let Some(name) = address.name.now() else { return Ok(()) };
        let before = seen.live.get(address);
        if before.is_some_and(|live| live.owner != Owner::Us) {
            let text = format!("{address} bears no mark of ours, and is not removed");
            return Err(Failure::new(FailureKind::Invalid, Masked::words(text)));
        }
        let (collection, doing) = (collection(&address.kind), format!("remove {address}"));
        let until = Instant::now() + self.reader.patience.removal;
        loop {
            self.hold.still_ours()?;
            let Some(object) = self.reader.named(collection, &[name]).await?.into_iter().next() else { break };
            if live::key(&object) != before.and_then(|live| live.key.clone()) {
                // Another object of that name: what was to go is gone.
                let text = format!("{address} was changed by somebody else after it was looked at; plan again");
                return Err(Failure::new(FailureKind::Conflict, Masked::words(text)));
            }
            let id = if &*address.kind == "Network" { text(&object, "/Id") } else { text(&object, "/ID") };
            match self.writer().await?.delete(&format!("{collection}/{id}"), &[]).await {
                Ok(_) if &*address.kind == "Service" => {
                    self.ended(id, until).await?;
                    break;
                }
                Ok(_) if &*address.kind == "Network" => {
                    self.left(id, until).await?;
                    break;
                }
                Ok(_) => break,
                Err(error) if error.is_missing() => break,
                // Tasks that end use it for a while.
                Err(error) if in_use(&error) && Instant::now() < until => sleep(self.reader.patience.look).await,
                Err(error) if in_use(&error) => {
                    let words = format!("{address} is still in use: {error}; see who uses it, and apply again");
                    return Err(Failure::new(FailureKind::Invalid, self.reader.secrets.scrub(&words)));
                }
                Err(error) => return Err(self.reader.failure(&error, &doing)),
            }
        }
        progress.event(Event {
            destination: None,
            key: before.and_then(|live| live.key.clone()),
            what: What::Called(address.clone()),
        });
        Ok(())
    }

    /// Waits until this engine has let go of a network: one of its name that is made before that would be mixed up
    /// with it.
    async fn left(&self, network: &str, until: Instant) -> Result<(), Failure> {
        let path = format!("/networks/{network}");
        while Instant::now() < until && self.reader.find(&path, &[], "see whether a network is gone").await?.is_some() {
            sleep(self.reader.patience.look / 2).await;
        }
        Ok(())
    }

    /// Waits until no task of a service runs any more: what is made in its place must not meet them.
    async fn ended(&self, service: &str, until: Instant) -> Result<(), Failure> {
        let filters = json!({ "service": [service] }).to_string();
        loop {
            let answer = self.reader.find("/tasks", &[("filters", &filters)], "see which tasks still run").await?;
            let runs = |task: &Json| matches!(text(task, "/Status/State"), "running" | "starting" | "preparing");
            // A node that is gone never says so.
            if !answer.as_ref().and_then(Json::as_array).into_iter().flatten().any(runs) || Instant::now() >= until {
                return Ok(());
            }
            sleep(self.reader.patience.look / 2).await;
        }
    }
}

/// Has the tasks of a service started anew, whatever else changes.
fn run_again(object: &Json, body: &mut Json) {
    let count = object.pointer("/Spec/TaskTemplate/ForceUpdate").and_then(Json::as_u64).unwrap_or_default();
    body["TaskTemplate"]["ForceUpdate"] = Json::from(count + 1);
}

/// Whether the object is another than the one that was looked at a moment ago.
fn moved(error: &Error) -> bool {
    error.is_out_of_date() || error.is_conflict() || error.is_missing()
}

fn in_use(error: &Error) -> bool {
    matches!(error, Error::Refused { message, .. } if message.contains("in use") || message.contains("active endpoints"))
}

/// Whether an object still is what was seen, as far as anybody would have decided otherwise: what managers note on it
/// does not count.
fn unchanged(address: &Address, seen: Option<&Live>, there: Option<&Live>) -> Result<(), Failure> {
    let words = match (seen, there) {
        // What was to change and is gone is made anew.
        (_, None) => return Ok(()),
        (Some(seen), Some(there)) if seen.token == there.token || seen.body == there.body => return Ok(()),
        // Made by an earlier try of the same run.
        (None, Some(there)) if there.owner == Owner::Us => return Ok(()),
        (None, Some(_)) => format!("{address} was made by somebody else in the meantime; plan again"),
        (Some(_), Some(_)) => format!("{address} was changed by somebody else after it was looked at; plan again"),
    };
    Err(Failure::new(FailureKind::Conflict, Masked::words(words)))
}
