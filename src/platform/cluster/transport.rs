//! The transport of the reader: nothing that changes anything gets through it.

use std::{
    fmt,
    pin::Pin,
    task::{Context, Poll},
};

use http::{Method, Request};
use tower::{BoxError, Layer, Service};

/// Lets reads and dry runs through and refuses everything else, below all code that could be mistaken.
#[derive(Clone, Copy, Debug)]
pub(super) struct ReadOnly;

impl<S> Layer<S> for ReadOnly {
    type Service = ReadOnlyService<S>;

    fn layer(&self, inner: S) -> Self::Service {
        ReadOnlyService { inner }
    }
}

/// What [`ReadOnly`] makes of a service.
#[derive(Clone, Debug)]
pub(super) struct ReadOnlyService<S> {
    inner: S,
}

/// A request that the reader does not send.
#[derive(Debug)]
pub(super) struct RefusedToSend {
    method: Method,
}

impl fmt::Display for RefusedToSend {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a {} that is no dry run was about to be sent by a client that only reads", self.method)
    }
}

impl std::error::Error for RefusedToSend {}

impl<S, B> Service<Request<B>> for ReadOnlyService<S>
where
    S: Service<Request<B>, Error = BoxError>,
    S::Future: Send + 'static,
    S::Response: Send + 'static,
{
    type Response = S::Response;
    type Error = BoxError;
    type Future = Pin<Box<dyn Future<Output = Result<S::Response, BoxError>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        if changes_nothing(request.method(), request.uri().query()) {
            Box::pin(self.inner.call(request))
        } else {
            let refused = RefusedToSend { method: request.method().clone() };
            Box::pin(std::future::ready(Err(BoxError::from(refused))))
        }
    }
}

/// Whether a request leaves everything as it is: a read, or a server-side dry run of a change.
fn changes_nothing(method: &Method, query: Option<&str>) -> bool {
    match *method {
        Method::GET => true,
        Method::PATCH | Method::POST => {
            query.is_some_and(|query| query.split('&').filter(|part| part.starts_with("dryRun=")).eq(["dryRun=All"]))
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_reads_and_dry_runs_pass() {
        let cases = [
            (Method::GET, None, true),
            (Method::GET, Some("watch=1"), true),
            (Method::PATCH, Some("fieldManager=transship&dryRun=All"), true),
            (Method::POST, Some("dryRun=All"), true),
            (Method::PATCH, Some("fieldManager=transship"), false),
            (Method::PATCH, Some("dryRun=All&dryRun="), false),
            (Method::PATCH, Some("xdryRun=All"), false),
            (Method::PATCH, None, false),
            (Method::POST, None, false),
            (Method::PUT, Some("dryRun=All"), false),
            (Method::DELETE, Some("dryRun=All"), false),
            (Method::DELETE, None, false),
        ];
        for (method, query, passes) in cases {
            assert_eq!(changes_nothing(&method, query), passes, "{method} {query:?}");
        }
    }
}
