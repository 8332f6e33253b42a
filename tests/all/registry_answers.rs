//! What registries are asked in which words, and what they say beside their answers.

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use transship::{
    image::{CredentialSources, ImageSettings, Patience, Registries, SourceKind, SourceRule},
    value::{Located, Spot},
};
use wiremock::ResponseTemplate;

use crate::{
    cli_support::Shop,
    registry::{
        BOTH, PASSWORD, at_tag, basic_rule, count, honest, images, inline, outcome, patience, pin_all, pin_one, shown,
    },
    support::{
        scripted_registry::{Images, Rule, ScriptedRegistry, header},
        tls_server::{Authority, Manner, TlsServer, answer},
    },
};

#[tokio::test]
async fn indexes_are_asked_for_first_and_nothing_compressed() {
    let index = "application/vnd.oci.image.index.v1+json";
    let rule: Rule = Box::new(move |request, _| {
        assert_eq!(header(request, "accept-encoding"), Some("identity"), "{}", request.url);
        if !request.url.path().contains("/manifests/") {
            return None;
        }
        // As registries of old, which take the first of one line, and without any answer with schema 1.
        let lines: Vec<_> = request.headers.get_all("accept").iter().collect();
        let accepted: Vec<&str> = lines[0].to_str().unwrap().split(',').map(str::trim).collect();
        let right = lines.len() == 1
            && accepted.first() == Some(&index)
            && accepted.iter().all(|kind| !kind.contains("manifest.v1+") || kind.contains("oci"));
        (!right).then(|| {
            ResponseTemplate::new(200)
                .set_body_raw(r#"{"schemaVersion": 1}"#, "application/vnd.docker.distribution.manifest.v1+json")
        })
    });
    assert_eq!(outcome(rule).await.0, "pinned");
}

#[tokio::test]
async fn a_digest_of_another_algorithm_is_verified_and_kept() {
    use sha2::Digest as _;
    let index = "application/vnd.oci.image.index.v1+json";
    let content = images().blob(&images().digest());
    let hex: String = sha2::Sha512::digest(&content).iter().map(|byte| format!("{byte:02x}")).collect();
    let long = format!("sha512:{hex}");
    for (sent, expected) in [
        (content.clone(), long.clone()),
        (b"{}".to_vec(), format!("image-digest-mismatch: what REGISTRY sends is not {long}")),
    ] {
        let named = long.clone();
        let rule: Rule = Box::new(move |request, _| {
            let path = request.url.path();
            let answer = ResponseTemplate::new(200).insert_header("Docker-Content-Digest", named.as_str());
            let asked = path.ends_with("/manifests/1") || path.ends_with(&named);
            asked.then(|| answer.set_body_raw(sent.clone(), index))
        });
        assert_eq!(outcome(rule).await.0, expected);
    }
}

/// A registry that wants tokens of a server of its own, which answers so.
fn tokens(answer: ResponseTemplate) -> Rule {
    Box::new(move |request, _| {
        if request.url.path() == "/token" {
            return Some(answer.clone());
        }
        let challenge = format!("Bearer realm=\"http://{}/token\"", header(request, "host").unwrap());
        Some(ResponseTemplate::new(401).insert_header("WWW-Authenticate", challenge.as_str()))
    })
}

#[tokio::test]
async fn an_answer_that_is_too_long_is_no_answer() {
    let tokens = tokens(ResponseTemplate::new(200).set_body_json(json!({"token": "t".repeat(70_000)})));
    let registry = ScriptedRegistry::start(&images(), tokens).await;
    let told = shown(pin_one(&registry, CredentialSources::default()).await);
    assert_eq!(told, "registry-failed: REGISTRY sends more than 65536 bytes");
    // Of an error only the beginning is read.
    let rule = at_tag(|_, _| Some(ResponseTemplate::new(403).set_body_bytes(vec![b'x'; 1 << 20])));
    let (told, _) = outcome(rule).await;
    assert_eq!(
        told,
        "registry-denied: REGISTRY denies access (403); tried without credentials, as none are kept for it"
    );
}

#[tokio::test]
async fn a_token_server_leads_nowhere_it_must_not() {
    let answer = ResponseTemplate::new(302).insert_header("Location", "http://169.254.169.254/latest/meta-data");
    let registry = ScriptedRegistry::start(&images(), tokens(answer)).await;
    let told = shown(pin_one(&registry, CredentialSources::default()).await);
    assert_eq!(told, "registry-unsafe: REGISTRY leads to http://169.254.169.254");
}

#[tokio::test]
async fn who_is_led_to_shows_no_challenge_that_counts() {
    let thief = Arc::new(AtomicUsize::new(0));
    let seen = Arc::clone(&thief);
    let elsewhere = ScriptedRegistry::start(
        &images(),
        Box::new(move |request, _| {
            if header(request, "authorization").is_some() || request.url.path() == "/token" {
                seen.fetch_add(1, Ordering::Relaxed);
            }
            let challenge = format!("Bearer realm=\"http://{}/token\"", header(request, "host").unwrap());
            Some(ResponseTemplate::new(401).insert_header("WWW-Authenticate", challenge.as_str()))
        }),
    )
    .await;
    let (target, authenticated) = (elsewhere.host(), basic_rule());
    let rule: Rule = Box::new(move |request, before| {
        authenticated(request, before).or_else(|| {
            let location = format!("http://{target}{}", request.url.path());
            request
                .url
                .path()
                .contains("/blobs/")
                .then(|| ResponseTemplate::new(307).insert_header("Location", location.as_str()))
        })
    });
    let registry = ScriptedRegistry::start(&images(), rule).await;
    let told = shown(pin_one(&registry, inline(&registry.host(), "somebody", PASSWORD)).await);
    assert_eq!(told, "registry-denied: REGISTRY leads to 127.0.0.1, which denies access (401)");
    assert_eq!(thief.load(Ordering::Relaxed), 0, "nothing was shown there");
}

#[tokio::test]
async fn a_mirror_that_is_down_or_wants_no_more_is_passed_over() {
    let registry = ScriptedRegistry::start(&images(), honest()).await;
    let nobody = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
    let rule: Rule = Box::new(|_, _| Some(ResponseTemplate::new(429).insert_header("Retry-After", "7200")));
    let limited = ScriptedRegistry::start(&Images::default(), rule).await;
    for mirror in [nobody, limited.host()] {
        let prefix = Located::new(registry.host().into(), Spot::NOWHERE);
        let kind = SourceKind::Mirror(format!("{mirror}/copy").into());
        let settings = ImageSettings { sources: vec![SourceRule { prefix, kind }], ..ImageSettings::default() };
        let registries = Registries::new(&settings, CredentialSources::default(), patience());
        assert_eq!(shown(pin_all(&["app:1"], &registry.host(), &registries).await), "pinned", "{mirror}");
    }
    // What wants no more requests is asked no more.
    assert_eq!(limited.seen().len(), 1, "{:?}", limited.seen());
}

#[tokio::test]
async fn a_pause_that_one_was_asked_for_counts_for_all() {
    let arrivals = Arc::new(Mutex::new(Vec::new()));
    let own = Arc::clone(&arrivals);
    let rule: Rule = Box::new(move |_, _| {
        let mut arrivals = own.lock().unwrap();
        arrivals.push(Instant::now());
        (arrivals.len() == 1).then(|| ResponseTemplate::new(429).insert_header("Retry-After", "1"))
    });
    let all: Vec<String> = (0..12).map(|n| format!("app{n}:1")).collect();
    let all: Vec<&str> = all.iter().map(String::as_str).collect();
    let content = all
        .iter()
        .fold(Images::default(), |images, name| images.with(name.split(':').next().unwrap(), "1", BOTH, &json!({})));
    let registry = ScriptedRegistry::start(&content, rule).await;
    // One place: eleven wait for it when the first is told to come later.
    let registries = Registries::new(
        &ImageSettings::default(),
        CredentialSources::default(),
        Patience { per_host: 1, ..patience() },
    );
    assert_eq!(pin_all(&all, &registry.host(), &registries).await.unwrap().lock.images.len(), 12);
    let arrivals = arrivals.lock().unwrap();
    let waited = arrivals[1] - arrivals[0];
    assert!(waited >= Duration::from_millis(990), "somebody came after {waited:?}");
}

#[tokio::test]
async fn no_registry_has_more_requests_at_a_time_than_it_shall() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let host = listener.local_addr().unwrap().to_string();
    let (now, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let counted = Arc::clone(&most);
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let (now, most) = (Arc::clone(&now), Arc::clone(&counted));
            tokio::spawn(async move {
                let mut buffer = [0; 4096];
                while let Ok(read @ 1..) = stream.read(&mut buffer).await {
                    if buffer[..read].starts_with(b"\x16") {
                        return;
                    }
                    most.fetch_max(now.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                    // Long enough for as many to come as may.
                    tokio::time::sleep(Duration::from_millis(20)).await;
                    now.fetch_sub(1, Ordering::SeqCst);
                    let _ = stream.write_all(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n").await;
                }
            });
        }
    });
    let all: Vec<String> = (0..60).map(|n| format!("app{n}:1")).collect();
    let all: Vec<&str> = all.iter().map(String::as_str).collect();
    let registries = Registries::new(
        &ImageSettings::default(),
        CredentialSources::default(),
        Patience { per_host: 4, ..patience() },
    );
    let told = pin_all(&all, &host, &registries).await.map(|_| ()).unwrap_err();
    assert_eq!(told.matches("image-not-found").count(), 60, "{told}");
    let most = most.load(Ordering::SeqCst);
    assert!((2..=4).contains(&most), "{most} at a time");
}

/// An application of three images of a registry.
fn application(shop: &Shop, host: &str) {
    let services = ["a", "b", "c"].map(|name| format!("  {name}: {{image: '{host}/{name}:1'}}\n")).concat();
    shop.write("compose.yaml", &format!("services:\n{services}"));
}

/// What `lock` says on standard error.
fn lock(shop: &Shop, host: &str, flags: &[&str]) -> String {
    let _ = std::fs::remove_file(shop.path().join("transship.lock"));
    let output = shop.command(env!("CARGO_BIN_EXE_transship")).arg("lock").args(flags).assert().success();
    String::from_utf8(output.get_output().stderr.clone()).unwrap().replace(host, "REGISTRY")
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_registry_warns_of_and_still_takes_is_said_once() {
    let content =
        ["a", "b", "c"].iter().fold(Images::default(), |images, name| images.with(name, "1", BOTH, &json!({})));
    let (remaining, honest) = (Arc::new(AtomicUsize::new(60)), content.clone());
    let left = Arc::clone(&remaining);
    let authenticated = basic_rule();
    let rule: Rule = Box::new(move |request, before| {
        if let Some(refusal) = authenticated(request, before) {
            return Some(refusal);
        }
        let left = format!("{};w=21600", left.fetch_sub(1, Ordering::Relaxed));
        let answer = honest.answer(request);
        Some(
            answer
                .append_header(
                    "Warning",
                    "299 - \"this registry closes in \\\"May\\\"\u{1b}[31m\"".replace('\u{1b}', "\t").as_str(),
                )
                .append_header("Warning", format!("299 - \"you are somebody with {PASSWORD}\"").as_str())
                .append_header("Warning", "214 - \"not of this kind\"")
                .insert_header("RateLimit-Limit", "100;w=21600")
                .insert_header("RateLimit-Remaining", left.as_str()),
        )
    });
    let registry = ScriptedRegistry::start(&content, rule).await;
    let (shop, host) = (Shop::empty(), registry.host());
    application(&shop, &host);
    shop.write(".docker/config.json", &inline(&host, "somebody", PASSWORD).inline.unwrap());
    let warning = "warning: REGISTRY says: this registry closes in \"May\"[31m\n";
    assert_eq!(lock(&shop, &host, &[]), warning);
    let told = lock(&shop, &host, &["-v"]);
    assert!(told.contains(warning) && told.contains("of 100 requests in 6h0m0s are left\n"), "{told}");
    assert!(!told.contains(PASSWORD), "{told}");
    // Nor is it where everything is told.
    let told = lock(&shop, &host, &["-vv"]);
    assert!(told.contains("asked"), "{told}");
    for secret in [PASSWORD, "c29tZWJvZHk6cGFzcy13b3JkLW9mLW5vYm9keQ"] {
        assert!(!told.contains(secret), "{told}");
    }
    // Hardly any are left: that is worth a word.
    remaining.store(15, Ordering::Relaxed);
    let asked = registry.seen().len();
    let told = lock(&shop, &host, &[]);
    let answered = registry.seen()[asked..].iter().filter(|call| call.contains("/v2/")).count();
    assert!(answered >= 12, "{answered}");
    let note = told.strip_prefix(warning).unwrap();
    assert!(note.starts_with("note: REGISTRY: ") && note.ends_with(" of 100 requests in 6h0m0s are left\n"), "{note}");
    assert_eq!(lock(&shop, &host, &["-q"]), "");
    assert_eq!(count(&registry.seen(), "PUT"), 0);
}

/// A registry behind TLS that has one image.
fn registry_behind_tls(identity: &crate::support::tls_server::Identity, old: bool) -> (TlsServer, String) {
    let layout = &mut crate::support::image_layout::ImageLayout::default();
    let digest = layout.image("x", &["linux/amd64"], &json!({}));
    let (blobs, wanted) = (layout.blobs.clone(), digest.clone());
    let server = TlsServer::start(&Manner { identity, clients: None, old }, move |method, path| {
        let last = path.rsplit('/').next().unwrap_or_default();
        let digest = if last == "1" { Some(wanted.clone()) } else { transship::image::Digest::parse(last).ok() };
        let Some((digest, content)) = digest.and_then(|digest| blobs.get(&digest).map(|content| (digest, content)))
        else {
            return answer(404, &[], b"");
        };
        let kind = if path.contains("/manifests/") {
            crate::support::image_layout::MANIFEST
        } else {
            "application/octet-stream"
        };
        let mut whole = answer(200, &[("Docker-Content-Digest", digest.as_str()), ("Content-Type", kind)], content);
        if method == "HEAD" {
            whole.truncate(whole.len() - content.len());
        }
        whole
    });
    (server, digest.to_string())
}

#[tokio::test(flavor = "multi_thread")]
async fn only_a_registry_that_somebody_vouches_for_is_spoken_to() {
    let (ours, theirs) = (Authority::new("ours"), Authority::new("theirs"));
    let place = tempfile::tempdir().unwrap();
    let file = |name: &str, text: &str| {
        let path = place.path().join(name);
        std::fs::write(&path, text).unwrap();
        path
    };
    let (ca, foreign, text) = (file("ours", ours.pem()), file("theirs", theirs.pem()), file("text", "no certificate"));
    let both = file("both", &format!("{}{}", theirs.pem(), ours.pem()));
    let (right, other, expired) =
        (ours.server(&["localhost"]), ours.server(&["registry.example.com"]), ours.expired_server(&["localhost"]));
    let shown_text = text.display().to_string();
    for (name, identity, insecure, ca, expected) in [
        ("vouched for", &right, false, Some(&ca), "pinned"),
        ("one of several", &right, false, Some(&both), "pinned"),
        ("anybody", &right, true, None, "pinned"),
        ("anybody, expired", &expired, true, None, "pinned"),
        ("nobody", &right, false, None, "the certificate of REGISTRY is not accepted: nobody here vouches for it"),
        (
            "somebody else",
            &right,
            false,
            Some(&foreign),
            "the certificate of REGISTRY is not accepted: nobody here vouches for it",
        ),
        (
            "another name",
            &other,
            false,
            Some(&ca),
            "the certificate of REGISTRY is not accepted: it is for another name",
        ),
        ("expired", &expired, false, Some(&ca), "the certificate of REGISTRY is not accepted: it has expired"),
        ("no certificate", &right, false, Some(&text), "the certificates in TEXT: not readable as PEM"),
    ] {
        for old in [false, true] {
            let (server, digest) = registry_behind_tls(identity, old);
            let host = format!("localhost:{}", server.port());
            let prefix = Located::new(host.as_str().into(), Spot::NOWHERE);
            let kind = SourceKind::Registry { insecure, ca: ca.cloned() };
            let settings = ImageSettings { sources: vec![SourceRule { prefix, kind }], ..ImageSettings::default() };
            let registries = Registries::new(&settings, CredentialSources::default(), patience());
            let told = shown(pin_all(&["app:1"], &host, &registries).await)
                .replace(&digest, "pinned")
                .replace(&shown_text, "TEXT");
            let expected = if expected == "pinned" { expected.to_owned() } else { format!("registry-tls: {expected}") };
            assert_eq!(told, expected, "{name}, old {old}");
            if expected != "pinned" {
                assert_eq!(server.heard(), [""; 0], "{name}");
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_goes_in_the_clear_that_began_in_tls() {
    let open = ScriptedRegistry::start(&images(), honest()).await;
    let port = open.host().rsplit(':').next().unwrap().to_owned();
    let ours = Authority::new("ours");
    let identity = ours.server(&["localhost"]);
    let directory = tempfile::tempdir().unwrap();
    let ca = directory.path().join("ca");
    std::fs::write(&ca, ours.pem()).unwrap();
    for (headers, status, expected) in [
        (
            ("WWW-Authenticate", format!("Bearer realm=\"http://localhost:{port}/token\"")),
            401,
            "registry-unsafe: REGISTRY sends us for a token to http://localhost",
        ),
        (
            ("Location", format!("http://localhost:{port}/v2/app/manifests/1")),
            307,
            "registry-unsafe: REGISTRY leads to http://localhost",
        ),
    ] {
        let manner = Manner { identity: &identity, clients: None, old: false };
        let server = TlsServer::start(&manner, move |_, path| match path {
            "/v2/" => answer(200, &[], b""),
            _ => answer(status, &[(headers.0, &headers.1)], b""),
        });
        let host = format!("localhost:{}", server.port());
        let prefix = Located::new(host.as_str().into(), Spot::NOWHERE);
        let kind = SourceKind::Registry { insecure: false, ca: Some(ca.clone()) };
        let settings = ImageSettings { sources: vec![SourceRule { prefix, kind }], ..ImageSettings::default() };
        let registries = Registries::new(&settings, inline(&host, "somebody", PASSWORD), patience());
        assert_eq!(shown(pin_all(&["app:1"], &host, &registries).await), expected);
    }
    assert_eq!(open.seen(), [""; 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_registry_that_wants_a_certificate_is_said_to() {
    let ours = Authority::new("ours");
    let identity = ours.server(&["localhost"]);
    let server = TlsServer::start(&Manner { identity: &identity, clients: Some(&ours), old: true }, |_, _| {
        answer(200, &[], b"")
    });
    let host = format!("localhost:{}", server.port());
    let prefix = Located::new(host.as_str().into(), Spot::NOWHERE);
    let kind = SourceKind::Registry { insecure: true, ca: None };
    let settings = ImageSettings { sources: vec![SourceRule { prefix, kind }], ..ImageSettings::default() };
    let registries = Registries::new(&settings, CredentialSources::default(), patience());
    let told = shown(pin_all(&["app:1"], &host, &registries).await);
    assert_eq!(told, "registry-tls: REGISTRY refuses the connection, as one that wants a certificate does");
}
