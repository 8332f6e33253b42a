//! Volumes, memory and paths of the nodes.

use super::translate::Translator;
use crate::{
    compose::model::{Mount, Service},
    target::{
        HostPaths, codes,
        parts::{set, some},
        swarm::STACK,
    },
    value::{Located, Node, Sources, Text, Value},
};

impl Translator<'_> {
    /// `Mounts` of a container, and the configs that stand for files of the project.
    pub(super) fn mounts(&mut self, name: &str, service: &Service) -> (Vec<Node>, Vec<Node>) {
        let (mut mounts, mut files) = (Vec::new(), Vec::new());
        for (index, mount) in service.volumes.iter().flat_map(|all| &all.value).enumerate() {
            let at = format!("services.{name}.volumes.{index}");
            let value = &mount.value;
            let Some(target) = &value.target else { continue };
            let mut item = Node::map(mount.spot);
            let kind = value.kind.as_ref().and_then(|kind| kind.value.plain()).unwrap_or("volume");
            item.set("Type", Node::new(kind, value.kind.as_ref().map_or(mount.spot, |kind| kind.spot)));
            item.set("Target", self.text(target));
            set(&mut item, "ReadOnly", value.read_only.as_ref().map(|flag| Node::new(flag.value, flag.spot)));
            match kind {
                "volume" => {
                    self.volume(&mut item, value);
                    self.stays(service, value, &at);
                    mounts.push(item);
                }
                "tmpfs" => {
                    let tmpfs = value.tmpfs.as_ref();
                    let mut options = Node::map(mount.spot);
                    let size = tmpfs.and_then(|tmpfs| tmpfs.value.size.as_ref());
                    let mode = tmpfs.and_then(|tmpfs| tmpfs.value.mode.as_ref());
                    set(&mut options, "SizeBytes", size.map(|size| Node::new(size.value, size.spot)));
                    set(&mut options, "Mode", mode.map(|mode| Node::new(mode.value, mode.spot)));
                    set(&mut item, "TmpfsOptions", some(options));
                    mounts.push(item);
                }
                "bind" => {
                    let Some(source) = &value.source else { continue };
                    let parts = [Some(mount.spot), Some(source.spot), Some(target.spot)].into_iter().flatten();
                    let parts = parts.chain(value.kind.as_ref().map(|kind| kind.spot));
                    let parts = parts.chain(value.read_only.as_ref().map(|flag| flag.spot));
                    let from =
                        self.project.origins.union(parts.chain(value.consistency.as_ref().map(|word| word.spot)));
                    let path = target.value.plain().unwrap_or_default().to_owned();
                    match self.files(source, &path, &at, from) {
                        Some(found) => {
                            if !value.read_only.as_ref().is_some_and(|flag| flag.value) {
                                self.copied(source, &at);
                            }
                            if let Some(bind) = value
                                .bind
                                .as_ref()
                                .filter(|bind| bind.value.propagation.is_some() || bind.value.recursive.is_some())
                            {
                                let words = format!(
                                    "{} is copied, and not mounted from a node",
                                    self.project.shown(&source.value)
                                );
                                let at = format!("{at}.bind");
                                self.find(&codes::UNSUPPORTED, words, bind.spot, &at, "leave the options out");
                            }
                            files.extend(found);
                        }
                        None => mounts.extend(self.host_path(item, value, source, &at)),
                    }
                }
                other => {
                    let words = format!("a mount of type `{other}` does not carry to Swarm");
                    self.find(&codes::REFUSED, words, mount.spot, &at, "use a volume, or build it into the image");
                }
            }
        }
        for tmpfs in service.tmpfs.iter().flat_map(|all| &all.value) {
            mounts.extend(self.memory(name, tmpfs));
        }
        if let Some(size) = &service.shm_size {
            let mut item = Node::map(size.spot);
            item.set("Type", Node::new("tmpfs", size.spot));
            item.set("Target", Node::new("/dev/shm", size.spot));
            let mut options = Node::map(size.spot);
            options.set("SizeBytes", Node::new(size.value, size.spot));
            options.set("Mode", Node::new(0o1777_i64, size.spot));
            item.set("TmpfsOptions", options);
            mounts.push(item);
        }
        (mounts, files)
    }

    /// What a node keeps for a task is not there for one on another node.
    fn stays(&mut self, service: &Service, mount: &Mount, at: &str) {
        let Some(source) = &mount.source else { return };
        let name = source.value.plain().unwrap_or_default();
        let Some(volume) = self.project.volumes.get(name) else { return };
        let external = volume.value.external.as_ref().is_some_and(|flag| flag.value);
        let driver = volume.value.driver.as_ref().and_then(|driver| driver.value.plain());
        let deploy = service.deploy.as_ref().map(|deploy| &deploy.value);
        let placed =
            deploy.and_then(|deploy| deploy.placement.as_ref()).is_some_and(|all| all.value.constraints.is_some());
        if external || placed || !matches!(driver, None | Some("local")) {
            return;
        }
        let words = format!("the volume `{name}` is made on the node of each task, and its data stays there");
        let help = "keep the service on its node with `deploy.placement.constraints`, or use a driver that spans nodes";
        self.find(&codes::APPROXIMATED, words, source.spot, at, help);
    }

    fn copied(&mut self, source: &Located<Text>, at: &str) {
        let words =
            format!("{} is copied when it is deployed, and cannot be written to", self.project.shown(&source.value));
        let help = "say `read_only: true`, or use a volume";
        self.find(&codes::READ_ONLY, words, source.spot, at, help);
    }

    /// A named volume, which the node's first task makes; or one without a name.
    fn volume(&self, item: &mut Node, mount: &Mount) {
        let part = mount.volume.as_ref().and_then(|options| options.value.subpath.as_ref());
        let Some(source) = &mount.source else { return };
        let name = source.value.plain().unwrap_or_default();
        let volume = self.project.volumes.get(name);
        let external = volume.and_then(|volume| volume.value.external.as_ref()).is_some_and(|flag| flag.value);
        let own = volume.and_then(|volume| volume.value.name.as_ref());
        let called = match self.written_name(own) {
            Some(own) => own.to_owned(),
            None if external => name.to_owned(),
            None => self.called(name, 200),
        };
        let there = volume.and_then(|volume| volume.value.external.as_ref()).map(|external| external.spot);
        let spots = [Some(source.spot), own.map(|own| own.spot), there];
        let from = self.project.origins.union(spots.into_iter().flatten());
        item.set("Source", Node { value: Value::from(called), from });
        let mut options = Node::map(source.spot);
        set(&mut options, "Subpath", part.map(|path| self.text(path)));
        let nocopy = mount.volume.as_ref().and_then(|options| options.value.nocopy.as_ref());
        set(&mut options, "NoCopy", nocopy.map(|flag| Node::new(flag.value, flag.spot)));
        if !external {
            let mut labels = Node::map(Sources::NONE);
            labels.set(STACK, Node::new(&*self.stack.value, self.stack.spot));
            let own = mount.volume.as_ref().and_then(|options| options.value.labels.as_ref());
            for strings in volume.and_then(|volume| volume.value.labels.as_ref()).into_iter().chain(own) {
                for (label, text) in self.strings(strings).entries() {
                    labels.set(label.clone(), text.clone());
                }
            }
            options.set("Labels", labels);
            let driver = volume.and_then(|volume| volume.value.driver.as_ref());
            let parameters = volume.and_then(|volume| volume.value.driver_opts.as_ref());
            let mut config = Node::map(source.spot);
            set(&mut config, "Name", driver.map(|driver| self.text(driver)));
            set(&mut config, "Options", parameters.map(|all| self.strings(all)));
            set(&mut options, "DriverConfig", some(config));
        }
        set(item, "VolumeOptions", some(options));
    }

    fn host_path(&mut self, mut item: Node, mount: &Mount, source: &Located<Text>, at: &str) -> Option<Node> {
        if self.settings.swarm.host_paths == HostPaths::Refuse {
            let words = format!("{} is a path of whichever node the task runs on", source.value.masked());
            let help =
                "use a volume, put the file beside the Compose file, or allow it with `swarm: {hostPaths: allow}`";
            self.find(&codes::HOST_PATH, words, source.spot, at, help);
            return None;
        }
        item.set("Source", self.text(source));
        if let Some(bind) = &mount.bind {
            let mut options = Node::map(bind.spot);
            set(&mut options, "Propagation", bind.value.propagation.as_ref().map(|word| self.text(word)));
            if let Some(recursive) = &bind.value.recursive {
                let flag = match recursive.value.plain() {
                    Some("disabled") => Some("NonRecursive"),
                    Some("writable") => Some("ReadOnlyNonRecursive"),
                    Some("readonly") => Some("ReadOnlyForceRecursive"),
                    _ => None,
                };
                set(&mut options, flag.unwrap_or_default(), flag.map(|_| Node::new(true, self.text(recursive).from)));
            }
            set(&mut item, "BindOptions", some(options));
        }
        Some(item)
    }

    /// `path[:options]`.
    fn memory(&mut self, name: &str, written: &Located<Text>) -> Option<Node> {
        let from = written.value.sources(written.spot, &self.project.origins);
        let text = written.value.plain()?;
        let (path, options) = text.split_once(':').unwrap_or((text, ""));
        let mut item = Node::map(from);
        item.set("Type", Node::new("tmpfs", from));
        item.set("Target", Node::new(path, from));
        let mut said = Node::map(from);
        let mut left = Vec::new();
        for option in options.split(',').filter(|option| !option.is_empty()) {
            match option.split_once('=') {
                Some(("size", size)) if crate::target::swarm::container::bytes(size).is_some() => {
                    let size = crate::target::swarm::container::bytes(size).unwrap_or_default();
                    said.set("SizeBytes", Node::new(size, from));
                }
                Some(("mode", mode)) if i64::from_str_radix(mode, 8).is_ok() => {
                    said.set("Mode", Node::new(i64::from_str_radix(mode, 8).unwrap_or_default(), from));
                }
                _ if option == "ro" => item.set("ReadOnly", Node::new(true, from)),
                _ if option == "rw" => {}
                _ => left.push(option.to_owned()),
            }
        }
        if !left.is_empty() {
            let words = format!("options of the memory at {path} do not carry to Swarm: {}", left.join(","));
            let at = format!("services.{name}.tmpfs");
            self.find(&codes::UNSUPPORTED, words, written.spot, &at, "`size` and `mode` are what can be said");
        }
        set(&mut item, "TmpfsOptions", some(said));
        Some(item)
    }
}
