//! `transship check`: what does not carry, and where to.

use snapbox::str;

use crate::cli_support::Shop;

const COMPOSE: &str = "\
services:
  web:
    image: registry.invalid/web:1
    mac_address: 02:42:ac:11:65:43
    volumes:
      - /srv/data:/data
    devices:
      - /dev/null
";

fn shop() -> Shop {
    let shop = Shop::empty();
    shop.write("compose.yaml", COMPOSE);
    shop
}

#[test]
fn what_does_not_carry_is_listed_with_its_place_and_what_to_do() {
    // No registry is asked: there is none of that name.
    shop().run(["check", "--to", "kubernetes"]).code(1).stderr_eq(str![[r""]]).stdout_eq(str![[r"
ATTRIBUTE                 PLACE              KUBERNETES
services.web.mac_address  compose.yaml:4:18  warning
services.web.volumes      compose.yaml:6:9   error
services.web.devices      compose.yaml:8:7   error

kubernetes: 2 errors, 1 warning
  error compose.yaml:6:9 services.web.volumes: /srv/data is a path of the host
      use a volume, or set `hostPaths: allow`
  warning compose.yaml:4:18 services.web.mac_address: `mac_address` does not carry to Kubernetes
      the cluster gives addresses
  error compose.yaml:8:7 services.web.devices: `devices` does not carry to Kubernetes
      a device of which node? use a device plugin

"]]);
}

#[test]
fn what_was_not_asked_for_by_name_is_only_told() {
    shop().run(["check"]).code(0);
    let carries = Shop::empty();
    carries.write("compose.yaml", "services: {web: {image: registry.invalid/web:1}}\n");
    carries.run(["check", "--to", "kubernetes"]).code(0).stdout_eq(str![[r"
kubernetes: everything carries

"]]);
    carries.run(["check", "--to", "kubernetes", "--to", "compose", "--strict"]).code(0);
}

#[test]
fn every_target_is_told_of_for_programs() {
    let document = shop().document("check", ["check", "--format", "json"]);
    let names: Vec<_> = document["targets"].as_array().unwrap().iter().map(|target| &target["target"]).collect();
    let all: Vec<String> = transship::target::all().map(|target| target.dialect().name().to_owned()).collect();
    assert_eq!(names, all.iter().collect::<Vec<_>>());
    let kubernetes = &document["targets"][0];
    assert_eq!((&kubernetes["errors"], &kubernetes["warnings"]), (&2.into(), &1.into()), "{kubernetes:#}");
    assert_eq!(kubernetes["findings"][0]["places"][0]["place"], "compose.yaml:6:9");
}

#[test]
fn warnings_count_where_that_is_asked_for() {
    let shop = Shop::empty();
    shop.write("compose.yaml", "services: {web: {image: registry.invalid/web:1, mac_address: '02:42:ac:11:65:43'}}\n");
    shop.run(["check", "--to", "kubernetes"]).code(0);
    shop.run(["check", "--to", "kubernetes", "--strict"]).code(1);
}

#[test]
fn what_does_not_load_is_no_question_of_targets() {
    let shop = Shop::empty();
    shop.write("compose.yaml", "services: {web: {imagee: registry.invalid/web:1}}\n");
    shop.run(["check"]).code(1).stdout_eq(str![[""]]);
}

#[test]
fn several_targets_are_understood_by_check_alone() {
    let told = shop().run(["render", "--to", "kubernetes", "--to", "swarm"]).code(64);
    told.stderr_eq(str![[r"
error: --to: several targets are only understood by `check`

"]]);
}
