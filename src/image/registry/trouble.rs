//! Why one exchange failed, in words of our own, and whether another try may go better.
#![allow(clippy::disallowed_methods, reason = "the clock that Retry-After speaks of")]

use std::time::{Duration, SystemTime};

use reqwest::{StatusCode, header};

use super::{
    super::{Failure, codes},
    notices::Quota,
    transport::{Answer, Server},
};
use crate::{
    causes::{NoAnswer, causes},
    compose::units,
};

/// Why one try failed.
pub(super) struct Trouble {
    pub(super) failure: Failure,
    pub(super) again: bool,
}

pub(super) fn is_temporary(status: StatusCode) -> bool {
    matches!(status.as_u16(), 408 | 429 | 499 | 500 | 502 | 503 | 504 | 522)
}

pub(super) fn temporary(server: &Server, answer: &Answer, asked: Option<Duration>) -> Failure {
    let name = &server.name;
    let status = answer.status.as_u16();
    if status != 429 {
        return Failure::new(
            &codes::REGISTRY_FAILED,
            format!("{name} failed with {status}, and again when asked again"),
        )
        .help("try again later");
    }
    let when = asked.map_or_else(
        || "for now".to_owned(),
        |asked| match asked.as_secs() {
            0 => "for a moment".to_owned(),
            1 => "for a second".to_owned(),
            _ => format!("for {}", seconds(asked)),
        },
    );
    let quota = Quota::of(answer).map(|quota| format!(" ({quota} left)")).unwrap_or_default();
    Failure::new(&codes::RATE_LIMITED, format!("{name} takes no more requests {when}{quota}"))
        .help("wait until then, log in for a higher limit, or use a mirror")
}

/// Whole seconds as people write them.
pub(super) fn seconds(time: Duration) -> String {
    units::duration_text(i64::try_from(time.as_secs()).unwrap_or(0).saturating_mul(1_000_000_000))
}

/// `Retry-After`: seconds or a date.
pub(super) fn retry_after(answer: &Answer) -> Option<Duration> {
    let text = answer.header(header::RETRY_AFTER.as_str())?;
    if let Ok(seconds) = text.parse() {
        return Some(Duration::from_secs(seconds));
    }
    let date = httpdate::parse_http_date(text).ok()?;
    Some(date.duration_since(SystemTime::now()).unwrap_or_default())
}

pub(super) fn timed_out(server: &Server, after: Duration) -> Failure {
    let message = format!("{} did not answer within {after:?}", server.name);
    Failure::new(&codes::TIMED_OUT, message).help("check the network between here and there, and try again")
}

pub(super) fn unsafe_place(server: &Server, place: &str) -> Failure {
    Failure::new(&codes::UNSAFE, format!("{} leads to {place}", server.name))
        .help("tell those who run the registry; nothing was sent there")
}

/// An exchange that did not come to an answer.
pub(super) fn broken(server: &Server, error: &reqwest::Error) -> Trouble {
    let name = &server.name;
    let again = |failure| Trouble { failure, again: true };
    let last = |failure| Trouble { failure, again: false };
    if let Some(tls) = tls_error(error) {
        let failure = match tls {
            rustls::Error::InvalidCertificate(reason) => {
                let why = match reason {
                    rustls::CertificateError::Expired | rustls::CertificateError::ExpiredContext { .. } => {
                        "it has expired"
                    }
                    rustls::CertificateError::NotValidForName
                    | rustls::CertificateError::NotValidForNameContext { .. } => "it is for another name",
                    rustls::CertificateError::UnknownIssuer => "nobody here vouches for it",
                    _ => "it is not valid",
                };
                Failure::new(&codes::TLS, format!("the certificate of {name} is not accepted: {why}"))
                    .help("name the certificate of your authority as `ca` under `images.sources`")
            }
            rustls::Error::AlertReceived(
                rustls::AlertDescription::CertificateRequired
                | rustls::AlertDescription::BadCertificate
                | rustls::AlertDescription::HandshakeFailure,
            ) => Failure::new(
                &codes::TLS,
                format!("{name} refuses the connection, as one that wants a certificate does"),
            )
            .help("clients with certificates of their own are not spoken for here: use a mirror, or a layout"),
            rustls::Error::InvalidMessage(_) => Failure::new(&codes::TLS, format!("{name} does not speak HTTPS"))
                .help("mark it `insecure` under `images.sources` if it speaks plain HTTP"),
            _ => Failure::new(&codes::TLS, format!("no secure connection to {name}"))
                .help("check which versions of TLS it speaks"),
        };
        return last(failure);
    }
    if error.is_timeout() {
        let failure = Failure::new(&codes::TIMED_OUT, format!("{name} did not answer in time"));
        return again(failure.help("check the network between here and there, and try again"));
    }
    if error.is_connect() {
        let why = NoAnswer::of(error);
        let message = match why {
            NoAnswer::NoAddress => format!("there is no host of the name of {name}, or it cannot be looked up"),
            NoAnswer::Refused => format!("nothing listens at {name}"),
            _ => format!("{name} cannot be reached"),
        };
        let failure = Failure::new(&codes::UNREACHABLE, message)
            .help("check the name of the registry, the network, and the settings of your proxy");
        return Trouble { failure, again: !matches!(why, NoAnswer::NoAddress) };
    }
    again(
        Failure::new(&codes::REGISTRY_FAILED, format!("{name} broke off in the middle of an answer"))
            .help("try again later"),
    )
}

fn tls_error(error: &reqwest::Error) -> Option<&rustls::Error> {
    causes(error).find_map(|cause| cause.downcast_ref::<rustls::Error>())
}

/// Whether a failure to connect may be that the server speaks plain HTTP.
pub(super) fn speaks_no_tls(failure: &Failure) -> bool {
    failure.code == &codes::TLS && failure.message.ends_with("does not speak HTTPS")
}
