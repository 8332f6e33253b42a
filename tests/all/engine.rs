//! The client of the Docker Engine's API, against engines that fail in every way.

use std::{
    collections::BTreeMap,
    io::{Read as _, Write as _},
    net::TcpListener,
    os::unix::net::UnixListener,
    time::Duration,
};

use serde_json::json;
use transship::engine::{Address, Engine, Error, Patience};
use wiremock::{
    Mock, MockServer, ResponseTemplate,
    matchers::{method, path},
};

const SOON: Duration = Duration::from_millis(200);

fn at(host: &str) -> Engine {
    let variables = BTreeMap::from([("DOCKER_HOST".to_owned(), host.to_owned())]);
    let address = Address::find(&variables, None).unwrap();
    Engine::new(address, Patience { connect: SOON, answer: Duration::from_secs(10), silence: Duration::from_secs(10) })
        .unwrap()
}

/// An engine whose API has this version.
async fn engine(version: &str) -> (MockServer, Engine) {
    let server = MockServer::start().await;
    let ping = ResponseTemplate::new(200).insert_header("Api-Version", version);
    Mock::given(path("/_ping")).respond_with(ping).mount(&server).await;
    let engine = at(&format!("tcp://{}", server.address()));
    (server, engine)
}

/// Answers every connection with these bytes, the ping first, and closes it, or holds it open for ever.
fn says(bytes: &'static [u8], hold: bool) -> Engine {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        let mut held = Vec::new();
        for stream in listener.incoming() {
            let Ok(mut stream) = stream else { return };
            let mut request = [0; 4096];
            let read = stream.read(&mut request).unwrap_or_default();
            if request[..read].starts_with(b"GET /_ping") {
                let _ = stream.write_all(
                    b"HTTP/1.1 200 OK\r\nApi-Version: 1.43\r\nContent-Length: 0\r\nConnection: close\r\n\r\n",
                );
                continue;
            }
            let _ = stream.write_all(bytes);
            if hold {
                held.push(stream);
            }
        }
    });
    at(&format!("tcp://{address}"))
}

#[tokio::test]
async fn both_sides_speak_the_older_version() {
    for (theirs, expected) in [("1.41", "/v1.41/info"), ("1.56", "/v1.46/info")] {
        let (server, engine) = engine(theirs).await;
        let answer = ResponseTemplate::new(200).set_body_json(json!({"ID": "x"}));
        Mock::given(method("GET")).and(path(expected)).respond_with(answer).expect(2).mount(&server).await;
        assert_eq!(engine.get("/info", &[]).await.unwrap()["ID"], "x");
        engine.get("/info", &[("all", "1 & more")]).await.unwrap();
        let seen = server.received_requests().await.unwrap();
        assert_eq!(seen.iter().filter(|request| request.url.path() == "/_ping").count(), 1);
        assert_eq!(seen.last().unwrap().url.query(), Some("all=1+%26+more"));
    }
    let (_server, engine) = engine("1.24").await;
    let told = engine.get("/info", &[]).await.unwrap_err();
    assert!(matches!(told, Error::TooOld { .. }), "{told}");
}

#[tokio::test]
async fn refusals_are_told_apart() {
    let (server, engine) = engine("1.41").await;
    for (name, status, body) in [
        ("missing", 404, r#"{"message": "no such service"}"#),
        ("taken", 409, r#"{"message": "name conflicts with an existing object"}"#),
        ("moved", 500, r#"{"message": "rpc error: code = Unknown desc = update out of sequence"}"#),
        ("mute", 500, ""),
        ("page", 503, "<html>"),
    ] {
        let answer = ResponseTemplate::new(status).set_body_raw(body, "application/json");
        Mock::given(path(format!("/v1.41/{name}"))).respond_with(answer).mount(&server).await;
    }
    let writer = engine.writer();
    let headers = reqwest::header::HeaderMap::new;
    assert_eq!(engine.find("/missing", &[]).await, Ok(None));
    assert!(engine.get("/missing", &[]).await.unwrap_err().is_missing());
    assert!(writer.post("/taken", &[], headers(), Some(&json!({}))).await.unwrap_err().is_conflict());
    assert!(writer.post("/moved", &[], headers(), None).await.unwrap_err().is_out_of_date());
    assert!(!writer.delete("/mute", &[]).await.unwrap_err().is_out_of_date());
    let told = engine.get("/mute", &[]).await.unwrap_err().to_string();
    assert_eq!(told, "the Docker Engine answers with 500: it does not say why");
    assert_eq!(engine.get("/page", &[]).await.unwrap_err().status(), Some(503));
}

#[tokio::test]
async fn no_fault_is_taken_for_an_answer() {
    let head = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{\"half\":";
    let told = says(head, false).get("/info", &[]).await.unwrap_err().to_string();
    assert!(told.ends_with("broke off in the middle of an answer"), "{told}");
    let told = says(head, true).within(SOON).get("/info", &[]).await.unwrap_err();
    assert!(matches!(told, Error::TimedOut { after: SOON, .. }), "{told}");
    let told = says(b"", true).within(SOON).get("/info", &[]).await.unwrap_err();
    assert!(matches!(told, Error::TimedOut { after: SOON, .. }), "{told}");
    let page = b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\nConnection: close\r\n\r\n<html>";
    let told = says(page, false).get("/info", &[]).await.unwrap_err().to_string();
    assert!(told.ends_with("sends an answer that is not JSON"), "{told}");
    let server = MockServer::start().await;
    Mock::given(path("/_ping")).respond_with(ResponseTemplate::new(200)).mount(&server).await;
    let told = at(&format!("tcp://{}", server.address())).get("/info", &[]).await.unwrap_err().to_string();
    assert!(told.ends_with("does not answer as one"), "{told}");
}

#[tokio::test]
async fn what_cannot_be_reached_says_why() {
    let nobody = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let directory = tempfile::tempdir().unwrap();
    let socket = directory.path().join("engine.sock").display().to_string();
    for (host, expected) in
        [(format!("tcp://{nobody}"), "nothing listens there"), (format!("unix://{socket}"), "there is no such socket")]
    {
        let told = at(&host).get("/info", &[]).await.unwrap_err().to_string();
        assert!(told.ends_with(&format!("cannot be reached: {expected}")), "{told}");
    }
    drop(UnixListener::bind(&socket).unwrap());
    let told = at(&format!("unix://{socket}")).get("/info", &[]).await.unwrap_err().to_string();
    assert!(told.ends_with("nothing listens there"), "{told}");
}

#[tokio::test]
async fn lines_come_one_by_one_and_end_with_what_failed() {
    let (server, engine) = engine("1.41").await;
    let lines = "{\"status\": \"Pulling\"}\r\n\n{\"status\": \"Down\"}\n{\"errorDetail\": {\"message\": \"no space\"}, \"error\": \"x\"}";
    let answer = ResponseTemplate::new(200).set_body_raw(lines, "application/json");
    Mock::given(method("POST")).and(path("/v1.41/images/create")).respond_with(answer).mount(&server).await;
    let writer = engine.writer();
    let none = reqwest::header::HeaderMap::new;
    let mut lines = writer.post_lines("/images/create", &[("fromImage", "x")], none(), None).await.unwrap();
    assert_eq!(lines.next().await.unwrap().unwrap()["status"], "Pulling");
    assert_eq!(lines.next().await.unwrap().unwrap()["status"], "Down");
    assert_eq!(lines.next().await, Err(Error::Failed { message: "no space".into() }));
    assert_eq!(lines.next().await, Ok(None));
    let lines = writer.post_lines("/images/create", &[("fromImage", "x")], none(), None).await.unwrap();
    assert_eq!(lines.finish().await, Err(Error::Failed { message: "no space".into() }));
    let half = says(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n{\"a\":\r\n", false);
    let told = half.lines("/events", &[]).await.unwrap().next().await.unwrap_err().to_string();
    assert!(told.ends_with("broke off in the middle of an answer"), "{told}");
    let mute = says(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", true);
    let mut lines = mute.lines("/events", &[]).await.unwrap().silent_for(Some(SOON));
    assert!(matches!(lines.next().await, Err(Error::TimedOut { after: SOON, .. })));
}
