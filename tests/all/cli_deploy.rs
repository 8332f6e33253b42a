//! From Compose files to a directory of manifests, by the real program: shown, agreed to, written, changed, removed.

use std::fs;

use snapbox::str;

use crate::cli_support::Shop;

/// A small application, so that whole outputs can be read.
fn small() -> Shop {
    let shop = Shop::copy();
    for entry in fs::read_dir(shop.path()).unwrap() {
        let entry = entry.unwrap();
        if entry.file_type().unwrap().is_file() {
            fs::remove_file(entry.path()).unwrap();
        }
    }
    shop.write(
        "compose.yaml",
        "services:\n  web:\n    image: registry.example.com/shop/web:1.4.2\n    environment:\n      GREETING: hello\n      \
         API_TOKEN: ${API_TOKEN}\n    ports: [\"8080:8080\"]\n    deploy:\n      replicas: 2\n",
    );
    shop.write(".env", "API_TOKEN=not-to-be-seen\n");
    shop.write(
        "transship.yaml",
        "application: small\nimages:\n  sources: [{prefix: registry.example.com/shop, layout: ./images}]\n\
         environments:\n  test:\n    kubernetes: {namespace: small}\n    output: ./deploy\n  guarded:\n    output: \
         ./guarded\n    guards: {protected: true}\n",
    );
    shop.run(["lock", "-q"]).success();
    shop
}

#[test]
fn a_first_deployment_is_shown_before_it_is_made() {
    let shop = small();
    let shown = str![[r"
small/test in deploy (first revision)

+ ConfigMap small/transship-small-test
    transship.yaml:6:29
+ ConfigMap small/web-environment-f7bw7nov4o
    compose.yaml:5:7
+ Deployment small/web  starts
    compose.yaml:3:5
+ Service small/web
    compose.yaml:3:5

4 to create

"]];
    shop.run(["diff", "test"]).success().stdout_eq(shown).stderr_eq("");
    assert!(!shop.path().join("deploy").exists(), "looking changed something");
    shop.run(["diff", "test", "--exit-code", "-q"]).code(2);
    shop.run(["apply", "test", "--dry-run", "-q"]).success();
    assert!(!shop.path().join("deploy").exists(), "a dry run changed something");
    let document = shop.document("apply", ["apply", "test", "--yes", "--format", "json"]);
    assert_eq!(document["verdict"], "applied");
    assert_eq!(document["destinations"][0]["revision"], 1);
    shop.run(["apply", "test"]).success().stderr_eq("").stdout_eq(str![[r"
small/test in deploy (after revision 1)

no changes
nothing to do

"]]);
    shop.run(["diff", "test", "--exit-code"]).success();
    let document = shop.document("status", ["status", "test", "--format", "json"]);
    assert_eq!(document["ready"], true);
    // What is secret is neither shown nor written: the manifest refers to a Secret that must be there.
    for entry in fs::read_dir(shop.path().join("deploy")).unwrap() {
        let path = entry.unwrap().path();
        if path.is_file() {
            assert!(!fs::read_to_string(&path).unwrap().contains("not-to-be-seen"), "{}", path.display());
        }
    }
    assert!(shop.read("deploy/web-workload.yaml").contains("name: web-secrets"));
}

#[test]
fn one_edited_value_is_the_one_difference() {
    let shop = small();
    shop.run(["apply", "test", "-yq"]).success();
    shop.edit("compose.yaml", "replicas: 2", "replicas: 3");
    shop.edit("compose.yaml", "GREETING: hello", "GREETING: good morning");
    shop.run(["diff", "test"]).success().stderr_eq("").stdout_eq(str![[r"
small/test in deploy (after revision 1)

~ ConfigMap small/web-environment-trlkdcczkp instead of web-environment-f7bw7nov4o
    data.GREETING: hello → good morning
        compose.yaml:5:17
~ Deployment small/web  restarts 3 instances, one after the other
    spec.replicas: 2 → 3
        compose.yaml:9:17
    spec.template.spec.containers[0].envFrom[0].configMapRef.name: web-environment-f7bw7nov4o → web-environment-trlkdcczkp
        compose.yaml:5:7
    follows service/web/environment
- ConfigMap small/web-environment-f7bw7nov4o
    follows service/web/environment

2 to update, 1 to delete

"]]);
    shop.run(["apply", "test", "-yq"]).success();
    assert!(shop.read("deploy/web-environment.yaml").contains("GREETING: good morning"));

    // Edited by hand there: shown as that, and put back.
    let manifest = shop.read("deploy/web-workload.yaml");
    shop.write("deploy/web-workload.yaml", &manifest.replace("replicas: 3", "replicas: 7"));
    shop.run(["diff", "test"]).success().stderr_eq("").stdout_eq(str![[r"
small/test in deploy (after revision 2)

~ Deployment small/web  scales from 7 to 3
    spec.replicas: 7 → 3
        compose.yaml:9:17
    somebody changed spec.replicas there

1 to update

"]]);
    shop.run(["apply", "test", "-yq"]).success();
    assert_eq!(shop.read("deploy/web-workload.yaml"), manifest);
}

#[test]
fn a_kept_plan_is_what_was_approved_or_nothing() {
    let shop = small();
    shop.run(["plan", "test", "-o", "first.plan"]).success().stderr_eq(str![[r"
plan [..] is in first.plan; `transship apply --plan first.plan` carries it out

"]]);
    assert!(!shop.path().join("deploy").exists());
    assert!(!shop.read("first.plan").contains("not-to-be-seen"));
    shop.document("saved-plan", ["show", "first.plan", "--format", "json"]);
    shop.run(["show", "first.plan"]).success().stderr_eq("").stdout_eq(str![[r"
small/test in deploy (first revision)

+ ConfigMap small/transship-small-test
    transship.yaml:6:29
+ ConfigMap small/web-environment-f7bw7nov4o
    compose.yaml:5:7
+ Deployment small/web  starts
    compose.yaml:3:5
+ Service small/web
    compose.yaml:3:5

4 changes; plan [..], made by transship [..]

"]]);
    shop.run(["apply", "--plan", "first.plan", "-y"]).success();
    // Once more: all of it is done.
    shop.run(["apply", "--plan", "first.plan", "-y"]).success();

    // Something else is wanted now.
    shop.edit("compose.yaml", "replicas: 2", "replicas: 3");
    shop.run(["apply", "--plan", "first.plan", "-yq"]).code(3).stderr_eq(str![[r"
error: the plan does not hold any more: Deployment small/web: it was not part of the plan; plan again

"]]);
    // Somebody changed what the plan was made for.
    shop.run(["plan", "test", "-qo", "second.plan"]).success();
    let manifest = shop.read("deploy/web-workload.yaml");
    shop.write("deploy/web-workload.yaml", &manifest.replace("replicas: 2", "replicas: 5"));
    shop.run(["apply", "--plan", "second.plan", "-yq"]).code(3).stderr_eq(str![[r"
error: the plan does not hold any more: Deployment small/web: it was changed after the plan was made; plan again

"]]);
    assert!(shop.read("deploy/web-workload.yaml").contains("replicas: 5"));

    shop.run(["apply", "guarded", "--plan", "first.plan", "-y"]).code(64).stderr_eq(str![[r"
error: the plan is for the environment `test`, not `guarded`
  = help: leave the environment out: the plan names it

"]]);
    shop.write("no.plan", "{}");
    shop.run(["apply", "--plan", "no.plan", "-y"]).code(1).stderr_eq(str![[r"
error: no.plan is no plan of transship: missing field `version` at line 1 column 2
  = help: make one with `transship plan ENVIRONMENT -o FILE`

"]]);
    shop.run(["show", "nowhere.plan"]).code(1).stderr_eq(str![[r"
error: nowhere.plan cannot be read: No such file or directory (os error 2)

"]]);
}

#[test]
fn nobody_to_agree_is_no_agreement() {
    let shop = small();
    shop.run(["apply", "test"]).code(5).stderr_eq(str![[r"
error: nobody is there to agree to this
  = help: say `--yes`, or run it on a terminal

"]]);
    shop.run(["apply", "guarded", "--yes"]).code(5).stderr_eq(str![[r"
error: the environment `guarded` is protected
  = help: say `--confirm guarded`

"]]);
    shop.run(["apply", "guarded", "--yes", "--confirm", "test", "-q"]).code(5);
    assert!(!shop.path().join("deploy").exists() && !shop.path().join("guarded").exists());
    shop.run(["apply", "guarded", "--yes", "--confirm", "guarded", "-q"]).success();
    shop.run(["destroy", "guarded", "--yes", "-q"]).code(5);
    shop.run(["destroy", "guarded", "--yes", "--confirm", "guarded", "-q"]).success();
}

#[test]
fn one_service_alone() {
    let shop = small();
    let compose = shop.read("compose.yaml");
    shop.write("compose.yaml", &format!("{compose}  api:\n    image: registry.example.com/shop/api:1.4.2\n"));
    shop.run(["apply", "test", "--service", "web", "-yq"]).success();
    assert!(shop.path().join("deploy/web-workload.yaml").exists());
    assert!(!shop.path().join("deploy/api-workload.yaml").exists());
    shop.run(["diff", "test", "--service", "wbe"]).code(64).stderr_eq(str![[r"
...
error: --service: there is no service `wbe` in small/test
  = help: there are `web`, `api`

"]]);
}

#[test]
fn a_file_of_somebody_else_is_not_written_over() {
    let shop = small();
    shop.write("deploy/web-workload.yaml", "mine: yes\n");
    shop.write("deploy/notes.txt", "mine as well\n");
    shop.run(["apply", "test", "-y"])
        .code(5)
        .stderr_eq(str![[r"
error: this cannot be applied: see the lines that begin with `!`
  = help: nothing was changed; `--adopt` and `--allow-replace` say what may be done

"]])
        .stdout_eq(str![[r"
small/test in deploy (first revision)

+ ConfigMap small/transship-small-test
    transship.yaml:6:29
+ ConfigMap small/web-environment-f7bw7nov4o
    compose.yaml:5:7
...
! Deployment small/web: something of that name is there and bears no mark of ours
    asked for at compose.yaml:3:5

3 to create, 1 to update

"]]);
    assert_eq!(shop.read("deploy/web-workload.yaml"), "mine: yes\n");
    fs::remove_file(shop.path().join("deploy/web-workload.yaml")).unwrap();
    shop.run(["apply", "test", "-yq"]).success();
    shop.run(["destroy", "test", "-yq"]).success();
    let mut left: Vec<_> =
        fs::read_dir(shop.path().join("deploy")).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    left.sort();
    assert_eq!(left, ["notes.txt"]);
}

#[test]
fn a_lock_that_somebody_holds() {
    let shop = small();
    let lease = r#"{"held": true, "by": "anna", "at": 1, "until": 99999999999}"#;
    shop.write("deploy/.transship/small/test/lock.1", lease);
    shop.run(["apply", "test", "-yq"]).code(4).stderr_eq(str![[r"
error: anna has been deploying small/test for [..] s; its lock runs out in [..] s if it is not renewed

"]]);
    let document = shop.document("status", ["status", "test", "--format", "json"]);
    assert_eq!(document["destinations"][0]["lock"]["by"], "anna");
    // One that has run out is nobody's.
    shop.write("deploy/.transship/small/test/lock.1", &lease.replace("99999999999", "2"));
    shop.run(["apply", "test", "-yq"]).success();
}

#[test]
fn secrets_in_files_need_a_key_of_ones_own() {
    let shop = small();
    shop.edit("transship.yaml", "{namespace: small}", "{namespace: small, secrets: inline}");
    shop.run(["apply", "test", "-yq"]).code(5).stderr_eq(str![[r"
error: names that carry secrets need a key, and none can be kept here; set TRANSSHIP_KEY, or leave the secrets out with `secrets: reference`

"]]);
    assert!(!shop.path().join("deploy/web-workload.yaml").exists());
    let run = |arguments: &[&str]| {
        shop.command(env!("CARGO_BIN_EXE_transship")).env("TRANSSHIP_KEY", "of the test").args(arguments).assert()
    };
    run(&["apply", "test", "-yq"]).success();
    assert!(shop.read("deploy/web-secret-environment.yaml").contains("name: web-secrets-"));
    run(&["diff", "test", "--exit-code", "-q"]).success();
}

#[test]
fn nothing_says_where_it_goes() {
    let shop = small();
    shop.edit("transship.yaml", "    output: ./deploy\n", "");
    shop.run(["diff", "test"]).code(1).stderr_eq(str![[r"
error[destination-required]: nothing says where the environment `test` goes
 = help: say `--context NAME`, or `--output DIRECTORY`, or write it into transship.yaml


"]]);
    shop.run(["diff", "test", "--context", "nowhere"]).code(1).stderr_eq(str![[r"
error: [..]/.kube/config does not exist; set KUBECONFIG, or give --kubeconfig

"]]);
    shop.run(["diff", "test", "--output", "elsewhere", "--exit-code", "-q"]).code(2);
}

#[test]
fn a_cluster_that_is_not_there() {
    let shop = small();
    shop.write(
        "kubeconfig",
        "{current-context: c, contexts: [{name: c, context: {cluster: c}}], clusters: [{name: c, cluster: {server: \
         \"http://127.0.0.1:9\"}}]}",
    );
    let arguments = ["apply", "test", "--context", "c", "--kubeconfig", "kubeconfig", "--yes"];
    shop.run(arguments).code(1).stdout_eq("").stderr_eq(str![[r"
error: http://127.0.0.1:9 refuses the connection; check that the cluster runs and that the context names its address

"]]);
}
