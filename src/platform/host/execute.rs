//! Steps on a host: networks, volumes and contents through the engine, layers of services through Docker Compose.

use std::{collections::BTreeMap, ffi::OsString, process::Stdio, sync::Arc, time::Duration};

use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use http::HeaderMap;
use serde_json::{Map, Value as Json, json};

use super::{
    AT_ONCE, Host,
    container::{Container, PROJECT},
    content,
    document::{Document, compared, document},
    failure::failure,
    observe::containers,
    program::{DockerCompose, Fed, Invocation},
};
use crate::{
    engine::{EngineWriter, Error},
    plan::{Call, Step},
    platform::{
        Event, Failure, FailureKind, Hold, Observation, Owner, Pending, Progress, Unresolved, What, Writer, encode,
    },
    target::{
        Release, Resource,
        compose::{kind, lives_with},
    },
    value::{Address, Key, Masked, Node, Subject, Value},
};

/// How long Docker Compose may take for a layer: it pulls images, and waits for containers to end.
const LAYER: Duration = Duration::from_secs(1800);
/// How long a container may take to end.
const ENDING: Duration = Duration::from_secs(600);
/// How many of the last lines of Docker Compose are told.
const LINES: usize = 4;

/// Writes to one engine.
pub(super) struct HostWriter {
    host: Host,
    writer: EngineWriter,
    program: DockerCompose,
    hold: Arc<dyn Hold>,
}

impl HostWriter {
    pub(super) fn new(host: &Host, hold: Arc<dyn Hold>) -> Result<Self, Failure> {
        let program =
            DockerCompose::find().ok_or_else(|| Failure::new(FailureKind::Other, Masked::from(program_missing())))?;
        Ok(Self { writer: host.engine.writer(), host: host.clone(), program, hold })
    }
}

const fn program_missing() -> &'static str {
    "Docker Compose is not installed: neither `docker compose` nor `docker-compose` runs; install the Compose plugin of \
     Docker, or put docker-compose on PATH"
}

impl Writer for HostWriter {
    fn execute<'a>(
        &'a self,
        step: &'a Step,
        release: &'a Release,
        seen: &'a Observation,
        progress: &'a dyn Progress,
    ) -> Pending<'a, Result<(), Failure>> {
        Box::pin(async move {
            self.hold.still_ours()?;
            let one = Executing { writer: self, release, seen, progress };
            match &step.call {
                Call::Put => one.put(step).await,
                Call::Batch { .. } | Call::Run => one.start(&step.carries).await,
                Call::Delete { .. } => one.remove(step).await,
                Call::Wait => Ok(()),
            }
        })
    }
}

/// One step.
struct Executing<'a> {
    writer: &'a HostWriter,
    release: &'a Release,
    seen: &'a Observation,
    progress: &'a dyn Progress,
}

fn unresolved(error: &Unresolved) -> Failure {
    Failure::new(FailureKind::Invalid, Masked::words(error.to_string()))
}

impl Executing<'_> {
    fn failed(&self, error: &Error, doing: &str) -> Failure {
        failure(error, doing, &self.release.concealed)
    }

    fn doing(&self, key: &Key, words: String) {
        let what = What::Doing(Masked::words(words));
        self.progress.event(Event { destination: None, key: Some(key.clone()), what });
    }

    async fn put(&self, step: &Step) -> Result<(), Failure> {
        for resource in step.carries.iter().filter_map(|key| self.release.resources.get(key)) {
            match &*resource.address.kind {
                kind::NETWORK => self.network(resource).await?,
                kind::VOLUME => self.volume(resource).await?,
                _ => self.content(resource).await?,
            }
        }
        Ok(())
    }

    /// What Docker Compose would write on something of its own, beside what the body says.
    fn labels(&self, body: &Json, name: &str, subject: &str) -> Map<String, Json> {
        let mut labels = body.get("labels").and_then(Json::as_object).cloned().unwrap_or_default();
        labels.insert(PROJECT.to_owned(), (*self.writer.host.project).into());
        labels.insert(format!("com.docker.compose.{subject}"), name.into());
        labels
    }

    async fn network(&self, resource: &Resource) -> Result<(), Failure> {
        let Subject::Network(name) = &resource.key.of else { return Ok(()) };
        let body = encode(&resource.body, self.release).map_err(|error| unresolved(&error))?;
        let part = |name: &str| body.get(name).cloned().unwrap_or_default();
        let driver = part("driver").as_str().filter(|driver| *driver != "default").unwrap_or("bridge").to_owned();
        let pools = body.pointer("/ipam/config").and_then(Json::as_array).into_iter().flatten().map(|pool| {
            let mut out = Map::new();
            let names = [
                ("subnet", "Subnet"),
                ("gateway", "Gateway"),
                ("ip_range", "IPRange"),
                ("aux_addresses", "AuxiliaryAddresses"),
            ];
            for (name, there) in names {
                out.extend(pool.get(name).map(|value| (there.to_owned(), value.clone())));
            }
            Json::Object(out)
        });
        let pools: Vec<Json> = pools.collect();
        let mut network = json!({
            "Name": resource.address.name.now().unwrap_or_default(),
            "CheckDuplicate": true,
            "Driver": driver,
            "Labels": self.labels(&body, name, "network"),
        });
        let optional = [
            ("Options", part("driver_opts")),
            ("Internal", part("internal")),
            ("Attachable", part("attachable")),
            ("EnableIPv6", part("enable_ipv6")),
            ("EnableIPv4", part("enable_ipv4")),
        ];
        for (name, value) in optional.into_iter().filter(|(_, value)| !value.is_null()) {
            network[name] = value;
        }
        if let Some(ipam) = body.get("ipam") {
            network["IPAM"] = json!({
                "Driver": ipam.get("driver").and_then(Json::as_str).unwrap_or("default"),
                "Config": pools,
                "Options": ipam.get("options").cloned().unwrap_or_else(|| json!({})),
            });
        }
        match self.writer.writer.post("/networks/create", &[], HeaderMap::new(), Some(&network)).await {
            Ok(_) => Ok(()),
            // Made by a run that was killed after it.
            Err(error) if error.is_conflict() => Ok(()),
            Err(error) => Err(self.failed(&error, &format!("make {}", resource.address))),
        }
    }

    async fn volume(&self, resource: &Resource) -> Result<(), Failure> {
        let Subject::Volume(name) = &resource.key.of else { return Ok(()) };
        let body = encode(&resource.body, self.release).map_err(|error| unresolved(&error))?;
        let mut volume = json!({
            "Name": resource.address.name.now().unwrap_or_default(),
            "Labels": self.labels(&body, name, "volume"),
        });
        for (part, there) in [("driver", "Driver"), ("driver_opts", "DriverOpts")] {
            if let Some(value) = body.get(part) {
                volume[there] = value.clone();
            }
        }
        let made = self.writer.writer.post("/volumes/create", &[], HeaderMap::new(), Some(&volume)).await;
        made.map(drop).map_err(|error| self.failed(&error, &format!("make {}", resource.address)))
    }

    /// A content is put into its volume through a container of the image that is going to read it.
    async fn content(&self, resource: &Resource) -> Result<(), Failure> {
        let reader = self.release.resources.values().find_map(|service| {
            let Subject::Service(name) = &service.key.of else { return None };
            let image = service.body.get("image")?.as_str()?;
            service.body.references().contains(&resource.key).then(|| (name.to_string(), image.to_owned()))
        });
        let Some((service, image)) = reader else { return Ok(()) };
        if self.writer.host.find(&format!("/images/{image}/json"), "look for an image").await?.is_none() {
            self.doing(&resource.key, format!("pulling the image of {service}"));
            // Names that are not known yet mean nothing to a pull.
            let document =
                document(self.release, &|_| None, &|_| "/".to_owned()).map_err(|error| unresolved(&error))?;
            self.run(&document, &["pull", "--quiet", &service]).await?;
        }
        content::fill(&self.writer.writer, resource, self.release, &self.writer.host.project, &image).await
    }

    /// A layer of services.
    async fn start(&self, keys: &[Key]) -> Result<(), Failure> {
        let resources: Vec<&Resource> = keys.iter().filter_map(|key| self.release.resources.get(key)).collect();
        self.give_names(&resources).await?;
        let document = self.document().await?;
        let (forced, plain): (Vec<&Resource>, Vec<&Resource>) =
            resources.into_iter().partition(|resource| self.is_forced(resource));
        for (services, more) in [(plain, &[][..]), (forced, &["--force-recreate"][..])] {
            let names: Vec<&str> = services
                .iter()
                .filter_map(|resource| match &resource.key.of {
                    Subject::Service(name) => Some(&**name),
                    _ => None,
                })
                .collect();
            if !names.is_empty() {
                let arguments = [&["up", "--detach", "--no-deps", "--no-build", "--quiet-pull"][..], more, &names];
                self.run(&document, &arguments.concat()).await?;
            }
        }
        Ok(())
    }

    /// Whether its containers have to be made anew although Docker Compose would not see why: it knows nothing of what
    /// the engine was told afterwards, nor of a job that is to run again.
    fn is_forced(&self, resource: &Resource) -> bool {
        let Some(live) = self.seen.live.get(&resource.address) else { return false };
        if resource.body.get("state").is_none() || !lives_with(resource).is_empty() {
            return true;
        }
        let (is, wanted) = (&live.body, compared(resource, self.release));
        let left_out = |name: &str| matches!(name, "scale" | "state" | "name" | "depends_on");
        let all = is.entries().iter().chain(wanted.entries()).filter(|(name, _)| !left_out(name));
        all.into_iter().any(|(name, _)| is.get(name).map(value) != wanted.get(name).map(value))
    }

    /// A container that was left under another name by a run that was killed gets its own again; where that is taken,
    /// its successor is there, and it goes.
    async fn give_names(&self, resources: &[&Resource]) -> Result<(), Failure> {
        let all = self.containers().await?;
        for resource in resources {
            let Subject::Service(name) = &resource.key.of else { continue };
            let written = resource.body.get("container_name").and_then(Node::as_str);
            for one in all.iter().filter(|one| one.service() == &**name) {
                let usual = one.usual_name(written);
                if one.name() == usual {
                    continue;
                }
                let path = format!("/containers/{}/rename", one.id());
                let renamed = self.writer.writer.post(&path, &[("name", &usual)], HeaderMap::new(), None).await;
                match renamed {
                    Ok(_) => {}
                    Err(error) if error.is_conflict() => self.end(one).await?,
                    Err(error) => return Err(self.failed(&error, &format!("rename {}", one.name()))),
                }
            }
        }
        Ok(())
    }

    /// The containers of this application, and of nobody else.
    async fn containers(&self) -> Result<Vec<Container>, Failure> {
        let mut all = containers(&self.writer.host).await?;
        all.retain(|one| one.owner(&self.release.application, &self.writer.host.project) == Owner::Us);
        Ok(all)
    }

    /// The file, with the places that contents have on that host.
    async fn document(&self) -> Result<Document, Failure> {
        let contents = self.release.resources.values().filter(|resource| content::is_content(&resource.address));
        let names: Vec<String> =
            contents.filter_map(|resource| resource.address.name.now().map(str::to_owned)).collect();
        let places: BTreeMap<String, String> = stream::iter(names)
            .map(|name| async move {
                let volume = self.writer.host.find(&format!("/volumes/{name}"), "look at a volume").await?;
                let place = volume.as_ref().and_then(|volume| volume.get("Mountpoint")).and_then(Json::as_str);
                Ok::<_, Failure>((name, place.unwrap_or("/").to_owned()))
            })
            .buffered(AT_ONCE)
            .try_collect()
            .await?;
        let count = |key: &Key| {
            let resource = self.release.resources.get(key)?;
            let scale = self.seen.live.get(&resource.address)?.body.get("scale")?.as_integer()?;
            u32::try_from(scale).ok().filter(|count| *count > 0)
        };
        let place = |name: &str| places.get(name).cloned().unwrap_or_else(|| "/".to_owned());
        document(self.release, &count, &place).map_err(|error| unresolved(&error))
    }

    async fn run(&self, document: &Document, arguments: &[&str]) -> Result<(), Failure> {
        let host = &self.writer.host;
        let arguments: Vec<OsString> =
            ["--ansi", "never", "--progress", "quiet"].iter().chain(arguments).map(OsString::from).collect();
        let invocation = Invocation {
            document: &document.text,
            variables: &document.variables,
            project: &host.project,
            directory: "/",
            engine: &host.name,
            arguments: &arguments,
        };
        let other = |words: String| Failure::new(FailureKind::Other, host.secrets.scrub(&words));
        let name = self.writer.program.name();
        let command = self.writer.program.command(&invocation, Fed::Input(&host.between));
        let command = command.map_err(|error| other(format!("the file for {name} cannot be written: {error}")))?;
        let mut command = tokio::process::Command::from(command);
        command.stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
        let ended = tokio::time::timeout(LAYER, command.output()).await;
        let ended = ended.map_err(|_| other(format!("{name} took more than {} s", LAYER.as_secs())))?;
        let ended = ended.map_err(|error| other(format!("{name} cannot be started: {error}")))?;
        if ended.status.success() {
            return Ok(());
        }
        let said = String::from_utf8_lossy(&ended.stderr);
        // As a whole, so that a secret of several lines is found.
        let said = host.secrets.scrub(&said);
        let lines: Vec<&str> = said.as_str().lines().map(str::trim).filter(|line| !line.is_empty()).collect();
        let last = lines.iter().rev().take(LINES).rev().copied().collect::<Vec<_>>().join("; ");
        let last = if last.is_empty() { format!("it ended with {}", ended.status) } else { last };
        Err(Failure::new(FailureKind::Other, Masked::words(format!("{name}: {last}"))))
    }

    async fn remove(&self, step: &Step) -> Result<(), Failure> {
        let Some(address) = &step.address else { return Ok(()) };
        let Some(name) = address.name.now() else { return Ok(()) };
        let path = match &*address.kind {
            kind::SERVICE => return self.service_gone(address).await,
            kind::NETWORK => {
                self.leave(step, name).await?;
                format!("/networks/{name}")
            }
            _ => format!("/volumes/{name}"),
        };
        match self.writer.writer.delete(&path, &[]).await {
            Ok(_) => Ok(()),
            Err(error) if error.is_missing() => Ok(()),
            // Something that is not ours is still there: it stays, and the next apply sees it again.
            Err(error) if error.is_conflict() => {
                let words = Masked::words(format!("{address} is still in use, and stays"));
                let key = step.carries.first().cloned();
                self.progress.event(Event { destination: None, key, what: What::Skipped(words) });
                Ok(())
            }
            Err(error) => Err(self.failed(&error, &format!("remove {address}"))),
        }
    }

    async fn service_gone(&self, address: &Address) -> Result<(), Failure> {
        for one in self.containers().await?.iter().filter(|one| address.name.now() == Some(one.service())) {
            self.end(one).await?;
        }
        Ok(())
    }

    /// A network that is made anew lets go of what is attached to it: those containers are made anew after it.
    async fn leave(&self, step: &Step, network: &str) -> Result<(), Failure> {
        if !step.carries.iter().any(|key| self.release.resources.contains_key(key)) {
            return Ok(());
        }
        for one in self.containers().await? {
            if one.0.pointer("/NetworkSettings/Networks").and_then(|all| all.get(network)).is_some() {
                self.end(&one).await?;
            }
        }
        Ok(())
    }

    /// Stops a container in its own time, and removes it; its anonymous volumes stay.
    async fn end(&self, one: &Container) -> Result<(), Failure> {
        let writer = self.writer.writer.within(ENDING);
        let doing = format!("remove the container {}", one.name());
        let done = |result: Result<Json, Error>| match result {
            Ok(_) => Ok(()),
            Err(error) if error.is_missing() => Ok(()),
            Err(error) => Err(self.failed(&error, &doing)),
        };
        done(writer.post(&format!("/containers/{}/stop", one.id()), &[], HeaderMap::new(), None).await)?;
        done(writer.delete(&format!("/containers/{}", one.id()), &[("force", "true")]).await)
    }
}

fn value(node: &Node) -> &Value {
    &node.value
}
