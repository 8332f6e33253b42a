//! Follows containers until all of them are where they should be, or will not get there by themselves, or their time
//! is over.

use std::{
    collections::{BTreeMap, HashMap},
    time::Duration,
};

use tokio::time::{Instant, sleep};

use super::{Host, container::Container, failure::failure, observe::containers, progress::progress};
use crate::{
    engine::unframed,
    platform::{Event, Failure, Progress, Reason, State, What},
    target::{
        Condition, Release, Resource,
        compose::{count, kind},
    },
    value::{Key, Masked, Subject},
};

/// How many last lines of a container are told.
const LINES: usize = 10;
/// The most that is read for them, bytes.
const LARGEST: usize = 64 * 1024;
/// Between two looks.
const LOOK: Duration = Duration::from_millis(300);
/// How long a container must go on running that has no health check.
const STEADY: Duration = Duration::from_secs(1);

pub(super) async fn follow(
    host: &Host,
    release: &Release,
    keys: &[Key],
    told: &dyn Progress,
) -> Result<Vec<(Key, State)>, Failure> {
    let begun = Instant::now();
    let mut states: BTreeMap<Key, State> = BTreeMap::new();
    let mut open: Vec<&Resource> = Vec::new();
    for resource in keys.iter().filter_map(|key| release.resources.get(key)) {
        if &*resource.address.kind == kind::SERVICE {
            open.push(resource);
        } else {
            // Made is done.
            states.insert(resource.key.clone(), State::Settled);
        }
    }
    let mut said: HashMap<&Key, (u32, String)> = HashMap::new();
    let mut since: HashMap<String, (String, Instant)> = HashMap::new();
    while !open.is_empty() {
        let all = containers(host).await?;
        let mut still = Vec::new();
        for resource in open {
            let Subject::Service(name) = &resource.key.of else { continue };
            let own: Vec<&Container> = all.iter().filter(|one| one.service() == &**name).collect();
            let mut state = progress(&own, wanted(resource, &own), resource.settles.when, &release.concealed);
            if state == State::Settled && resource.settles.when == Condition::Started {
                let steady = own.iter().filter(|one| one.is_running()).all(|one| is_steady(one, &mut since));
                if !steady {
                    let ready = u32::try_from(own.len()).unwrap_or(u32::MAX);
                    state = State::Progressing { ready, wanted: ready, text: "it has only just started".into() };
                }
            }
            let late = begun.elapsed() >= resource.settles.within;
            let state = match state {
                State::Progressing { text, .. } if late => State::Failed(Reason {
                    code: "deadline",
                    text: Masked::words(format!("{text} after {} s", resource.settles.within.as_secs())),
                    logs: last_lines(host, &own).await?,
                    remedy: "see what it said last, or give it more time",
                }),
                State::Failed(reason) => State::Failed(Reason { logs: last_lines(host, &own).await?, ..reason }),
                other => other,
            };
            let event = |what| told.event(Event { destination: None, key: Some(resource.key.clone()), what });
            match &state {
                State::Progressing { ready, wanted, text } => {
                    let now = (*ready, text.as_str().to_owned());
                    if said.get(&resource.key) != Some(&now) {
                        event(What::Moving { ready: *ready, wanted: *wanted, text: text.clone() });
                        said.insert(&resource.key, now);
                    }
                    still.push(resource);
                    continue;
                }
                State::Settled => event(What::Settled),
                State::Failed(reason) => event(What::Failed(reason.clone())),
                State::Absent => event(What::Skipped("it is not there".into())),
                State::Going => {}
            }
            states.insert(resource.key.clone(), state);
        }
        open = still;
        if !open.is_empty() {
            sleep(LOOK).await;
        }
    }
    Ok(keys.iter().filter_map(|key| Some((key.clone(), states.remove(key)?))).collect())
}

/// How many are to be there: as many as are, where the count is not ours.
fn wanted(resource: &Resource, own: &[&Container]) -> u32 {
    let theirs = resource.body.get("scale").is_some_and(|scale| matches!(scale.value, crate::value::Value::Theirs(_)));
    let least = count(&resource.body);
    if theirs { u32::try_from(own.len()).unwrap_or(u32::MAX).max(1) } else { least }
}

/// Whether the same start was seen for a while.
fn is_steady(one: &Container, since: &mut HashMap<String, (String, Instant)>) -> bool {
    let seen = since.entry(one.id().to_owned()).or_insert_with(|| (one.started().to_owned(), Instant::now()));
    if seen.0 != one.started() {
        *seen = (one.started().to_owned(), Instant::now());
    }
    seen.1.elapsed() >= STEADY
}

/// What the one that is in trouble said last.
async fn last_lines(host: &Host, own: &[&Container]) -> Result<Vec<Masked>, Failure> {
    let troubled = own.iter().find(|one| !one.is_running() || one.health() == Some("unhealthy") || one.restarts() > 0);
    let Some(one) = troubled.or(own.first()) else { return Ok(Vec::new()) };
    let tail = LINES.to_string();
    let query = [("stdout", "true"), ("stderr", "true"), ("tail", tail.as_str())];
    let mut body = match host.engine.download(&format!("/containers/{}/logs", one.id()), &query).await {
        Ok(body) => body,
        // A driver that keeps nothing.
        Err(error) if error.status().is_some() => return Ok(Vec::new()),
        Err(error) => return Err(failure(&error, "read what a container said", &host.secrets)),
    };
    let mut bytes = Vec::new();
    while let Ok(Some(piece)) = body.next().await {
        bytes.extend(piece);
        if bytes.len() > LARGEST {
            break;
        }
    }
    let terminal = one.0.pointer("/Config/Tty").and_then(serde_json::Value::as_bool).unwrap_or_default();
    let bytes = if terminal { bytes } else { unframed(&bytes) };
    let text = String::from_utf8_lossy(&bytes);
    // As a whole, so that a secret of several lines is found.
    let text = host.secrets.scrub(&text);
    let lines: Vec<Masked> = text.as_str().lines().map(|line| Masked::words(line.to_owned())).collect();
    Ok(lines.into_iter().rev().take(LINES).rev().collect())
}
