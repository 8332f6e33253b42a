//! Volumes: of the agent, persistent ones of an app's own, those of a driver, files, and memory.

use super::{
    environment::Declared,
    translate::{Translator, map},
};
use crate::{
    compose::model::{Mount, Service, Volume},
    target::{HostPaths, codes, naming, parts::is_written, parts::sorted},
    value::{Located, Name, Node, Sources, Spot, Value},
};

/// Megabytes of a volume that nobody gave a size.
const SIZE: i64 = 1024;

/// Everything that an app mounts.
#[derive(Default)]
pub(super) struct Storage {
    pub(super) volumes: Vec<Node>,
    pub(super) fetch: Vec<Node>,
    pub(super) secrets: Vec<Declared>,
    /// Texts of `--tmpfs`.
    pub(super) temporary: Vec<Node>,
    /// Whether data lies on the agent that it runs on.
    pub(super) resident: bool,
    /// Whether two generations cannot stand beside each other.
    pub(super) exclusive: bool,
}

fn is(mount: &Mount, kind: &str) -> bool {
    mount.kind.as_ref().and_then(|found| found.value.plain()).unwrap_or("volume") == kind
}

impl Translator<'_> {
    pub(super) fn storage(&mut self, name: &str, service: &Service) -> Storage {
        let mut storage = Storage::default();
        let all: Vec<Located<Mount>> = service.volumes.iter().flat_map(|all| &all.value).cloned().collect();
        for mount in &all {
            self.mount(name, service, mount, &mut storage);
        }
        self.mount_contents(name, service, &mut storage);
        storage
    }

    fn mount(&mut self, service: &str, of: &Service, mount: &Located<Mount>, storage: &mut Storage) {
        let at = format!("services.{service}.volumes");
        let value = &mount.value;
        let Some(target) = value.target.as_ref() else { return };
        let kind = value.kind.as_ref().and_then(|kind| kind.value.plain()).unwrap_or("volume").to_owned();
        let spots = [
            Some(mount.spot),
            Some(target.spot),
            value.kind.as_ref().map(|part| part.spot),
            value.read_only.as_ref().map(|part| part.spot),
            value.volume.as_ref().map(|part| part.spot),
            value.bind.as_ref().map(|part| part.spot),
            value.tmpfs.as_ref().map(|part| part.spot),
        ];
        let mut all: Vec<Sources> = spots.into_iter().flatten().map(Sources::from).collect();
        all.extend(value.source.as_ref().map(|source| self.from(source)));
        let from = self.project.origins.join(all);
        let read_only = value.read_only.as_ref().is_some_and(|flag| flag.value);
        let path = Node { value: target.value.clone().into(), from };
        let mode = Node { value: if read_only { "RO" } else { "RW" }.into(), from };
        match kind.as_str() {
            "volume" => self.mount_volume(service, of, mount, (path, mode, from), storage),
            "tmpfs" => {
                let mut text = target.value.plain().unwrap_or_default().to_owned();
                let tmpfs = value.tmpfs.as_ref().map(|tmpfs| &tmpfs.value);
                let size = tmpfs.and_then(|tmpfs| tmpfs.size.as_ref());
                let bits = tmpfs.and_then(|tmpfs| tmpfs.mode.as_ref());
                let options: Vec<String> = [
                    size.map(|size| format!("size={}", size.value)),
                    bits.map(|mode| format!("mode={:o}", mode.value)),
                ]
                .into_iter()
                .flatten()
                .collect();
                if !options.is_empty() {
                    text = format!("{text}:{}", options.join(","));
                }
                let parts =
                    [size.map(|size| size.spot), bits.map(|mode| mode.spot)].into_iter().flatten().map(Sources::from);
                let from = self.project.origins.join([from].into_iter().chain(parts));
                storage.temporary.push(Node { value: text.into(), from });
            }
            "bind" => self.mount_bind(service, mount, (path, mode, from), read_only, storage),
            other => {
                let words = format!("a mount of type `{other}` cannot be said");
                let spots = self.project.origins.spots(from);
                self.find_covering(&codes::REFUSED, words, &spots, &at, "use a volume");
            }
        }
    }

    fn mount_bind(
        &mut self,
        service: &str,
        mount: &Located<Mount>,
        (path, mode, from): (Node, Node, Sources),
        read_only: bool,
        storage: &mut Storage,
    ) {
        let at = format!("services.{service}.volumes");
        let Some(source) = mount.value.source.as_ref() else { return };
        let host = source.value.plain().unwrap_or_default().to_owned();
        if host.starts_with(&format!("{}/", self.project.directory)) {
            match self.mount_files(source, path, from, storage) {
                Ok(()) if !read_only => {
                    let target = mount.value.target.as_ref().map_or(mount.spot, |target| target.spot);
                    let words = format!("`{service}` changes a copy of its own: files of the project stay as they are");
                    let help = "write `:ro` where they are only read, and use a volume where they are written";
                    self.find(&codes::READ_ONLY, words, target, &at, help);
                }
                Ok(()) => {}
                Err(why) => {
                    let words = format!("{} cannot be carried along: {why}", self.project.shown(&source.value));
                    self.find(
                        &codes::NO_CONTENT,
                        words,
                        source.spot,
                        &at,
                        "use a volume, or clear it in the overlay with `!reset`",
                    );
                }
            }
            return;
        }
        if self.settings.marathon.host_paths == HostPaths::Allow {
            let host = Node { value: source.value.clone().into(), from };
            storage.volumes.push(map(vec![("containerPath", path), ("hostPath", host), ("mode", mode)], from));
            return;
        }
        let words = format!("{} is a path of the agents", source.value.masked());
        self.find(&codes::HOST_PATH, words, source.spot, &at, "use a volume, or set `hostPaths: allow`");
    }

    fn mount_volume(
        &mut self,
        service: &str,
        of: &Service,
        mount: &Located<Mount>,
        (path, mode, from): (Node, Node, Sources),
        storage: &mut Storage,
    ) {
        let at = format!("services.{service}.volumes");
        let Some(source) = mount.value.source.as_ref().filter(|source| !source.value.is_empty()) else {
            let shown = mount.value.target.as_ref().map(|target| target.value.masked().to_string()).unwrap_or_default();
            let words = format!("what `{service}` writes to {shown} goes with its container");
            let spots = self.project.origins.spots(from);
            self.find_covering(&codes::ANONYMOUS_VOLUME, words, &spots, &at, "name a volume where it matters");
            return;
        };
        let name = source.value.plain().unwrap_or_default().to_owned();
        let Some(volume) = self.project.volumes.get(name.as_str()).cloned() else { return };
        let sub_path = mount.value.volume.as_ref().and_then(|volume| volume.value.subpath.as_ref()).cloned();
        let driver = volume.value.driver.as_ref().filter(|driver| driver.value.plain() != Some("local"));
        let external = volume.value.external.as_ref().is_some_and(|external| external.value);
        storage.exclusive = true;
        if driver.is_some() || external {
            if let Some(sub_path) = &sub_path {
                let words = "a folder of such a volume cannot be mounted alone".to_owned();
                self.find(&codes::UNSUPPORTED, words, sub_path.spot, &at, "mount the whole of it");
            }
            let outer = self.external(&name, &volume, from);
            let entries = vec![("containerPath", path), ("mode", mode), ("external", outer)];
            storage.volumes.push(map(entries, from));
            self.one_instance(service, of, &name, volume.spot);
            return;
        }
        let users: Vec<Name> = self.users(&name);
        if users.len() > 1 {
            let mut spots = self.project.origins.spots(from);
            if let Some(tree) = self.project.canonical.at(&["volumes", &name]) {
                tree.walk(&mut |_, tree| spots.push(tree.spot));
            }
            let words = format!("the volume `{name}` of one agent cannot be shared by {} services", users.len());
            self.find_covering(
                &codes::REFUSED,
                words,
                &spots,
                &at,
                "use a `driver` whose volumes several apps can have",
            );
            return;
        }
        self.one_instance(service, of, &name, volume.spot);
        storage.resident = true;
        // One segment, in the sandbox; from there it is mounted where it belongs.
        let folder = naming::slug(&name, 40);
        let size = self.size(&name, &volume);
        let labels = volume.value.labels.iter().flat_map(|all| &all.value).map(|(_, text)| Sources::from(text.spot));
        self.labelless(&name, &volume);
        let written = volume
            .value
            .name
            .as_ref()
            .filter(|name| is_written(name.spot, &self.project.origins))
            .map(|name| name.spot);
        if let Some(spot) = written {
            let words = format!("the volume `{name}` of an agent has no name there");
            self.find(&codes::APPROXIMATED, words, spot, &format!("volumes.{name}.name"), "leave it out");
        }
        if let Some(options) = &volume.value.driver_opts {
            let spots: Vec<Spot> =
                [options.spot].into_iter().chain(options.value.values().map(|text| text.spot)).collect();
            let words = format!("a volume of an agent takes no options: `{name}` has some");
            let help = "name the `driver` that takes them";
            self.find_covering(&codes::UNSUPPORTED, words, &spots, &format!("volumes.{name}.driver_opts"), help);
        }
        let driver = volume.value.driver.as_ref().map(|driver| Sources::from(driver.spot));
        let own = self.project.origins.join(labels.chain(driver).chain([from, volume.spot.into()]));
        let persistent = map(vec![("type", Node::new("root", Sources::NONE)), ("size", size)], own);
        let inside = Node { value: folder.as_str().into(), from: own };
        let writes = Node { value: "RW".into(), from: own };
        storage.volumes.push(map(vec![("containerPath", inside), ("mode", writes), ("persistent", persistent)], own));
        let (host, host_from) = match &sub_path {
            Some(sub_path) => {
                let text = format!("{folder}/{}", sub_path.value.plain().unwrap_or_default().trim_matches('/'));
                (text, self.project.origins.join([from, self.from(sub_path)]))
            }
            None => (folder, from),
        };
        let host = Node { value: host.into(), from: host_from };
        storage.volumes.push(map(vec![("containerPath", path), ("hostPath", host), ("mode", mode)], from));
    }

    /// Volumes have no labels there.
    fn labelless(&mut self, name: &str, volume: &Located<Volume>) {
        let Some(labels) = &volume.value.labels else { return };
        let spots: Vec<Spot> = [labels.spot].into_iter().chain(labels.value.values().map(|text| text.spot)).collect();
        let words = format!("the volume `{name}` has no labels there");
        let at = format!("volumes.{name}.labels");
        self.find_covering(&codes::UNSUPPORTED, words, &spots, &at, "label the service");
    }

    /// A volume that a driver makes, or that is there.
    fn external(&mut self, name: &str, volume: &Located<Volume>, from: Sources) -> Node {
        let value = &volume.value;
        let written = value.name.as_ref().filter(|name| is_written(name.spot, &self.project.origins));
        let there = value.external.as_ref().filter(|external| external.value);
        let called = match (written, there) {
            (Some(own), _) => self.text(own),
            (None, Some(_)) => Node::new(name, volume.spot),
            (None, None) => {
                Node::new(format!("{}-{}", self.secret_folder().replace('/', "-"), naming::slug(name, 60)), volume.spot)
            }
        };
        let mut options = Node::map(from);
        let driver =
            value.driver.as_ref().map_or_else(|| Node::new("rexray", Sources::NONE), |driver| self.text(driver));
        options.set("dvdi/driver", driver);
        for (key, text) in value.driver_opts.iter().flat_map(|all| sorted(&all.value)) {
            options.set(format!("dvdi/{key}"), self.text(text));
        }
        let shape = [volume.spot, there.map(|there| there.spot).unwrap_or_default()];
        let from = self.project.origins.join(shape.map(Sources::from).into_iter().chain([from]));
        self.labelless(name, volume);
        map(vec![("name", called), ("provider", Node { value: "dvdi".into(), from }), ("options", options)], from)
    }

    /// Such a volume is one app's, and of one instance.
    fn one_instance(&mut self, service: &str, of: &Service, volume: &str, spot: Spot) {
        if let Some((count, from)) = self.count(service, of).filter(|(count, _)| *count > 1) {
            let spots: Vec<Spot> = self.project.origins.spots(from).into_iter().chain([spot]).collect();
            let words = format!("{count} instances of `{service}` each want the volume `{volume}`");
            let at = format!("services.{service}.deploy.replicas");
            self.find_covering(&codes::SHARED_VOLUME, words, &spots, &at, "run one, or keep the data elsewhere");
        }
    }

    /// The services that mount a volume.
    fn users(&self, volume: &str) -> Vec<Name> {
        let uses = |service: &Service| {
            service.volumes.iter().flat_map(|all| &all.value).any(|mount| {
                let source = mount.value.source.as_ref().and_then(|source| source.value.plain());
                is(&mount.value, "volume") && source == Some(volume)
            })
        };
        let all = self.project.services.iter().filter(|(_, service)| uses(&service.value));
        all.map(|(name, _)| name.clone()).collect()
    }

    /// Megabytes of a volume.
    fn size(&mut self, name: &str, volume: &Located<Volume>) -> Node {
        let written = self.settings.volumes.get(name).and_then(|settings| settings.size.clone());
        let written = written.or_else(|| self.settings.marathon.volume_size.clone());
        let at = format!("volumes.{name}");
        if let Some(written) = written {
            if let Some(size) = megabytes(&written.value) {
                return Node::new(size, written.spot);
            }
            let words = format!("`{}` is no size", written.value);
            self.find(&codes::NEEDS, words, written.spot, &at, "write it as `10Gi`");
        } else {
            let words = format!("the volume `{name}` has no size: {SIZE} MiB are asked for");
            self.find(&codes::VOLUME_SIZE, words, volume.spot, &at, "set `size` under `volumes` of the environment");
        }
        Node::new(SIZE, Sources::NONE)
    }

    /// Volumes that nobody mounts, or that only jobs do.
    pub(super) fn unused_volumes(&mut self, wanted: &[Name]) {
        let all: Vec<_> =
            sorted(&self.project.volumes).into_iter().map(|(name, volume)| (name.clone(), volume.spot)).collect();
        for (name, spot) in all {
            if self.users(&name).iter().any(|user| wanted.contains(user)) {
                continue;
            }
            let mut spots = vec![spot];
            if let Some(tree) = self.project.canonical.at(&["volumes", &name]) {
                tree.walk(&mut |_, tree| spots.push(tree.spot));
            }
            let words = format!("no container mounts `{name}`: it is not made");
            self.find_covering(&codes::APPROXIMATED, words, &spots, &format!("volumes.{name}"), "leave it out");
        }
    }
}

/// A quantity as Kubernetes writes it, in megabytes.
fn megabytes(text: &str) -> Option<i64> {
    let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(end);
    let number: i64 = number.parse().ok()?;
    let bytes = match unit {
        "" => number,
        "Ki" => number.checked_mul(1 << 10)?,
        "Mi" => number.checked_mul(1 << 20)?,
        "Gi" => number.checked_mul(1 << 30)?,
        "Ti" => number.checked_mul(1 << 40)?,
        "k" => number.checked_mul(1_000)?,
        "M" => number.checked_mul(1_000_000)?,
        "G" => number.checked_mul(1_000_000_000)?,
        "T" => number.checked_mul(1_000_000_000_000)?,
        _ => return None,
    };
    let whole = bytes.checked_add((1 << 20) - 1)? >> 20;
    (whole > 0).then_some(whole)
}

/// A value that stands for a mounted thing.
pub(super) fn mounted(container: Node, host: &str, from: Sources) -> Node {
    let host = Node { value: Value::from(host), from };
    map(vec![("containerPath", container), ("hostPath", host), ("mode", Node { value: "RO".into(), from })], from)
}
