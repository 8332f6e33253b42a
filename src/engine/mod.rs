//! The Docker Engine's API over HTTP, for whoever asks or tells an engine something.
//!
//! An [`Engine`] reads: it has no way to send anything but GET and HEAD. What changes something takes an
//! [`EngineWriter`], made where there is something to write. Bodies are JSON values: what an engine of another
//! version adds is kept.
#![allow(clippy::disallowed_methods, reason = "the network, and files of certificates")]

mod address;
mod error;
mod lines;
mod streams;

use std::{fmt, ops::Deref, path::Path, sync::Arc, time::Duration};

use reqwest::{Method, Url, header::HeaderMap};
use serde_json::Value as Json;
use sha2::{Digest as _, Sha256};
use tokio::sync::OnceCell;

use self::address::{Tls, Way};
pub use self::{address::Address, error::Error, lines::Lines, streams::unframed};

/// The versions of the API that are spoken here, oldest and newest. Newer ones are left alone until somebody
/// needs them: they change what fields mean.
const OLDEST: Version = Version(1, 40);
const NEWEST: Version = Version(1, 46);
/// The most that an answer may hold, bytes, and an error.
const LARGEST: usize = 64 * 1024 * 1024;
const LARGEST_ERROR: usize = 64 * 1024;

/// The names of a query and their values.
pub type Query<'a> = &'a [(&'a str, &'a str)];

/// How long an engine is waited for.
#[derive(Clone, Copy, Debug)]
pub struct Patience {
    /// For a connection.
    pub connect: Duration,
    /// For a whole answer; of something large for its head.
    pub answer: Duration,
    /// For the next piece of something large.
    pub silence: Duration,
}

impl Default for Patience {
    fn default() -> Self {
        Self { connect: Duration::from_secs(10), answer: Duration::from_secs(60), silence: Duration::from_secs(120) }
    }
}

/// Reads from a Docker Engine.
#[derive(Clone)]
pub struct Engine {
    inner: Arc<Inner>,
    patience: Patience,
}

struct Inner {
    address: Address,
    client: reqwest::Client,
    base: Url,
    version: OnceCell<Version>,
}

/// Also writes to it.
#[derive(Clone, Debug)]
pub struct EngineWriter(Engine);

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
struct Version(u16, u16);

impl Version {
    fn parse(text: &str) -> Option<Self> {
        let (major, minor) = text.trim().split_once('.')?;
        Some(Self(major.parse().ok()?, minor.parse().ok()?))
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.0, self.1)
    }
}

/// What is asked or told.
struct Request<'a> {
    method: Method,
    path: &'a str,
    query: Query<'a>,
    headers: HeaderMap,
    body: Option<reqwest::Body>,
}

impl<'a> Request<'a> {
    fn new(method: Method, path: &'a str, query: Query<'a>) -> Self {
        Self { method, path, query, headers: HeaderMap::new(), body: None }
    }
}

impl Engine {
    /// An engine at an address. Nothing is asked of it yet.
    ///
    /// # Errors
    /// When its certificates cannot be read.
    pub fn new(address: Address, patience: Patience) -> Result<Self, Error> {
        // Whoever came first has installed the same one.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let mut builder = reqwest::Client::builder()
            .user_agent(concat!("transship/", env!("CARGO_PKG_VERSION")))
            .redirect(reqwest::redirect::Policy::none())
            .no_gzip()
            .http1_only()
            .connect_timeout(patience.connect);
        if address.is_this_machine() {
            builder = builder.no_proxy();
        }
        let base = match &address.way {
            Way::Socket(path) => {
                builder = builder.unix_socket(path.clone());
                "http://localhost".to_owned()
            }
            Way::Tcp { authority, prefix, tls: None } => format!("http://{authority}{prefix}"),
            Way::Tcp { authority, prefix, tls: Some(tls) } => {
                builder = secured(builder, tls)?;
                format!("https://{authority}{prefix}")
            }
        };
        let unusable = || {
            let help = "check the address, and whether key.pem belongs to cert.pem where it is spoken to in TLS";
            Error::address(format!("no connection to {} can be made", address.shown), help)
        };
        let base = Url::parse(&base).map_err(|_| unusable())?;
        let client = builder.build().map_err(|_| unusable())?;
        Ok(Self { inner: Arc::new(Inner { address, client, base, version: OnceCell::new() }), patience })
    }

    /// The engine as messages name it.
    pub fn place(&self) -> &str {
        &self.inner.address.shown
    }

    /// Whether it is this machine's own.
    pub fn is_this_machine(&self) -> bool {
        self.inner.address.is_this_machine()
    }

    /// The same engine, with more or less patience for an answer.
    #[must_use]
    pub fn within(&self, answer: Duration) -> Self {
        Self { inner: Arc::clone(&self.inner), patience: Patience { answer, ..self.patience } }
    }

    /// With the right to change something there.
    pub fn writer(&self) -> EngineWriter {
        EngineWriter(self.clone())
    }

    /// A document. `path` begins with `/` and has no version.
    ///
    /// # Errors
    /// When there is none, or no answer.
    pub async fn get(&self, path: &str, query: Query<'_>) -> Result<Json, Error> {
        self.document(Request::new(Method::GET, path, query)).await
    }

    /// A document; `None` where there is no such object.
    ///
    /// # Errors
    /// When there is no answer.
    pub async fn find(&self, path: &str, query: Query<'_>) -> Result<Option<Json>, Error> {
        match self.get(path, query).await {
            Ok(found) => Ok(Some(found)),
            Err(error) if error.is_missing() => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// What stands above an answer, its content left alone.
    ///
    /// # Errors
    /// When there is no such object, or no answer.
    pub async fn head(&self, path: &str, query: Query<'_>) -> Result<HeaderMap, Error> {
        let response = self.send(Request::new(Method::HEAD, path, query)).await?;
        Ok(response.headers().clone())
    }

    /// Something large, as it comes.
    ///
    /// # Errors
    /// When there is no such object, or no answer.
    pub async fn download(&self, path: &str, query: Query<'_>) -> Result<Body, Error> {
        let response = self.send(Request::new(Method::GET, path, query)).await?;
        Ok(self.body(response))
    }

    /// Documents as they come, one a line: `/events`.
    ///
    /// # Errors
    /// When there is no answer.
    pub async fn lines(&self, path: &str, query: Query<'_>) -> Result<Lines, Error> {
        Ok(Lines::new(self.download(path, query).await?))
    }

    fn body(&self, response: reqwest::Response) -> Body {
        Body { place: self.place().into(), response, silence: Some(self.patience.silence) }
    }

    async fn document(&self, request: Request<'_>) -> Result<Json, Error> {
        let reading = async {
            let response = self.send(request).await?;
            let body = self.read(response, LARGEST).await?;
            if body.trim_ascii().is_empty() {
                return Ok(Json::Null);
            }
            serde_json::from_slice(&body).map_err(|_| self.broken("sends an answer that is not JSON"))
        };
        let most = self.patience.answer;
        tokio::time::timeout(most, reading).await.unwrap_or_else(|_| Err(self.timed_out()))
    }

    /// The answer to a request, with a status that says it is one.
    async fn send(&self, request: Request<'_>) -> Result<reqwest::Response, Error> {
        let version = *self.inner.version.get_or_try_init(|| self.negotiate()).await?;
        self.exchange(&format!("/v{version}{}", request.path), request).await
    }

    async fn exchange(&self, path: &str, request: Request<'_>) -> Result<reqwest::Response, Error> {
        let mut url = self.inner.base.clone();
        url.set_path(&format!("{}{path}", self.inner.base.path().trim_end_matches('/')));
        if !request.query.is_empty() {
            url.query_pairs_mut().extend_pairs(request.query);
        }
        let mut sending = self.inner.client.request(request.method.clone(), url).headers(request.headers);
        if let Some(body) = request.body {
            sending = sending.body(body);
        }
        let most = self.patience.answer;
        let response = tokio::time::timeout(most, sending.send()).await.map_err(|_| self.timed_out())?;
        let response = response.map_err(|error| error::broken(self.place(), most, &error))?;
        let status = response.status();
        tracing::debug!(engine = self.place(), method = %request.method, %status, path, "asked");
        // 304: it is in that state already.
        if status.is_success() || status.as_u16() == 304 {
            return Ok(response);
        }
        let reading = tokio::time::timeout(most, self.read(response, LARGEST_ERROR)).await;
        let body = reading.unwrap_or_else(|_| Err(self.timed_out()))?;
        let json = serde_json::from_slice::<Json>(&body).ok();
        let told = json.as_ref().and_then(|json| json.get("message")?.as_str()).map(str::trim);
        let message = told.filter(|told| !told.is_empty()).unwrap_or("it does not say why");
        Err(Error::Refused { status: status.as_u16(), message: message.into() })
    }

    /// The version that both sides speak.
    async fn negotiate(&self) -> Result<Version, Error> {
        let response = self.exchange("/_ping", Request::new(Method::GET, "/_ping", &[])).await;
        let response = response.map_err(|error| self.greeted(error))?;
        let told = response.headers().get("api-version").and_then(|value| value.to_str().ok());
        let newest = told.and_then(Version::parse).ok_or_else(|| self.broken("does not answer as one"))?;
        if newest < OLDEST {
            return Err(Error::TooOld {
                place: self.place().into(),
                version: newest.to_string().into(),
                needed: OLDEST.to_string().into(),
            });
        }
        Ok(newest.min(NEWEST))
    }

    /// What a failure of the first exchange says of how the engine wants to be spoken to.
    fn greeted(&self, error: Error) -> Error {
        let Way::Tcp { tls, .. } = &self.inner.address.way else { return error };
        let bare = tls.as_ref().is_some_and(|tls| tls.certificate.is_none());
        let reason = match &error {
            Error::Unreachable { reason: error::NOT_ACCEPTED, .. } if bare => error::NO_CERTIFICATE,
            // An engine that ends the connection may be too fast for its reason to arrive.
            Error::Broken { .. } if bare => error::NO_CERTIFICATE,
            Error::Broken { .. } if tls.is_some() => error::ENDED,
            Error::Refused { status: 400, .. } if tls.is_none() => error::WANTS_TLS,
            _ => return error,
        };
        Error::Unreachable { place: self.place().into(), reason }
    }

    async fn read(&self, mut response: reqwest::Response, limit: usize) -> Result<Vec<u8>, Error> {
        let mut body = Vec::new();
        let failed = |error: reqwest::Error| error::broken(self.place(), self.patience.answer, &error);
        while let Some(piece) = response.chunk().await.map_err(failed)? {
            if body.len() + piece.len() > limit {
                return Err(self.broken("sends more than anybody could use"));
            }
            body.extend_from_slice(&piece);
        }
        Ok(body)
    }

    fn broken(&self, reason: &'static str) -> Error {
        Error::Broken { place: self.place().into(), reason }
    }

    fn timed_out(&self) -> Error {
        Error::TimedOut { place: self.place().into(), after: self.patience.answer }
    }
}

impl fmt::Debug for Engine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Engine").field(&self.place()).finish()
    }
}

impl Deref for EngineWriter {
    type Target = Engine;

    fn deref(&self) -> &Engine {
        &self.0
    }
}

impl EngineWriter {
    /// The same, with more or less patience for an answer.
    #[must_use]
    pub fn within(&self, answer: Duration) -> Self {
        Self(self.0.within(answer))
    }

    /// Tells the engine something; `null` where it answers nothing.
    ///
    /// # Errors
    /// When it refuses, or does not answer.
    pub async fn post(
        &self,
        path: &str,
        query: Query<'_>,
        headers: HeaderMap,
        body: Option<&Json>,
    ) -> Result<Json, Error> {
        self.document(Self::told(path, query, headers, body)).await
    }

    /// Tells the engine something that it reports on while it does it: `/images/create`.
    ///
    /// # Errors
    /// When it refuses, or does not answer.
    pub async fn post_lines(
        &self,
        path: &str,
        query: Query<'_>,
        headers: HeaderMap,
        body: Option<&Json>,
    ) -> Result<Lines, Error> {
        let response = self.send(Self::told(path, query, headers, body)).await?;
        Ok(Lines::new(self.body(response)))
    }

    /// Removes something.
    ///
    /// # Errors
    /// When it refuses, or does not answer.
    pub async fn delete(&self, path: &str, query: Query<'_>) -> Result<Json, Error> {
        self.document(Request::new(Method::DELETE, path, query)).await
    }

    /// Sends an archive: `/containers/{id}/archive`. The answer comes after all of it, so a large one takes more
    /// patience ([`within`](Self::within)).
    ///
    /// # Errors
    /// When it refuses, or does not answer.
    pub async fn upload(&self, path: &str, query: Query<'_>, archive: impl Into<reqwest::Body>) -> Result<Json, Error> {
        let mut request = Request::new(Method::PUT, path, query);
        request
            .headers
            .insert(reqwest::header::CONTENT_TYPE, reqwest::header::HeaderValue::from_static("application/x-tar"));
        request.body = Some(archive.into());
        self.document(request).await
    }

    fn told<'a>(path: &'a str, query: Query<'a>, headers: HeaderMap, body: Option<&Json>) -> Request<'a> {
        let mut request = Request { headers, ..Request::new(Method::POST, path, query) };
        if let Some(body) = body {
            let json = reqwest::header::HeaderValue::from_static("application/json");
            request.headers.insert(reqwest::header::CONTENT_TYPE, json);
            request.body = Some(body.to_string().into());
        }
        request
    }
}

/// The bytes of something large.
#[derive(Debug)]
pub struct Body {
    place: Box<str>,
    response: reqwest::Response,
    silence: Option<Duration>,
}

impl Body {
    /// With another limit on silence; `None`: none.
    #[must_use]
    pub fn silent_for(self, most: Option<Duration>) -> Self {
        Self { silence: most, ..self }
    }

    /// A header of the answer.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.response.headers().get(name).and_then(|value| value.to_str().ok())
    }

    /// The next piece; `None` at the end.
    ///
    /// # Errors
    /// When the engine is silent for too long, or breaks off.
    pub async fn next(&mut self) -> Result<Option<Vec<u8>>, Error> {
        let after = self.silence.unwrap_or(Duration::MAX);
        let piece = match self.silence {
            Some(most) => tokio::time::timeout(most, self.response.chunk())
                .await
                .map_err(|_| Error::TimedOut { place: self.place.clone(), after: most })?,
            None => self.response.chunk().await,
        };
        Ok(piece.map_err(|error| error::broken(&self.place, after, &error))?.map(|piece| piece.to_vec()))
    }

    fn broken(&self, reason: &'static str) -> Error {
        Error::Broken { place: self.place.clone(), reason }
    }
}

/// A client that speaks TLS as an address says.
fn secured(mut builder: reqwest::ClientBuilder, tls: &Tls) -> Result<reqwest::ClientBuilder, Error> {
    let unreadable = |path: &Path, reason: &str| {
        Error::address(
            format!("the certificates for the engine in {} cannot be used: {reason}", path.display()),
            "check DOCKER_CERT_PATH, or make the Docker context anew",
        )
    };
    let read = |path: &Path| std::fs::read(path).map_err(|error| unreadable(path, &error.kind().to_string()));
    if !tls.verify {
        builder = builder.tls_danger_accept_invalid_certs(true);
    } else if let Some(path) = &tls.ca {
        let certificates = reqwest::Certificate::from_pem_bundle(&read(path)?).ok();
        let certificates = certificates.filter(|certificates| !certificates.is_empty());
        builder = builder.tls_certs_only(certificates.ok_or_else(|| unreadable(path, "not readable as PEM"))?);
    }
    match (&tls.certificate, &tls.key) {
        (Some(certificate), Some(key)) => {
            let mut pem = read(certificate)?;
            pem.push(b'\n');
            pem.extend(read(key)?);
            let identity = reqwest::Identity::from_pem(&pem).map_err(|_| unreadable(key, "not readable as PEM"))?;
            Ok(builder.identity(identity))
        }
        (Some(certificate), None) => Err(unreadable(certificate, "there is no key.pem beside it")),
        (None, Some(key)) => Err(unreadable(key, "there is no cert.pem beside it")),
        (None, None) => Ok(builder),
    }
}

/// The name that the Docker CLI has for the directory of a context.
fn digest_name(name: &str) -> String {
    Sha256::digest(name).iter().fold(String::new(), |mut hex, byte| {
        let _ = fmt::Write::write_fmt(&mut hex, format_args!("{byte:02x}"));
        hex
    })
}
