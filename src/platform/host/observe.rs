//! One look at everything that matters to an application on an engine.

use std::collections::{BTreeMap, BTreeSet};

use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use indexmap::IndexMap;
use serde_json::{Value as Json, json};

use super::{
    AT_ONCE, Host,
    container::{self, Container, PROJECT, label},
    content,
    document::{self, DEFINITION, Document, compared, defined, leaf},
    progress::progress,
};
use crate::{
    plan::Because,
    platform::{Failure, History, Live, Observation, Owner, Preview, Scope, State, Token},
    target::{
        Condition, Release, Requirement, Resource,
        compose::{APPLICATION, RESOURCE, count, kind},
    },
    value::{Address, Called, Key, Name, Node, Part, Path, Role, Secrets, Sources, Subject, Value},
};

/// All containers of services of the project, ours or not.
pub(super) async fn containers(host: &Host) -> Result<Vec<Container>, Failure> {
    let filters = json!({"label": [format!("{PROJECT}={}", host.project)]}).to_string();
    let list = host.get("/containers/json", &[("all", "true"), ("filters", &filters)], "list containers").await?;
    let ids = list.as_array().into_iter().flatten().filter_map(|one| one.get("Id")?.as_str());
    let found: BTreeSet<String> = ids.map(str::to_owned).collect();
    let inspected: Vec<Option<Json>> = stream::iter(found)
        .map(|id| async move { host.find(&format!("/containers/{id}/json"), "look into a container").await })
        .buffered(AT_ONCE)
        .try_collect()
        .await?;
    let mut all: Vec<Container> = inspected.into_iter().flatten().map(Container).collect();
    all.retain(Container::is_of_service);
    all.sort_by(|a, b| a.name().cmp(b.name()));
    Ok(all)
}

/// What was seen so far.
struct Look<'a> {
    host: &'a Host,
    scope: Scope<'a>,
    /// Volumes of contents by name, as the release wants them.
    wanted: BTreeMap<&'a str, &'a Resource>,
    containers: Vec<Container>,
    /// Images by their id.
    images: BTreeMap<String, Json>,
    engine: Json,
    live: IndexMap<Address, Live>,
}

pub(super) async fn observe(host: &Host, scope: Scope<'_>) -> Result<Observation, Failure> {
    let identity = host.identified().await?.clone();
    let engine = host.get("/info", &[], "ask which engine it is").await?;
    let resources = scope.release.into_iter().flat_map(|release| release.resources.values());
    let wanted = resources
        .filter(|resource| content::is_content(&resource.address))
        .filter_map(|resource| Some((resource.address.name.now()?, resource)))
        .collect();
    let mut look = Look {
        containers: containers(host).await?,
        host,
        scope,
        wanted,
        images: BTreeMap::new(),
        engine,
        live: IndexMap::new(),
    };
    look.images().await?;
    look.services();
    look.networks().await?;
    look.volumes().await?;
    look.live.sort_unstable_keys();
    let missing = look.missing().await?;
    let keys = scope.release.filter(|_| scope.preview).into_iter().flat_map(|release| release.resources.keys());
    Ok(Observation {
        identity,
        live: look.live,
        previews: keys.map(|key| (key.clone(), Preview::Local(Because::NoDryRun))).collect(),
        unreadable: Vec::new(),
        under_way: Vec::new(),
        missing,
        history: History::default(),
    })
}

impl Look<'_> {
    fn secrets(&self) -> &Secrets {
        self.scope.concealed
    }

    async fn images(&mut self) -> Result<(), Failure> {
        let ids: BTreeSet<String> = self.containers.iter().map(|one| one.image_id().to_owned()).collect();
        for id in ids.into_iter().filter(|id| !id.is_empty()) {
            // An image may be gone while its containers are there.
            if let Some(image) = self.host.find(&format!("/images/{id}/json"), "look at an image").await? {
                self.images.insert(id, image);
            }
        }
        Ok(())
    }

    /// The hashes that Docker Compose would write, where every name is known.
    fn hashes(&self) -> BTreeMap<String, String> {
        let release = self.scope.release.filter(|release| !release.resources.is_empty());
        let document: Option<Document> =
            release.and_then(|release| document::document(release, &|_| None, &|_| "/".to_owned()).ok());
        document.map(|document| document::hashes(&document, &self.host.project)).unwrap_or_default()
    }

    fn services(&mut self) {
        let hashes = self.hashes();
        let mut groups: BTreeMap<(String, String), Vec<Container>> = BTreeMap::new();
        for one in std::mem::take(&mut self.containers) {
            groups.entry((one.project().to_owned(), one.service().to_owned())).or_default().push(one);
        }
        for ((project, service), group) in &groups {
            let address = Address {
                kind: kind::SERVICE.into(),
                scope: Some(project.as_str().into()),
                name: Called::Now(service.as_str().into()),
            };
            let owners: Vec<Owner> =
                group.iter().map(|one| one.owner(self.scope.application, &self.host.project)).collect();
            let owner = owners.iter().find(|owner| **owner == Owner::Us).or(owners.first()).cloned();
            let Some(owner) = owner else { continue };
            let key = group.iter().find_map(Container::key).filter(|_| owner == Owner::Us);
            let resources = self.scope.release.into_iter().flat_map(|release| release.resources.values());
            let resource = resources.into_iter().find(|resource| resource.address == address);
            let body = self.body(group, resource, hashes.get(service).map(String::as_str));
            let when = resource.map_or(Condition::Started, |resource| resource.settles.when);
            let all: Vec<&Container> = group.iter().collect();
            let many = if body.get("state").is_none() { 0 } else { count(resource.map_or(&body, |one| &one.body)) };
            let state = progress(&all, many, when, self.secrets());
            let references = group.iter().flat_map(Container::volumes).map(|(name, _)| name);
            let references: BTreeSet<&str> = references.collect();
            let references = references.into_iter().map(|name| self.volume_address(name)).collect();
            let live = Live {
                key,
                owner,
                token: Token::default(),
                blind: Vec::new(),
                ours: Some(vec![Path::root()]),
                writers: Vec::new(),
                references,
                state,
                body,
                address: address.clone(),
            };
            self.live.insert(address, live);
        }
        self.containers = groups.into_values().flatten().collect();
    }

    /// The address of a volume by its name, as far as its kind is known; the volume itself says it better.
    fn volume_address(&self, name: &str) -> Address {
        let kind = self.wanted.get(name).map_or_else(|| kind::VOLUME.into(), |resource| resource.address.kind.clone());
        Address { kind, scope: None, name: Called::Now(name.into()) }
    }

    /// What a service is, by the one of its containers that is furthest from what is wanted.
    fn body(&self, group: &[Container], resource: Option<&Resource>, hash: Option<&str>) -> Node {
        let release = self.scope.release;
        let wanted = resource.zip(release).map(|(resource, release)| compared(resource, release));
        let is_wanted = |one: &Container| hash == Some(one.hash());
        let other = group.iter().find(|one| !is_wanted(one)).or(group.first());
        let Some(one) = other else { return Node::default() };
        let job = resource.map_or_else(
            || one.label(DEFINITION).is_some_and(|text| text.contains("\"restart\":\"no\"")),
            |resource| resource.body.get("state").is_none(),
        );
        let mut body = match (&wanted, is_wanted(one)) {
            (Some(wanted), true) => wanted.clone(),
            _ => self.made_of(one, wanted.as_ref()),
        };
        self.image(&mut body, one);
        let changed = group.iter().map(|one| {
            let mut changed = body.clone();
            container::changed_since(&mut changed, one, &self.engine, &|name| self.network(name));
            changed
        });
        if let Some(changed) = changed.into_iter().find(|changed| *changed != body) {
            body = changed;
        }
        let written = wanted.as_ref().and_then(|wanted| wanted.get("scale")).map(|scale| &scale.value);
        if !matches!(written, Some(Value::Theirs(_)) if job) {
            body.set("scale", leaf(i64::try_from(group.len()).unwrap_or(i64::MAX)));
        }
        body.remove("state");
        if !job {
            let stopped = group.iter().find(|one| !one.is_running()).map(Container::state_words);
            body.set("state", leaf(stopped.unwrap_or_else(|| "running".to_owned())));
        }
        body
    }

    /// What it says it was made of, and what it really has of that.
    fn made_of(&self, one: &Container, wanted: Option<&Node>) -> Node {
        let mut body = one.label(DEFINITION).and_then(defined).unwrap_or_else(|| container::described(one));
        let image = self.images.get(one.image_id());
        let image = container::variables(image.and_then(|image| image.pointer("/Config/Env")));
        let is_secret = |name: &str| {
            let node = wanted.and_then(|wanted| wanted.get("environment")?.get(name));
            node.is_some_and(|node| matches!(&node.value, Value::Text(text) if text.is_secret()))
                || crate::compose::name_says_so(name)
        };
        container::environment(&mut body, one, &image, &is_secret, self.secrets());
        body
    }

    /// The image by its digest, as the engine knows it.
    fn image(&self, body: &mut Node, one: &Container) {
        let Some(said) = body.get("image").and_then(Node::as_str) else { return };
        let Some((_, digest)) = said.split_once('@') else { return };
        let image = self.images.get(one.image_id());
        let known = image.and_then(|image| image.get("RepoDigests")).and_then(Json::as_array);
        let known: Vec<&str> = known.into_iter().flatten().filter_map(Json::as_str).collect();
        let same = known.iter().any(|known| known.ends_with(digest));
        if let (false, Some(other)) = (same, known.first()) {
            let other = (*other).to_owned();
            body.set("image", leaf(other));
        }
    }

    /// What a network of the application is called there.
    fn network(&self, name: &str) -> String {
        let key = Key::new(Subject::Network(name.into()), Role::new(kind::NETWORK));
        let resolved = self.scope.release.and_then(|release| release.resolve(&key, Part::Name));
        let external = || self.scope.release.is_some_and(|release| is_required(release, kind::NETWORK, name));
        match resolved {
            Some(real) => real.to_owned(),
            None if external() => name.to_owned(),
            None => format!("{}_{name}", self.host.project),
        }
    }

    /// What bears our marks.
    fn marks(&self) -> String {
        let whose = format!("{APPLICATION}={}", self.scope.application);
        json!({"label": [whose, format!("{PROJECT}={}", self.host.project)]}).to_string()
    }

    fn owner(&self, labels: Option<&Json>) -> Owner {
        container::owner(labels, self.scope.application, &self.host.project)
    }

    async fn networks(&mut self) -> Result<(), Failure> {
        let filters = self.marks();
        let marked = self.host.get("/networks", &[("filters", &filters)], "list networks").await?;
        let mut names: BTreeSet<Name> = names(&marked).map(Into::into).collect();
        names.extend(self.named(kind::NETWORK));
        for name in names {
            let Some(network) = self.host.find(&format!("/networks/{name}"), "look at a network").await? else {
                continue;
            };
            // What is found may be called otherwise: an id begins with these characters.
            if network.get("Name").and_then(Json::as_str) != Some(&name) {
                continue;
            }
            let owner = self.owner(network.get("Labels"));
            let key = label(network.get("Labels"), RESOURCE).and_then(|key| key.parse().ok());
            self.add(kind::NETWORK, &name, owner, key, network_body(&network), Vec::new());
        }
        Ok(())
    }

    async fn volumes(&mut self) -> Result<(), Failure> {
        let filters = self.marks();
        let marked = self.host.get("/volumes", &[("filters", &filters)], "list volumes").await?;
        let listed = marked.get("Volumes").cloned().unwrap_or_default();
        let mut all: BTreeMap<Name, Json> = BTreeMap::new();
        for volume in listed.as_array().into_iter().flatten() {
            if let Some(name) = volume.get("Name").and_then(Json::as_str) {
                all.insert(name.into(), volume.clone());
            }
        }
        let wanted: Vec<Name> = [kind::VOLUME, kind::CONFIG, kind::SECRET, kind::FILES]
            .into_iter()
            .flat_map(|kind| self.named(kind))
            .filter(|name| !all.contains_key(name))
            .collect();
        for name in wanted {
            if let Some(volume) = self.host.find(&format!("/volumes/{name}"), "look at a volume").await? {
                all.insert(name, volume);
            }
        }
        for (name, volume) in all {
            let labels = volume.get("Labels");
            let key: Option<Key> = label(labels, RESOURCE).and_then(|key| key.parse().ok());
            let mut owner = self.owner(labels);
            let kind = content::kind_of(key.as_ref(), labels);
            if kind == kind::VOLUME {
                if matches!(owner, Owner::Tool(_)) {
                    // Its labels can never change; it is used as it is, and never removed.
                    owner = Owner::Nobody;
                }
                self.add(kind, &name, owner, key, volume_body(&volume), Vec::new());
                continue;
            }
            let (body, blind) = if let Some(resource) = self.wanted.get(&*name) {
                (self.scope.release.map(|release| compared(resource, release)), Vec::new())
            } else {
                let read = content::read(self.host, &self.containers, &name, kind, self.secrets()).await?;
                let blind =
                    if read.is_none() { vec![Path::new(["content"]), Path::new(["files"])] } else { Vec::new() };
                (read, blind)
            };
            self.add(kind, &name, owner, key, body.unwrap_or_else(|| Node::map(Sources::NONE)), blind);
        }
        self.correct_references();
        Ok(())
    }

    /// Volumes say which kind they are; containers only name them.
    fn correct_references(&mut self) {
        let kinds: BTreeMap<Called, Box<str>> = self
            .live
            .keys()
            .filter(|address| content::is_content(address))
            .map(|address| (address.name.clone(), address.kind.clone()))
            .collect();
        for live in self.live.values_mut() {
            for reference in &mut live.references {
                if let Some(kind) = kinds.get(&reference.name) {
                    reference.kind.clone_from(kind);
                }
            }
        }
    }

    /// Names that the release wants of a kind.
    fn named(&self, kind: &str) -> Vec<Name> {
        let resources = self.scope.release.into_iter().flat_map(|release| release.resources.values());
        let of_kind = resources.filter(|resource| &*resource.address.kind == kind);
        of_kind.filter_map(|resource| resource.address.name.now().map(Into::into)).collect()
    }

    fn add(&mut self, kind: &str, name: &str, owner: Owner, key: Option<Key>, body: Node, blind: Vec<Path>) {
        let address = Address { kind: kind.into(), scope: None, name: Called::Now(name.into()) };
        let live = Live {
            key: key.filter(|_| owner == Owner::Us),
            owner,
            token: Token::default(),
            body,
            blind,
            ours: None,
            writers: Vec::new(),
            references: Vec::new(),
            state: State::Settled,
            address: address.clone(),
        };
        self.live.insert(address, live);
    }

    async fn missing(&self) -> Result<Vec<Requirement>, Failure> {
        let mut missing = Vec::new();
        for one in self.scope.release.into_iter().flat_map(|release| &release.requires) {
            let name = one.address.name.now().unwrap_or_default();
            let path = if &*one.address.kind == kind::NETWORK { "networks" } else { "volumes" };
            if self.host.find(&format!("/{path}/{name}"), "look for what has to be there").await?.is_none() {
                missing.push(one.clone());
            }
        }
        Ok(missing)
    }
}

fn is_required(release: &Release, kind: &str, name: &str) -> bool {
    release.requires.iter().any(|one| &*one.address.kind == kind && one.address.name.now() == Some(name))
}

fn names(list: &Json) -> impl Iterator<Item = &str> {
    list.as_array().into_iter().flatten().filter_map(|one| one.get("Name")?.as_str())
}

/// Entries that are there and say something.
fn set(body: &mut Node, name: &str, json: Option<&Json>) {
    if let Some(json) = json.filter(|json| !json.is_null()) {
        body.set(name, crate::platform::decode(json));
    }
}

fn network_body(network: &Json) -> Node {
    let mut body = Node::map(Sources::NONE);
    set(&mut body, "driver", network.get("Driver"));
    set(&mut body, "internal", network.get("Internal"));
    set(&mut body, "attachable", network.get("Attachable"));
    set(&mut body, "enable_ipv6", network.get("EnableIPv6"));
    set(&mut body, "enable_ipv4", network.get("EnableIPv4"));
    set(&mut body, "driver_opts", network.get("Options"));
    let mut ipam = Node::map(Sources::NONE);
    set(&mut ipam, "driver", network.pointer("/IPAM/Driver"));
    set(&mut ipam, "options", network.pointer("/IPAM/Options"));
    let pools = network.pointer("/IPAM/Config").and_then(Json::as_array).into_iter().flatten().map(|pool| {
        let mut one = Node::map(Sources::NONE);
        for (name, there) in [("subnet", "Subnet"), ("gateway", "Gateway"), ("ip_range", "IPRange")] {
            set(&mut one, name, pool.get(there));
        }
        set(&mut one, "aux_addresses", pool.get("AuxiliaryAddresses"));
        one
    });
    ipam.set("config", Node::new(pools.collect::<Vec<_>>(), Sources::NONE));
    body.set("ipam", ipam);
    body
}

fn volume_body(volume: &Json) -> Node {
    let mut body = Node::map(Sources::NONE);
    set(&mut body, "driver", volume.get("Driver"));
    set(&mut body, "driver_opts", volume.get("Options"));
    body
}
