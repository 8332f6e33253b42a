//! The tested digests, under other names: copied out of a layout and between registries in memory.

use std::{
    path::Path,
    sync::atomic::{AtomicUsize, Ordering},
};

use serde_json::json;
use transship::{
    image::{
        CredentialSources, Digest, Failure, ImageSettings, Patience, Reference, Registries, SourceKind, SourceRule,
        promote::{Copied, PromoteRequest, copy, plan},
    },
    value::{Located, Spot},
};
use wiremock::ResponseTemplate;

use crate::support::{
    cut_registry::{CutRegistry, Manner},
    image_layout::{INDEX, ImageLayout, MANIFEST, bytes},
    writable_registry::{Rule, WritableRegistry},
};

const BOTH: &[&str] = &["linux/amd64", "linux/arm64"];

fn honest() -> Rule {
    Box::new(|_| None)
}

/// A layout with an image, its signature, and a second image that shares a layer.
fn layout(directory: &Path) -> (Vec<(Reference, Digest)>, Digest) {
    let layout = &mut ImageLayout::default();
    let web = layout.image("a.example.com/shop/web:1", BOTH, &json!({"User": "1"}));
    let api = layout.image("a.example.com/shop/api:1", BOTH, &json!({"User": "2"}));
    let signature =
        layout.image(&format!("a.example.com/shop/web:sha256-{}.sig", web.hex()), &["linux/amd64"], &json!({}));
    layout.write(directory);
    let reference = |text: &str| Reference::parse(text).unwrap();
    (vec![(reference("a.example.com/shop/web:1"), web), (reference("a.example.com/shop/api:1"), api)], signature)
}

fn settings(directory: &Path) -> ImageSettings {
    let prefix = Located::new("a.example.com".into(), Spot::NOWHERE);
    ImageSettings {
        sources: vec![SourceRule { prefix, kind: SourceKind::Layout(directory.to_owned()) }],
        ..ImageSettings::default()
    }
}

async fn promote(
    images: &[(Reference, Digest)],
    to: &str,
    tags: &[&str],
    settings: &ImageSettings,
) -> Result<Copied, Vec<Failure>> {
    let patience = Patience { pause: std::time::Duration::from_millis(5), retries: 1, ..Patience::default() };
    let registries = Registries::new(settings, CredentialSources::default(), patience);
    let tags: Vec<Box<str>> = tags.iter().map(|&tag| tag.into()).collect();
    let request = PromoteRequest { images, to, tags: &tags, settings, registries: &registries };
    let promotion = plan(request).await?;
    copy(request, &promotion, &|_| {}).await.map_err(|(failures, _)| failures)
}

#[tokio::test]
async fn all_of_an_image_arrives_and_nothing_is_sent_twice() {
    let directory = tempfile::tempdir().unwrap();
    let (images, signature) = layout(directory.path());
    let settings = settings(directory.path());
    let registry = WritableRegistry::start(honest()).await;
    let to = format!("{}/live", registry.host());
    let first = promote(&images, &to, &["1.4.2", "latest"], &settings).await.unwrap();
    assert_eq!((first.tags, first.manifests), (4, 7), "two indexes, four manifests, a signature");
    for (name, digest) in [("live/web", &images[0].1), ("live/api", &images[1].1)] {
        for tag in ["1.4.2", "latest"] {
            assert_eq!(registry.tag(name, tag).as_ref(), Some(digest), "{name}:{tag}");
        }
    }
    assert_eq!(registry.tag("live/web", &format!("sha256-{}.sig", images[0].1.hex())), Some(signature));
    let (sent, put) = (registry.count("PATCH"), registry.count("PUT"));
    assert_eq!(promote(&images, &to, &["1.4.2", "latest"], &settings).await.unwrap(), Copied::default());
    // A further tag sends one manifest for each image, and no content.
    let more = promote(&images, &to, &["stable"], &settings).await.unwrap();
    assert_eq!((more.tags, more.blobs, more.manifests), (2, 0, 0));
    assert_eq!(registry.count("PATCH"), sent);
    // For each image its tag; the signature's tag is set as it was.
    assert_eq!(registry.count("PUT") - put, 3);
}

#[tokio::test]
async fn inside_a_registry_content_is_mounted() {
    let directory = tempfile::tempdir().unwrap();
    let (images, _) = layout(directory.path());
    let registry = WritableRegistry::start(honest()).await;
    promote(&images, &format!("{}/test", registry.host()), &["1"], &settings(directory.path())).await.unwrap();
    let there: Vec<(Reference, Digest)> = images
        .iter()
        .map(|(reference, digest)| {
            let name = reference.path().rsplit('/').next().unwrap();
            (Reference::parse(&format!("{}/test/{name}:1", registry.host())).unwrap(), digest.clone())
        })
        .collect();
    let before = registry.count("PATCH");
    let copied =
        promote(&there, &format!("{}/live", registry.host()), &["1"], &ImageSettings::default()).await.unwrap();
    assert_eq!((copied.blobs, copied.tags), (0, 2));
    assert!(copied.mounted > 0);
    assert_eq!(registry.count("PATCH"), before);
    assert_eq!(registry.tag("live/web", "1").as_ref(), Some(&images[0].1));
}

#[tokio::test]
async fn no_tag_is_set_before_all_content_is_there_and_it_goes_on_where_it_was() {
    let directory = tempfile::tempdir().unwrap();
    let (images, _) = layout(directory.path());
    let settings = settings(directory.path());
    let broken = std::sync::Arc::new(AtomicUsize::new(0));
    let own = std::sync::Arc::clone(&broken);
    // The second repository takes nothing, until it does.
    let registry = WritableRegistry::start(Box::new(move |request| {
        let refused = own.load(Ordering::Relaxed) == 0 && request.url.path().starts_with("/v2/live/api/blobs/uploads");
        refused.then(|| ResponseTemplate::new(403))
    }))
    .await;
    let to = format!("{}/live", registry.host());
    let failures = promote(&images, &to, &["1"], &settings).await.unwrap_err();
    let told: Vec<String> = failures.iter().map(ToString::to_string).collect();
    assert_eq!(told.len(), 1, "{told:?}");
    assert!(told[0].contains("denies access (403)"), "{told:?}");
    assert_eq!((registry.tag("live/web", "1"), registry.tag("live/api", "1")), (None, None));
    let sent = registry.count("PATCH");
    broken.store(1, Ordering::Relaxed);
    let copied = promote(&images, &to, &["1"], &settings).await.unwrap();
    assert_eq!(copied.tags, 2);
    assert_eq!(registry.count("PATCH") as u64, sent as u64 + copied.blobs);
    assert!(registry.tag("live/api", "1").is_some());
}

#[tokio::test]
async fn a_registry_that_keeps_something_else_is_found_out() {
    let directory = tempfile::tempdir().unwrap();
    let (images, _) = layout(directory.path());
    let other = bytes(&json!({"schemaVersion": 2, "config": {"digest": Digest::of(b"x").as_str()}}));
    let registry = WritableRegistry::start(Box::new(move |request| {
        let lies = request.method.as_str() == "HEAD" && request.url.path().ends_with("/manifests/1");
        let answer = ResponseTemplate::new(200)
            .insert_header("Docker-Content-Digest", Digest::of(&other).as_str())
            .set_body_raw("", "application/vnd.oci.image.index.v1+json");
        lies.then_some(answer)
    }))
    .await;
    let to = format!("{}/live", registry.host());
    let failures = promote(&images[..1], &to, &["1"], &settings(directory.path())).await.unwrap_err();
    let told = failures[0].to_string().replace(&registry.host(), "REGISTRY");
    assert!(told.starts_with("REGISTRY/live/web:1 stands for sha256:"), "{told}");
}

#[tokio::test]
async fn an_upload_goes_nowhere_it_must_not() {
    let directory = tempfile::tempdir().unwrap();
    let (images, _) = layout(directory.path());
    for (location, expected) in [
        ("http://169.254.169.254/latest/meta-data", "REGISTRY leads an upload to http://169.254.169.254"),
        ("ftp://127.0.0.1/x", "REGISTRY leads an upload to ftp://127.0.0.1"),
        ("", "REGISTRY does not say where an upload goes"),
    ] {
        let registry = WritableRegistry::start(Box::new(move |request| {
            let begins = request.method.as_str() == "POST" && request.url.path().ends_with("/blobs/uploads/");
            let answer = ResponseTemplate::new(202);
            begins.then(|| if location.is_empty() { answer } else { answer.insert_header("Location", location) })
        }))
        .await;
        let to = format!("{}/live", registry.host());
        let failures = promote(&images[..1], &to, &["1"], &settings(directory.path())).await.unwrap_err();
        assert_eq!(failures[0].to_string().replace(&registry.host(), "REGISTRY"), expected);
        assert_eq!((registry.count("PATCH"), registry.count("PUT")), (0, 0), "{location}");
        assert_eq!(registry.tag("live/web", "1"), None);
    }
}

#[tokio::test]
async fn names_that_cannot_be_are_all_said_before_anything_is_asked() {
    let digest = Digest::of(b"1");
    let image = |text: &str, digest: &Digest| (Reference::parse(text).unwrap(), digest.clone());
    let images = [
        image("a.example.com/one/web:1", &digest),
        image("a.example.com/two/web:1", &Digest::of(b"2")),
        (Reference::parse(&format!("a.example.com/api@{digest}")).unwrap(), digest.clone()),
    ];
    let failures = promote(&images, "b.example.com/live", &[], &ImageSettings::default()).await.unwrap_err();
    let told: Vec<String> = failures.iter().map(ToString::to_string).collect();
    assert_eq!(
        told,
        [
            format!(
                "`a.example.com/one/web@{digest}` and `a.example.com/two/web@{}` would both be b.example.com/live/web:1",
                Digest::of(b"2")
            ),
            format!("`a.example.com/api@{digest}` has no tag that it could have there"),
        ]
    );
    let wrong = promote(&images[..1], "live", &[], &ImageSettings::default()).await.unwrap_err();
    assert_eq!(wrong[0].to_string(), "`live` does not begin with a registry");
}

/// An image with a layer of a megabyte, as two registries have it and get it.
async fn carried(from: Manner, to: Manner) -> (Result<Copied, Vec<Failure>>, CutRegistry, CutRegistry, Digest) {
    let layout = &mut ImageLayout::default();
    let layer: Vec<u8> = (0..1_048_576_u32).map(|n| n.wrapping_mul(2_654_435_761).to_be_bytes()[0]).collect();
    let digest = layout.image_of("x", &json!({"Cmd": ["run"]}), std::slice::from_ref(&layer));
    let source = CutRegistry::start(from, &layout.blobs, Some(("1", &digest))).await;
    let target = CutRegistry::start(to, &std::collections::BTreeMap::new(), None).await;
    let images = [(Reference::parse(&format!("{}/web:1", source.host())).unwrap(), digest.clone())];
    let to = format!("{}/live", target.host());
    let copied = promote(&images, &to, &["1"], &ImageSettings::default()).await;
    if copied.is_ok() {
        assert_eq!(target.tag("1"), Some(digest));
        assert!(target.blob(&Digest::of(&layer)).is_some_and(|kept| kept == layer));
    }
    (copied, source, target, Digest::of(&layer))
}

const WHOLE: usize = 1_048_576;

#[tokio::test]
async fn a_line_that_breaks_in_a_layer_goes_on_where_it_was() {
    let honest = Manner { ranges: true, ..Manner::default() };
    let (copied, source, target, _) = carried(honest, honest).await;
    copied.unwrap();
    assert_eq!((source.moved().0, target.moved().1, source.ranges().len()), (WHOLE, WHOLE, 0));
    // Where it is read.
    let (copied, source, target, layer) = carried(Manner { reads: 1, ..honest }, honest).await;
    copied.unwrap();
    assert_eq!(source.ranges(), [format!("GET /v2/web/blobs/{layer} bytes={}-", WHOLE / 2)]);
    assert_eq!((source.moved().0, target.moved().1), (WHOLE, WHOLE));
    // The same where nobody begins in the middle: what was there is left out.
    let (copied, source, target, _) = carried(Manner { reads: 1, ..Manner::default() }, honest).await;
    copied.unwrap();
    assert_eq!((source.moved().0, target.moved().1), (WHOLE / 2 + WHOLE, WHOLE));
    // Where it is written: it is sent, and read, from there on.
    let (copied, source, target, layer) = carried(honest, Manner { writes: 1, ..honest }).await;
    copied.unwrap();
    assert_eq!(target.moved().1, WHOLE);
    let ranges = target.ranges();
    assert_eq!(ranges.len(), 1, "{ranges:?}");
    let went_on = &ranges[0];
    assert!(went_on.starts_with("PATCH /v2/live/web/blobs/uploads/"), "{went_on}");
    assert!(went_on.ends_with(&format!(" {}-{}", WHOLE / 2, WHOLE - 1)), "{went_on}");
    assert_eq!(source.ranges(), [format!("GET /v2/web/blobs/{layer} bytes={}-", WHOLE / 2)]);
    // A registry that has forgotten what it had gets all of it once more.
    let (copied, _, target, _) = carried(honest, Manner { writes: 1, forgets: true, ..honest }).await;
    copied.unwrap();
    assert_eq!(target.moved().1, WHOLE / 2 + WHOLE);
}

#[tokio::test]
async fn a_line_that_always_breaks_ends_with_no_tag() {
    let honest = Manner { ranges: true, ..Manner::default() };
    for (from, to) in [
        (Manner { reads: 100, ..Manner::default() }, honest),
        (honest, Manner { writes: 100, forgets: true, ..honest }),
    ] {
        let (copied, _, target, _) = carried(from, to).await;
        let told = copied.unwrap_err();
        assert_eq!(told[0].code.name, "registry-failed", "{}", told[0]);
        assert_eq!(target.tag("1"), None);
    }
}

/// A registry that has an image with a list of what refers to it: by its own list, or under a tag.
async fn referred_to(lists: bool) -> (WritableRegistry, (Reference, Digest), Digest) {
    let directory = tempfile::tempdir().unwrap();
    let layout = &mut ImageLayout::default();
    let web = layout.image("a.example.com/shop/web:1", BOTH, &json!({}));
    let list = layout.image_of("a.example.com/shop/web:sbom", &json!({"Labels": {"subject": web.as_str()}}), &[]);
    let index = json!({"schemaVersion": 2, "mediaType": INDEX, "manifests": [
        {"mediaType": MANIFEST, "digest": list.as_str(), "size": 1, "artifactType": "application/spdx+json"},
    ]});
    if !lists {
        let name = format!("a.example.com/shop/web:sha256-{}", web.hex());
        layout.named(&name, INDEX, bytes(&index));
    }
    layout.write(directory.path());
    let path = format!("/referrers/{web}");
    let registry = WritableRegistry::start(Box::new(move |request| {
        let asked = lists && request.url.path().ends_with(&path);
        asked.then(|| ResponseTemplate::new(200).set_body_raw(bytes(&index), INDEX))
    }))
    .await;
    let reference = |tag: &str| Reference::parse(&format!("a.example.com/shop/web:{tag}")).unwrap();
    let images = [(reference("1"), web.clone()), (reference("sbom"), list.clone())];
    promote(&images, &format!("{}/test", registry.host()), &[], &settings(directory.path())).await.unwrap();
    let there = Reference::parse(&format!("{}/test/web:1", registry.host())).unwrap();
    (registry, (there, web), list)
}

#[tokio::test]
async fn what_refers_to_an_image_comes_along_by_the_way_each_side_knows() {
    for lists in [true, false] {
        let (source, image, list) = referred_to(lists).await;
        let tag = format!("sha256-{}", image.1.hex());
        assert_eq!(source.tag("test/web", &tag).is_some(), !lists);
        // A registry that keeps no list has it under a tag.
        let target = WritableRegistry::start(honest()).await;
        let to = format!("{}/live", target.host());
        promote(std::slice::from_ref(&image), &to, &["1"], &ImageSettings::default()).await.unwrap();
        assert_eq!(target.tag("live/web", list.as_str()).as_ref(), Some(&list));
        let index = target.manifest("live/web", &tag);
        assert_eq!(index["manifests"].as_array().map(Vec::len), Some(1), "{index}");
        assert_eq!(index["manifests"][0]["digest"], list.as_str());
        assert_eq!(index["manifests"][0]["artifactType"], "application/spdx+json");
        if !lists {
            assert_eq!(target.tag("live/web", &tag), source.tag("test/web", &tag), "byte for byte");
        }
        // Once more: nothing is added twice, and nothing is lost that others have put there.
        let puts = target.count("PUT");
        promote(std::slice::from_ref(&image), &to, &["2"], &ImageSettings::default()).await.unwrap();
        assert_eq!(target.count("PUT"), puts + 1, "only the new tag");
        // One that keeps a list needs no tag.
        let path = format!("/referrers/{}", image.1);
        let keeps = WritableRegistry::start(Box::new(move |request| {
            let empty = json!({"schemaVersion": 2, "mediaType": INDEX, "manifests": []});
            let asked = request.url.path().ends_with(&path);
            asked.then(|| ResponseTemplate::new(200).set_body_raw(bytes(&empty), INDEX))
        }))
        .await;
        promote(&[image], &format!("{}/live", keeps.host()), &["1"], &ImageSettings::default()).await.unwrap();
        assert_eq!(keeps.tag("live/web", list.as_str()).as_ref(), Some(&list));
        assert_eq!(keeps.tag("live/web", &tag), None);
    }
}

#[tokio::test]
async fn what_others_have_attached_there_stays() {
    let (_source, image, list) = referred_to(true).await;
    let tag = format!("sha256-{}", image.1.hex());
    let target = WritableRegistry::start(honest()).await;
    let to = format!("{}/live", target.host());
    // Somebody has attached something at the far end already.
    let theirs = Digest::of(b"theirs");
    target.put(
        "live/web",
        &tag,
        INDEX,
        &bytes(&json!({"schemaVersion": 2, "mediaType": INDEX, "manifests": [
            {"mediaType": MANIFEST, "digest": theirs.as_str(), "size": 1},
        ]})),
    );
    target.put("live/web", theirs.as_str(), MANIFEST, b"theirs");
    promote(&[image], &to, &["1"], &ImageSettings::default()).await.unwrap();
    let index = target.manifest("live/web", &tag);
    let digests: Vec<&str> =
        index["manifests"].as_array().unwrap().iter().filter_map(|entry| entry["digest"].as_str()).collect();
    assert_eq!(digests, [theirs.as_str(), list.as_str()]);
}
