//! A Marathon of our own, which behaves as the real one does where that can be read in its source: stateful, its
//! deployments take steps and lock their apps, and what it does not know it refuses. It goes on by explicit ticks, or
//! whenever somebody asks for its deployments. Its tasks are numbers; or containers on an engine, and then its agents
//! take it on.
//!
//! Beside it stands a plain store of files that takes what is put into it, as an artifact repository does.

mod agents;
mod containers;
mod definition;
mod deployments;
mod groups;
mod routes;
mod rules;
mod selector;
mod tasks;

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex, MutexGuard},
    time::Duration,
};

use serde_json::{Value as Json, json};
use wiremock::{Mock, MockServer, Request, Respond, ResponseTemplate, matchers::any};

use super::ship::until;
use agents::{Agents, Work};
pub use containers::Containers;
pub use definition::Definitions;
use deployments::Deployment;
use tasks::App;
pub use tasks::Behaviour;

/// What lets a caller in.
#[derive(Clone)]
pub enum Guard {
    /// Everybody may come.
    Open,
    /// HTTP basic, as `--http_credentials` sets it.
    Basic(&'static str, &'static str),
    /// A token of DC/OS; and who may log in for it: uid and password.
    Token(&'static str, &'static str, &'static str),
}

/// One request, as it came.
#[derive(Clone, Debug)]
pub struct Call {
    /// `GET`, …
    pub method: String,
    /// Path without prefix and query.
    pub path: String,
    /// The query, decoded.
    pub query: Vec<(String, String)>,
    /// The body, where it is JSON.
    pub body: Json,
}

impl Call {
    /// Method and path.
    pub fn line(&self) -> String {
        format!("{} {}", self.method, self.path)
    }

    /// Whether it changes anything.
    pub fn writes(&self) -> bool {
        !matches!(self.method.as_str(), "GET" | "HEAD") && self.flag("dryRun") != Some(true)
    }

    fn flag(&self, name: &str) -> Option<bool> {
        self.query.iter().find(|(key, _)| key == name).map(|(_, value)| value == "true")
    }

    fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> + 'a {
        self.query.iter().filter(move |(key, _)| key == name).map(|(_, value)| value.as_str())
    }
}

type Script = dyn Fn(&Call, &mut State) -> Option<ResponseTemplate> + Send + Sync;

/// Everything it knows.
pub struct State {
    apps: BTreeMap<String, App>,
    /// Groups, those that are empty as well.
    groups: BTreeSet<String>,
    /// Pods by id; they are only kept.
    pub pods: BTreeMap<String, Json>,
    deployments: Vec<Deployment>,
    /// Definitions of everything, by version, oldest first.
    history: Vec<(String, Definitions)>,
    /// How many versions are kept.
    pub kept_versions: usize,
    /// How many deployments may go on at once.
    pub most_deployments: usize,
    behaviours: BTreeMap<String, Behaviour>,
    /// Paths of keys that it does not know, which somebody sent.
    pub unknown: Vec<String>,
    /// What features it was started with.
    pub features: BTreeSet<&'static str>,
    /// Secrets of the cluster, by path.
    pub secrets: BTreeMap<String, String>,
    /// Content of the store beside it, by path.
    pub files: BTreeMap<String, Vec<u8>>,
    /// Who comes in.
    pub guard: Guard,
    /// Whether a look at the deployments takes them a step further.
    pub on_poll: bool,
    /// Another one that leads, where this one stands by.
    pub leader: Option<String>,
    events: Vec<(String, Json)>,
    calls: Vec<Call>,
    clock: u64,
    numbers: u64,
    /// Who runs its tasks, where those are containers.
    agents: Option<Agents>,
}

impl State {
    fn new() -> Self {
        Self {
            apps: BTreeMap::new(),
            groups: BTreeSet::new(),
            pods: BTreeMap::new(),
            deployments: Vec::new(),
            history: Vec::new(),
            kept_versions: 50,
            most_deployments: 100,
            behaviours: BTreeMap::new(),
            unknown: Vec::new(),
            features: BTreeSet::from(["external_volumes", "secrets"]),
            secrets: BTreeMap::new(),
            files: BTreeMap::new(),
            guard: Guard::Open,
            on_poll: true,
            leader: None,
            events: Vec::new(),
            calls: Vec::new(),
            clock: 0,
            numbers: 0,
            agents: None,
        }
    }

    /// A time that nobody saw before.
    fn now(&mut self) -> String {
        self.clock += 1;
        let (minutes, seconds) = (self.clock / 60, self.clock % 60);
        format!("2026-01-01T{:02}:{:02}:{seconds:02}.000Z", minutes / 60, minutes % 60)
    }

    /// A name that nobody has.
    fn fresh(&mut self) -> String {
        self.numbers += 1;
        format!("00000000-0000-4000-8000-{:012}", self.numbers)
    }

    fn event(&mut self, kind: &str, mut event: Json) {
        event["eventType"] = kind.into();
        event["timestamp"] = self.now().into();
        self.events.push((kind.to_owned(), event));
    }

    /// How the tasks of an app behave from now on.
    pub fn behave(&mut self, app: &str, behaviour: Behaviour) {
        self.behaviours.insert(app.to_owned(), behaviour);
    }

    fn behaviour(&self, app: &str) -> Behaviour {
        self.behaviours.get(app).cloned().unwrap_or_default()
    }

    /// Whether everybody may come.
    pub fn guard_is_open(&self) -> bool {
        matches!(self.guard, Guard::Open)
    }

    /// All requests so far.
    pub fn calls(&self) -> &[Call] {
        &self.calls
    }

    /// The definition of an app, as it is kept.
    pub fn definition(&self, id: &str) -> Option<&Json> {
        self.apps.get(id).map(|app| &app.definition)
    }

    /// Ids of all apps.
    pub fn ids(&self) -> Vec<&str> {
        self.apps.keys().map(String::as_str).collect()
    }

    /// Ids of the tasks of an app.
    pub fn tasks(&self, id: &str) -> Vec<&str> {
        self.apps.get(id).into_iter().flat_map(|app| &app.tasks).map(|task| task.id.as_str()).collect()
    }

    /// How many deployments go on.
    pub fn under_way(&self) -> usize {
        self.deployments.len()
    }

    /// How many of them are about an app.
    pub fn under_way_of(&self, id: &str) -> usize {
        self.deployments.iter().filter(|one| one.touches(id)).count()
    }

    /// The containers, where its tasks are some.
    pub fn containers(&self) -> Option<&Containers> {
        self.agents.as_ref().map(|agents| &*agents.containers)
    }

    /// Names of the containers that run the tasks of an app.
    pub fn containers_of(&self, id: &str) -> Vec<String> {
        let Some(containers) = self.containers() else { return Vec::new() };
        self.tasks(id).into_iter().map(|task| containers.name(task)).collect()
    }
}

/// The server. It runs until it is dropped.
pub struct Marathon {
    server: MockServer,
    state: Arc<Mutex<State>>,
    /// Of agents, who take everything on by themselves.
    work: Option<Work>,
}

struct Answers {
    state: Arc<Mutex<State>>,
    script: Box<Script>,
}

impl Respond for Answers {
    fn respond(&self, request: &Request) -> ResponseTemplate {
        let mut state = self.state.lock().unwrap();
        let path = request.url.path();
        let path = path.strip_prefix("/service/marathon").unwrap_or(path);
        let call = Call {
            method: request.method.to_string(),
            path: path.to_owned(),
            query: request.url.query_pairs().into_owned().collect(),
            body: serde_json::from_slice(&request.body).unwrap_or(Json::Null),
        };
        state.calls.push(call.clone());
        if let Some(answer) = (self.script)(&call, &mut state) {
            return answer;
        }
        state.answer(&call, request)
    }
}

impl Marathon {
    /// A server; `script` answers first, where it wants to.
    pub async fn scripted(
        script: impl Fn(&Call, &mut State) -> Option<ResponseTemplate> + Send + Sync + 'static,
    ) -> Self {
        let server = MockServer::start().await;
        let state = Arc::new(Mutex::new(State::new()));
        let answers = Answers { state: state.clone(), script: Box::new(script) };
        Mock::given(any()).respond_with(answers).mount(&server).await;
        Self { server, state, work: None }
    }

    /// A server that does what it should.
    pub async fn start() -> Self {
        Self::scripted(|_, _| None).await
    }

    /// A server that does what it should, for a test without a runtime of its own.
    pub fn blocking() -> Self {
        tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(Self::start())
    }

    /// The same, whose tasks are containers on an engine.
    pub fn with_containers(containers: Containers) -> Self {
        let mut server = Self::blocking();
        server.state().agents = Some(Agents::new(containers));
        server.state().on_poll = false;
        server.work = Some(Work::begin(&server.state));
        server
    }

    /// Its address.
    pub fn address(&self) -> String {
        self.server.uri()
    }

    /// The address of the store of files.
    pub fn store(&self) -> String {
        format!("{}/files", self.server.uri())
    }

    /// What it knows, to look at and to change.
    pub fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    /// Everything goes on by one step.
    pub fn tick(&self) {
        self.state().tick();
    }

    /// Goes on until no deployment is left; a panic where that takes too long.
    pub fn settle(&self) {
        if self.work.is_some() {
            let over = || (self.state().under_way() == 0).then_some(());
            return until("the end of all deployments", Duration::from_secs(180), over);
        }
        for _ in 0..200 {
            if self.state().under_way() == 0 {
                return;
            }
            self.tick();
        }
        panic!("a deployment does not end");
    }

    /// Sends a request, and tells status and body.
    pub async fn send(&self, method: &str, path: &str, body: Option<Json>) -> (u16, Json) {
        let (code, _, body) = self.send_with(method, path, body, &[]).await;
        (code, body)
    }

    /// The same, for a test without a runtime of its own; a panic where the server refuses.
    pub fn call(&self, method: &str, path: &str, body: Json) -> Json {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let (code, told) = runtime.block_on(self.send(method, path, (!body.is_null()).then_some(body)));
        assert!((200..300).contains(&code), "{method} {path}: {code} {told}");
        told
    }

    /// Sends a request with headers, and tells status, headers and body.
    pub async fn send_with(
        &self,
        method: &str,
        path: &str,
        body: Option<Json>,
        headers: &[(&str, &str)],
    ) -> (u16, BTreeMap<String, String>, Json) {
        // A client wants to know who does its cryptography, also where there is none.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let client = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).no_proxy().build().unwrap();
        let method = reqwest::Method::from_bytes(method.as_bytes()).unwrap();
        let mut request = client.request(method, format!("{}{path}", self.address()));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        if let Some(body) = body {
            request = request.header("content-type", "application/json");
            // What is no JSON is sent as it is.
            request = match body {
                Json::String(text) => request.body(text),
                other => request.body(other.to_string()),
            };
        }
        let answer = request.send().await.unwrap();
        let code = answer.status().as_u16();
        let headers = answer.headers().iter();
        let headers =
            headers.map(|(name, value)| (name.to_string(), value.to_str().unwrap_or_default().to_owned())).collect();
        let text = answer.text().await.unwrap();
        (code, headers, serde_json::from_str(&text).unwrap_or(Json::String(text)))
    }
}

impl Drop for Marathon {
    fn drop(&mut self) {
        drop(self.work.take());
        if let Ok(mut state) = self.state.lock()
            && let Some(agents) = state.agents.take()
        {
            agents.containers.remove_all();
        }
    }
}

/// A success.
fn ok(body: Json) -> ResponseTemplate {
    ResponseTemplate::new(200).set_body_json(body)
}

/// A refusal, as Marathon writes them.
pub fn refused(code: u16, message: &str) -> ResponseTemplate {
    ResponseTemplate::new(code).set_body_json(json!({"message": message}))
}
