//! Registries and what they do wrong.

use std::{sync::Arc, time::Duration};

use futures_util::future::BoxFuture;
use serde_json::json;
use transship::{
    image::{
        CredentialHelpers, CredentialSources, HelperFailure, ImageSettings, Patience, PinMode, Reference, Registries,
        Request, Resolution, SourceKind, SourceRule, pin,
    },
    value::{Located, Secrets, Spot},
};
use wiremock::ResponseTemplate;

use crate::{
    layout::{load, told},
    support::image_layout::{gzip, tar, zstd},
    support::scripted_registry::{Images, Rule, ScriptedRegistry, header},
};

pub(crate) const BOTH: &[&str] = &["linux/amd64", "linux/arm64"];

pub(crate) fn images() -> Images {
    Images::default().with("app", "1", BOTH, &json!({"User": "10001", "ExposedPorts": {"8080/tcp": {}}}))
}

pub(crate) fn honest() -> Rule {
    Box::new(|_, _| None)
}

pub(crate) fn patience() -> Patience {
    Patience {
        attempt: Duration::from_millis(400),
        deadline: Duration::from_secs(10),
        retries: 2,
        pause: Duration::from_millis(5),
        longest_pause: Duration::from_millis(1500),
        per_host: 64,
    }
}

pub(crate) fn inline(host: &str, user: &str, password: &str) -> CredentialSources {
    use base64::Engine as _;
    let auth = base64::engine::general_purpose::STANDARD.encode(format!("{user}:{password}"));
    let text = json!({"auths": {host: {"auth": auth}}}).to_string();
    CredentialSources { inline: Some(text.into()), ..CredentialSources::default() }
}

/// Pins one service per image; what went wrong has the registry's address taken out.
pub(crate) async fn pin_all(images: &[&str], host: &str, registries: &Registries) -> Result<Resolution, String> {
    let services: Vec<String> =
        images.iter().enumerate().map(|(n, image)| format!("  s{n}:\n    image: '{host}/{image}'\n")).collect();
    let services = services.concat();
    let project = load(&[("compose.yaml", &format!("services:\n{services}"))], &[], &[]);
    let settings = ImageSettings::default();
    let request = Request {
        project: &project,
        additional: &[],
        lock: None,
        mode: &PinMode::Missing,
        settings: &settings,
        platforms: &[],
        registries,
    };
    pin(request).await.map_err(|findings| told(&findings, &project.origins).replace(host, "REGISTRY"))
}

pub(crate) async fn pin_one(registry: &ScriptedRegistry, credentials: CredentialSources) -> Result<Resolution, String> {
    let registries = Registries::new(&ImageSettings::default(), credentials, patience());
    pin_all(&["app:1"], &registry.host(), &registries).await
}

/// What the one image is pinned to, or the first line of what went wrong after its place, and the help.
pub(crate) async fn outcome(rule: Rule) -> (String, Vec<String>) {
    let registry = ScriptedRegistry::start(&images(), rule).await;
    let outcome = shown(pin_one(&registry, CredentialSources::default()).await);
    (outcome, registry.seen())
}

pub(crate) fn shown(result: Result<Resolution, String>) -> String {
    match result {
        Ok(resolution) => {
            let digest = resolution.lock.images.values().next().unwrap().digest.value.to_string();
            if digest == images().digest().as_str() { "pinned".to_owned() } else { digest }
        }
        Err(told) => {
            let told = told.strip_prefix("compose.yaml:3:12: ").unwrap_or(&told);
            told.lines().next().unwrap_or_default().replace("image `REGISTRY/app:1`: ", "")
        }
    }
}

pub(crate) fn count(seen: &[String], method: &str) -> usize {
    seen.iter().filter(|call| call.starts_with(method)).count()
}

#[tokio::test]
async fn an_unknown_image_takes_one_head_and_one_get_for_each_part() {
    let registry = ScriptedRegistry::start(&images(), honest()).await;
    let resolution = pin_one(&registry, CredentialSources::default()).await.unwrap();
    let image = resolution.pinned.image_of("s0").unwrap();
    assert_eq!(image.digest, images().digest());
    assert_eq!(*image.reference, format!("{}/app@{}", registry.host(), image.digest));
    assert_eq!(image.configuration.as_ref().unwrap().user.as_deref(), Some("10001"));
    let seen = registry.seen();
    assert_eq!((count(&seen, "HEAD"), count(&seen, "GET")), (1, 3), "{seen:?}");
    assert_eq!(seen.first().map(String::as_str), Some("HEAD /v2/app/manifests/1"));
}

#[tokio::test]
async fn fifty_services_with_one_image_make_one_head() {
    let registry = ScriptedRegistry::start(&images(), honest()).await;
    let registries = Registries::new(&ImageSettings::default(), CredentialSources::default(), patience());
    let all = vec!["app:1"; 50];
    assert_eq!(pin_all(&all, &registry.host(), &registries).await.unwrap().pinned.images().count(), 50);
    assert_eq!(pin_all(&all, &registry.host(), &registries).await.unwrap().lock.images.len(), 1);
    assert_eq!(registry.seen().len(), 4);
}

#[tokio::test]
async fn every_failure_is_said_at_once_and_nothing_is_pinned() {
    let registry = ScriptedRegistry::start(&images(), honest()).await;
    let registries = Registries::new(&ImageSettings::default(), CredentialSources::default(), patience());
    let failure = pin_all(&["app:1", "app:2", "other:1", "app:2"], &registry.host(), &registries).await.map(|_| ());
    assert_eq!(
        failure.unwrap_err(),
        "\
compose.yaml:5:12: image-not-found: image `REGISTRY/app:2`: REGISTRY has no `2` of app (404, MANIFEST_UNKNOWN)
  compose.yaml:9:12: used here as well: services.s3.image
  help: check the name and the tag, and whether it was pushed
compose.yaml:7:12: image-not-found: image `REGISTRY/other:1`: REGISTRY has no `1` of other (404, MANIFEST_UNKNOWN)
  help: check the name and the tag, and whether it was pushed
"
    );
}

/// A rule for the manifest of the tag.
pub(crate) fn at_tag(
    rule: impl Fn(&wiremock::Request, usize) -> Option<ResponseTemplate> + Send + Sync + 'static,
) -> Rule {
    Box::new(
        move |request, before| {
            if request.url.path().ends_with("/manifests/1") { rule(request, before) } else { None }
        },
    )
}

#[tokio::test]
async fn heads_that_say_too_little_are_followed_by_a_get() {
    let digest = images().digest().to_string();
    let kind = "application/vnd.oci.image.index.v1+json";
    for (name, head) in [
        ("no digest", ResponseTemplate::new(200).set_body_raw("", kind)),
        (
            "malformed digest",
            ResponseTemplate::new(200).insert_header("Docker-Content-Digest", "sha256:12").set_body_raw("", kind),
        ),
        (
            "upper case",
            ResponseTemplate::new(200)
                .insert_header("Docker-Content-Digest", digest.to_uppercase().as_str())
                .set_body_raw("", kind),
        ),
        (
            "octet-stream",
            ResponseTemplate::new(200)
                .insert_header("Docker-Content-Digest", digest.as_str())
                .set_body_raw("", "application/octet-stream"),
        ),
        ("no media type", ResponseTemplate::new(200).insert_header("Docker-Content-Digest", digest.as_str())),
        ("method not allowed", ResponseTemplate::new(405)),
        ("not implemented", ResponseTemplate::new(501)),
        ("not found for HEAD alone", ResponseTemplate::new(404)),
        ("forbidden for HEAD alone", ResponseTemplate::new(403)),
    ] {
        let (result, seen) =
            outcome(at_tag(move |request, _| (request.method.as_str() == "HEAD").then(|| head.clone()))).await;
        assert_eq!(result, "pinned", "{name}");
        assert_eq!((count(&seen, "HEAD"), count(&seen, "GET /v2/app/manifests/1")), (1, 1), "{name}: {seen:?}");
    }
}

#[tokio::test]
async fn what_a_registry_does_wrong_is_named_and_nothing_of_it_used() {
    let other = transship::image::Digest::of(b"other").to_string();
    let index = "application/vnd.oci.image.index.v1+json";
    let schema1 = "application/vnd.docker.distribution.manifest.v1+prettyjws";
    let lying = other.clone();
    let rows: Vec<(&str, Rule, &str)> = vec![
        (
            "HEAD names what is not there",
            at_tag(move |_, _| {
                Some(
                    ResponseTemplate::new(200)
                        .insert_header("Docker-Content-Digest", other.as_str())
                        .set_body_raw("", index),
                )
            }),
            "image-not-found: REGISTRY has no `sha256:d9298a10d1b0735837dc4bd85dac641b0f3cef27a47e5d53a54f2f3f5b2fcffa` of app (404, MANIFEST_UNKNOWN)",
        ),
        (
            "GET by digest gives something else",
            Box::new(|request, _| {
                let by_digest = request.url.path().contains("/manifests/sha256:");
                by_digest
                    .then(|| ResponseTemplate::new(200).set_body_raw("{}", "application/vnd.oci.image.index.v1+json"))
            }),
            "image-digest-mismatch: what REGISTRY sends is not DIGEST",
        ),
        (
            "header and body differ",
            at_tag(move |request, _| {
                (request.method.as_str() == "HEAD").then(|| ResponseTemplate::new(405)).or_else(|| {
                    let body = json!({"schemaVersion": 2, "mediaType": index, "manifests": []}).to_string();
                    Some(
                        ResponseTemplate::new(200)
                            .insert_header("Docker-Content-Digest", lying.as_str())
                            .set_body_raw(body, index),
                    )
                })
            }),
            "image-digest-mismatch: what REGISTRY sends is not sha256:d9298a10d1b0735837dc4bd85dac641b0f3cef27a47e5d53a54f2f3f5b2fcffa",
        ),
        (
            "schema 1",
            at_tag(move |_, _| Some(ResponseTemplate::new(200).set_body_raw(r#"{"schemaVersion": 1}"#, schema1))),
            "image-manifest: its manifest cannot be used: it is of schema 1, which engines no longer run",
        ),
        (
            "a media type that is not the manifest's own",
            at_tag(move |request, _| {
                let body = json!({"schemaVersion": 2, "mediaType": index, "manifests": []}).to_string();
                let other = "application/vnd.docker.distribution.manifest.v2+json";
                Some(if request.method.as_str() == "HEAD" {
                    ResponseTemplate::new(405)
                } else {
                    ResponseTemplate::new(200).set_body_raw(body, other)
                })
            }),
            "image-manifest: its manifest cannot be used: its media type is not the one it was sent with",
        ),
        (
            "a web page",
            at_tag(|_, _| Some(ResponseTemplate::new(200).set_body_raw("<html>login</html>", "text/html"))),
            "image-manifest: its manifest cannot be used: it is not JSON",
        ),
        (
            "too large",
            at_tag(move |_, _| {
                Some(ResponseTemplate::new(200).set_body_raw(vec![b' '; 5 * 1024 * 1024], "text/plain"))
            }),
            "image-manifest: REGISTRY sends more than 4194304 bytes",
        ),
        (
            "a configuration that is too large",
            Box::new(|request, _| {
                let blob = request.url.path().contains("/blobs/");
                blob.then(|| ResponseTemplate::new(200).set_body_bytes(vec![b' '; 9 * 1024 * 1024]))
            }),
            "image-manifest: REGISTRY sends more than 8388608 bytes",
        ),
        (
            "a configuration that is another",
            Box::new(|request, _| {
                let blob = request.url.path().contains("/blobs/");
                blob.then(|| ResponseTemplate::new(200).set_body_bytes(b"{}".to_vec()))
            }),
            "image-digest-mismatch: what REGISTRY sends is not CONFIGURATION",
        ),
        (
            "compressed although asked not to",
            at_tag(|_, _| {
                Some(
                    ResponseTemplate::new(200)
                        .insert_header("Content-Encoding", "gzip")
                        .set_body_raw("x", "application/json"),
                )
            }),
            "registry-failed: REGISTRY compresses its answer although asked not to",
        ),
        (
            "500 and no end",
            at_tag(|_, _| Some(ResponseTemplate::new(500))),
            "registry-failed: REGISTRY failed with 500, and again when asked again",
        ),
        (
            "a redirect to a link-local address",
            at_tag(|_, _| {
                Some(ResponseTemplate::new(307).insert_header("Location", "http://169.254.169.254/latest/meta-data"))
            }),
            "registry-unsafe: REGISTRY leads to http://169.254.169.254",
        ),
        (
            "redirects without an end",
            at_tag(|_, _| Some(ResponseTemplate::new(307).insert_header("Location", "/v2/app/manifests/1"))),
            "registry-unsafe: REGISTRY leads to one place after the other, without an end",
        ),
        (
            "a hang",
            at_tag(|_, _| Some(ResponseTemplate::new(200).set_delay(Duration::from_secs(30)))),
            "registry-timeout: REGISTRY did not answer within 400ms",
        ),
        (
            "a login by a way not known",
            at_tag(|_, _| Some(ResponseTemplate::new(401).insert_header("WWW-Authenticate", "Negotiate"))),
            "registry-denied: REGISTRY wants a login (401) by a way not known here: negotiate",
        ),
        (
            "a token server at a link-local address",
            at_tag(|_, _| {
                let realm = "Bearer realm=\"http://169.254.169.254/token\",service=\"x\"";
                Some(ResponseTemplate::new(401).insert_header("WWW-Authenticate", realm))
            }),
            "registry-unsafe: REGISTRY sends us for a token to http://169.254.169.254",
        ),
    ];
    for (name, rule, expected) in rows {
        let (result, seen) = outcome(rule).await;
        let result = result.replace(images().digest().as_str(), "DIGEST");
        let blob = seen.iter().rev().find_map(|call| call.split_once("/blobs/")).map_or("none", |(_, digest)| digest);
        assert_eq!(result.replace(blob, "CONFIGURATION"), expected, "{name}");
        // What fails for all methods is not asked once more by one that costs quota.
        if name.starts_with("500") {
            assert_eq!((count(&seen, "HEAD"), count(&seen, "GET")), (3, 0), "{name}: {seen:?}");
        }
    }
}

#[tokio::test]
async fn what_passes_is_asked_again() {
    for status in [408, 429, 499, 500, 502, 503, 504, 522] {
        let (result, seen) =
            outcome(at_tag(move |_, before| (before == 0).then(|| ResponseTemplate::new(status)))).await;
        assert_eq!((result.as_str(), count(&seen, "HEAD")), ("pinned", 2), "{status}");
    }
    let (result, seen) = outcome(at_tag(|_, before| (before < 2).then(|| ResponseTemplate::new(503)))).await;
    assert_eq!((result.as_str(), count(&seen, "HEAD")), ("pinned", 3));
    let (result, seen) = outcome(at_tag(|_, before| {
        (before == 0).then(|| ResponseTemplate::new(429).insert_header("Retry-After", "1"))
    }))
    .await;
    assert_eq!((result.as_str(), count(&seen, "HEAD"), count(&seen, "GET /v2/app/manifests/1")), ("pinned", 2, 0));
    let (result, _) = outcome(at_tag(|_, before| {
        (before == 0).then(|| ResponseTemplate::new(200).set_delay(Duration::from_secs(30)))
    }))
    .await;
    assert_eq!(result, "pinned");
}

#[tokio::test]
async fn a_rate_limit_ends_it_with_its_time_and_without_a_get() {
    let tomorrow = httpdate::fmt_http_date(std::time::SystemTime::now() + Duration::from_secs(86_400 - 5));
    for (name, after, expected) in [
        (
            "seconds",
            "3600".to_owned(),
            "registry-rate-limited: REGISTRY takes no more requests for 1h0m0s (0 of 100 left)",
        ),
        ("a date", tomorrow, "registry-rate-limited: REGISTRY takes no more requests for 23h59m"),
        ("nothing", String::new(), "registry-rate-limited: REGISTRY takes no more requests for now (0 of 100 left)"),
    ] {
        let rule = at_tag(move |_, _| {
            let answer = ResponseTemplate::new(429)
                .insert_header("ratelimit-limit", "100;w=21600")
                .insert_header("ratelimit-remaining", "0;w=21600");
            Some(if after.is_empty() { answer } else { answer.insert_header("Retry-After", after.as_str()) })
        });
        let (result, seen) = outcome(rule).await;
        assert!(result.starts_with(expected), "{name}: {result}");
        assert_eq!(count(&seen, "GET"), 0, "{name}: {seen:?}");
    }
}

#[tokio::test]
async fn after_a_final_refusal_the_others_are_not_asked() {
    let all: Vec<String> = (0..200).map(|n| format!("app{n}:1")).collect();
    let all: Vec<&str> = all.iter().map(String::as_str).collect();
    let rule: Rule = Box::new(|_, _| Some(ResponseTemplate::new(429).insert_header("Retry-After", "7200")));
    let registry = ScriptedRegistry::start(&Images::default(), rule).await;
    let patience = Patience { per_host: 4, ..patience() };
    let registries = Registries::new(&ImageSettings::default(), CredentialSources::default(), patience);
    let told = pin_all(&all, &registry.host(), &registries).await.map(|_| ()).unwrap_err();
    assert_eq!(told.matches("registry-rate-limited").count(), 200);
    assert!(registry.seen().len() <= 8, "{}", registry.seen().len());
}

#[tokio::test]
async fn nobody_there_is_said_so() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let host = listener.local_addr().unwrap().to_string();
    drop(listener);
    let registries = Registries::new(&ImageSettings::default(), CredentialSources::default(), patience());
    assert_eq!(
        shown(pin_all(&["app:1"], &host, &registries).await),
        "registry-unreachable: nothing listens at REGISTRY"
    );
    assert_eq!(
        shown(pin_all(&["app:1"], "registry.invalid", &registries).await),
        "registry-unreachable: there is no host of the name of REGISTRY, or it cannot be looked up"
    );
}

#[tokio::test]
async fn an_answer_that_breaks_off_is_asked_for_again() {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let host = listener.local_addr().unwrap().to_string();
    let served = tokio::spawn(async move {
        let mut served = 0;
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut buffer = [0; 4096];
            let read = stream.read(&mut buffer).await.unwrap_or_default();
            if buffer[..read].starts_with(b"HEAD") {
                served += 1;
                let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Le").await;
                if served == 3 {
                    return served;
                }
            } else {
                let _ = stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").await;
            }
        }
        served
    });
    let registries = Registries::new(&ImageSettings::default(), CredentialSources::default(), patience());
    let result = shown(pin_all(&["app:1"], &host, &registries).await);
    assert_eq!(result, "registry-failed: REGISTRY broke off in the middle of an answer");
    assert_eq!(served.await.unwrap(), 3);
}

pub(crate) const PASSWORD: &str = "pass-word-of-nobody";

pub(crate) fn basic_rule() -> Rule {
    use base64::Engine as _;
    let right = format!("Basic {}", base64::engine::general_purpose::STANDARD.encode(format!("somebody:{PASSWORD}")));
    Box::new(move |request, _| {
        let challenge = "Negotiate, Basic realm=\"Registry\"";
        (header(request, "authorization") != Some(&right))
            .then(|| ResponseTemplate::new(401).insert_header("WWW-Authenticate", challenge))
    })
}

/// Answers every request with a manifest that is cut in the middle of its body.
#[tokio::test]
async fn a_body_that_breaks_off_is_never_used() {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let host = listener.local_addr().unwrap().to_string();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut buffer = [0; 4096];
            let read = stream.read(&mut buffer).await.unwrap_or_default();
            if buffer[..read].starts_with(b"\x16") {
                continue;
            }
            let answer = "HTTP/1.1 200 OK\r\nContent-Length: 4000\r\nContent-Type: application/json\r\n\r\n";
            let body = if buffer[..read].starts_with(b"HEAD") { "" } else { "{\"schemaVersion\": 2, \"confi" };
            let _ = stream.write_all(format!("{answer}{body}").as_bytes()).await;
        }
    });
    let registries = Registries::new(&ImageSettings::default(), CredentialSources::default(), patience());
    let result = shown(pin_all(&["app:1"], &host, &registries).await);
    assert_eq!(result, "registry-failed: REGISTRY broke off in the middle of an answer");
}

#[tokio::test]
async fn a_registry_that_names_another_digest_each_time_gives_none() {
    let rule = at_tag(|_, before| {
        let made_up = transship::image::Digest::of(&before.to_le_bytes());
        Some(
            ResponseTemplate::new(200)
                .insert_header("Docker-Content-Digest", made_up.as_str())
                .set_body_raw("", "application/vnd.oci.image.index.v1+json"),
        )
    });
    let (result, _) = outcome(rule).await;
    assert!(result.starts_with("image-not-found: REGISTRY has no `sha256:"), "{result}");
}

#[tokio::test]
async fn five_thousand_services_make_as_many_requests_as_there_are_images() {
    let mut all = Images::default();
    for number in 0..20 {
        all = all.with(&format!("app{number}"), "1", BOTH, &json!({"Cmd": [number.to_string()]}));
    }
    let registry = ScriptedRegistry::start(&all, honest()).await;
    let registries = Registries::new(&ImageSettings::default(), CredentialSources::default(), patience());
    let names: Vec<String> = (0..20).map(|number| format!("app{number}:1")).collect();
    let services: Vec<&str> = (0..5000).map(|number: usize| names[number % 20].as_str()).collect();
    assert_eq!(pin_all(&services, &registry.host(), &registries).await.unwrap().lock.images.len(), 20);
    let seen = registry.seen();
    assert_eq!((count(&seen, "HEAD"), count(&seen, "GET /v2/app")), (20, 60));
}

#[tokio::test]
async fn basic_authentication_and_its_refusals() {
    let registry = ScriptedRegistry::start(&images(), basic_rule()).await;
    let host = registry.host();
    assert_eq!(
        pin_one(&registry, CredentialSources::default()).await.map(|_| ()).unwrap_err(),
        "\
compose.yaml:3:12: registry-denied: image `REGISTRY/app:1`: REGISTRY denies access (401); tried without credentials, as none are kept for it
  help: log in with `docker login REGISTRY`, or check the rights of the account
"
    );
    assert_eq!(shown(pin_one(&registry, inline(&host, "somebody", PASSWORD)).await), "pinned");
    let wrong = shown(pin_one(&registry, inline(&host, "somebody", "wrong-word")).await);
    assert_eq!(
        wrong,
        "registry-denied: REGISTRY denies access (401); tried with the credentials from DOCKER_AUTH_CONFIG"
    );
    let old = inline(&format!("https://{host}/v1/"), "somebody", PASSWORD);
    assert_eq!(shown(pin_one(&registry, old).await), "pinned", "a key of old is a URL");
}

/// A registry with a token server of its own. `token` is the name of the token in the answer.
fn bearer_rule(host: Arc<std::sync::OnceLock<String>>, token: &'static str, life: u64) -> Rule {
    use base64::Engine as _;
    let user = format!("Basic {}", base64::engine::general_purpose::STANDARD.encode(format!("somebody:{PASSWORD}")));
    Box::new(move |request, before| {
        if request.url.path() == "/token" {
            let asked: Vec<(String, String)> = request.url.query_pairs().into_owned().collect();
            let has = |key: &str, value: &str| asked.iter().any(|(k, v)| k == key && v == value);
            assert!(
                has("service", "the registry") && has("own", "1") && has("scope", "repository:app:pull"),
                "{asked:?}"
            );
            let known = header(request, "authorization");
            if known.is_some_and(|known| known != user) {
                return Some(ResponseTemplate::new(401));
            }
            let right = if known.is_some() { "known" } else { "anonymous" };
            return Some(
                ResponseTemplate::new(200)
                    .set_body_json(json!({token: format!("{right}-{before}"), "expires_in": life})),
            );
        }
        let shown = header(request, "authorization").unwrap_or_default();
        if shown.starts_with("Bearer known-") {
            return None;
        }
        let realm = format!("http://{}/token?own=1", host.get().unwrap());
        let error = if shown.is_empty() { "" } else { ",error=\"insufficient_scope\"" };
        let challenge =
            format!("Bearer realm=\"{realm}\",service=\"the registry\",scope=\"repository:app:pull\"{error}");
        Some(ResponseTemplate::new(401).insert_header("WWW-Authenticate", challenge.as_str()))
    })
}

async fn bearer(token: &'static str, life: u64) -> ScriptedRegistry {
    let host = Arc::new(std::sync::OnceLock::new());
    let registry = ScriptedRegistry::start(&images(), bearer_rule(Arc::clone(&host), token, life)).await;
    host.set(registry.host()).unwrap();
    registry
}

#[tokio::test]
async fn tokens_are_fetched_once_for_a_repository() {
    for token in ["token", "access_token"] {
        let registry = bearer(token, 300).await;
        assert_eq!(shown(pin_one(&registry, inline(&registry.host(), "somebody", PASSWORD)).await), "pinned");
        let seen = registry.seen();
        assert_eq!((count(&seen, "GET /token"), count(&seen, "HEAD")), (1, 2), "{token}: {seen:?}");
    }
    let registry = bearer("token", 300).await;
    let anonymous = shown(pin_one(&registry, CredentialSources::default()).await);
    assert_eq!(
        anonymous,
        "registry-denied: REGISTRY denies access (401); tried without credentials, as none are kept for it"
    );
    let wrong = shown(pin_one(&registry, inline(&registry.host(), "somebody", "wrong-word")).await);
    assert_eq!(
        wrong,
        "registry-denied: REGISTRY gives no token (401); tried with the credentials from DOCKER_AUTH_CONFIG"
    );
}

#[tokio::test]
async fn an_identity_token_is_exchanged() {
    let host = Arc::new(std::sync::OnceLock::<String>::new());
    let own = Arc::clone(&host);
    let rule: Rule = Box::new(move |request, _| {
        if request.url.path() == "/token" {
            let form = String::from_utf8_lossy(&request.body).into_owned();
            assert!(
                form.contains("grant_type=refresh_token") && form.contains("refresh_token=identity-of-nobody"),
                "{form}"
            );
            assert_eq!(request.method.as_str(), "POST");
            return Some(ResponseTemplate::new(200).set_body_json(json!({"access_token": "granted"})));
        }
        if header(request, "authorization") == Some("Bearer granted") {
            return None;
        }
        let challenge = format!("Bearer realm=\"http://{}/token\",service=\"r\"", own.get().unwrap());
        Some(ResponseTemplate::new(401).insert_header("WWW-Authenticate", challenge.as_str()))
    });
    let registry = ScriptedRegistry::start(&images(), rule).await;
    host.set(registry.host()).unwrap();
    let text = json!({"auths": {registry.host(): {"auth": "PHRva2VuPjo=", "identitytoken": "identity-of-nobody"}}});
    let sources = CredentialSources { inline: Some(text.to_string().into()), ..CredentialSources::default() };
    assert_eq!(shown(pin_one(&registry, sources).await), "pinned");
}

#[derive(Debug)]
struct Helper(Result<&'static str, HelperFailure>);

impl CredentialHelpers for Helper {
    fn get<'a>(&'a self, _: &'a str, _: &'a str) -> BoxFuture<'a, Result<Vec<u8>, HelperFailure>> {
        let answer = self.0.clone().map(|text| text.as_bytes().to_vec());
        Box::pin(async move { answer })
    }
}

#[tokio::test]
async fn credential_helpers_come_before_what_the_file_keeps() {
    let registry = ScriptedRegistry::start(&images(), basic_rule()).await;
    let host = registry.host();
    let right = r#"{"ServerURL": "x", "Username": "somebody", "Secret": "pass-word-of-nobody"}"#;
    for (name, answer, expected) in [
        ("answers", Ok(right), "pinned"),
        (
            "keeps nothing",
            Err(HelperFailure::NotFound),
            "registry-denied: REGISTRY denies access (401); tried without credentials, as none are kept for it",
        ),
        (
            "is missing",
            Err(HelperFailure::Missing),
            "registry-credentials: docker-credential-desktop: there is no such program on the search path",
        ),
        (
            "hangs",
            Err(HelperFailure::TimedOut(Duration::from_secs(20))),
            "registry-credentials: docker-credential-desktop: it did not answer within 20s",
        ),
        (
            "prints something else",
            Ok("oops"),
            "registry-credentials: docker-credential-desktop: its answer is not JSON",
        ),
    ] {
        let mut sources = inline(&host, "somebody", PASSWORD);
        let mut json: serde_json::Value = serde_json::from_str(&sources.inline.unwrap()).unwrap();
        json["credsStore"] = json!("desktop");
        sources.inline = Some(json.to_string().into());
        sources.helpers = Some(Arc::new(Helper(answer)));
        assert_eq!(shown(pin_one(&registry, sources.clone()).await), expected, "{name}");
        // For a registry with an empty helper the file counts.
        json["credHelpers"] = json!({host.as_str(): ""});
        sources.inline = Some(json.to_string().into());
        assert_eq!(shown(pin_one(&registry, sources).await), "pinned", "{name}");
    }
}

#[tokio::test]
async fn podman_keeps_credentials_by_repository() {
    let registry = ScriptedRegistry::start(&images(), basic_rule()).await;
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("containers/auth.json");
    std::fs::create_dir_all(file.parent().unwrap()).unwrap();
    let kept = inline(&format!("{}/app", registry.host()), "somebody", PASSWORD).inline.unwrap();
    std::fs::write(&file, &*kept).unwrap();
    let place = directory.path().display().to_string();
    let sources = CredentialSources::usual(|name| (name == "XDG_RUNTIME_DIR").then(|| place.clone()), None);
    assert_eq!(shown(pin_one(&registry, sources.clone()).await), "pinned");
    std::fs::write(&file, "{").unwrap();
    let broken = shown(pin_one(&registry, sources).await).replace(&place, ".");
    assert_eq!(broken, "registry-credentials: ./containers/auth.json is not a JSON object");
}

#[tokio::test]
async fn a_token_never_goes_to_another_server() {
    let elsewhere = ScriptedRegistry::start(
        &images(),
        Box::new(|request, _| {
            assert_eq!(header(request, "authorization"), None, "{}", request.url);
            None
        }),
    )
    .await;
    let (blobs, authenticated) = (elsewhere.host(), basic_rule());
    let rule: Rule = Box::new(move |request, before| {
        authenticated(request, before).or_else(|| {
            let path = request.url.path();
            let location = format!("http://{blobs}{path}?signature=signature-of-nobody");
            path.contains("/blobs/").then(|| ResponseTemplate::new(307).insert_header("Location", location.as_str()))
        })
    });
    let registry = ScriptedRegistry::start(&images(), rule).await;
    assert_eq!(shown(pin_one(&registry, inline(&registry.host(), "somebody", PASSWORD)).await), "pinned");
    assert_eq!(elsewhere.seen().len(), 1);
}

#[tokio::test]
async fn nothing_of_a_credential_or_of_a_servers_words_is_told() {
    let rule: Rule = Box::new(|request, _| {
        let shown = header(request, "authorization").unwrap_or_default().to_owned();
        let body = json!({"errors": [{"code": "DENIED", "message": format!("you sent {shown}")}]});
        let status = if shown.is_empty() { 401 } else { 403 };
        Some(ResponseTemplate::new(status).insert_header("WWW-Authenticate", "Basic realm=x").set_body_json(body))
    });
    let registry = ScriptedRegistry::start(&images(), rule).await;
    let sources = inline(&registry.host(), "somebody", PASSWORD);
    let registries = Registries::new(&ImageSettings::default(), sources.clone(), patience());
    let told = pin_all(&["app:1"], &registry.host(), &registries).await.map(|_| ()).unwrap_err();
    assert!(told.contains("REGISTRY denies access (403, DENIED); tried with the credentials"), "{told}");
    let encoded = "c29tZWJvZHk6cGFzcy13b3JkLW9mLW5vYm9keQ==";
    for text in [told, format!("{registries:?}"), format!("{sources:?}")] {
        for secret in [PASSWORD, encoded, "somebody", "you sent"] {
            assert!(!text.contains(secret), "{secret} in {text}");
        }
    }
}

#[tokio::test]
async fn a_mirror_is_asked_first_and_the_registry_when_it_fails() {
    let registry = ScriptedRegistry::start(&images(), honest()).await;
    let copies =
        Images::default().with("copy/app", "1", BOTH, &json!({"User": "10001", "ExposedPorts": {"8080/tcp": {}}}));
    for (rule, expected) in [(honest(), 0), (Box::new(|_: &_, _| Some(ResponseTemplate::new(404))) as Rule, 4)] {
        let mirror = ScriptedRegistry::start(&copies, rule).await;
        let before = registry.seen().len();
        let settings = ImageSettings {
            sources: vec![SourceRule {
                prefix: Located::new(registry.host().into(), Spot::NOWHERE),
                kind: SourceKind::Mirror(format!("{}/copy", mirror.host()).into()),
            }],
            ..ImageSettings::default()
        };
        let registries = Registries::new(&settings, CredentialSources::default(), patience());
        let resolution = pin_all(&["app:1"], &registry.host(), &registries).await.unwrap();
        let reference = resolution.pinned.image_of("s0").unwrap().reference.clone();
        assert!(reference.starts_with(&registry.host()), "{reference}");
        assert_eq!(registry.seen().len() - before, expected);
        assert!(mirror.seen().iter().all(|call| call.contains("/v2/copy/app/")));
    }
}

#[tokio::test]
async fn a_cluster_is_given_what_it_needs_to_pull() {
    let sources = inline("registry.example.com", "somebody", PASSWORD);
    let registries = Registries::new(&ImageSettings::default(), sources, patience());
    let secrets = Secrets::default();
    let images = ["registry.example.com/shop/web:1", "registry.example.com/shop/api:1", "nginx"];
    let images: Vec<Reference> = images.iter().map(|image| Reference::parse(image).unwrap()).collect();
    let secret = registries.pull_secret(&images, &secrets).await.unwrap().unwrap();
    assert!(secret.is_secret());
    assert_eq!(secret.masked().as_str(), "‹secret #1›");
    assert!(registries.pull_secret(&images[2..], &secrets).await.unwrap().is_none());
}

#[tokio::test]
async fn layers_are_read_for_a_user_that_is_a_name_and_for_no_other() {
    let base = gzip(&tar("etc/passwd", b"root:x:0:0::/:/\n"));
    let users = zstd(&tar("etc/passwd", b"postgres:x:999:998::/:/bin/sh\n"));
    let groups = gzip(&tar("etc/group", b"postgres:x:998:\nwww:x:33:\n"));
    let program = tar("usr/bin/program", &[7; 4000]);
    let layers = [base, users, groups, program];
    let start = |user: &'static str, rule: Rule| {
        let images = Images::default().of_layers("app", "1", &json!({"User": user}), &layers);
        async move { ScriptedRegistry::start(&images, rule).await }
    };
    let ids = |resolution: &Resolution| {
        let configuration = resolution.pinned.image_of("s0").unwrap().configuration.clone().unwrap();
        configuration.user_ids.values().map(|id| id.map(|id| id.to_string())).collect::<Vec<_>>()
    };
    let registry = start("999", honest()).await;
    assert!(ids(&pin_one(&registry, CredentialSources::default()).await.unwrap()).is_empty());
    assert_eq!((count(&registry.seen(), "HEAD"), count(&registry.seen(), "GET")), (1, 2));
    // From the top until both files are found: the lowest layer is left alone.
    let registry = start("postgres:www", honest()).await;
    let resolution = pin_one(&registry, CredentialSources::default()).await.unwrap();
    assert_eq!(ids(&resolution), [Some("999:33".to_owned())]);
    assert_eq!((count(&registry.seen(), "HEAD"), count(&registry.seen(), "GET")), (1, 5));
    // Layers that are not what their digests say, or not there, give no image.
    let broken: Vec<(ResponseTemplate, &str)> = vec![
        (ResponseTemplate::new(200).set_body_bytes(b"other".to_vec()), "image-digest-mismatch: its layer sha256:"),
        (ResponseTemplate::new(404), "image-not-found: REGISTRY has no `sha256:"),
    ];
    for (answer, expected) in broken {
        let layer = transship::image::Digest::of(&layers[2]).to_string();
        let rule: Rule = Box::new(move |request, _| request.url.path().ends_with(&layer).then(|| answer.clone()));
        let registry = start("postgres", rule).await;
        let told = shown(pin_one(&registry, CredentialSources::default()).await);
        assert!(told.starts_with(expected), "{told}");
    }
    // What is no layer tells nothing, and stops nothing.
    let images = Images::default().of_layers("app", "1", &json!({"User": "postgres"}), &[b"no archive".to_vec()]);
    let registry = ScriptedRegistry::start(&images, honest()).await;
    assert_eq!(ids(&pin_one(&registry, CredentialSources::default()).await.unwrap()), [None]);
}

#[tokio::test]
async fn five_thousand_known_services_make_one_head_for_each_image() {
    let mut all = Images::default();
    for number in 0..20 {
        all = all.with(&format!("app{number}"), "1", BOTH, &json!({"Cmd": [number.to_string()]}));
    }
    let registry = ScriptedRegistry::start(&all, honest()).await;
    let file: String = (0..5000).fold("services:\n".to_owned(), |file, number| {
        file + &format!("  s{number}: {{image: '{}/app{}:1'}}\n", registry.host(), number % 20)
    });
    let project = load(&[("compose.yaml", &file)], &[], &[]);
    let settings = ImageSettings::default();
    let mut lock = None;
    for (mode, expected) in [
        (PinMode::Missing, (20, 60)),
        (PinMode::Missing, (0, 0)),
        (PinMode::Locked, (0, 0)),
        (PinMode::Update(None), (20, 0)),
    ] {
        let before = registry.seen().len();
        let registries = Registries::new(&settings, CredentialSources::default(), patience());
        let request = Request {
            project: &project,
            additional: &[],
            lock: lock.as_ref(),
            mode: &mode,
            settings: &settings,
            platforms: &[],
            registries: &registries,
        };
        lock = Some(pin(request).await.unwrap().lock);
        let seen = registry.seen().split_off(before);
        assert_eq!((count(&seen, "HEAD"), count(&seen, "GET /v2/app")), expected, "{mode:?}");
    }
}

#[tokio::test]
async fn a_token_that_has_run_out_or_opens_too_little_is_fetched_anew() {
    // Every token opens one request: the next is refused until there is a new one.
    let host = Arc::new(std::sync::OnceLock::<String>::new());
    let own = Arc::clone(&host);
    let rule: Rule = Box::new(move |request, before| {
        if request.url.path() == "/token" {
            return Some(ResponseTemplate::new(200).set_body_json(json!({"token": format!("t{before}")})));
        }
        let right = match (request.method.as_str(), request.url.path()) {
            ("HEAD", _) => "Bearer t0",
            _ => "Bearer t1",
        };
        let challenge = format!("Bearer realm=\"http://{}/token\",service=\"r\"", own.get().unwrap());
        (header(request, "authorization") != Some(right))
            .then(|| ResponseTemplate::new(401).insert_header("WWW-Authenticate", challenge.as_str()))
    });
    let registry = ScriptedRegistry::start(&images(), rule).await;
    host.set(registry.host()).unwrap();
    assert_eq!(shown(pin_one(&registry, CredentialSources::default()).await), "pinned");
    assert_eq!(count(&registry.seen(), "GET /token"), 2);
    // A scope of the registry's own, named only when the usual one was refused.
    let host = Arc::new(std::sync::OnceLock::<String>::new());
    let own = Arc::clone(&host);
    let rule: Rule = Box::new(move |request, _| {
        if request.url.path() == "/token" {
            let scope = request.url.query_pairs().find(|(key, _)| key == "scope").map(|(_, scope)| scope.into_owned());
            let token = if scope.as_deref() == Some("registry:wide") { "wide" } else { "narrow" };
            return Some(ResponseTemplate::new(200).set_body_json(json!({"token": token})));
        }
        let shown = header(request, "authorization").unwrap_or_default();
        let more = if shown == "Bearer narrow" { ",scope=\"registry:wide\",error=\"insufficient_scope\"" } else { "" };
        let challenge = format!("Bearer realm=\"http://{}/token\",service=\"r\"{more}", own.get().unwrap());
        (shown != "Bearer wide")
            .then(|| ResponseTemplate::new(401).insert_header("WWW-Authenticate", challenge.as_str()))
    });
    let registry = ScriptedRegistry::start(&images(), rule).await;
    host.set(registry.host()).unwrap();
    assert_eq!(shown(pin_one(&registry, CredentialSources::default()).await), "pinned");
}

#[tokio::test]
async fn a_token_server_without_the_flow_of_identity_tokens_is_asked_as_by_anybody() {
    let host = Arc::new(std::sync::OnceLock::<String>::new());
    let own = Arc::clone(&host);
    let rule: Rule = Box::new(move |request, _| {
        if request.url.path() == "/token" {
            return Some(match request.method.as_str() {
                "POST" => ResponseTemplate::new(404),
                _ => ResponseTemplate::new(200).set_body_json(json!({"token": "open"})),
            });
        }
        let challenge = format!("Bearer realm=\"http://{}/token\",service=\"r\"", own.get().unwrap());
        (header(request, "authorization") != Some("Bearer open"))
            .then(|| ResponseTemplate::new(401).insert_header("WWW-Authenticate", challenge.as_str()))
    });
    let registry = ScriptedRegistry::start(&images(), rule).await;
    host.set(registry.host()).unwrap();
    let text = json!({"auths": {registry.host(): {"auth": "PHRva2VuPjo=", "identitytoken": "identity-of-nobody"}}});
    let sources = CredentialSources { inline: Some(text.to_string().into()), ..CredentialSources::default() };
    assert_eq!(shown(pin_one(&registry, sources).await), "pinned");
    let seen = registry.seen();
    assert_eq!((count(&seen, "POST /token"), count(&seen, "GET /token")), (1, 1), "{seen:?}");
}

#[tokio::test]
async fn a_realm_that_is_no_address_means_a_password() {
    use base64::Engine as _;
    let right = format!("Basic {}", base64::engine::general_purpose::STANDARD.encode(format!("somebody:{PASSWORD}")));
    for challenge in ["Bearer realm=\"Artifactory Realm\"", "bearer service=\"x\""] {
        let right = right.clone();
        let rule: Rule = Box::new(move |request, _| {
            (header(request, "authorization") != Some(&right))
                .then(|| ResponseTemplate::new(401).insert_header("WWW-Authenticate", challenge))
        });
        let registry = ScriptedRegistry::start(&images(), rule).await;
        assert_eq!(shown(pin_one(&registry, inline(&registry.host(), "somebody", PASSWORD)).await), "pinned");
    }
}

#[tokio::test]
async fn a_helper_that_is_not_there_is_an_error() {
    use transship::image::HelperProcesses;
    let helpers = HelperProcesses { within: Duration::from_millis(50) };
    assert_eq!(helpers.get("transship-test-none", "x").await, Err(HelperFailure::Missing));
    assert_eq!(helpers.get("../sh", "x").await, Err(HelperFailure::Missing));
}

#[tokio::test]
async fn a_registry_by_an_address_of_version_6_is_one() {
    let Ok(listener) = std::net::TcpListener::bind("[::1]:0") else {
        eprintln!("skipped: this machine has no IPv6");
        return;
    };
    let registry = ScriptedRegistry::start_at(listener, &images(), honest()).await;
    assert!(registry.host().starts_with("[::1]:"), "{}", registry.host());
    assert_eq!(shown(pin_one(&registry, CredentialSources::default()).await), "pinned");
}
