//! Taking something large out of a registry, as it comes.

use std::{io, pin::Pin};

use futures_util::{Stream, StreamExt as _, stream};
use reqwest::{Method, Response, StatusCode, header};
use tokio::time::Instant;

use super::{
    super::{Digest, Failure, Reference, codes, digest::Hasher},
    Endpoint, Registries,
    transport::{Answer, LARGEST_ERROR, Question},
};

/// Bytes as they come.
pub(in crate::image) type Bytes = Pin<Box<dyn Stream<Item = io::Result<Vec<u8>>> + Send>>;

/// A blob that is being read. A line that breaks goes on where it was.
struct Reading {
    registries: Registries,
    endpoint: Endpoint,
    digest: Digest,
    response: Response,
    /// How many bytes were given, and those that were left out before them.
    at: u64,
    /// How many of those that come were given already.
    skip: u64,
    tries: usize,
}

impl Registries {
    /// A blob from its byte `from` on; whoever takes it verifies it.
    pub(in crate::image) async fn blob_stream(
        &self,
        reference: &Reference,
        digest: &Digest,
        from: u64,
    ) -> Result<Bytes, Failure> {
        self.anywhere(reference, |endpoint| async move {
            let (response, start) = self.open(&endpoint, digest, from).await?;
            let reading = Reading {
                registries: self.clone(),
                endpoint,
                digest: digest.clone(),
                response,
                at: from,
                skip: from - start,
                tries: 0,
            };
            let bytes: Bytes = Box::pin(stream::unfold(Some(reading), |reading| async { reading?.next().await }));
            Ok(bytes)
        })
        .await
    }

    /// Opens a blob at a byte, and says at which the answer begins: registries may begin anew.
    async fn open(&self, endpoint: &Endpoint, digest: &Digest, from: u64) -> Result<(Response, u64), Failure> {
        let mut tries = 0;
        loop {
            let url = self.url(endpoint, &format!("blobs/{digest}")).await?;
            let deadline = Instant::now() + self.inner.transport.patience.deadline;
            let mut question = Question::plain(Method::GET, url.clone(), None, None, LARGEST_ERROR);
            question.from = from;
            question.authorization = self.authorization(endpoint, &endpoint.pull(), None, deadline).await?;
            let host = &endpoint.host;
            let response = self.inner.transport.open(&host.server, host.ca.as_ref(), &question).await?;
            let status = response.status();
            if status == StatusCode::PARTIAL_CONTENT {
                let range = response.headers().get(header::CONTENT_RANGE).and_then(|range| range.to_str().ok());
                if range.and_then(begins) != Some(from) {
                    let message = format!("{} sends another part than was asked for", endpoint.domain);
                    return Err(Failure::new(&codes::REGISTRY_FAILED, message).help("try again later"));
                }
                return Ok((response, from));
            }
            if status.is_success() {
                return Ok((response, 0));
            }
            if status.as_u16() != 401 || tries > 0 {
                let headers = response.headers().clone();
                let answer = Answer { status, headers, body: Vec::new(), elsewhere: None };
                return Err(self.refused(endpoint, &answer, digest.as_str()).await);
            }
            // The way in is learnt by asking for nothing large.
            tries += 1;
            self.ask(endpoint, &endpoint.pull(), Question::plain(Method::HEAD, url, None, None, 0)).await?;
        }
    }
}

/// The first byte of `bytes 100-199/200`.
fn begins(range: &str) -> Option<u64> {
    range.trim().strip_prefix("bytes")?.trim().split('-').next()?.parse().ok()
}

impl Reading {
    async fn next(mut self) -> Option<(io::Result<Vec<u8>>, Option<Self>)> {
        let idle = self.registries.inner.transport.idle();
        loop {
            let reason = match tokio::time::timeout(idle, self.response.chunk()).await {
                Ok(Ok(Some(piece))) => {
                    let known = usize::try_from(self.skip).unwrap_or(usize::MAX).min(piece.len());
                    self.skip -= known as u64;
                    let Some(piece) = piece.get(known..).filter(|piece| !piece.is_empty()) else { continue };
                    self.at += piece.len() as u64;
                    return Some((Ok(piece.to_vec()), Some(self)));
                }
                Ok(Ok(None)) => return None,
                Ok(Err(_)) => "the line broke off",
                Err(_) => "nothing came any more",
            };
            let patience = self.registries.inner.transport.patience;
            if self.tries == patience.retries {
                return Some((Err(io::Error::other(reason)), None));
            }
            tokio::time::sleep(patience.pause).await;
            self.tries += 1;
            tracing::info!("{}: {reason}; going on at byte {}", self.endpoint.domain, self.at);
            match self.registries.open(&self.endpoint, &self.digest, self.at).await {
                Ok((response, start)) => (self.response, self.skip) = (response, self.at - start),
                Err(failure) => return Some((Err(io::Error::other(failure.to_string())), None)),
            }
        }
    }
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
