//! Engines that are spoken to over TLS, and want to see a certificate.

use std::{
    collections::BTreeMap,
    fs,
    path::Path,
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use transship::engine::{Address, Engine, Patience};

use crate::{
    cli_support::Shop,
    support::{
        engines::Engines,
        tls_server::{Authority, Identity, Manner, TlsServer, answer},
    },
};

fn engine(variables: &[(&str, String)], context: Option<&str>) -> Result<Engine, String> {
    let variables: BTreeMap<String, String> =
        variables.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect();
    let address = Address::find(&variables, context).map_err(|error| error.whole())?;
    Engine::new(address, Patience::default()).map_err(|error| error.whole())
}

/// What is heard of an engine, or why nothing is.
async fn info(variables: &[(&str, String)], context: Option<&str>) -> Result<String, String> {
    let engine = engine(variables, context)?;
    let told = engine.get("/info", &[]).await.map_err(|error| error.to_string())?;
    Ok(told["ID"].as_str().unwrap_or_default().to_owned())
}

fn an_engine(_: &str, path: &str) -> Vec<u8> {
    match path {
        "/_ping" => answer(200, &[("Api-Version", "1.41")], b"OK"),
        "/v1.41/info" => answer(200, &[("Content-Type", "application/json")], br#"{"ID": "secured"}"#),
        _ => answer(404, &[], b""),
    }
}

/// Certificates as `DOCKER_CERT_PATH` names them; without an identity only that of the authority.
fn kept(directory: &Path, authority: &Authority, identity: Option<&Identity>) -> String {
    fs::create_dir_all(directory).unwrap();
    fs::write(directory.join("ca.pem"), authority.pem()).unwrap();
    if let Some(identity) = identity {
        identity.write(directory);
    }
    directory.display().to_string()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_engine_that_wants_a_certificate_is_shown_the_one_there_is() {
    let (ours, theirs) = (Authority::new("ours"), Authority::new("theirs"));
    let identity = ours.server(&["localhost"]);
    let place = tempfile::tempdir().unwrap();
    let at = |name: &str| place.path().join(name);
    let client = ours.client();
    let stolen = Identity { key: ours.client().key, ..client.clone() };
    let right = kept(&at("right"), &ours, Some(&client));
    for old in [false, true] {
        let manner = Manner { identity: &identity, clients: Some(&ours), old };
        let server = TlsServer::start(&manner, an_engine);
        let host = format!("tcp://localhost:{}", server.port());
        let variables = |path: &str| {
            vec![("DOCKER_HOST", host.clone()), ("DOCKER_TLS_VERIFY", "1".into()), ("DOCKER_CERT_PATH", path.into())]
        };
        assert_eq!(info(&variables(&right), None).await.as_deref(), Ok("secured"));
        // Without DOCKER_CERT_PATH they lie beside Docker's other settings.
        let beside =
            vec![("DOCKER_HOST", host.clone()), ("DOCKER_TLS_VERIFY", "1".into()), ("DOCKER_CONFIG", right.clone())];
        assert_eq!(info(&beside, None).await.as_deref(), Ok("secured"));
        let heard = server.heard().len();
        for (name, authority, shown, expected) in [
            ("none", &ours, None, "it wants a certificate; cert.pem and key.pem belong into DOCKER_CERT_PATH"),
            ("wrong", &ours, Some(theirs.client()), "not accept our certificate; check cert.pem and key.pem"),
            ("expired", &ours, Some(ours.expired_client()), "not accept our certificate; check cert.pem and key.pem"),
            (
                "server",
                &ours,
                Some(ours.server(&["localhost"])),
                "not accept our certificate; check cert.pem and key.pem",
            ),
            (
                "foreign",
                &theirs,
                Some(client.clone()),
                "its certificate is not accepted; check ca.pem in DOCKER_CERT_PATH",
            ),
            (
                "stolen",
                &ours,
                Some(stolen.clone()),
                "can be made; check the address, and whether key.pem belongs to cert.pem",
            ),
        ] {
            let path = kept(&at(name), authority, shown.as_ref());
            let told = info(&variables(&path), None).await.unwrap_err();
            assert!(told.contains(expected), "{name}, old {old}: {told}");
        }
        assert_eq!(server.heard().len(), heard, "nobody else came through");
        // Half of it is a mistake, and said before anything is sent.
        let half = kept(&at("half"), &ours, Some(&client));
        for (gone, expected) in
            [("key.pem", "there is no key.pem beside it"), ("cert.pem", "there is no cert.pem beside it")]
        {
            client.write(&at("half"));
            fs::remove_file(at("half").join(gone)).unwrap();
            let told = info(&variables(&half), None).await.unwrap_err();
            assert!(told.contains(expected), "{told}");
        }
        // DOCKER_TLS shows a certificate, and asks for none that anybody vouches for.
        let foreign = vec![
            ("DOCKER_HOST", host.clone()),
            ("DOCKER_TLS", "1".into()),
            ("DOCKER_CERT_PATH", kept(&at("foreign"), &theirs, Some(&client))),
        ];
        assert_eq!(info(&foreign, None).await.as_deref(), Ok("secured"));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_engine_of_another_name_is_another_engine() {
    let ours = Authority::new("ours");
    let (elsewhere, expired) = (ours.server(&["engine.example.com"]), ours.expired_server(&["localhost"]));
    let place = tempfile::tempdir().unwrap();
    let path = kept(place.path(), &ours, None);
    for identity in [&elsewhere, &expired] {
        let server = TlsServer::start(&Manner { identity, clients: None, old: false }, an_engine);
        let host = format!("tcp://localhost:{}", server.port());
        let variables = [("DOCKER_HOST", host), ("DOCKER_TLS_VERIFY", "1".into()), ("DOCKER_CERT_PATH", path.clone())];
        let told = info(&variables, None).await.unwrap_err();
        assert!(told.contains("its certificate is not accepted"), "{told}");
        assert_eq!(server.heard(), [""; 0]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn one_side_with_tls_and_the_other_without_is_said() {
    let ours = Authority::new("ours");
    let place = tempfile::tempdir().unwrap();
    let path = kept(place.path(), &ours, Some(&ours.client()));
    // What a Docker Engine that speaks TLS says to one who does not.
    let plain = wiremock::MockServer::start().await;
    let refusal =
        wiremock::ResponseTemplate::new(400).set_body_string("Client sent an HTTP request to an HTTPS server.\n");
    wiremock::Mock::given(wiremock::matchers::any()).respond_with(refusal).mount(&plain).await;
    let host = format!("tcp://{}", plain.address());
    let told = info(&[("DOCKER_HOST", host.clone())], None).await.unwrap_err();
    assert!(told.contains("it speaks TLS alone; set DOCKER_TLS_VERIFY and DOCKER_CERT_PATH"), "{told}");
    let variables = [("DOCKER_HOST", host), ("DOCKER_TLS_VERIFY", "1".into()), ("DOCKER_CERT_PATH", path)];
    let told = info(&variables, None).await.unwrap_err();
    assert!(told.contains("it does not speak TLS; check its port, or unset DOCKER_TLS_VERIFY"), "{told}");
}

/// A context as the Docker CLI keeps it.
fn context(configuration: &Path, name: &str, host: &str, skip: bool) -> std::path::PathBuf {
    let digest = transship::image::Digest::of(name.as_bytes());
    let meta = configuration.join("contexts/meta").join(digest.hex());
    fs::create_dir_all(&meta).unwrap();
    let document = serde_json::json!({"Name": name, "Metadata": {}, "Endpoints": {"docker": {"Host": host, "SkipTLSVerify": skip}}});
    fs::write(meta.join("meta.json"), document.to_string()).unwrap();
    configuration.join("contexts/tls").join(digest.hex()).join("docker")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_context_brings_its_certificates_along() {
    let (ours, theirs) = (Authority::new("ours"), Authority::new("theirs"));
    let identity = ours.server(&["localhost"]);
    let server = TlsServer::start(&Manner { identity: &identity, clients: Some(&ours), old: false }, an_engine);
    let host = format!("tcp://localhost:{}", server.port());
    let place = tempfile::tempdir().unwrap();
    let variables = [("DOCKER_CONFIG", place.path().display().to_string())];
    kept(&context(place.path(), "far", &host, false), &ours, Some(&ours.client()));
    kept(&context(place.path(), "bare", &host, false), &ours, None);
    kept(&context(place.path(), "foreign", &host, false), &theirs, Some(&ours.client()));
    kept(&context(place.path(), "lenient", &host, true), &theirs, Some(&ours.client()));
    for (name, expected) in [
        ("far", Ok("secured")),
        ("lenient", Ok("secured")),
        ("bare", Err("it wants a certificate")),
        ("foreign", Err("its certificate is not accepted")),
    ] {
        match (info(&variables, Some(name)).await, expected) {
            (Ok(told), Ok(expected)) => assert_eq!(told, expected, "{name}"),
            (Err(told), Err(expected)) => assert!(told.contains(expected), "{name}: {told}"),
            (told, expected) => panic!("{name}: {told:?}, not {expected:?}"),
        }
    }
}

/// A Docker Engine that ends with the test.
struct Dockerd(Child);

impl Drop for Dockerd {
    fn drop(&mut self) {
        // By its own way, so that it ends what it has started.
        let _ = Command::new("kill").args(["-TERM", &self.0.id().to_string()]).status();
        let _ = self.0.wait();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn certificates_open_an_engine_real() {
    let Some(engines) = Engines::with("an engine behind TLS", &["DOCKER_HOST", "DOCKER"]) else { return };
    let (ours, theirs) = (Authority::new("ours"), Authority::new("theirs"));
    let shop = Shop::empty();
    let at = |name: &str| shop.path().join(name);
    kept(&at("server"), &ours, Some(&ours.server(&["localhost", "127.0.0.1"])));
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let host = format!("tcp://localhost:{port}");
    let place = shop.path().display();
    let dockerd = Command::new("dockerd")
        .args(["--host", &format!("tcp://127.0.0.1:{port}"), "--tlsverify", "--bridge", "none", "--iptables=false"])
        .args(["--tlscacert", &format!("{place}/server/ca.pem"), "--tlscert", &format!("{place}/server/cert.pem")])
        .args(["--tlskey", &format!("{place}/server/key.pem"), "--data-root", &format!("{place}/data")])
        .args(["--exec-root", &format!("{place}/exec"), "--pidfile", &format!("{place}/docker.pid")])
        .stdout(Stdio::null())
        .stderr(fs::File::create(at("log")).unwrap())
        .spawn();
    let dockerd = Dockerd(dockerd.unwrap());
    let variables = |path: &str| {
        vec![("DOCKER_HOST", host.clone()), ("DOCKER_TLS_VERIFY", "1".into()), ("DOCKER_CERT_PATH", path.to_owned())]
    };
    let right = kept(&at("right"), &ours, Some(&ours.client()));
    let until = Instant::now() + Duration::from_secs(60);
    let id = loop {
        match info(&variables(&right), None).await {
            Ok(id) => break id,
            Err(told) => assert!(Instant::now() < until, "{told}\n{}", shop.read("log")),
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    };
    assert!(!id.is_empty());
    let (none, wrong) = (kept(&at("none"), &ours, None), kept(&at("wrong"), &ours, Some(&theirs.client())));
    let told = info(&variables(&none), None).await.unwrap_err();
    assert!(told.contains("it wants a certificate"), "{told}");
    let told = info(&variables(&wrong), None).await.unwrap_err();
    assert!(told.contains("not accept our certificate"), "{told}");
    let told = info(&[("DOCKER_HOST", host.clone())], None).await.unwrap_err();
    assert!(told.contains("it speaks TLS alone"), "{told}");
    // A context that the Docker CLI itself has made.
    let endpoint = format!("host={host},ca={right}/ca.pem,cert={right}/cert.pem,key={right}/key.pem");
    let made = shop.command(engines.get("DOCKER")).args(["context", "create", "far", "--docker", &endpoint]).assert();
    made.success();
    let configuration = [("DOCKER_CONFIG", at(".docker").display().to_string())];
    assert_eq!(info(&configuration, Some("far")).await, Ok(id));
    drop(dockerd);
}
