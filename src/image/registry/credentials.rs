//! Registry credentials, where Docker and podman keep them.
#![allow(clippy::disallowed_methods, reason = "credentials are in files that people and tools keep")]

use std::{
    collections::HashMap,
    fmt,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use base64::Engine as _;
use futures_util::future::BoxFuture;
use serde_json::Value as Json;
use tokio::sync::OnceCell;

use super::{
    super::{Failure, codes, reference::HUB},
    trouble::seconds,
};
use crate::value::{Secrets, Spot, Text};

/// The key under which Docker keeps the credentials of Docker Hub.
const HUB_KEY: &str = "https://index.docker.io/v1/";

/// Where credentials are looked for, in this order. Whoever knows the process fills it.
#[derive(Clone, Default)]
pub struct CredentialSources {
    /// The text of `DOCKER_AUTH_CONFIG`.
    pub inline: Option<Box<str>>,
    /// Docker's config.json and podman's auth.json, in order of precedence; those that are missing count
    /// for nothing.
    pub files: Vec<PathBuf>,
    /// Who runs credential helpers; without one a configured helper is an error.
    pub helpers: Option<Arc<dyn CredentialHelpers>>,
}

/// Runs `docker-credential-NAME get`.
pub trait CredentialHelpers: Send + Sync {
    /// The helper's standard output for a server, or why there is none.
    fn get<'a>(&'a self, helper: &'a str, server: &'a str) -> BoxFuture<'a, Result<Vec<u8>, HelperFailure>>;
}

/// Why a credential helper gave nothing.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum HelperFailure {
    /// It keeps nothing for the server; that is no error.
    #[error("it keeps nothing for this server")]
    NotFound,
    /// There is no such program.
    #[error("there is no such program on the search path")]
    Missing,
    /// It did not answer in this time.
    #[error("it did not answer within {}", seconds(*.0))]
    TimedOut(Duration),
    /// It failed.
    #[error("it failed")]
    Failed,
}

impl CredentialSources {
    /// The places that Docker and podman use, by the variables of a process and its home directory.
    pub fn usual(variable: impl Fn(&str) -> Option<String>, home: Option<&Path>) -> Self {
        let path = |name: &str| variable(name).filter(|value| !value.is_empty()).map(PathBuf::from);
        let docker = path("DOCKER_CONFIG").or_else(|| home.map(|home| home.join(".docker")));
        let run = path("XDG_RUNTIME_DIR").map(|directory| directory.join("containers/auth.json"));
        let config = path("XDG_CONFIG_HOME").or_else(|| home.map(|home| home.join(".config")));
        let files = [
            docker.map(|directory| directory.join("config.json")),
            path("REGISTRY_AUTH_FILE"),
            run,
            config.map(|directory| directory.join("containers/auth.json")),
        ];
        Self {
            inline: variable("DOCKER_AUTH_CONFIG").filter(|text| !text.trim().is_empty()).map(Into::into),
            files: files.into_iter().flatten().collect(),
            helpers: None,
        }
    }
}

impl fmt::Debug for CredentialSources {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "credentials of {} files", self.files.len())
    }
}

/// What proves who we are. Never shown.
#[derive(Clone, PartialEq, Eq)]
pub(super) enum Proof {
    /// User and password.
    Password(Box<str>, Box<str>),
    /// A token that gives other tokens.
    Identity(Box<str>),
    /// A token for the registry itself.
    Token(Box<str>),
}

/// Credentials, and where they are from.
#[derive(Clone)]
pub(super) struct Credential {
    pub(super) proof: Proof,
    /// For messages: a file, a variable or a helper.
    pub(super) from: Box<str>,
}

impl fmt::Debug for Credential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "credentials from {}", self.from)
    }
}

/// Configuration files, each with the name it is shown under.
type Documents = Vec<(Box<str>, Json)>;
/// A helper program, and the registry it is asked about.
type HelperQuestion = (String, String);
type HelperAnswer = Result<Option<Proof>, Failure>;

/// All credentials of a run, read once.
pub(super) struct Keychain {
    sources: CredentialSources,
    files: OnceCell<Result<Documents, Failure>>,
    answers: tokio::sync::Mutex<HashMap<HelperQuestion, Arc<OnceCell<HelperAnswer>>>>,
}

impl Keychain {
    pub(super) fn new(sources: CredentialSources) -> Self {
        Self { sources, files: OnceCell::new(), answers: tokio::sync::Mutex::default() }
    }

    /// The credentials for a repository of a registry; `None`: anonymous.
    pub(super) async fn find(&self, domain: &str, repository: &str) -> Result<Option<Credential>, Failure> {
        let files = self.files.get_or_init(|| async { read(&self.sources) }).await.clone()?;
        for (from, json) in &files {
            let by_host = |key: &str| json.get(key).and_then(Json::as_object).and_then(|map| own_key(map, domain));
            let helper = by_host("credHelpers").and_then(Json::as_str);
            let store = json.get("credsStore").and_then(Json::as_str);
            // An empty name means the file, for this registry.
            if let Some(helper) = helper.or(store).filter(|helper| !helper.is_empty()) {
                let server = if domain == HUB { HUB_KEY } else { domain };
                if let Some(proof) = self.ask(helper, server).await? {
                    return Ok(Some(Credential { proof, from: format!("docker-credential-{helper}").into() }));
                }
                continue;
            }
            let auths = json.get("auths").and_then(Json::as_object);
            let entry = auths.and_then(|auths| {
                let mut names = format!("{domain}/{repository}");
                while names.len() > domain.len() {
                    if let Some(entry) = auths.get(&names) {
                        return Some(entry);
                    }
                    names.truncate(names.rfind('/').unwrap_or_default());
                }
                own_key(auths, domain)
            });
            if let Some(proof) = entry.map(|entry| proof(entry, from)).transpose()?.flatten() {
                return Ok(Some(Credential { proof, from: from.clone() }));
            }
        }
        Ok(None)
    }

    /// Asks a helper, once per server.
    async fn ask(&self, helper: &str, server: &str) -> Result<Option<Proof>, Failure> {
        let cell = {
            let mut answers = self.answers.lock().await;
            Arc::clone(answers.entry((helper.to_owned(), server.to_owned())).or_default())
        };
        let ask = || async {
            let failed = |reason: &str| {
                Failure::new(&codes::CREDENTIALS, format!("docker-credential-{helper}: {reason}"))
                    .help("install or repair the helper, or take it out of Docker's config.json")
            };
            let Some(helpers) = &self.sources.helpers else { return Err(failed("helpers are not run here")) };
            let output = match helpers.get(helper, server).await {
                Ok(output) => output,
                Err(HelperFailure::NotFound) => return Ok(None),
                Err(failure) => return Err(failed(&failure.to_string())),
            };
            let json: Json = serde_json::from_slice(&output).map_err(|_| failed("its answer is not JSON"))?;
            let text = |key: &str| json.get(key).and_then(Json::as_str).unwrap_or_default();
            Ok(match (text("Username"), text("Secret")) {
                (_, "") => None,
                ("<token>", secret) => Some(Proof::Identity(secret.into())),
                (user, secret) => Some(Proof::Password(user.into(), secret.into())),
            })
        };
        cell.get_or_init(ask).await.clone()
    }

    /// What a cluster needs to pull from these registries: the text of a `.dockerconfigjson`, secret.
    /// Registries without credentials are left out; `None` when none is left.
    pub(super) async fn docker_config(
        &self,
        repositories: &[(String, String)],
        secrets: &Secrets,
    ) -> Result<Option<Text>, Failure> {
        let mut auths = serde_json::Map::new();
        for (domain, repository) in repositories {
            let Some(credential) = self.find(domain, repository).await? else { continue };
            let key = if domain == HUB { HUB_KEY } else { domain };
            let encode = |text: String| base64::engine::general_purpose::STANDARD.encode(text);
            let entry = match credential.proof {
                Proof::Password(user, password) => serde_json::json!({"auth": encode(format!("{user}:{password}"))}),
                Proof::Identity(token) => {
                    serde_json::json!({"auth": encode("00000000-0000-0000-0000-000000000000:".to_owned()), "identitytoken": token})
                }
                Proof::Token(token) => serde_json::json!({"registrytoken": token}),
            };
            auths.insert(key.to_owned(), entry);
        }
        if auths.is_empty() {
            return Ok(None);
        }
        let text = serde_json::json!({ "auths": auths }).to_string();
        Ok(Some(Text::secret(&text, "registry credentials", Spot::NOWHERE, secrets)))
    }
}

impl fmt::Debug for Keychain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.sources.fmt(f)
    }
}

/// All places, parsed.
fn read(sources: &CredentialSources) -> Result<Vec<(Box<str>, Json)>, Failure> {
    let mut all: Vec<(Box<str>, Json)> = Vec::new();
    let mut add = |from: &str, bytes: &[u8]| {
        let json = serde_json::from_slice::<Json>(bytes).ok().filter(Json::is_object).ok_or_else(|| {
            Failure::new(&codes::CREDENTIALS, format!("{from} is not a JSON object")).help("repair it, or log in again")
        })?;
        all.push((from.into(), json));
        Ok::<_, Failure>(())
    };
    if let Some(inline) = &sources.inline {
        add("DOCKER_AUTH_CONFIG", inline.as_bytes())?;
    }
    for path in &sources.files {
        let shown = path.display().to_string();
        match std::fs::read(path) {
            Ok(bytes) if bytes.iter().all(u8::is_ascii_whitespace) => {}
            Ok(bytes) => add(&shown, &bytes)?,
            Err(error) if matches!(error.kind(), std::io::ErrorKind::NotFound | std::io::ErrorKind::NotADirectory) => {}
            Err(error) => {
                return Err(Failure::new(&codes::CREDENTIALS, format!("{shown}: {}", error.kind()))
                    .help("make the file readable, or remove it"));
            }
        }
    }
    Ok(all)
}

/// The entry for a registry. Old keys are URLs, and Docker Hub has several names.
fn own_key<'a>(map: &'a serde_json::Map<String, Json>, domain: &str) -> Option<&'a Json> {
    let hub = |host: &str| matches!(host, "docker.io" | "index.docker.io" | "registry-1.docker.io");
    let host = |key: &str| {
        let rest = key.split_once("://").map_or(key, |(_, rest)| rest);
        rest.split('/').next().unwrap_or_default().to_owned()
    };
    if domain == HUB {
        let exact = map.get(HUB_KEY);
        return exact.or_else(|| map.iter().find(|(key, _)| hub(&host(key))).map(|(_, entry)| entry));
    }
    // A key with a path belongs to that path alone, unless it is a URL of old.
    let old = |key: &str| key.contains("://") || !key.trim_end_matches('/').contains('/');
    map.get(domain).or_else(|| map.iter().find(|(key, _)| old(key) && host(key) == domain).map(|(_, entry)| entry))
}

/// The credentials of an entry; `None` for an empty one, as `docker login` leaves beside a store.
fn proof(entry: &Json, from: &str) -> Result<Option<Proof>, Failure> {
    let text = |key: &str| entry.get(key).and_then(Json::as_str).filter(|text| !text.is_empty());
    if let Some(token) = text("registrytoken") {
        return Ok(Some(Proof::Token(token.into())));
    }
    if let Some(token) = text("identitytoken") {
        return Ok(Some(Proof::Identity(token.into())));
    }
    if let Some(encoded) = text("auth") {
        let engine = base64::engine::general_purpose::STANDARD;
        let decoded = engine.decode(encoded.trim()).ok().and_then(|bytes| String::from_utf8(bytes).ok());
        let parts = decoded.as_deref().and_then(|decoded| decoded.split_once(':'));
        let (user, password) = parts.ok_or_else(|| {
            Failure::new(&codes::CREDENTIALS, format!("{from} has an `auth` that is not user and password in base64"))
                .help("log in again")
        })?;
        return Ok(Some(Proof::Password(user.into(), password.trim_end_matches('\0').into())));
    }
    Ok(text("username").zip(text("password")).map(|(user, password)| Proof::Password(user.into(), password.into())))
}
