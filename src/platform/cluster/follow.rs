//! Follows what is settling: until all of it has, or will not by itself, or its time is over.

use std::{collections::BTreeMap, time::Duration};

use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use serde_json::Value as Json;
use tokio::time::{Instant, sleep};

use super::{
    AT_ONCE, Kinds,
    connection::{Connection, Request},
    kind::{self, Kind},
    readiness::{self, Progress as Stand},
    trouble::{self, Patience, Trouble},
};
use crate::{
    platform::{Failure, Progress, Reason, State, telling::Telling},
    target::{Condition, Release, Settles},
    value::{Address, Key, Masked, Secrets},
};

/// How many last lines of a container are told.
const LINES: usize = 10;

/// Something that is followed.
struct Followed {
    key: Key,
    address: Address,
    kind: Kind,
    settles: Settles,
    /// Since when the same trouble lasts.
    trouble: Option<(&'static str, Instant)>,
    told: Telling,
    /// What is known of why it is not there yet.
    worst: Option<Trouble>,
}

pub(super) async fn follow(
    reader: &Connection,
    kinds: &Kinds,
    release: &Release,
    keys: &[Key],
    progress: &dyn Progress,
) -> Result<Vec<(Key, State)>, Failure> {
    let start = Instant::now();
    let secrets = &*release.concealed;
    let mut states: BTreeMap<Key, State> = BTreeMap::new();
    let mut open = Vec::new();
    for key in keys {
        let Some(resource) = release.resources.get(key) else { continue };
        match kinds.find(&resource.address.kind).await? {
            Some(kind) => open.push(Followed {
                key: key.clone(),
                address: resource.address.clone(),
                kind,
                settles: resource.settles,
                trouble: None,
                told: Telling::default(),
                worst: None,
            }),
            None => {
                states.insert(key.clone(), State::Absent);
            }
        }
    }
    loop {
        let seen: Vec<_> = stream::iter(open)
            .map(|mut followed| async move {
                let state = look(reader, &mut followed, start, secrets).await?;
                Ok::<_, Failure>((followed, state))
            })
            .buffered(AT_ONCE)
            .try_collect()
            .await?;
        open = Vec::new();
        for (mut followed, state) in seen {
            followed.told.tell(&followed.key, &state, progress);
            if matches!(state, State::Progressing { .. } | State::Going) {
                open.push(followed);
            } else {
                states.insert(followed.key, state);
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
    followed: &mut Followed,
    start: Instant,
    secrets: &Secrets,
) -> Result<State, Failure> {
    let Some(name) = followed.address.name.now() else { return Ok(State::Absent) };
    let path = followed.kind.object(followed.address.scope.as_deref(), name);
    let Some(object) = reader.get(&path, &format!("follow {}", followed.address)).await? else {
        return Ok(State::Absent);
    };
    let mut stand = readiness::progress(&object, &followed.kind, followed.settles.when);
    let started_only = followed.settles.when == Condition::Started && stand == Stand::Settled;
    if (matches!(stand, Stand::Moving { .. } | Stand::Failed { .. }) || started_only)
        && let Some(pods) = pods(reader, &object, followed).await?
    {
        if started_only && let Some(waits) = not_all_running(&object, &followed.kind, &pods) {
            stand = waits;
        }
        followed.worst = if stand == Stand::Settled { None } else { trouble::troubles(&pods).into_iter().next() };
    }
    let quota = matches!(&stand, Stand::Moving { text, .. } if text.contains("exceeded quota"));
    if quota
        && followed.worst.is_none()
        && let Stand::Moving { text, .. } = &stand
    {
        followed.worst = Some(Trouble {
            code: "quota",
            text: text.clone(),
            remedy: "raise the quota of the namespace, or ask for less",
            patience: Patience::Short,
            logs: None,
        });
    }
    match stand {
        Stand::Moving { ready, wanted, text } => {
            if let Some(worst) = believed(followed, reader.patience.grace) {
                return Ok(State::Failed(reason(reader, followed, &worst, secrets).await?));
            }
            let text = followed.worst.as_ref().map_or(text, |worst| worst.text.clone());
            if start.elapsed() >= followed.settles.within {
                let late = followed.worst.clone().unwrap_or_else(|| Trouble {
                    code: "deadline",
                    text: format!("{text} after {} s", followed.settles.within.as_secs()),
                    remedy: "give it more time, or look at its pods",
                    patience: Patience::None,
                    logs: None,
                });
                return Ok(State::Failed(reason(reader, followed, &late, secrets).await?));
            }
            Ok(State::Progressing { ready, wanted, text: secrets.scrub(&text) })
        }
        // What its pods say is more than that it took too long.
        Stand::Failed { code, text, remedy } => {
            let own = Trouble { code, text, remedy, patience: Patience::None, logs: None };
            let told = match followed.worst.take() {
                Some(worst) if code == "job-failed" => {
                    Trouble { text: format!("{}; {}", own.text, worst.text), logs: worst.logs, ..own }
                }
                Some(worst) => worst,
                None => own,
            };
            Ok(State::Failed(reason(reader, followed, &told, secrets).await?))
        }
        Stand::Going if start.elapsed() >= followed.settles.within => Ok(State::Failed(Reason {
            code: "deadline",
            text: "is still being removed".into(),
            logs: Vec::new(),
            remedy: "see what holds it (finalizers)",
        })),
        settled => Ok(settled.state(secrets)),
    }
}

/// The trouble, once it is to be believed.
fn believed(followed: &mut Followed, grace: Duration) -> Option<Trouble> {
    let Some(worst) = &followed.worst else {
        followed.trouble = None;
        return None;
    };
    let since = match followed.trouble {
        Some((code, since)) if code == worst.code => since,
        _ => Instant::now(),
    };
    followed.trouble = Some((worst.code, since));
    let lasts = match worst.patience {
        Patience::None => true,
        Patience::Short => since.elapsed() >= grace,
        Patience::Deadline => false,
    };
    lasts.then(|| worst.clone())
}

/// A workload that is only to be started: all its new pods run.
fn not_all_running(object: &Json, kind: &Kind, pods: &[Json]) -> Option<Stand> {
    if !matches!(&*kind.name, "Deployment" | "StatefulSet") {
        return None;
    }
    let wanted = object.pointer("/spec/replicas").and_then(Json::as_u64).unwrap_or(1);
    let running = trouble::running(pods) as u64;
    let small = |number| u32::try_from(number).unwrap_or(u32::MAX);
    (running < wanted).then(|| Stand::Moving {
        ready: small(running),
        wanted: small(wanted),
        text: format!("{running} of {wanted} run"),
    })
}

/// The pods of the newest form of a workload; `None` for what has none, and for whom we may not see.
async fn pods(reader: &Connection, object: &Json, followed: &Followed) -> Result<Option<Vec<Json>>, Failure> {
    let namespace = followed.address.scope.as_deref();
    let (Some(namespace), "Deployment" | "StatefulSet" | "DaemonSet" | "Job") = (namespace, &*followed.kind.name)
    else {
        return Ok(None);
    };
    let Some(labels) = object.pointer("/spec/selector/matchLabels").and_then(Json::as_object) else { return Ok(None) };
    let mut selector: Vec<String> =
        labels.iter().map(|(name, value)| format!("{name}={}", value.as_str().unwrap_or_default())).collect();
    match &*followed.kind.name {
        "Deployment" => {
            if let Some(hash) = newest_hash(reader, object, namespace, &selector).await? {
                selector.push(format!("pod-template-hash={hash}"));
            }
        }
        "StatefulSet" => {
            if let Some(revision) = object.pointer("/status/updateRevision").and_then(Json::as_str) {
                selector.push(format!("controller-revision-hash={revision}"));
            }
        }
        "DaemonSet" => {
            let generation = super::marks::annotation(object, "deprecated.daemonset.template.generation");
            selector.extend(generation.map(|generation| format!("pod-template-generation={generation}")));
        }
        _ => {}
    }
    let request = Request::get(format!("/api/v1/namespaces/{}/pods", kind::escape(namespace)))
        .query("labelSelector", selector.join(","));
    Ok(reader.list(&request).await?.ok())
}

/// What tells the pods of a Deployment's newest form from those of earlier ones.
async fn newest_hash(
    reader: &Connection,
    deployment: &Json,
    namespace: &str,
    selector: &[String],
) -> Result<Option<String>, Failure> {
    let revision = super::marks::annotation(deployment, "deployment.kubernetes.io/revision");
    let uid = deployment.pointer("/metadata/uid");
    let request = Request::get(format!("/apis/apps/v1/namespaces/{}/replicasets", kind::escape(namespace)))
        .query("labelSelector", selector.join(","));
    let Ok(sets) = reader.list(&request).await? else { return Ok(None) };
    let newest = sets.iter().find(|set| {
        set.pointer("/metadata/ownerReferences/0/uid") == uid
            && super::marks::annotation(set, "deployment.kubernetes.io/revision") == revision
    });
    let hash = newest.and_then(|set| set.pointer("/metadata/labels/pod-template-hash")).and_then(Json::as_str);
    Ok(hash.map(str::to_owned))
}

/// Trouble as it is told, with the last lines of the container it is about.
async fn reason(
    reader: &Connection,
    followed: &Followed,
    trouble: &Trouble,
    secrets: &Secrets,
) -> Result<Reason, Failure> {
    let mut logs: Vec<Masked> = Vec::new();
    if let (Some((pod, container, previous)), Some(namespace)) = (&trouble.logs, followed.address.scope.as_deref()) {
        let path = format!("/api/v1/namespaces/{}/pods/{}/log", kind::escape(namespace), kind::escape(pod));
        let request = Request::get(path)
            .query("container", container.as_str())
            .query("previous", previous.to_string())
            .query("tailLines", LINES.to_string())
            .query("limitBytes", "16384")
            .accept("*/*");
        let answer = reader.send(&request).await?;
        if answer.code == 200 {
            // As a whole, so that a secret of several lines is found.
            logs = secrets.scrub(&answer.text).as_str().lines().map(|line| Masked::words(line.to_owned())).collect();
        }
    }
    Ok(Reason { code: trouble.code, text: secrets.scrub(&trouble.text), logs, remedy: trouble.remedy })
}
