//! Contents in volumes: written once, under a name that says what they hold, and read through a container that mounts
//! them.

use std::io::Read as _;

use http::HeaderMap;
use serde_json::{Value as Json, json};

use super::{
    Host,
    container::{Container, HELPER, PROJECT, label},
    document::leaf,
    failure::failure,
};
use crate::{
    engine::EngineWriter,
    platform::{Failure, FailureKind, Unresolved, codec::bytes, encode},
    target::{
        Release, Resource,
        compose::{APPLICATION, kind},
    },
    value::{Address, Key, Masked, Node, Secrets, Sources, Spot, Subject, Text, Value},
};

/// On a volume that holds a content: which kind.
const KIND: &str = "dev.transship.content";
/// Where a volume is mounted while it is filled.
const FILLED_AT: &str = "/transship-content";
/// The most that is read back, bytes.
const LARGEST: usize = 4 * 1024 * 1024;

/// Whether something at this address is a content.
pub(super) fn is_content(address: &Address) -> bool {
    matches!(&*address.kind, kind::CONFIG | kind::SECRET | kind::FILES)
}

/// What a volume is, by its marks.
pub(super) fn kind_of(key: Option<&Key>, labels: Option<&Json>) -> &'static str {
    match (label(labels, KIND), key.map(|key| &key.of)) {
        (Some(kind::CONFIG), _) => kind::CONFIG,
        (Some(kind::SECRET), _) => kind::SECRET,
        (Some(kind::FILES), _) => kind::FILES,
        (_, Some(Subject::Config(_))) => kind::CONFIG,
        (_, Some(Subject::Secret(_))) => kind::SECRET,
        _ => kind::VOLUME,
    }
}

/// What a volume holds, through a container that mounts it; `None` where there is none, or it cannot be read.
pub(super) async fn read(
    host: &Host,
    containers: &[Container],
    volume: &str,
    kind: &str,
    secrets: &Secrets,
) -> Result<Option<Node>, Failure> {
    let mounted = containers.iter().find_map(|one| {
        one.volumes().find(|(name, _)| *name == volume).map(|(_, at)| (one.id().to_owned(), at.to_owned()))
    });
    let Some((id, at)) = mounted else { return Ok(None) };
    let path = if kind == kind::FILES { at } else { format!("{at}/content") };
    let doing = "read a file out of a container";
    let download = host.engine.download(&format!("/containers/{id}/archive"), &[("path", path.as_str())]).await;
    let mut archive = match download {
        Ok(archive) => archive,
        // Gone, or nothing there.
        Err(error) if error.status().is_some() => return Ok(None),
        Err(error) => return Err(failure(&error, doing, secrets)),
    };
    let mut bytes = Vec::new();
    while let Some(piece) = archive.next().await.map_err(|error| failure(&error, doing, secrets))? {
        bytes.extend(piece);
        if bytes.len() > LARGEST {
            return Ok(None);
        }
    }
    Ok(unpack(&bytes, kind, volume, secrets))
}

fn unpack(archive: &[u8], kind: &str, volume: &str, secrets: &Secrets) -> Option<Node> {
    let mut files: Vec<(String, Node)> = Vec::new();
    for entry in tar::Archive::new(archive).entries().ok()? {
        let mut entry = entry.ok()?;
        if !entry.header().entry_type().is_file() {
            continue;
        }
        let path = entry.path().ok()?.to_string_lossy().into_owned();
        let mut bytes = Vec::new();
        entry.read_to_end(&mut bytes).ok()?;
        let value = match (String::from_utf8(bytes), kind == kind::SECRET) {
            (Ok(text), true) => Value::Text(Text::secret(&text, volume, Spot::NOWHERE, secrets)),
            (Ok(text), false) => Value::Text(Text::from(text)),
            (Err(bytes), _) => Value::Bytes(secrets.conceal(bytes.as_bytes(), volume, Sources::NONE)),
        };
        files.push((path, leaf(value)));
    }
    let mut body = Node::map(Sources::NONE);
    if kind == kind::FILES {
        let mut tree = Node::map(Sources::NONE);
        for (path, content) in files {
            let below = path.split_once('/').map_or(path.as_str(), |(_, below)| below).to_owned();
            let mut one = Node::map(Sources::NONE);
            one.set("content", content);
            tree.set(below, one);
        }
        body.set("files", tree);
    } else {
        body.set("content", files.pop()?.1);
    }
    Some(body)
}

/// What a volume of a content is filled with.
fn pack(body: &Node, secrets: &Secrets) -> std::io::Result<Vec<u8>> {
    let files: Vec<(&str, &Node)> = match body.get("files") {
        Some(files) => files.entries().iter().map(|(path, one)| (&**path, one)).collect(),
        None => vec![("content", body)],
    };
    let mut archive = tar::Builder::new(Vec::new());
    for (path, file) in files {
        let content = file.get("content").map(|content| bytes(content, secrets)).unwrap_or_default();
        let number = |name: &str| {
            let node = file.get(name)?;
            node.as_integer().or_else(|| node.as_str()?.parse().ok()).and_then(|number| u64::try_from(number).ok())
        };
        let mut header = tar::Header::new_gnu();
        header.set_size(content.len() as u64);
        header.set_mode(number("mode").and_then(|mode| u32::try_from(mode).ok()).unwrap_or(0o444));
        header.set_uid(number("uid").unwrap_or_default());
        header.set_gid(number("gid").unwrap_or_default());
        header.set_mtime(0);
        header.set_entry_type(tar::EntryType::Regular);
        archive.append_data(&mut header, path, content.as_slice())?;
    }
    archive.into_inner()
}

/// Makes the volume of a content, and fills it through a container of this image that is never started.
pub(super) async fn fill(
    writer: &EngineWriter,
    resource: &Resource,
    release: &Release,
    project: &str,
    image: &str,
) -> Result<(), Failure> {
    let secrets = &*release.concealed;
    let unresolved = |error: Unresolved| Failure::new(FailureKind::Invalid, Masked::words(error.to_string()));
    let name = resource.address.name.now().unwrap_or_default();
    let labels = resource.body.get("labels").map(|labels| encode(labels, release)).transpose().map_err(unresolved)?;
    let mut labels = labels.as_ref().and_then(Json::as_object).cloned().unwrap_or_default();
    labels.insert(PROJECT.to_owned(), project.into());
    labels.insert(KIND.to_owned(), (*resource.address.kind).into());
    let doing = format!("make {}", resource.address);
    let failed = |error: &crate::engine::Error| failure(error, &doing, secrets);
    let volume = json!({"Name": name, "Labels": labels});
    let made = writer.post("/volumes/create", &[], HeaderMap::new(), Some(&volume)).await;
    let made = made.map_err(|error| failed(&error))?;
    if label(made.get("Labels"), APPLICATION) != Some(release.application.to_string().as_str()) {
        let text = format!("the volume {name} is there, and bears no mark of ours; remove it, or rename the project");
        return Err(Failure::new(FailureKind::Invalid, Masked::words(text)));
    }
    let archive = pack(&resource.body, secrets)
        .map_err(|_| Failure::new(FailureKind::Other, Masked::words(format!("cannot {doing}: it cannot be packed"))))?;
    let helper = format!("{name}.filled");
    // One that a killed run left.
    let gone = writer.delete(&format!("/containers/{helper}"), &[("force", "true")]).await;
    gone.map(drop).or_else(|error| if error.is_missing() { Ok(()) } else { Err(failed(&error)) })?;
    let container = json!({
        "Image": image,
        "Entrypoint": ["/transship"],
        "Labels": {HELPER: release.application.to_string()},
        "NetworkDisabled": true,
        "HostConfig": {"Mounts": [
            {"Type": "volume", "Source": name, "Target": FILLED_AT, "VolumeOptions": {"NoCopy": true}}
        ]},
    });
    let query = [("name", helper.as_str())];
    let made = writer.post("/containers/create", &query, HeaderMap::new(), Some(&container)).await;
    made.map_err(|error| failed(&error))?;
    let path = format!("/containers/{helper}/archive");
    let filled = writer.upload(&path, &[("path", FILLED_AT), ("copyUIDGID", "true")], archive).await;
    let gone = writer.delete(&format!("/containers/{helper}"), &[("force", "true")]).await;
    filled.and(gone).map(drop).map_err(|error| failed(&error))
}
