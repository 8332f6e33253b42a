//! Files that agents fetch: configs, secrets and what is mounted from the project. Each is put into a store under an
//! address that carries its content, fetched into the sandbox of a task, and mounted from there.

use super::{
    FILE,
    translate::{Translator, map},
    volumes::{Storage, mounted},
};
use crate::{
    compose::model::{ConfigReference, Content, FileBytes, FileContent, Service},
    target::{
        Life, Resource, SETTLES_WITHIN, SecretMode, Settles, codes,
        contents::{self, ContentSource, not_mounted},
        naming,
        parts::{context, is_written, sorted},
    },
    value::{Address, Application, Fingerprint, Key, Located, Node, Part, Role, Sources, Spot, Subject, Text, Value},
};

/// Where the files of an application in an environment are, below the address of the store. Frozen.
fn folder(application: &Application) -> String {
    let project = naming::slug(&application.project, 63);
    if application.environment.is_empty() {
        project
    } else {
        format!("{project}/{}", naming::slug(&application.environment, 63))
    }
}

/// The key of a file by its address; `None` where it is not of this application.
pub(crate) fn parse(store: &str, application: &Application, uri: &str) -> Option<Key> {
    let below = format!("{}/{}/", store.trim_end_matches('/'), folder(application));
    let (key, _) = uri.strip_prefix(&below)?.rsplit_once('/')?;
    unescaped(key).parse().ok()
}

/// A text in an address: letters, digits and what needs no escape stay.
pub(crate) fn escaped(text: &str) -> String {
    use std::fmt::Write as _;
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~/".contains(&byte) {
            out.push(char::from(byte));
        } else {
            let _ = write!(out, "%{byte:02X}");
        }
    }
    out
}

fn unescaped(text: &str) -> String {
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        let number = after.get(..2).filter(|_| *first == b'%').and_then(|digits| std::str::from_utf8(digits).ok());
        if let Some(byte) = number.and_then(|digits| u8::from_str_radix(digits, 16).ok()) {
            out.push(byte);
            rest = after.get(2..).unwrap_or_default();
        } else {
            out.push(*first);
            rest = after;
        }
    }
    String::from_utf8_lossy(&out).into_owned()
}

fn config_key(name: &str) -> Key {
    Key::new(Subject::Config(name.into()), Role::new("content"))
}

fn secret_key(name: &str) -> Key {
    Key::new(Subject::Secret(name.into()), Role::new("content"))
}

/// A config or secret, as far as both say the same.
struct Declared<'a> {
    section: &'static str,
    name: &'a str,
    spot: Spot,
    source: ContentSource<'a>,
    called: Option<&'a Located<Text>>,
    external: Option<&'a Located<bool>>,
}

impl Declared<'_> {
    fn at(&self) -> String {
        format!("{}.{}", self.section, self.name)
    }

    fn spots(&self) -> Vec<Spot> {
        let source = &self.source;
        let texts =
            [source.content, source.file, source.variable, self.called].into_iter().flatten().map(|text| text.spot);
        texts.chain(self.external.map(|external| external.spot)).chain([self.spot]).collect()
    }
}

impl Translator<'_> {
    /// Everything that `configs` and `secrets` declare and somebody uses.
    pub(super) fn contents(&mut self) {
        let project = self.project;
        let used = contents::used(project.services.values());
        let configs = sorted(&project.configs).into_iter().map(|(name, config)| {
            let value = &config.value;
            Declared {
                section: "configs",
                name,
                spot: config.spot,
                source: value.into(),
                called: value.name.as_ref(),
                external: value.external.as_ref(),
            }
        });
        let secrets = sorted(&project.secrets).into_iter().map(|(name, secret)| {
            let value = &secret.value;
            Declared {
                section: "secrets",
                name,
                spot: secret.spot,
                source: value.into(),
                called: value.name.as_ref(),
                external: value.external.as_ref(),
            }
        });
        for declared in configs.chain(secrets) {
            let secret = declared.section == "secrets";
            if used.contains(&(secret, declared.name.into())) {
                self.content(&declared, secret);
                continue;
            }
            let mut spots = declared.spots();
            if let Some(tree) = project.canonical.at(&[declared.section, declared.name]) {
                tree.walk(&mut |_, tree| spots.push(tree.spot));
            }
            let words = format!("no container uses `{}`: it stays here", declared.name);
            self.find_covering(
                &codes::APPROXIMATED,
                words,
                &spots,
                &declared.at(),
                "what builds use is needed where they run",
            );
        }
    }

    fn content(&mut self, declared: &Declared<'_>, secret: bool) {
        let external = declared.external.is_some_and(|external| external.value);
        if secret && (external || self.secret_mode() == SecretMode::Reference) {
            // Named where it is used.
            return;
        }
        if external {
            let words = format!("nothing there holds a config `{}` that could be used", declared.name);
            self.find_covering(
                &codes::REFUSED,
                words,
                &declared.spots(),
                &declared.at(),
                "give it a `file` or `content`",
            );
            return;
        }
        let Some((file, from)) = self.bytes(declared, secret) else { return };
        let own = declared.called.filter(|called| is_written(called.spot, &self.project.origins));
        let from =
            self.project.origins.join([from, own.map(|own| own.spot.into()).unwrap_or_default(), declared.spot.into()]);
        let name = own.and_then(|own| own.value.plain()).unwrap_or(declared.name).to_owned();
        let key = if secret { secret_key(declared.name) } else { config_key(declared.name) };
        self.file(key, &name, &file, from, declared.spot, &declared.at());
    }

    /// The bytes of a config or secret, with all the places they come from.
    fn bytes(&mut self, declared: &Declared<'_>, secret: bool) -> Option<(FileContent, Sources)> {
        match declared.source.read(self.project, secret.then_some(declared.name)) {
            Ok(found) => Some(found),
            Err(lacking) => {
                let (words, spot, help) = lacking.told(self.project, declared.source, declared.spot);
                self.find(&codes::NO_CONTENT, words, spot, &declared.at(), help);
                None
            }
        }
    }

    /// A file in the store.
    fn file(&mut self, key: Key, name: &str, content: &FileContent, from: Sources, spot: Spot, at: &str) {
        let Some(store) = self.settings.marathon.store.clone() else {
            self.needs_store(&format!("`{name}`"), spot, at);
            return;
        };
        let value = match &content.bytes {
            FileBytes::Text(text) => Value::Text(text.clone()),
            FileBytes::Binary(id) => Value::Bytes(*id),
        };
        let bytes = match &content.bytes {
            FileBytes::Text(text) => naming::Content::of_entries(&[("content".to_owned(), text.clone())]),
            FileBytes::Binary(_) => {
                let body = Node::new(value.clone(), Sources::NONE);
                naming::Content::of_body(&body, &[], self.keys, &self.project.concealed)
            }
        };
        let stem = escaped(name.rsplit('/').next().unwrap_or(name));
        let place = format!(
            "{}/{}/{}/{stem}",
            store.value.trim_end_matches('/'),
            folder(&self.settings.application),
            escaped(&key.to_string())
        );
        let inner = context("file", vec![("content", Some(Node { value, from }))]);
        let mut body = self.fill("file.yaml", &inner);
        body.from = self.project.origins.join([spot.into(), store.spot.into()]);
        let resource = Resource {
            key: key.clone(),
            address: Address { kind: FILE.into(), scope: None, name: naming::versioned(&place, &bytes, self.keys) },
            inputs: Fingerprint::of(&body, self.keys, &self.project.concealed),
            body,
            life: Life::Versioned,
            after: Vec::new(),
            settles: Settles { when: crate::target::Condition::Exists, within: SETTLES_WITHIN },
        };
        self.resources.insert(key, resource);
    }

    /// What an agent fetches into the sandbox, under a name that does not change with the content.
    fn fetched(key: &Key, target: &str, executable: bool, from: Sources) -> Node {
        let uri = Node { value: Value::Reference(Box::new(key.clone()), Part::Name), from };
        let flag = |value: bool| Node { value: Value::Bool(value), from };
        let mut entries =
            vec![("uri", uri), ("destPath", Node { value: target.into(), from }), ("extract", flag(false))];
        if executable {
            entries.push(("executable", flag(true)));
        }
        map(entries, from)
    }

    /// `configs` and `secrets` of a service.
    pub(super) fn mount_contents(&mut self, service: &str, of: &Service, storage: &mut Storage) {
        for (secret, list) in [(false, &of.configs), (true, &of.secrets)] {
            let all: Vec<Located<ConfigReference>> = list.iter().flat_map(|all| &all.value).cloned().collect();
            for reference in &all {
                self.mount_content(service, reference, secret, storage);
            }
        }
    }

    fn mount_content(
        &mut self,
        service: &str,
        reference: &Located<ConfigReference>,
        secret: bool,
        storage: &mut Storage,
    ) {
        let value = &reference.value;
        let Some(source) = value.source.as_ref() else { return };
        let Some(name) = source.value.plain().map(str::to_owned) else { return };
        let target = value.target.as_ref();
        let path = contents::path(&name, target, secret);
        let spots = [
            Some(reference.spot),
            Some(source.spot),
            target.map(|target| target.spot),
            value.mode.as_ref().map(|mode| mode.spot),
        ];
        let from = self.project.origins.union(spots.into_iter().flatten());
        let section = if secret { "secrets" } else { "configs" };
        let at = format!("services.{service}.{section}");
        // What nobody but its owner reads cannot be had: an agent fetches for everybody.
        let executable = value.mode.as_ref().is_some_and(|mode| mode.value & 0o111 != 0);
        if let Some(mode) = value.mode.as_ref().filter(|mode| ![0o444, 0o644, 0o555, 0o755].contains(&mode.value)) {
            let words = format!("`{name}` is there for everybody to read, whatever its mode");
            self.find(&codes::APPROXIMATED, words, mode.spot, &at, "write 0444, or 0555 for what is executed");
        }
        let key = if secret { secret_key(&name) } else { config_key(&name) };
        let inside = Node { value: path.as_str().into(), from };
        if self.resources.contains_key(&key) {
            let folder = format!("{section}/{}", naming::slug(&name, 60));
            storage.fetch.push(Self::fetched(&key, &folder, executable, from));
            storage.volumes.push(mounted(inside, &folder, from));
            return;
        }
        if !secret {
            let spots = self.project.origins.spots(from);
            let words = format!("`{name}` has no content that could be mounted");
            self.find_covering(&codes::UNSUPPORTED, words, &spots, &at, "see what is said of the config itself");
            return;
        }
        if self.is_docker() {
            let declared = self.project.secrets.get(name.as_str());
            let external = declared.is_some_and(|one| one.value.external.as_ref().is_some_and(|flag| flag.value));
            let mut spots: Vec<Spot> = self.project.origins.spots(from);
            if let Some(tree) = self.project.canonical.at(&["secrets", &name]) {
                tree.walk(&mut |_, tree| spots.push(tree.spot));
            }
            let (code, words) = if external || self.secret_mode() == SecretMode::Reference {
                (&codes::NEEDS, format!("the engine of Docker cannot mount the secret `{name}` of the cluster"))
            } else {
                (&codes::UNSUPPORTED, format!("`{name}` has no content that could be mounted"))
            };
            let help = "set `container: mesos`, or `secrets: inline` where it may lie in the store";
            self.find_covering(code, words, &spots, &format!("secrets.{name}"), help);
            return;
        }
        let declared = self.project.secrets.get(name.as_str());
        let external = declared.filter(|one| one.value.external.as_ref().is_some_and(|flag| flag.value));
        let own = external.and_then(|one| one.value.name.as_ref()).and_then(|own| own.value.plain());
        let source = own.map_or_else(|| format!("{}/{name}", self.secret_folder()), str::to_owned);
        let shape = declared.map(|one| {
            let value = &one.value;
            let texts = [&value.file, &value.environment, &value.content, &value.name]
                .into_iter()
                .flatten()
                .map(|text| text.spot);
            let all = texts.chain(value.external.as_ref().map(|flag| flag.spot)).chain([one.spot]);
            self.project.origins.union(all)
        });
        let from = self.project.origins.join([from, shape.unwrap_or_default()]);
        let called: Box<str> = naming::slug(&name, 60).into();
        let entry = self.declared(called.clone(), &source, from);
        storage.secrets.push(entry);
        storage
            .volumes
            .push(map(vec![("containerPath", inside), ("secret", Node { value: (&*called).into(), from })], from));
    }

    /// A bind mount of a file or directory of the project.
    pub(super) fn mount_files(
        &mut self,
        source: &Located<Text>,
        path: Node,
        from: Sources,
        storage: &mut Storage,
    ) -> Result<(), String> {
        let host = source.value.plain().unwrap_or_default();
        let relative = self.project.own_path(host).unwrap_or_else(|| host.to_owned());
        let (files, single): (Vec<(String, FileContent)>, bool) = match self.project.contents.get(host) {
            Some(Content::File(file)) => (vec![(String::new(), file.clone())], true),
            Some(Content::Directory(files)) => {
                (files.iter().map(|(name, file)| (name.to_string(), file.clone())).collect(), false)
            }
            other => return Err(not_mounted(other)),
        };
        let folder = format!("files/{}", naming::slug(&relative, 60));
        for (name, file) in &files {
            let whole = if single { relative.clone() } else { format!("{relative}/{name}") };
            let key = Key::new(Subject::Config(whole.as_str().into()), Role::new("files"));
            let all = self.project.origins.join([from, file.spot.into()]);
            if !self.resources.contains_key(&key) {
                self.file(key.clone(), &whole, file, all, source.spot, "services.*.volumes");
            }
            if self.resources.contains_key(&key) {
                let target = if single { folder.clone() } else { format!("{folder}/{name}") };
                storage.fetch.push(Self::fetched(&key, &target, file.executable, from));
            }
        }
        storage.volumes.push(mounted(path, &folder, from));
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Frozen: other addresses put every file anew, and restart every app.
    #[test]
    fn keys_of_files_read_back_from_their_addresses() {
        let application = Application { project: "shop".into(), environment: "production".into() };
        let key = Key::new(Subject::Config("web/errors/a b".into()), Role::new("files"));
        let uri = format!("http://store/{}/{}/a%20b-abcdefghij", folder(&application), escaped(&key.to_string()));
        assert_eq!(uri, "http://store/shop/production/config/web~1errors~1a%20b/files/a%20b-abcdefghij");
        assert_eq!(parse("http://store/", &application, &uri), Some(key));
        assert_eq!(parse("http://other", &application, &uri), None);
        assert_eq!(
            parse("http://store", &Application { project: "shop".into(), environment: "test".into() }, &uri),
            None
        );
    }
}
