//! A Kubernetes API server in memory, just enough of one, that can be told to misbehave.

use std::{
    collections::BTreeMap,
    path::PathBuf,
    sync::{Arc, Mutex},
    time::Duration,
};

use serde_json::{Value as Json, json};
use tempfile::TempDir;
use transship::{
    platform::cluster::{Cluster, ClusterSettings, Patience},
    value::Secrets,
};
use wiremock::{Mock, MockServer, Request, Respond, ResponseTemplate, matchers::any};

/// One request, as it came.
#[derive(Clone, Debug)]
pub struct Call {
    /// `GET`, …
    pub method: String,
    /// Path without the query.
    pub path: String,
    /// The query, as it came.
    pub query: String,
    /// The body, where it is JSON.
    pub body: Json,
    /// How often the same method and path were called before.
    pub before: usize,
}

impl Call {
    /// Method and path.
    pub fn line(&self) -> String {
        format!("{} {}", self.method, self.path)
    }

    /// Whether it changes anything.
    pub fn writes(&self) -> bool {
        self.method != "GET" && !self.query.contains("dryRun=All")
    }
}

type Script = dyn Fn(&Call, &mut Store) -> Option<ResponseTemplate> + Send + Sync;

/// Objects by path.
#[derive(Default)]
pub struct Store {
    pub objects: BTreeMap<String, Json>,
    version: u64,
    calls: Vec<Call>,
}

impl Store {
    /// Puts an object, with a new version.
    pub fn put(&mut self, path: &str, mut object: Json) -> Json {
        self.version += 1;
        let uid = self.objects.get(path).and_then(|old| old.pointer("/metadata/uid").cloned());
        let metadata = &mut object["metadata"];
        metadata["resourceVersion"] = json!(self.version.to_string());
        metadata["uid"] = uid.unwrap_or_else(|| json!(format!("uid-{}", self.version)));
        self.objects.insert(path.to_owned(), object.clone());
        object
    }

    fn answer(&mut self, call: &Call) -> ResponseTemplate {
        let dry = call.query.contains("dryRun=All");
        match call.method.as_str() {
            "GET" if call.path == "/version" => ok(json!({"gitVersion": "v1.36.3"})),
            "GET" => self.get(call),
            "PATCH" => {
                let there = self.objects.get(&call.path);
                let wanted = call.body.pointer("/metadata/resourceVersion");
                if wanted.is_some() && wanted != there.and_then(|there| there.pointer("/metadata/resourceVersion")) {
                    return status(409, "Conflict", "the object has been modified");
                }
                let mut object = call.body.clone();
                if let Some(status) = there.and_then(|there| there.get("status")) {
                    object["status"] = status.clone();
                }
                ok(if dry { object } else { self.put(&call.path, object) })
            }
            "POST" => {
                let path = format!("{}/{}", call.path, call.body["metadata"]["name"].as_str().unwrap_or_default());
                if self.objects.contains_key(&path) {
                    return status(409, "AlreadyExists", "already exists");
                }
                ok(self.put(&path, call.body.clone()))
            }
            "DELETE" => match self.objects.get(&call.path) {
                None => status(404, "NotFound", "not found"),
                Some(there) => {
                    for name in ["uid", "resourceVersion"] {
                        let wanted = &call.body["preconditions"][name];
                        if !wanted.is_null() && *wanted != there["metadata"][name] {
                            return status(409, "Conflict", "precondition failed");
                        }
                    }
                    self.objects.remove(&call.path);
                    ok(json!({"kind": "Status", "status": "Success"}))
                }
            },
            _ => status(405, "MethodNotAllowed", "no"),
        }
    }

    fn get(&self, call: &Call) -> ResponseTemplate {
        if let Some(object) = self.objects.get(&call.path) {
            return ok(object.clone());
        }
        let last = call.path.rsplit('/').next().unwrap_or_default();
        let is_list = last.ends_with('s')
            && !call.path.ends_with("/status")
            && call.path.matches('/').count() >= 5
            && !self.objects.keys().any(|path| path == &call.path)
            && matches!(call.path.rsplit('/').nth(2), Some("namespaces"));
        if !is_list {
            return status(404, "NotFound", "not found");
        }
        let selector = call.query.split('&').find_map(|part| part.strip_prefix("labelSelector=")).unwrap_or_default();
        let selector = selector.replace("%3D", "=").replace("%2F", "/").replace("%2C", ",").replace("%21", "!");
        let matches = |object: &Json| {
            selector.split(',').filter(|part| !part.is_empty()).all(|part| match part.split_once('=') {
                Some((name, value)) => object["metadata"]["labels"][name] == value,
                None if !part.starts_with('!') => !object["metadata"]["labels"][part].is_null(),
                None => object["metadata"]["labels"][part.trim_start_matches('!')].is_null(),
            })
        };
        let inside = format!("{}/", call.path);
        let items: Vec<_> = self
            .objects
            .iter()
            .filter(|(path, object)| {
                path.strip_prefix(&inside).is_some_and(|rest| !rest.contains('/')) && matches(object)
            })
            .map(|(_, object)| {
                let mut item = object.clone();
                // As real servers do.
                let entries = item.as_object_mut().unwrap();
                entries.remove("apiVersion");
                entries.remove("kind");
                item
            })
            .collect();
        ok(json!({"kind": "List", "metadata": {}, "items": items}))
    }
}

/// The server.
pub struct ApiServer {
    server: MockServer,
    directory: TempDir,
    store: Arc<Mutex<Store>>,
}

struct Answers {
    store: Arc<Mutex<Store>>,
    script: Box<Script>,
}

impl Respond for Answers {
    fn respond(&self, request: &Request) -> ResponseTemplate {
        let mut store = self.store.lock().unwrap();
        let mut call = Call {
            method: request.method.to_string(),
            path: request.url.path().to_owned(),
            query: request.url.query().unwrap_or_default().to_owned(),
            body: serde_json::from_slice(&request.body).unwrap_or(Json::Null),
            before: 0,
        };
        call.before = store.calls.iter().filter(|other| other.line() == call.line()).count();
        store.calls.push(call.clone());
        match (self.script)(&call, &mut store) {
            Some(answer) => answer,
            None => store.answer(&call),
        }
    }
}

/// A success.
pub fn ok(body: Json) -> ResponseTemplate {
    ResponseTemplate::new(200).set_body_json(body)
}

/// A refusal, as the API writes them.
pub fn status(code: u16, reason: &str, message: &str) -> ResponseTemplate {
    let body = json!({"kind": "Status", "status": "Failure", "code": code, "reason": reason, "message": message});
    ResponseTemplate::new(code).set_body_json(body)
}

impl ApiServer {
    /// A server that holds the namespaces `kube-system` and `shop`; `script` answers first, where it wants to.
    pub async fn start(script: impl Fn(&Call, &mut Store) -> Option<ResponseTemplate> + Send + Sync + 'static) -> Self {
        let server = MockServer::start().await;
        let mut store = Store::default();
        store.put("/api/v1/namespaces/kube-system", json!({"metadata": {"name": "kube-system"}}));
        store.put("/api/v1/namespaces/shop", json!({"metadata": {"name": "shop"}}));
        let store = Arc::new(Mutex::new(store));
        let answers = Answers { store: store.clone(), script: Box::new(script) };
        Mock::given(any()).respond_with(answers).mount(&server).await;
        Self { server, directory: TempDir::new().unwrap(), store }
    }

    /// A server that does what it should.
    pub async fn well_behaved() -> Self {
        Self::start(|_, _| None).await
    }

    /// Its address.
    pub fn address(&self) -> String {
        self.server.uri()
    }

    /// What it holds.
    pub fn store(&self) -> std::sync::MutexGuard<'_, Store> {
        self.store.lock().unwrap()
    }

    /// All requests so far.
    pub fn calls(&self) -> Vec<Call> {
        self.store().calls.clone()
    }

    /// A kubeconfig that leads to an address.
    pub fn kubeconfig(&self, address: &str) -> PathBuf {
        let path = self.directory.path().join("kubeconfig");
        let text = format!(
            "apiVersion: v1\nkind: Config\ncurrent-context: test\n\
             clusters: [{{name: c, cluster: {{server: \"{address}\"}}}}]\n\
             users: [{{name: u, user: {{token: t0ken-of-the-test}}}}]\n\
             contexts: [{{name: test, context: {{cluster: c, user: u}}}}]\n"
        );
        std::fs::write(&path, text).unwrap();
        path
    }

    /// Settings that lead to it, with little patience.
    pub fn settings(&self) -> ClusterSettings {
        ClusterSettings {
            kubeconfig: vec![self.kubeconfig(&self.address())],
            context: None,
            namespace: "shop".into(),
            create_namespace: false,
            patience: Patience {
                connect: Duration::from_secs(2),
                request: Duration::from_secs(5),
                pause: Duration::from_millis(5),
                look: Duration::from_millis(10),
                removal: Duration::from_secs(2),
                grace: Duration::from_millis(50),
            },
        }
    }

    /// A place that is this server.
    pub async fn cluster(&self, secrets: &Arc<Secrets>) -> Cluster {
        Cluster::connect(self.settings(), secrets.clone()).await.unwrap()
    }
}
