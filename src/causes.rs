//! What is behind an error.

use std::{error::Error, io, iter::successors};

/// The causes of an error. One that is wrapped as an error of input and output is its cause, which `source`
/// would pass over.
pub(crate) fn causes<'a>(error: &'a (dyn Error + 'static)) -> impl Iterator<Item = &'a (dyn Error + 'static)> {
    successors(error.source(), |&cause| {
        let inside = cause.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
        inside.map(|inside| inside as &(dyn Error + 'static)).or_else(|| cause.source())
    })
}

/// Why a server gave no answer.
#[derive(Debug)]
pub(crate) enum NoAnswer<'e> {
    /// No encrypted connection came about.
    Encryption(&'e rustls::Error),
    /// Nothing listens there.
    Refused,
    /// Not in time.
    TooLate,
    /// The connection ended in the middle.
    Broken,
    /// Its name has no address.
    NoAddress,
    /// The words of the innermost cause; none where there is no cause.
    Other(String),
}

impl<'e> NoAnswer<'e> {
    /// By the causes of an error.
    pub(crate) fn of(error: &'e (dyn Error + 'static)) -> Self {
        let mut last = String::new();
        for cause in causes(error) {
            if let Some(tls) = cause.downcast_ref() {
                return Self::Encryption(tls);
            }
            match cause.downcast_ref().map(io::Error::kind) {
                Some(io::ErrorKind::ConnectionRefused) => return Self::Refused,
                Some(io::ErrorKind::TimedOut) => return Self::TooLate,
                Some(io::ErrorKind::ConnectionReset | io::ErrorKind::BrokenPipe | io::ErrorKind::UnexpectedEof) => {
                    return Self::Broken;
                }
                _ => {}
            }
            last = cause.to_string();
            if last.contains("failed to lookup address") || last.contains("dns error") {
                return Self::NoAddress;
            }
        }
        Self::Other(last)
    }
}
