//! Putting content into a registry, and taking it out as a stream.

use std::{io, pin::Pin};

use futures_util::{Stream, StreamExt as _, stream};
use reqwest::{Method, Url};
use serde_json::Value as Json;
use tokio::time::Instant;

use super::{
    super::{Digest, Failure, Kind, Reference, codes, digest::Hasher, manifest},
    Endpoint, Registries, safety,
    transport::{Answer, Content, LARGEST_ERROR, Question},
};

/// Bytes as they come.
pub(in crate::image) type Bytes = Pin<Box<dyn Stream<Item = io::Result<Vec<u8>>> + Send>>;

/// A repository that is written to.
pub(in crate::image) struct Place {
    endpoint: Endpoint,
    scope: String,
}

/// How a blob came to be where it is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(in crate::image) enum Delivery {
    /// It was there.
    Present,
    /// The registry had it in another repository.
    Mounted,
    /// It was sent.
    Sent,
}

impl Registries {
    /// A repository of a registry, to be written to.
    pub(in crate::image) fn place(&self, domain: &str, repository: &str) -> Place {
        let scope = format!("repository:{repository}:pull,push");
        Place { endpoint: self.endpoint(domain, repository.to_owned()), scope }
    }

    /// A repository of a registry, to be read only.
    pub(in crate::image) fn origin(&self, reference: &Reference) -> Place {
        let endpoint = self.endpoint(reference.domain(), reference.path().to_owned());
        Place { scope: endpoint.pull(), endpoint }
    }

    /// What a tag or a digest stands for at a place; `None`: nothing.
    pub(in crate::image) async fn stands_for(&self, place: &Place, wanted: &str) -> Result<Option<Digest>, Failure> {
        let url = self.url(&place.endpoint, &format!("manifests/{wanted}")).await?;
        let question = Question::plain(Method::HEAD, url.clone(), Some(manifest::ACCEPT), None, 0);
        let answer = self.ask(&place.endpoint, &place.scope, question).await?;
        match answer.status.as_u16() {
            404 => return Ok(None),
            200 => {}
            _ => return Err(self.refused(&place.endpoint, &answer, wanted).await),
        }
        let ours = answer.header("content-type").and_then(Kind::of).is_some();
        let digest = answer.header("docker-content-digest").and_then(|text| Digest::parse(text).ok());
        if let Some(digest) = digest.filter(|_| ours) {
            return Ok(Some(digest));
        }
        let question = Question::plain(Method::GET, url, Some(manifest::ACCEPT), None, manifest::LARGEST_MANIFEST);
        let answer = self.ask(&place.endpoint, &place.scope, question).await?;
        if answer.status.is_success() {
            return Ok(Some(Digest::of(&answer.body)));
        }
        Err(self.refused(&place.endpoint, &answer, wanted).await)
    }

    /// Puts a manifest under a tag or its digest.
    pub(in crate::image) async fn put_manifest(
        &self,
        place: &Place,
        wanted: &str,
        media_type: &str,
        bytes: &[u8],
    ) -> Result<(), Failure> {
        let url = self.url(&place.endpoint, &format!("manifests/{wanted}")).await?;
        let content = Content { media_type: media_type.to_owned(), bytes: bytes.to_vec() };
        let question = Question::plain(Method::PUT, url, None, None, LARGEST_ERROR);
        let answer = self.ask(&place.endpoint, &place.scope, Question { content: Some(content), ..question }).await?;
        if answer.status.is_success() { Ok(()) } else { Err(self.not_taken(place, &answer).await) }
    }

    /// Makes a blob be at a place: it is there, the registry takes it from `from` (a repository of its own), or
    /// it is sent.
    pub(in crate::image) async fn put_blob<F: Future<Output = Result<Bytes, Failure>>>(
        &self,
        place: &Place,
        (digest, size): (&Digest, u64),
        from: Option<&str>,
        open: impl FnOnce() -> F,
    ) -> Result<Delivery, Failure> {
        let Place { endpoint, scope } = place;
        let url = self.url(endpoint, &format!("blobs/{digest}")).await?;
        let answer = self.ask(endpoint, scope, Question::plain(Method::HEAD, url, None, None, 0)).await?;
        if answer.status.is_success() {
            return Ok(Delivery::Present);
        }
        if answer.status.as_u16() != 404 {
            return Err(self.refused(endpoint, &answer, digest.as_str()).await);
        }
        let mut url = self.url(endpoint, "blobs/uploads/").await?;
        let mut wanted = scope.clone();
        if let Some(from) = from {
            url.query_pairs_mut().append_pair("mount", digest.as_str()).append_pair("from", from);
            wanted = format!("{scope} repository:{from}:pull");
        }
        let base = url.clone();
        let content = Content { media_type: "application/octet-stream".to_owned(), bytes: Vec::new() };
        let question = Question::plain(Method::POST, url, None, None, LARGEST_ERROR);
        let begun = self.ask(endpoint, &wanted, Question { content: Some(content.clone()), ..question }).await?;
        match begun.status.as_u16() {
            201 => return Ok(Delivery::Mounted),
            202 => {}
            _ => return Err(self.not_taken(place, &begun).await),
        }
        let next = Self::next(place, &base, &begun)?;
        let sent = self.stream(place, &base, next, size, digest, open().await?).await?;
        if !sent.status.is_success() {
            return Err(self.not_taken(place, &sent).await);
        }
        let mut last = Self::next(place, &base, &sent)?;
        last.query_pairs_mut().append_pair("digest", digest.as_str());
        let question = Question::plain(Method::PUT, last, None, None, LARGEST_ERROR);
        let answer = self.ask_at(place, &base, Question { content: Some(content), ..question }).await?;
        if answer.status.is_success() { Ok(Delivery::Sent) } else { Err(self.not_taken(place, &answer).await) }
    }

    async fn stream(
        &self,
        place: &Place,
        base: &Url,
        url: Url,
        size: u64,
        digest: &Digest,
        bytes: Bytes,
    ) -> Result<Answer, Failure> {
        let Place { endpoint, scope } = place;
        let mut question = Question::plain(Method::PATCH, url, None, None, LARGEST_ERROR);
        if safety::same_server(base, &question.url) {
            let deadline = Instant::now() + self.inner.transport.patience.deadline;
            question.authorization = self.authorization(endpoint, scope, None, deadline).await?;
        }
        // A source that breaks off would look as if the target had.
        let trouble = std::sync::Arc::new(std::sync::Mutex::new(None));
        let noted = std::sync::Arc::clone(&trouble);
        let bytes = checked(bytes, digest.clone()).inspect(move |item| {
            if let Err(error) = item {
                let mut noted = noted.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
                *noted = Some(error.to_string());
            }
        });
        let body = reqwest::Body::wrap_stream(bytes);
        let host = &endpoint.host;
        let sent = self.inner.transport.upload(&host.server, host.ca.as_ref(), &question, body, size).await;
        let trouble = trouble.lock().unwrap_or_else(std::sync::PoisonError::into_inner).take();
        match trouble {
            None => sent,
            Some(reason) => Err(Failure::new(&codes::REGISTRY_FAILED, format!("{digest} could not be read: {reason}"))
                .help("run the same again: what was copied is not copied again")),
        }
    }

    /// Asks where a registry has sent us; it is shown credentials only when it is the registry itself.
    async fn ask_at(&self, place: &Place, base: &Url, question: Question) -> Result<Answer, Failure> {
        if safety::same_server(base, &question.url) {
            return self.ask(&place.endpoint, &place.scope, question).await;
        }
        let deadline = Instant::now() + self.inner.transport.patience.deadline;
        let host = &place.endpoint.host;
        self.inner.transport.ask(&host.server, host.ca.as_ref(), &question, deadline).await
    }

    /// Where an upload goes on.
    fn next(place: &Place, base: &Url, answer: &Answer) -> Result<Url, Failure> {
        let domain = &place.endpoint.domain;
        let next = answer.header("location").and_then(|location| base.join(location).ok());
        let next = next.ok_or_else(|| {
            Failure::new(&codes::REGISTRY_FAILED, format!("{domain} does not say where an upload goes"))
        })?;
        if safety::may_follow(base, &next) {
            return Ok(next);
        }
        let host = next.host_str().unwrap_or("nowhere");
        Err(Failure::new(&codes::UNSAFE, format!("{domain} leads an upload to {}://{host}", next.scheme()))
            .help("tell those who run the registry; nothing was sent there"))
    }

    async fn not_taken(&self, place: &Place, answer: &Answer) -> Failure {
        let Endpoint { domain, repository, .. } = &place.endpoint;
        match answer.status.as_u16() {
            401 | 403 => self.refused(&place.endpoint, answer, repository).await,
            status => {
                let code = super::error_code(&answer.body).map(|code| format!(", {code}")).unwrap_or_default();
                Failure::new(
                    &codes::REGISTRY_FAILED,
                    format!("{domain} does not take it into {repository} ({status}{code})"),
                )
                .help("check the name of the repository, and whether it may be written to")
            }
        }
    }

    /// A blob as it comes; whoever takes it verifies it.
    pub(in crate::image) async fn blob_stream(&self, reference: &Reference, digest: &Digest) -> Result<Bytes, Failure> {
        self.anywhere(reference, |endpoint| async move {
            let mut tries = 0;
            loop {
                let url = self.url(&endpoint, &format!("blobs/{digest}")).await?;
                let deadline = Instant::now() + self.inner.transport.patience.deadline;
                let mut question = Question::plain(Method::GET, url.clone(), None, None, LARGEST_ERROR);
                question.authorization = self.authorization(&endpoint, &endpoint.pull(), None, deadline).await?;
                let host = &endpoint.host;
                let response = self.inner.transport.open(&host.server, host.ca.as_ref(), &question).await?;
                if response.status().is_success() {
                    return Ok(timed(response, self.inner.transport.idle()));
                }
                if response.status().as_u16() != 401 || tries > 0 {
                    let (status, headers) = (response.status(), response.headers().clone());
                    let answer = Answer { status, headers, body: Vec::new() };
                    return Err(self.refused(&endpoint, &answer, digest.as_str()).await);
                }
                // The way in is learnt by asking for nothing large.
                tries += 1;
                self.ask(&endpoint, &endpoint.pull(), Question::plain(Method::HEAD, url, None, None, 0)).await?;
            }
        })
        .await
    }

    /// The manifests that refer to a digest, as the registry lists them; `None` where it keeps no such list.
    pub(in crate::image) async fn referrers(&self, place: &Place, digest: &Digest) -> Result<Option<Json>, Failure> {
        let url = self.url(&place.endpoint, &format!("referrers/{digest}")).await?;
        let question = Question::plain(Method::GET, url, Some(manifest::ACCEPT), None, manifest::LARGEST_MANIFEST);
        let answer = self.ask(&place.endpoint, &place.scope, question).await?;
        let index = answer.status.is_success().then(|| serde_json::from_slice::<Json>(&answer.body).ok()).flatten();
        Ok(index.filter(|index| index.get("manifests").is_some_and(Json::is_array)))
    }
}

/// The bytes of a response; a line that is silent too long breaks off.
fn timed(response: reqwest::Response, idle: std::time::Duration) -> Bytes {
    Box::pin(stream::unfold(Some(response), move |response| async move {
        let mut response = response?;
        match tokio::time::timeout(idle, response.chunk()).await {
            Ok(Ok(Some(chunk))) => Some((Ok(chunk.to_vec()), Some(response))),
            Ok(Ok(None)) => None,
            Ok(Err(_)) => Some((Err(io::Error::other("the line broke off")), None)),
            Err(_) => Some((Err(io::Error::other("nothing came any more")), None)),
        }
    }))
}

/// The same bytes; an error (`InvalidData`) at the end when they do not have their digest.
pub(in crate::image) fn checked(bytes: Bytes, digest: Digest) -> Bytes {
    let start = Some((bytes, Hasher::of(&digest), digest));
    Box::pin(stream::unfold(start, |state| async move {
        let (mut bytes, mut hasher, digest) = state?;
        match bytes.next().await {
            Some(Ok(chunk)) => {
                hasher.update(&chunk);
                Some((Ok(chunk), Some((bytes, hasher, digest))))
            }
            Some(Err(error)) => Some((Err(error), None)),
            None if hasher.is(&digest) => None,
            None => {
                Some((Err(io::Error::new(io::ErrorKind::InvalidData, "what came is not what its digest says")), None))
            }
        }
    }))
}
