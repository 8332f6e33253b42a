//! Putting content into a registry.

use std::io;

use futures_util::StreamExt as _;
use reqwest::{Method, Url};
use serde_json::Value as Json;
use tokio::time::Instant;

use super::{
    super::{Digest, Failure, Kind, Reference, codes, manifest},
    Endpoint, Registries,
    read::{Bytes, checked},
    safety,
    transport::{Answer, Content, LARGEST_ERROR, Question},
};

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
    /// it is sent, from where on `open` is told. A line that breaks goes on where the registry says it was.
    pub(in crate::image) async fn put_blob<F: Future<Output = Result<Bytes, Failure>>>(
        &self,
        place: &Place,
        (digest, size): (&Digest, u64),
        from: Option<&str>,
        open: impl Fn(u64) -> F,
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
        let mut next = Self::next(place, &base, &begun)?;
        let (mut from, mut tries) = (0, 0);
        while from < size {
            let bytes = open(from).await?;
            // What goes on in the middle is verified by the registry alone, as all of it is at the end.
            let bytes = if from == 0 { checked(bytes, digest.clone()) } else { bytes };
            match self.stream(place, &base, next.clone(), (from, size), digest, bytes).await {
                Ok(sent) if sent.status.is_success() => {
                    next = Self::next(place, &base, &sent)?;
                    break;
                }
                Ok(sent) => return Err(self.not_taken(place, &sent).await),
                Err(failure) if tries < self.inner.transport.patience.retries && failure.is_of_the_line() => {
                    tries += 1;
                    let Some((reached, url)) = self.reached(place, &base, &next).await? else { return Err(failure) };
                    tracing::info!("{}: {failure}; going on at byte {reached}", endpoint.domain);
                    (from, next) = (reached, url);
                }
                Err(failure) => return Err(failure),
            }
        }
        let mut last = next;
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
        (from, size): (u64, u64),
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
        let bytes = bytes.inspect(move |item| {
            if let Err(error) = item {
                let mut noted = noted.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
                *noted = Some((error.kind(), error.to_string()));
            }
        });
        let body = reqwest::Body::wrap_stream(bytes);
        let host = &endpoint.host;
        let sent =
            self.inner.transport.upload(&host.server, host.ca.as_ref(), &question, body, (from, size - from)).await;
        let trouble = trouble.lock().unwrap_or_else(std::sync::PoisonError::into_inner).take();
        match trouble {
            None => sent,
            Some((io::ErrorKind::InvalidData, reason)) => {
                Err(Failure::new(&codes::DIGEST_MISMATCH, format!("{digest} could not be read: {reason}"))
                    .help("push the image again where it comes from"))
            }
            Some((_, reason)) => {
                Err(Failure::new(&codes::REGISTRY_FAILED, format!("{digest} could not be read: {reason}"))
                    .help("run the same again: what was copied is not copied again"))
            }
        }
    }

    /// How much of an upload a registry has, and where it goes on; `None` where it has forgotten it.
    async fn reached(&self, place: &Place, base: &Url, upload: &Url) -> Result<Option<(u64, Url)>, Failure> {
        let question = Question::plain(Method::GET, upload.clone(), None, None, LARGEST_ERROR);
        let answer = self.ask_at(place, base, question).await?;
        if !answer.status.is_success() {
            return Ok(None);
        }
        // `0-0` is what is said of nothing.
        let last = answer.header("range").and_then(|range| range.rsplit('-').next()?.trim().parse::<u64>().ok());
        let reached = last.map_or(0, |last| if last == 0 { 0 } else { last + 1 });
        let next = if answer.header("location").is_some() { Self::next(place, base, &answer)? } else { upload.clone() };
        Ok(Some((reached, next)))
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

    /// The manifests that refer to a digest, as the registry lists them; `None` where it keeps no such list.
    pub(in crate::image) async fn referrers(&self, place: &Place, digest: &Digest) -> Result<Option<Json>, Failure> {
        let url = self.url(&place.endpoint, &format!("referrers/{digest}")).await?;
        let question = Question::plain(Method::GET, url, Some(manifest::ACCEPT), None, manifest::LARGEST_MANIFEST);
        let answer = self.ask(&place.endpoint, &place.scope, question).await?;
        let index = answer.status.is_success().then(|| serde_json::from_slice::<Json>(&answer.body).ok()).flatten();
        Ok(index.filter(|index| index.get("manifests").is_some_and(Json::is_array)))
    }
}
