//! The store that agents fetch files from: what is put there is there.

use reqwest::Method;

use super::connection::Connection;
use crate::{
    platform::{Failure, FailureKind},
    value::Masked,
};

fn refused(address: &str, code: u16, doing: &str) -> Failure {
    let kind = if matches!(code, 401 | 403) { FailureKind::Forbidden } else { FailureKind::Other };
    let text =
        format!("cannot {doing} {address}: the store answers with status {code}; check `files` under `marathon`");
    Failure::new(kind, Masked::words(text))
}

/// What is at an address; `None` when nothing is.
pub(super) async fn read(connection: &Connection, address: &str) -> Result<Option<Vec<u8>>, Failure> {
    match connection.elsewhere(Method::GET, address, None).await? {
        (200..=299, content) => Ok(Some(content)),
        (404 | 410, _) => Ok(None),
        (code, _) => Err(refused(address, code, "read")),
    }
}

/// Puts a file.
pub(super) async fn put(connection: &Connection, address: &str, content: Vec<u8>) -> Result<(), Failure> {
    match connection.elsewhere(Method::PUT, address, Some(content)).await? {
        (200..=299, _) => Ok(()),
        (code, _) => Err(refused(address, code, "put")),
    }
}

/// Removes a file; no error when there is none.
pub(super) async fn remove(connection: &Connection, address: &str) -> Result<(), Failure> {
    match connection.elsewhere(Method::DELETE, address, None).await? {
        (200..=299 | 404 | 410, _) => Ok(()),
        (code, _) => Err(refused(address, code, "remove")),
    }
}
