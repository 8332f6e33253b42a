//! A registry that does what a test tells it to.

use std::sync::{Arc, Mutex};

use serde_json::Value as Json;
use transship::image::Digest;
use wiremock::{Mock, MockServer, Request, ResponseTemplate, matchers::any};

use super::image_layout::{INDEX, ImageLayout, MANIFEST};

/// What a test puts before the registry's own answer.
pub type Rule = Box<dyn Fn(&Request, usize) -> Option<ResponseTemplate> + Send + Sync>;

/// A registry on this machine.
#[derive(Debug)]
pub struct ScriptedRegistry {
    server: MockServer,
    /// `METHOD /path` of every request, in order.
    seen: Arc<Mutex<Vec<String>>>,
}

/// Images by repository and tag; every repository has all content.
#[derive(Clone, Debug, Default)]
pub struct Images {
    tags: Vec<(String, Digest)>,
    layout: Arc<Mutex<ImageLayout>>,
}

impl Images {
    /// With one more image.
    pub fn with(mut self, repository: &str, tag: &str, platforms: &[&str], config: &Json) -> Self {
        let digest = self.layout.lock().unwrap().image("x", platforms, config);
        self.tags.push((format!("/v2/{repository}/manifests/{tag}"), digest));
        self
    }

    /// With one more, for `linux/amd64`, out of these layers, the lowest first.
    pub fn of_layers(mut self, repository: &str, tag: &str, config: &Json, layers: &[Vec<u8>]) -> Self {
        let digest = self.layout.lock().unwrap().image_of("x", config, layers);
        self.tags.push((format!("/v2/{repository}/manifests/{tag}"), digest));
        self
    }

    /// With something else under a tag.
    pub fn with_content(mut self, repository: &str, tag: &str, make: impl FnOnce(&mut ImageLayout) -> Digest) -> Self {
        let digest = make(&mut self.layout.lock().unwrap());
        self.tags.push((format!("/v2/{repository}/manifests/{tag}"), digest));
        self
    }

    /// The digest of the last image.
    pub fn digest(&self) -> Digest {
        self.tags.last().unwrap().1.clone()
    }

    /// Content by its digest.
    pub fn blob(&self, digest: &Digest) -> Vec<u8> {
        self.layout.lock().unwrap().blobs[digest].clone()
    }

    /// The honest answer of a registry.
    pub fn answer(&self, request: &Request) -> ResponseTemplate {
        let path = request.url.path();
        let last = path.rsplit('/').next().unwrap_or_default();
        let tagged = self.tags.iter().find(|(known, _)| known == path).map(|(_, digest)| digest.clone());
        let digest = tagged.or_else(|| Digest::parse(last).ok());
        let layout = self.layout.lock().unwrap();
        let found = digest.and_then(|digest| Some((layout.blobs.get(&digest)?.clone(), digest)));
        let Some((content, digest)) = found else {
            let error =
                serde_json::json!({"errors": [{"code": "MANIFEST_UNKNOWN", "message": "the secret of the registry"}]});
            return ResponseTemplate::new(404).set_body_json(error);
        };
        let kind = serde_json::from_slice::<Json>(&content).ok();
        let kind = match kind.as_ref().and_then(|json| json["mediaType"].as_str()) {
            Some(INDEX) => INDEX,
            Some(MANIFEST) => MANIFEST,
            _ => "application/octet-stream",
        };
        ResponseTemplate::new(200).insert_header("Docker-Content-Digest", digest.as_str()).set_body_raw(content, kind)
    }
}

impl ScriptedRegistry {
    /// Starts it; a rule's second argument counts the requests to the same method and path, from 0.
    pub async fn start(images: &Images, rule: Rule) -> Self {
        Self::start_at(std::net::TcpListener::bind("127.0.0.1:0").unwrap(), images, rule).await
    }

    /// The same, where somebody listens already.
    pub async fn start_at(listener: std::net::TcpListener, images: &Images, rule: Rule) -> Self {
        let server = MockServer::builder().listener(listener).start().await;
        let seen = Arc::new(Mutex::new(Vec::new()));
        let (images, heard) = (images.clone(), Arc::clone(&seen));
        let respond = move |request: &Request| {
            let call = format!("{} {}", request.method, request.url.path());
            let before = {
                let mut heard = heard.lock().unwrap();
                let before = heard.iter().filter(|other| **other == call).count();
                heard.push(call);
                before
            };
            rule(request, before).unwrap_or_else(|| images.answer(request))
        };
        Mock::given(any()).respond_with(respond).mount(&server).await;
        Self { server, seen }
    }

    /// `127.0.0.1:PORT`.
    pub fn host(&self) -> String {
        self.server.address().to_string()
    }

    /// `METHOD /path` of every request so far, in order.
    pub fn seen(&self) -> Vec<String> {
        self.seen.lock().unwrap().clone()
    }
}

/// The value of a request's header.
pub fn header<'a>(request: &'a Request, name: &str) -> Option<&'a str> {
    request.headers.get(name).and_then(|value| value.to_str().ok())
}
