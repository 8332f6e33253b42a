//! `configs`, `secrets` and bind mounts of project files: objects that carry their content in their name, and how
//! containers get them as files.

use super::translate::{Object, Translator, named};
use crate::{
    compose::model::{ConfigReference, Content, FileBytes, FileContent, Service, Strings},
    target::{
        Condition, Life, codes,
        contents::{self, ContentSource, not_mounted},
        naming,
        parts::{set, sorted},
    },
    value::{Fingerprint, Key, Located, Name, Node, Part, Role, Sources, Spot, Subject, Text, Value},
};

/// The most that the manager keeps of a config, and of a secret, bytes.
const LARGEST_CONFIG: usize = 1000 * 1024;
const LARGEST_SECRET: usize = 500 * 1024 - 1;
/// The entry of hashed content that says what fills it.
const TEMPLATES: &str = "template_driver";
/// The longest name of a config or secret.
const LONGEST: usize = 64;

fn config_key(name: &str) -> Key {
    Key::new(Subject::Config(name.into()), Role::new("content"))
}

fn secret_key(name: &str) -> Key {
    Key::new(Subject::Secret(name.into()), Role::new("content"))
}

/// A file, with all the places it comes from.
struct File<'f> {
    content: FileContent,
    from: Sources,
    labels: Option<&'f Located<Strings>>,
    /// The name that somebody gave it, and where.
    called: Option<&'f str>,
    named: Sources,
    /// What fills it on the nodes.
    templates: Option<&'f Located<Text>>,
    spot: Spot,
    at: String,
}

impl Translator<'_> {
    pub(super) fn configs_and_secrets(&mut self, wanted: &[Name]) {
        let services = self.project.services.iter().filter(|(name, _)| wanted.contains(name));
        let used = contents::used(services.map(|(_, service)| service));
        for (name, config) in sorted(&self.project.configs) {
            let value = &config.value;
            if !used.contains(&(false, name.clone())) {
                self.unused("configs", name, config.spot);
                continue;
            }
            if value.external.as_ref().is_some_and(|external| external.value) {
                let spots = [config.spot.into(), value.external.as_ref().map(|external| external.spot)];
                self.external("Config", name, value.name.as_ref(), &spots);
                continue;
            }
            let at = format!("configs.{name}");
            let Some((content, from)) = self.bytes(value.into(), None, &at, config.spot) else { continue };
            let (labels, called) = (value.labels.as_ref(), self.written_name(value.name.as_ref()));
            let named = value.name.as_ref().map(|name| name.spot.into()).unwrap_or_default();
            let templates = value.template_driver.as_ref();
            let file = File { content, from, labels, called, named, templates, spot: config.spot, at };
            self.content_object(config_key(name), name, &file, false);
        }
        for (name, secret) in sorted(&self.project.secrets) {
            let value = &secret.value;
            if !used.contains(&(true, name.clone())) {
                self.unused("secrets", name, secret.spot);
                continue;
            }
            if value.external.as_ref().is_some_and(|external| external.value) {
                let spots = [secret.spot.into(), value.external.as_ref().map(|external| external.spot)];
                self.external("Secret", name, value.name.as_ref(), &spots);
                continue;
            }
            let at = format!("secrets.{name}");
            let Some((content, from)) = self.bytes(value.into(), Some(name), &at, secret.spot) else { continue };
            let (labels, called) = (value.labels.as_ref(), self.written_name(value.name.as_ref()));
            let named = value.name.as_ref().map(|name| name.spot.into()).unwrap_or_default();
            let templates = value.template_driver.as_ref();
            let file = File { content, from, labels, called, named, templates, spot: secret.spot, at };
            self.content_object(secret_key(name), name, &file, true);
        }
    }

    fn external(&mut self, kind: &str, name: &str, called: Option<&Located<Text>>, spots: &[Option<Spot>]) {
        let spots = spots.iter().copied().flatten().chain(called.map(|called| called.spot));
        let from = self.project.origins.union(spots);
        self.require(kind, &real_name(name, called), from);
    }

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

    fn content_object(&mut self, key: Key, name: &str, file: &File<'_>, secret: bool) {
        let concealed = &self.project.concealed;
        let (size, content, data) = match &file.content.bytes {
            FileBytes::Text(text) => {
                let mut entries = vec![(name.to_owned(), text.clone())];
                // Whoever fills it makes another file of the same bytes.
                entries.extend(file.templates.map(|driver| (TEMPLATES.to_owned(), driver.value.clone())));
                let content = naming::Content::of_entries(&entries);
                let data = if secret {
                    Value::Bytes(concealed.conceal(text.raw().as_bytes(), name, file.content.spot.into()))
                } else {
                    text.clone().into()
                };
                (text.raw().len(), content, data)
            }
            FileBytes::Binary(id) => {
                let body = Node::new(Value::Bytes(*id), Sources::NONE);
                let content = naming::Content::of_body(&body, &[], self.keys, concealed);
                (concealed.length(*id), content, Value::Bytes(*id))
            }
        };
        let readable = !secret && matches!(&file.content.bytes, FileBytes::Text(text) if text.is_secret());
        let largest = if secret { LARGEST_SECRET } else { LARGEST_CONFIG };
        if size > largest || size == 0 && secret {
            let what = if size == 0 { "it is empty" } else { "it is too large" };
            let words = format!("`{name}` cannot be carried along: {what}; a manager keeps 1 to {largest} bytes");
            self.find(
                &codes::NO_CONTENT,
                words,
                file.content.spot,
                &file.at,
                "use a volume, or build it into the image",
            );
            return;
        }
        if readable {
            let words = format!("`{name}` holds a secret, and whoever may look at configs reads it");
            self.find(&codes::SECRET_SHOWN, words, file.content.spot, &file.at, "make it one of `secrets`");
        }
        // Ten characters and a dash are the content's.
        let stem = match file.called {
            Some(own) => named(own, LONGEST - 11),
            None => named(&format!("{}_{name}", self.stack.value), LONGEST - 11),
        };
        let called = naming::versioned(&stem, &content, self.keys);
        let data = Node { value: data, from: file.from };
        let inputs = Fingerprint::of(&data, self.keys, &self.project.concealed);
        let mut body = Node::map(file.spot);
        set(&mut body, "Labels", file.labels.map(|labels| self.strings(labels)));
        body.set("Data", data);
        set(
            &mut body,
            "Templating",
            file.templates.map(|driver| {
                let mut templating = Node::map(driver.spot);
                templating.set("Name", self.text(driver));
                templating
            }),
        );
        self.add(Object {
            key,
            kind: if secret { "Secret" } else { "Config" },
            name: called,
            body,
            life: Life::Versioned,
            after: Vec::new(),
            settles: Condition::Exists,
            inputs,
            shaped: file.named,
        });
    }

    /// `Configs` and `Secrets` of a container.
    pub(super) fn contents(&mut self, service: &Service) -> (Vec<Node>, Vec<Node>) {
        let mut found = (Vec::new(), Vec::new());
        for config in service.configs.iter().flat_map(|all| &all.value) {
            found.0.extend(self.reference(config, false));
        }
        for secret in service.secrets.iter().flat_map(|all| &all.value) {
            found.1.extend(self.reference(secret, true));
        }
        found
    }

    fn reference(&self, reference: &Located<ConfigReference>, secret: bool) -> Option<Node> {
        let value = &reference.value;
        let source = value.source.as_ref()?;
        let name = source.value.plain()?;
        let key = if secret { secret_key(name) } else { config_key(name) };
        let target = value.target.as_ref();
        let path = match target.and_then(|target| target.value.plain()) {
            Some(path) => path.to_owned(),
            None if secret => name.to_owned(),
            None => format!("/{name}"),
        };
        let spots = [Some(reference.spot), Some(source.spot), target.map(|target| target.spot)];
        let from = self.project.origins.union(spots.into_iter().flatten());
        let object = if self.resources.contains_key(&key) {
            Value::Reference(Box::new(key), Part::Name)
        } else {
            let own = if secret {
                self.project.secrets.get(name).and_then(|secret| secret.value.name.as_ref())
            } else {
                self.project.configs.get(name).and_then(|config| config.value.name.as_ref())
            };
            Value::from(real_name(name, own))
        };
        let owner = |field: Option<&Located<Text>>| {
            field.map_or_else(|| Node::new("0", Sources::NONE), |field| self.text(field))
        };
        let mode = value.mode.as_ref();
        let mode = mode.map_or_else(|| Node::new(0o444_i64, Sources::NONE), |mode| Node::new(mode.value, mode.spot));
        Some(as_file(secret, object, &path, owner(value.uid.as_ref()), owner(value.gid.as_ref()), mode, from))
    }

    /// A bind mount of a file or directory of the project: a config a file.
    pub(super) fn files(&mut self, source: &Located<Text>, target: &str, at: &str, from: Sources) -> Option<Vec<Node>> {
        let path = source.value.plain().unwrap_or_default();
        let files: Vec<(String, FileContent)> = match self.project.contents.get(path)? {
            Content::File(file) => vec![(String::new(), file.clone())],
            Content::Directory(files) => files.iter().map(|(name, file)| (format!("/{name}"), file.clone())).collect(),
            other => {
                let why = not_mounted(Some(other));
                let words = format!("{} cannot be carried along: {why}", self.project.shown(&source.value));
                let help = "check the path; it starts from the project directory";
                self.find(&codes::NO_CONTENT, words, source.spot, at, help);
                return Some(Vec::new());
            }
        };
        if files.is_empty() {
            let words = format!(
                "{} is an empty directory, and nothing of it is carried along",
                self.project.shown(&source.value)
            );
            self.find(&codes::NO_CONTENT, words, source.spot, at, "use a volume, or put a file into it");
        }
        let relative = self.project.own_path(path).unwrap_or_else(|| path.to_owned());
        let mut mounted = Vec::new();
        for (below, content) in files {
            let name = format!("{relative}{below}");
            let key = Key::new(Subject::Config(name.as_str().into()), Role::new("files"));
            let mode = if content.executable { 0o555_i64 } else { 0o444 };
            let from = self.project.origins.join([from, content.spot.into()]);
            if !self.resources.contains_key(&key) {
                let (spot, at) = (source.spot, at.to_owned());
                let file =
                    File { content, from, labels: None, called: None, named: Sources::NONE, templates: None, spot, at };
                self.content_object(key.clone(), &name, &file, false);
            }
            if self.resources.contains_key(&key) {
                let object = Value::Reference(Box::new(key), Part::Name);
                let root = || Node::new("0", Sources::NONE);
                let path = format!("{}{below}", target.trim_end_matches('/'));
                mounted.push(as_file(false, object, &path, root(), root(), Node::new(mode, Sources::NONE), from));
            }
        }
        Some(mounted)
    }
}

fn as_file(secret: bool, object: Value, path: &str, uid: Node, gid: Node, mode: Node, from: Sources) -> Node {
    let mut file = Node::map(from);
    file.set("Name", Node::new(path, from));
    file.set("UID", uid);
    file.set("GID", gid);
    file.set("Mode", mode);
    let mut item = Node::map(from);
    item.set(if secret { "SecretName" } else { "ConfigName" }, Node { value: object, from });
    item.set("File", file);
    item
}

/// What an external object is called; without a name of its own as it is called in the file.
fn real_name(name: &str, own: Option<&Located<Text>>) -> String {
    own.and_then(|own| own.value.plain()).unwrap_or(name).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_fit_and_stay_apart() {
        assert_eq!(named("shop-staging_web", LONGEST - 11), "shop-staging_web");
        let long = |end: &str| named(&format!("shop_{}{end}", "x".repeat(80)), LONGEST - 11);
        assert!(long("a").len() <= LONGEST - 11);
        assert_ne!(long("a"), long("b"));
        assert_ne!(named("shop_a/b", 53), named("shop_a-b", 53));
    }
}
