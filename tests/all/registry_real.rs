//! Debian's registry as people run it: plain, with TLS and passwords, with tokens; skopeo beside it. Skipped
//! where the programs are not installed.

use std::{
    fs,
    path::Path,
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use base64::Engine as _;
use wiremock::{Mock, MockServer, Request, ResponseTemplate, matchers::any};

use crate::{
    cli_support::Shop,
    support::image_layout::{INDEX, ImageLayout, MANIFEST, bytes},
};

const USER: &str = "somebody";
const PASSWORD: &str = "pass-word";

fn run(directory: &Path, program: &str, arguments: &[&str]) -> Vec<u8> {
    let output = Command::new(program).current_dir(directory).args(arguments).output().unwrap();
    assert!(output.status.success(), "{program} {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    output.stdout
}

fn installed() -> bool {
    let missing: Vec<&str> = ["docker-registry", "skopeo", "openssl", "htpasswd", "git"]
        .into_iter()
        .filter(|program| {
            Command::new(program).arg("--help").stdout(Stdio::null()).stderr(Stdio::null()).status().is_err()
        })
        .collect();
    if !missing.is_empty() {
        eprintln!("skipped: real registries need {}", missing.join(", "));
    }
    missing.is_empty()
}

/// A registry that ends with the test.
struct Registry {
    process: Child,
    host: String,
}

impl Drop for Registry {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Starts one; `with` is what its configuration has beside storage and address.
fn start(directory: &Path, name: &str, tls: bool, with: &str) -> Registry {
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let place = directory.display();
    let secure =
        if tls { format!(", tls: {{certificate: {place}/tls.pem, key: {place}/tls.key}}") } else { String::new() };
    let text = format!(
        "version: 0.1\nlog: {{level: error, accesslog: {{disabled: true}}}}\n\
         storage: {{filesystem: {{rootdirectory: {place}/{name}}}}}\nhttp: {{addr: \"127.0.0.1:{port}\"{secure}}}\n{with}\n"
    );
    let file = directory.join(format!("{name}.yml"));
    fs::write(&file, text).unwrap();
    let process =
        Command::new("docker-registry").arg("serve").arg(&file).stdout(Stdio::null()).stderr(Stdio::null()).spawn();
    let registry = Registry { process: process.unwrap(), host: format!("localhost:{port}") };
    let until = Instant::now() + Duration::from_secs(30);
    while std::net::TcpStream::connect(("127.0.0.1", port)).is_err() {
        assert!(Instant::now() < until, "{name} does not come up");
        std::thread::yield_now();
    }
    registry
}

fn certificates(directory: &Path) {
    let new = |arguments: &str| run(directory, "openssl", &arguments.split(' ').collect::<Vec<_>>());
    new("req -x509 -newkey rsa:2048 -nodes -keyout ca.key -out ca.pem -days 30 -subj /CN=authority");
    new("req -newkey rsa:2048 -nodes -keyout tls.key -out tls.csr -subj /CN=localhost");
    fs::write(directory.join("names"), "subjectAltName=DNS:localhost,IP:127.0.0.1\n").unwrap();
    new("x509 -req -in tls.csr -CA ca.pem -CAkey ca.key -CAcreateserial -out tls.pem -days 30 -extfile names");
    new("req -x509 -newkey rsa:2048 -nodes -keyout token.key -out token.pem -days 30 -subj /CN=token");
    fs::write(directory.join("htpasswd"), run(directory, "htpasswd", &["-Bbn", USER, PASSWORD])).unwrap();
}

fn basic() -> String {
    base64::engine::general_purpose::STANDARD.encode(format!("{USER}:{PASSWORD}"))
}

/// Gives tokens as the registry reads them: what was asked for to whoever has the password, nothing to others.
fn token(directory: &Path, request: &Request) -> ResponseTemplate {
    let known = request.headers.get("authorization").and_then(|value| value.to_str().ok());
    let right = known.is_some_and(|known| known == format!("Basic {}", basic()));
    if known.is_some() && !right {
        return ResponseTemplate::new(401);
    }
    let pairs: Vec<(String, String)> = request.url.query_pairs().into_owned().collect();
    let scopes = pairs.iter().filter(|(key, _)| key == "scope").flat_map(|(_, scopes)| scopes.split(' '));
    let access: Vec<serde_json::Value> = scopes
        .filter_map(|scope| {
            let (rest, actions) = scope.rsplit_once(':')?;
            let (kind, name) = rest.split_once(':')?;
            let actions: Vec<&str> = if right { actions.split(',').collect() } else { Vec::new() };
            Some(serde_json::json!({"type": kind, "name": name, "actions": actions}))
        })
        .collect();
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs();
    let pem = fs::read_to_string(directory.join("token.pem")).unwrap();
    let certificate: String = pem.lines().filter(|line| !line.starts_with("---")).collect();
    let encode = |bytes: &[u8]| base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(bytes);
    let part = |json: serde_json::Value| encode(json.to_string().as_bytes());
    let head = part(serde_json::json!({"typ": "JWT", "alg": "RS256", "x5c": [certificate]}));
    let body = part(serde_json::json!({
        "iss": "issuer", "sub": "", "aud": "registry", "exp": now + 300, "nbf": now - 10, "iat": now,
        "jti": "1", "access": access,
    }));
    let signed = format!("{head}.{body}");
    let file = directory.join(format!("to-sign-{}", transship::image::Digest::of(signed.as_bytes()).hex()));
    fs::write(&file, &signed).unwrap();
    let file = file.display().to_string();
    let signature = run(directory, "openssl", &["dgst", "-sha256", "-sign", "token.key", &file]);
    let token = format!("{signed}.{}", encode(&signature));
    ResponseTemplate::new(200).set_body_json(serde_json::json!({"token": token, "expires_in": 300}))
}

#[tokio::test(flavor = "multi_thread")]
async fn real_registries_are_locked_from_and_promoted_between() {
    if !installed() {
        return;
    }
    let shop = Shop::empty();
    let directory = shop.path().to_owned();
    certificates(&directory);
    let tokens = MockServer::start().await;
    let place = directory.clone();
    Mock::given(any()).respond_with(move |request: &Request| token(&place, request)).mount(&tokens).await;
    let plain = start(&directory, "plain", false, "");
    let path = directory.display();
    let secure = start(&directory, "secure", true, &format!("auth: {{htpasswd: {{realm: r, path: {path}/htpasswd}}}}"));
    let server = format!(
        "auth: {{token: {{realm: \"http://{}/token\", service: registry, issuer: issuer, rootcertbundle: {path}/token.pem}}}}",
        tokens.address()
    );
    let token = start(&directory, "token", false, &server);
    let login = format!("{USER}:{PASSWORD}");
    // Pushed by somebody else's hand.
    let layout = format!("oci:{}/examples/shop/images:registry.example.com/shop/web:1.4.2", env!("CARGO_MANIFEST_DIR"));
    let target = format!("docker://{}/shop/web:1.4.2", plain.host);
    run(&directory, "skopeo", &["copy", "-q", "--all", "--dest-tls-verify=false", &layout, &target]);
    shop.write("compose.yaml", &format!("services:\n  web:\n    image: {}/shop/web:1.4.2\n", plain.host));
    shop.run(["lock"]).success();
    let promote =
        |to: &str| shop.run(["promote", "--to", to, "--tag", "1.4.2", "--tag", "latest", "--yes"]).get_output().clone();
    let (to_secure, to_token) = (format!("{}/live", secure.host), format!("{}/live", token.host));
    let told = String::from_utf8(promote(&to_secure).stderr).unwrap();
    assert!(told.contains("registry-tls") && told.contains("nobody here vouches for it"), "{told}");
    shop.write("transship.yaml", &format!("images: {{sources: [{{prefix: '{}', ca: ca.pem}}]}}\n", secure.host));
    let told = String::from_utf8(promote(&to_secure).stderr).unwrap();
    assert!(told.contains("denies access (401"), "{told}");
    let told = String::from_utf8(promote(&to_token).stderr).unwrap();
    assert!(told.contains("denies access (401"), "{told}");
    let auths = serde_json::json!({"auths": {&secure.host: {"auth": basic()}, &token.host: {"auth": basic()}}});
    shop.write(".docker/config.json", &auths.to_string());
    for to in [&to_secure, &to_token, &format!("{}/live", plain.host)] {
        let output = promote(to);
        assert!(output.status.success(), "{to}: {}", String::from_utf8_lossy(&output.stderr));
    }
    // And read by somebody else's eye: the same bytes, all platforms.
    let lock = shop.read("transship.lock");
    let digest = lock.split("digest: ").nth(1).unwrap().lines().next().unwrap();
    for (number, host) in [&plain.host, &secure.host, &token.host].into_iter().enumerate() {
        let image = format!("docker://{host}/live/web:latest");
        let raw = run(&directory, "skopeo", &["inspect", "--raw", "--tls-verify=false", "--creds", &login, &image]);
        assert_eq!(transship::image::Digest::of(&raw).as_str(), digest, "{host}");
        let copy = format!("dir:{path}/copy-{number}");
        let options = ["copy", "-q", "--all", "--src-tls-verify=false", "--src-creds", &login, &image, &copy];
        run(&directory, "skopeo", &options);
    }
    // What was promoted can be locked from there, and goes on from there inside of the same registry, where nothing is
    // sent: a token for that opens both repositories.
    for host in [&secure.host, &token.host] {
        shop.write("compose.yaml", &format!("services:\n  web:\n    image: {host}/live/web:latest\n"));
        shop.run(["lock"]).success();
        assert!(shop.read("transship.lock").contains(digest));
        let to = format!("{host}/again");
        let output = shop.run(["promote", "--to", &to, "--tag", "2", "--yes"]).success().get_output().stdout.clone();
        let told = String::from_utf8(output).unwrap();
        assert!(told.contains("blobs 0 (0 bytes); mounted: ") && !told.contains("mounted: 0"), "{told}");
        let image = format!("docker://{to}/web:2");
        let raw = run(&directory, "skopeo", &["inspect", "--raw", "--tls-verify=false", "--creds", &login, &image]);
        assert_eq!(transship::image::Digest::of(&raw).as_str(), digest, "{host}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn real_registry_gets_what_is_attached_and_the_tags_of_git() {
    if !installed() {
        return;
    }
    let shop = Shop::empty();
    let directory = shop.path().to_owned();
    let registry = start(&directory, "attached", false, "");
    let name = |tag: &str| format!("registry.example.com/app:{tag}");
    let layout = &mut ImageLayout::default();
    let app = layout.image(&name("1"), &["linux/amd64", "linux/arm64"], &serde_json::json!({}));
    let cosign = format!("sha256-{}.sig", app.hex());
    let signature = layout.image_of(&name(&cosign), &serde_json::json!({"Labels": {"a": "signature"}}), &[]);
    let list = layout.image_of(&name("sbom"), &serde_json::json!({"Labels": {"a": "list"}}), &[]);
    let size = layout.blobs[&list].len();
    let index = bytes(&serde_json::json!({"schemaVersion": 2, "mediaType": INDEX, "manifests": [
        {"mediaType": MANIFEST, "digest": list.as_str(), "size": size, "artifactType": "application/spdx+json"},
    ]}));
    let attached = format!("sha256-{}", app.hex());
    layout.named(&name(&attached), INDEX, index.clone());
    layout.write(&directory.join("images"));
    shop.write("compose.yaml", &format!("services: {{app: {{image: '{}'}}}}\n", name("1")));
    shop.write("transship.yaml", "images: {sources: [{prefix: registry.example.com, layout: images}]}\n");
    let git = |arguments: &[&str]| run(&directory, "git", arguments);
    git(&["init", "-q"]);
    git(&["add", "compose.yaml"]);
    git(&["-c", "user.name=x", "-c", "user.email=x@example.com", "commit", "-q", "-m", "x"]);
    for tag in ["v1.4.2", "release/1.4.2"] {
        git(&["tag", tag]);
    }
    shop.run(["lock"]).success();
    let promote = |to: &str, tags: &[&str]| {
        let to = format!("{}/{to}", registry.host);
        let command = shop.command(env!("CARGO_BIN_EXE_transship"));
        command.args(["promote", "--to", &to, "--yes"]).args(tags).assert().success().get_output().stderr.clone()
    };
    let told = String::from_utf8(promote("test", &["--source-tags", "--tag", "latest"])).unwrap();
    assert!(told.contains("warning: the git tag `release/1.4.2` cannot be the tag of an image"), "{told}");
    let raw = |repository: &str, tag: &str| {
        let image = format!("docker://{}/{repository}/app:{tag}", registry.host);
        run(&directory, "skopeo", &["inspect", "--raw", "--tls-verify=false", &image])
    };
    let same = |repository: &str, tags: &[&str]| {
        for tag in tags {
            assert_eq!(transship::image::Digest::of(&raw(repository, tag)), app, "{repository}:{tag}");
        }
        assert_eq!(transship::image::Digest::of(&raw(repository, &cosign)), signature, "{repository}");
        assert_eq!(raw(repository, &attached), index, "{repository}");
    };
    same("test", &["v1.4.2", "latest"]);
    // From there to another repository of the same registry, where nothing is sent.
    shop.write("compose.yaml", &format!("services: {{app: {{image: '{}/test/app:v1.4.2'}}}}\n", registry.host));
    shop.run(["lock"]).success();
    promote("live", &["--tag", "1"]);
    same("live", &["1"]);
    // Without a tag at the commit there is nothing to promote as.
    git(&["tag", "-d", "v1.4.2"]);
    let to = format!("{}/other", registry.host);
    let told = shop.run(["promote", "--to", &to, "--source-tags", "--yes"]).code(1).get_output().stderr.clone();
    assert!(String::from_utf8(told).unwrap().contains("git has no tag at this commit"));
}
