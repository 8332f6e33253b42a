//! A deployment that is cut off after any of its calls: the next run ends in the same place, with nothing of others
//! touched.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use indexmap::IndexMap;
use serde_json::json;
use tokio::sync::watch;
use transship::{
    compose::Files,
    deploy::{self, Approved, Deployment, Outcome, Site, Verdict},
    diagnostic::Findings,
    plan::{Gate, Goal, Options, SavedPlan},
    platform::{DestinationId, Expected, Unseen},
    session::Disk,
    target::{self, Dialect, Release, Target, Unit},
    value::{Address, Called, Keyring, Secrets},
};

use crate::{
    fixtures,
    support::{
        memory_place::MemoryPlace,
        shop::{self, Edited},
    },
};

/// A clock of one test: a killed run's lock runs out when somebody turns it.
#[derive(Clone, Copy)]
struct Clock {
    now: fn() -> u64,
    turn: fn(),
}

macro_rules! clock {
    () => {{
        static SECONDS: AtomicU64 = AtomicU64::new(1_000_000);
        Clock {
            now: || SECONDS.load(Ordering::Relaxed),
            turn: || {
                SECONDS.fetch_add(61, Ordering::Relaxed);
            },
        }
    }};
}

type Goals = dyn Fn(&Keyring) -> Result<Vec<Goal>, Findings> + Sync;

/// Something to be reached.
struct Wanted {
    release: Release,
    /// From the environment; else the ledger's, which the first run makes.
    key: Option<Keyring>,
    goals: Box<Goals>,
    clock: Clock,
}

fn goal(release: Release) -> Vec<Goal> {
    let name = if release.resources.is_empty() { "destroy" } else { "deploy" };
    vec![Goal { name, release, gate: Gate::Settled }]
}

impl Wanted {
    /// An environment of the shop, or of a changed copy of it.
    async fn shop(environment: &str, files: &dyn Files, clock: Clock) -> Self {
        let secrets = Arc::new(Secrets::default());
        let (pinned, settings, dialect) = shop::pinned(environment, "shop", files, &secrets).await.unwrap();
        let translate = move |keys: &Keyring| {
            let target = target::of(dialect);
            let translation = target.translate(&pinned, &settings, &Unit::default(), keys);
            assert!(!translation.findings.has_errors());
            translation.release
        };
        let release = translate(&Keyring::default());
        Self { release, key: None, goals: Box::new(move |keys| Ok(goal(translate(keys)))), clock }
    }

    /// A release as it is, made under the key of the test.
    fn fixed(release: Release, clock: Clock) -> Self {
        let goals = goal(release.clone());
        let key = Some(Keyring::from_text("the key of the test"));
        Self { release, key, goals: Box::new(move |_| Ok(goals.clone())), clock }
    }

    /// Nothing of it.
    fn gone(&self) -> Self {
        Self::fixed(Release { resources: IndexMap::new(), ..self.release.clone() }, self.clock)
    }

    fn target(&self) -> Box<dyn Target> {
        target::of(self.release.dialect)
    }

    fn site<'a>(&'a self, place: &'a MemoryPlace, dialect: &'a dyn Target) -> Site<'a> {
        Site {
            platform: place,
            target: dialect,
            destination: DestinationId("memory".into()),
            application: self.release.application.clone(),
            options: Options::default(),
            origins: Arc::clone(&self.release.origins),
            concealed: Arc::clone(&self.release.concealed),
        }
    }

    /// The plan somebody would be shown now.
    async fn plan(&self, place: &MemoryPlace) -> SavedPlan {
        let dialect = self.target();
        let site = self.site(place, &*dialect);
        let ledger = transship::platform::Platform::ledger(place);
        let keys = match &self.key {
            Some(key) => key.clone(),
            None => Keyring { content: deploy::content_key(ledger, &site.application).await.unwrap(), seal: None },
        };
        let outlook = site.look(&(self.goals)(&keys).unwrap(), &keys).await.unwrap();
        SavedPlan::of(&outlook.plan, &keys, &site.origins)
    }

    /// One run; `None` when it was cut off.
    async fn run(&self, place: &MemoryPlace, approved: Approved) -> Option<Outcome> {
        let dialect = self.target();
        let (_stop, interrupted) = watch::channel(false);
        let deployment = Deployment {
            site: self.site(place, &*dialect),
            expected: Expected::default(),
            goals: &*self.goals,
            keyring: self.key.clone(),
            approved,
            by: "tester".to_owned(),
            now: self.clock.now,
            random: [7; 32],
            patience: Duration::ZERO,
            interrupted,
            progress: &Unseen,
        };
        tokio::select! {
            outcome = deploy::apply(&deployment) => Some(outcome),
            () = place.pulled.notified() => None,
        }
    }

    async fn apply(&self, place: &MemoryPlace) -> Option<Outcome> {
        let plan = self.plan(place).await;
        self.run(place, Approved::Shown(plan)).await
    }
}

fn foreign(place: &MemoryPlace) {
    let address =
        Address { kind: "v1/ConfigMap".into(), scope: Some("shop".into()), name: Called::Now("foreign".into()) };
    place.put_foreign(address, json!({"apiVersion": "v1", "kind": "ConfigMap", "data": {"theirs": "yes"}}));
}

/// Goes from one state to another, cut off after every number of calls, and expects what an undisturbed run reaches.
/// `kept`: by a plan that was kept, which is the same for the run after it.
async fn cut_everywhere(what: &str, kept: bool, from: &MemoryPlace, wanted: &Wanted) {
    let whole = from.copy();
    let outcome = wanted.apply(&whole).await.unwrap();
    assert_eq!(outcome.verdict, Verdict::Applied, "{what}: {:?}", outcome.message);
    let expected = whole.objects();
    let calls = outcome.plan.unwrap().stages.iter().map(|stage| stage.steps.len()).sum::<usize>();
    assert!(calls > 0, "{what}: nothing to cut off");
    // Planning after a finished apply is empty, and running it writes nothing.
    let versions = whole.versions();
    assert!(wanted.plan(&whole).await.stages.iter().all(|stage| stage.changes.is_empty()), "{what}");
    assert_eq!(wanted.apply(&whole).await.unwrap().verdict, Verdict::Unchanged, "{what}");
    assert_eq!(whole.versions(), versions, "{what}");
    for cut in 0..calls {
        let place = from.copy();
        place.answer(Some(cut));
        let plan = wanted.plan(&place).await;
        let approved = || if kept { Approved::Kept(plan.clone()) } else { Approved::Shown(plan.clone()) };
        assert!(wanted.run(&place, approved()).await.is_none(), "{what}: not cut off after {cut}");
        place.answer(None);
        if cut == 0 {
            // Its lock still counts for a while.
            assert_eq!(wanted.apply(&place).await.unwrap().verdict, Verdict::Locked, "{what}");
        }
        (wanted.clock.turn)();
        let again = if kept { wanted.run(&place, approved()).await } else { wanted.apply(&place).await };
        let again = again.unwrap();
        assert_eq!(again.verdict, Verdict::Applied, "{what}: after {cut}: {:?}", again.message);
        assert_eq!(place.objects(), expected, "{what}: after {cut}");
        assert!(wanted.plan(&place).await.stages.iter().all(|stage| stage.changes.is_empty()), "{what}: after {cut}");
    }
}

#[tokio::test]
async fn the_shop_is_cut_off_and_finished_by_the_next_run() {
    let clock = clock!();
    for (environment, kept) in [("staging", false), ("production", true), ("swarm", false)] {
        let wanted = Wanted::shop(environment, &Disk, clock).await;
        let empty = MemoryPlace::default();
        foreign(&empty);
        cut_everywhere(&format!("{environment} comes"), kept, &empty, &wanted).await;

        let there = empty.copy();
        wanted.apply(&there).await.unwrap();
        let edited = Edited::new(&[
            ("api.env", "PAGE_SIZE=20", "PAGE_SIZE=25"),
            ("compose.yaml", "\"checkout\": \"${CHECKOUT:-classic}\"", "\"checkout\": \"new\""),
            ("compose.yaml", "POSTGRES_DB: shop", "POSTGRES_DB: shop2"),
            ("compose.yaml", "aliases: [catalogue]", "aliases: [products]"),
            ("secrets/database_password.txt", "only-for-the-example", "another-of-the-example"),
        ]);
        let changed = Wanted::shop(environment, &edited, clock).await;
        cut_everywhere(&format!("{environment} changes"), kept, &there, &changed).await;

        // What is kept for a return has the role of what came after it.
        there.put_predecessor("config/features/content");
        let left = cut_off_removals(environment, &there, &wanted.gone()).await;
        // The namespace stays where it was made.
        let left: Vec<&String> = left.iter().filter(|name| *name != "Namespace shop").collect();
        let volumes: &[&str] = match wanted.release.dialect {
            Dialect::Kubernetes => &["PersistentVolumeClaim shop/shop-database"],
            // Made by the tasks, and no part of a release.
            _ => &[],
        };
        assert_eq!(left, [&["ConfigMap shop/foreign"], volumes].concat());
    }
}

#[tokio::test]
async fn every_fixture_is_cut_off_and_finished_by_the_next_run() {
    let clock = clock!();
    for (name, translated) in tokio::task::spawn_blocking(fixtures::all).await.unwrap() {
        let wanted = Wanted::fixed(translated.translation.release, clock);
        let empty = MemoryPlace::default();
        foreign(&empty);
        cut_everywhere(&format!("{name} comes"), false, &empty, &wanted).await;
        let there = empty.copy();
        wanted.apply(&there).await.unwrap();
        let left = cut_off_removals(&name, &there, &wanted.gone()).await;
        assert!(left.contains(&"ConfigMap shop/foreign".to_owned()), "{name}: {left:?}");
    }
}

/// A removal ends with its history removed, so that the run after it finds nothing to do.
/// Tells what is left.
async fn cut_off_removals(environment: &str, from: &MemoryPlace, gone: &Wanted) -> Vec<String> {
    let whole = from.copy();
    let outcome = gone.apply(&whole).await.unwrap();
    if outcome.verdict == Verdict::Unchanged {
        // All of it holds data, and stays.
        assert_eq!(whole.objects(), from.objects(), "{environment}");
        return whole.objects().into_keys().collect();
    }
    assert_eq!(outcome.verdict, Verdict::Applied);
    assert!(whole.entries().is_empty(), "{:?}", whole.entries());
    let expected = whole.objects();
    let calls = outcome.plan.unwrap().stages[0].steps.len();
    for cut in 0..calls {
        let place = from.copy();
        place.answer(Some(cut));
        assert!(gone.apply(&place).await.is_none());
        place.answer(None);
        (gone.clock.turn)();
        let again = gone.apply(&place).await.unwrap();
        assert!(matches!(again.verdict, Verdict::Applied | Verdict::Unchanged), "{environment}: after {cut}");
        assert_eq!(place.objects(), expected, "{environment}: after {cut}");
        assert!(place.entries().is_empty(), "{environment}: after {cut}: {:?}", place.entries());
    }
    expected.into_keys().collect()
}
