//! Follows what is settling: until all of it has, or will not by itself, or its time is over. A deployment of Marathon
//! never fails: it tries again for ever, so the deadline and the reasons are ours.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value as Json;
use tokio::time::{Instant, sleep};

use super::{
    connection::{Connection, Request},
    observe,
    standing::{Standing, Trouble},
    store,
};
use crate::{
    platform::{Failure, Progress, Reason, State, telling::Telling},
    target::{
        Release, Settles,
        marathon::{APPLICATION, FILE},
    },
    value::Key,
};

/// So many tasks that ended one after the other are believed to go on like that.
const FAILURES: usize = 4;

/// Something that is followed.
struct Followed {
    key: Key,
    id: String,
    settles: Settles,
    /// Tasks that failed while we looked.
    failed: BTreeSet<String>,
    told: Telling,
}

pub(super) async fn follow(
    reader: &Connection,
    release: &Release,
    keys: &[Key],
    progress: &dyn Progress,
) -> Result<Vec<(Key, State)>, Failure> {
    let start = Instant::now();
    let mut states: BTreeMap<Key, State> = BTreeMap::new();
    let mut open: Vec<Followed> = Vec::new();
    for key in keys {
        let Some(resource) = release.resources.get(key) else { continue };
        let Some(id) = resource.address.name.now().map(str::to_owned) else { continue };
        if &*resource.address.kind == FILE {
            let there = store::read(reader, &id).await?.is_some();
            states.insert(key.clone(), if there { State::Settled } else { State::Absent });
            continue;
        }
        open.push(Followed {
            key: key.clone(),
            id,
            settles: resource.settles,
            failed: BTreeSet::new(),
            told: Telling::default(),
        });
    }
    while !open.is_empty() {
        let deployments = observe::deployments(reader).await?;
        let apps = observe::apps(reader, &format!("{APPLICATION}=={}", release.application)).await?;
        let by_id: BTreeMap<&str, &Json> =
            apps.iter().filter_map(|app| Some((app.get("id")?.as_str()?, app))).collect();
        let settled = |one: &Followed| {
            by_id.get(one.id.as_str()).is_none_or(|app| Standing::of(app, &deployments) == Standing::Settled)
        };
        // Why something waits is asked for only where something does.
        let queue = if open.iter().all(settled) {
            Json::Null
        } else {
            reader.get(&Request::get("/v2/queue"), "see what waits for offers").await?.unwrap_or_default()
        };
        let mut left = Vec::new();
        for mut followed in open {
            let state = match by_id.get(followed.id.as_str()) {
                None => State::Absent,
                Some(app) => {
                    let standing = Standing::of(app, &deployments);
                    let elapsed = start.elapsed() >= followed.settles.within;
                    judge(&mut followed, app, &queue, &standing, elapsed, reader)
                }
            };
            followed.told.tell(&followed.key, &state, progress);
            if matches!(state, State::Progressing { .. }) {
                left.push(followed);
            } else {
                states.insert(followed.key, state);
            }
        }
        open = left;
        // All of it is one deployment: what waits for what failed would wait for ever.
        if states.values().any(|state| matches!(state, State::Failed(_))) {
            for followed in open.drain(..) {
                let standing = by_id.get(followed.id.as_str()).map(|app| Standing::of(app, &deployments));
                states.insert(followed.key, standing.map_or(State::Absent, |standing| standing.state(&reader.secrets)));
            }
        }
        if !open.is_empty() {
            sleep(reader.patience.look).await;
        }
    }
    Ok(keys.iter().filter_map(|key| Some((key.clone(), states.remove(key)?))).collect())
}

fn judge(
    followed: &mut Followed,
    app: &Json,
    queue: &Json,
    standing: &Standing,
    late: bool,
    reader: &Connection,
) -> State {
    let secrets = &reader.secrets;
    let Standing::Moving { ready, wanted, text } = standing else { return State::Settled };
    let trouble = Trouble::of(app, queue);
    if let Some(task) = trouble.as_ref().and_then(|trouble| trouble.task.clone()) {
        followed.failed.insert(task);
    }
    let lasting = followed.failed.len() >= FAILURES;
    match trouble {
        Some(trouble) if late || (lasting && trouble.task.is_some()) => State::Failed(Reason {
            code: trouble.code,
            text: trouble.masked(secrets),
            logs: Vec::new(),
            remedy: trouble.remedy,
        }),
        None if late => State::Failed(Reason {
            code: "deadline",
            text: secrets.scrub(&format!("{text} after {} s", followed.settles.within.as_secs())),
            logs: Vec::new(),
            remedy: "give it more time (`deadline` under `marathon`), or look at its tasks: `dcos task list`",
        }),
        Some(trouble) => State::Progressing { ready: *ready, wanted: *wanted, text: trouble.masked(secrets) },
        None => State::Progressing { ready: *ready, wanted: *wanted, text: secrets.scrub(text) },
    }
}
