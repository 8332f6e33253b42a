//! From where an environment goes to the place itself.

use std::{path::PathBuf, sync::Arc};

use super::{
    Failure, FailureKind, Platform,
    cluster::{Cluster, ClusterSettings, Patience},
    directory::Directory,
    host::{Host, HostSettings},
    marathon::{self, MarathonAccess, MarathonPlace},
    swarm::{self, Swarm},
};
use crate::{
    compose::join,
    engine::{self, Engine},
    environment::{Destination, Marathon, Selected},
    image::Registries,
    value::{Located, Masked, Name, Secrets},
};

/// What connecting needs beside the environment.
pub struct Means<'a> {
    /// All secret bytes of the run.
    pub concealed: &'a Arc<Secrets>,
    /// Registries with the credentials of this machine, for a place that pulls with them.
    pub registries: &'a Registries,
    /// Shows a path as people would type it.
    pub shown: &'a dyn Fn(&str) -> String,
    /// Variables of the process.
    pub variable: &'a dyn Fn(&str) -> Option<String>,
}

/// The place of an environment. Nothing is asked of it but what connecting takes.
///
/// # Errors
/// When it cannot be reached, or its settings cannot be read.
pub async fn connect(
    destination: &Destination,
    selected: &Selected,
    project: &Name,
    means: Means<'_>,
) -> Result<Box<dyn Platform>, Failure> {
    match destination {
        Destination::Directory(path) => Ok(Box::new(Directory::new(path.as_str(), (means.shown)(path)))),
        Destination::Cluster { context, kubeconfig } => {
            let kubernetes = selected.environment.kubernetes.as_ref();
            let settings = ClusterSettings {
                kubeconfig: kubeconfig.iter().map(PathBuf::from).collect(),
                context: context.clone(),
                namespace: selected.namespace(project),
                create_namespace: kubernetes.and_then(|one| one.create_namespace).unwrap_or_default(),
                patience: Patience::default(),
            };
            Ok(Box::new(Cluster::connect(settings, Arc::clone(means.concealed)).await?))
        }
        Destination::Host(engine) => {
            let settings = HostSettings {
                engine: engine.clone(),
                project: selected.compose_project(project).value,
                variables: selected.request.environment.clone(),
            };
            Ok(Box::new(Host::new(settings, Arc::clone(means.concealed))?))
        }
        Destination::Marathon { url } => {
            let marathon = selected.environment.marathon.as_ref();
            let named =
                |part: fn(&Marathon) -> Option<&Located<Name>>| marathon.and_then(part).map(|name| &*name.value);
            let access = MarathonAccess {
                url: url.to_string(),
                token: marathon::token(url, means.variable),
                ca: named(|one| one.ca.as_ref()).map(|path| PathBuf::from(join(&selected.directory, path))),
                group: selected.group(project).value.to_string(),
                store: named(|one| one.files.as_ref()).map(str::to_owned),
                patience: marathon::Patience::default(),
            };
            Ok(Box::new(MarathonPlace::connect(access, Arc::clone(means.concealed))?))
        }
        Destination::Swarm(name) => {
            let unusable = |error: engine::Error| Failure::new(FailureKind::Other, Masked::words(error.whole()));
            let address = name.address(&selected.request.environment).map_err(unusable)?;
            let engine = Engine::new(address, engine::Patience::default()).map_err(unusable)?;
            let (registries, secrets) = (means.registries.clone(), Arc::clone(means.concealed));
            Ok(Box::new(Swarm::new(
                engine,
                selected.stack(project).value,
                registries,
                secrets,
                swarm::Patience::default(),
            )))
        }
    }
}
