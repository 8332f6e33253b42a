//! Connections to an API server: who it is, how long it may take, what its refusals mean.

use std::{path::PathBuf, sync::Arc, time::Duration};

use http::{Method, Request as HttpRequest, header};
use kube::{
    Client,
    client::{Body, ClientBuilder},
    config::{Config, KubeConfigOptions, Kubeconfig},
};
use serde_json::Value as Json;
use tokio::time::{Instant, sleep, timeout_at};
use tower::Layer as _;

use super::{
    fault::{self, Status},
    kind::escape,
    transport::ReadOnly,
};
use crate::{
    platform::{Failure, FailureKind},
    value::{Fingerprint, Masked, Name, Secrets},
};

/// Which cluster, and where in it. Everything is given by the caller; nothing is read from the environment
/// of the process except what the kubeconfig itself asks for (its proxy, its login program).
#[derive(Clone, Debug)]
pub struct ClusterSettings {
    /// Files in the order in which they count, as in `KUBECONFIG`; those that do not exist are left out.
    pub kubeconfig: Vec<PathBuf>,
    /// The context; the current one of the files when absent.
    pub context: Option<Name>,
    /// Where the application and its ledger live.
    pub namespace: Name,
    /// Whether that namespace may be made.
    pub create_namespace: bool,
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
    /// For an object to be gone after it was deleted.
    pub removal: Duration,
    /// For trouble to pass that often does, as an image that cannot be pulled; longer counts as failure.
    pub grace: Duration,
}

impl Default for Patience {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(10),
            request: Duration::from_secs(60),
            pause: Duration::from_millis(250),
            look: Duration::from_secs(1),
            removal: Duration::from_secs(180),
            grace: Duration::from_secs(20),
        }
    }
}

/// How often a request is sent before its failure is believed.
const TRIES: u32 = 5;

/// A connection to an API server with one set of rights.
#[derive(Clone)]
pub(super) struct Connection {
    client: Client,
    /// As shown: without a slash at the end.
    pub(super) server: Box<str>,
    /// Hash of the certificate authority, where the files name one.
    pub(super) authority: Option<Box<str>>,
    pub(super) patience: Patience,
    pub(super) secrets: Arc<Secrets>,
}

/// One request.
#[derive(Clone, Debug)]
pub(super) struct Request {
    pub(super) method: Method,
    pub(super) path: String,
    query: Vec<(&'static str, String)>,
    content_type: &'static str,
    accept: &'static str,
    body: Vec<u8>,
}

impl Request {
    pub(super) fn new(method: Method, path: impl Into<String>) -> Self {
        Self {
            method,
            path: path.into(),
            query: Vec::new(),
            content_type: "application/json",
            accept: "application/json",
            body: Vec::new(),
        }
    }

    pub(super) fn get(path: impl Into<String>) -> Self {
        Self::new(Method::GET, path)
    }

    pub(super) fn query(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.query.push((name, value.into()));
        self
    }

    pub(super) fn json(mut self, body: &Json) -> Self {
        self.body = body.to_string().into_bytes();
        self
    }

    pub(super) fn content_type(mut self, content_type: &'static str) -> Self {
        self.content_type = content_type;
        self
    }

    pub(super) fn accept(mut self, accept: &'static str) -> Self {
        self.accept = accept;
        self
    }

    fn build(&self) -> Result<HttpRequest<Body>, http::Error> {
        let query: Vec<String> = self.query.iter().map(|(name, value)| format!("{name}={}", escape(value))).collect();
        let uri = if query.is_empty() { self.path.clone() } else { format!("{}?{}", self.path, query.join("&")) };
        let mut request =
            HttpRequest::builder().method(self.method.clone()).uri(uri).header(header::ACCEPT, self.accept);
        if !self.body.is_empty() {
            request = request.header(header::CONTENT_TYPE, self.content_type);
        }
        request.body(Body::from(self.body.clone()))
    }
}

/// What a server answered.
#[derive(Debug)]
pub(super) struct Answer {
    /// HTTP status.
    pub(super) code: u16,
    /// The body, where it is JSON.
    pub(super) body: Json,
    /// The body as it came; logs are no JSON.
    pub(super) text: String,
    /// `Warning` headers.
    pub(super) warnings: Vec<String>,
}

impl Answer {
    /// The body of a success, or what the server says instead.
    pub(super) fn accepted(self) -> Result<Json, Status> {
        if (200..300).contains(&self.code) { Ok(self.body) } else { Err(Status::read(self.code, &self.body)) }
    }
}

impl Connection {
    /// Connects with the rights of the settings' context. `reader` sends nothing that changes anything.
    pub(super) async fn open(settings: &ClusterSettings, secrets: Arc<Secrets>, reader: bool) -> Result<Self, Failure> {
        let config = configuration(settings).await?;
        let server = Box::from(config.cluster_url.to_string().trim_end_matches('/'));
        let authority = config
            .root_cert
            .as_ref()
            .map(|certificates| Fingerprint::of_bytes(&certificates.concat()).to_string().into());
        let namespace = config.default_namespace.clone();
        let failed = |error| fault::connection(&server, &error, &secrets);
        let stack = ClientBuilder::try_from(config).map_err(failed)?;
        let client = if reader {
            let guarded = stack.with_layer(&tower::layer::layer_fn(|inner| ReadOnly.layer(inner)));
            guarded.build()
        } else {
            stack.build()
        };
        tracing::debug!(%server, %namespace, reader, "connected");
        Ok(Self { client, server, authority, patience: settings.patience, secrets })
    }

    /// Sends a request, again where that may help, within the time there is. An answer with an error status
    /// is an answer; only credentials that the server does not take, and no answer at all, are failures.
    pub(super) async fn send(&self, request: &Request) -> Result<Answer, Failure> {
        let until = Instant::now() + self.patience.request;
        let mut pause = self.patience.pause;
        for left in (0..TRIES).rev() {
            let result = timeout_at(until, self.once(request)).await;
            let wait = match result {
                Err(_) => return Err(self.silent()),
                // A field that is in no schema is our fault, whatever the status says.
                Ok(Ok((answer, _))) if fault::is_untypable(answer.code, &answer.text) => return Ok(answer),
                Ok(Ok((answer, after))) => match answer.code {
                    401 => return Err(fault::unauthorized(&self.server)),
                    429 | 500 | 502..=504 if left > 0 => after.unwrap_or(pause).max(pause),
                    _ => return Ok(answer),
                },
                Ok(Err(error)) => {
                    let failure = fault::connection(&self.server, &error, &self.secrets);
                    if failure.kind != FailureKind::Unreachable || left == 0 {
                        return Err(failure);
                    }
                    pause
                }
            };
            if Instant::now() + wait >= until {
                return Err(self.silent());
            }
            tracing::debug!(method = %request.method, path = %request.path, ?wait, "asking the server again");
            sleep(wait).await;
            pause = (pause * 2).min(Duration::from_secs(5));
        }
        Err(self.silent())
    }

    fn silent(&self) -> Failure {
        let text = format!(
            "{} does not answer within {} s; check that the cluster runs and is reachable from here",
            self.server,
            self.patience.request.as_secs().max(1)
        );
        Failure::new(FailureKind::Unreachable, Masked::words(text))
    }

    async fn once(&self, request: &Request) -> Result<(Answer, Option<Duration>), kube::Error> {
        let response = self.client.send(request.build().map_err(kube::Error::HttpError)?).await?;
        let (parts, body) = response.into_parts();
        let code = parts.status.as_u16();
        let text = |value: &http::HeaderValue| value.to_str().ok().map(str::to_owned);
        let after = parts.headers.get(header::RETRY_AFTER).and_then(text);
        let after = after.and_then(|text| text.trim().parse().ok()).map(Duration::from_secs);
        let warnings = parts.headers.get_all(header::WARNING).iter();
        let warnings = warnings.filter_map(text).filter_map(|header| fault::warning(&header)).collect();
        let bytes = body.collect_bytes().await?;
        let body = serde_json::from_slice(&bytes).unwrap_or(Json::Null);
        let text = String::from_utf8_lossy(&bytes).into_owned();
        Ok((Answer { code, body, text, warnings }, after))
    }

    /// An object, or `None` when there is no such one.
    pub(super) async fn get(&self, path: &str, doing: &str) -> Result<Option<Json>, Failure> {
        let answer = self.send(&Request::get(path)).await?;
        if answer.code == 404 {
            return Ok(None);
        }
        answer.accepted().map(Some).map_err(|status| self.refused(&status, doing))
    }

    /// All objects of a collection, page by page. `Err` of the inner result: the server refuses.
    pub(super) async fn list(&self, request: &Request) -> Result<Result<Vec<Json>, Status>, Failure> {
        let mut items = Vec::new();
        let mut next = String::new();
        loop {
            let mut page = request.clone().query("limit", "500");
            if !next.is_empty() {
                page = page.query("continue", next);
            }
            let mut body = match self.send(&page).await?.accepted() {
                Ok(body) => body,
                Err(status) => return Ok(Err(status)),
            };
            if let Some(Json::Array(more)) = body.get_mut("items").map(Json::take) {
                items.extend(more);
            }
            let after = body.pointer("/metadata/continue").and_then(Json::as_str);
            next = after.map(str::to_owned).unwrap_or_default();
            if next.is_empty() {
                return Ok(Ok(items));
            }
        }
    }

    /// What a refusal means to whoever asked for it. `doing` completes "cannot …".
    pub(super) fn refused(&self, status: &Status, doing: &str) -> Failure {
        fault::refused(&self.server, status, doing, &self.secrets)
    }
}

async fn configuration(settings: &ClusterSettings) -> Result<Config, Failure> {
    let files: Vec<_> = settings.kubeconfig.iter().filter(|path| path.exists()).collect();
    if files.is_empty() {
        let named: Vec<_> = settings.kubeconfig.iter().map(|path| path.display().to_string()).collect();
        let text = if named.is_empty() {
            "no kubeconfig is named; set KUBECONFIG, or give --kubeconfig".to_owned()
        } else {
            format!("{} does not exist; set KUBECONFIG, or give --kubeconfig", named.join(", "))
        };
        return Err(Failure::new(FailureKind::Other, Masked::words(text)));
    }
    let mut merged = Kubeconfig::default();
    for path in files {
        let one = Kubeconfig::read_from(path).map_err(|error| fault::kubeconfig(Some(path), &error, settings))?;
        merged = merged.merge(one).map_err(|error| fault::kubeconfig(Some(path), &error, settings))?;
    }
    let options = KubeConfigOptions { context: settings.context.as_deref().map(str::to_owned), ..Default::default() };
    let mut config = Config::from_custom_kubeconfig(merged, &options)
        .await
        .map_err(|error| fault::kubeconfig(None, &error, settings))?;
    config.connect_timeout = Some(settings.patience.connect);
    config.write_timeout = Some(settings.patience.request);
    // Repetitions are ours: theirs have no bound that a person would wait for.
    config.default_retry = false;
    Ok(config)
}

#[cfg(test)]
mod tests {
    use wiremock::{Mock, MockServer, ResponseTemplate, matchers::any};

    use super::*;

    #[tokio::test]
    async fn the_reader_sends_nothing_that_changes_anything() -> Result<(), Box<dyn std::error::Error>> {
        let server = MockServer::start().await;
        Mock::given(any()).respond_with(ResponseTemplate::new(200)).mount(&server).await;
        let directory = tempfile::TempDir::new()?;
        let path = directory.path().join("kubeconfig");
        let text = format!(
            "{{current-context: c, contexts: [{{name: c, context: {{cluster: c}}}}], clusters: [{{name: c, cluster: {{server: \"{}\"}}}}]}}",
            server.uri()
        );
        std::fs::write(&path, text)?;
        let settings = ClusterSettings {
            kubeconfig: vec![path],
            context: None,
            namespace: "shop".into(),
            create_namespace: false,
            patience: Patience::default(),
        };
        let requests =
            [Method::POST, Method::PUT, Method::PATCH, Method::DELETE].map(|method| Request::new(method, "/x"));
        let reader = Connection::open(&settings, Arc::default(), true).await?;
        for request in &requests {
            let failure = reader.send(request).await.err().map(|failure| failure.reason.to_string());
            let told =
                format!("a {} that is no dry run was about to be sent by a client that only reads", request.method);
            assert_eq!(failure, Some(told));
        }
        assert_eq!(server.received_requests().await.unwrap_or_default().len(), 0);
        let writer = Connection::open(&settings, Arc::default(), false).await?;
        for request in &requests {
            assert_eq!(writer.send(request).await?.code, 200);
        }
        reader.send(&requests[2].clone().query("dryRun", "All")).await?;
        assert_eq!(server.received_requests().await.unwrap_or_default().len(), 5);
        Ok(())
    }
}
