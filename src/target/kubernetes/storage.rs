//! Volumes, mounts and claims.

use super::{
    object::{Object, there},
    translate::Translator,
};
use crate::{
    compose::model::{Mount, Service},
    diagnostic::Finding,
    target::{
        HostPaths, Life, codes, naming,
        parts::{context, is_written, sorted},
    },
    value::{Called, Key, Located, Masked, Name, Node, Part, Role, Sources, Subject, Value},
};

/// Volumes of a pod and mounts of its container, while they are collected.
#[derive(Debug, Default)]
pub(super) struct Mounts {
    volumes: Vec<Node>,
    mounted: Vec<Node>,
    names: Vec<String>,
}

impl Mounts {
    /// `volumes` of the pod.
    pub(super) fn volumes(&self) -> Option<Node> {
        (!self.volumes.is_empty()).then(|| Node::new(self.volumes.clone(), Sources::NONE))
    }

    /// `volumeMounts` of the container.
    pub(super) fn mounts(&self) -> Option<Node> {
        (!self.mounted.is_empty()).then(|| Node::new(self.mounted.clone(), Sources::NONE))
    }

    fn name(&mut self, wanted: &str) -> String {
        let base = naming::slug(wanted, 50);
        let mut name = base.clone();
        let mut number = 2;
        while self.names.contains(&name) {
            name = format!("{base}-{number}");
            number += 1;
        }
        self.names.push(name.clone());
        name
    }

    fn volume(&mut self, name: &str, kind: &str, source: Node, from: Sources) {
        let mut volume = Node::map(from);
        volume.set("name", Node::new(name, from));
        volume.set(kind, source);
        self.volumes.push(volume);
    }

    fn mount(&mut self, name: &str, path: Node, read_only: bool, sub_path: Option<Node>, from: Sources) {
        let mut mount = Node::map(from);
        mount.set("name", Node::new(name, from));
        mount.set("mountPath", path);
        if let Some(sub_path) = sub_path {
            mount.set("subPath", sub_path);
        }
        if read_only {
            mount.set("readOnly", Node::new(true, from));
        }
        self.mounted.push(mount);
    }

    /// One entry of a ConfigMap or Secret as one file.
    #[allow(clippy::too_many_arguments, reason = "each is one field of the volume")]
    pub(super) fn file(
        &mut self,
        kind: &'static str,
        stem: &str,
        object: Value,
        entry: &str,
        path: &str,
        mode: Node,
        from: Sources,
    ) {
        let prefix = if kind == "secret" { "secret" } else { "config" };
        let name = self.name(&format!("{prefix}-{stem}"));
        let mut item = Node::map(from);
        item.set("key", Node::new(entry, from));
        item.set("path", Node::new("content", from));
        item.set("mode", mode);
        let mut source = Node::map(from);
        let field = if kind == "secret" { "secretName" } else { "name" };
        source.set(field, Node { value: object, from });
        source.set("items", Node::new(vec![item], from));
        self.volume(&name, kind, source, from);
        self.mount(&name, Node::new(path, from), true, Some(Node::new("content", from)), from);
    }

    /// A ConfigMap as a directory; `items`: entry, relative path, whether it may be executed.
    pub(super) fn directory(
        &mut self,
        stem: &str,
        object: Value,
        items: &[(String, String, bool)],
        path: &str,
        from: Sources,
    ) {
        let name = self.name(&format!("files-{stem}"));
        let items = items.iter().map(|(entry, relative, executable)| {
            let mut item = Node::map(from);
            item.set("key", Node::new(entry.as_str(), from));
            item.set("path", Node::new(relative.as_str(), from));
            item.set("mode", Node::new(if *executable { 0o555_i64 } else { 0o444 }, from));
            item
        });
        let mut source = Node::map(from);
        source.set("name", Node { value: object, from });
        source.set("items", Node::new(items.collect::<Vec<_>>(), from));
        self.volume(&name, "configMap", source, from);
        self.mount(&name, Node::new(path, from), true, None, from);
    }

    fn memory(&mut self, stem: &str, path: Node, size: Option<Node>, from: Sources) {
        let name = self.name(&format!("memory-{stem}"));
        let mut source = Node::map(from);
        source.set("medium", Node::new("Memory", from));
        if let Some(size) = size {
            source.set("sizeLimit", size);
        }
        self.volume(&name, "emptyDir", source, from);
        self.mount(&name, path, false, None, from);
    }
}

/// Bytes as a Kubernetes quantity.
pub(super) fn quantity(bytes: i64) -> String {
    for (unit, size) in [("Gi", 1_i64 << 30), ("Mi", 1 << 20), ("Ki", 1 << 10)] {
        if bytes >= size && bytes % size == 0 {
            return format!("{}{unit}", bytes / size);
        }
    }
    bytes.to_string()
}

fn claim_key(name: &str) -> Key {
    Key::new(Subject::Volume(name.into()), Role::new("claim"))
}

fn is(mount: &Mount, kind: &str) -> bool {
    mount.kind.as_ref().and_then(|found| found.value.plain()) == Some(kind)
}

impl Translator<'_> {
    /// The mounts of a service, those it takes over with `volumes_from` included, and whether it may only read them.
    pub(super) fn all_mounts<'m>(&'m self, name: &str, service: &'m Service) -> Vec<(&'m Located<Mount>, bool)> {
        let mut found: Vec<_> = service.volumes.iter().flat_map(|all| &all.value).map(|mount| (mount, false)).collect();
        let mut open: Vec<(&Service, bool)> = vec![(service, false)];
        let mut seen: Vec<&str> = vec![name];
        while let Some((from, read_only)) = open.pop() {
            for text in from.volumes_from.iter().flat_map(|all| &all.value) {
                let text = text.value.plain().unwrap_or_default();
                let (other, mode) = text.split_once(':').unwrap_or((text, "rw"));
                let Some((other, service)) = self.project.services.get_key_value(other) else { continue };
                if seen.contains(&&**other) {
                    continue;
                }
                seen.push(other);
                let read_only = read_only || mode == "ro";
                for mount in service.value.volumes.iter().flat_map(|all| &all.value) {
                    let target = mount.value.target.as_ref().and_then(|target| target.value.plain());
                    let known = |(known, _): &(&Located<Mount>, bool)| {
                        known.value.target.as_ref().and_then(|known| known.value.plain()) == target
                    };
                    if !found.iter().any(known) {
                        found.push((mount, read_only));
                    }
                }
                open.push((&service.value, read_only));
            }
        }
        found
    }

    /// The services that mount a named volume, and whether they write to it.
    fn users(&self, volume: &str) -> Vec<(Name, bool)> {
        let mut found = Vec::new();
        for (name, service) in &self.project.services {
            for (mount, read_only) in self.all_mounts(name, &service.value) {
                let source = mount.value.source.as_ref().and_then(|source| source.value.plain());
                if is(&mount.value, "volume") && source == Some(volume) {
                    let writes = !read_only && !mount.value.read_only.as_ref().is_some_and(|flag| flag.value);
                    match found.iter_mut().find(|(known, _)| known == name) {
                        Some((_, known)) => *known |= writes,
                        None => found.push((name.clone(), writes)),
                    }
                }
            }
        }
        found
    }

    /// Whether a service alone writes to a volume, and runs once: then it is a StatefulSet.
    pub(super) fn owns_volume(&self, name: &str, service: &Service) -> bool {
        self.all_mounts(name, service).into_iter().any(|(mount, read_only)| {
            let source = mount.value.source.as_ref().and_then(|source| source.value.plain()).unwrap_or_default();
            let users = self.users(source);
            is(&mount.value, "volume")
                && !source.is_empty()
                && !read_only
                && !mount.value.read_only.as_ref().is_some_and(|flag| flag.value)
                && users.iter().all(|(user, _)| &**user == name)
        })
    }

    /// One claim per volume that is used.
    pub(super) fn claims(&mut self, wanted: &[Name]) {
        for (name, volume) in sorted(&self.project.volumes) {
            let users = self.users(name);
            if !users.iter().any(|(user, _)| wanted.contains(user)) {
                continue;
            }
            let value = &volume.value;
            if value.external.as_ref().is_some_and(|external| external.value) {
                let real = value.name.as_ref().and_then(|name| name.value.plain()).unwrap_or(name);
                let spot = value.name.as_ref().map_or(volume.spot, |name| name.spot);
                let there = self.external_name(real, spot, &format!("volumes.{name}.name"));
                let address = self.address("v1/PersistentVolumeClaim", Called::Now(there.into()));
                let external = value.external.as_ref().map(|external| external.spot).unwrap_or_default();
                let from = self.project.origins.union([volume.spot, spot, external]);
                self.requires.push(crate::target::Requirement { address, entries: Vec::new(), from });
                continue;
            }
            let settings = self.settings.volumes.get(name).cloned().unwrap_or_default();
            let kubernetes = &self.settings.kubernetes;
            let size = settings.size.clone().or_else(|| kubernetes.volume_size.clone());
            if size.is_none() {
                let words = format!("the volume `{name}` has no size: 1Gi is asked for");
                self.find(
                    &codes::VOLUME_SIZE,
                    words,
                    volume.spot,
                    &format!("volumes.{name}"),
                    "set `size` under `volumes` of the environment",
                );
            }
            let writers = users.iter().filter(|(_, writes)| *writes).count();
            if writers > 1 && settings.access_mode.is_none() {
                let words = format!("the volume `{name}` is written by {writers} services");
                self.find(
                    &codes::SHARED_VOLUME,
                    words,
                    volume.spot,
                    &format!("volumes.{name}"),
                    "set `accessMode: ReadWriteMany` where the storage can do it",
                );
            }
            for (user, writes) in &users {
                let count = self.project.services.get(user).and_then(|service| self.count(user, &service.value));
                if let Some((count, from)) = count.filter(|(count, _)| *count > 1 && *writes)
                    && settings.access_mode.is_none()
                {
                    let spots = self.project.origins.spots(from);
                    let words = format!("{count} replicas of `{user}` write to the volume `{name}`");
                    self.find(
                        &codes::SHARED_VOLUME,
                        words,
                        spots.first().copied().unwrap_or(volume.spot),
                        &format!("volumes.{name}"),
                        "run one replica, or set `accessMode: ReadWriteMany` where the storage can do it",
                    );
                }
            }
            let quantity =
                size.map_or_else(|| Node::new("1Gi", Sources::NONE), |size| Node::new(&*size.value, size.spot));
            let class = settings.class.clone().or_else(|| kubernetes.storage_class.clone());
            let mode = settings
                .access_mode
                .as_ref()
                .map_or_else(|| Node::new("ReadWriteOnce", Sources::NONE), |mode| Node::new(&*mode.value, mode.spot));
            let own = value.name.as_ref().filter(|name| is_written(name.spot, &self.project.origins));
            let stem = own.and_then(|own| own.value.plain()).map_or_else(
                || naming::slug(&format!("{}-{name}", self.settings.application.project), 63),
                |own| naming::slug(own, 63),
            );
            let called = Called::Now(stem.into());
            let mut object = Object::new(
                claim_key(name),
                "v1/PersistentVolumeClaim",
                called,
                "persistentvolumeclaim.yaml",
                volume.spot,
            )
            .life(Life::Data);
            object.annotations.extend(self.annotations(value.labels.as_ref(), &format!("volumes.{name}.labels")));
            object.shaped = own.map(|own| own.spot.into()).unwrap_or_default();
            let inner = context(
                "claim",
                vec![
                    ("accessModes", Some(Node::new(vec![mode], Sources::NONE))),
                    ("storageClassName", class.map(|class| Node::new(&*class.value, class.spot))),
                    ("size", Some(quantity)),
                ],
            );
            self.add(object, inner);
        }
    }

    /// Everything a container mounts.
    pub(super) fn mounts(&mut self, name: &str, service: &Service) -> Mounts {
        let mut mounts = Mounts::default();
        let all: Vec<(Located<Mount>, bool)> =
            self.all_mounts(name, service).into_iter().map(|(mount, flag)| (mount.clone(), flag)).collect();
        for (mount, read_only) in &all {
            self.mount(name, mount, *read_only, &mut mounts);
        }
        self.taken_over(name, service);
        for tmpfs in service.tmpfs.iter().flat_map(|all| &all.value) {
            let from = tmpfs.value.sources(tmpfs.spot, &self.project.origins);
            let Some(text) = tmpfs.value.plain() else { continue };
            let (path, options) = text.split_once(':').map_or((text, ""), |(path, options)| (path, options));
            let mut size = None;
            for option in options.split(',').filter(|option| !option.is_empty()) {
                match option.split_once('=') {
                    Some(("size", amount)) => {
                        size = memory_amount(amount).map(|bytes| Node::new(quantity(bytes), from));
                    }
                    _ if ["rw", "noexec", "nosuid", "nodev", "exec"].contains(&option) => {}
                    _ => {
                        let words = format!("the option `{option}` of this tmpfs cannot be said");
                        self.find(
                            &codes::UNSUPPORTED,
                            words,
                            tmpfs.spot,
                            &format!("services.{name}.tmpfs"),
                            "size is the one that can",
                        );
                    }
                }
            }
            mounts.memory(path, Node::new(path, from), size, from);
        }
        if let Some(size) = &service.shm_size {
            mounts.memory(
                "shm",
                Node::new("/dev/shm", size.spot),
                Some(Node::new(quantity(size.value), size.spot)),
                size.spot.into(),
            );
        }
        self.mount_contents(service, &mut mounts);
        mounts
    }

    /// What `volumes_from` says and cannot be had.
    fn taken_over(&mut self, name: &str, service: &Service) {
        for text in service.volumes_from.iter().flat_map(|all| &all.value) {
            let at = format!("services.{name}.volumes_from");
            let plain = text.value.plain().unwrap_or_default();
            let other = plain.split(':').next().unwrap_or_default();
            let Some(found) = self.project.services.get(other) else {
                let words = format!("`{}` is no service of this application", text.value.masked());
                self.find(&codes::REFUSED, words, text.spot, &at, "name a volume that both mount");
                continue;
            };
            let named = |mount: &Located<Mount>| {
                is(&mount.value, "volume") && mount.value.source.as_ref().is_some_and(|source| !source.value.is_empty())
            };
            let all = found.value.volumes.iter().flat_map(|all| &all.value);
            let words = if all.clone().all(named) {
                format!("the volumes of `{other}` are mounted here as well")
            } else {
                format!("what is mounted in `{other}` is mounted here as well, but only named volumes are shared")
            };
            self.find(&codes::APPROXIMATED, words, text.spot, &at, "name the volumes that both mount");
        }
    }

    fn mount(&mut self, service: &str, mount: &Located<Mount>, only_read: bool, mounts: &mut Mounts) {
        let at = format!("services.{service}.volumes");
        let value = &mount.value;
        let Some(target) = value.target.as_ref() else { return };
        let kind = value.kind.as_ref().and_then(|kind| kind.value.plain()).unwrap_or("volume").to_owned();
        let read_only = only_read || value.read_only.as_ref().is_some_and(|flag| flag.value);
        let spots = [
            Some(mount.spot),
            Some(target.spot),
            value.kind.as_ref().map(|part| part.spot),
            value.source.as_ref().map(|part| part.spot),
            value.read_only.as_ref().map(|part| part.spot),
            value.volume.as_ref().map(|part| part.spot),
            value.bind.as_ref().map(|part| part.spot),
        ];
        let mut all: Vec<Sources> = spots.into_iter().flatten().map(Sources::from).collect();
        if let Some(source) = &value.source {
            all.push(source.value.sources(source.spot, &self.project.origins));
        }
        let from = self.project.origins.join(all);
        let path = Node { value: target.value.clone().into(), from };
        let target_path = target.value.plain().unwrap_or_default().to_owned();
        match kind.as_str() {
            "volume" => {
                if value.source.as_ref().is_none_or(|source| source.value.is_empty()) {
                    let words = format!("what `{service}` writes to {target_path} goes with the pod");
                    self.find(&codes::ANONYMOUS_VOLUME, words, target.spot, &at, "name a volume where it matters");
                }
                self.mount_volume(value, path, read_only, from, mounts);
            }
            "tmpfs" => {
                let tmpfs = value.tmpfs.as_ref().map(|tmpfs| &tmpfs.value);
                let size =
                    tmpfs.and_then(|tmpfs| tmpfs.size.as_ref()).map(|size| Node::new(quantity(size.value), size.spot));
                mounts.memory(&target_path, path, size, from);
            }
            "bind" => {
                let Some(source) = value.source.as_ref() else { return };
                let host = source.value.plain().unwrap_or_default().to_owned();
                let below = self.project.own_path(&host).is_some();
                let failed = if below { self.mount_files(source, &target_path, from, mounts).err() } else { None };
                if below && failed.is_none() {
                    if !read_only {
                        let words =
                            format!("`{service}` can only read {target_path}: it is a copy of the project's files");
                        self.find(
                            &codes::READ_ONLY,
                            words,
                            target.spot,
                            &at,
                            "write `:ro` where it is only read, and use a volume where it is written",
                        );
                    }
                    return;
                }
                if self.settings.kubernetes.host_paths == HostPaths::Allow && !below {
                    let name = mounts.name(&format!("host-{target_path}"));
                    let mut host_path = Node::map(from);
                    host_path.set("path", Node { value: source.value.clone().into(), from });
                    mounts.volume(&name, "hostPath", host_path, from);
                    mounts.mount(&name, path, read_only, None, from);
                    return;
                }
                if let Some(why) = failed {
                    let words = format!("{} cannot be carried along: {why}", self.project.shown(&source.value));
                    self.find(
                        &codes::NO_CONTENT,
                        words,
                        source.spot,
                        &at,
                        "use a volume, or clear it in the overlay with `!reset`",
                    );
                } else {
                    let words = format!("{} is a path of the host", source.value.masked());
                    self.find(&codes::HOST_PATH, words, source.spot, &at, "use a volume, or set `hostPaths: allow`");
                }
            }
            "image" => {
                let Some(source) = value.source.as_ref() else { return };
                let Some(pinned) = self.pinned.image(&source.value).cloned() else { return };
                let name = mounts.name(&format!("image-{target_path}"));
                let mut image = Node::map(from);
                image.set(
                    "reference",
                    Node::new(&*pinned.reference, self.project.origins.join([from, pinned.spot.into()])),
                );
                let sub_path =
                    value.image.as_ref().and_then(|image| image.value.subpath.as_ref()).map(|path| self.text(path));
                mounts.volume(&name, "image", image, from);
                mounts.mount(&name, path, true, sub_path, from);
            }
            other => {
                let words = format!("a mount of type `{other}` cannot be said");
                let covered = self.project.origins.spots(from);
                let finding = Finding::new(&codes::REFUSED, Masked::words(words), mount.spot).at(at.as_str());
                self.findings.push(Finding { covers: covered, ..finding.help("use a volume") });
            }
        }
    }

    fn mount_volume(&mut self, value: &Mount, path: Node, read_only: bool, from: Sources, mounts: &mut Mounts) {
        let source = value.source.as_ref().filter(|source| !source.value.is_empty());
        let sub_path =
            value.volume.as_ref().and_then(|volume| volume.value.subpath.as_ref()).map(|path| self.text(path));
        let Some(source) = source else {
            let name = mounts.name(&format!("scratch-{}", path.as_str().unwrap_or_default()));
            mounts.volume(&name, "emptyDir", Node::map(from), from);
            mounts.mount(&name, path, read_only, sub_path, from);
            return;
        };
        let volume = source.value.plain().unwrap_or_default();
        let key = claim_key(volume);
        let claim = if self.resources.contains_key(&key) {
            Value::Reference(Box::new(key), Part::Name)
        } else {
            let named = self.project.volumes.get(volume).and_then(|volume| volume.value.name.as_ref());
            Value::from(there(named.and_then(|name| name.value.plain()).unwrap_or(volume)))
        };
        let name = mounts.name(&format!("volume-{volume}"));
        let mut inner = Node::map(from);
        inner.set("claimName", Node { value: claim, from });
        if read_only {
            inner.set("readOnly", Node::new(true, from));
        }
        mounts.volume(&name, "persistentVolumeClaim", inner, from);
        mounts.mount(&name, path, read_only, sub_path, from);
    }
}

fn memory_amount(text: &str) -> Option<i64> {
    crate::compose::size(text)
}
