//! What goes wrong between us and an engine.

use std::{io, time::Duration};

use crate::causes::causes;

/// Why an engine did not do what was asked.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum Error {
    /// No engine is meant, or none that can be reached from here.
    #[error("{message}")]
    Address {
        /// What is wrong.
        message: String,
        /// What to do.
        help: String,
    },
    /// Nobody answers, or no connection comes about.
    #[error("the Docker Engine at {place} cannot be reached: {reason}")]
    Unreachable {
        /// The engine.
        place: Box<str>,
        /// Why, as far as it is known.
        reason: &'static str,
    },
    /// It took the request and was silent.
    #[error("the Docker Engine at {place} did not answer within {after:?}")]
    TimedOut {
        /// The engine.
        place: Box<str>,
        /// How long it was waited for.
        after: Duration,
    },
    /// What came is no answer, or not all of one. Whether the engine did what was asked is not known.
    #[error("the Docker Engine at {place} {reason}")]
    Broken {
        /// The engine.
        place: Box<str>,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// Its API is too old.
    #[error("the Docker Engine at {place} speaks version {version} of its API, and {needed} is needed")]
    TooOld {
        /// The engine.
        place: Box<str>,
        /// The newest that it speaks.
        version: Box<str>,
        /// The oldest that is spoken here.
        needed: Box<str>,
    },
    /// It refuses, in words of its own: nothing that a server says is shown before it was searched for secrets.
    #[error("the Docker Engine answers with {status}: {message}")]
    Refused {
        /// The HTTP status.
        status: u16,
        /// What it says.
        message: Box<str>,
    },
    /// It began, and tells in the middle that it failed, in words of its own.
    #[error("the Docker Engine failed: {message}")]
    Failed {
        /// What it says.
        message: Box<str>,
    },
}

impl Error {
    pub(super) fn address(message: impl Into<String>, help: impl Into<String>) -> Self {
        Self::Address { message: message.into(), help: help.into() }
    }

    /// The status of a refusal.
    pub const fn status(&self) -> Option<u16> {
        match self {
            Self::Refused { status, .. } => Some(*status),
            _ => None,
        }
    }

    /// There is no such object.
    pub fn is_missing(&self) -> bool {
        self.status() == Some(404)
    }

    /// Something of that name is there, is in use, or is in another state than this needs.
    pub fn is_conflict(&self) -> bool {
        self.status() == Some(409)
    }

    /// Somebody changed the object since its version was read: a Swarm tells it as a failure of its own.
    pub fn is_out_of_date(&self) -> bool {
        matches!(self, Self::Refused { status: 500, message } if message.contains("update out of sequence"))
    }

    /// What is wrong, and what to do about it where that is known.
    pub fn whole(&self) -> String {
        match self.help() {
            Some(help) => format!("{self}; {help}"),
            None => self.to_string(),
        }
    }

    /// What to do about it, where it is known.
    pub fn help(&self) -> Option<&str> {
        match self {
            Self::Address { help, .. } => Some(help),
            Self::Unreachable { .. } => Some("check that it runs, and DOCKER_HOST or the Docker context in use"),
            Self::TooOld { .. } => Some("use a newer Docker Engine"),
            Self::TimedOut { .. } | Self::Broken { .. } => Some("see what the engine logs, and try again"),
            Self::Refused { .. } | Self::Failed { .. } => None,
        }
    }
}

/// The engine wants a certificate, and there is none.
pub(super) const NO_CERTIFICATE: &str =
    "it wants a certificate; cert.pem and key.pem belong into DOCKER_CERT_PATH, or into the Docker context";
/// The engine does not accept the one it was shown.
pub(super) const NOT_ACCEPTED: &str =
    "it does not accept our certificate; check cert.pem and key.pem in DOCKER_CERT_PATH, or in the Docker context";
/// The engine ends the connection, and its reason did not arrive.
pub(super) const ENDED: &str = "it ends the connection, as one does that does not accept our certificate; check cert.pem \
     and key.pem in DOCKER_CERT_PATH, or in the Docker context";
/// The engine speaks TLS, and was spoken to without.
pub(super) const WANTS_TLS: &str = "it speaks TLS alone; set DOCKER_TLS_VERIFY and DOCKER_CERT_PATH, or use a context";

/// Why no secure connection comes about.
fn insecure(error: &rustls::Error) -> &'static str {
    use rustls::AlertDescription as Alert;
    match error {
        rustls::Error::InvalidCertificate(_) => {
            "its certificate is not accepted; check ca.pem in DOCKER_CERT_PATH, or in the Docker context"
        }
        rustls::Error::AlertReceived(Alert::CertificateRequired) => NO_CERTIFICATE,
        rustls::Error::AlertReceived(
            Alert::BadCertificate
            | Alert::UnsupportedCertificate
            | Alert::CertificateRevoked
            | Alert::CertificateExpired
            | Alert::CertificateUnknown
            | Alert::UnknownCA
            | Alert::AccessDenied
            | Alert::DecryptError,
        ) => NOT_ACCEPTED,
        rustls::Error::InvalidMessage(_) => "it does not speak TLS; check its port, or unset DOCKER_TLS_VERIFY",
        _ => "no secure connection comes about; check the certificates in DOCKER_CERT_PATH, or in the Docker context",
    }
}

/// Why nothing came of an exchange.
pub(super) fn broken(place: &str, within: Duration, error: &reqwest::Error) -> Error {
    let place: Box<str> = place.into();
    if error.is_timeout() {
        return Error::TimedOut { place, after: within };
    }
    // What an engine thinks of a certificate it tells after the connection has come about.
    if let Some(tls) = causes(error).find_map(|cause| cause.downcast_ref::<rustls::Error>()) {
        return Error::Unreachable { place, reason: insecure(tls) };
    }
    if !error.is_connect() {
        return Error::Broken { place, reason: "broke off in the middle of an answer" };
    }
    let kind = causes(error).filter_map(|cause| cause.downcast_ref::<io::Error>()).map(io::Error::kind).last();
    let reason = match kind {
        Some(io::ErrorKind::NotFound) => "there is no such socket",
        Some(io::ErrorKind::PermissionDenied) => "this user may not open its socket",
        Some(io::ErrorKind::ConnectionRefused) => "nothing listens there",
        _ => "no connection comes about",
    };
    Error::Unreachable { place, reason }
}
