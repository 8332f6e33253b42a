//! What goes wrong between us and an API server, in words that say what to do.

use std::path;

use kube::{client::AuthError, config::KubeconfigError};
use serde_json::Value as Json;

use super::{ClusterSettings, transport::RefusedToSend};
use crate::{
    causes::{NoAnswer, causes},
    platform::{Failure, FailureKind, Refusal},
    value::{Masked, Path, Secrets},
};

/// A refusal of the server, as its `Status` tells it.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(super) struct Status {
    pub(super) code: u16,
    /// `NotFound`, `Forbidden`, `Conflict`, `Invalid`, `AlreadyExists`, …
    pub(super) reason: Box<str>,
    pub(super) message: Box<str>,
    pub(super) causes: Vec<StatusCause>,
}

/// One of several reasons of a refusal.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct StatusCause {
    pub(super) reason: Box<str>,
    pub(super) message: Box<str>,
    pub(super) field: Box<str>,
}

impl Status {
    /// From the body of an answer; what is no `Status` leaves the code alone.
    pub(super) fn read(code: u16, body: &Json) -> Self {
        let text = |json: &Json, name: &str| Box::from(json.get(name).and_then(Json::as_str).unwrap_or_default());
        let causes = body.pointer("/details/causes").and_then(Json::as_array).map(Vec::as_slice).unwrap_or_default();
        Self {
            code,
            reason: text(body, "reason"),
            message: text(body, "message"),
            causes: causes
                .iter()
                .map(|cause| StatusCause {
                    reason: text(cause, "reason"),
                    message: text(cause, "message"),
                    field: text(cause, "field"),
                })
                .collect(),
        }
    }

    /// No right by the server's rules of access, as against an object that an admission rule refuses.
    pub(super) fn is_no_right(&self) -> bool {
        self.code == 403 && self.message.contains(" cannot ") && self.message.contains("User ")
    }

    /// Somebody changed the object in between.
    pub(super) fn is_outrun(&self) -> bool {
        self.code == 409 && self.causes.iter().all(|cause| &*cause.reason != "FieldManagerConflict")
    }

    /// As a refusal of one object in a plan.
    pub(super) fn refusal(&self, secrets: &Secrets) -> Refusal {
        let immutable: Vec<Path> = self
            .causes
            .iter()
            .filter(|cause| is_immutable(&cause.message))
            .map(|cause| parse_field(&cause.field))
            .collect();
        if !immutable.is_empty() {
            return Refusal::Immutable(immutable);
        }
        if is_immutable(&self.message) {
            return Refusal::Immutable(vec![Path::root()]);
        }
        if self.code == 409 && !self.causes.is_empty() {
            let path = |cause: &StatusCause| (parse_field(&cause.field), secrets.scrub(&cause.message));
            return Refusal::Conflict(self.causes.iter().map(path).collect());
        }
        let message = secrets.scrub(&self.message);
        if self.code == 403 && self.message.contains("exceeded quota") {
            return Refusal::Quota(message);
        }
        Refusal::Invalid(message)
    }
}

/// Whether an answer is about a field that no schema has. Server-side apply says so as an internal error.
pub(super) fn is_untypable(code: u16, text: &str) -> bool {
    code == 500 && text.contains("failed to create typed patch object")
}

fn is_immutable(message: &str) -> bool {
    ["immutable", "may not change once set", "updates to statefulset spec for fields other than"]
        .iter()
        .any(|words| message.contains(words))
}

/// `spec.template.spec.containers[0].image`, `metadata.annotations[a.b/c]` and `.spec.replicas` as paths.
pub(super) fn parse_field(field: &str) -> Path {
    let mut steps: Vec<String> = Vec::new();
    let mut rest = field;
    while !rest.is_empty() {
        if let Some(inner) = rest.strip_prefix('[') {
            let (step, after) = inner.split_once(']').unwrap_or((inner, ""));
            steps.push(step.trim_matches('"').to_owned());
            rest = after;
        } else {
            rest = rest.strip_prefix('.').unwrap_or(rest);
            let end = rest.find(['.', '[']).unwrap_or(rest.len());
            let (step, after) = rest.split_at(end);
            if !step.is_empty() {
                steps.push(step.to_owned());
            }
            if step.is_empty() && !after.starts_with(['[', '.']) {
                break;
            }
            rest = after;
        }
    }
    Path::new(steps)
}

/// The text of a `Warning` header: `299 - "text"`.
pub(super) fn warning(header: &str) -> Option<String> {
    let quoted = header.split_once('"')?.1;
    let text = quoted.rsplit_once('"').map_or(quoted, |(text, _)| text);
    Some(text.replace("\\\"", "\""))
}

/// A server that does not take our credentials.
pub(super) fn unauthorized(server: &str) -> Failure {
    let text = format!(
        "{server} does not accept the credentials of this context; they may have expired: log in again, or check the context"
    );
    Failure::new(FailureKind::Forbidden, Masked::words(text))
}

/// A refusal of the server to do something.
pub(super) fn refused(server: &str, status: &Status, doing: &str, secrets: &Secrets) -> Failure {
    let said = secrets.scrub(&status.message);
    let (kind, text) = match status.code {
        401 => return unauthorized(server),
        403 if status.is_no_right() => (
            FailureKind::Forbidden,
            format!("no right to {doing} at {server}: {said}; ask for that right, or use another context"),
        ),
        403 if status.message.contains("exceeded quota") => {
            (FailureKind::Invalid, format!("cannot {doing}: {said}; raise the quota, or ask for less"))
        }
        404 => (FailureKind::Other, format!("cannot {doing}: {said}")),
        409 if status.is_outrun() => (
            FailureKind::Conflict,
            format!("cannot {doing}: somebody else changed it in the meantime ({said}); plan again"),
        ),
        409 => (FailureKind::Conflict, format!("cannot {doing}: {said}")),
        400 | 403 | 413 | 415 | 422 => (FailureKind::Invalid, format!("cannot {doing}: {said}")),
        429 => (FailureKind::Unreachable, format!("cannot {doing}: {server} is overloaded; try again later")),
        500 if is_untypable(500, &status.message) => (FailureKind::Invalid, format!("cannot {doing}: {said}")),
        500..=599 => {
            let said = if said.as_str().is_empty() { String::new() } else { format!(" ({said})") };
            (
                FailureKind::Unreachable,
                format!("cannot {doing}: {server} answers with status {}{said}; try again later", status.code),
            )
        }
        code => (FailureKind::Other, format!("cannot {doing}: {server} answers with status {code}: {said}")),
    };
    // Every foreign part has been searched for secrets already.
    Failure::new(kind, Masked::words(text))
}

/// No answer: which of the many reasons it is.
pub(super) fn connection(server: &str, error: &kube::Error, secrets: &Secrets) -> Failure {
    if let kube::Error::Auth(auth) = error {
        return credentials(server, auth);
    }
    let refused = causes(error).find_map(|cause| cause.downcast_ref::<RefusedToSend>());
    if let Some(refused) = refused {
        return Failure::new(FailureKind::Other, Masked::words(refused.to_string()));
    }
    if let Some(auth) = causes(error).find_map(|cause| cause.downcast_ref()) {
        return credentials(server, auth);
    }
    let unreachable = |what: &str| Failure::new(FailureKind::Unreachable, Masked::words(format!("{server} {what}")));
    match NoAnswer::of(error) {
        NoAnswer::Encryption(tls) => encrypted(server, tls),
        NoAnswer::Refused => {
            unreachable("refuses the connection; check that the cluster runs and that the context names its address")
        }
        NoAnswer::TooLate => unreachable("cannot be reached in time; check the network, a proxy or a VPN"),
        NoAnswer::Broken => {
            unreachable("breaks the connection; check that it speaks TLS and that no proxy is in the way")
        }
        NoAnswer::NoAddress => {
            unreachable("has no address that can be found; check the host name in the kubeconfig, and the network")
        }
        NoAnswer::Other(words) => {
            let words =
                secrets.scrub(&Some(words).filter(|words| !words.is_empty()).unwrap_or_else(|| error.to_string()));
            unreachable(&format!("cannot be reached ({words}); check that the cluster runs and is reachable from here"))
        }
    }
}

fn encrypted(server: &str, error: &rustls::Error) -> Failure {
    use rustls::CertificateError as Certificate;
    let what = match error {
        rustls::Error::InvalidCertificate(certificate) => match certificate {
            Certificate::UnknownIssuer => {
                "shows a certificate of an unknown authority; check certificate-authority in the kubeconfig: this may be another cluster"
            }
            Certificate::Expired | Certificate::ExpiredContext { .. } => {
                "shows a certificate that has expired; renew it on the cluster"
            }
            Certificate::NotValidForName | Certificate::NotValidForNameContext { .. } => {
                "shows a certificate for another name; check the address in the kubeconfig, or set tls-server-name"
            }
            _ => "shows a certificate that cannot be trusted; check certificate-authority in the kubeconfig",
        },
        rustls::Error::AlertReceived(_) => {
            "ends the encrypted connection; check the client certificate of this context: it may have expired"
        }
        _ => "does not speak TLS as expected; check the address in the kubeconfig",
    };
    Failure::new(FailureKind::Other, Masked::words(format!("{server} {what}")))
}

/// Credentials that could not be had. What a login program printed may hold a token: it is not repeated.
fn credentials(server: &str, error: &AuthError) -> Failure {
    let what = match error {
        AuthError::AuthExecRun { cmd, out } => {
            format!("the login program `{cmd}` of this context failed ({}); run it by hand to see why", out.status)
        }
        AuthError::AuthExecStart(error) => {
            format!(
                "the login program of this context cannot be started ({}); install it, or check its path",
                error.kind()
            )
        }
        AuthError::ReadTokenFile(error, path) => {
            format!("the token file {} cannot be read ({})", path.display(), error.kind())
        }
        _ => "the credentials of this context cannot be used; log in again".to_owned(),
    };
    Failure::new(FailureKind::Forbidden, Masked::words(format!("no credentials for {server}: {what}")))
}

/// A kubeconfig that cannot be used.
pub(super) fn kubeconfig(path: Option<&path::Path>, error: &KubeconfigError, settings: &ClusterSettings) -> Failure {
    let files: Vec<_> = match path {
        Some(path) => vec![path.display().to_string()],
        None => settings.kubeconfig.iter().map(|path| path.display().to_string()).collect(),
    };
    let files = files.join(", ");
    let text = match error {
        KubeconfigError::CurrentContextNotSet => {
            format!("{files} has no current context; name one with --context, or in transship.yaml")
        }
        KubeconfigError::LoadContext(name) => {
            format!("{files} has no context `{name}`; `kubectl config get-contexts` lists those there are")
        }
        KubeconfigError::LoadClusterOfContext(name) => {
            format!("{files}: the context names the cluster `{name}`, which is not there")
        }
        KubeconfigError::ReadConfig(error, path) => format!("{} cannot be read ({})", path.display(), error.kind()),
        // The parser quotes what it read, and there are keys in there.
        KubeconfigError::Parse(_) => format!("{files} is no kubeconfig: it is not valid YAML of that shape"),
        KubeconfigError::MissingClusterUrl => format!("{files}: the cluster of the context has no server"),
        KubeconfigError::ParseClusterUrl(_) => format!("{files}: the server of the context is no URL"),
        KubeconfigError::ParseProxyUrl(_) => format!("{files}: the proxy of the context is no URL"),
        KubeconfigError::LoadCertificateAuthority(_) | KubeconfigError::ParseCertificates(_) => {
            format!("{files}: the certificate authority of the context cannot be read")
        }
        KubeconfigError::LoadClientCertificate(_) | KubeconfigError::LoadClientKey(_) => {
            format!("{files}: the client certificate of the context cannot be read")
        }
        _ => format!("{files} cannot be used"),
    };
    Failure::new(FailureKind::Other, Masked::words(text))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn fields_become_paths() {
        for (field, shown) in [
            ("spec.template.spec.containers[0].image", "spec.template.spec.containers[0].image"),
            (".spec.replicas", "spec.replicas"),
            ("metadata.annotations[a.b/c]", "metadata.annotations[\"a.b/c\"]"),
            ("spec", "spec"),
            ("", ""),
            ("spec..x", "spec.x"),
            ("a[0", "a[0]"),
        ] {
            assert_eq!(parse_field(field).to_string(), shown, "{field}");
        }
    }

    #[test]
    fn refusals_of_objects() {
        let secrets = Secrets::default();
        let read = |code, body| Status::read(code, &body).refusal(&secrets);
        let immutable = read(
            422,
            json!({"reason": "Invalid", "message": "Deployment \"web\" is invalid", "details": {"causes": [
                {"reason": "FieldValueInvalid", "message": "Invalid value: …: field is immutable", "field": "spec.selector"}]}}),
        );
        assert_eq!(immutable, Refusal::Immutable(vec![Path::new(["spec", "selector"])]));
        let quota = read(
            403,
            json!({"reason": "Forbidden", "message": "pods \"a\" is forbidden: exceeded quota: q, requested: pods=1"}),
        );
        assert!(matches!(quota, Refusal::Quota(_)), "{quota:?}");
        let admission =
            read(403, json!({"reason": "Forbidden", "message": "pods \"a\" is forbidden: violates PodSecurity"}));
        assert!(matches!(admission, Refusal::Invalid(_)), "{admission:?}");
        let strict = read(
            400,
            json!({"reason": "BadRequest", "message": "strict decoding error: unknown field \"spec.replica\""}),
        );
        assert!(matches!(strict, Refusal::Invalid(_)), "{strict:?}");
    }

    #[test]
    fn no_right_is_told_from_admission() {
        let status = |message: &str| Status { code: 403, message: message.into(), ..Status::default() };
        assert!(
            status("secrets is forbidden: User \"reader\" cannot list resource \"secrets\" in API group").is_no_right()
        );
        assert!(!status("pods \"a\" is forbidden: exceeded quota: q").is_no_right());
    }

    #[test]
    fn warnings_are_read() {
        assert_eq!(warning("299 - \"policy/v1beta1 is \\\"old\\\"\"").as_deref(), Some("policy/v1beta1 is \"old\""));
    }
}
