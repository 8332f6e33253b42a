//! Follows what is settling: until all of it has, or will not by itself, or its time is over.

use std::{collections::BTreeMap, time::Duration};

use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use tokio::time::{Instant, sleep};

use super::{
    AT_ONCE,
    connection::Connection,
    live::{Reading, collection, text},
    observe,
    tasks::{self, Progress as Stand, Trouble},
};
use crate::{
    engine::unframed,
    platform::{Failure, Progress, State, codec::encode_onto, decode, telling::Telling},
    target::{Release, Resource, Target as _, swarm::Swarm as Dialect},
    value::{Key, Masked, Secrets},
};

/// How many last lines of a container are told.
const LINES: &str = "10";
/// How long is waited for them.
const SAYING: Duration = Duration::from_secs(5);
/// How long a job must stand as failed: whoever runs it again needs a moment.
const FAILED: Duration = Duration::from_secs(2);

/// Something that is followed.
struct Followed {
    resource: Resource,
    /// Since when the same trouble lasts.
    trouble: Option<(&'static str, Instant)>,
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
    let mut open: Vec<Followed> = keys
        .iter()
        .filter_map(|key| release.resources.get(key).cloned())
        .map(|resource| Followed { resource, trouble: None, told: Telling::default() })
        .collect();
    let networks = observe::networks(reader).await?;
    loop {
        let (application, secrets) = (&release.application, &*release.concealed);
        let reading = Reading { application, stack: &reader.stack, secrets, networks: &networks };
        let seen: Vec<_> = stream::iter(open)
            .map(|mut followed| async move {
                let state = look(reader, reading, release, &mut followed, start).await?;
                Ok::<_, Failure>((followed, state))
            })
            .buffered(AT_ONCE)
            .try_collect()
            .await?;
        open = Vec::new();
        for (mut followed, state) in seen {
            followed.told.tell(&followed.resource.key, &state, progress);
            if matches!(state, State::Progressing { .. } | State::Going) {
                open.push(followed);
            } else {
                states.insert(followed.resource.key.clone(), state);
            }
        }
        if open.is_empty() {
            return Ok(keys.iter().filter_map(|key| Some((key.clone(), states.remove(key)?))).collect());
        }
        sleep(reader.patience.look).await;
    }
}

/// How far one of them has come.
async fn look(
    reader: &Connection,
    reading: Reading<'_>,
    release: &Release,
    followed: &mut Followed,
    start: Instant,
) -> Result<State, Failure> {
    let resource = followed.resource.clone();
    let address = &resource.address;
    let Some(name) = address.name.now() else { return Ok(State::Absent) };
    let found = reader.named(collection(&address.kind), &[name]).await?;
    let Some(object) = found.into_iter().next() else { return Ok(State::Absent) };
    if &*address.kind != "Service" {
        return Ok(State::Settled);
    }
    let live = reading.live("Service", &object);
    let canonical = |body| Dialect.canonical(address, body);
    let is_wanted = encode_onto(&resource.body, release, Some(&live))
        .is_ok_and(|wanted| same(&canonical(decode(&wanted)), &canonical(live.body.clone())));
    let tasks = observe::tasks(reader, text(&object, "/ID")).await?;
    let secrets = reading.secrets;
    match tasks::progress(&object, &tasks, resource.settles.when, is_wanted) {
        Stand::Settled => Ok(State::Settled),
        Stand::Failed(trouble) => {
            if trouble.code == "job-failed" && lasts(followed, trouble.code) < FAILED {
                return Ok(State::Progressing { ready: 0, wanted: 1, text: secrets.scrub(&trouble.text) });
            }
            Ok(failed(reader, secrets, &trouble).await)
        }
        Stand::Moving { ready, wanted, text, trouble } => {
            let within = resource.settles.within;
            if start.elapsed() >= within {
                let late = trouble.unwrap_or_else(|| Trouble {
                    code: "deadline",
                    text: format!("{text} after {} s", within.as_secs()),
                    remedy: "give it more time, or look at its tasks with `docker service ps`",
                    lasts: true,
                    task: None,
                });
                return Ok(failed(reader, secrets, &late).await);
            }
            // What an update does about its failures is its own business: it stops or goes back.
            let updating =
                !matches!(self::text(&object, "/UpdateStatus/State"), "" | "completed" | "rollback_completed");
            if let Some(trouble) = trouble {
                let since = lasts(followed, trouble.code);
                if trouble.lasts && since >= reader.patience.grace && !updating {
                    return Ok(failed(reader, secrets, &trouble).await);
                }
                Ok(State::Progressing { ready, wanted, text: secrets.scrub(&trouble.text) })
            } else {
                followed.trouble = None;
                Ok(State::Progressing { ready, wanted, text: secrets.scrub(&text) })
            }
        }
    }
}

/// How long this trouble has lasted.
fn lasts(followed: &mut Followed, code: &'static str) -> Duration {
    let since = match followed.trouble {
        Some((known, since)) if known == code => since,
        _ => Instant::now(),
    };
    followed.trouble = Some((code, since));
    since.elapsed()
}

/// Whether two bodies in the form that is compared are the same, in whatever order their entries stand.
fn same(a: &crate::value::Node, b: &crate::value::Node) -> bool {
    use crate::value::Value;
    match (&a.value, &b.value) {
        (Value::Map(x), Value::Map(y)) => {
            x.len() == y.len() && x.iter().all(|(key, node)| b.get(key).is_some_and(|other| same(node, other)))
        }
        (Value::List(x), Value::List(y)) => x.len() == y.len() && x.iter().zip(y).all(|(x, y)| same(x, y)),
        (Value::Integer(x), Value::Float(y)) | (Value::Float(y), Value::Integer(x)) => {
            #[allow(clippy::cast_precision_loss, reason = "numbers of a service are small")]
            let x = *x as f64;
            (x - y).abs() < f64::EPSILON
        }
        (x, y) => x == y,
    }
}

/// Trouble as it is told, with the last lines of the container it is about.
async fn failed(reader: &Connection, secrets: &Secrets, trouble: &Trouble) -> State {
    let logs = match &trouble.task {
        Some(task) => logs(reader, secrets, task).await,
        None => Vec::new(),
    };
    State::Failed(trouble.reason(secrets, logs))
}

/// The last lines of a task; none where its node does not give them.
async fn logs(reader: &Connection, secrets: &Secrets, task: &str) -> Vec<Masked> {
    let read = async {
        let engine = reader.engine.within(SAYING);
        let query = [("stdout", "1"), ("stderr", "1"), ("tail", LINES)];
        let mut body = engine.download(&format!("/tasks/{task}/logs"), &query).await.ok()?.silent_for(Some(SAYING));
        let mut bytes = Vec::new();
        while let Ok(Some(piece)) = body.next().await {
            bytes.extend(piece);
        }
        Some(bytes)
    };
    let bytes = tokio::time::timeout(SAYING * 2, read).await.ok().flatten().unwrap_or_default();
    // As a whole, so that a secret of several lines is found.
    let text = String::from_utf8_lossy(&unframed(&bytes)).into_owned();
    secrets.scrub(&text).as_str().lines().map(|line| Masked::words(line.to_owned())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_in_another_order() {
        let node = |json: serde_json::Value| decode(&json);
        assert!(same(
            &node(serde_json::json!({"a": 1, "b": [{"c": 2.0}]})),
            &node(serde_json::json!({"b": [{"c": 2}], "a": 1}))
        ));
        assert!(!same(&node(serde_json::json!({"a": 1})), &node(serde_json::json!({"a": 1, "b": 0}))));
    }
}
