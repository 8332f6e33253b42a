//! Contents of configs, secrets and files of the project: volumes that carry their content in their name. A path of
//! this machine would be none where the engine runs, and a container made before would go on with what was there.

use super::{kind, translate::Translator};
use crate::{
    compose::model::{Config, ConfigReference, Content, FileBytes, FileContent, Mount, Secret, Service},
    target::{
        Condition, Life, codes,
        contents::{ContentSource, Lacking, not_mounted},
        naming,
    },
    value::{Address, Key, Located, Name, Node, Part, Role, Sources, Spot, Subject, Text, Value},
};

/// Whose a file is in a container, and who may do what with it.
#[derive(Clone, Debug, Default)]
pub(super) struct Ownership {
    uid: Option<Located<Text>>,
    gid: Option<Located<Text>>,
    mode: Option<Located<i64>>,
}

impl Ownership {
    pub(super) fn of(reference: &ConfigReference) -> Self {
        Self { uid: reference.uid.clone(), gid: reference.gid.clone(), mode: reference.mode }
    }

    pub(super) fn spots(&self) -> Vec<Spot> {
        let texts = [&self.uid, &self.gid].into_iter().flatten().map(|text| text.spot);
        texts.chain(self.mode.map(|mode| mode.spot)).collect()
    }

    /// What tells two of the same content apart; nothing where nothing is said.
    fn suffix(&self) -> String {
        let text =
            |text: &Option<Located<Text>>| text.as_ref().and_then(|one| one.value.plain()).unwrap_or("0").to_owned();
        if self.spots().is_empty() {
            return String::new();
        }
        let mode = self.mode.map_or(0o444, |mode| mode.value);
        format!("@{}:{}:{mode:04o}", text(&self.uid), text(&self.gid))
    }

    fn write(&self, body: &mut Node, translator: &Translator<'_>) {
        for (name, text) in [("gid", &self.gid), ("uid", &self.uid)] {
            if let Some(text) = text {
                body.set(name, translator.text(text));
            }
        }
        if let Some(mode) = self.mode {
            body.set("mode", Node::new(mode.value, mode.spot));
        }
    }
}

/// The key of a content.
pub(super) fn key(name: &str, secret: bool, owner: &Ownership) -> Key {
    let name: Name = format!("{name}{}", owner.suffix()).into();
    let subject = if secret { Subject::Secret(name) } else { Subject::Config(name) };
    Key::new(subject, Role::new("content"))
}

/// Where a config or secret says its content is.
struct Declared<'a> {
    source: ContentSource<'a>,
    called: Option<&'a Located<Text>>,
    external: bool,
}

impl<'a> From<&'a Config> for Declared<'a> {
    fn from(config: &'a Config) -> Self {
        Self {
            source: config.into(),
            called: config.name.as_ref(),
            external: config.external.is_some_and(|external| external.value),
        }
    }
}

impl<'a> From<&'a Secret> for Declared<'a> {
    fn from(secret: &'a Secret) -> Self {
        Self {
            source: secret.into(),
            called: secret.name.as_ref(),
            external: secret.external.is_some_and(|external| external.value),
        }
    }
}

impl Translator<'_> {
    pub(super) fn configs_and_secrets(&mut self, wanted: &[Name]) {
        let project = self.project;
        let mut used: Vec<(bool, Name, Ownership)> = Vec::new();
        for service in wanted.iter().filter_map(|name| project.services.get(name)) {
            let configs = service.value.configs.iter().flat_map(|all| &all.value).map(|one| (false, one));
            let secrets = service.value.secrets.iter().flat_map(|all| &all.value).map(|one| (true, one));
            for (secret, one) in configs.chain(secrets) {
                if let Some(name) = one.value.source.as_ref().and_then(|source| source.value.plain()) {
                    used.push((secret, name.into(), Ownership::of(&one.value)));
                }
            }
        }
        let mut all: Vec<(bool, &Name, Declared<'_>, Spot)> = Vec::new();
        all.extend(project.configs.iter().map(|(name, one)| (false, name, Declared::from(&one.value), one.spot)));
        all.extend(project.secrets.iter().map(|(name, one)| (true, name, Declared::from(&one.value), one.spot)));
        all.sort_by(|a, b| (a.0, a.1).cmp(&(b.0, b.1)));
        for (secret, name, declared, spot) in all {
            let mut owners: Vec<&Ownership> =
                used.iter().filter(|one| (one.0, &one.1) == (secret, name)).map(|one| &one.2).collect();
            owners.sort_by_key(|owner| owner.suffix());
            if owners.is_empty() {
                self.unused(if secret { "secrets" } else { "configs" }, name, spot);
            } else if declared.external {
                self.not_there(secret, name);
            } else {
                self.declared(name, secret, &declared, spot, &owners);
            }
        }
    }

    /// What the dispositions refuse, with everything that speaks of it.
    fn not_there(&mut self, secret: bool, name: &Name) {
        let section = if secret { "secrets" } else { "configs" };
        let mut spots = Vec::new();
        if let Some(tree) = self.project.canonical.at(&[section, name]) {
            tree.walk(&mut |_, tree| spots.push(tree.spot));
        }
        for service in self.project.services.values() {
            let list = if secret { &service.value.secrets } else { &service.value.configs };
            for one in list.iter().flat_map(|all| &all.value) {
                let source = one.value.source.as_ref();
                if source.and_then(|source| source.value.plain()) == Some(name) {
                    spots.extend(source.map(|source| source.spot));
                    spots.extend(one.value.target.as_ref().map(|target| target.spot));
                    spots.push(one.spot);
                }
            }
        }
        let words = format!("`{name}` would have to be there already");
        let help = "Docker Compose knows none that are: give it a file, a variable or `content`";
        self.find_covering(&codes::NEEDS, words, spots, &format!("{section}.{name}"), help);
    }

    /// What only builds use does not go along.
    fn unused(&mut self, section: &str, name: &str, spot: Spot) {
        let mut spots = vec![spot];
        if let Some(tree) = self.project.canonical.at(&[section, name]) {
            tree.walk(&mut |_, tree| spots.push(tree.spot));
        }
        let words = format!("no container uses `{name}`: it stays here");
        let at = format!("{section}.{name}");
        self.find_covering(&codes::APPROXIMATED, words, spots, &at, "what builds use is needed where they run");
    }

    fn declared(&mut self, name: &str, secret: bool, declared: &Declared<'_>, spot: Spot, owners: &[&Ownership]) {
        let section = if secret { "secrets" } else { "configs" };
        let at = format!("{section}.{name}");
        let Some((content, from)) = self.bytes(declared, secret.then_some(name), &at, spot) else { return };
        let origins = &self.project.origins;
        let called = declared.called.filter(|called| self.is_written(called.spot.into()));
        let from = origins.join([from, called.map(|called| called.spot.into()).unwrap_or_default()]);
        let stem = called.and_then(|called| called.value.plain()).unwrap_or(name).to_owned();
        let labels =
            self.project.canonical.at(&[section, name, "labels"]).map(|tree| crate::compose::body(tree, origins));
        for owner in owners {
            let key = key(name, secret, owner);
            if self.resources.contains_key(&key) {
                continue;
            }
            let mut body = Node::map(spot);
            body.set("content", of_bytes(&content.bytes, from));
            owner.write(&mut body, self);
            if let Some(labels) = &labels {
                body.set("labels", labels.clone());
            }
            self.content(key, if secret { kind::SECRET } else { kind::CONFIG }, &stem, body);
        }
    }

    /// A volume that is named by what it holds.
    fn content(&mut self, key: Key, kind: &'static str, stem: &str, mut body: Node) {
        // Bytes that are no text enter the name under the content key: their id stands for them.
        let mut entries: Option<Vec<(String, Text)>> = Some(Vec::new());
        body.walk(&mut |path, node| match &node.value {
            Value::Text(text) if path.steps().first().is_none_or(|step| &**step != "labels") => {
                if let Some(entries) = &mut entries {
                    entries.push((path.to_string(), text.clone()));
                }
            }
            Value::Integer(number) => {
                if let Some(entries) = &mut entries {
                    entries.push((path.to_string(), Text::from(number.to_string())));
                }
            }
            Value::Bytes(_) => entries = None,
            _ => {}
        });
        let content = match entries {
            Some(entries) => naming::Content::of_entries(&entries),
            None => naming::Content::of_body(&body, &[], self.keys, &self.project.concealed),
        };
        let stem = format!("{}_{}", self.scope, naming::slug(stem, 52));
        let address = Address { kind: kind.into(), scope: None, name: naming::versioned(&stem, &content, self.keys) };
        self.mark(&mut body, &key);
        self.add(key, address, body, Life::Versioned, Vec::new(), Condition::Exists, None);
    }

    /// The bytes of a config or secret, with all the places they come from.
    fn bytes(
        &mut self,
        declared: &Declared<'_>,
        secret: Option<&str>,
        at: &str,
        spot: Spot,
    ) -> Option<(FileContent, Sources)> {
        match declared.source.read(self.project, secret) {
            Ok(found) => Some(found),
            Err(lacking @ Lacking::Source) => {
                let (words, spot, help) = lacking.told(self.project, declared.source, spot);
                self.find(&codes::NO_CONTENT, words, spot, at, help);
                None
            }
            Err(Lacking::File(file, Some(Content::Directory(_)))) => self.not_carried(file, "it is a directory", at),
            Err(Lacking::File(file, other)) => self.not_carried(file, &not_mounted(other), at),
        }
    }

    fn not_carried<T>(&mut self, path: &Located<Text>, why: &str, at: &str) -> Option<T> {
        let words = format!("{} cannot be carried along: {why}", self.project.shown(&path.value));
        let help = "the engine may run elsewhere: use a volume, or an absolute path of its host";
        self.find(&codes::NO_CONTENT, words, path.spot, at, help);
        None
    }

    /// Mounts, files of the project aside, which become contents.
    pub(super) fn mounts(&mut self, name: &str, service: &Service, body: &mut Node) {
        let Some(mut all) = body.remove("volumes") else { return };
        let Some(mounts) = &service.volumes else { return };
        let Value::List(items) = &mut all.value else { return };
        let mut kept = Vec::with_capacity(items.len());
        for (index, (mount, mut item)) in mounts.value.iter().zip(std::mem::take(items)).enumerate() {
            let kind = mount.value.kind.as_ref().and_then(|kind| kind.value.plain()).unwrap_or_default();
            if kind == "image"
                && let Some(image) = self.pinned.mounted_image(name, index)
            {
                let from = item.get("source").map(|source| source.from).unwrap_or_default();
                item.set("source", Node::new(&*image.reference, self.project.origins.join([from, image.spot.into()])));
            }
            if kind != "bind" {
                kept.push(item);
            } else if !self.is_of_project(&mount.value) {
                self.of_host(name, index, mount);
                kept.push(item);
            } else if let Some(item) = self.directory(name, index, mount) {
                kept.push(item);
            }
        }
        if !kept.is_empty() {
            body.set("volumes", Node::new(kept, all.from));
        }
    }

    fn is_of_project(&self, mount: &Mount) -> bool {
        let source = mount.source.as_ref().and_then(|source| source.value.plain());
        source.is_some_and(|source| self.project.contents.contains_key(source))
    }

    fn of_host(&mut self, name: &str, index: usize, mount: &Located<Mount>) {
        let Some(source) = &mount.value.source else { return };
        let words = format!("{} is mounted from the host that the engine runs on", source.value.masked());
        let at = format!("services.{name}.volumes[{index}].source");
        let help = "what lies below the project is carried along; anything else has to be there";
        self.find(&codes::APPROXIMATED, words, source.spot, &at, help);
    }

    /// All that was said of a mount.
    fn sources_of(&self, name: &str, index: usize, mount: &Located<Mount>) -> Sources {
        let mut spots = vec![mount.spot];
        if let Some(tree) = self.project.canonical.at(&["services", name, "volumes", &index.to_string()]) {
            tree.walk(&mut |_, tree| spots.push(tree.spot));
        }
        self.project.origins.union(spots.into_iter().filter(|spot| spot.is_somewhere()))
    }

    /// Options of bind mounts mean nothing for what is carried along.
    fn optionless(&mut self, mount: &Located<Mount>, at: &str) {
        let Some(bind) = &mount.value.bind else { return };
        let options = &bind.value;
        let made = options.create_host_path.as_ref().is_some_and(|flag| !flag.value);
        if made || options.propagation.is_some() || options.selinux.is_some() || options.recursive.is_some() {
            let words = "options of a bind mount mean nothing for what is carried along".to_owned();
            let help = "leave them out, or use an absolute path of the engine's host";
            self.find(&codes::APPROXIMATED, words, bind.spot, &format!("{at}.bind"), help);
        }
    }

    /// A directory of the project, as a volume that is mounted in its place; a file is none.
    fn directory(&mut self, name: &str, index: usize, mount: &Located<Mount>) -> Option<Node> {
        let source = mount.value.source.as_ref()?;
        let at = format!("services.{name}.volumes[{index}]");
        let path = source.value.plain().unwrap_or_default();
        let from = self.sources_of(name, index, mount);
        let files = match self.project.contents.get(path) {
            Some(Content::Directory(files)) => files.clone(),
            Some(Content::File(_)) => {
                self.written_to(mount, &at);
                return None;
            }
            other => {
                let why = not_mounted(other);
                return self.not_carried(source, &why, &at);
            }
        };
        self.written_to(mount, &at);
        self.optionless(mount, &at);
        let key = self.files_key(path);
        if !self.resources.contains_key(&key) {
            let mut tree = Node::map(from);
            for (name, file) in &files {
                let from = self.project.origins.join([from, file.spot.into()]);
                let mut one = Node::map(from);
                one.set("content", of_bytes(&file.bytes, from));
                if file.executable {
                    one.set("mode", Node::new(0o555_i64, from));
                }
                tree.set(name.clone(), one);
            }
            let mut body = Node::map(from);
            body.set("files", tree);
            self.content(key.clone(), kind::FILES, &self.relative(path), body);
        }
        let mut item = Node::map(from);
        item.set("read_only", Node::new(true, from));
        item.set("source", Node::new(Value::Reference(Box::new(key), Part::Name), from));
        item.set("target", mount.value.target.as_ref().map(|target| self.text(target)).unwrap_or_default());
        item.set("type", Node::new("volume", from));
        Some(item)
    }

    /// Files of the project that are mounted one by one: what holds each, and where it goes.
    pub(super) fn project_files(&mut self, name: &str, service: &Service) -> Vec<(Key, Node, Sources)> {
        let mut all = Vec::new();
        for (index, mount) in service.volumes.iter().flat_map(|mounts| mounts.value.iter().enumerate()) {
            let Some(path) = mount.value.source.as_ref().and_then(|source| source.value.plain()) else { continue };
            let bind = mount.value.kind.as_ref().and_then(|kind| kind.value.plain()) == Some("bind");
            let (true, Some(Content::File(file))) = (bind, self.project.contents.get(path)) else { continue };
            let from = self.project.origins.join([self.sources_of(name, index, mount), file.spot.into()]);
            let key = self.files_key(path);
            if !self.resources.contains_key(&key) {
                let mut body = Node::map(from);
                body.set("content", of_bytes(&file.bytes, from));
                if file.executable {
                    body.set("mode", Node::new(0o555_i64, from));
                }
                self.content(key.clone(), kind::CONFIG, &self.relative(path), body);
            }
            let target = mount.value.target.as_ref().map(|target| self.text(target)).unwrap_or_default();
            all.push((key, target, from));
        }
        all
    }

    fn relative(&self, path: &str) -> String {
        self.project.own_path(path).unwrap_or_else(|| path.to_owned())
    }

    fn files_key(&self, path: &str) -> Key {
        Key::new(Subject::Config(self.relative(path).into()), Role::new("files"))
    }

    fn written_to(&mut self, mount: &Located<Mount>, at: &str) {
        if mount.value.read_only.is_some_and(|only| only.value) {
            return;
        }
        let Some(source) = &mount.value.source else { return };
        let shown = source.value.masked().to_string();
        let words = format!("{} becomes a copy that nobody can write to", self.relative(&shown));
        let help =
            "write `:ro` where it is only read; use a volume, or an absolute path of the host, where it is written";
        self.find(&codes::READ_ONLY, words, source.spot, at, help);
    }
}

fn of_bytes(bytes: &FileBytes, from: Sources) -> Node {
    match bytes {
        FileBytes::Text(text) => Node { value: text.clone().into(), from },
        FileBytes::Binary(id) => Node { value: Value::Bytes(*id), from },
    }
}
