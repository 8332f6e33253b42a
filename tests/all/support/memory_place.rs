//! A place in memory: it takes what a cluster takes, remembers it, and can be pulled away from whoever writes to it
//! after any number of calls.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
};

use indexmap::IndexMap;
use serde_json::Value as Json;
use tokio::sync::Notify;
use transship::{
    plan::{Because, Call, Step},
    platform::{
        EntryName, Failure, FailureKind, History, Hold, Identity, Ledger, LedgerWriter, Live, Observation, Owner,
        Pending, Platform, Preview, Progress, Scope, State, Token, Verified, Writer, decode, encode,
    },
    target::{Release, Resource},
    value::{Address, Application, Called, Key, Masked, Part},
};

/// One object.
#[derive(Clone, Debug, PartialEq)]
pub struct Object {
    pub key: Option<Key>,
    pub body: Json,
    version: u64,
}

#[derive(Default)]
struct Inner {
    objects: BTreeMap<Address, Object>,
    version: u64,
    /// Calls that are still answered; none: all of them.
    left: Option<usize>,
}

/// The place.
#[derive(Clone, Default)]
pub struct MemoryPlace {
    inner: Arc<Mutex<Inner>>,
    /// Told when a call is made that is not answered any more.
    pub pulled: Arc<Notify>,
    ledger: MemoryLedger,
}

/// Its ledger: entries of all applications.
#[derive(Clone, Default)]
pub struct MemoryLedger {
    entries: Arc<Mutex<BTreeMap<String, Vec<u8>>>>,
}

impl MemoryPlace {
    /// A place of its own with the same things in it.
    pub fn copy(&self) -> Self {
        let copy = Self::default();
        copy.inner.lock().unwrap().objects.clone_from(&self.inner.lock().unwrap().objects);
        copy.inner.lock().unwrap().version = self.inner.lock().unwrap().version;
        copy.ledger.entries.lock().unwrap().clone_from(&self.ledger.entries.lock().unwrap());
        copy
    }

    /// Answers so many writes, and none after them.
    pub fn answer(&self, calls: Option<usize>) {
        self.inner.lock().unwrap().left = calls;
    }

    /// Everything that is there.
    pub fn objects(&self) -> BTreeMap<String, (Option<Key>, Json)> {
        let inner = self.inner.lock().unwrap();
        inner
            .objects
            .iter()
            .map(|(address, object)| (address.to_string(), (object.key.clone(), object.body.clone())))
            .collect()
    }

    /// How often each object was written: grows with each write, and with nothing else.
    pub fn versions(&self) -> BTreeMap<String, u64> {
        let inner = self.inner.lock().unwrap();
        inner.objects.iter().map(|(address, object)| (address.to_string(), object.version)).collect()
    }

    /// Puts something there that is nobody's.
    pub fn put_foreign(&self, address: Address, body: Json) {
        self.inner.lock().unwrap().objects.insert(address, Object { key: None, body, version: 0 });
    }

    /// Leaves a predecessor of an object there: the same role, another name and content.
    pub fn put_predecessor(&self, key: &str) {
        let mut inner = self.inner.lock().unwrap();
        let has_role = |object: &Object| object.key.as_ref().is_some_and(|known| known.to_string() == key);
        let (address, object) = inner.objects.iter().find(|(_, object)| has_role(object)).unwrap();
        let (mut address, mut object) = (address.clone(), object.clone());
        address.name = Called::Now(format!("{}-before", address.name.now().unwrap()).into());
        object.body["before"] = Json::from(true);
        inner.objects.insert(address, object);
    }

    /// Names of the ledger's entries.
    pub fn entries(&self) -> Vec<String> {
        self.ledger.entries.lock().unwrap().keys().cloned().collect()
    }

    fn identity() -> Identity {
        Identity { server: "memory".into(), unique: "memory".into(), version: "".into() }
    }

    fn live(address: &Address, object: &Object) -> Live {
        Live {
            address: address.clone(),
            key: object.key.clone(),
            owner: if object.key.is_some() { Owner::Us } else { Owner::Nobody },
            token: Token(object.version.to_string().into()),
            body: decode(&object.body),
            blind: Vec::new(),
            ours: None,
            writers: Vec::new(),
            references: Vec::new(),
            state: State::Settled,
        }
    }

    fn preview(release: &Release, resource: &Resource) -> Preview {
        match encode(&resource.body, release) {
            Ok(body) if resource.address.name.now().is_some() => Preview::Server(decode(&body)),
            _ => Preview::Local(Because::Offline),
        }
    }
}

impl Platform for MemoryPlace {
    fn identify(&self) -> Pending<'_, Result<Identity, Failure>> {
        Box::pin(async { Ok(Self::identity()) })
    }

    fn observe<'a>(&'a self, scope: Scope<'a>) -> Pending<'a, Result<Observation, Failure>> {
        Box::pin(async move {
            let inner = self.inner.lock().unwrap();
            let wanted = |address: &Address| {
                scope.release.is_some_and(|release| release.resources.values().any(|one| one.address == *address))
            };
            let live: IndexMap<Address, Live> = inner
                .objects
                .iter()
                .filter(|(address, object)| object.key.is_some() || wanted(address))
                .map(|(address, object)| (address.clone(), Self::live(address, object)))
                .collect();
            let previews = scope.release.map(|release| {
                release.resources.iter().map(|(key, one)| (key.clone(), Self::preview(release, one))).collect()
            });
            Ok(Observation {
                identity: Self::identity(),
                live,
                previews: previews.unwrap_or_default(),
                unreadable: Vec::new(),
                under_way: Vec::new(),
                missing: Vec::new(),
                history: History::default(),
            })
        })
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
        Ok(Box::new(MemoryWriter { place: self.clone(), hold }))
    }

    fn ledger_writer(&self, _place: Verified) -> Result<Box<dyn LedgerWriter>, Failure> {
        Ok(Box::new(self.ledger.clone()))
    }
}

struct MemoryWriter {
    place: MemoryPlace,
    hold: Arc<dyn Hold>,
}

impl MemoryWriter {
    fn step(&self, step: &Step, release: &Release, seen: &Observation) -> Result<(), Failure> {
        let mut inner = self.place.inner.lock().unwrap();
        let inner = &mut *inner;
        if let Call::Delete { .. } | Call::Run = step.call {
            let address = step.address.clone().unwrap();
            let there = inner.objects.get(&address);
            assert!(there.is_none_or(|object| object.key.is_some()), "{address} is not ours to remove");
            inner.objects.remove(&address);
        }
        if let Call::Put | Call::Batch { .. } | Call::Run = step.call {
            for key in &step.carries {
                let resource = &release.resources[key];
                let address = &resource.address;
                assert!(release.resolve(key, Part::Name).is_some(), "{key} has no name");
                let there = inner.objects.get(address);
                let now = there.map(|object| object.version.to_string()).unwrap_or_default();
                let then = seen.live.get(address).map(|live| live.token.0.to_string()).unwrap_or_default();
                if there.is_some() && now != then {
                    let words = format!("{address} was changed in the meantime");
                    return Err(Failure::new(FailureKind::Conflict, Masked::words(words)));
                }
                // Everything a body names is there before it.
                for after in release.dependencies(resource) {
                    let other = &release.resources[&after.key];
                    assert!(inner.objects.contains_key(&other.address), "{key} comes before {}", other.key);
                }
                inner.version += 1;
                let body = encode(&resource.body, release).unwrap();
                inner.objects.insert(address.clone(), Object { key: Some(key.clone()), body, version: inner.version });
            }
        }
        Ok(())
    }
}

impl Writer for MemoryWriter {
    fn execute<'a>(
        &'a self,
        step: &'a Step,
        release: &'a Release,
        seen: &'a Observation,
        _progress: &'a dyn Progress,
    ) -> Pending<'a, Result<(), Failure>> {
        Box::pin(async move {
            self.hold.still_ours()?;
            let answered = {
                let left = &mut self.place.inner.lock().unwrap().left;
                match left {
                    Some(0) => false,
                    Some(count) => {
                        *count -= 1;
                        true
                    }
                    None => true,
                }
            };
            if !answered {
                self.place.pulled.notify_one();
                return std::future::pending().await;
            }
            self.step(step, release, seen)
        })
    }
}

impl MemoryLedger {
    fn name(application: &Application, name: &EntryName) -> String {
        format!("{application} {}", name.0)
    }
}

impl Ledger for MemoryLedger {
    fn list<'a>(&'a self, application: &'a Application) -> Pending<'a, Result<Vec<EntryName>, Failure>> {
        Box::pin(async move {
            let entries = self.entries.lock().unwrap();
            let prefix = format!("{application} ");
            Ok(entries.keys().filter_map(|name| Some(EntryName(name.strip_prefix(&prefix)?.into()))).collect())
        })
    }

    fn read<'a>(
        &'a self,
        application: &'a Application,
        name: &'a EntryName,
    ) -> Pending<'a, Result<Option<Vec<u8>>, Failure>> {
        Box::pin(async move { Ok(self.entries.lock().unwrap().get(&Self::name(application, name)).cloned()) })
    }
}

impl LedgerWriter for MemoryLedger {
    fn reader(&self) -> &dyn Ledger {
        self
    }

    fn create<'a>(
        &'a self,
        application: &'a Application,
        name: &'a EntryName,
        body: &'a [u8],
    ) -> Pending<'a, Result<bool, Failure>> {
        Box::pin(async move {
            let mut entries = self.entries.lock().unwrap();
            let name = Self::name(application, name);
            if entries.contains_key(&name) {
                return Ok(false);
            }
            entries.insert(name, body.to_vec());
            Ok(true)
        })
    }

    fn remove<'a>(&'a self, application: &'a Application, name: &'a EntryName) -> Pending<'a, Result<(), Failure>> {
        Box::pin(async move {
            self.entries.lock().unwrap().remove(&Self::name(application, name));
            Ok(())
        })
    }
}
