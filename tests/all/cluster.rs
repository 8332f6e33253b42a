//! A cluster that misbehaves: what we make of it, and what we leave alone.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use serde_json::json;
use transship::{
    plan::{Because, Call as PlanCall, Step},
    platform::{
        EntryName, Event, Expected, Failure, FailureKind, LedgerWriter, Observation, Owner, Platform, Preview,
        Progress, Refusal, Scope, State, Unseen, Verified, What, Writer, cluster::Cluster,
    },
    target::{Cascade, Condition, Release, Requirement},
    value::{Key, Node, Path, Secrets, Sources, Value},
};
use wiremock::ResponseTemplate;

use crate::support::{
    api_server::{ApiServer, Call, ok, status},
    releases::{Held, add, address, application, key, release},
};

const MINUTE: Duration = Duration::from_secs(60);
const DEPLOYMENT: &str = "/apis/apps/v1/namespaces/shop/deployments/web";

fn shop(secrets: &Arc<Secrets>) -> Release {
    let mut release = release(secrets);
    let settings = json!({"metadata": {"name": "settings"}, "data": {"LEVEL": "info"}});
    add(&mut release, "service/web/environment", "v1/ConfigMap", settings, Condition::Exists, MINUTE);
    let web = json!({
        "metadata": {"name": "web"},
        "spec": {"replicas": 1, "selector": {"matchLabels": {"app": "web"}}, "template": {
            "metadata": {"labels": {"app": "web"}},
            "spec": {"containers": [{"name": "web", "envFrom": [{"configMapRef": {"name": "settings"}}]}]}}}
    });
    add(&mut release, "service/web/workload", "apps/v1/Deployment", web, Condition::Healthy, MINUTE);
    release
}

async fn look(cluster: &Cluster, release: &Release) -> Result<Observation, Failure> {
    let scope = Scope {
        application: &release.application,
        release: Some(release),
        preview: true,
        origins: &release.origins,
        concealed: &release.concealed,
    };
    cluster.observe(scope).await
}

async fn verified(cluster: &Cluster) -> Verified {
    Verified::check(cluster.identify().await.unwrap(), &Expected::default()).unwrap()
}

async fn writer(cluster: &Cluster) -> Box<dyn Writer> {
    cluster.writer(verified(cluster).await, Arc::new(Held)).unwrap()
}

async fn ledger(cluster: &Cluster) -> Box<dyn LedgerWriter> {
    cluster.ledger_writer(verified(cluster).await).unwrap()
}

fn step(call: PlanCall, key: &Key) -> Step {
    Step { id: 0, call, carries: vec![key.clone()], address: None, after: Vec::new() }
}

fn reason(failure: &Failure, server: &ApiServer) -> String {
    failure.reason.as_str().replace(&server.address(), "SERVER")
}

/// Keeps what it is told.
#[derive(Default)]
struct Told(Mutex<Vec<Event>>);

impl Progress for Told {
    fn event(&self, event: Event) {
        self.0.lock().unwrap().push(event);
    }
}

#[tokio::test]
async fn looking_changes_nothing() {
    let server = ApiServer::well_behaved().await;
    let secrets = Arc::new(Secrets::default());
    let cluster = server.cluster(&secrets).await;
    let release = shop(&secrets);
    let seen = look(&cluster, &release).await.unwrap();
    assert!(seen.live.is_empty());
    assert!(seen.previews.values().all(|preview| matches!(preview, Preview::Server(_))), "{:?}", seen.previews);
    let calls = server.calls();
    assert!(calls.iter().any(|call| call.method == "PATCH"));
    assert!(!calls.iter().any(Call::writes), "{calls:?}");
}

#[tokio::test]
async fn what_is_written_is_seen_and_looks_the_same() {
    let server = ApiServer::well_behaved().await;
    let secrets = Arc::new(Secrets::default());
    let cluster = server.cluster(&secrets).await;
    let release = shop(&secrets);
    server.store().put(
        "/api/v1/namespaces/shop/configmaps/foreign",
        json!({"metadata": {"name": "foreign", "namespace": "shop"}}),
    );
    let seen = look(&cluster, &release).await.unwrap();
    let writer = writer(&cluster).await;
    for key in release.resources.keys() {
        writer.execute(&step(PlanCall::Put, key), &release, &seen, &Unseen).await.unwrap();
    }
    let seen = look(&cluster, &release).await.unwrap();
    let names: Vec<_> = seen.live.keys().map(ToString::to_string).collect();
    assert_eq!(names, ["Deployment shop/web", "ConfigMap shop/settings"]);
    let web = &seen.live[&address("apps/v1/Deployment", "web")];
    assert_eq!(web.owner, Owner::Us);
    assert_eq!(web.key, Some(key("service/web/workload")));
    assert_eq!(web.references, [address("v1/ConfigMap", "settings")]);
}

#[tokio::test]
async fn servers_that_cannot_be_reached() {
    let server = ApiServer::well_behaved().await;
    let secrets = Arc::new(Secrets::default());
    // A port that was ours a moment ago.
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let mut settings = server.settings();
    settings.kubeconfig = vec![server.kubeconfig(&format!("http://127.0.0.1:{port}"))];
    let failure = Cluster::connect(settings, secrets.clone()).await.unwrap().identify().await.unwrap_err();
    assert_eq!(failure.kind, FailureKind::Unreachable);
    assert_eq!(
        failure.reason.as_str().replace(&port.to_string(), "PORT"),
        "http://127.0.0.1:PORT refuses the connection; check that the cluster runs and that the context names its address"
    );

    let mut settings = server.settings();
    settings.kubeconfig = vec![server.kubeconfig("http://no-such-host.invalid")];
    let failure = Cluster::connect(settings, secrets.clone()).await.unwrap().identify().await.unwrap_err();
    assert_eq!(failure.kind, FailureKind::Unreachable);
    assert_eq!(
        failure.reason.as_str(),
        "http://no-such-host.invalid has no address that can be found; check the host name in the kubeconfig, and the network"
    );

    // Speaks, but not TLS.
    let mut settings = server.settings();
    settings.kubeconfig = vec![server.kubeconfig(&server.address().replace("http:", "https:"))];
    let failure = Cluster::connect(settings, secrets).await.unwrap().identify().await.unwrap_err();
    assert_eq!(
        failure.reason.as_str().replace(&server.address().replace("http:", "https:"), "SERVER"),
        "SERVER does not speak TLS as expected; check the address in the kubeconfig"
    );
}

#[tokio::test]
async fn kubeconfigs_that_cannot_be_used() {
    let server = ApiServer::well_behaved().await;
    let secrets = Arc::new(Secrets::default());
    let mut settings = server.settings();
    settings.context = Some("production".into());
    let shown = settings.kubeconfig[0].display().to_string();
    let failure = Cluster::connect(settings.clone(), secrets.clone()).await.err().unwrap();
    assert_eq!(
        failure.reason.as_str().replace(&shown, "FILE"),
        "FILE has no context `production`; `kubectl config get-contexts` lists those there are"
    );
    std::fs::write(&settings.kubeconfig[0], "users: [{token: t0ken-of-the-test").unwrap();
    let failure = Cluster::connect(settings.clone(), secrets.clone()).await.err().unwrap();
    assert_eq!(
        failure.reason.as_str().replace(&shown, "FILE"),
        "FILE is no kubeconfig: it is not valid YAML of that shape"
    );
    settings.kubeconfig = vec!["/no/such/file".into()];
    let failure = Cluster::connect(settings, secrets).await.err().unwrap();
    assert_eq!(failure.reason.as_str(), "/no/such/file does not exist; set KUBECONFIG, or give --kubeconfig");
}

#[tokio::test]
async fn credentials_that_are_not_taken() {
    let server = ApiServer::start(|_, _| Some(status(401, "Unauthorized", "Unauthorized"))).await;
    let cluster = server.cluster(&Arc::default()).await;
    let failure = cluster.identify().await.unwrap_err();
    assert_eq!(failure.kind, FailureKind::Forbidden);
    assert_eq!(
        reason(&failure, &server),
        "SERVER does not accept the credentials of this context; they may have expired: log in again, or check the context"
    );
    assert_eq!(server.calls().len(), 1, "asking again does not help");
}

#[tokio::test]
async fn a_server_that_hangs() {
    let server = ApiServer::start(|_, _| Some(ok(json!({})).set_delay(MINUTE))).await;
    let mut settings = server.settings();
    settings.patience.request = Duration::from_millis(200);
    let cluster = Cluster::connect(settings, Arc::default()).await.unwrap();
    let failure = cluster.identify().await.unwrap_err();
    assert_eq!(failure.kind, FailureKind::Unreachable);
    assert_eq!(
        reason(&failure, &server),
        "SERVER does not answer within 1 s; check that the cluster runs and is reachable from here"
    );
}

#[tokio::test]
async fn a_server_that_is_busy_is_asked_again() {
    let server = ApiServer::start(|call, _| match (call.line().as_str(), call.before) {
        ("GET /version", 0) => Some(status(429, "TooManyRequests", "slow down").insert_header("retry-after", "0")),
        ("GET /version", 1) => Some(ResponseTemplate::new(500)),
        ("GET /version", 2) => Some(ResponseTemplate::new(503)),
        _ => None,
    })
    .await;
    let identity = server.cluster(&Arc::default()).await.identify().await.unwrap();
    assert_eq!(&*identity.version, "v1.36.3");
    assert_eq!(identity.server.as_str(), server.address());
    assert_eq!(&*identity.unique, "uid-1");
}

#[tokio::test]
async fn a_server_that_stays_broken() {
    let server = ApiServer::start(|call, _| {
        (call.path.ends_with("kube-system")).then(|| status(500, "InternalError", "etcdserver: no leader"))
    })
    .await;
    let failure = server.cluster(&Arc::default()).await.identify().await.unwrap_err();
    assert_eq!(failure.kind, FailureKind::Unreachable);
    assert_eq!(
        reason(&failure, &server),
        "cannot see which cluster this is: SERVER answers with status 500 (etcdserver: no leader); try again later"
    );
}

#[tokio::test]
async fn not_the_expected_cluster() {
    let server = ApiServer::well_behaved().await;
    let found = server.cluster(&Arc::default()).await.identify().await.unwrap();
    let expected = Expected { server: None, unique: Some("uid-of-production".into()) };
    let failure = Verified::check(found, &expected).unwrap_err();
    assert_eq!(failure.kind, FailureKind::WrongPlace);
    assert_eq!(
        failure.reason.as_str(),
        "not the expected place: the environment names uid-of-production, this is uid-1; check the context, or the guard `identity` in transship.yaml"
    );
}

#[tokio::test]
async fn rights_that_are_missing() {
    let denied = |verb: &str, what: &str| {
        let message = format!(
            "{what} is forbidden: User \"reader\" cannot {verb} resource \"{what}\" in API group \"\" in the namespace \"shop\""
        );
        Some(status(403, "Forbidden", &message))
    };
    let server = ApiServer::start(move |call, _| match call.method.as_str() {
        "PATCH" => denied("patch", "deployments"),
        "POST" => denied("create", "secrets"),
        "GET" if call.path.ends_with("/secrets") => denied("list", "secrets"),
        "GET" if call.path.ends_with("/namespaces/kube-system") => denied("get", "namespaces"),
        _ => None,
    })
    .await;
    let secrets = Arc::new(Secrets::default());
    let cluster = server.cluster(&secrets).await;
    let release = shop(&secrets);
    let seen = look(&cluster, &release).await.unwrap();
    assert_eq!(&*seen.identity.unique, server.address(), "the address is all that is known");
    assert!(
        seen.previews.values().all(|preview| matches!(preview, Preview::Local(Because::Forbidden))),
        "{:?}",
        seen.previews
    );
    let unreadable: Vec<_> =
        seen.unreadable.iter().map(|text| text.as_str().replace(&server.address(), "SERVER")).collect();
    assert_eq!(
        unreadable,
        [
            "no right to list secrets at SERVER: secrets is forbidden: User \"reader\" cannot list resource \"secrets\" in API group \"\" in the namespace \"shop\"; ask for that right, or use another context"
        ]
    );
    let failure = writer(&cluster)
        .await
        .execute(&step(PlanCall::Put, &key("service/web/workload")), &release, &seen, &Unseen)
        .await
        .unwrap_err();
    assert_eq!(failure.kind, FailureKind::Forbidden);
    let failure = ledger(&cluster).await.create(&application(), &EntryName("lock/1".into()), b"x").await.unwrap_err();
    assert_eq!(failure.kind, FailureKind::Forbidden);
    assert!(reason(&failure, &server).starts_with("no right to write the ledger in namespace shop at SERVER"));
}

#[tokio::test]
async fn refusals_are_in_the_observation() {
    let server = ApiServer::start(|call, _| {
        if call.method != "PATCH" {
            return None;
        }
        if call.path.ends_with("/configmaps/settings") {
            return Some(status(403, "Forbidden", "configmaps \"settings\" is forbidden: exceeded quota: small, requested: count/configmaps=1"));
        }
        let mut body = json!({"kind": "Status", "status": "Failure", "code": 422, "reason": "Invalid", "message": "Deployment.apps \"web\" is invalid"});
        body["details"]["causes"] = json!([{"reason": "FieldValueInvalid", "field": "spec.selector",
            "message": "Invalid value: {\"app\":\"web\"}: field is immutable"}]);
        Some(ResponseTemplate::new(422).set_body_json(body))
    })
    .await;
    let secrets = Arc::new(Secrets::default());
    let cluster = server.cluster(&secrets).await;
    let seen = look(&cluster, &shop(&secrets)).await.unwrap();
    let preview = |name: &str| match &seen.previews[&key(name)] {
        Preview::Refused(refusal) => refusal.clone(),
        other => panic!("{other:?}"),
    };
    assert_eq!(preview("service/web/workload"), Refusal::Immutable(vec![Path::new(["spec", "selector"])]));
    assert!(matches!(preview("service/web/environment"), Refusal::Quota(_)));
}

#[tokio::test]
async fn what_is_required_and_not_there() {
    let server = ApiServer::well_behaved().await;
    let secrets = Arc::new(Secrets::default());
    server.store().put(
        "/api/v1/namespaces/shop/secrets/half",
        json!({"metadata": {"name": "half", "namespace": "shop"}, "data": {"user": "eA=="}}),
    );
    let mut release = shop(&secrets);
    let requirement = |name: &str, entries: &[&str]| Requirement {
        address: address("v1/Secret", name),
        entries: entries.iter().map(|entry| Box::from(*entry)).collect(),
        from: Sources::NONE,
    };
    release.requires =
        vec![requirement("none", &[]), requirement("half", &["user", "password"]), requirement("half", &["user"])];
    let seen = look(&server.cluster(&secrets).await, &release).await.unwrap();
    assert_eq!(seen.missing, [requirement("none", &[]), requirement("half", &["password"])]);
}

#[tokio::test]
async fn a_namespace_that_is_not_there() {
    let server = ApiServer::well_behaved().await;
    server.store().objects.remove("/api/v1/namespaces/shop");
    let secrets = Arc::new(Secrets::default());
    let release = shop(&secrets);
    let seen = look(&server.cluster(&secrets).await, &release).await.unwrap();
    let absent = address("v1/Namespace", "shop");
    assert!(
        seen.previews
            .values()
            .all(|preview| matches!(preview, Preview::Local(Because::ParentAbsent(parent)) if *parent == absent))
    );
    assert_eq!(seen.missing.iter().map(|requirement| requirement.address.clone()).collect::<Vec<_>>(), [absent]);

    // The ledger is the first that needs it.
    let mut settings = server.settings();
    settings.create_namespace = true;
    let cluster = Cluster::connect(settings, secrets.clone()).await.unwrap();
    assert_eq!(look(&cluster, &release).await.unwrap().missing, []);
    assert!(ledger(&cluster).await.create(&application(), &EntryName("key".into()), b"k").await.unwrap());
    let namespace = server.store().objects["/api/v1/namespaces/shop"].clone();
    assert_eq!(namespace["metadata"]["annotations"]["transship.dev/application"], "shop/test");
    let mut release = release;
    add(
        &mut release,
        "application/namespace",
        "v1/Namespace",
        json!({"metadata": {"name": "shop"}}),
        Condition::Exists,
        MINUTE,
    );
    let seen = look(&cluster, &release).await.unwrap();
    let namespace = &seen.live[&address("v1/Namespace", "shop")];
    assert_eq!((&namespace.owner, namespace.key.as_ref()), (&Owner::Us, Some(&key("application/namespace"))));
}

#[tokio::test]
async fn what_changed_after_the_look_is_not_overwritten() {
    let server = ApiServer::well_behaved().await;
    let secrets = Arc::new(Secrets::default());
    let cluster = server.cluster(&secrets).await;
    let release = shop(&secrets);
    let (writer, workload) = (writer(&cluster).await, key("service/web/workload"));
    let put = step(PlanCall::Put, &workload);
    writer.execute(&put, &release, &look(&cluster, &release).await.unwrap(), &Unseen).await.unwrap();
    let seen = look(&cluster, &release).await.unwrap();

    // What its controller reports is no change of anybody's mind.
    let mut live = server.store().objects[DEPLOYMENT].clone();
    live["status"] = json!({"replicas": 1});
    live["metadata"]["annotations"]["deployment.kubernetes.io/revision"] = "1".into();
    server.store().put(DEPLOYMENT, live.clone());
    writer.execute(&put, &release, &seen, &Unseen).await.unwrap();

    live["spec"]["replicas"] = 5.into();
    server.store().put(DEPLOYMENT, live);
    let before = server.calls().len();
    let failure = writer.execute(&put, &release, &seen, &Unseen).await.unwrap_err();
    assert_eq!(failure.kind, FailureKind::Conflict);
    assert_eq!(
        failure.reason.as_str(),
        "Deployment shop/web was changed by somebody else after it was looked at; plan again"
    );
    let delete = step(PlanCall::Delete { cascade: Cascade::All }, &workload);
    server.store().objects.get_mut(DEPLOYMENT).unwrap()["metadata"]["uid"] = "another".into();
    let failure = writer.execute(&delete, &release, &seen, &Unseen).await.unwrap_err();
    assert_eq!(failure.kind, FailureKind::Conflict);
    assert!(!server.calls()[before..].iter().any(Call::writes));

    // Nobody stood there when the plan was made.
    let nothing = Observation { live: indexmap::IndexMap::new(), ..seen };
    server.store().put(DEPLOYMENT, json!({"metadata": {"name": "web", "namespace": "shop"}}));
    let failure = writer.execute(&put, &release, &nothing, &Unseen).await.unwrap_err();
    assert_eq!(failure.kind, FailureKind::Conflict);
    assert_eq!(failure.reason.as_str(), "Deployment shop/web was made by somebody else in the meantime; plan again");
}

#[tokio::test]
async fn a_version_that_moves_while_it_is_written() {
    let server = ApiServer::start(|call, _| {
        let first =
            call.method == "PATCH" && call.path == DEPLOYMENT && !call.query.contains("dryRun") && call.before < 2;
        first.then(|| {
            status(409, "Conflict", "the object has been modified; please apply your changes to the latest version")
        })
    })
    .await;
    let secrets = Arc::new(Secrets::default());
    let cluster = server.cluster(&secrets).await;
    let release = shop(&secrets);
    let seen = look(&cluster, &release).await.unwrap();
    let put = step(PlanCall::Put, &key("service/web/workload"));
    writer(&cluster).await.execute(&put, &release, &seen, &Unseen).await.unwrap();
    assert!(server.store().objects.contains_key(DEPLOYMENT));
}

#[tokio::test]
async fn foreign_objects_are_neither_asked_about_nor_removed() {
    let server = ApiServer::well_behaved().await;
    let secrets = Arc::new(Secrets::default());
    server.store().put(
        DEPLOYMENT,
        json!({"metadata": {"name": "web", "namespace": "shop",
            "labels": {"applyset.kubernetes.io/part-of": "applyset-other-v1"},
            "annotations": {"transship.dev/resource": "service/web/workload"}}}),
    );
    server.store().put(
        "/api/v1/namespaces/shop/configmaps/transship-shop-production",
        json!({"metadata": {"name": "transship-shop-production", "namespace": "shop",
            "labels": {"applyset.kubernetes.io/id": "applyset-other-v1"}}, "data": {"application": "shop/production"}}),
    );
    let cluster = server.cluster(&secrets).await;
    let release = shop(&secrets);
    let seen = look(&cluster, &release).await.unwrap();
    let live = &seen.live[&address("apps/v1/Deployment", "web")];
    let other = transship::value::Application { project: "shop".into(), environment: "production".into() };
    assert_eq!((&live.owner, &live.key), (&Owner::Application(other.clone()), &None));
    let preview = &seen.previews[&key("service/web/workload")];
    assert!(matches!(preview, Preview::Refused(Refusal::Foreign(Owner::Application(by))) if *by == other));
    let delete = step(PlanCall::Delete { cascade: Cascade::All }, &key("service/web/workload"));
    let failure = writer(&cluster).await.execute(&delete, &release, &seen, &Unseen).await.unwrap_err();
    assert_eq!(failure.reason.as_str(), "Deployment shop/web bears no mark of ours, and is not removed");
    assert!(server.store().objects.contains_key(DEPLOYMENT));
}

#[tokio::test]
async fn counts_of_others_stay() {
    let server = ApiServer::well_behaved().await;
    let secrets = Arc::new(Secrets::default());
    let cluster = server.cluster(&secrets).await;
    let mut release = shop(&secrets);
    let workload = key("service/web/workload");
    let theirs = Node::new(Value::Theirs(Some(Box::new(Node::new(2, Sources::NONE)))), Sources::NONE);
    release.resources[&workload].body.get_mut("spec").unwrap().set("replicas", theirs);
    let put = step(PlanCall::Put, &workload);
    let writer = writer(&cluster).await;
    writer.execute(&put, &release, &look(&cluster, &release).await.unwrap(), &Unseen).await.unwrap();
    let mut live = server.store().objects[DEPLOYMENT].clone();
    assert_eq!(live["spec"]["replicas"], 2, "where nothing is, our default");

    // Still ours by the server's books: leaving it out would take it away.
    live["metadata"]["managedFields"] =
        json!([{"manager": "transship", "operation": "Apply", "fieldsV1": {"f:spec": {"f:replicas": {}}}}]);
    live["spec"]["replicas"] = 3.into();
    server.store().put(DEPLOYMENT, live.clone());
    writer.execute(&put, &release, &look(&cluster, &release).await.unwrap(), &Unseen).await.unwrap();
    let sent = server.calls().into_iter().rfind(Call::writes).unwrap();
    assert_eq!(sent.body["spec"]["replicas"], 3);

    // An autoscaler's: not mentioned at all.
    live["metadata"]["managedFields"] = json!([{"manager": "autoscaler", "operation": "Update", "subresource": "scale", "fieldsV1": {"f:spec": {"f:replicas": {}}}}]);
    server.store().put(DEPLOYMENT, live);
    writer.execute(&put, &release, &look(&cluster, &release).await.unwrap(), &Unseen).await.unwrap();
    let sent = server.calls().into_iter().rfind(Call::writes).unwrap();
    assert!(sent.body["spec"].get("replicas").is_none(), "{}", sent.body);
}

#[tokio::test]
async fn warnings_of_the_server_are_told() {
    let server = ApiServer::start(|call, store| {
        let warns = call.writes() && call.path == DEPLOYMENT;
        warns.then(|| {
            let object = store.put(&call.path, call.body.clone());
            ok(object).insert_header("warning", "299 - \"spec.old is deprecated\"")
        })
    })
    .await;
    let secrets = Arc::new(Secrets::default());
    let cluster = server.cluster(&secrets).await;
    let release = shop(&secrets);
    let seen = look(&cluster, &release).await.unwrap();
    let told = Told::default();
    let put = step(PlanCall::Put, &key("service/web/workload"));
    writer(&cluster).await.execute(&put, &release, &seen, &told).await.unwrap();
    let texts: Vec<_> = told
        .0
        .into_inner()
        .unwrap()
        .into_iter()
        .filter_map(|event| if let What::Doing(text) = event.what { Some(text.to_string()) } else { None })
        .collect();
    assert_eq!(texts, ["Deployment shop/web: the server warns: spec.old is deprecated"]);
}

#[tokio::test]
async fn the_ledger_takes_an_entry_once() {
    // The answer to the first create gets lost after it was carried out.
    let server = ApiServer::start(|call, store| {
        (call.method == "POST" && call.before == 0).then(|| {
            let path = format!("{}/{}", call.path, call.body["metadata"]["name"].as_str().unwrap());
            store.put(&path, call.body.clone());
            ResponseTemplate::new(504)
        })
    })
    .await;
    let cluster = server.cluster(&Arc::default()).await;
    let (application, ledger) = (application(), ledger(&cluster).await);
    let name = |text: &str| EntryName(text.into());
    assert!(ledger.create(&application, &name("lock/1"), b"first").await.unwrap(), "it was this very try");
    assert!(!ledger.create(&application, &name("lock/1"), b"first").await.unwrap(), "even with equal content");
    let large: Vec<u8> = (0..2_000_000_u32).map(|number| number.to_le_bytes()[0] ^ number.to_le_bytes()[1]).collect();
    assert!(ledger.create(&application, &name("revision/1/opened"), &large).await.unwrap());
    assert!(!ledger.create(&application, &name("revision/1/opened"), &large).await.unwrap());
    let other = transship::value::Application { project: "shop".into(), environment: "other".into() };
    assert!(ledger.create(&other, &name("lock/1"), b"elsewhere").await.unwrap());

    let reader = cluster.ledger();
    assert_eq!(reader.list(&application).await.unwrap(), [name("lock/1"), name("revision/1/opened")]);
    assert_eq!(reader.read(&application, &name("lock/1")).await.unwrap().as_deref(), Some(&b"first"[..]));
    assert!(reader.read(&application, &name("revision/1/opened")).await.unwrap() == Some(large));
    assert_eq!(reader.read(&application, &name("lock/2")).await.unwrap(), None);
    ledger.remove(&application, &name("revision/1/opened")).await.unwrap();
    ledger.remove(&application, &name("revision/1/opened")).await.unwrap();
    let left: Vec<_> = server.store().objects.keys().filter(|path| path.contains("/secrets/")).cloned().collect();
    assert_eq!(
        left,
        [
            "/api/v1/namespaces/shop/secrets/transship.shop.other.lock-1",
            "/api/v1/namespaces/shop/secrets/transship.shop.test.lock-1"
        ],
        "no piece is left behind"
    );
}

#[tokio::test]
async fn eight_want_the_same_entry_and_one_has_it() {
    let server = ApiServer::well_behaved().await;
    let cluster = server.cluster(&Arc::default()).await;
    let application = application();
    let (name, ledger) = (EntryName("lock/1".into()), ledger(&cluster).await);
    let tries = (0..8_u8).map(|who| {
        let (ledger, application, name) = (&ledger, &application, &name);
        async move { ledger.create(application, name, &[who]).await.unwrap() }
    });
    let won = futures_util::future::join_all(tries).await.into_iter().filter(|won| *won).count();
    assert_eq!(won, 1);
}

#[tokio::test]
async fn following_tells_why_something_does_not_get_there() {
    let secrets = Arc::new(Secrets::default());
    secrets.conceal(b"hunter2-of-the-test", "PASSWORD", Sources::NONE);
    let server = ApiServer::start(|call, _| {
        let pod = |waiting: &str, restarts: u32| {
            json!({"metadata": {"name": "web-1"}, "status": {"phase": "Pending", "containerStatuses": [{
                "name": "web", "restartCount": restarts, "ready": false,
                "state": {"waiting": {"reason": waiting, "message": "no such manifest"}},
                "lastState": {"terminated": {"exitCode": 3, "reason": "Error"}}}]}})
        };
        if call.path.ends_with("/pods") {
            let pod = if call.query.contains("web") { pod("InvalidImageName", 0) } else { pod("CrashLoopBackOff", 4) };
            return Some(ok(json!({"items": [pod], "metadata": {}})));
        }
        call.path.ends_with("/log").then(|| {
            assert!(call.query.contains("previous=true"), "{}", call.query);
            ResponseTemplate::new(200).set_body_string("starting\ncannot log in with hunter2-of-the-test\n")
        })
    })
    .await;
    let mut release = release(&secrets);
    for name in ["web", "api"] {
        let body =
            json!({"metadata": {"name": name}, "spec": {"replicas": 1, "selector": {"matchLabels": {"app": name}}}});
        add(&mut release, &format!("service/{name}/workload"), "apps/v1/Deployment", body, Condition::Healthy, MINUTE);
    }
    let late = json!({"metadata": {"name": "late"}, "spec": {}});
    add(&mut release, "service/late/job", "batch/v1/Job", late, Condition::Completed, Duration::from_millis(50));
    let cluster = server.cluster(&secrets).await;
    let seen = look(&cluster, &release).await.unwrap();
    let writer = writer(&cluster).await;
    for key in release.resources.keys() {
        writer.execute(&step(PlanCall::Put, key), &release, &seen, &Unseen).await.unwrap();
    }
    let keys: Vec<_> = release.resources.keys().cloned().chain([key("service/none/workload")]).collect();
    let told = Told::default();
    let states = cluster.follow(&release, &keys, &told).await.unwrap();
    let failed = |name: &str| match states.iter().find(|(key, _)| key.to_string() == name) {
        Some((_, State::Failed(reason))) => {
            let logs: Vec<_> = reason.logs.iter().map(ToString::to_string).collect();
            format!("{}: {} [{}]", reason.code, reason.text, logs.join(" | "))
        }
        other => panic!("{other:?}"),
    };
    assert_eq!(failed("service/web/workload"), "image-pull: web: InvalidImageName: no such manifest []");
    assert_eq!(
        failed("service/api/workload"),
        "crash-loop: web: started 5 times, and ended each time with code 3 [starting | cannot log in with ‹secret #1›]"
    );
    assert!(failed("service/late/job").starts_with("deadline: "), "{}", failed("service/late/job"));
    assert_eq!(states.len(), 3, "what is in no release is not followed");
    let failures = told.0.into_inner().unwrap().iter().filter(|event| matches!(event.what, What::Failed(_))).count();
    assert_eq!(failures, 3);
}

#[tokio::test]
async fn following_waits_until_it_is_there() {
    let server = ApiServer::start(|call, store| {
        if call.line() == format!("GET {DEPLOYMENT}") && call.before == 6 {
            let mut live = store.objects[DEPLOYMENT].clone();
            live["metadata"]["generation"] = 1.into();
            live["status"] =
                json!({"observedGeneration": 1, "replicas": 1, "updatedReplicas": 1, "availableReplicas": 1});
            store.put(DEPLOYMENT, live);
        }
        None
    })
    .await;
    let secrets = Arc::new(Secrets::default());
    let cluster = server.cluster(&secrets).await;
    let release = shop(&secrets);
    let seen = look(&cluster, &release).await.unwrap();
    let workload = key("service/web/workload");
    writer(&cluster).await.execute(&step(PlanCall::Put, &workload), &release, &seen, &Unseen).await.unwrap();
    let mut live = server.store().objects[DEPLOYMENT].clone();
    live["metadata"]["generation"] = 1.into();
    server.store().put(DEPLOYMENT, live);
    let told = Told::default();
    let states = cluster.follow(&release, std::slice::from_ref(&workload), &told).await.unwrap();
    assert_eq!(states, [(workload, State::Settled)]);
    let told = told.0.into_inner().unwrap();
    assert!(
        matches!(&told[0].what, What::Moving { ready: 0, wanted: 1, text } if text.as_str() == "accepted, and not yet seen by its controller"),
        "{told:?}"
    );
    assert!(matches!(told.last().map(|event| &event.what), Some(What::Settled)), "{told:?}");
}
