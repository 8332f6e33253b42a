//! One look at everything that matters to an application.

use std::collections::{BTreeMap, BTreeSet};

use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use indexmap::IndexMap;
use serde_json::{Value as Json, json};

use super::{
    AT_ONCE, Swarm,
    connection::{Connection, name},
    live::{self, KINDS, Reading, text},
    preview, tasks,
};
use crate::{
    platform::{Failure, History, Live, Observation, Owner, Scope, State},
    target::swarm::{APPLICATION, STACK},
    target::{Condition, Requirement},
    value::Address,
};

pub(super) async fn observe(swarm: &Swarm, scope: Scope<'_>) -> Result<Observation, Failure> {
    let identity = swarm.identified().await?.clone();
    let reader = &swarm.reader;
    let networks = networks(reader).await?;
    let (application, secrets) = (scope.application, &**scope.concealed);
    let reading = Reading { application, stack: &reader.stack, secrets, networks: &networks };
    let ours = [format!("{APPLICATION}={application}"), format!("{STACK}={}", reader.stack)];
    let mut live: IndexMap<Address, Live> = IndexMap::new();
    let mut there: BTreeSet<Address> = BTreeSet::new();
    for (kind, collection) in KINDS {
        let wanted: Vec<&str> = scope
            .release
            .into_iter()
            .flat_map(|release| {
                let own = release.resources.values().map(|resource| &resource.address);
                own.chain(release.requires.iter().map(|required| &required.address))
            })
            .filter(|address| &*address.kind == kind)
            .filter_map(|address| address.name.now())
            .collect();
        let marked = reader.labelled(collection, &ours).await?;
        let named = reader.named(collection, &wanted).await?;
        let found = marked.into_iter().chain(named).map(|object| (live::address(kind, name(&object)), object));
        let found: BTreeMap<Address, Json> = found.collect();
        there.extend(found.keys().cloned());
        for (address, object) in &found {
            // What is only required is not looked at, and not changed.
            let is_ours = reading.owner(object) == Owner::Us;
            let is_wanted = scope
                .release
                .is_some_and(|release| release.resources.values().any(|resource| resource.address == *address));
            if is_ours || is_wanted {
                live.insert(address.clone(), reading.live(kind, object));
            }
        }
        if kind == "Service" {
            states(reader, scope, &mut live, &found).await?;
        }
    }
    live.sort_unstable_keys();
    let previews = match scope.release.filter(|_| scope.preview) {
        Some(release) => {
            let version = swarm.version().await?;
            let each = release.resources.iter();
            each.map(|(key, resource)| (key.clone(), preview::preview(resource, version))).collect()
        }
        None => IndexMap::new(),
    };
    let missing: Vec<Requirement> = scope
        .release
        .into_iter()
        .flat_map(|release| &release.requires)
        .filter(|required| !there.contains(&required.address))
        .cloned()
        .collect();
    Ok(Observation {
        identity,
        live,
        previews,
        unreadable: Vec::new(),
        under_way: Vec::new(),
        missing,
        history: History::default(),
    })
}

/// How far the services have come that are ours.
async fn states(
    reader: &Connection,
    scope: Scope<'_>,
    live: &mut IndexMap<Address, Live>,
    services: &BTreeMap<Address, Json>,
) -> Result<(), Failure> {
    let settles = |address: &Address| {
        let mut resources = scope.release.into_iter().flat_map(|release| release.resources.values());
        resources.find(|resource| resource.address == *address).map_or(Condition::Started, |one| one.settles.when)
    };
    let looked = services.iter().filter(|(address, _)| live.contains_key(*address));
    let looked: Vec<(Address, Json)> = looked.map(|(address, service)| (address.clone(), service.clone())).collect();
    let states: Vec<(Address, State)> = stream::iter(looked)
        .map(|(address, service)| async move {
            let of_it = tasks(reader, text(&service, "/ID")).await?;
            // What differs is told as such: an update that went back is over.
            let stand = tasks::progress(&service, &of_it, settles(&address), true);
            Ok::<_, Failure>((address, stand.state(scope.concealed)))
        })
        .buffered(AT_ONCE)
        .try_collect()
        .await?;
    for (address, state) in states {
        if let Some(live) = live.get_mut(&address) {
            live.state = state;
        }
    }
    Ok(())
}

/// The tasks of a service that are of its spec as it is.
pub(super) async fn tasks(reader: &Connection, service: &str) -> Result<Vec<Json>, Failure> {
    let filters = json!({"service": [service], "_up-to-date": ["true"]}).to_string();
    let answer = reader.find("/tasks", &[("filters", &filters)], "list tasks").await?;
    Ok(answer.and_then(|answer| answer.as_array().cloned()).unwrap_or_default())
}

/// Names of all networks by id.
pub(super) async fn networks(reader: &Connection) -> Result<BTreeMap<String, String>, Failure> {
    let answer = reader.get("/networks", &[], "list networks").await?;
    let networks = answer.as_array().into_iter().flatten();
    Ok(networks.map(|network| (text(network, "/Id").to_owned(), name(network).to_owned())).collect())
}
