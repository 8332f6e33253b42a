//! One look at everything that matters to an application.

use std::collections::{BTreeMap, BTreeSet};

use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use indexmap::IndexMap;
use serde_json::Value as Json;

use super::{
    AT_ONCE, Cluster,
    connection::Request,
    kind::{self, Kind},
    live::{Reading, references, template},
    marks, preview,
};
use crate::{
    plan::Because,
    platform::{Failure, History, Live, Observation, Owner, Pending, Preview, Scope},
    target::{Condition, Release, Requirement, Resource},
    value::{Address, Application, Called, Key, Masked, Sources},
};

/// What was seen so far.
struct Look<'a> {
    cluster: &'a Cluster,
    reading: Reading<'a>,
    release: Option<&'a Release>,
    /// What each resource of the release waits for.
    settles: BTreeMap<Address, Condition>,
    live: IndexMap<Address, Live>,
    /// UID of each live object, to find what it made.
    identifiers: BTreeMap<String, Address>,
    unreadable: Vec<Masked>,
    /// Namespaces that are not there.
    absent: BTreeSet<Box<str>>,
}

pub(super) async fn observe(cluster: &Cluster, scope: Scope<'_>) -> Result<Observation, Failure> {
    let identity = cluster.identified().await?.clone();
    let sets = sets(cluster).await?;
    let mut look = Look {
        cluster,
        reading: Reading {
            application: scope.application,
            namespace: &cluster.settings.namespace,
            secrets: scope.concealed,
            sets: &sets,
        },
        release: scope.release,
        settles: scope
            .release
            .into_iter()
            .flat_map(|release| release.resources.values())
            .map(|resource| (resource.address.clone(), resource.settles.when))
            .collect(),
        live: IndexMap::new(),
        identifiers: BTreeMap::new(),
        unreadable: Vec::new(),
        absent: BTreeSet::new(),
    };
    look.namespaces().await?;
    look.marked().await?;
    look.addressed().await?;
    look.kept().await?;
    look.live.sort_unstable_keys();
    let previews = match scope.release {
        Some(release) if scope.preview => look.previews(release).await?,
        _ => IndexMap::new(),
    };
    let missing = match scope.release {
        Some(release) => look.missing(release).await?,
        None => Vec::new(),
    };
    Ok(Observation {
        identity,
        live: look.live,
        previews,
        unreadable: look.unreadable,
        under_way: Vec::new(),
        missing,
        history: History::default(),
    })
}

/// The sets of the application's namespace, by id, and whose they are; none for whom we may not see.
async fn sets(cluster: &Cluster) -> Result<BTreeMap<String, Application>, Failure> {
    let Some(kind) = Kind::known("v1/ConfigMap") else { return Ok(BTreeMap::new()) };
    let request =
        Request::get(kind.collection(Some(&cluster.settings.namespace))).query("labelSelector", marks::SET_ID);
    let parents = cluster.reader.list(&request).await?.unwrap_or_default();
    Ok(parents.iter().filter_map(marks::parent_of).collect())
}

impl Look<'_> {
    /// Which of the namespaces are not there. Who may not look is taken to have one.
    async fn namespaces(&mut self) -> Result<(), Failure> {
        let mut names: BTreeSet<Box<str>> = [self.cluster.settings.namespace.clone()].into();
        if let Some(release) = self.release {
            names.extend(release.resources.values().filter_map(|resource| resource.address.scope.clone()));
        }
        for name in names {
            let path = format!("/api/v1/namespaces/{}", kind::escape(&name));
            if self.cluster.reader.send(&Request::get(path)).await?.code == 404 {
                self.absent.insert(name);
            }
        }
        Ok(())
    }

    /// Everything that bears our mark.
    async fn marked(&mut self) -> Result<(), Failure> {
        let namespace = self.cluster.settings.namespace.clone();
        if self.absent.contains(&namespace) {
            return Ok(());
        }
        let mut kinds = Kind::made();
        if let Some(release) = self.release {
            let wanted: BTreeSet<_> = release.resources.values().map(|resource| &resource.address.kind).collect();
            for text in wanted {
                if let Some(kind) = self.cluster.kinds.find(text).await?
                    && kind.namespaced
                    && !kinds.contains(&kind)
                {
                    kinds.push(kind);
                }
            }
        }
        let name = marks::parent_name(self.reading.application);
        let path = kind::address("ConfigMap", Some(&namespace), &name);
        let parent = Kind::known(&path.kind).map(|kind| kind.object(Some(&namespace), &name));
        if let Some(path) = parent {
            let answer = self.cluster.reader.send(&Request::get(path)).await?;
            if answer.code == 200 {
                for group_kind in marks::group_kinds(&answer.body) {
                    match self.cluster.kinds.by_group(&group_kind).await? {
                        Some(kind) if kind.namespaced && !kinds.contains(&kind) => kinds.push(kind),
                        _ => {}
                    }
                }
            }
        }
        let selector = format!("{}={}", marks::PART_OF, marks::set_id(self.reading.application, &namespace));
        let reader = &self.cluster.reader;
        let lists: Vec<_> = stream::iter(kinds)
            .map(|kind| {
                let request = Request::get(kind.collection(Some(&namespace))).query("labelSelector", selector.clone());
                async move { Ok::<_, Failure>((reader.list(&request).await?, kind)) }
            })
            .buffered(AT_ONCE)
            .try_collect()
            .await?;
        for (list, kind) in lists {
            match list {
                Ok(objects) => objects.iter().for_each(|object| self.add(object, &kind)),
                // A kind that the server does not serve has no objects.
                Err(status) if status.code == 404 => {}
                Err(status) => self.cannot_see(&status, &format!("list {}", kind.plural)),
            }
        }
        Ok(())
    }

    /// Everything else that stands where the release wants something.
    async fn addressed(&mut self) -> Result<(), Failure> {
        let Some(release) = self.release else { return Ok(()) };
        let mut wanted = Vec::new();
        for address in release.resources.values().map(|resource| &resource.address) {
            let gone = address.scope.as_ref().is_some_and(|scope| self.absent.contains(scope));
            if gone || self.live.contains_key(address) {
                continue;
            }
            if let (Some(name), Some(kind)) = (address.name.now(), self.cluster.kinds.find(&address.kind).await?) {
                wanted.push((kind.object(address.scope.as_deref(), name), address.clone(), kind));
            }
        }
        let reader = &self.cluster.reader;
        let answers: Vec<_> = stream::iter(wanted)
            .map(|(path, address, kind)| async move {
                Ok::<_, Failure>((reader.send(&Request::get(path)).await?, address, kind))
            })
            .buffered(AT_ONCE)
            .try_collect()
            .await?;
        for (answer, address, kind) in answers {
            match answer.accepted() {
                Ok(object) => self.add(&object, &kind),
                Err(status) if status.code == 404 => {}
                Err(status) => self.cannot_see(&status, &format!("read {address}")),
            }
        }
        Ok(())
    }

    /// Earlier forms of workloads that the server keeps: what they refer to is still needed.
    async fn kept(&mut self) -> Result<(), Failure> {
        let namespace = self.cluster.settings.namespace.clone();
        for (kinds, api_version, kind, plural) in [
            (&["Deployment"][..], "apps/v1", "ReplicaSet", "replicasets"),
            (&["StatefulSet", "DaemonSet"][..], "apps/v1", "ControllerRevision", "controllerrevisions"),
        ] {
            let makes = |live: &Live| {
                live.owner == Owner::Us && kinds.iter().any(|kind| live.address.kind.ends_with(&format!("/{kind}")))
            };
            if !self.live.values().any(makes) {
                continue;
            }
            let kind =
                Kind { api_version: api_version.into(), name: kind.into(), plural: plural.into(), namespaced: true };
            let request = Request::get(kind.collection(Some(&namespace)));
            let objects = match self.cluster.reader.list(&request).await? {
                Ok(objects) => objects,
                Err(status) => {
                    self.cannot_see(&status, &format!("list {plural}"));
                    continue;
                }
            };
            for object in &objects {
                let workload = object
                    .pointer("/metadata/ownerReferences/0/uid")
                    .and_then(Json::as_str)
                    .and_then(|uid| self.identifiers.get(uid))
                    .and_then(|address| self.live.get_mut(address));
                if let (Some(workload), Some(spec)) = (workload, template(object, &kind)) {
                    for address in references(spec, Some(&namespace)) {
                        if !workload.references.contains(&address) {
                            workload.references.push(address);
                        }
                    }
                }
            }
        }
        Ok(())
    }

    async fn previews(&self, release: &Release) -> Result<IndexMap<Key, Preview>, Failure> {
        let asked: Vec<Pending<'_, _>> =
            release.resources.values().map(|resource| Box::pin(self.preview(release, resource)) as _).collect();
        let answers: Vec<_> = stream::iter(asked).buffered(AT_ONCE).try_collect().await?;
        Ok(release.resources.keys().cloned().zip(answers).collect())
    }

    async fn preview(&self, release: &Release, resource: &Resource) -> Result<Preview, Failure> {
        let address = &resource.address;
        if let Some(scope) = address.scope.as_deref().filter(|scope| self.absent.contains(*scope)) {
            return Ok(Preview::Local(Because::ParentAbsent(kind::address("Namespace", None, scope))));
        }
        let Some(kind) = self.cluster.kinds.find(&address.kind).await? else {
            return Ok(Preview::Local(Because::ParentAbsent(Address {
                kind: "apiextensions.k8s.io/v1/CustomResourceDefinition".into(),
                scope: None,
                name: Called::Now(address.kind.clone()),
            })));
        };
        let live = self.live.get(address);
        preview::preview(&self.cluster.reader, &self.reading, &kind, release, resource, live).await
    }

    /// What must be there and is not.
    async fn missing(&mut self, release: &Release) -> Result<Vec<Requirement>, Failure> {
        let mut missing = Vec::new();
        for requirement in &release.requires {
            let address = &requirement.address;
            if release.resources.values().any(|resource| resource.address == *address) {
                continue;
            }
            let Some(name) = address.name.now() else { continue };
            let Some(kind) = self.cluster.kinds.find(&address.kind).await? else {
                missing.push(requirement.clone());
                continue;
            };
            let path = kind.object(address.scope.as_deref(), name);
            match self.cluster.reader.send(&Request::get(path)).await?.accepted() {
                Ok(object) => {
                    let has = |entry: &str| {
                        ["data", "binaryData", "stringData"]
                            .iter()
                            .any(|part| object.get(*part).and_then(|data| data.get(entry)).is_some())
                    };
                    let entries: Vec<_> = requirement.entries.iter().filter(|entry| !has(entry)).cloned().collect();
                    if !entries.is_empty() {
                        missing.push(Requirement { entries, ..requirement.clone() });
                    }
                }
                Err(status) if status.code == 404 => missing.push(requirement.clone()),
                Err(status) => self.cannot_see(&status, &format!("read {address}")),
            }
        }
        let made = |scope: &str| {
            let namespace = kind::address("Namespace", None, scope);
            self.cluster.settings.create_namespace
                || release.resources.values().any(|resource| resource.address == namespace)
                || missing.iter().any(|requirement| requirement.address == namespace)
        };
        let unmade: Vec<_> = self.absent.iter().filter(|scope| !made(scope)).cloned().collect();
        missing.extend(unmade.iter().map(|scope| Requirement {
            address: kind::address("Namespace", None, scope),
            entries: Vec::new(),
            from: Sources::NONE,
        }));
        Ok(missing)
    }

    fn add(&mut self, object: &Json, kind: &Kind) {
        let address = Reading::address(object, kind);
        let when = self.settles.get(&address).copied().unwrap_or(Condition::Healthy);
        let live = self.reading.live(object, kind, when);
        if let Some(uid) = object.pointer("/metadata/uid").and_then(Json::as_str) {
            self.identifiers.insert(uid.to_owned(), address.clone());
        }
        self.live.insert(address, live);
    }

    fn cannot_see(&mut self, status: &super::fault::Status, doing: &str) {
        let failure = self.cluster.reader.refused(status, doing);
        if !self.unreadable.contains(&failure.reason) {
            self.unreadable.push(failure.reason);
        }
    }
}
