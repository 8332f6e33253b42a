//! A cluster as it really is: an API server, its controllers and a node.

use std::{path::PathBuf, sync::Arc, time::Duration};

use serde_json::json;
use transship::{
    plan::{Because, Call, Step},
    platform::{
        EntryName, Expected, Failure, FailureKind, Observation, Owner, Platform, Preview, Refusal, Scope, State,
        Unseen, Verified, Writer,
        cluster::{Cluster, ClusterSettings, Patience},
        encode,
    },
    target::{Cascade, Condition, Release, Target, kubernetes::Kubernetes},
    value::{Address, Called, Key, Node, Path, Secrets, Sources, Value},
};

use crate::support::{
    engines::Engines,
    releases::{Held, add, key, node, part_of, release},
    shop,
};

const KUBERNETES: &[&str] = &["KUBECONFIG", "KUBECONFIG_RESTRICTED", "KUBECTL", "REGISTRY"];
const LONG: Duration = Duration::from_secs(120);

/// A namespace of a test's own, gone when it is.
struct Place<'a> {
    engines: &'a Engines,
    name: String,
}

impl<'a> Place<'a> {
    fn new(engines: &'a Engines, stem: &str) -> Self {
        let name = format!("transship-{stem}-{}", std::process::id());
        engines.kubectl(&["delete", "namespace", &name, "--ignore-not-found"]);
        Self { engines, name }
    }

    async fn cluster(&self, kubeconfig: &str, secrets: &Arc<Secrets>) -> Cluster {
        let settings = ClusterSettings {
            kubeconfig: vec![PathBuf::from(self.engines.get(kubeconfig))],
            context: None,
            namespace: self.name.as_str().into(),
            create_namespace: true,
            patience: Patience {
                look: Duration::from_millis(200),
                grace: Duration::from_secs(2),
                ..Patience::default()
            },
        };
        Cluster::connect(settings, secrets.clone()).await.unwrap()
    }

    fn kubectl(&self, arguments: &[&str]) -> String {
        self.engines.kubectl(&[&["-n", &self.name], arguments].concat())
    }

    fn address(&self, kind: &str, name: &str) -> Address {
        Address { kind: kind.into(), scope: Some(self.name.as_str().into()), name: Called::Now(name.into()) }
    }

    /// Moves a release that was made for `shop` here.
    fn adopt(&self, release: &mut Release) {
        for resource in release.resources.values_mut() {
            let metadata = resource.body.get_mut("metadata").unwrap();
            metadata.get_mut("labels").unwrap().set("applyset.kubernetes.io/part-of", text(&part_of(&self.name)));
            if resource.address.scope.is_some() {
                metadata.set("namespace", text(&self.name));
                resource.address.scope = Some(self.name.as_str().into());
            }
        }
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.engines.kubectl(&["delete", "namespace", &self.name, "--ignore-not-found", "--wait=false"]);
    }
}

fn text(text: &str) -> Node {
    Node::new(text, Sources::NONE)
}

async fn look(cluster: &Cluster, release: &Release) -> Observation {
    let scope = Scope {
        application: &release.application,
        release: Some(release),
        preview: true,
        origins: &release.origins,
        concealed: &release.concealed,
    };
    cluster.observe(scope).await.unwrap()
}

async fn verified(cluster: &Cluster) -> Verified {
    Verified::check(cluster.identify().await.unwrap(), &Expected::default()).unwrap()
}

async fn put(writer: &dyn Writer, release: &Release, seen: &Observation, name: &str) -> Result<(), Failure> {
    writer.execute(&step(Call::Put, key(name)), release, seen, &Unseen).await
}

fn step(call: Call, key: Key) -> Step {
    Step { id: 0, call, carries: vec![key], address: None, after: Vec::new() }
}

/// A body without what moves by itself.
fn still(body: &Node) -> Node {
    let mut body = body.clone();
    if let Some(metadata) = body.get_mut("metadata") {
        for name in ["resourceVersion", "generation", "uid", "creationTimestamp"] {
            metadata.remove(name);
        }
    }
    body
}

fn example(engines: &Engines, secrets: &Arc<Secrets>) -> Release {
    let image = format!("{}/pause:1", engines.get("REGISTRY"));
    let mut release = release(secrets);
    let mut add = |key: &str, kind: &str, body, when| add(&mut release, key, kind, body, when, LONG);
    add(
        "service/web/environment",
        "v1/ConfigMap",
        json!({"metadata": {"name": "settings"}, "data": {"LEVEL": "info", "SIZE": "20"}}),
        Condition::Exists,
    );
    add(
        "volume/data/claim",
        "v1/PersistentVolumeClaim",
        json!({"metadata": {"name": "data"}, "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Mi"}}}}),
        Condition::Exists,
    );
    add(
        "service/web/discovery",
        "v1/Service",
        json!({"metadata": {"name": "web"}, "spec": {"selector": {"app": "web"}, "ports": [{"name": "p-80-tcp", "port": 80, "protocol": "TCP"}]}}),
        Condition::Exists,
    );
    add(
        "service/web/workload",
        "apps/v1/Deployment",
        json!({"metadata": {"name": "web"}, "spec": {"selector": {"matchLabels": {"app": "web"}}, "template": {
            "metadata": {"labels": {"app": "web"}},
            "spec": {"terminationGracePeriodSeconds": 1, "enableServiceLinks": false, "automountServiceAccountToken": false,
                "containers": [{"name": "web", "image": image, "envFrom": [{"configMapRef": {"name": "settings"}}],
                "volumeMounts": [{"name": "data", "mountPath": "/data"}]}],
                "volumes": [{"name": "data", "persistentVolumeClaim": {"claimName": "data"}}]}}}}),
        Condition::Healthy,
    );
    let web = release.resources.get_mut(&key("service/web/workload")).unwrap();
    let theirs = Value::Theirs(Some(Box::new(Node::new(2, Sources::NONE))));
    web.body.get_mut("spec").unwrap().set("replicas", Node::new(theirs, Sources::NONE));
    let secret = secrets.conceal(b"hunter2-of-the-test", "password", Sources::NONE);
    add_secret(&mut release, secret);
    release
}

fn add_secret(release: &mut Release, bytes: transship::value::SecretId) {
    add(
        release,
        "secret/password/content",
        "v1/Secret",
        json!({"metadata": {"name": "password"}, "immutable": true}),
        Condition::Exists,
        LONG,
    );
    let secret = release.resources.get_mut(&key("secret/password/content")).unwrap();
    let data = Value::Map(vec![("password".into(), Node::new(Value::Bytes(bytes), Sources::NONE))]);
    secret.body.set("data", Node::new(data, Sources::NONE));
}

#[tokio::test]
async fn a_release_comes_is_restored_and_goes() {
    let Some(engines) = Engines::with("a release on a real cluster", KUBERNETES) else { return };
    let place = Place::new(&engines, "release");
    let secrets = Arc::new(Secrets::default());
    let cluster = place.cluster("KUBECONFIG", &secrets).await;
    let mut release = example(&engines, &secrets);
    place.adopt(&mut release);

    // Nothing there yet, not even the place.
    let seen = look(&cluster, &release).await;
    assert!(seen.live.is_empty());
    assert!(seen.previews.values().all(|preview| matches!(preview, Preview::Local(Because::ParentAbsent(_)))));
    assert!(seen.missing.is_empty(), "{:?}", seen.missing);

    let ledger = cluster.ledger_writer(verified(&cluster).await).unwrap();
    let entry = EntryName("revision/1/opened".into());
    let large: Vec<u8> = (0..1_500_000_u32).map(|number| number.to_le_bytes()[0]).collect();
    assert!(ledger.create(&release.application, &entry, &large).await.unwrap());
    assert!(!ledger.create(&release.application, &entry, b"again").await.unwrap());
    assert!(ledger.reader().read(&release.application, &entry).await.unwrap() == Some(large));
    assert_eq!(ledger.reader().list(&release.application).await.unwrap(), [entry]);

    let seen = look(&cluster, &release).await;
    for (key, preview) in &seen.previews {
        assert!(matches!(preview, Preview::Server(_)), "{key}: {preview:?}");
    }
    let writer = cluster.writer(verified(&cluster).await, Arc::new(Held)).unwrap();
    for key in release.resources.keys() {
        put(&*writer, &release, &seen, &key.to_string()).await.unwrap();
    }
    let keys: Vec<_> = release.resources.keys().cloned().collect();
    for (key, state) in cluster.follow(&release, &keys, &Unseen).await.unwrap() {
        assert_eq!(state, State::Settled, "{key}");
    }

    // The server would change nothing, and agrees on whose all of it is.
    let seen = look(&cluster, &release).await;
    for (key, resource) in &release.resources {
        let live = &seen.live[&resource.address];
        assert_eq!((&live.owner, live.key.as_ref()), (&Owner::Us, Some(key)));
        let Preview::Server(preview) = &seen.previews[key] else { panic!("{key}: {:?}", seen.previews[key]) };
        assert_eq!(still(preview), still(&live.body), "{key}");
        assert!(live.ours.as_ref().is_some_and(|ours| !ours.is_empty()), "{key}");
        assert_eq!(live.state, State::Settled, "{key}");
    }
    assert!(!format!("{seen:?}").contains("hunter2"));
    let web = place.address("apps/v1/Deployment", "web");
    assert_eq!(
        seen.live[&web].references,
        [place.address("v1/PersistentVolumeClaim", "data"), place.address("v1/ConfigMap", "settings")]
    );
    assert_eq!(place.kubectl(&["get", "deployment", "web", "-o", "jsonpath={.spec.replicas}"]), "2");

    // Writing the same again changes nothing at all: not even a generation.
    let versions = place.kubectl(&[
        "get",
        "deployment,configmap,secret,service,pvc",
        "-o",
        "jsonpath={.items[*].metadata.generation}",
    ]);
    for key in &keys {
        put(&*writer, &release, &seen, &key.to_string()).await.unwrap();
    }
    assert_eq!(
        versions,
        place.kubectl(&[
            "get",
            "deployment,configmap,secret,service,pvc",
            "-o",
            "jsonpath={.items[*].metadata.generation}"
        ])
    );

    // A field changed by hand is that field's, and goes back; a count that is not ours stays.
    place.kubectl(&["patch", "configmap", "settings", "--type=merge", "-p", r#"{"data":{"LEVEL":"debug"}}"#]);
    place.kubectl(&["scale", "deployment", "web", "--replicas=1"]);
    let before = seen;
    let seen = look(&cluster, &release).await;
    let settings = place.address("v1/ConfigMap", "settings");
    let writers: Vec<_> = seen.live[&settings].writers.iter().map(|(path, by)| format!("{path} {by}")).collect();
    assert_eq!(writers, ["data.LEVEL kubectl-patch"]);
    let failure = put(&*writer, &release, &before, "service/web/environment").await.unwrap_err();
    assert_eq!(failure.kind, FailureKind::Conflict, "{failure}");
    put(&*writer, &release, &seen, "service/web/environment").await.unwrap();
    put(&*writer, &release, &seen, "service/web/workload").await.unwrap();
    assert_eq!(place.kubectl(&["get", "configmap", "settings", "-o", "jsonpath={.data.LEVEL}"]), "info");
    assert_eq!(place.kubectl(&["get", "deployment", "web", "-o", "jsonpath={.spec.replicas}"]), "1");

    // What is no longer wanted of an object goes from it.
    let body = &mut release.resources.get_mut(&key("service/web/environment")).unwrap().body;
    body.get_mut("data").unwrap().remove("SIZE");
    let seen = look(&cluster, &release).await;
    put(&*writer, &release, &seen, "service/web/environment").await.unwrap();
    assert_eq!(place.kubectl(&["get", "configmap", "settings", "-o", "jsonpath={.data}"]), r#"{"LEVEL":"info"}"#);

    // Removed, with its pods, and nothing of others.
    place.kubectl(&["create", "configmap", "foreign"]);
    let seen = look(&cluster, &release).await;
    let delete = step(Call::Delete { cascade: Cascade::All }, key("service/web/workload"));
    writer.execute(&delete, &release, &seen, &Unseen).await.unwrap();
    assert_eq!(place.kubectl(&["get", "pods", "-o", "name"]), "");
    assert!(place.kubectl(&["get", "configmap", "-o", "name"]).contains("configmap/foreign"));
}

#[tokio::test]
async fn what_the_server_refuses_is_known_before() {
    let Some(engines) = Engines::with("refusals of a real cluster", KUBERNETES) else { return };
    let place = Place::new(&engines, "refusals");
    engines.kubectl(&["create", "namespace", &place.name]);
    let secrets = Arc::new(Secrets::default());
    let cluster = place.cluster("KUBECONFIG", &secrets).await;
    let mut release = example(&engines, &secrets);
    place.adopt(&mut release);
    let seen = look(&cluster, &release).await;
    let writer = cluster.writer(verified(&cluster).await, Arc::new(Held)).unwrap();
    for key in release.resources.keys() {
        put(&*writer, &release, &seen, &key.to_string()).await.unwrap();
    }
    place.kubectl(&["create", "quota", "small", "--hard=count/configmaps=1"]);
    let mut change = |name: &str, path: &[&str], value: Node| {
        let (last, inside) = path.split_last().unwrap();
        let body = &mut release.resources.get_mut(&key(name)).unwrap().body;
        inside.iter().fold(body, |node, step| node.get_mut(step).unwrap()).set(*last, value);
    };
    change("service/web/workload", &["spec", "selector", "matchLabels", "app"], text("other"));
    change("service/web/workload", &["spec", "template", "metadata", "labels", "app"], text("other"));
    change("service/web/discovery", &["spec", "no-such-field"], text("x"));
    let other = secrets.conceal(b"another-of-the-test", "password", Sources::NONE);
    change("secret/password/content", &["data", "password"], Node::new(Value::Bytes(other), Sources::NONE));
    change("volume/data/claim", &["spec", "accessModes"], Node::new(vec![text("ReadWriteMany")], Sources::NONE));
    change("service/web/environment", &["metadata", "name"], text("second"));
    release.resources.get_mut(&key("service/web/environment")).unwrap().address.name = Called::Now("second".into());
    let seen = look(&cluster, &release).await;
    let refusal = |name: &str| match &seen.previews[&key(name)] {
        Preview::Refused(refusal) => refusal.clone(),
        other => panic!("{name}: {other:?}"),
    };
    assert_eq!(refusal("service/web/workload"), Refusal::Immutable(vec![Path::new(["spec", "selector"])]));
    assert_eq!(refusal("secret/password/content"), Refusal::Immutable(vec![Path::new(["data"])]));
    assert_eq!(refusal("volume/data/claim"), Refusal::Immutable(vec![Path::new(["spec"])]));
    assert!(
        matches!(refusal("service/web/environment"), Refusal::Quota(_)),
        "{:?}",
        refusal("service/web/environment")
    );
    let Refusal::Invalid(said) = refusal("service/web/discovery") else {
        panic!("{:?}", refusal("service/web/discovery"))
    };
    assert!(said.as_str().contains("no-such-field"), "{said}");
}

#[tokio::test]
async fn who_may_not_is_told_so() {
    let Some(engines) = Engines::with("rights on a real cluster", KUBERNETES) else { return };
    let place = Place::new(&engines, "rights");
    engines.kubectl(&["create", "namespace", &place.name]);
    let secrets = Arc::new(Secrets::default());
    let cluster = place.cluster("KUBECONFIG_RESTRICTED", &secrets).await;
    let mut release = example(&engines, &secrets);
    place.adopt(&mut release);
    let seen = look(&cluster, &release).await;
    assert!(!seen.unreadable.is_empty());
    assert!(
        seen.previews.values().all(|preview| matches!(preview, Preview::Local(Because::Forbidden))),
        "{:?}",
        seen.previews
    );
    let ledger = cluster.ledger_writer(verified(&cluster).await).unwrap();
    let failure = ledger.create(&release.application, &EntryName("lock/1".into()), b"x").await.unwrap_err();
    assert_eq!(failure.kind, FailureKind::Forbidden);
    assert!(failure.reason.as_str().contains("cannot create resource \"secrets\""), "{failure}");
}

#[tokio::test]
async fn what_does_not_get_there_is_told() {
    let Some(engines) = Engines::with("failing services on a real cluster", KUBERNETES) else { return };
    let place = Place::new(&engines, "failing");
    engines.kubectl(&["create", "namespace", &place.name]);
    let secrets = Arc::new(Secrets::default());
    let cluster = place.cluster("KUBECONFIG", &secrets).await;
    let mut release = release(&secrets);
    let pause = format!("{}/pause:1", engines.get("REGISTRY"));
    let none = format!("{}/none@sha256:{}", engines.get("REGISTRY"), "0".repeat(64));
    let mut service = |name: &str, container: serde_json::Value, within: u64| {
        let mut body = json!({"metadata": {"name": name}, "spec": {"selector": {"matchLabels": {"app": name}},
            "template": {"metadata": {"labels": {"app": name}}, "spec": {"terminationGracePeriodSeconds": 1}}}});
        body["spec"]["template"]["spec"]["containers"] = json!([container]);
        let (key, within) = (format!("service/{name}/workload"), Duration::from_secs(within));
        add(&mut release, &key, "apps/v1/Deployment", body, Condition::Healthy, within);
    };
    service("image", json!({"name": "c", "image": none}), 60);
    service("command", json!({"name": "c", "image": pause, "command": ["/no-such-program"]}), 60);
    service("config", json!({"name": "c", "image": pause, "envFrom": [{"secretRef": {"name": "no-such-secret"}}]}), 60);
    service("room", json!({"name": "c", "image": pause, "resources": {"requests": {"memory": "100Ti"}}}), 5);
    service(
        "probe",
        json!({"name": "c", "image": pause, "readinessProbe": {"tcpSocket": {"port": 1}, "periodSeconds": 1}}),
        5,
    );
    place.adopt(&mut release);
    let seen = look(&cluster, &release).await;
    let writer = cluster.writer(verified(&cluster).await, Arc::new(Held)).unwrap();
    let keys: Vec<_> = release.resources.keys().cloned().collect();
    for key in &keys {
        put(&*writer, &release, &seen, &key.to_string()).await.unwrap();
    }
    let states = cluster.follow(&release, &keys, &Unseen).await.unwrap();
    let told: Vec<_> = states
        .iter()
        .map(|(key, state)| match state {
            State::Failed(reason) => (key.to_string(), reason.code, reason.text.to_string()),
            other => panic!("{key}: {other:?}"),
        })
        .collect();
    let expected = [
        ("image", "image-pull", "none@sha256:"),
        ("command", "container-config", "no-such-program"),
        ("config", "container-config", "secret \"no-such-secret\" not found"),
        ("room", "unschedulable", "Insufficient memory"),
        ("probe", "probe-failing", "c: runs, and is not ready"),
    ];
    for ((key, code, text), (name, expected, said)) in told.iter().zip(expected) {
        assert_eq!((key.as_str(), *code), (format!("service/{name}/workload").as_str(), expected), "{text}");
        assert!(text.contains(said), "{key}: {text}");
    }
}

#[tokio::test]
async fn the_example_is_what_the_server_keeps() {
    let Some(engines) = Engines::with("the example on a real cluster", KUBERNETES) else { return };
    for environment in ["staging", "production"] {
        let place = Place::new(&engines, environment);
        engines.kubectl(&["create", "namespace", &place.name]);
        let secrets = Arc::new(Secrets::default());
        let cluster = place.cluster("KUBECONFIG", &secrets).await;
        let release = shop::release(environment, &place.name, &secrets).await.unwrap();
        let seen = look(&cluster, &release).await;
        for (key, preview) in &seen.previews {
            assert!(matches!(preview, Preview::Server(_)), "{key}: {preview:?}");
        }
        assert!(seen.missing.is_empty(), "{:?}", seen.missing);
        let writer = cluster.writer(verified(&cluster).await, Arc::new(Held)).unwrap();
        for key in release.resources.keys() {
            put(&*writer, &release, &seen, &key.to_string()).await.unwrap();
        }
        let seen = look(&cluster, &release).await;
        let dialect = Kubernetes::default();
        for (key, resource) in &release.resources {
            let live = &seen.live[&resource.address];
            let Preview::Server(preview) = &seen.previews[key] else { panic!("{key}: {:?}", seen.previews[key]) };
            // Names for references and base64 for bytes, on both sides.
            let canonical =
                |body: &Node| node(&encode(&dialect.canonical(&resource.address, body.clone()), &release).unwrap());
            let (wanted, live) = (canonical(&resource.body), canonical(&live.body));
            assert_eq!(canonical(preview), live, "{environment}: {key}");
            // What the server stores is what was written, value by value.
            let mut lost = Vec::new();
            wanted.walk(&mut |path, node| {
                let leaf = node.entries().is_empty() && node.items().is_empty();
                if leaf && live.at(path).map(|live| &live.value) != Some(&node.value) {
                    lost.push(path.to_string());
                }
            });
            assert!(lost.is_empty(), "{environment}: {key}: {lost:?}");
        }
    }
}
