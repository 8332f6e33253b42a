//! The client of the Docker Engine's API, against a real one.

use std::{collections::BTreeMap, io::Read as _, time::Duration};

use reqwest::header::HeaderMap;
use serde_json::json;
use transship::engine::{Address, Engine, Error, Patience};

use crate::support::engines::Engines;

/// A tar archive of one file.
fn archive(name: &str, content: &[u8]) -> Vec<u8> {
    let mut archive = tar::Builder::new(Vec::new());
    let mut header = tar::Header::new_gnu();
    header.set_size(content.len() as u64);
    header.set_mode(0o644);
    header.set_cksum();
    archive.append_data(&mut header, name, content).unwrap();
    archive.into_inner().unwrap()
}

#[tokio::test]
async fn real_engine_is_read_and_written() {
    let Some(engines) = Engines::with("the Docker Engine", &["DOCKER_HOST", "IMAGES"]) else { return };
    let variables = BTreeMap::from([("DOCKER_HOST".to_owned(), engines.get("DOCKER_HOST").to_owned())]);
    let engine = Engine::new(Address::find(&variables, None).unwrap(), Patience::default()).unwrap();
    assert!(engine.is_this_machine());
    let info = engine.get("/info", &[]).await.unwrap();
    assert!(info["ID"].as_str().is_some_and(|id| !id.is_empty()), "{info}");
    let name = "transship-test-engine";
    let path = format!("/containers/{name}");
    let writer = engine.writer().within(Duration::from_secs(30));
    let _ = writer.delete(&path, &[("force", "1")]).await;
    assert_eq!(engine.find(&format!("{path}/json"), &[]).await, Ok(None));
    // Pulled, with a report in lines; and what is not there, told in an answer or in a line.
    let image = format!("{}/pause", engines.get("IMAGES"));
    let pull = |tag: &'static str| {
        let (writer, image) = (writer.clone(), image.clone());
        async move {
            let query = [("fromImage", image.as_str()), ("tag", tag)];
            writer.post_lines("/images/create", &query, HeaderMap::new(), None).await?.finish().await
        }
    };
    pull("1").await.unwrap();
    let told = pull("none").await.unwrap_err();
    assert!(matches!(told, Error::Refused { .. } | Error::Failed { .. }), "{told}");
    // Made, once; a file put in and taken out.
    let wanted = json!({"Image": format!("{image}:1"), "Labels": {"a": "b"}});
    let named = [("name", name)];
    let make = || writer.post("/containers/create", &named, HeaderMap::new(), Some(&wanted));
    assert!(make().await.unwrap()["Id"].is_string());
    assert!(make().await.unwrap_err().is_conflict());
    let at = format!("{path}/archive");
    writer.upload(&at, &[("path", "/")], archive("note", b"carried")).await.unwrap();
    let stat = engine.head(&at, &[("path", "/note")]).await.unwrap();
    assert!(stat.contains_key("x-docker-container-path-stat"), "{stat:?}");
    let mut body = engine.download(&at, &[("path", "/note")]).await.unwrap();
    let mut bytes = Vec::new();
    while let Some(piece) = body.next().await.unwrap() {
        bytes.extend(piece);
    }
    let mut text = String::new();
    let mut taken = tar::Archive::new(bytes.as_slice());
    taken.entries().unwrap().next().unwrap().unwrap().read_to_string(&mut text).unwrap();
    assert_eq!(text, "carried");
    // What it tells of itself while it goes.
    let filters = json!({"container": [name], "event": ["destroy"]}).to_string();
    let mut events = engine.lines("/events", &[("filters", &filters)]).await.unwrap().silent_for(None);
    let (event, removed) = tokio::join!(events.next(), writer.delete(&path, &[("force", "1")]));
    removed.unwrap();
    assert_eq!(event.unwrap().unwrap()["Actor"]["Attributes"]["name"], name);
    assert!(writer.delete(&path, &[]).await.unwrap_err().is_missing());
}
