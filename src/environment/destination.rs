//! Where an environment goes, and in which dialect.

use std::collections::BTreeMap;

use super::{
    Known, codes,
    file::Environment,
    select::{Flags, Selected},
};
use crate::{
    compose::join,
    diagnostic::{Finding, Findings},
    engine::{self, Address},
    target::Dialect,
    value::{Located, Masked, Name, Spot},
};

/// Where a release goes.
#[derive(Clone, Debug)]
pub enum Destination {
    /// A cluster.
    Cluster {
        /// Context of the kubeconfig.
        context: Option<Name>,
        /// Files in the order in which they count.
        kubeconfig: Vec<String>,
    },
    /// The managers of a Swarm, through one of their engines.
    Swarm(EngineName),
    /// One Docker Engine.
    Host(EngineName),
    /// Marathon, by the address of its API.
    Marathon {
        /// `https://dcos.example.com/service/marathon`.
        url: Name,
    },
    /// A directory; absolute.
    Directory(String),
}

/// Which Docker Engine is meant; the one of `DOCKER_HOST` or of the current Docker context when nothing is said.
#[derive(Clone, Debug, Default)]
pub struct EngineName {
    /// `unix:///run/docker.sock`, `tcp://10.0.0.1:2376`; goes before a context.
    pub host: Option<Name>,
    /// A Docker context.
    pub context: Option<Name>,
}

impl EngineName {
    /// What a section of an environment names; a context of the command line goes before both.
    fn of(host: Option<&Located<Name>>, context: Option<&Located<Name>>, flag: Option<Name>) -> Self {
        let named = |name: Option<&Located<Name>>| name.map(|name| name.value.clone());
        match flag {
            Some(flag) => Self { host: None, context: Some(flag) },
            None => Self { host: named(host), context: named(context) },
        }
    }

    /// Where it is, by the variables of the process.
    ///
    /// # Errors
    /// When what names it makes no sense.
    pub fn address(&self, variables: &BTreeMap<String, String>) -> Result<Address, engine::Error> {
        match &self.host {
            Some(host) => {
                let mut variables = variables.clone();
                variables.insert("DOCKER_HOST".to_owned(), host.to_string());
                Address::find(&variables, None)
            }
            None => Address::find(variables, self.context.as_deref()),
        }
    }

    fn shown(&self) -> Option<String> {
        match (&self.host, &self.context) {
            (Some(host), _) => Some(host.to_string()),
            (None, Some(context)) => Some(format!("context {context}")),
            (None, None) => None,
        }
    }
}

impl Destination {
    /// Its name in plans and documents.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Cluster { .. } => Dialect::Kubernetes.name(),
            Self::Swarm(_) => Dialect::Swarm.name(),
            Self::Host(_) => Dialect::Compose.name(),
            Self::Marathon { .. } => Dialect::Marathon.name(),
            Self::Directory(_) => "directory",
        }
    }

    /// What to show of it beside its name: a context, an address; `None` when nothing more is known. `path` shows a
    /// path as people would type it.
    pub fn place(&self, path: &dyn Fn(&str) -> String) -> Option<Masked> {
        let words = match self {
            Self::Cluster { context, .. } => context.as_ref().map(|context| format!("context {context}")),
            Self::Swarm(engine) | Self::Host(engine) => engine.shown(),
            Self::Marathon { url } => Some(url.to_string()),
            Self::Directory(directory) => Some(path(directory)),
        };
        words.map(Masked::words)
    }
}

/// The target that an environment names; the first of its sections, and none beside it.
fn written(environment: &Environment) -> Result<Option<Dialect>, Findings> {
    let sections: [(Option<Spot>, Dialect); 4] = [
        (environment.kubernetes.as_ref().map(|section| section.spot), Dialect::Kubernetes),
        (environment.swarm.as_ref().map(|section| section.spot), Dialect::Swarm),
        (environment.marathon.as_ref().map(|section| section.spot), Dialect::Marathon),
        (environment.compose.as_ref().map(|section| section.spot), Dialect::Compose),
    ];
    let mut named = sections.into_iter().filter_map(|(spot, dialect)| Some((spot?, dialect)));
    let first = named.next();
    if let (Some((_, one)), Some((spot, other))) = (&first, named.next()) {
        let words =
            format!("an environment goes to one target, and this one to {} and to {}", one.name(), other.name());
        let finding = Finding::new(&codes::WRONG_SETTING, Masked::words(words), spot);
        return Err(finding.help("make two environments of it").into());
    }
    Ok(first.map(|(_, dialect)| dialect))
}

/// The dialect, and the place; no place when nothing says which.
pub(super) fn destination(
    known: &Known,
    environment: &Environment,
    flags: &Flags,
    variables: &BTreeMap<String, String>,
    here: &str,
) -> Result<(Dialect, Option<Destination>), Findings> {
    let written = written(environment)?;
    let dialect = flags.to.or(written).unwrap_or(Dialect::Kubernetes);
    if let Some(output) = &flags.output {
        return Ok((dialect, Some(Destination::Directory(join(here, output)))));
    }
    let context = flags.context.as_deref().map(Name::from);
    // What is said on the command line goes before the directory of the environment.
    let elsewhere = context.is_some() || written.is_some_and(|written| written != dialect);
    if let Some(output) = environment.output.as_ref().filter(|_| !elsewhere) {
        return Ok((dialect, Some(Destination::Directory(join(&known.directory, &output.value)))));
    }
    let place = match dialect {
        Dialect::Kubernetes => cluster(known, environment, flags, context, variables, here),
        Dialect::Swarm => (written == Some(dialect) || flags.to.is_some()).then(|| {
            let section = environment.swarm.as_ref();
            let host = section.and_then(|section| section.host.as_ref());
            Destination::Swarm(EngineName::of(host, section.and_then(|section| section.context.as_ref()), context))
        }),
        Dialect::Compose => (written == Some(dialect) || flags.to.is_some()).then(|| {
            let section = environment.compose.as_ref();
            let host = section.and_then(|section| section.host.as_ref());
            Destination::Host(EngineName::of(host, section.and_then(|section| section.context.as_ref()), context))
        }),
        Dialect::Marathon => {
            let url = environment.marathon.as_ref().and_then(|section| section.url.as_ref());
            url.map(|url| Destination::Marathon { url: url.value.clone() })
        }
    };
    Ok((dialect, place))
}

fn cluster(
    known: &Known,
    environment: &Environment,
    flags: &Flags,
    context: Option<Name>,
    variables: &BTreeMap<String, String>,
    here: &str,
) -> Option<Destination> {
    let kubernetes = environment.kubernetes.clone().unwrap_or_default();
    let context = context.or_else(|| kubernetes.context.as_ref().map(|name| name.value.clone()));
    let kubeconfig = if let Some(path) = &flags.kubeconfig {
        vec![join(here, path)]
    } else if let Some(path) = &kubernetes.kubeconfig {
        vec![join(&known.directory, &home(&path.value, variables))]
    } else if let Some(list) = variables.get("KUBECONFIG").filter(|list| !list.is_empty()) {
        list.split(':').filter(|path| !path.is_empty()).map(|path| join(here, path)).collect()
    } else {
        variables.get("HOME").map(|home| join(home, ".kube/config")).into_iter().collect()
    };
    // A kubeconfig that was named is as good as a context: its current one is meant.
    let named = context.is_some() || flags.kubeconfig.is_some() || kubernetes.kubeconfig.is_some();
    named.then_some(Destination::Cluster { context, kubeconfig })
}

fn home(path: &str, variables: &BTreeMap<String, String>) -> String {
    match (path.strip_prefix("~/"), variables.get("HOME")) {
        (Some(rest), Some(home)) => join(home, rest),
        _ => path.to_owned(),
    }
}

impl Selected {
    /// The one Docker Engine that everything runs on, where it is one.
    pub const fn host(&self) -> Option<&EngineName> {
        match &self.destination {
            Some(Destination::Host(engine)) => Some(engine),
            _ => None,
        }
    }

    /// Whether the release goes to files and not to a live place.
    pub const fn is_files(&self) -> bool {
        matches!(self.destination, Some(Destination::Directory(_)))
    }
}
