//! Registries: the distribution API over HTTP.
#![allow(clippy::disallowed_methods, reason = "tokens and patience have deadlines")]

mod access;
mod challenge;
mod credentials;
mod helper;
mod notices;
mod read;
mod safety;
mod send;
mod transport;
mod trouble;

use std::{
    collections::HashMap,
    fmt,
    path::PathBuf,
    sync::{Arc, Mutex, PoisonError},
};

use reqwest::{Method, Url, header::HeaderValue};
use serde_json::Value as Json;
use tokio::{sync::OnceCell, time::Instant};

use self::{
    access::{Access, TokenServer, tried},
    credentials::{Credential, Keychain},
    transport::{Answer, Question, Server, SharedServer, Transport},
};
use super::{
    Digest, Failure, ImageSettings, Kind, Reference, SourceKind, codes,
    manifest::{self, Manifest},
    reference::HUB,
};
use crate::value::{Secrets, Text};

pub use self::{
    credentials::{CredentialHelpers, CredentialSources, HelperFailure},
    helper::HelperProcesses,
    notices::{Notice, Quota},
    transport::Patience,
};
pub(super) use self::{
    read::{Bytes, checked},
    send::{Delivery, Place},
};

/// Where Docker Hub has its API.
const HUB_API: &str = "registry-1.docker.io";
/// What a body was sent as beside its bytes.
type Sent = (Vec<u8>, Option<String>);
/// One flight: whoever asks for the same waits for the same answer.
type Flights<K, V> = Mutex<HashMap<K, Arc<OnceCell<Result<V, Failure>>>>>;

/// Asks registries for digests, manifests and configurations, each once in a run.
#[derive(Clone)]
pub struct Registries {
    inner: Arc<Inner>,
}

struct Inner {
    settings: ImageSettings,
    keychain: Keychain,
    transport: Transport,
    hosts: Mutex<HashMap<String, Arc<Host>>>,
    digests: Flights<String, Digest>,
    manifests: Flights<String, Sent>,
    blobs: Flights<String, Vec<u8>>,
}

/// One registry.
struct Host {
    server: SharedServer,
    ca: Option<PathBuf>,
    base: OnceCell<Url>,
    access: Access,
}

/// A repository at one of the places that have it.
#[derive(Clone)]
struct Endpoint {
    /// The registry as references write it.
    domain: String,
    repository: String,
    host: Arc<Host>,
}

impl Endpoint {
    /// The scope that reading needs.
    fn pull(&self) -> String {
        format!("repository:{}:pull", self.repository)
    }
}

impl Registries {
    /// Registries reached as the settings say, with these credentials.
    pub fn new(settings: &ImageSettings, credentials: CredentialSources, patience: Patience) -> Self {
        Self {
            inner: Arc::new(Inner {
                settings: settings.clone(),
                keychain: Keychain::new(credentials),
                transport: Transport::new(patience),
                hosts: Mutex::default(),
                digests: Mutex::default(),
                manifests: Mutex::default(),
                blobs: Mutex::default(),
            }),
        }
    }

    /// What a cluster needs to pull these images: the text of a `.dockerconfigjson`, secret. `None` where no
    /// credentials are kept for any of their registries.
    pub async fn pull_secret(&self, images: &[Reference], secrets: &Secrets) -> Result<Option<Text>, Failure> {
        let mut repositories: Vec<(String, String)> =
            images.iter().map(|image| (image.domain().to_owned(), image.path().to_owned())).collect();
        repositories.sort();
        self.inner.keychain.docker_config(&repositories, secrets).await
    }

    /// The digest that a reference stands for.
    pub(super) async fn digest(&self, reference: &Reference) -> Result<Digest, Failure> {
        let key = reference.normalised().to_string();
        let look = |endpoint: Endpoint| async move { self.look(&endpoint, reference.wanted()).await };
        once(&self.inner.digests, key, || self.anywhere(reference, look)).await
    }

    /// The bytes of a manifest, verified, and the media type it was sent with.
    pub(super) async fn manifest(&self, reference: &Reference, digest: &Digest) -> Result<Sent, Failure> {
        let fetch = |endpoint: Endpoint| async move {
            let (_, sent) = self.fetch(&endpoint, digest.as_str(), Some(digest)).await?;
            Ok(sent)
        };
        once(&self.inner.manifests, reference.pinned(digest), || self.anywhere(reference, fetch)).await
    }

    /// The bytes of a configuration, verified.
    pub(super) async fn blob(&self, reference: &Reference, digest: &Digest) -> Result<Vec<u8>, Failure> {
        let fetch = |endpoint: Endpoint| async move {
            let path = format!("blobs/{digest}");
            let answer = self.get(&endpoint, Method::GET, &path, None, manifest::LARGEST_CONFIGURATION).await?;
            if !answer.status.is_success() {
                return Err(self.refused(&endpoint, &answer, digest.as_str()).await);
            }
            if digest.is_of(&answer.body) { Ok(answer.body) } else { Err(mismatch(&endpoint, digest)) }
        };
        once(&self.inner.blobs, reference.pinned(digest), || self.anywhere(reference, fetch)).await
    }

    /// Asks the mirror, if there is one, and then the registry itself.
    async fn anywhere<T, F: Future<Output = Result<T, Failure>>>(
        &self,
        reference: &Reference,
        ask: impl Fn(Endpoint) -> F,
    ) -> Result<T, Failure> {
        if let Some((domain, repository)) = self.mirror(reference) {
            match ask(self.endpoint(&domain, repository)).await {
                Ok(found) => return Ok(found),
                Err(failure) => tracing::info!("mirror {domain}: {failure}; asking {}", reference.domain()),
            }
        }
        if reference.domain().is_empty() {
            return Err(Failure::new(&codes::REFERENCE, "it names no registry that could be asked"));
        }
        ask(self.endpoint(reference.domain(), reference.path().to_owned())).await
    }

    fn mirror(&self, reference: &Reference) -> Option<(String, String)> {
        let rule = self.inner.settings.source(reference)?;
        let SourceKind::Mirror(location) = &rule.kind else { return None };
        let name = reference.name();
        let rest = name.strip_prefix(rule.prefix.value.trim_end_matches('/'))?.trim_start_matches('/');
        let whole = format!("{}/{rest}", location.trim_end_matches('/'));
        let (domain, repository) = whole.trim_end_matches('/').split_once('/')?;
        Some((domain.to_owned(), repository.to_owned()))
    }

    fn endpoint(&self, domain: &str, repository: String) -> Endpoint {
        let rule = self.inner.settings.registry(&format!("{domain}/{repository}"));
        let (insecure, ca) = match rule.map(|rule| &rule.kind) {
            Some(SourceKind::Registry { insecure, ca }) => (*insecure, ca.clone()),
            _ => (false, None),
        };
        let key = format!("{domain} {insecure} {}", ca.as_ref().map(|ca| ca.display().to_string()).unwrap_or_default());
        let mut hosts = self.inner.hosts.lock().unwrap_or_else(PoisonError::into_inner);
        let host = hosts.entry(key).or_insert_with(|| {
            let server = Server::new(domain, insecure, &self.inner.transport.patience);
            Arc::new(Host { server: Arc::new(server), ca, base: OnceCell::new(), access: Access::default() })
        });
        Endpoint { domain: domain.to_owned(), repository, host: Arc::clone(host) }
    }

    /// The digest of a tag: by HEAD, which costs no quota, and by GET where that says too little.
    async fn look(&self, endpoint: &Endpoint, wanted: &str) -> Result<Digest, Failure> {
        let path = format!("manifests/{wanted}");
        let answer = self.get(endpoint, Method::HEAD, &path, Some(manifest::ACCEPT), 0).await?;
        if answer.status.is_success() {
            let ours = answer.header("content-type").and_then(Kind::of).is_some();
            let digest = answer.header("docker-content-digest").and_then(|text| Digest::parse(text).ok());
            if let Some(digest) = digest.filter(|_| ours) {
                return Ok(digest);
            }
        } else if answer.status.as_u16() == 401 {
            return Err(self.refused(endpoint, &answer, wanted).await);
        }
        // Proxies and old registries leave the header out, or know no HEAD at all.
        let (digest, _) = self.fetch(endpoint, wanted, None).await?;
        Ok(digest)
    }

    /// A manifest by GET, its digest from its bytes.
    async fn fetch(
        &self,
        endpoint: &Endpoint,
        wanted: &str,
        asked: Option<&Digest>,
    ) -> Result<(Digest, Sent), Failure> {
        let path = format!("manifests/{wanted}");
        let answer = self.get(endpoint, Method::GET, &path, Some(manifest::ACCEPT), manifest::LARGEST_MANIFEST).await?;
        if !answer.status.is_success() {
            return Err(self.refused(endpoint, &answer, wanted).await);
        }
        if let Some(asked) = asked.filter(|asked| !asked.is_of(&answer.body)) {
            return Err(mismatch(endpoint, asked));
        }
        let said = answer.header("docker-content-digest").and_then(|text| Digest::parse(text).ok());
        if let Some(said) = said.as_ref().filter(|said| !said.is_of(&answer.body)) {
            return Err(mismatch(endpoint, said));
        }
        let media_type = answer.header("content-type").map(str::to_owned);
        // What is no manifest has no digest worth keeping.
        Manifest::read(&answer.body, media_type.as_deref())?;
        let digest = asked.cloned().or(said).unwrap_or_else(|| Digest::of(&answer.body));
        Ok((digest, (answer.body, media_type)))
    }

    /// Reads something of a repository.
    async fn get(
        &self,
        endpoint: &Endpoint,
        method: Method,
        path: &str,
        accept: Option<&'static str>,
        limit: usize,
    ) -> Result<Answer, Failure> {
        let url = self.url(endpoint, path).await?;
        let question = Question::plain(method, url, accept, None, limit);
        self.ask(endpoint, &endpoint.pull(), question).await
    }

    /// The address of something in a repository.
    async fn url(&self, endpoint: &Endpoint, path: &str) -> Result<Url, Failure> {
        let base = endpoint.host.base.get_or_try_init(|| self.base(endpoint)).await?;
        base.join(&format!("v2/{}/{path}", endpoint.repository)).map_err(|_| {
            Failure::new(&codes::REFERENCE, format!("{} cannot be the address of a registry", endpoint.domain))
        })
    }

    /// Asks a registry, with what it takes to be let in; `scope` is what is to be opened.
    async fn ask(&self, endpoint: &Endpoint, scope: &str, mut question: Question) -> Result<Answer, Failure> {
        let deadline = Instant::now() + self.inner.transport.patience.deadline;
        let Endpoint { host, .. } = endpoint;
        let mut refused = None;
        let mut tries = 0;
        loop {
            let name = &endpoint.domain;
            question.authorization = self.authorization(endpoint, scope, refused.take(), deadline).await?;
            let shown = question.authorization.is_some();
            let answer = self.inner.transport.ask(&host.server, host.ca.as_ref(), &question, deadline).await?;
            // Once to learn what is wanted, and once more for a token that has run out or opens too little. What
            // another server wants is no business of ours: it is not who was asked.
            if answer.status.as_u16() != 401 || tries == 2 || answer.elsewhere.is_some() {
                return Ok(answer);
            }
            let before = host.access.demand();
            let named = host.access.learn(&answer, &question.url, name)?;
            if shown && before == host.access.demand() && tries == 1 && named.is_none() {
                return Ok(answer);
            }
            if shown || named.is_some() {
                refused = Some(named);
            }
            if host.access.demand() == Some(access::Demand::Basic) && self.credential(endpoint).await?.is_none() {
                return Ok(answer);
            }
            tries += 1;
        }
    }

    /// What opens a scope, as far as is known what is wanted.
    #[allow(clippy::option_option, reason = "not refused, refused, refused for want of a scope")]
    async fn authorization(
        &self,
        endpoint: &Endpoint,
        scope: &str,
        refused: Option<Option<String>>,
        deadline: Instant,
    ) -> Result<Option<HeaderValue>, Failure> {
        let host = &endpoint.host;
        let credential = match host.access.demand() {
            Some(_) => self.credential(endpoint).await?,
            None => None,
        };
        let tokens = Tokens { registries: self, host, deadline };
        host.access.header(scope, credential.as_ref(), refused, &tokens, &endpoint.domain).await
    }

    /// HTTPS; for this machine and for hosts marked insecure plain HTTP where they speak nothing else.
    async fn base(&self, endpoint: &Endpoint) -> Result<Url, Failure> {
        let Endpoint { domain, host, .. } = endpoint;
        let name = if domain == HUB { HUB_API } else { domain };
        let address = |scheme: &str| {
            Url::parse(&format!("{scheme}://{name}/"))
                .map_err(|_| Failure::new(&codes::REFERENCE, format!("{name} cannot be the address of a registry")))
        };
        let secure = address("https")?;
        let lenient = host.server.insecure() || secure.host_str().is_some_and(safety::is_this_machine);
        if !lenient {
            return Ok(secure);
        }
        let mut probe = secure.clone();
        probe.set_path("/v2/");
        match self.inner.transport.probe(&host.server, host.ca.as_ref(), probe).await {
            // A certificate that is not accepted is no reason to do without.
            Err(failure) if failure.code == &codes::TLS && !trouble::speaks_no_tls(&failure) => Err(failure),
            Err(_) => address("http"),
            Ok(()) => Ok(secure),
        }
    }

    async fn credential(&self, endpoint: &Endpoint) -> Result<Option<Credential>, Failure> {
        self.inner.keychain.find(&endpoint.domain, &endpoint.repository).await
    }

    /// What a status means that is no success.
    async fn refused(&self, endpoint: &Endpoint, answer: &Answer, wanted: &str) -> Failure {
        let name = &endpoint.domain;
        let status = answer.status.as_u16();
        let code = error_code(&answer.body).map(|code| format!(", {code}")).unwrap_or_default();
        match status {
            401 | 403 if answer.elsewhere.is_some() => {
                let elsewhere = answer.elsewhere.as_deref().unwrap_or_default();
                Failure::new(&codes::DENIED, format!("{name} leads to {elsewhere}, which denies access ({status})"))
                    .help("tell those who run the registry; credentials are shown to the registry alone")
            }
            401 | 403 => {
                let credential = self.credential(endpoint).await.unwrap_or_default();
                let message = format!("{name} denies access ({status}{code}); {}", tried(credential.as_ref()));
                let help = format!("log in with `docker login {name}`, or check the rights of the account");
                Failure::new(&codes::DENIED, message).help(help)
            }
            404 => Failure::new(
                &codes::NOT_FOUND,
                format!("{name} has no `{wanted}` of {} (404{code})", endpoint.repository),
            )
            .help("check the name and the tag, and whether it was pushed"),
            _ => Failure::new(&codes::REGISTRY_FAILED, format!("{name} answers with {status}{code}"))
                .help("check that this is the address of a registry"),
        }
    }
}

impl Default for Registries {
    fn default() -> Self {
        Self::new(&ImageSettings::default(), CredentialSources::default(), Patience::default())
    }
}

impl fmt::Debug for Registries {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "registries with {:?}", self.inner.keychain)
    }
}

/// The token server of a host: asked in the same way, and as patiently.
struct Tokens<'a> {
    registries: &'a Registries,
    host: &'a Host,
    deadline: Instant,
}

impl TokenServer for Tokens<'_> {
    async fn ask(&self, question: Question) -> Result<Answer, Failure> {
        let Host { server, ca, .. } = self.host;
        self.registries.inner.transport.ask(server, ca.as_ref(), &question, self.deadline).await
    }
}

/// The first to come asks; everybody gets the answer.
async fn once<V: Clone, F: Future<Output = Result<V, Failure>>>(
    flights: &Flights<String, V>,
    key: String,
    ask: impl FnOnce() -> F,
) -> Result<V, Failure> {
    let flight = {
        let mut flights = flights.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(flights.entry(key).or_default())
    };
    flight.get_or_init(ask).await.clone()
}

fn mismatch(endpoint: &Endpoint, digest: &Digest) -> Failure {
    Failure::new(&codes::DIGEST_MISMATCH, format!("what {} sends is not {digest}", endpoint.domain))
        .help("tell those who run the registry, or the proxy in front of it")
}

/// The code of an error as the distribution API writes it: words of the specification, nothing else.
fn error_code(body: &[u8]) -> Option<String> {
    let json: Json = serde_json::from_slice(body).ok()?;
    let code = json.get("errors")?.get(0)?.get("code")?.as_str()?;
    let proper = code.len() <= 40 && code.bytes().all(|b| b.is_ascii_uppercase() || b == b'_');
    proper.then(|| code.to_owned())
}
