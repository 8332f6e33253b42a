//! Promotion, through the real program.

use serde_json::json;
use snapbox::str;

use crate::{
    cli_support::Shop,
    support::{
        image_layout::ImageLayout,
        writable_registry::{Rule, WritableRegistry},
    },
};

/// An application whose image is locked, and its digest.
fn locked() -> (Shop, String) {
    let shop = Shop::empty();
    let layout = &mut ImageLayout::default();
    let app = layout.image("registry.example.com/app:1", &["linux/amd64", "linux/arm64"], &json!({}));
    layout.write(&shop.path().join("images"));
    shop.write("transship.yaml", "images: {sources: [{prefix: registry.example.com, layout: images}]}\n");
    shop.write("compose.yaml", "services: {app: {image: 'registry.example.com/app:1'}}\n");
    shop.run(["lock"]).success();
    (shop, app.to_string())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_promotion_is_shown_first_and_wants_consent() {
    let honest: Rule = Box::new(|_| None);
    let registry = WritableRegistry::start(honest).await;
    let (shop, digest) = locked();
    let to = format!("{}/live", registry.host());
    let shown = |text: &[u8]| {
        String::from_utf8(text.to_vec()).unwrap().replace(&registry.host(), "REGISTRY").replace(&digest, "DIGEST")
    };
    let run = |flags: &[&str]| {
        let command = shop
            .command(env!("CARGO_BIN_EXE_transship"))
            .args(["promote", "--to", &to, "--tag", "1.4.2", "--tag", "latest"]);
        command.args(flags).assert().get_output().clone()
    };
    let planned = str![[r"
+ REGISTRY/live/app is copied, from registry.example.com/app:1
    DIGEST
    + :1.4.2
    + :latest

"]];
    for (flags, code) in [(&["--dry-run"][..], 0), (&["--dry-run", "--yes"], 0), (&[], 5)] {
        let output = run(flags);
        assert_eq!(output.status.code(), Some(code), "{flags:?}: {}", shown(&output.stderr));
        snapbox::assert_data_eq!(shown(&output.stdout), planned.clone());
        assert_eq!(registry.count("POST") + registry.count("PUT") + registry.count("PATCH"), 0, "{flags:?}");
    }
    let document = shop.document("promote", ["promote", "--to", &to, "--tag", "2", "--dry-run", "--format", "json"]);
    assert_eq!((&document["written"], &document["images"][0]["present"]), (&json!(false), &json!(false)));
    let output = run(&["--yes"]);
    assert_eq!(output.status.code(), Some(0), "{}", shown(&output.stderr));
    for tag in ["1.4.2", "latest"] {
        assert_eq!(registry.tag("live/app", tag).map(|found| found.to_string()), Some(digest.clone()));
    }
    // What is there needs no consent, as nothing is done.
    let puts = registry.count("PUT");
    let output = run(&[]);
    assert_eq!(output.status.code(), Some(0));
    assert!(shown(&output.stdout).ends_with("everything is there\n"), "{}", shown(&output.stdout));
    assert_eq!(registry.count("PUT"), puts);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_locked_is_not_promoted_and_what_stops_says_how_far_it_came() {
    let (shop, _) = locked();
    let refuses: Rule = Box::new(|request| {
        let latest = request.method.as_str() == "PUT" && request.url.path().ends_with("/manifests/latest");
        latest.then(|| wiremock::ResponseTemplate::new(403))
    });
    let registry = WritableRegistry::start(refuses).await;
    let to = format!("{}/live", registry.host());
    let run = |tags: &[&str]| {
        let command = shop.command(env!("CARGO_BIN_EXE_transship")).args(["promote", "--to", &to, "--yes"]);
        let output = command.args(tags).assert().get_output().clone();
        (output.status.code(), String::from_utf8(output.stderr).unwrap())
    };
    let (code, told) = run(&["--tag", "latest"]);
    assert_eq!(code, Some(1), "{told}");
    assert!(told.contains("no tag was set: what people pull there is what it was"), "{told}");
    let (code, told) = run(&["--tag", "1", "--tag", "latest"]);
    assert_eq!(code, Some(8), "{told}");
    assert!(told.contains("some tags are set and others are not"), "{told}");
    assert!(registry.tag("live/app", "1").is_some() && registry.tag("live/app", "latest").is_none());
    // Nothing but what was tested.
    shop.write("compose.yaml", "services: {app: {image: 'registry.example.com/app:2'}}\n");
    let (code, told) = run(&["--tag", "2"]);
    assert_eq!(code, Some(1), "{told}");
    assert!(told.starts_with("error[image-not-locked]"), "{told}");
    assert!(registry.tag("live/app", "2").is_none());
}
