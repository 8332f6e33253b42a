//! A registry whose lines break in the middle of something large.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
};
use transship::image::Digest;

use super::image_layout::MANIFEST;

/// More than this is large.
const LARGE: usize = 64 * 1024;

/// What its lines do.
#[derive(Clone, Copy, Default)]
pub struct Manner {
    /// How often something large that is read breaks off in its middle.
    pub reads: usize,
    /// Whether it begins in the middle when asked to.
    pub ranges: bool,
    /// How often something large that is sent breaks off in its middle.
    pub writes: usize,
    /// Whether it forgets what was sent before the line broke.
    pub forgets: bool,
}

#[derive(Default)]
struct Kept {
    manner: Manner,
    blobs: BTreeMap<String, Vec<u8>>,
    manifests: BTreeMap<String, Vec<u8>>,
    uploads: Vec<Option<Vec<u8>>>,
    /// Method, path and the range that was asked for or sent.
    seen: Vec<String>,
    sent: usize,
    received: usize,
}

/// It runs until the test ends.
#[derive(Clone)]
pub struct CutRegistry {
    host: String,
    kept: Arc<Mutex<Kept>>,
}

struct Heard {
    method: String,
    path: String,
    query: String,
    headers: BTreeMap<String, String>,
    body: Vec<u8>,
}

impl CutRegistry {
    /// With this content: blobs and manifests by their digests, and one tag.
    pub async fn start(manner: Manner, content: &BTreeMap<Digest, Vec<u8>>, tag: Option<(&str, &Digest)>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let host = listener.local_addr().unwrap().to_string();
        let blobs: BTreeMap<String, Vec<u8>> =
            content.iter().map(|(digest, bytes)| (digest.to_string(), bytes.clone())).collect();
        let mut manifests = blobs.clone();
        manifests.extend(tag.map(|(tag, digest)| (tag.to_owned(), blobs[digest.as_str()].clone())));
        let kept = Arc::new(Mutex::new(Kept { manner, blobs, manifests, ..Kept::default() }));
        let own = Arc::clone(&kept);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let kept = Arc::clone(&own);
                tokio::spawn(async move {
                    let _ = serve(stream, &kept).await;
                });
            }
        });
        Self { host, kept }
    }

    /// `127.0.0.1:PORT`.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// A blob it has.
    pub fn blob(&self, digest: &Digest) -> Option<Vec<u8>> {
        self.kept.lock().unwrap().blobs.get(digest.as_str()).cloned()
    }

    /// The digest of what a tag stands for.
    pub fn tag(&self, tag: &str) -> Option<Digest> {
        self.kept.lock().unwrap().manifests.get(tag).map(|bytes| Digest::of(bytes))
    }

    /// Method, path and range of every request so far that had one.
    pub fn ranges(&self) -> Vec<String> {
        self.kept.lock().unwrap().seen.iter().filter(|call| !call.ends_with(' ')).cloned().collect()
    }

    /// How many bytes of large content were sent and received.
    pub fn moved(&self) -> (usize, usize) {
        let kept = self.kept.lock().unwrap();
        (kept.sent, kept.received)
    }
}

/// Answers the requests of a connection until it breaks it.
async fn serve(mut stream: TcpStream, kept: &Mutex<Kept>) -> std::io::Result<()> {
    let mut held = Vec::new();
    while let Some(heard) = hear(&mut stream, &mut held, kept).await? {
        let (answer, whole) = kept.lock().unwrap().answer(&heard);
        stream.write_all(&answer).await?;
        if !whole {
            break;
        }
    }
    stream.shutdown().await
}

/// The next request; `None` when the line is at its end, or is to be broken.
async fn hear(stream: &mut TcpStream, held: &mut Vec<u8>, kept: &Mutex<Kept>) -> std::io::Result<Option<Heard>> {
    let end = loop {
        if let Some(end) = held.windows(4).position(|four| four == b"\r\n\r\n") {
            break end;
        }
        // It speaks no TLS.
        if stream.read_buf(held).await? == 0 || held.first() == Some(&0x16) {
            return Ok(None);
        }
    };
    let head: Vec<u8> = held.drain(..end + 4).collect();
    let head = String::from_utf8(head).unwrap_or_default();
    let mut lines = head.lines();
    let mut first = lines.next().unwrap_or_default().split(' ');
    let (method, target) = (first.next().unwrap_or_default(), first.next().unwrap_or_default());
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let headers: BTreeMap<String, String> = lines
        .filter_map(|line| line.split_once(':'))
        .map(|(name, value)| (name.to_ascii_lowercase(), value.trim().to_owned()))
        .collect();
    let length: usize = headers.get("content-length").and_then(|length| length.parse().ok()).unwrap_or_default();
    let cut = length > LARGE && kept.lock().unwrap().breaks_writing();
    let wanted = if cut { length / 2 } else { length };
    while held.len() < wanted {
        if stream.read_buf(held).await? == 0 {
            return Ok(None);
        }
    }
    let mut body: Vec<u8> = held.drain(..wanted.min(held.len())).collect();
    let heard = |body| Heard { method: method.into(), path: path.into(), query: query.into(), headers, body };
    if !cut {
        return Ok(Some(heard(body)));
    }
    body.truncate(wanted);
    let mut kept = kept.lock().unwrap();
    let forgets = kept.manner.forgets;
    kept.answer(&heard(body));
    if forgets {
        kept.uploads.iter_mut().for_each(|upload| *upload = None);
    }
    Ok(None)
}

impl Kept {
    fn breaks_writing(&mut self) -> bool {
        let breaks = self.manner.writes > 0;
        self.manner.writes = self.manner.writes.saturating_sub(1);
        breaks
    }

    /// The bytes of an answer, and whether they are all of it.
    fn answer(&mut self, heard: &Heard) -> (Vec<u8>, bool) {
        let range = heard.headers.get("range").or_else(|| heard.headers.get("content-range")).cloned();
        self.seen.push(format!("{} {} {}", heard.method, heard.path, range.clone().unwrap_or_default()));
        let name = heard.path.rsplit('/').next().unwrap_or_default();
        let head = heard.method == "HEAD";
        if heard.path.contains("/manifests/") {
            if heard.method == "PUT" {
                let digest = Digest::of(&heard.body).to_string();
                self.manifests.extend([name.to_owned(), digest].map(|name| (name, heard.body.clone())));
                return written("201 Created", &[], b"", head);
            }
            return match self.manifests.get(name) {
                Some(bytes) => {
                    let digest = Digest::of(bytes).to_string();
                    let headers = [("Content-Type", MANIFEST.to_owned()), ("Docker-Content-Digest", digest)];
                    written("200 OK", &headers, bytes, head)
                }
                None => written("404 Not Found", &[], b"", head),
            };
        }
        if heard.path.contains("/blobs/uploads/") {
            return self.upload(heard, name);
        }
        match self.blobs.get(name) {
            Some(bytes) if heard.path.contains("/blobs/") => {
                let from = range.filter(|_| self.manner.ranges);
                let from =
                    from.and_then(|range| range.strip_prefix("bytes=")?.strip_suffix('-')?.parse::<usize>().ok());
                let part = &bytes[from.unwrap_or_default()..];
                let described = format!("bytes {}-{}/{}", from.unwrap_or_default(), bytes.len() - 1, bytes.len());
                let (status, headers) = match from {
                    Some(_) => ("206 Partial Content", vec![("Content-Range", described)]),
                    None => ("200 OK", vec![]),
                };
                let (mut answer, _) = written(status, &headers, part, head);
                let breaks = !head && part.len() > LARGE && self.manner.reads > 0;
                if breaks {
                    self.manner.reads -= 1;
                    answer.truncate(answer.len() - part.len() / 2);
                }
                if !head && bytes.len() > LARGE {
                    self.sent += if breaks { part.len() - part.len() / 2 } else { part.len() };
                }
                (answer, !breaks)
            }
            _ => written(if heard.path == "/v2/" { "200 OK" } else { "404 Not Found" }, &[], b"", head),
        }
    }

    fn upload(&mut self, heard: &Heard, name: &str) -> (Vec<u8>, bool) {
        if heard.method == "POST" {
            self.uploads.push(Some(Vec::new()));
        }
        let number = if heard.method == "POST" { self.uploads.len() - 1 } else { name.parse().unwrap() };
        let Some(Some(upload)) = self.uploads.get_mut(number) else {
            return written("404 Not Found", &[], b"", false);
        };
        let begins = heard.headers.get("content-range").and_then(|range| range.split('-').next()?.parse().ok());
        if heard.method == "PATCH" && begins.unwrap_or(0) != upload.len() {
            return written("416 Range Not Satisfiable", &[], b"", false);
        }
        upload.extend_from_slice(&heard.body);
        if heard.body.len() > LARGE / 4 {
            self.received += heard.body.len();
        }
        let location = heard.path.trim_end_matches(name).to_owned() + &number.to_string();
        let range = format!("0-{}", upload.len().saturating_sub(1));
        let headers = [("Location", location), ("Range", range)];
        match heard.method.as_str() {
            "GET" => written("204 No Content", &headers, b"", false),
            "PUT" => {
                let bytes = std::mem::take(upload);
                let digest = Digest::of(&bytes).to_string();
                if !heard.query.replace("%3A", ":").contains(&digest) {
                    return written("400 Bad Request", &[], b"", false);
                }
                self.blobs.insert(digest, bytes);
                written("201 Created", &[], b"", false)
            }
            _ => written("202 Accepted", &headers, b"", false),
        }
    }
}

fn written(status: &str, headers: &[(&str, String)], body: &[u8], head: bool) -> (Vec<u8>, bool) {
    let mut answer = format!("HTTP/1.1 {status}\r\n");
    for (name, value) in headers {
        answer += &format!("{name}: {value}\r\n");
    }
    if !status.starts_with("204") {
        answer += &format!("Content-Length: {}\r\n", body.len());
    }
    let mut answer = format!("{answer}\r\n").into_bytes();
    answer.extend_from_slice(if head { b"" } else { body });
    (answer, true)
}
