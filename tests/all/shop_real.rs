//! The whole way, on a real node.

use crate::support::{deployed::Deployed, journey};

#[test]
fn the_shop_comes_serves_changes_and_goes() {
    let Some(shop) = Deployed::new("the shop on a real cluster", "whole") else { return };
    journey::whole(&shop);
    // The migration of the last apply was over before any of those that wait for it began.
    let place = "production";
    let job = "job -l app.kubernetes.io/component=migration".split(' ').collect::<Vec<_>>();
    let ended =
        shop.kubectl(place, &[&["get"], &job[..], &["-o", "jsonpath={.items[*].status.completionTime}"]].concat());
    let began = shop.kubectl(
        place,
        &["get", "pods", "-l", "transship.dev/service=api", "-o", "jsonpath={.items[*].status.startTime}"],
    );
    assert!(!ended.is_empty() && began.split(' ').all(|began| *ended <= *began), "{ended} / {began}");
}

#[test]
fn a_killed_apply_is_run_again() {
    let Some(shop) = Deployed::new("a killed apply on a real cluster", "killed") else { return };
    journey::killed(&shop);
}

#[test]
fn registry_credentials_reach_the_cluster() {
    let Some(shop) = Deployed::new("credentials on a real cluster", "credentials") else { return };
    let images = shop.engines().get("IMAGES").to_owned();
    // dXNlcjpodW50ZXIy: a password that no output may show.
    let config = format!("{{\"auths\": {{\"{images}\": {{\"auth\": \"dXNlcjpodW50ZXIy\"}}}}}}");
    shop.shop.write(".docker/config.json", &config);
    let settings = shop.shop.read("transship.yaml");
    shop.shop.write("transship.yaml", &settings.replace("volumeSize: 1Gi", "imagePullSecret: {create: true}"));
    for told in [shop.run(&["diff", "staging"]).ended(0), shop.run(&["apply", "staging", "--yes"]).ended(0)] {
        for said in [&told.out, &told.err] {
            assert!(!said.contains("dXNlcjpodW50ZXIy") && !said.contains("hunter2"), "{said}");
        }
    }
    let name = shop.field("staging", "deployment/api", ".spec.template.spec.imagePullSecrets[0].name");
    assert_eq!(shop.field("staging", &format!("secret/{name}"), ".type"), "kubernetes.io/dockerconfigjson");
    let data = shop.field("staging", &format!("secret/{name}"), ".data.\\.dockerconfigjson");
    let data = String::from_utf8(base64::Engine::decode(&base64::prelude::BASE64_STANDARD, data).unwrap()).unwrap();
    let data: serde_json::Value = serde_json::from_str(&data).unwrap();
    assert_eq!(data["auths"][&images]["auth"], "dXNlcjpodW50ZXIy", "{data}");
    shop.run(&["diff", "staging", "--exit-code"]).ended(0);
}
