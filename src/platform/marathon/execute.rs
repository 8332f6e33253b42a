//! Writes: files one by one, all apps in one deployment, removals one after the other. Every call asks the hold first,
//! and looks again, so that nothing is overwritten that was not seen.

use std::sync::Arc;

use base64::Engine as _;
use reqwest::Method;
use serde_json::Value as Json;
use tokio::time::{Instant, sleep};

use super::{
    connection::{Connection, Request, app_path},
    fault,
    live::{Reading, app_address},
    observe, store,
};
use crate::{
    plan::{Call, Step},
    platform::{
        Event, Failure, FailureKind, Hold, Live, Observation, Owner, Pending, Progress, RevisionState, What, Writer,
        codec::{encode, encode_onto},
    },
    target::{
        Release, Target as _,
        marathon::{FILE, Marathon},
    },
    value::{Address, Fingerprint, Key, Keyring, Masked, Value},
};

/// Writes to a Marathon.
pub(super) struct MarathonWriter {
    connection: Connection,
    hold: Arc<dyn Hold>,
}

impl Writer for MarathonWriter {
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
                // Who asked for the step follows what it carries.
                Call::Wait => return Ok(()),
                _ => foreign(release, seen)?,
            }
            match &step.call {
                Call::Put | Call::Batch { .. } | Call::Run => {
                    let (files, apps): (Vec<&Key>, Vec<&Key>) =
                        step.carries.iter().partition(|key| is_file(release, key));
                    for key in files {
                        self.put_file(key, release, progress).await?;
                    }
                    if apps.is_empty() { Ok(()) } else { self.put_apps(&apps, release, seen, progress).await }
                }
                Call::Delete { .. } => match &step.address {
                    Some(address) => self.remove(address, release, seen, progress).await,
                    None => Ok(()),
                },
                Call::Wait => Ok(()),
            }
        })
    }
}

fn is_file(release: &Release, key: &Key) -> bool {
    release.resources.get(key).is_some_and(|resource| &*resource.address.kind == FILE)
}

fn name(address: &Address) -> Result<&str, Failure> {
    let unknown = || Failure::new(FailureKind::Other, Masked::words(format!("the name of {address} is not known")));
    address.name.now().ok_or_else(unknown)
}

/// Whether work that goes on is of a run of ours that did not come to its end.
fn is_ours(seen: &Observation, touches: &[Address]) -> bool {
    let unfinished = seen.history.heads.last().is_some_and(|head| head.state != RevisionState::Applied);
    let ours = |address: &Address| seen.live.get(address).is_some_and(|live| live.owner == Owner::Us);
    unfinished && touches.iter().all(ours)
}

/// Work of somebody else on an app of ours is waited for by whoever wants to go on, and never ended.
fn foreign(release: &Release, seen: &Observation) -> Result<(), Failure> {
    let wanted = |address: &Address| {
        seen.live.get(address).is_some_and(|live| live.owner == Owner::Us)
            || release.resources.values().any(|resource| resource.address == *address)
    };
    for work in &seen.under_way {
        if let Some(address) = work.touches.iter().find(|address| wanted(address))
            && !is_ours(seen, &work.touches)
        {
            return Err(fault::locked(&[work.name.to_string()], &address.to_string()));
        }
    }
    Ok(())
}

impl MarathonWriter {
    pub(super) fn new(connection: Connection, hold: Arc<dyn Hold>) -> Self {
        Self { connection, hold }
    }

    async fn put_file(&self, key: &Key, release: &Release, progress: &dyn Progress) -> Result<(), Failure> {
        let Some(resource) = release.resources.get(key) else { return Ok(()) };
        let address = &resource.address;
        let failed =
            |why: String| Failure::new(FailureKind::Other, Masked::words(format!("cannot put {address}: {why}")));
        let body = encode(&resource.body, release).map_err(|unresolved| failed(unresolved.to_string()))?;
        let text = body.get("content").and_then(Json::as_str).unwrap_or_default();
        let bytes = match resource.body.get("content").map(|node| &node.value) {
            Some(Value::Bytes(_)) => {
                base64::engine::general_purpose::STANDARD.decode(text).map_err(|_| failed("it is no base64".into()))?
            }
            _ => text.as_bytes().to_vec(),
        };
        store::put(&self.connection, name(address)?, bytes).await?;
        progress.event(Event { destination: None, key: Some(key.clone()), what: What::Called(address.clone()) });
        Ok(())
    }

    /// All apps in one deployment, which leaves every other alone.
    async fn put_apps(
        &self,
        keys: &[&Key],
        release: &Release,
        seen: &Observation,
        progress: &dyn Progress,
    ) -> Result<(), Failure> {
        let reading = Reading {
            application: &release.application,
            secrets: &release.concealed,
            store: self.connection.store.as_deref(),
        };
        let mut bodies = Vec::with_capacity(keys.len());
        for key in keys {
            let Some(resource) = release.resources.get(*key) else { continue };
            let address = &resource.address;
            let there = observe::app(&self.connection, name(address)?).await?;
            let there = there.map(|app| reading.app(&app, &[]));
            unchanged(address, seen.live.get(address), there.as_ref())?;
            let body = encode_onto(&resource.body, release, there.as_ref()).map_err(|unresolved| {
                Failure::new(FailureKind::Other, Masked::words(format!("cannot write {address}: {unresolved}")))
            })?;
            bodies.push(body);
        }
        self.hold.still_ours()?;
        // Work of ours with other content is overtaken; what nobody saw is somebody else's.
        let touched = |address: &Address| {
            keys.iter().any(|key| release.resources.get(*key).is_some_and(|one| one.address == *address))
        };
        let overtaken =
            seen.under_way.iter().any(|work| work.touches.iter().any(touched) && is_ours(seen, &work.touches));
        let mut request = Request::new(Method::PUT, "/v2/apps").query("partialUpdate", "false");
        request = request.query("force", if overtaken { "true" } else { "false" }).json(&Json::Array(bodies));
        let told = self.connection.send(&request).await?.accepted();
        told.map_err(|status| {
            let first = keys.first().and_then(|key| release.resources.get(*key));
            match first {
                Some(first) if status.is_locked() => fault::locked(&status.deployments, &first.address.to_string()),
                _ => self.connection.refused(&named(status, keys, release), "write the apps"),
            }
        })?;
        for key in keys {
            if let Some(resource) = release.resources.get(*key) {
                let what = What::Called(resource.address.clone());
                progress.event(Event { destination: None, key: Some((*key).clone()), what });
            }
        }
        Ok(())
    }

    async fn remove(
        &self,
        address: &Address,
        release: &Release,
        seen: &Observation,
        progress: &dyn Progress,
    ) -> Result<(), Failure> {
        let before = seen.live.get(address);
        if before.is_some_and(|live| live.owner != Owner::Us) {
            let text = format!("{address} bears no mark of ours, and is not removed");
            return Err(Failure::new(FailureKind::Invalid, Masked::words(text)));
        }
        let told = || {
            let key = before.and_then(|live| live.key.clone());
            progress.event(Event { destination: None, key, what: What::Called(address.clone()) });
        };
        let id = name(address)?;
        if &*address.kind == FILE {
            store::remove(&self.connection, id).await?;
            told();
            return Ok(());
        }
        let reading = Reading { application: &release.application, secrets: &release.concealed, store: None };
        let Some(there) = observe::app(&self.connection, id).await? else { return Ok(()) };
        unchanged(address, before, Some(&reading.app(&there, &[])))?;
        self.hold.still_ours()?;
        let overtaken =
            seen.under_way.iter().any(|work| work.touches.contains(address) && is_ours(seen, &work.touches));
        // Without it the server would end whatever goes on.
        let force = if overtaken { "true" } else { "false" };
        let request = Request::new(Method::DELETE, app_path(id)).query("force", force);
        match self.connection.send(&request).await?.accepted() {
            Ok(_) => {}
            Err(status) if status.code == 404 => return Ok(()),
            Err(status) if status.is_locked() => return Err(fault::locked(&status.deployments, &address.to_string())),
            Err(status) => return Err(self.connection.refused(&status, &format!("remove {address}"))),
        }
        told();
        self.gone(id, address).await
    }

    /// Waits until the deployment that removes an app is over: its tasks are gone.
    async fn gone(&self, id: &str, address: &Address) -> Result<(), Failure> {
        let until = Instant::now() + self.connection.patience.removal;
        loop {
            let going = observe::deployments(&self.connection).await?;
            if !going.iter().any(|one| one.apps.iter().any(|app| app == id)) {
                return Ok(());
            }
            if Instant::now() >= until {
                let text = format!("{address} is still being removed; see `dcos marathon deployment list`");
                return Err(Failure::new(FailureKind::Other, Masked::words(text)));
            }
            sleep(self.connection.patience.look / 2).await;
        }
    }
}

/// Paths of a refusal with the ids of their apps instead of numbers.
fn named(mut status: fault::Status, keys: &[&Key], release: &Release) -> fault::Status {
    for (path, _) in &mut status.details {
        let Some((number, rest)) = path.strip_prefix('(').and_then(|rest| rest.split_once(')')) else { continue };
        let key = number.parse::<usize>().ok().and_then(|number| keys.get(number));
        if let Some(resource) = key.and_then(|key| release.resources.get(*key)) {
            *path = format!("{}{rest}", resource.address);
        }
    }
    status
}

/// Whether an app still is what was seen. There is no version that a write could carry: the lock of a deployment, and
/// this look just before, are all there is.
fn unchanged(address: &Address, seen: Option<&Live>, there: Option<&Live>) -> Result<(), Failure> {
    let changed = |what: &str| {
        let text = format!("{address} was {what} by somebody else after it was looked at; plan again");
        Err(Failure::new(FailureKind::Conflict, Masked::words(text)))
    };
    match (seen, there) {
        // What was to change and is gone is made anew.
        (_, None) => Ok(()),
        (Some(seen), Some(there)) if seen.token == there.token || print(seen) == print(there) => Ok(()),
        // Made by an earlier try of the same run.
        (None, Some(there)) if there.owner == Owner::Us => Ok(()),
        (None, Some(_)) => changed("made"),
        (Some(_), Some(_)) => changed("changed"),
    }
}

/// What an app says, without what the server notes on it.
fn print(live: &Live) -> Fingerprint {
    let address = app_address(live.address.name.now().unwrap_or_default());
    let body = Marathon::default().canonical(&address, live.body.clone());
    Fingerprint::of(&body, &Keyring::default(), &crate::value::Secrets::default())
}
