//! Where credentials come from, and what they are exchanged for.

use std::sync::{Arc, Mutex, OnceLock};

use base64::Engine as _;
use futures_util::future::BoxFuture;
use serde_json::{Value as Json, json};
use transship::image::{CredentialHelpers, CredentialSources, HelperFailure, ImageSettings, Reference, Registries};
use wiremock::ResponseTemplate;

use crate::{
    registry::{BOTH, count, images, inline, patience, pin_all, pin_one, shown},
    support::scripted_registry::{Images, Rule, ScriptedRegistry, header},
};

fn encoded(user: &str, password: &str) -> String {
    base64::engine::general_purpose::STANDARD.encode(format!("{user}:{password}"))
}

/// A registry with Basic authentication that notes down who was there, and lets nobody in.
async fn visited() -> (ScriptedRegistry, Arc<Mutex<Vec<String>>>) {
    let visitors = Arc::new(Mutex::new(Vec::new()));
    let own = Arc::clone(&visitors);
    let rule: Rule = Box::new(move |request, _| {
        if let Some(shown) = header(request, "authorization") {
            let bytes = base64::engine::general_purpose::STANDARD.decode(shown.trim_start_matches("Basic ")).unwrap();
            own.lock().unwrap().push(String::from_utf8(bytes).unwrap());
        }
        Some(ResponseTemplate::new(401).insert_header("WWW-Authenticate", "Basic realm=\"x\""))
    });
    (ScriptedRegistry::start(&images(), rule).await, visitors)
}

#[tokio::test]
async fn places_are_looked_at_in_the_order_of_docker_and_podman() {
    let (registry, visitors) = visited().await;
    let host = registry.host();
    let directory = tempfile::tempdir().unwrap();
    let place = directory.path();
    let auths = |user: &str| json!({"auths": {host.as_str(): {"auth": encoded(user, "word")}}}).to_string();
    let variables = [
        ("DOCKER_AUTH_CONFIG", auths("inline")),
        ("DOCKER_CONFIG", place.join("docker").display().to_string()),
        ("REGISTRY_AUTH_FILE", place.join("named.json").display().to_string()),
        ("XDG_RUNTIME_DIR", place.join("run").display().to_string()),
        ("XDG_CONFIG_HOME", place.join("config").display().to_string()),
    ];
    for (file, user) in [
        ("docker/config.json", "docker"),
        ("named.json", "named"),
        ("run/containers/auth.json", "run"),
        ("config/containers/auth.json", "config"),
        ("home/.docker/config.json", "home-docker"),
        ("home/.config/containers/auth.json", "home-config"),
    ] {
        let path = place.join(file);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, auths(user)).unwrap();
    }
    let home = place.join("home");
    let expected = ["inline", "docker", "named", "run", "config", "home-docker", "home-config"];
    for (gone, expected) in expected.into_iter().enumerate() {
        // One place after the other is taken away: the variables first, then what is in the home directory.
        let left: Vec<_> = variables.iter().skip(gone.min(variables.len())).collect();
        if gone == 6 {
            std::fs::remove_file(home.join(".docker/config.json")).unwrap();
        }
        let find = |name: &str| left.iter().find(|(known, _)| *known == name).map(|(_, value)| value.clone());
        // While it is named, what is named takes the place of what is at home.
        let home = (gone >= 5).then_some(home.as_path());
        let _ = pin_one(&registry, CredentialSources::usual(find, home)).await;
        let visitor = visitors.lock().unwrap().drain(..).next();
        assert_eq!(visitor, Some(format!("{expected}:word")));
    }
}

#[tokio::test]
async fn a_place_that_keeps_nothing_for_the_registry_is_passed_over() {
    let (registry, visitors) = visited().await;
    let host = registry.host();
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("auth.json");
    for (first, expected) in [
        (json!({}), Some("second:word")),
        (json!({"auths": {}}), Some("second:word")),
        // As `docker login` leaves it beside a store, and as people leave it.
        (json!({"auths": {host.as_str(): {}}}), Some("second:word")),
        (json!({"auths": {"other.example.com": {"auth": encoded("first", "word")}}}), Some("second:word")),
        (json!({"auths": {host.as_str(): {"username": "first", "password": "word"}}}), Some("first:word")),
        (json!({"auths": {format!("{host}/app"): {"auth": encoded("first", "word")}}}), Some("first:word")),
        (json!({"auths": {format!("{host}/ap"): {"auth": encoded("first", "word")}}}), Some("second:word")),
        // The longest name counts.
        (
            json!({"auths": {host.as_str(): {"auth": encoded("whole", "word")}, format!("{host}/app"): {"auth": encoded("own", "word")}}}),
            Some("own:word"),
        ),
        (json!({"auths": {host.as_str(): {"auth": "not base64"}}}), None),
        (json!([]), None),
    ] {
        let second = json!({"auths": {host.as_str(): {"auth": encoded("second", "word")}}});
        std::fs::write(&file, second.to_string()).unwrap();
        let sources = CredentialSources {
            inline: Some(first.to_string().into()),
            files: vec![directory.path().join("none.json"), file.clone()],
            ..CredentialSources::default()
        };
        let told = shown(pin_one(&registry, sources).await);
        assert_eq!(visitors.lock().unwrap().drain(..).next().as_deref(), expected, "{first}");
        if expected.is_none() {
            assert!(told.starts_with("registry-credentials: DOCKER_AUTH_CONFIG "), "{told}");
        }
    }
    // Two documents in a row are a mistake, and not the first of them.
    let twice = format!("{0}{0}", json!({"auths": {}}));
    let sources = CredentialSources { inline: Some(twice.into()), ..CredentialSources::default() };
    let told = shown(pin_one(&registry, sources).await);
    assert_eq!(told, "registry-credentials: DOCKER_AUTH_CONFIG is not a JSON object");
}

#[tokio::test]
async fn docker_hub_has_several_names() {
    let secrets = transship::value::Secrets::default();
    let image = [Reference::parse("nginx").unwrap()];
    for key in ["https://index.docker.io/v1/", "index.docker.io", "docker.io", "https://registry-1.docker.io/v2/"] {
        let registries = Registries::new(&ImageSettings::default(), inline(key, "somebody", "word"), patience());
        assert!(registries.pull_secret(&image, &secrets).await.unwrap().is_some(), "{key}");
    }
    for key in ["hub.docker.com", "docker.io.example.com", "https://example.com/docker.io"] {
        let registries = Registries::new(&ImageSettings::default(), inline(key, "somebody", "word"), patience());
        assert!(registries.pull_secret(&image, &secrets).await.unwrap().is_none(), "{key}");
    }
}

/// Notes down what it is asked for.
#[derive(Default)]
struct Asked(Mutex<Vec<String>>);

impl CredentialHelpers for Asked {
    fn get<'a>(&'a self, helper: &'a str, server: &'a str) -> BoxFuture<'a, Result<Vec<u8>, HelperFailure>> {
        self.0.lock().unwrap().push(format!("{helper} {server}"));
        Box::pin(async { Ok(br#"{"Username": "somebody", "Secret": "word"}"#.to_vec()) })
    }
}

#[tokio::test]
async fn a_helper_is_asked_once_for_a_registry_by_the_name_docker_has_for_it() {
    let asked = Arc::new(Asked::default());
    let text = json!({"credsStore": "store", "credHelpers": {"quay.io": "own", "localhost:5000": ""}});
    let helpers: Arc<dyn CredentialHelpers> = Arc::clone(&asked) as _;
    let sources =
        CredentialSources { inline: Some(text.to_string().into()), helpers: Some(helpers), ..Default::default() };
    let registries = Registries::new(&ImageSettings::default(), sources, patience());
    let images = ["nginx", "a/b", "quay.io/a/b", "quay.io/c/d", "localhost:5000/x", "registry.example.com:8443/x"];
    let images: Vec<Reference> = images.iter().map(|image| Reference::parse(image).unwrap()).collect();
    let secrets = transship::value::Secrets::default();
    for _ in 0..2 {
        assert!(registries.pull_secret(&images, &secrets).await.unwrap().is_some());
    }
    let mut asked = asked.0.lock().unwrap().clone();
    asked.sort();
    assert_eq!(asked, ["own quay.io", "store https://index.docker.io/v1/", "store registry.example.com:8443"]);
}

/// A registry with a token server of its own, told by `token` what it gives for a question.
async fn with_tokens(
    content: &Images,
    challenge: &'static str,
    token: impl Fn(&wiremock::Request) -> Json + Send + Sync + 'static,
    right: impl Fn(&wiremock::Request) -> bool + Send + Sync + 'static,
) -> ScriptedRegistry {
    let host = Arc::new(OnceLock::<String>::new());
    let own = Arc::clone(&host);
    let rule: Rule = Box::new(move |request, _| {
        if request.url.path() == "/token" {
            return Some(ResponseTemplate::new(200).set_body_json(token(request)));
        }
        let challenge = format!("Bearer realm=\"http://{}/token\"{challenge}", own.get().unwrap());
        (!right(request)).then(|| ResponseTemplate::new(401).insert_header("WWW-Authenticate", challenge.as_str()))
    });
    let registry = ScriptedRegistry::start(content, rule).await;
    host.set(registry.host()).unwrap();
    registry
}

#[tokio::test]
async fn many_images_of_a_repository_share_one_token() {
    let content =
        (0..30).fold(Images::default(), |images, number| images.with("app", &number.to_string(), BOTH, &json!({})));
    let right = |request: &wiremock::Request| header(request, "authorization") == Some("Bearer app");
    let token = |request: &wiremock::Request| {
        let asked: Vec<(String, String)> = request.url.query_pairs().into_owned().collect();
        assert_eq!(asked, [("scope".to_owned(), "repository:app:pull".to_owned())], "no service was named");
        json!({"token": "app"})
    };
    let registry = with_tokens(&content, "", token, right).await;
    let registries = Registries::new(&ImageSettings::default(), CredentialSources::default(), patience());
    let names: Vec<String> = (0..30).map(|number| format!("app:{number}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    assert_eq!(pin_all(&names, &registry.host(), &registries).await.unwrap().lock.images.len(), 30);
    assert_eq!(count(&registry.seen(), "GET /token"), 1);
}

#[tokio::test]
async fn every_repository_has_a_token_of_its_own() {
    let content =
        ["a", "b", "c"].iter().fold(Images::default(), |images, name| images.with(name, "1", BOTH, &json!({})));
    let token = |request: &wiremock::Request| {
        let scope = request.url.query_pairs().find(|(key, _)| key == "scope").map(|(_, scope)| scope.into_owned());
        json!({"token": scope.unwrap().replace(':', "-")})
    };
    let right = |request: &wiremock::Request| {
        let repository = request.url.path().split('/').nth(2).unwrap();
        header(request, "authorization") == Some(&format!("Bearer repository-{repository}-pull"))
    };
    let registry = with_tokens(&content, ",service=\"r\"", token, right).await;
    let registries = Registries::new(&ImageSettings::default(), CredentialSources::default(), patience());
    assert_eq!(pin_all(&["a:1", "b:1", "c:1"], &registry.host(), &registries).await.unwrap().lock.images.len(), 3);
    assert_eq!(count(&registry.seen(), "GET /token"), 3);
}

#[tokio::test]
async fn an_identity_token_that_was_renewed_is_the_one_shown_next() {
    let content = ["a", "b"].iter().fold(Images::default(), |images, name| images.with(name, "1", BOTH, &json!({})));
    let shown_tokens = Arc::new(Mutex::new(Vec::new()));
    let own = Arc::clone(&shown_tokens);
    let token = move |request: &wiremock::Request| {
        let form = String::from_utf8_lossy(&request.body).into_owned();
        let token = form.split('&').find_map(|pair| pair.strip_prefix("refresh_token=")).unwrap().to_owned();
        let mut shown = own.lock().unwrap();
        shown.push(token);
        json!({"access_token": "granted", "refresh_token": format!("identity-{}", shown.len())})
    };
    let right = |request: &wiremock::Request| header(request, "authorization") == Some("Bearer granted");
    let registry = with_tokens(&content, ",service=\"r\"", token, right).await;
    let text = json!({"auths": {registry.host(): {"identitytoken": "identity-0"}}});
    let sources = CredentialSources { inline: Some(text.to_string().into()), ..CredentialSources::default() };
    let registries = Registries::new(&ImageSettings::default(), sources, patience());
    pin_all(&["a:1"], &registry.host(), &registries).await.unwrap();
    pin_all(&["b:1"], &registry.host(), &registries).await.unwrap();
    assert_eq!(*shown_tokens.lock().unwrap(), ["identity-0", "identity-1"]);
}

#[tokio::test]
async fn a_token_of_a_short_life_is_fetched_anew_before_it_is_refused() {
    let content =
        ["1", "2"].iter().fold(Images::default(), |images, tag| images.with("app", tag, BOTH, &json!({"Cmd": [tag]})));
    let right = |request: &wiremock::Request| header(request, "authorization") == Some("Bearer short");
    let registry = with_tokens(&content, "", |_| json!({"token": "short", "expires_in": 1}), right).await;
    let registries = Registries::new(&ImageSettings::default(), CredentialSources::default(), patience());
    pin_all(&["app:1"], &registry.host(), &registries).await.unwrap();
    let refused = registry.seen().len();
    // Its second is over by then, whatever the machine is busy with.
    tokio::time::sleep(std::time::Duration::from_secs(1)).await;
    pin_all(&["app:2"], &registry.host(), &registries).await.unwrap();
    let seen = registry.seen().split_off(refused);
    assert_eq!(seen.first().map(String::as_str), Some("GET /token"), "{seen:?}");
    assert_eq!(count(&seen, "HEAD"), 1, "{seen:?}");
}
