//! Connections to Marathon: where it is, who we are, how long it may take.

use std::{path::PathBuf, sync::Arc, time::Duration};

use base64::Engine as _;
use reqwest::{Method, Url, header};
use serde_json::Value as Json;
use tokio::time::{Instant, sleep, timeout_at};

use super::fault::{self, Status};
use crate::{
    platform::{Failure, FailureKind},
    target::marathon::escaped,
    value::{Masked, Secrets, Sources},
};

/// Which Marathon, and how it is reached. Everything is given by the caller.
#[derive(Clone)]
pub struct MarathonAccess {
    /// Address of its API; may hold a user and a password.
    pub url: String,
    /// Token of DC/OS.
    pub token: Option<String>,
    /// Certificate authority, as a PEM file.
    pub ca: Option<PathBuf>,
    /// Group of the application's apps, from the root.
    pub group: String,
    /// Address of the store that agents fetch from.
    pub store: Option<String>,
    /// How long the server may take.
    pub patience: Patience,
}

/// How long is waited for a server.
#[derive(Clone, Copy, Debug)]
pub struct Patience {
    /// For a connection.
    pub connect: Duration,
    /// For one request with all its repetitions.
    pub request: Duration,
    /// Before the first repetition; each further one waits twice as long.
    pub pause: Duration,
    /// Between two looks at what is settling.
    pub look: Duration,
    /// For a removal to be carried out.
    pub removal: Duration,
}

impl Default for Patience {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(10),
            request: Duration::from_secs(60),
            pause: Duration::from_millis(250),
            look: Duration::from_secs(1),
            removal: Duration::from_secs(180),
        }
    }
}

/// How often a request is sent before its failure is believed.
const TRIES: u32 = 5;

/// A connection that reads, or one that writes.
#[derive(Clone)]
pub(super) struct Connection {
    client: reqwest::Client,
    base: Url,
    authorization: Option<header::HeaderValue>,
    reads: bool,
    /// As shown: without who we are, and without a slash at the end.
    pub(super) server: Box<str>,
    pub(super) group: Box<str>,
    pub(super) store: Option<Box<str>>,
    pub(super) patience: Patience,
    pub(super) secrets: Arc<Secrets>,
}

/// One request.
#[derive(Clone, Debug)]
pub(super) struct Request {
    method: Method,
    path: String,
    query: Vec<(&'static str, String)>,
    body: Option<Vec<u8>>,
}

impl Request {
    pub(super) fn new(method: Method, path: impl Into<String>) -> Self {
        Self { method, path: path.into(), query: Vec::new(), body: None }
    }

    pub(super) fn get(path: impl Into<String>) -> Self {
        Self::new(Method::GET, path)
    }

    pub(super) fn query(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.query.push((name, value.into()));
        self
    }

    pub(super) fn json(mut self, body: &Json) -> Self {
        self.body = Some(body.to_string().into_bytes());
        self
    }

    /// Whether it leaves everything as it is: a read, or a dry run of a group.
    fn changes_nothing(&self) -> bool {
        let dry: Vec<&str> =
            self.query.iter().filter(|(name, _)| *name == "dryRun").map(|(_, value)| value.as_str()).collect();
        self.method == Method::GET
            || (self.method == Method::PUT && self.path.starts_with("/v2/groups/") && dry == ["true"])
    }
}

/// What a server answered.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) code: u16,
    pub(super) body: Json,
}

impl Answer {
    /// The body of a success, or what the server says instead.
    pub(super) fn accepted(self) -> Result<Json, Status> {
        if (200..300).contains(&self.code) { Ok(self.body) } else { Err(Status::read(self.code, &self.body)) }
    }
}

impl Connection {
    pub(super) fn open(access: &MarathonAccess, secrets: Arc<Secrets>, reads: bool) -> Result<Self, Failure> {
        let wrong = |words: String| Failure::new(FailureKind::Other, Masked::words(words));
        let mut base = Url::parse(&access.url)
            .ok()
            .filter(|url| matches!(url.scheme(), "http" | "https") && url.has_host())
            .ok_or_else(|| {
                wrong("the address of Marathon is no URL; write it as https://HOST/service/marathon".into())
            })?;
        let mut authorization = None;
        if let Some(token) = &access.token {
            secrets.conceal(token.as_bytes(), "token of DC/OS", Sources::NONE);
            authorization = Some(format!("token={token}"));
        }
        if let Some(password) = base.password().map(str::to_owned) {
            secrets.conceal(password.as_bytes(), "password of Marathon", Sources::NONE);
            let pair = base64::engine::general_purpose::STANDARD.encode(format!("{}:{password}", base.username()));
            secrets.conceal(pair.as_bytes(), "password of Marathon", Sources::NONE);
            authorization = Some(format!("Basic {pair}"));
        }
        let _ = base.set_username("");
        let _ = base.set_password(None);
        let authorization = match authorization {
            Some(text) => {
                let mut value = header::HeaderValue::from_str(&text)
                    .map_err(|_| wrong("the token of DC/OS holds what no token can; log in again".into()))?;
                value.set_sensitive(true);
                Some(value)
            }
            None => None,
        };
        // Whoever wants no cryptography has one as well; a second call is no error.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let mut builder = reqwest::Client::builder()
            .connect_timeout(access.patience.connect)
            .redirect(reqwest::redirect::Policy::none())
            .user_agent(concat!("transship/", env!("CARGO_PKG_VERSION")));
        if let Some(path) = &access.ca {
            let unreadable =
                |why: String| wrong(format!("{} cannot be used as a certificate authority: {why}", path.display()));
            let text = std::fs::read(path).map_err(|error| unreadable(error.kind().to_string()))?;
            let all =
                reqwest::Certificate::from_pem_bundle(&text).map_err(|_| unreadable("it is no PEM file".into()))?;
            builder = builder.tls_certs_merge(all);
        }
        let client = builder.build().map_err(|_| wrong("no client can be made on this machine".into()))?;
        Ok(Self {
            client,
            authorization,
            reads,
            server: base.to_string().trim_end_matches('/').into(),
            base,
            group: access.group.as_str().into(),
            store: access.store.as_deref().map(|store| store.trim_end_matches('/').into()),
            patience: access.patience,
            secrets,
        })
    }

    /// Sends a request, again where that may help, within the time there is. An answer with an error status is an
    /// answer; only credentials that the server does not take, and no answer at all, are failures.
    pub(super) async fn send(&self, request: &Request) -> Result<Answer, Failure> {
        if self.reads && !request.changes_nothing() {
            let text =
                format!("a {} that is no dry run was about to be sent by a client that only reads", request.method);
            return Err(Failure::new(FailureKind::Other, Masked::words(text)));
        }
        let until = Instant::now() + self.patience.request;
        let mut pause = self.patience.pause;
        for left in (0..TRIES).rev() {
            match timeout_at(until, self.once(request)).await {
                Err(_) => return Err(fault::silent(&self.server, self.patience.request)),
                Ok(Ok(answer)) if answer.code == 401 => return Err(fault::unauthorized(&self.server)),
                Ok(Ok(answer)) => {
                    // Nobody leads at this moment: nothing was done.
                    let again =
                        answer.code == 503 || (matches!(answer.code, 500 | 502 | 504) && request.changes_nothing());
                    if left == 0 || !again {
                        return Ok(answer);
                    }
                }
                Ok(Err(error)) => {
                    let failure = fault::connection(&self.server, &error, &self.secrets);
                    // Whether what changes something arrived, nobody knows.
                    let harmless = request.changes_nothing() || error.is_connect();
                    if left == 0 || !harmless || failure.kind != FailureKind::Unreachable {
                        return Err(failure);
                    }
                }
            }
            if Instant::now() + pause >= until {
                return Err(fault::silent(&self.server, self.patience.request));
            }
            tracing::debug!(method = %request.method, path = %request.path, ?pause, "asking the server again");
            sleep(pause).await;
            pause *= 2;
        }
        Err(fault::silent(&self.server, self.patience.request))
    }

    async fn once(&self, request: &Request) -> Result<Answer, reqwest::Error> {
        let mut url = self.base.clone();
        url.set_path(&format!("{}{}", self.base.path().trim_end_matches('/'), request.path));
        if !request.query.is_empty() {
            let query: Vec<String> =
                request.query.iter().map(|(name, value)| format!("{name}={}", escaped(value))).collect();
            url.set_query(Some(&query.join("&")));
        }
        let answer = self.exchange(request.method.clone(), url, request.body.clone(), "application/json").await?;
        let code = answer.status().as_u16();
        let text = answer.text().await?;
        Ok(Answer { code, body: serde_json::from_str(&text).unwrap_or(Json::Null) })
    }

    async fn exchange(
        &self,
        method: Method,
        url: Url,
        body: Option<Vec<u8>>,
        kind: &str,
    ) -> Result<reqwest::Response, reqwest::Error> {
        let mut sent = self.client.request(method, url).header(header::ACCEPT, "application/json");
        if let Some(authorization) = &self.authorization {
            sent = sent.header(header::AUTHORIZATION, authorization.clone());
        }
        if let Some(body) = body {
            sent = sent.header(header::CONTENT_TYPE, kind).body(body);
        }
        sent.send().await
    }

    /// One exchange with another server than Marathon, which is told nothing of who we are.
    pub(super) async fn elsewhere(
        &self,
        method: Method,
        address: &str,
        body: Option<Vec<u8>>,
    ) -> Result<(u16, Vec<u8>), Failure> {
        if self.reads && method != Method::GET {
            let text = format!("a {method} was about to be sent by a client that only reads");
            return Err(Failure::new(FailureKind::Other, Masked::words(text)));
        }
        let shown = address.split('?').next().unwrap_or(address);
        let ask = || async {
            let mut sent = self.client.request(method.clone(), address);
            if let Some(body) = &body {
                sent = sent.header(header::CONTENT_TYPE, "application/octet-stream").body(body.clone());
            }
            let answer = sent.send().await?;
            Ok::<_, reqwest::Error>((answer.status().as_u16(), answer.bytes().await?.to_vec()))
        };
        let until = Instant::now() + self.patience.request;
        let mut pause = self.patience.pause;
        for left in (0..TRIES).rev() {
            match timeout_at(until, ask()).await {
                Err(_) => break,
                // What is put there is the same each time.
                Ok(Ok((500 | 502..=504, _))) if left > 0 => {}
                Ok(Ok(answer)) => return Ok(answer),
                Ok(Err(error)) => {
                    let failure = fault::connection(shown, &error, &self.secrets);
                    if left == 0 || failure.kind != FailureKind::Unreachable {
                        return Err(failure);
                    }
                }
            }
            sleep(pause).await;
            pause *= 2;
        }
        Err(fault::silent(shown, self.patience.request))
    }

    /// The body of a success; `None` where nothing is.
    pub(super) async fn get(&self, request: &Request, doing: &str) -> Result<Option<Json>, Failure> {
        let answer = self.send(request).await?;
        if answer.code == 404 {
            return Ok(None);
        }
        answer.accepted().map(Some).map_err(|status| self.refused(&status, doing))
    }

    pub(super) fn refused(&self, status: &Status, doing: &str) -> Failure {
        fault::refused(&self.server, status, doing, &self.secrets)
    }

    /// The address of the cluster itself, where Marathon is a service of DC/OS.
    pub(super) fn cluster(&self) -> Option<Self> {
        let path = self.base.path().trim_end_matches('/').strip_suffix("/service/marathon")?.to_owned();
        let mut base = self.base.clone();
        base.set_path(&path);
        Some(Self { base, ..self.clone() })
    }
}

/// The path of an app in the API.
pub(super) fn app_path(id: &str) -> String {
    format!("/v2/apps/{}", id.trim_start_matches('/'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_reads_and_dry_runs_pass() {
        let put = |path: &str| Request::new(Method::PUT, path);
        for (request, passes) in [
            (Request::get("/v2/apps"), true),
            (put("/v2/groups/shop").query("dryRun", "true"), true),
            (put("/v2/groups/shop").query("dryRun", "false"), false),
            (put("/v2/groups/shop").query("dryRun", "true").query("dryRun", "false"), false),
            (put("/v2/groups/shop"), false),
            // There is no such thing, and it would be carried out.
            (put("/v2/apps").query("dryRun", "true"), false),
            (Request::new(Method::POST, "/v2/apps"), false),
            (Request::new(Method::DELETE, "/v2/groups/shop").query("dryRun", "true"), false),
        ] {
            assert_eq!(request.changes_nothing(), passes, "{request:?}");
        }
    }

    #[test]
    fn who_we_are_is_not_shown() {
        let access = MarathonAccess {
            url: "https://user:hunter2@marathon.example.com/".into(),
            token: None,
            ca: None,
            group: "/shop".into(),
            store: None,
            patience: Patience::default(),
        };
        let secrets = Arc::new(Secrets::default());
        let opened = Connection::open(&access, Arc::clone(&secrets), true);
        assert_eq!(opened.ok().map(|one| one.server).as_deref(), Some("https://marathon.example.com"));
        assert_eq!(secrets.scrub("said hunter2, dXNlcjpodW50ZXIy").as_str(), "said ‹secret #1›, ‹secret #2›");
    }
}
