//! A directory of manifests, as a GitOps repository is used: one file per resource, an index that says which
//! files are ours, and the ledger beside it. What is not in the index is somebody else's.
#![allow(clippy::disallowed_methods, clippy::disallowed_types, reason = "this room is where files are written")]

mod files;
mod index;
mod ledger;

use std::{
    path::PathBuf,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use base64::Engine as _;
use indexmap::IndexMap;

use self::{
    files::{remove_file, write_file},
    index::{Entry, Index},
    ledger::DirectoryLedger,
};
use super::{
    Failure, FailureKind, Hold, Identity, Ledger, LedgerWriter, Live, Observation, Owner, Pending, Platform, Preview,
    Progress, Scope, State, Token, Verified, Writer, encode,
};
use crate::{
    plan::{Because, Call, Step},
    target::{Release, Resource},
    value::{Address, Application, FileRole, Fingerprint, Key, Masked, Node, Origins, Secrets, Subject, Text, Value},
    yaml,
};

/// How many files are claimed at once.
const AHEAD: usize = 256;

/// A directory as a place.
#[derive(Debug)]
pub struct Directory {
    root: PathBuf,
    shown: String,
    ledger: DirectoryLedger,
}

impl Directory {
    /// A directory by its absolute path; `shown` is what messages call it. It need not be there yet.
    pub fn new(root: impl Into<PathBuf>, shown: impl Into<String>) -> Self {
        let root = root.into();
        let ledger = DirectoryLedger::new(root.join(".transship"));
        Self { shown: shown.into(), ledger, root }
    }

    fn identity(&self) -> Identity {
        let unique = self.root.to_string_lossy().into_owned();
        Identity { server: Masked::words(self.shown.clone()), unique: unique.into(), version: "".into() }
    }

    fn look(&self, scope: Scope<'_>) -> Result<Observation, Failure> {
        let index = Index::read(&self.root, &self.shown)?;
        let mut live = IndexMap::new();
        for entry in &index.files {
            if let Some(found) = self.live(entry, &index, scope)? {
                live.insert(found.address.clone(), found);
            }
        }
        let mut previews = IndexMap::new();
        for resource in scope.release.iter().flat_map(|release| release.resources.values()) {
            let path = file_name(&resource.key);
            if index.files.iter().all(|entry| entry.path != path) && self.root.join(&path).exists() {
                live.entry(resource.address.clone()).or_insert_with(|| foreign(resource));
            }
            if let Some(release) = scope.release.filter(|_| scope.preview) {
                let there = live
                    .get(&resource.address)
                    .or_else(|| live.values().find(|live| live.key.as_ref() == Some(&resource.key)));
                previews.insert(resource.key.clone(), preview(resource, release, there));
            }
        }
        Ok(Observation {
            identity: self.identity(),
            live,
            previews,
            unreadable: Vec::new(),
            under_way: Vec::new(),
            missing: Vec::new(),
            history: super::History::default(),
        })
    }

    fn live(&self, entry: &Entry, index: &Index, scope: Scope<'_>) -> Result<Option<Live>, Failure> {
        let path = self.root.join(&entry.path);
        let bytes = match std::fs::read(&path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(self.failed(&entry.path, &error)),
        };
        let address = entry.address();
        let body = self.body(&bytes, &entry.path, &address, scope.origins, scope.concealed)?;
        let owner = if index.application == scope.application.to_string() {
            Owner::Us
        } else {
            Owner::Application(Application::of_mark(&index.application))
        };
        Ok(Some(Live {
            address,
            key: entry.key.parse().ok(),
            owner,
            token: Token(Fingerprint::of_bytes(&bytes).to_string().into()),
            body,
            blind: Vec::new(),
            ours: None,
            writers: Vec::new(),
            references: Vec::new(),
            state: State::Settled,
        }))
    }

    fn body(
        &self,
        bytes: &[u8],
        path: &str,
        address: &Address,
        origins: &Arc<Origins>,
        secrets: &Arc<Secrets>,
    ) -> Result<Node, Failure> {
        let shown = format!("{}/{path}", self.shown);
        let documents = yaml::parse(bytes, &shown, FileRole::Manifest, origins).map_err(|findings| {
            let why = findings.iter().next().map(|finding| finding.message.to_string()).unwrap_or_default();
            let words = format!("{shown} is {why}; mend it, or remove it to have it written anew");
            Failure::new(FailureKind::Invalid, Masked::words(words))
        })?;
        let mut body =
            documents.first().map(|document| crate::compose::body(&document.root, origins)).unwrap_or_default();
        if address.kind.ends_with("/Secret") {
            conceal(&mut body, "data", secrets);
        }
        conceal(&mut body, "binaryData", secrets);
        Ok(body)
    }

    fn failed(&self, path: &str, error: &std::io::Error) -> Failure {
        let words = format!("{}/{path}: {error}", self.shown);
        Failure::new(FailureKind::Other, Masked::words(words))
    }
}

/// Base64 in a file becomes the bytes it stands for, before anything sees it.
fn conceal(body: &mut Node, part: &str, secrets: &Secrets) {
    let Some(Value::Map(entries)) = body.get_mut(part).map(|node| &mut node.value) else { return };
    for (name, node) in entries {
        if let Value::Text(text) = &node.value
            && let Some(plain) = text.plain()
            && let Ok(bytes) = base64::engine::general_purpose::STANDARD.decode(plain)
        {
            node.value = Value::Bytes(secrets.conceal(&bytes, name, node.from));
        }
    }
}

fn foreign(resource: &Resource) -> Live {
    Live {
        address: resource.address.clone(),
        key: None,
        owner: Owner::Nobody,
        token: Token::default(),
        body: Node::default(),
        blind: Vec::new(),
        ours: None,
        writers: Vec::new(),
        references: Vec::new(),
        state: State::Settled,
    }
}

/// What the file would hold: the body with its names, and what is not ours as it is there.
fn preview(resource: &Resource, release: &Release, live: Option<&Live>) -> Preview {
    if !release
        .dependencies(resource)
        .iter()
        .all(|after| release.resolve(&after.key, crate::value::Part::Name).is_some())
        || release.resolve(&resource.key, crate::value::Part::Name).is_none()
    {
        return Preview::Local(Because::NoDryRun);
    }
    let mut body = resource.body.clone();
    settle(&mut body, release, live.map(|live| &live.body));
    Preview::Server(body)
}

/// Replaces references by names, and what is not ours by what is there.
fn settle(node: &mut Node, release: &Release, live: Option<&Node>) {
    match &mut node.value {
        Value::Reference(key, part) => {
            if let Some(name) = release.resolve(key, *part) {
                node.value = Value::Text(Text::from(name));
            }
        }
        Value::Theirs(default) => {
            let there = live.map(|live| live.value.clone());
            let default = default.take().map(|node| node.value);
            node.value = there.or(default).unwrap_or(Value::Null);
        }
        Value::List(items) => {
            for (index, item) in items.iter_mut().enumerate() {
                settle(item, release, live.and_then(|live| live.items().get(index)));
            }
        }
        Value::Map(entries) => {
            for (key, entry) in entries {
                settle(entry, release, live.and_then(|live| live.get(key)));
            }
        }
        _ => {}
    }
}

/// `web-workload.yaml`: the same for every content, so that a change is a change of one file.
fn file_name(key: &Key) -> String {
    let (kind, name) = match &key.of {
        Subject::Application => ("application", None),
        Subject::Service(name) => ("", Some(name)),
        Subject::Network(name) => ("network", Some(name)),
        Subject::Volume(name) => ("volume", Some(name)),
        Subject::Config(name) => ("config", Some(name)),
        Subject::Secret(name) => ("secret", Some(name)),
        Subject::Extra(name) => ("extra", Some(name)),
        Subject::File(name) => ("file", Some(name)),
    };
    let mut parts = vec![kind.to_owned()];
    parts.extend(name.map(|name| crate::target::naming::slug(name, 100)));
    parts.push(key.role.as_str().to_owned());
    parts.retain(|part| !part.is_empty());
    format!("{}.yaml", parts.join("-"))
}

impl Platform for Directory {
    fn identify(&self) -> Pending<'_, Result<Identity, Failure>> {
        Box::pin(async { Ok(self.identity()) })
    }

    fn observe<'a>(&'a self, scope: Scope<'a>) -> Pending<'a, Result<Observation, Failure>> {
        Box::pin(async move { self.look(scope) })
    }

    fn ledger(&self) -> &dyn Ledger {
        &self.ledger
    }

    fn follow<'a>(
        &'a self,
        _release: &'a Release,
        keys: &'a [Key],
        _progress: &'a dyn Progress,
    ) -> Pending<'a, Result<Vec<(Key, State)>, Failure>> {
        Box::pin(async move { Ok(keys.iter().map(|key| (key.clone(), State::Settled)).collect()) })
    }

    fn writer(&self, _place: Verified, hold: Arc<dyn Hold>) -> Result<Box<dyn Writer>, Failure> {
        let mut index = Index::read(&self.root, &self.shown)?;
        // What was claimed and never written is claimed anew by whoever still wants it.
        index.files.retain(|entry| self.root.join(&entry.path).exists());
        Ok(Box::new(DirectoryWriter {
            root: self.root.clone(),
            shown: self.shown.clone(),
            hold,
            index: Mutex::new(index),
        }))
    }

    fn ledger_writer(&self, _place: Verified) -> Result<Box<dyn LedgerWriter>, Failure> {
        Ok(Box::new(self.ledger.clone()))
    }
}

struct DirectoryWriter {
    root: PathBuf,
    shown: String,
    hold: Arc<dyn Hold>,
    /// Read once: whoever holds the lock alone writes it.
    index: Mutex<Index>,
}

impl DirectoryWriter {
    fn index(&self) -> MutexGuard<'_, Index> {
        self.index.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn step(&self, step: &Step, release: &Release, seen: &Observation) -> Result<(), Failure> {
        self.hold.still_ours()?;
        match step.call {
            Call::Wait => Ok(()),
            Call::Put | Call::Run | Call::Batch { .. } => step
                .carries
                .iter()
                .filter_map(|key| release.resources.get(key))
                .try_for_each(|resource| self.put(resource, release, seen)),
            Call::Delete { .. } => step.address.as_ref().map_or(Ok(()), |address| self.delete(address, seen)),
        }
    }

    fn put(&self, resource: &Resource, release: &Release, seen: &Observation) -> Result<(), Failure> {
        let live = seen
            .live
            .get(&resource.address)
            .or_else(|| seen.live.values().find(|live| live.key.as_ref() == Some(&resource.key)));
        let mut body = resource.body.clone();
        settle(&mut body, release, live.map(|live| &live.body));
        let json = encode(&body, release).map_err(|why| {
            Failure::new(FailureKind::Invalid, Masked::words(format!("{} cannot be written: {why}", resource.address)))
        })?;
        let path = file_name(&resource.key);
        let mut index = self.index();
        self.unchanged(&path, &index, live)?;
        // First the claim, then the file: what is claimed and not there is written by the next run.
        index.application = release.application.to_string();
        if index.claim(&path, resource) {
            self.claim_ahead(resource, release, &mut index);
            index.write(&self.root)?;
        }
        write_file(&self.root.join(&path), yaml::write(&json).as_bytes()).map_err(|error| self.failed(&path, &error))
    }

    /// What comes next is claimed with it, so that the index is not written for every file of many.
    fn claim_ahead(&self, first: &Resource, release: &Release, index: &mut Index) {
        let next = release.resources.get_index_of(&first.key).map_or(0, |at| at + 1);
        for resource in release.resources.values().skip(next).take(AHEAD) {
            let path = file_name(&resource.key);
            let named = resource.address.name.now().is_some();
            if named && !index.has(&path) && !self.root.join(&path).exists() {
                index.claim(&path, resource);
            }
        }
    }

    /// A file that is there must be the one that was seen.
    fn unchanged(&self, path: &str, index: &Index, live: Option<&Live>) -> Result<(), Failure> {
        let Ok(bytes) = std::fs::read(self.root.join(path)) else { return Ok(()) };
        let now = Fingerprint::of_bytes(&bytes).to_string();
        let seen = live.map(|live| &*live.token.0).unwrap_or_default();
        if now == seen || (seen.is_empty() && index.has(path)) {
            return Ok(());
        }
        let words = format!("{}/{path} was changed in the meantime; plan again", self.shown);
        Err(Failure::new(FailureKind::Conflict, Masked::words(words)))
    }

    fn delete(&self, address: &Address, seen: &Observation) -> Result<(), Failure> {
        let mut index = self.index();
        let Some(entry) = index.release(address) else { return Ok(()) };
        if index.files.iter().all(|other| other.path != entry.path) {
            self.unchanged(&entry.path, &index, seen.live.get(address))?;
            remove_file(&self.root.join(&entry.path)).map_err(|error| self.failed(&entry.path, &error))?;
        }
        index.write(&self.root)
    }

    fn failed(&self, path: &str, error: &std::io::Error) -> Failure {
        Failure::new(FailureKind::Other, Masked::words(format!("{}/{path}: {error}", self.shown)))
    }
}

impl Writer for DirectoryWriter {
    fn execute<'a>(
        &'a self,
        step: &'a Step,
        release: &'a Release,
        seen: &'a Observation,
        _progress: &'a dyn Progress,
    ) -> Pending<'a, Result<(), Failure>> {
        Box::pin(async move { self.step(step, release, seen) })
    }
}
