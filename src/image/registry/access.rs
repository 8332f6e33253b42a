//! Authentication: from a challenge and credentials to the header that opens a repository.
#![allow(clippy::disallowed_methods, reason = "tokens and patience have deadlines")]

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use base64::Engine as _;
use reqwest::{Method, Url, header::HeaderValue};
use serde_json::Value as Json;
use tokio::time::Instant;

use super::{
    super::{Failure, codes},
    challenge::{self, Challenge},
    credentials::{Credential, Proof},
    safety,
    transport::{Answer, Content, LARGEST_ERROR, Question},
};

/// How long a token holds that does not say so.
const USUAL_LIFE: u64 = 60;

/// What one registry has asked for, and the tokens it has given.
#[derive(Default)]
pub(super) struct Access {
    challenge: Mutex<Option<Demand>>,
    /// The identity token that took the place of the one that is kept, in this run.
    renewed: Mutex<Option<Box<str>>>,
    tokens: tokio::sync::Mutex<HashMap<String, Arc<tokio::sync::Mutex<Option<Token>>>>>,
}

/// What a registry wants.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Demand {
    /// User and password with each request.
    Basic,
    /// A token of this server.
    Bearer { realm: Url, service: Option<String> },
}

struct Token {
    header: HeaderValue,
    scope: String,
    until: Instant,
}

/// Asks a token server; made by the caller, who knows how.
pub(super) trait TokenServer {
    /// The answer to a question.
    fn ask(&self, question: Question) -> impl Future<Output = Result<Answer, Failure>> + Send;
}

impl Access {
    /// What is known to be wanted.
    pub(super) fn demand(&self) -> Option<Demand> {
        self.challenge.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Takes up what a 401 demands; gives the scope it names. `registry` is the address that was asked.
    pub(super) fn learn(&self, answer: &Answer, registry: &Url, name: &str) -> Result<Option<String>, Failure> {
        let lines = answer.headers.get_all(reqwest::header::WWW_AUTHENTICATE);
        let challenges = challenge::parse(lines.iter().filter_map(|line| line.to_str().ok()));
        let of = |scheme: &str| challenges.iter().find(|challenge| challenge.scheme == scheme);
        let bearer = of("bearer").and_then(|challenge| Some((challenge, Url::parse(challenge.get("realm")?).ok()?)));
        let (demand, scope) = match (bearer, of("basic"), of("bearer")) {
            (Some((challenge, realm)), ..) => {
                if !safety::may_follow(registry, &realm) {
                    let place = format!("{}://{}", realm.scheme(), realm.host_str().unwrap_or_default());
                    return Err(Failure::new(&codes::UNSAFE, format!("{name} sends us for a token to {place}"))
                        .help("tell those who run the registry; nothing was sent there"));
                }
                let service = challenge.get("service").map(str::to_owned);
                (Demand::Bearer { realm, service }, challenge.get("scope").map(str::to_owned))
            }
            // Some registries write a name where the address of the token server belongs, and mean Basic.
            (None, Some(_), _) | (None, None, Some(_)) => (Demand::Basic, None),
            (None, None, None) => {
                let offered: Vec<&str> = challenges.iter().map(|Challenge { scheme, .. }| scheme.as_str()).collect();
                let offered = if offered.is_empty() { "nothing".to_owned() } else { offered.join(", ") };
                let offered: String = offered.chars().take(60).collect();
                return Err(Failure::new(
                    &codes::DENIED,
                    format!("{name} wants a login (401) by a way not known here: {offered}"),
                ));
            }
        };
        *self.challenge.lock().unwrap_or_else(PoisonError::into_inner) = Some(demand);
        Ok(scope)
    }

    /// The header for what `usual` opens (`repository:shop/web:pull`); `None` while nothing is demanded, or nothing can be shown. `refused` says
    /// that the header before was not accepted, and for which scope one is wanted.
    #[allow(clippy::option_option, reason = "not refused, refused, refused for want of a scope")]
    pub(super) async fn header(
        &self,
        usual: &str,
        credential: Option<&Credential>,
        refused: Option<Option<String>>,
        server: &impl TokenServer,
        name: &str,
    ) -> Result<Option<HeaderValue>, Failure> {
        match self.demand() {
            None => Ok(None),
            Some(Demand::Basic) => Ok(credential.and_then(|credential| basic(&credential.proof))),
            Some(Demand::Bearer { realm, service }) => {
                if let Some(Proof::Token(token)) = credential.map(|credential| &credential.proof) {
                    return Ok(bearer(token));
                }
                let place = {
                    let mut tokens = self.tokens.lock().await;
                    Arc::clone(tokens.entry(usual.to_owned()).or_default())
                };
                // Whoever comes while a token is fetched waits for it.
                let mut token = place.lock().await;
                let scope = match refused {
                    Some(scope) => scope.unwrap_or_else(|| usual.to_owned()),
                    None => match &*token {
                        Some(token) if token.until > Instant::now() => return Ok(Some(token.header.clone())),
                        Some(token) => token.scope.clone(),
                        None => usual.to_owned(),
                    },
                };
                let (service, renewed) = (service.as_deref(), &self.renewed);
                let asking = Asking { realm: &realm, service, scope: &scope, name, renewed };
                let fetched = asking.fetch(credential, server).await?;
                let header = fetched.header.clone();
                *token = Some(fetched);
                Ok(Some(header))
            }
        }
    }
}

struct Asking<'a> {
    realm: &'a Url,
    service: Option<&'a str>,
    scope: &'a str,
    name: &'a str,
    renewed: &'a Mutex<Option<Box<str>>>,
}

impl Asking<'_> {
    async fn fetch(&self, credential: Option<&Credential>, server: &impl TokenServer) -> Result<Token, Failure> {
        let answer = match credential.map(|credential| &credential.proof) {
            Some(Proof::Identity(token)) => {
                let renewed = self.renewed.lock().unwrap_or_else(PoisonError::into_inner).clone();
                let answer = server.ask(self.refresh(&renewed.unwrap_or_else(|| token.clone()))).await?;
                // A server without this flow gives what it gives to everybody.
                if matches!(answer.status.as_u16(), 404 | 405) { server.ask(self.get(None)).await? } else { answer }
            }
            proof => server.ask(self.get(proof)).await?,
        };
        let status = answer.status.as_u16();
        if !answer.status.is_success() {
            let tried = tried(credential);
            return Err(match status {
                400 | 401 | 403 => {
                    Failure::new(&codes::DENIED, format!("{} gives no token ({status}); {tried}", self.name))
                        .help("log in with `docker login`, or check the rights of the account")
                }
                _ => Failure::new(&codes::REGISTRY_FAILED, format!("the token server of {} says {status}", self.name)),
            });
        }
        let json: Json = serde_json::from_slice(&answer.body).unwrap_or_default();
        let text = |key: &str| json.get(key).and_then(Json::as_str).filter(|token| !token.is_empty());
        let header = text("token").or_else(|| text("access_token")).and_then(bearer);
        let header = header.ok_or_else(|| {
            Failure::new(&codes::REGISTRY_FAILED, format!("the token server of {} gives no token", self.name))
        })?;
        if let Some(renewed) = text("refresh_token") {
            *self.renewed.lock().unwrap_or_else(PoisonError::into_inner) = Some(renewed.into());
        }
        let life = json.get("expires_in").and_then(Json::as_u64).unwrap_or(USUAL_LIFE).clamp(1, 24 * 3600);
        // A little earlier than the server says: the answer took its time.
        let life = Duration::from_secs(life).mul_f64(0.8);
        Ok(Token { header, scope: self.scope.to_owned(), until: Instant::now() + life })
    }

    fn get(&self, proof: Option<&Proof>) -> Question {
        let mut url = self.realm.clone();
        {
            let mut query = url.query_pairs_mut();
            if let Some(service) = self.service {
                query.append_pair("service", service);
            }
            for scope in self.scope.split(' ').filter(|scope| !scope.is_empty()) {
                query.append_pair("scope", scope);
            }
        }
        let authorization = proof.and_then(basic);
        Question::plain(Method::GET, url, None, authorization, LARGEST_ERROR)
    }

    fn refresh(&self, token: &str) -> Question {
        let mut form = Url::parse("form:").unwrap_or_else(|_| self.realm.clone());
        form.query_pairs_mut()
            .append_pair("grant_type", "refresh_token")
            .append_pair("service", self.service.unwrap_or_default())
            .append_pair("client_id", "transship")
            .append_pair("scope", self.scope)
            .append_pair("refresh_token", token);
        let content = Content {
            media_type: "application/x-www-form-urlencoded".to_owned(),
            bytes: form.query().unwrap_or_default().as_bytes().to_vec(),
        };
        let question = Question::plain(Method::POST, self.realm.clone(), None, None, LARGEST_ERROR);
        Question { content: Some(content), ..question }
    }
}

/// Which credentials were used, for a message.
pub(super) fn tried(credential: Option<&Credential>) -> String {
    match credential {
        Some(credential) => format!("tried with the credentials from {}", credential.from),
        None => "tried without credentials, as none are kept for it".to_owned(),
    }
}

fn basic(proof: &Proof) -> Option<HeaderValue> {
    let text = match proof {
        Proof::Password(user, password) => format!("{user}:{password}"),
        Proof::Identity(token) => format!("<token>:{token}"),
        Proof::Token(token) => return bearer(token),
    };
    header(&format!("Basic {}", base64::engine::general_purpose::STANDARD.encode(text)))
}

fn bearer(token: &str) -> Option<HeaderValue> {
    header(&format!("Bearer {token}"))
}

fn header(text: &str) -> Option<HeaderValue> {
    let mut value = HeaderValue::from_str(text).ok()?;
    value.set_sensitive(true);
    Some(value)
}
