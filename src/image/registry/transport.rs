//! One HTTP exchange: retried, limited, and led nowhere it must not go.
#![allow(clippy::disallowed_methods, reason = "the network, and patience that ends")]

use std::{
    collections::HashMap,
    path::PathBuf,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use backon::BackoffBuilder as _;
use reqwest::{
    Method, StatusCode, Url,
    header::{self, HeaderMap, HeaderValue},
};
use tokio::{
    sync::{Semaphore, SemaphorePermit},
    time::Instant,
};

use super::{
    super::{Failure, codes},
    notices::Notices,
    safety,
    trouble::{Trouble, broken, is_temporary, retry_after, temporary, timed_out, unsafe_place},
};

/// The most that an error or a token may hold, bytes.
pub(super) const LARGEST_ERROR: usize = 64 * 1024;
/// Bytes in a millisecond of the slowest line that something large is sent over.
const SLOWEST: u64 = 32;
/// How many redirects are followed.
const MOST_REDIRECTS: usize = 5;

/// How patient and how eager registries are asked.
#[derive(Clone, Copy, Debug)]
pub struct Patience {
    /// How long one try may take.
    pub attempt: Duration,
    /// How long everything about one image may take.
    pub deadline: Duration,
    /// How often something is tried again.
    pub retries: usize,
    /// The first pause before another try; each later one is twice as long.
    pub pause: Duration,
    /// The longest pause that a registry may ask for.
    pub longest_pause: Duration,
    /// How many requests one registry has at a time.
    pub per_host: usize,
}

impl Default for Patience {
    fn default() -> Self {
        Self {
            attempt: Duration::from_secs(20),
            deadline: Duration::from_secs(120),
            retries: 4,
            pause: Duration::from_millis(500),
            longest_pause: Duration::from_secs(60),
            per_host: 64,
        }
    }
}

/// What is asked.
#[derive(Clone)]
pub(super) struct Question {
    pub(super) method: Method,
    pub(super) url: Url,
    pub(super) accept: Option<&'static str>,
    pub(super) authorization: Option<HeaderValue>,
    pub(super) content: Option<Content>,
    pub(super) limit: usize,
    /// The first byte that is wanted of something large.
    pub(super) from: u64,
}

/// What is sent along.
#[derive(Clone)]
pub(super) struct Content {
    pub(super) media_type: String,
    pub(super) bytes: Vec<u8>,
}

impl Question {
    /// Asks for something, and sends nothing along.
    pub(super) const fn plain(
        method: Method,
        url: Url,
        accept: Option<&'static str>,
        authorization: Option<HeaderValue>,
        limit: usize,
    ) -> Self {
        Self { method, url, accept, authorization, content: None, limit, from: 0 }
    }
}

/// What came back.
#[derive(Clone)]
pub(super) struct Answer {
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    pub(super) body: Vec<u8>,
    /// The server that was led to, where that is not the one that was asked.
    pub(super) elsewhere: Option<String>,
}

impl Answer {
    /// A header as text.
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok()).map(str::trim)
    }
}

/// A server, by the name that messages have for it.
#[derive(Debug)]
pub(super) struct Server {
    pub(super) name: String,
    /// Trusted without a certificate that anybody vouches for.
    insecure: bool,
    places: Semaphore,
    /// Until when it wants no requests, and why.
    paused: Mutex<Option<(Instant, Failure)>>,
    /// Why it is not asked any more in this run.
    down: Mutex<Option<Failure>>,
    /// What it tells beside its answers.
    pub(super) notices: Notices,
}

impl Server {
    pub(super) fn new(name: &str, insecure: bool, patience: &Patience) -> Self {
        let places = Semaphore::new(patience.per_host);
        let (paused, down, notices) = (Mutex::default(), Mutex::default(), Notices::default());
        Self { name: name.to_owned(), insecure, places, paused, down, notices }
    }

    /// Whether it is trusted without a certificate that anybody vouches for.
    pub(super) const fn insecure(&self) -> bool {
        self.insecure
    }

    fn paused(&self) -> Option<(Instant, Failure)> {
        let paused = self.paused.lock().unwrap_or_else(PoisonError::into_inner);
        paused.clone().filter(|(until, _)| *until > Instant::now())
    }

    fn down(&self) -> Option<Failure> {
        self.down.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Takes note of a failure that would meet every other request as well, and gives it back.
    fn note(&self, failure: Failure) -> Failure {
        let all = [&codes::RATE_LIMITED, &codes::UNREACHABLE, &codes::TIMED_OUT, &codes::TLS];
        if all.contains(&failure.code) {
            *self.down.lock().unwrap_or_else(PoisonError::into_inner) = Some(failure.clone());
        }
        failure
    }

    fn pause(&self, pause: Duration, why: Failure) {
        let until = Instant::now() + pause;
        let mut paused = self.paused.lock().unwrap_or_else(PoisonError::into_inner);
        if paused.as_ref().is_none_or(|(before, _)| *before < until) {
            *paused = Some((until, why));
        }
    }
}

/// How a client is made.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Default)]
struct Manner {
    insecure: bool,
    direct: bool,
    ca: Option<PathBuf>,
}

/// Sends questions.
#[derive(Debug)]
pub(super) struct Transport {
    pub(super) patience: Patience,
    clients: Mutex<HashMap<Manner, reqwest::Client>>,
}

impl Transport {
    pub(super) fn new(patience: Patience) -> Self {
        // Whoever came first has installed the same one.
        let _ = rustls::crypto::ring::default_provider().install_default();
        Self { patience, clients: Mutex::default() }
    }

    fn client(&self, manner: Manner) -> Result<reqwest::Client, Failure> {
        let mut clients = self.clients.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(client) = clients.get(&manner) {
            return Ok(client.clone());
        }
        let mut builder = reqwest::Client::builder()
            .user_agent(concat!("transship/", env!("CARGO_PKG_VERSION")))
            .redirect(reqwest::redirect::Policy::none())
            .no_gzip()
            .connect_timeout(Duration::from_secs(10));
        if manner.direct {
            builder = builder.no_proxy();
        }
        if manner.insecure {
            builder = builder.tls_danger_accept_invalid_certs(true);
        }
        if let Some(path) = &manner.ca {
            let refused = |reason: String| {
                Failure::new(&codes::TLS, format!("the certificates in {}: {reason}", path.display()))
                    .help("`ca` names a file of certificates in PEM")
            };
            let pem = std::fs::read(path).map_err(|error| refused(error.kind().to_string()))?;
            let certificates = reqwest::Certificate::from_pem_bundle(&pem)
                .ok()
                .filter(|certificates| !certificates.is_empty())
                .ok_or_else(|| refused("not readable as PEM".to_owned()))?;
            builder = builder.tls_certs_merge(certificates);
        }
        let client = builder.build().map_err(|_| {
            Failure::new(&codes::TLS, "no secure connections can be made on this machine")
                .help("check the certificates that the system trusts")
        })?;
        clients.insert(manner, client.clone());
        Ok(client)
    }

    /// Asks until there is an answer that stands: a success, or an error that another try would not change.
    /// 429 and failures of the server are failures here; all other statuses are the caller's to judge.
    pub(super) async fn ask(
        &self,
        server: &Server,
        ca: Option<&PathBuf>,
        question: &Question,
        deadline: Instant,
    ) -> Result<Answer, Failure> {
        let mut pauses = backon::ExponentialBuilder::default()
            .with_min_delay(self.patience.pause)
            .with_max_delay(self.patience.longest_pause)
            .with_max_times(self.patience.retries)
            .build();
        let mut timeouts = 0;
        loop {
            // Held until a pause is known to all: whoever gets the place next has to heed it.
            let _place = Self::place(server, deadline).await?;
            let (mut trouble, asked) = match self.within(server, ca, question, deadline).await {
                Ok(answer) if !is_temporary(answer.status) => return Ok(answer),
                Ok(answer) => {
                    let asked = retry_after(&answer);
                    (Trouble { failure: temporary(server, &answer, asked), again: true }, asked)
                }
                Err(trouble) => (trouble, None),
            };
            // Who does not answer twice will not answer the third time.
            timeouts += usize::from(trouble.failure.code == &codes::TIMED_OUT);
            trouble.again &= timeouts < 2;
            let Some(pause) = pauses.next().filter(|_| trouble.again) else { return Err(server.note(trouble.failure)) };
            let pause = asked.unwrap_or(pause);
            if pause > self.patience.longest_pause || Instant::now() + pause >= deadline {
                return Err(server.note(trouble.failure));
            }
            tracing::debug!(server = server.name, ?pause, "asked to wait: {}", trouble.failure);
            server.pause(pause, trouble.failure);
        }
    }

    /// A place at a server that wants requests. Whoever waited for it may have to wait once more: a pause that one
    /// was asked for counts for all.
    async fn place(server: &Server, deadline: Instant) -> Result<SemaphorePermit<'_>, Failure> {
        loop {
            let place = server.places.acquire().await;
            let place = place.map_err(|_| Failure::new(&codes::REGISTRY_FAILED, "it is no longer asked"))?;
            if let Some(failure) = server.down() {
                return Err(failure);
            }
            let Some((until, why)) = server.paused() else { return Ok(place) };
            drop(place);
            if until >= deadline {
                return Err(why);
            }
            tokio::time::sleep_until(until).await;
        }
    }

    /// Asks once, to learn how a server speaks; what comes of it is held against nobody.
    pub(super) async fn probe(&self, server: &Server, ca: Option<&PathBuf>, url: Url) -> Result<(), Failure> {
        let deadline = Instant::now() + self.patience.attempt;
        let question = Question::plain(Method::GET, url, None, None, LARGEST_ERROR);
        self.within(server, ca, &question, deadline).await.map(|_| ()).map_err(|trouble| trouble.failure)
    }

    /// One try, not longer than it may take.
    async fn within(
        &self,
        server: &Server,
        ca: Option<&PathBuf>,
        question: &Question,
        deadline: Instant,
    ) -> Result<Answer, Trouble> {
        let most = self.patience.attempt.min(deadline.saturating_duration_since(Instant::now()));
        let answer = tokio::time::timeout(most, self.follow(server, ca, question)).await;
        answer.unwrap_or_else(|_| Err(Trouble { failure: timed_out(server, most), again: true }))
    }

    /// Asks, and follows where it is safe.
    async fn follow(&self, server: &Server, ca: Option<&PathBuf>, question: &Question) -> Result<Answer, Trouble> {
        let response = self.arrive(server, ca, question).await?;
        Self::read(server, question, response).await
    }

    /// The response of the place that a question leads to.
    async fn arrive(
        &self,
        server: &Server,
        ca: Option<&PathBuf>,
        question: &Question,
    ) -> Result<reqwest::Response, Trouble> {
        let last = |failure| Trouble { failure, again: false };
        let mut url = question.url.clone();
        for _ in 0..=MOST_REDIRECTS {
            let response = self.send(server, ca, question, &url).await?;
            let next = response.headers().get(header::LOCATION).and_then(|value| value.to_str().ok());
            let Some(next) = next.filter(|_| response.status().is_redirection()) else { return Ok(response) };
            let next = url.join(next.trim()).map_err(|_| last(unsafe_place(server, "a place that is no address")))?;
            if !safety::may_follow(&question.url, &next) || !safety::may_follow(&url, &next) {
                let place = next.host_str().unwrap_or("nowhere").to_owned();
                return Err(last(unsafe_place(server, &format!("{}://{place}", next.scheme()))));
            }
            url = next;
        }
        Err(last(unsafe_place(server, "one place after the other, without an end")))
    }

    async fn send(
        &self,
        server: &Server,
        ca: Option<&PathBuf>,
        question: &Question,
        url: &Url,
    ) -> Result<reqwest::Response, Trouble> {
        let at_home = safety::same_server(url, &question.url);
        let mut request = self.request(server, ca, &question.method, url, at_home)?;
        if let Some(accept) = question.accept {
            request = request.header(header::ACCEPT, accept);
        }
        if question.from > 0 {
            request = request.header(header::RANGE, format!("bytes={}-", question.from));
        }
        if let Some(authorization) = question.authorization.as_ref().filter(|_| at_home) {
            request = request.header(header::AUTHORIZATION, authorization);
        }
        if let Some(content) = question.content.as_ref().filter(|_| at_home) {
            request = request.header(header::CONTENT_TYPE, &content.media_type).body(content.bytes.clone());
        }
        let response = request.send().await.map_err(|error| broken(server, &error))?;
        let (status, path) = (response.status(), url.path());
        tracing::debug!(server = server.name, method = %question.method, %status, path, "asked");
        if at_home {
            server.notices.take(response.headers(), question);
        }
        Ok(response)
    }

    fn request(
        &self,
        server: &Server,
        ca: Option<&PathBuf>,
        method: &Method,
        url: &Url,
        at_home: bool,
    ) -> Result<reqwest::RequestBuilder, Trouble> {
        let manner = Manner {
            insecure: server.insecure && at_home,
            direct: url.host_str().is_some_and(safety::is_this_machine),
            ca: ca.cloned(),
        };
        let client = self.client(manner).map_err(|failure| Trouble { failure, again: false })?;
        Ok(client.request(method.clone(), url.clone()).header(header::ACCEPT_ENCODING, "identity"))
    }

    /// Opens something large: the answer's head, and its bytes as they come.
    pub(super) async fn open(
        &self,
        server: &Server,
        ca: Option<&PathBuf>,
        question: &Question,
    ) -> Result<reqwest::Response, Failure> {
        let arrived = tokio::time::timeout(self.patience.attempt, self.arrive(server, ca, question)).await;
        let response = arrived.map_err(|_| timed_out(server, self.patience.attempt))?;
        response.map_err(|trouble| trouble.failure)
    }

    /// Sends something large from its byte `from` on, as it comes. Not tried again here: what was read is gone.
    pub(super) async fn upload(
        &self,
        server: &Server,
        ca: Option<&PathBuf>,
        question: &Question,
        body: reqwest::Body,
        (from, length): (u64, u64),
    ) -> Result<Answer, Failure> {
        let sending = async {
            let mut request = self.request(server, ca, &question.method, &question.url, true)?;
            if let Some(authorization) = &question.authorization {
                request = request.header(header::AUTHORIZATION, authorization);
            }
            if from > 0 {
                let last = (from + length).saturating_sub(1);
                request = request.header(header::CONTENT_RANGE, format!("{from}-{last}"));
            }
            let request = request
                .header(header::CONTENT_TYPE, "application/octet-stream")
                .header(header::CONTENT_LENGTH, length)
                .body(body);
            let response = request.send().await.map_err(|error| broken(server, &error))?;
            Self::read(server, question, response).await
        };
        // As long as the slowest line of use would take for it.
        let most = self.patience.attempt + Duration::from_millis(length / SLOWEST);
        let answer = tokio::time::timeout(most, sending).await.map_err(|_| timed_out(server, most))?;
        answer.map_err(|trouble| trouble.failure)
    }

    /// How long nothing may come of something that was opened.
    pub(super) const fn idle(&self) -> Duration {
        self.patience.attempt
    }

    async fn read(server: &Server, question: &Question, mut response: reqwest::Response) -> Result<Answer, Trouble> {
        let status = response.status();
        let headers = response.headers().clone();
        let elsewhere = Some(response.url()).filter(|url| !safety::same_server(url, &question.url));
        let elsewhere = elsewhere.map(|url| url.host_str().unwrap_or("nowhere").to_owned());
        let limit = if status.is_success() { question.limit } else { LARGEST_ERROR };
        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(|error| broken(server, &error))? {
            if body.len() + chunk.len() > limit {
                if !status.is_success() {
                    break;
                }
                let message = format!("{} sends more than {limit} bytes", server.name);
                let failure = if limit > LARGEST_ERROR {
                    Failure::new(&codes::MANIFEST, message).help("no image of use is described by so much")
                } else {
                    Failure::new(&codes::REGISTRY_FAILED, message).help("no answer of use is so long")
                };
                return Err(Trouble { failure, again: false });
            }
            body.extend_from_slice(&chunk);
        }
        let encoded = headers.get(header::CONTENT_ENCODING).is_some_and(|encoding| encoding != "identity");
        if encoded && status.is_success() && !body.is_empty() {
            let message = format!("{} compresses its answer although asked not to", server.name);
            let failure = Failure::new(&codes::REGISTRY_FAILED, message).help("a proxy in front of it may do that");
            return Err(Trouble { failure, again: false });
        }
        Ok(Answer { status, headers, body, elsewhere })
    }
}

/// For sharing between tasks.
pub(super) type SharedServer = Arc<Server>;
