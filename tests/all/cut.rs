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
    image::Pinned,
    plan::{Gate, Goal, Options, SavedPlan},
    platform::{DestinationId, Expected, Unseen},
    session::Disk,
    target::{Dialect, Release, Settings, Target, Unit, kubernetes::Kubernetes},
    value::{Address, Called, Keyring, Secrets},
};

use crate::support::{
    memory_place::MemoryPlace,
    shop::{self, Edited},
};

/// The clock of these tests: a killed run's lock runs out when somebody turns it.
static CLOCK: AtomicU64 = AtomicU64::new(1_000_000);

fn now() -> u64 {
    CLOCK.load(Ordering::Relaxed)
}

/// Something to be reached.
struct Wanted {
    pinned: Pinned,
    settings: Settings,
    /// Nothing of it.
    gone: bool,
}

impl Wanted {
    async fn new(environment: &str, files: &dyn Files) -> Self {
        let secrets = Arc::new(Secrets::default());
        let (pinned, settings) = shop::pinned(environment, "shop", files, &secrets).await.unwrap();
        Self { pinned, settings, gone: false }
    }

    fn goals(&self, keys: &Keyring) -> Result<Vec<Goal>, Findings> {
        let dialect = Kubernetes::default();
        let translation = dialect.translate(&self.pinned, &self.settings, &Unit::default(), keys);
        assert!(!translation.findings.has_errors());
        let mut release = translation.release;
        if self.gone {
            release = Release { resources: IndexMap::new(), dialect: Dialect::Kubernetes, ..release };
        }
        let name = if self.gone { "destroy" } else { "deploy" };
        Ok(vec![Goal { name, release, gate: Gate::Settled }])
    }

    fn site<'a>(&self, place: &'a MemoryPlace, dialect: &'a Kubernetes) -> Site<'a> {
        let project = self.pinned.project();
        Site {
            platform: place,
            target: dialect,
            destination: DestinationId("memory".into()),
            application: self.settings.application.clone(),
            options: Options::default(),
            origins: Arc::clone(&project.origins),
            concealed: Arc::clone(&project.concealed),
        }
    }

    /// The plan somebody would be shown now.
    async fn plan(&self, place: &MemoryPlace) -> SavedPlan {
        let dialect = Kubernetes::default();
        let site = self.site(place, &dialect);
        let content =
            deploy::content_key(transship::platform::Platform::ledger(place), &site.application).await.unwrap();
        let keys = Keyring { content, seal: None };
        let outlook = site.look(&self.goals(&keys).unwrap(), &keys).await.unwrap();
        SavedPlan::of(&outlook.plan, &keys, &site.origins)
    }

    /// One run; `None` when it was cut off.
    async fn run(&self, place: &MemoryPlace, approved: Approved) -> Option<Outcome> {
        let dialect = Kubernetes::default();
        let goals = |keys: &Keyring| self.goals(keys);
        let (_stop, interrupted) = watch::channel(false);
        let deployment = Deployment {
            site: self.site(place, &dialect),
            expected: Expected::default(),
            goals: &goals,
            keyring: None,
            approved,
            by: "tester".to_owned(),
            now,
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
    assert!(calls > 2, "{what}: {calls} calls");
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
        CLOCK.fetch_add(61, Ordering::Relaxed);
        let again = if kept { wanted.run(&place, approved()).await } else { wanted.apply(&place).await };
        let again = again.unwrap();
        assert_eq!(again.verdict, Verdict::Applied, "{what}: after {cut}: {:?}", again.message);
        assert_eq!(place.objects(), expected, "{what}: after {cut}");
        assert!(wanted.plan(&place).await.stages.iter().all(|stage| stage.changes.is_empty()), "{what}: after {cut}");
    }
}

/// One after the other: the clock is one for all.
#[tokio::test]
async fn whatever_is_cut_off_is_finished_by_the_next_run() {
    for (environment, kept) in [("staging", false), ("production", true)] {
        let wanted = Wanted::new(environment, &Disk).await;
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
        let changed = Wanted::new(environment, &edited).await;
        cut_everywhere(&format!("{environment} changes"), kept, &there, &changed).await;

        let gone = Wanted { gone: true, ..Wanted::new(environment, &Disk).await };
        cut_off_removals(environment, &there, &gone).await;
    }
}

/// A removal ends with its history removed, so that the run after it finds nothing to do.
async fn cut_off_removals(environment: &str, from: &MemoryPlace, gone: &Wanted) {
    let whole = from.copy();
    let outcome = gone.apply(&whole).await.unwrap();
    assert_eq!(outcome.verdict, Verdict::Applied);
    assert!(whole.entries().is_empty(), "{:?}", whole.entries());
    let expected = whole.objects();
    // The namespace stays where it was made.
    let names: Vec<&String> = expected.keys().filter(|name| *name != "Namespace shop").collect();
    assert_eq!(names, ["ConfigMap shop/foreign", "PersistentVolumeClaim shop/shop-database"]);
    let calls = outcome.plan.unwrap().stages[0].steps.len();
    for cut in 0..calls {
        let place = from.copy();
        place.answer(Some(cut));
        assert!(gone.apply(&place).await.is_none());
        place.answer(None);
        CLOCK.fetch_add(61, Ordering::Relaxed);
        let again = gone.apply(&place).await.unwrap();
        assert!(matches!(again.verdict, Verdict::Applied | Verdict::Unchanged), "{environment}: after {cut}");
        assert_eq!(place.objects(), expected, "{environment}: after {cut}");
        assert!(place.entries().is_empty(), "{environment}: after {cut}: {:?}", place.entries());
    }
}
