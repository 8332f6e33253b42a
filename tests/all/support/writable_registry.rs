//! A registry in memory that takes what is pushed.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
};

use transship::image::Digest;
use wiremock::{Mock, MockServer, Request, ResponseTemplate, matchers::any};

/// What a test puts before the registry's own answer.
pub type Rule = Box<dyn Fn(&Request) -> Option<ResponseTemplate> + Send + Sync>;

#[derive(Default)]
struct Kept {
    /// By repository and digest.
    blobs: BTreeMap<(String, String), Vec<u8>>,
    /// By repository and tag or digest: media type and bytes.
    manifests: BTreeMap<(String, String), (String, Vec<u8>)>,
    uploads: Vec<Vec<u8>>,
    seen: Vec<String>,
}

/// It runs until it is dropped.
pub struct WritableRegistry {
    server: MockServer,
    kept: Arc<Mutex<Kept>>,
}

impl WritableRegistry {
    /// Starts it, empty.
    pub async fn start(rule: Rule) -> Self {
        let server = MockServer::start().await;
        let kept = Arc::new(Mutex::new(Kept::default()));
        let own = Arc::clone(&kept);
        let respond = move |request: &Request| {
            let mut kept = own.lock().unwrap();
            kept.seen.push(format!("{} {}", request.method, request.url.path()));
            rule(request).unwrap_or_else(|| kept.answer(request))
        };
        Mock::given(any()).respond_with(respond).mount(&server).await;
        Self { server, kept }
    }

    /// `127.0.0.1:PORT`.
    pub fn host(&self) -> String {
        self.server.address().to_string()
    }

    /// The digest of what a tag stands for.
    pub fn tag(&self, repository: &str, tag: &str) -> Option<Digest> {
        let kept = self.kept.lock().unwrap();
        kept.manifests.get(&(repository.to_owned(), tag.to_owned())).map(|(_, bytes)| Digest::of(bytes))
    }

    /// What stands under a tag or a digest.
    pub fn manifest(&self, repository: &str, name: &str) -> serde_json::Value {
        let kept = self.kept.lock().unwrap();
        let found = kept.manifests.get(&(repository.to_owned(), name.to_owned()));
        found.map(|(_, bytes)| serde_json::from_slice(bytes).unwrap()).unwrap_or_default()
    }

    /// Puts something there, as somebody else would.
    pub fn put(&self, repository: &str, name: &str, media_type: &str, bytes: &[u8]) {
        let mut kept = self.kept.lock().unwrap();
        for name in [name.to_owned(), Digest::of(bytes).to_string()] {
            kept.manifests.insert((repository.to_owned(), name), (media_type.to_owned(), bytes.to_vec()));
        }
    }

    /// How many requests began so.
    pub fn count(&self, start: &str) -> usize {
        self.kept.lock().unwrap().seen.iter().filter(|call| call.starts_with(start)).count()
    }
}

impl Kept {
    fn answer(&mut self, request: &Request) -> ResponseTemplate {
        let path = request.url.path().trim_start_matches("/v2/").to_owned();
        let query: BTreeMap<String, String> = request.url.query_pairs().into_owned().collect();
        let method = request.method.as_str();
        if let Some((repository, name)) = path.split_once("/manifests/") {
            let key = (repository.to_owned(), name.to_owned());
            if method == "PUT" {
                return self.put_manifest(repository, name, request);
            }
            return match self.manifests.get(&key) {
                Some((kind, bytes)) => ResponseTemplate::new(200)
                    .insert_header("Docker-Content-Digest", Digest::of(bytes).as_str())
                    .set_body_raw(bytes.clone(), kind),
                None => ResponseTemplate::new(404),
            };
        }
        if let Some((repository, upload)) = path.split_once("/blobs/uploads/") {
            return self.upload(method, repository, upload, &query, &request.body);
        }
        if let Some((repository, digest)) = path.split_once("/blobs/") {
            return match self.blobs.get(&(repository.to_owned(), digest.to_owned())) {
                Some(bytes) => ResponseTemplate::new(200).set_body_raw(bytes.clone(), "application/octet-stream"),
                None => ResponseTemplate::new(404),
            };
        }
        ResponseTemplate::new(if path.is_empty() { 200 } else { 404 })
    }

    /// As real ones do, it refuses a manifest whose content it does not have.
    fn put_manifest(&mut self, repository: &str, name: &str, request: &Request) -> ResponseTemplate {
        let json: serde_json::Value = serde_json::from_slice(&request.body).unwrap();
        let list = |key: &str| json[key].as_array().cloned().unwrap_or_default();
        let digest = |entry: &serde_json::Value| (repository.to_owned(), entry["digest"].as_str().unwrap().to_owned());
        let blobs = list("layers").into_iter().chain(json.get("config").cloned());
        let missing = blobs.filter(|entry| !self.blobs.contains_key(&digest(entry))).count()
            + list("manifests").iter().filter(|entry| !self.manifests.contains_key(&digest(entry))).count();
        if missing > 0 {
            return ResponseTemplate::new(400);
        }
        let kind = request.headers.get("content-type").unwrap().to_str().unwrap().to_owned();
        let own = Digest::of(&request.body).to_string();
        for name in [name.to_owned(), own] {
            self.manifests.insert((repository.to_owned(), name), (kind.clone(), request.body.clone()));
        }
        ResponseTemplate::new(201)
    }

    fn upload(
        &mut self,
        method: &str,
        repository: &str,
        upload: &str,
        query: &BTreeMap<String, String>,
        body: &[u8],
    ) -> ResponseTemplate {
        if method == "POST" {
            if let (Some(digest), Some(from)) = (query.get("mount"), query.get("from"))
                && let Some(bytes) = self.blobs.get(&(from.clone(), digest.clone())).cloned()
            {
                self.blobs.insert((repository.to_owned(), digest.clone()), bytes);
                return ResponseTemplate::new(201);
            }
            self.uploads.push(Vec::new());
        }
        let number = if method == "POST" { self.uploads.len() - 1 } else { upload.parse().unwrap() };
        self.uploads[number].extend_from_slice(body);
        let location = format!("/v2/{repository}/blobs/uploads/{number}?state=x");
        if method != "PUT" {
            return ResponseTemplate::new(202).insert_header("Location", location.as_str());
        }
        let (bytes, digest) = (std::mem::take(&mut self.uploads[number]), query["digest"].clone());
        assert_eq!(query.get("state").map(String::as_str), Some("x"), "the registry's own query is kept");
        if Digest::of(&bytes).as_str() != digest {
            return ResponseTemplate::new(400);
        }
        self.blobs.insert((repository.to_owned(), digest), bytes);
        ResponseTemplate::new(201)
    }
}
