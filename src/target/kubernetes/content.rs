//! `configs`, `secrets` and bind mounts of project files: objects that carry their content in their name, and
//! how containers mount them.

use std::fmt::Write as _;

use super::{
    object::{Object, base64_of, there},
    storage::Mounts,
    translate::Translator,
};
use crate::{
    compose::model::{ConfigReference, Content, FileBytes, FileContent, Service},
    target::{
        Life, Requirement, SecretMode, codes,
        contents::{self, ContentSource, not_mounted},
        naming,
        parts::{context, is_written, sorted},
    },
    value::{Called, Fingerprint, Key, Located, Node, Part, Role, Sources, Spot, Subject, Text, Value},
};

/// Key of the `content` object of a config.
fn config_key(name: &str) -> Key {
    Key::new(Subject::Config(name.into()), Role::new("content"))
}

fn secret_key(name: &str) -> Key {
    Key::new(Subject::Secret(name.into()), Role::new("content"))
}

impl Translator<'_> {
    pub(super) fn configs_and_secrets(&mut self) {
        let used = contents::used(self.project.services.values());
        for (name, config) in sorted(&self.project.configs) {
            if !used.contains(&(false, name.clone())) {
                self.unused("configs", name, config.spot);
                continue;
            }
            let at = format!("configs.{name}");
            let value = &config.value;
            if value.external.as_ref().is_some_and(|external| external.value) {
                let spots = [Some(config.spot), value.external.as_ref().map(|external| external.spot)];
                self.require("v1/ConfigMap", name, value.name.as_ref(), &spots, &at);
                continue;
            }
            let Some(file) = self.bytes(value.into(), None, &at, config.spot) else { continue };
            self.content_object(config_key(name), name, value.name.as_ref(), &file, config.spot, false);
        }
        for (name, secret) in sorted(&self.project.secrets) {
            if !used.contains(&(true, name.clone())) {
                self.unused("secrets", name, secret.spot);
                continue;
            }
            let at = format!("secrets.{name}");
            let value = &secret.value;
            let external = value.external.as_ref().is_some_and(|external| external.value);
            if external || self.secret_mode() == SecretMode::Reference {
                let called = if external { value.name.as_ref() } else { None };
                let spots = [
                    Some(secret.spot),
                    value.external.as_ref().map(|external| external.spot),
                    value.file.as_ref().map(|file| file.spot),
                    value.environment.as_ref().map(|variable| variable.spot),
                    value.content.as_ref().map(|content| content.spot),
                ];
                self.require("v1/Secret", name, called, &spots, &at);
                continue;
            }
            let Some(file) = self.bytes(value.into(), Some(name), &at, secret.spot) else { continue };
            self.content_object(secret_key(name), name, value.name.as_ref(), &file, secret.spot, true);
        }
    }

    /// What only builds use does not go along.
    fn unused(&mut self, section: &str, name: &str, spot: Spot) {
        let mut spots = vec![spot];
        if let Some(tree) = self.project.canonical.at(&[section, name]) {
            tree.walk(&mut |_, tree| spots.push(tree.spot));
        }
        let words = format!("no container uses `{name}`: it stays here");
        let at = format!("{section}.{name}");
        self.find_covering(&codes::APPROXIMATED, words, &spots, &at, "what builds use is needed where they run");
    }

    fn require(&mut self, kind: &str, name: &str, called: Option<&Located<Text>>, spots: &[Option<Spot>], at: &str) {
        let real = called.and_then(|called| called.value.plain()).unwrap_or(name);
        let spot = called.map_or_else(|| spots.iter().flatten().next().copied().unwrap_or_default(), |name| name.spot);
        let there = self.external_name(real, spot, at);
        let address = self.address(kind, Called::Now(there.into()));
        let from = self.project.origins.union(spots.iter().copied().flatten().chain(called.map(|called| called.spot)));
        self.requires.push(Requirement { address, entries: vec![name.into()], from });
    }

    /// The bytes of a config or secret, with all the places they come from.
    fn bytes(
        &mut self,
        source: ContentSource<'_>,
        secret: Option<&str>,
        at: &str,
        spot: Spot,
    ) -> Option<(FileContent, Sources)> {
        match source.read(self.project, secret) {
            Ok(found) => Some(found),
            Err(lacking) => {
                let (words, spot, help) = lacking.told(self.project, source, spot);
                self.find(&codes::NO_CONTENT, words, spot, at, help);
                None
            }
        }
    }

    fn content_object(
        &mut self,
        key: Key,
        name: &str,
        called: Option<&Located<Text>>,
        file: &(FileContent, Sources),
        spot: Spot,
        secret: bool,
    ) {
        let (content, from) = file;
        // A name that somebody wrote; the one that Compose makes up says nothing here.
        let called = called.filter(|called| is_written(called.spot, &self.project.origins));
        let from = &self.project.origins.join([*from, called.map(|called| called.spot.into()).unwrap_or_default()]);
        let entry = match &content.bytes {
            FileBytes::Text(text) => vec![(name.to_owned(), text.clone())],
            // Bytes that are no text enter the name under the content key as well: their id stands for them.
            FileBytes::Binary(_) => Vec::new(),
        };
        let stem = naming::slug(called.and_then(|called| called.value.plain()).unwrap_or(name), 52);
        let called = match &content.bytes {
            FileBytes::Text(_) => naming::versioned(&stem, &naming::Content::of_entries(&entry), self.keys),
            FileBytes::Binary(id) => {
                let body = Node::new(Value::Bytes(*id), Sources::NONE);
                naming::versioned(
                    &stem,
                    &naming::Content::of_body(&body, &[], self.keys, &self.project.concealed),
                    self.keys,
                )
            }
        };
        let inputs = Fingerprint::of(
            &Node::new(entry.first().map(|(_, text)| text.clone()).unwrap_or_default(), Sources::NONE),
            self.keys,
            &self.project.concealed,
        );
        let (kind, template) = if secret { ("v1/Secret", "secret.yaml") } else { ("v1/ConfigMap", "configmap.yaml") };
        let mut object = Object::new(key, kind, called, template, spot).life(Life::Versioned);
        object.inputs = inputs;
        let mut data = Node::map(*from);
        let mut binary = None;
        match (&content.bytes, secret) {
            (FileBytes::Text(text), false) => data.set(name, Node { value: text.clone().into(), from: *from }),
            (FileBytes::Text(text), true) => {
                let value = base64_of(text, self, content.spot);
                data.set(name, Node { value, from: *from });
            }
            (FileBytes::Binary(id), true) => data.set(name, Node { value: Value::Bytes(*id), from: *from }),
            (FileBytes::Binary(id), false) => {
                let mut map = Node::map(*from);
                map.set(name, Node { value: Value::Bytes(*id), from: *from });
                binary = Some(map);
            }
        }
        let data = (!data.entries().is_empty()).then_some(data);
        let inner = context(
            "content",
            vec![
                ("type", Some(Node::new("Opaque", Sources::NONE))),
                ("immutable", Some(Node::new(true, Sources::NONE))),
                ("data", data),
                ("binaryData", binary),
            ],
        );
        self.add(object, inner);
    }

    /// Mounts of `configs` and `secrets` of a container.
    pub(super) fn mount_contents(&self, service: &Service, mounts: &mut Mounts) {
        for config in service.configs.iter().flat_map(|all| &all.value) {
            self.mount_one(config, false, mounts);
        }
        for secret in service.secrets.iter().flat_map(|all| &all.value) {
            self.mount_one(secret, true, mounts);
        }
    }

    fn mount_one(&self, reference: &Located<ConfigReference>, secret: bool, mounts: &mut Mounts) {
        let spot = reference.spot;
        let Some(source) = reference.value.source.as_ref() else { return };
        let Some(name) = source.value.plain() else { return };
        let key = if secret { secret_key(name) } else { config_key(name) };
        let target = reference.value.target.as_ref();
        let path = contents::path(name, target, secret);
        let from = self
            .project
            .origins
            .union([Some(spot), Some(source.spot), target.map(|target| target.spot)].into_iter().flatten());
        let object_name = if self.resources.contains_key(&key) {
            Value::Reference(Box::new(key), Part::Name)
        } else {
            let external = if secret {
                self.project
                    .secrets
                    .get(name)
                    .and_then(|secret| secret.value.name.as_ref().filter(|_| secret.value.external.is_some()))
            } else {
                self.project
                    .configs
                    .get(name)
                    .and_then(|config| config.value.name.as_ref().filter(|_| config.value.external.is_some()))
            };
            let real = external.and_then(|external| external.value.plain()).unwrap_or(name);
            Value::from(there(real))
        };
        let mode = reference
            .value
            .mode
            .as_ref()
            .map_or_else(|| Node::new(0o444_i64, Sources::NONE), |mode| Node::new(mode.value, mode.spot));
        mounts.file(if secret { "secret" } else { "configMap" }, name, object_name, name, &path, mode, from);
    }

    /// A bind mount of a file or directory of the project.
    pub(super) fn mount_files(
        &mut self,
        source: &Located<Text>,
        target: &str,
        from: Sources,
        mounts: &mut Mounts,
    ) -> Result<(), String> {
        let path = source.value.plain().unwrap_or_default();
        let relative = self.project.own_path(path).unwrap_or_else(|| path.to_owned());
        let files: Vec<(String, FileContent)> = match self.project.contents.get(path) {
            Some(Content::File(file)) => {
                vec![(relative.rsplit('/').next().unwrap_or(&relative).to_owned(), file.clone())]
            }
            Some(Content::Directory(files)) => {
                files.iter().map(|(name, file)| (name.to_string(), file.clone())).collect()
            }
            other => return Err(not_mounted(other)),
        };
        let single = matches!(self.project.contents.get(path), Some(Content::File(_)));
        let key = Key::new(Subject::Config(relative.as_str().into()), Role::new("files"));
        if !self.resources.contains_key(&key) {
            self.files_object(key.clone(), &relative, &files, from);
        }
        let name = Value::Reference(Box::new(key), Part::Name);
        if single {
            let file = files.first().map(|(name, _)| entry_name(name)).unwrap_or_default();
            let executable = files.first().is_some_and(|(_, file)| file.executable);
            let mode = Node::new(if executable { 0o555_i64 } else { 0o444 }, Sources::NONE);
            mounts.file("configMap", &relative, name, &file, target, mode, from);
        } else {
            let items: Vec<(String, String, bool)> =
                files.iter().map(|(name, file)| (entry_name(name), name.clone(), file.executable)).collect();
            mounts.directory(&relative, name, &items, target, from);
        }
        Ok(())
    }

    fn files_object(&mut self, key: Key, relative: &str, files: &[(String, FileContent)], from: Sources) {
        let origins = &self.project.origins;
        let (mut data, mut binary) = (Node::map(from), Node::map(from));
        let mut entries = Vec::new();
        for (name, file) in files {
            let from = origins.join([from, file.spot.into()]);
            match &file.bytes {
                FileBytes::Text(text) => {
                    entries.push((entry_name(name), text.clone()));
                    data.set(entry_name(name), Node { value: text.clone().into(), from });
                }
                FileBytes::Binary(id) => binary.set(entry_name(name), Node { value: Value::Bytes(*id), from }),
            }
        }
        let plain = naming::Content::of_entries(&entries);
        let content = match (&plain, binary.entries().is_empty()) {
            (_, true) => plain,
            _ => naming::Content::of_body(&binary, &[], self.keys, &self.project.concealed),
        };
        let called = naming::versioned(&naming::slug(relative, 52), &content, self.keys);
        let spot = origins.spots(from).first().copied().unwrap_or(Spot::NOWHERE);
        let mut object = Object::new(key, "v1/ConfigMap", called, "configmap.yaml", spot).life(Life::Versioned);
        object.inputs = Fingerprint::of(&data, self.keys, &self.project.concealed);
        let some = |node: Node| (!node.entries().is_empty()).then_some(node);
        let inner = context(
            "content",
            vec![
                ("immutable", Some(Node::new(true, Sources::NONE))),
                ("data", some(data)),
                ("binaryData", some(binary)),
            ],
        );
        self.add(object, inner);
    }
}

/// A relative path as the key of a ConfigMap, which allows letters, digits, `-`, `_` and `.` only.
fn entry_name(path: &str) -> String {
    let mut out = String::with_capacity(path.len());
    for c in path.chars() {
        match c {
            c if c.is_ascii_alphanumeric() || "-.".contains(c) => out.push(c),
            '_' => out.push_str("__"),
            '/' => out.push_str("_s"),
            other => {
                out.push_str("_u");
                let _ = write!(out, "{:x}.", u32::from(other));
            }
        }
    }
    out
}
