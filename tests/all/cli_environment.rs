//! The choice of an environment, through the real program.

use crate::cli_support::Shop;
use snapbox::str;

#[test]
fn environments_are_listed_with_where_they_go() {
    let shop = Shop::copy();
    shop.run(["environments"]).success().stdout_eq(str![[r"
ENVIRONMENT  GOES TO                                              OVERLAYS
demo         deploy/demo                                          compose.demo.yaml
staging      kubernetes, context staging                          compose.staging.yaml
production   kubernetes, context production (protected)           compose.production.yaml
marathon     marathon, https://dcos.example.com/service/marathon  compose.marathon.yaml
swarm        swarm, context swarm                                 compose.swarm.yaml
host         compose, context host

"]]);
    shop.document("environments", ["environments", "--format", "json"]);
}

#[test]
fn an_unknown_environment_is_refused_with_the_ones_there_are() {
    let shop = Shop::copy();
    shop.run(["config", "-e", "stagin"]).code(1).stdout_eq("").stderr_eq(str![[r"
error[unknown-environment]: there is no environment `stagin`
 = help: did you mean `staging`? there are `demo`, `staging`, `production`, `marathon`, `swarm`, `host`


"]]);
    let error = shop.document("error", ["config", "-e", "stagin", "--format", "json"]);
    assert_eq!(error.pointer("/findings/0/code").and_then(|code| code.as_str()), Some("unknown-environment"));
    assert_eq!(error.pointer("/exitCode").and_then(serde_json::Value::as_u64), Some(1));
}

#[test]
fn a_mistake_in_the_settings_is_shown_where_it_stands() {
    let shop = Shop::copy();
    shop.edit("transship.yaml", "createNamespace: true\n    output", "createNamspace: true\n    output");
    shop.run(["environments"]).code(1).stderr_eq(str![[r"
error[unknown-setting]: unknown key `createNamspace` in `environments.demo.kubernetes`
  --> transship.yaml:19:7
   |
19 |       createNamspace: true
   |       ^^^^^^^^^^^^^^
   |
   = help: did you mean `createNamespace`?


"]]);
}
