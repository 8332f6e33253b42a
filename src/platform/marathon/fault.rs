//! What goes wrong, and what to do about it.

use std::time::Duration;

use serde_json::Value as Json;

use crate::{
    causes::NoAnswer,
    platform::{Failure, FailureKind},
    value::{Masked, Secrets},
};

/// An answer that is no success.
#[derive(Clone, Debug, Default)]
pub(super) struct Status {
    pub(super) code: u16,
    pub(super) message: String,
    /// Path and words of each thing that is not valid.
    pub(super) details: Vec<(String, String)>,
    /// Deployments that lock what was to be changed.
    pub(super) deployments: Vec<String>,
}

impl Status {
    pub(super) fn read(code: u16, body: &Json) -> Self {
        let text = |json: &Json, name: &str| json.get(name).and_then(Json::as_str).unwrap_or_default().to_owned();
        let list = |name: &str| body.get(name).and_then(Json::as_array).cloned().unwrap_or_default();
        let details = list("details").into_iter().map(|one| {
            let errors = one.get("errors").and_then(Json::as_array).into_iter().flatten().filter_map(Json::as_str);
            (text(&one, "path"), errors.collect::<Vec<_>>().join(", "))
        });
        Self {
            code,
            message: text(body, "message"),
            details: details.collect(),
            deployments: list("deployments").iter().map(|one| text(one, "id")).collect(),
        }
    }

    /// Everything it says, in one line.
    pub(super) fn words(&self) -> String {
        let details: Vec<String> = self.details.iter().map(|(path, words)| format!("{path}: {words}")).collect();
        match (self.message.is_empty(), details.is_empty()) {
            (_, true) => self.message.clone(),
            (true, false) => details.join("; "),
            (false, false) => format!("{} ({})", self.message.trim_end_matches('.'), details.join("; ")),
        }
    }

    /// Whether another deployment is at work on what was to be changed.
    pub(super) fn is_locked(&self) -> bool {
        self.code == 409 && !self.deployments.is_empty()
    }
}

/// A server that does not take our credentials.
pub(super) fn unauthorized(server: &str) -> Failure {
    let text = format!(
        "{server} does not accept who we are; log in with `dcos auth login`, or set DCOS_ACS_TOKEN to a token that has not expired"
    );
    Failure::new(FailureKind::Forbidden, Masked::words(text))
}

/// No answer in time.
pub(super) fn silent(server: &str, within: Duration) -> Failure {
    let seconds = within.as_secs().max(1);
    let text = format!("{server} does not answer within {seconds} s; check that it runs and is reachable from here");
    Failure::new(FailureKind::Unreachable, Masked::words(text))
}

/// A deployment of somebody else that has to end first.
pub(super) fn locked(deployments: &[String], what: &str) -> Failure {
    let ids = deployments.join(", ");
    let text = format!(
        "{what} is locked by the deployment {ids} of somebody else; wait until it ends, or end it with `dcos marathon deployment rollback {ids}`"
    );
    Failure::new(FailureKind::Locked, Masked::words(text))
}

/// A refusal of the server to do something.
pub(super) fn refused(server: &str, status: &Status, doing: &str, secrets: &Secrets) -> Failure {
    let said = secrets.scrub(&status.words());
    if status.is_locked() {
        return locked(&status.deployments, &format!("cannot {doing}: it"));
    }
    let (kind, text) = match status.code {
        401 => return unauthorized(server),
        403 if status.message.contains("running deployments") => {
            (FailureKind::Unreachable, format!("cannot {doing}: {said}; try again when fewer deployments go on"))
        }
        403 => (
            FailureKind::Forbidden,
            format!("no right to {doing} at {server}: {said}; ask for that right, or log in as somebody else"),
        ),
        404 => (FailureKind::Other, format!("cannot {doing}: {said}")),
        409 => (FailureKind::Conflict, format!("cannot {doing}: {said}")),
        400 | 422 => (FailureKind::Invalid, format!("cannot {doing}: {said}")),
        301 | 302 | 307 | 308 => (
            FailureKind::Other,
            format!(
                "cannot {doing}: {server} leads elsewhere; check the address, and write https:// where it is meant"
            ),
        ),
        500..=599 => {
            let said = if said.is_empty() { String::new() } else { format!(" ({said})") };
            let text = format!("cannot {doing}: {server} answers with status {}{said}; try again later", status.code);
            (FailureKind::Unreachable, text)
        }
        code => (FailureKind::Other, format!("cannot {doing}: {server} answers with status {code}: {said}")),
    };
    // Every foreign part has been searched for secrets already.
    Failure::new(kind, Masked::words(text))
}

/// No answer: which of the many reasons it is.
pub(super) fn connection(server: &str, error: &reqwest::Error, secrets: &Secrets) -> Failure {
    let unreachable = |what: &str| Failure::new(FailureKind::Unreachable, Masked::words(format!("{server} {what}")));
    match NoAnswer::of(error) {
        NoAnswer::Encryption(tls) => encrypted(server, tls),
        NoAnswer::Refused => unreachable("refuses the connection; check that it runs and that the address is right"),
        NoAnswer::TooLate => unreachable("cannot be reached in time; check the network, a proxy or a VPN"),
        NoAnswer::Broken => unreachable("breaks the connection; check that it runs and that no proxy is in the way"),
        NoAnswer::NoAddress => unreachable("has no address that can be found; check the host name, and the network"),
        NoAnswer::Other(words) if words.is_empty() => {
            unreachable("ends the connection in the middle; check that it runs")
        }
        NoAnswer::Other(words) => {
            let words = secrets.scrub(&words);
            unreachable(&format!("cannot be reached ({words}); check that it runs and is reachable from here"))
        }
    }
}

fn encrypted(server: &str, error: &rustls::Error) -> Failure {
    let what = match error {
        rustls::Error::InvalidCertificate(_) => {
            "shows a certificate that cannot be trusted; set `ca` under `marathon` to its authority"
        }
        _ => "does not speak TLS as expected; check the address",
    };
    Failure::new(FailureKind::Other, Masked::words(format!("{server} {what}")))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn refusals_say_what_to_do() {
        let told = |code, body| {
            let failure = refused("http://m", &Status::read(code, &body), "write the apps", &Secrets::default());
            (failure.kind, failure.reason.to_string())
        };
        assert_eq!(
            told(
                422,
                json!({"message": "Object is not valid", "details": [{"path": "(0)/cpus", "errors": ["error.min"]}]})
            ),
            (FailureKind::Invalid, "cannot write the apps: Object is not valid ((0)/cpus: error.min)".to_owned())
        );
        assert_eq!(
            told(409, json!({"message": "App is locked", "deployments": [{"id": "d1"}]})),
            (
                FailureKind::Locked,
                "cannot write the apps: it is locked by the deployment d1 of somebody else; wait until it ends, or end it with `dcos marathon deployment rollback d1`".to_owned()
            )
        );
        assert_eq!(told(403, json!({"message": "no"})).0, FailureKind::Forbidden);
    }
}
