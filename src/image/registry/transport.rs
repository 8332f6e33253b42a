//! One HTTP exchange: retried, limited, and led nowhere it must not go.
#![allow(clippy::disallowed_methods, reason = "the network, and the clock that Retry-After speaks of")]

use std::{
    collections::HashMap,
    path::PathBuf,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, SystemTime},
};

use backon::BackoffBuilder as _;
use reqwest::{
    Method, StatusCode, Url,
    header::{self, HeaderMap, HeaderValue},
};
use tokio::{sync::Semaphore, time::Instant};

use super::super::{Failure, codes};
use super::safety;

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
    /// Until when it wants no requests.
    paused: Mutex<Option<Instant>>,
    /// Why it is not asked any more in this run.
    down: Mutex<Option<Failure>>,
}

impl Server {
    pub(super) fn new(name: &str, insecure: bool, patience: &Patience) -> Self {
        let places = Semaphore::new(patience.per_host);
        Self { name: name.to_owned(), insecure, places, paused: Mutex::new(None), down: Mutex::new(None) }
    }

    /// Whether it is trusted without a certificate that anybody vouches for.
    pub(super) const fn insecure(&self) -> bool {
        self.insecure
    }

    fn paused_until(&self) -> Option<Instant> {
        let until = *self.paused.lock().unwrap_or_else(PoisonError::into_inner);
        until.filter(|until| *until > Instant::now())
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

    fn pause(&self, pause: Duration) {
        let until = Instant::now() + pause;
        let mut paused = self.paused.lock().unwrap_or_else(PoisonError::into_inner);
        *paused = Some(paused.map_or(until, |before| before.max(until)));
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

/// Why one try failed.
struct Trouble {
    failure: Failure,
    again: bool,
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
            if let Some(until) = server.paused_until() {
                tokio::time::sleep_until(until.min(deadline)).await;
            }
            let (mut trouble, asked) = {
                let Ok(_place) = server.places.acquire().await else {
                    return Err(Failure::new(&codes::REGISTRY_FAILED, "it is no longer asked"));
                };
                if let Some(failure) = server.down() {
                    return Err(failure);
                }
                match self.within(server, ca, question, deadline).await {
                    Ok(answer) if !is_temporary(answer.status) => return Ok(answer),
                    Ok(answer) => {
                        let asked = retry_after(&answer);
                        (Trouble { failure: temporary(server, &answer, asked), again: true }, asked)
                    }
                    Err(trouble) => (trouble, None),
                }
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
            server.pause(pause);
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
        let limit = if status.is_success() { question.limit } else { LARGEST_ERROR };
        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(|error| broken(server, &error))? {
            if body.len() + chunk.len() > limit {
                if !status.is_success() {
                    break;
                }
                let failure = Failure::new(&codes::MANIFEST, format!("{} sends more than {limit} bytes", server.name));
                return Err(Trouble { failure: failure.help("no image of use is described by so much"), again: false });
            }
            body.extend_from_slice(&chunk);
        }
        let encoded = headers.get(header::CONTENT_ENCODING).is_some_and(|encoding| encoding != "identity");
        if encoded && status.is_success() && !body.is_empty() {
            let message = format!("{} compresses its answer although asked not to", server.name);
            let failure = Failure::new(&codes::REGISTRY_FAILED, message).help("a proxy in front of it may do that");
            return Err(Trouble { failure, again: false });
        }
        Ok(Answer { status, headers, body })
    }
}

fn is_temporary(status: StatusCode) -> bool {
    matches!(status.as_u16(), 408 | 429 | 499 | 500 | 502 | 503 | 504 | 522)
}

fn temporary(server: &Server, answer: &Answer, asked: Option<Duration>) -> Failure {
    let name = &server.name;
    let status = answer.status.as_u16();
    if status != 429 {
        return Failure::new(
            &codes::REGISTRY_FAILED,
            format!("{name} failed with {status}, and again when asked again"),
        )
        .help("try again later");
    }
    let when = asked.map_or_else(
        || "for now".to_owned(),
        |asked| match asked.as_secs() {
            0 => "for a moment".to_owned(),
            1 => "for a second".to_owned(),
            seconds => format!(
                "for {}",
                crate::compose::units::duration_text(i64::try_from(seconds).unwrap_or(0) * 1_000_000_000)
            ),
        },
    );
    let number = |name: &str| {
        let digits = |text: &str| text.split(';').next().unwrap_or_default().trim().parse::<u64>().ok();
        answer.header(name).and_then(digits)
    };
    let quota = match (number("ratelimit-remaining"), number("ratelimit-limit")) {
        (Some(remaining), Some(limit)) => format!(" ({remaining} of {limit} left)"),
        _ => String::new(),
    };
    Failure::new(&codes::RATE_LIMITED, format!("{name} takes no more requests {when}{quota}"))
        .help("wait until then, log in for a higher limit, or use a mirror")
}

/// `Retry-After`: seconds or a date.
fn retry_after(answer: &Answer) -> Option<Duration> {
    let text = answer.header(header::RETRY_AFTER.as_str())?;
    if let Ok(seconds) = text.parse() {
        return Some(Duration::from_secs(seconds));
    }
    let date = httpdate::parse_http_date(text).ok()?;
    Some(date.duration_since(SystemTime::now()).unwrap_or_default())
}

fn timed_out(server: &Server, after: Duration) -> Failure {
    let message = format!("{} did not answer within {after:?}", server.name);
    Failure::new(&codes::TIMED_OUT, message).help("check the network between here and there, and try again")
}

fn unsafe_place(server: &Server, place: &str) -> Failure {
    Failure::new(&codes::UNSAFE, format!("{} leads to {place}", server.name))
        .help("tell those who run the registry; nothing was sent there")
}

/// An exchange that did not come to an answer.
fn broken(server: &Server, error: &reqwest::Error) -> Trouble {
    let name = &server.name;
    let again = |failure| Trouble { failure, again: true };
    let last = |failure| Trouble { failure, again: false };
    if let Some(tls) = tls_error(error) {
        let failure = match tls {
            rustls::Error::InvalidCertificate(reason) => {
                let why = match reason {
                    rustls::CertificateError::Expired | rustls::CertificateError::ExpiredContext { .. } => {
                        "it has expired"
                    }
                    rustls::CertificateError::NotValidForName
                    | rustls::CertificateError::NotValidForNameContext { .. } => "it is for another name",
                    rustls::CertificateError::UnknownIssuer => "nobody here vouches for it",
                    _ => "it is not valid",
                };
                Failure::new(&codes::TLS, format!("the certificate of {name} is not accepted: {why}"))
                    .help("name the certificate of your authority as `ca` under `images.sources`")
            }
            rustls::Error::InvalidMessage(_) => Failure::new(&codes::TLS, format!("{name} does not speak HTTPS"))
                .help("mark it `insecure` under `images.sources` if it speaks plain HTTP"),
            _ => Failure::new(&codes::TLS, format!("no secure connection to {name}"))
                .help("check which versions of TLS it speaks"),
        };
        return last(failure);
    }
    if error.is_timeout() {
        let failure = Failure::new(&codes::TIMED_OUT, format!("{name} did not answer in time"));
        return again(failure.help("check the network between here and there, and try again"));
    }
    if error.is_connect() {
        let unknown = chain(error).any(|cause| cause.to_string().contains("dns error"));
        let refused = chain(error).filter_map(|cause| cause.downcast_ref::<std::io::Error>());
        let refused = refused.map(std::io::Error::kind).any(|kind| kind == std::io::ErrorKind::ConnectionRefused);
        let message = match (unknown, refused) {
            (true, _) => format!("there is no host of the name of {name}, or it cannot be looked up"),
            (_, true) => format!("nothing listens at {name}"),
            _ => format!("{name} cannot be reached"),
        };
        let failure = Failure::new(&codes::UNREACHABLE, message)
            .help("check the name of the registry, the network, and the settings of your proxy");
        return Trouble { failure, again: !unknown };
    }
    again(
        Failure::new(&codes::REGISTRY_FAILED, format!("{name} broke off in the middle of an answer"))
            .help("try again later"),
    )
}

/// The causes of an error. One that is wrapped as an error of input and output is its cause, which `source`
/// would pass over.
fn chain<'a>(error: &'a reqwest::Error) -> impl Iterator<Item = &'a (dyn std::error::Error + 'static)> {
    std::iter::successors(std::error::Error::source(error), |cause| {
        let inside = cause.downcast_ref::<std::io::Error>().and_then(std::io::Error::get_ref);
        inside.map(|inside| inside as &(dyn std::error::Error + 'static)).or_else(|| cause.source())
    })
}

fn tls_error(error: &reqwest::Error) -> Option<&rustls::Error> {
    chain(error).find_map(|cause| cause.downcast_ref::<rustls::Error>())
}

/// Whether a failure to connect may be that the server speaks plain HTTP.
pub(super) fn speaks_no_tls(failure: &Failure) -> bool {
    failure.code == &codes::TLS && failure.message.ends_with("does not speak HTTPS")
}

/// For sharing between tasks.
pub(super) type SharedServer = Arc<Server>;
