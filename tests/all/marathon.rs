//! From Compose files to Marathon, by the real program: shown, applied, changed, removed, and what happens on bad days.

use std::time::Duration;

use serde_json::{Value as Json, json};

use crate::support::{
    journey::changes,
    marathon::{Behaviour, Call, Guard, Marathon, State, refused},
    ship::{Ship, Told, until},
};

const API: &str = "/small-test/api";
const WEB: &str = "/small-test/web";

/// A small application, and the Marathon that it goes to.
struct Small {
    server: Marathon,
    ship: Ship,
}

impl Small {
    fn new() -> Self {
        Self::with(Marathon::blocking(), &[])
    }

    fn scripted(
        script: impl Fn(&Call, &mut State) -> Option<wiremock::ResponseTemplate> + Send + Sync + 'static,
    ) -> Self {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        Self::with(runtime.block_on(Marathon::scripted(script)), &[])
    }

    fn with(server: Marathon, variables: &[(&str, &str)]) -> Self {
        let small = Self { server, ship: Ship::new(variables) };
        for name in ["staging", "production"] {
            std::fs::remove_file(small.ship.shop.path().join(format!("compose.{name}.yaml"))).unwrap();
        }
        let shop = &small.ship.shop;
        shop.write(
            "compose.yaml",
            "services:\n  web:\n    image: registry.example.com/shop/web:1.4.2\n    ports: [\"8080:8080\"]\n    \
             depends_on: [api]\n    environment:\n      GREETING: hello\n    deploy: &limited\n      replicas: 2\n      \
             resources: {limits: {memory: 64M}}\n  api:\n    image: registry.example.com/shop/api:1.4.2\n    expose: \
             [\"8000\"]\n    environment:\n      PAGE_SIZE: 20\n      API_TOKEN: ${API_TOKEN}\n    configs:\n      - \
             {source: features, target: /etc/features.json}\n    deploy: *limited\nconfigs:\n  features:\n    content: \
             '{\"checkout\": \"classic\"}'\n",
        );
        shop.write(".env", "API_TOKEN=only-for-the-example\n");
        small.settings("");
        small.ship.run(&["lock", "-q"]).ended(0);
        small
    }

    /// Two environments; `more` lines for `test`.
    fn settings(&self, more: &str) {
        let (url, files) = (self.server.address(), self.server.store());
        let environment = |name: &str| format!("  {name}:\n    marathon:\n      url: {url}\n      files: {files}\n");
        let text = format!(
            "application: small\nimages:\n  sources: [{{prefix: registry.example.com/shop, layout: ./images}}]\n\
             environments:\n{}{}{more}",
            environment("other"),
            environment("test"),
        );
        self.ship.shop.write("transship.yaml", &text);
    }

    fn run(&self, arguments: &[&str]) -> Told {
        self.ship.run(arguments)
    }

    /// What is told, with the server's address left out.
    fn said(&self, text: &str) -> String {
        text.replace(&self.server.address(), "SERVER")
    }

    fn tasks(&self, app: &str) -> Vec<String> {
        self.server.state().tasks(app).into_iter().map(str::to_owned).collect()
    }

    /// Requests that changed something and were not about the ledger.
    fn writes(&self) -> Vec<String> {
        let state = self.server.state();
        let writes =
            state.calls().iter().filter(|call| call.writes() && call.body["labels"]["TRANSSHIP_LEDGER"].is_null());
        let writes = writes.filter(|call| !call.path.contains("/transship/"));
        writes
            .map(|call| {
                let force =
                    call.query.iter().find(|(name, _)| name == "force").map(|(_, value)| format!(" force={value}"));
                format!("{}{}", call.line(), force.unwrap_or_default())
            })
            .collect()
    }

    fn forget_calls(&self) -> usize {
        self.writes().len()
    }
}

fn differences(told: &Json) -> Vec<(String, String)> {
    let all = told["destinations"][0]["changes"].as_array().unwrap().iter();
    all.flat_map(|change| change["differences"].as_array().cloned().unwrap_or_default())
        .map(|one| (one["path"].as_str().unwrap().to_owned(), one["after"].as_str().unwrap_or_default().to_owned()))
        .collect()
}

#[test]
fn an_application_comes_in_one_deployment_and_nothing_is_left_to_do() {
    let small = Small::new();
    let shown = small.run(&["diff", "test"]).ended(0);
    snapbox::assert_data_eq!(
        small.said(&shown.out),
        snapbox::str![[r"
small/test in SERVER (first revision)

+ file SERVER/files/small/test/config/features/content/features-[..]
    compose.yaml:22:5
+ app /small-test/api  starts
    compose.yaml:12:5
+ app /small-test/web  starts
    compose.yaml:3:5

3 to create

"]]
    );
    assert!(small.writes().is_empty(), "looking changed something");
    let told = small.run(&["apply", "test", "--yes", "--format", "json"]).ended(0).json();
    assert_eq!(told["verdict"], "applied", "{told:#}");
    let writes = small.writes();
    assert!(writes[0].starts_with("PUT /files/small/test/config/features/content/features-"), "{writes:?}");
    assert_eq!(writes[1..], ["PUT /v2/apps force=false"]);
    let state = small.server.state();
    assert!(state.unknown.is_empty(), "{:?}", state.unknown);
    let api = state.definition(API).unwrap();
    assert_eq!(api["labels"]["TRANSSHIP_APPLICATION"], "small/test");
    assert_eq!(api["labels"]["TRANSSHIP_RESOURCE"], "service/api/workload");
    assert_eq!(api["container"]["portMappings"][0]["labels"]["VIP_0"], "/api.small-test:8000");
    let parameters = api["container"]["docker"]["parameters"].as_array().unwrap();
    assert!(parameters.contains(&json!({"key": "dns-search", "value": "small-test.marathon.l4lb.thisdcos.directory"})));
    assert_eq!(state.definition(WEB).unwrap()["dependencies"], json!([API]));
    assert_eq!((state.tasks(API).len(), state.tasks(WEB).len()), (2, 2));
    drop(state);

    // Once more: nothing differs, and nothing is called.
    let tasks = (small.tasks(API), small.tasks(WEB));
    small.run(&["diff", "test", "--exit-code"]).ended(0);
    assert_eq!(small.run(&["apply", "test"]).ended(0).out.lines().last(), Some("nothing to do"));
    small.run(&["status", "test", "--exit-code"]).ended(0);
    assert_eq!(small.writes().len(), 2);
    assert_eq!(tasks, (small.tasks(API), small.tasks(WEB)));
}

#[test]
fn what_another_client_changed_is_that_field_alone() {
    let small = Small::new();
    small.run(&["apply", "test", "--yes"]).ended(0);
    for (change, path, effect) in [
        (json!({"instances": 1}), "instances", "scales from 1 to 2"),
        (json!({"mem": 96}), "mem", "restarts 2 instances, one after the other"),
        (json!({"env": {"GREETING": "moved"}}), "env.GREETING", "restarts 2 instances, one after the other"),
        (
            json!({"labels": {"TRANSSHIP_APPLICATION": "small/test", "TRANSSHIP_RESOURCE": "service/web/workload", "x": "y"}}),
            "labels.x",
            "restarts 2 instances, one after the other",
        ),
    ] {
        small.server.call("PUT", &format!("/v2/apps/{WEB}"), change);
        small.server.settle();
        let told = small.run(&["diff", "test", "--format", "json", "--exit-code"]).ended(2).json();
        let found: Vec<String> = differences(&told).into_iter().map(|(path, _)| path).collect();
        assert_eq!(found, [path], "{told:#}");
        let change = &told["destinations"][0]["changes"][0];
        assert_eq!(change["effect"], effect, "{told:#}");
        let causes = change["causes"].as_array().unwrap();
        assert!(causes.iter().any(|cause| *cause == format!("somebody changed {path} there")), "{causes:?}");
        small.run(&["apply", "test", "--yes"]).ended(0);
        small.run(&["diff", "test", "--exit-code"]).ended(0);
    }
}

#[test]
fn one_changed_value_touches_one_app() {
    let small = Small::new();
    small.run(&["apply", "test", "--yes"]).ended(0);
    let (api, web) = (small.tasks(API), small.tasks(WEB));
    let before = small.forget_calls();
    small.ship.shop.edit("compose.yaml", "PAGE_SIZE: 20", "PAGE_SIZE: 25");
    let told = small.run(&["diff", "test", "--format", "json"]).ended(0).json();
    assert_eq!(changes(&told), [("service/api/workload".to_owned(), "update".to_owned(), "restart".to_owned())]);
    assert_eq!(differences(&told), [("env.PAGE_SIZE".to_owned(), "25".to_owned())]);
    small.run(&["apply", "test", "--yes"]).ended(0);
    assert_eq!(small.writes()[before..], ["PUT /v2/apps force=false"]);
    assert_eq!(web, small.tasks(WEB));
    assert!(api.iter().all(|task| !small.tasks(API).contains(task)));

    // A changed file is put beside the old one, which goes when nothing fetches it any more.
    small.ship.shop.edit("compose.yaml", "classic", "express");
    let before = small.forget_calls();
    small.run(&["apply", "test", "--yes"]).ended(0);
    let writes = small.writes();
    let kinds: Vec<&str> = writes[before..].iter().filter_map(|line| line.split("/features-").next()).collect();
    let file = "/files/small/test/config/features/content";
    assert_eq!(kinds, [&format!("PUT {file}"), "PUT /v2/apps force=false", &format!("DELETE {file}")]);
    assert_eq!(web, small.tasks(WEB));
    assert_eq!(small.server.state().files.len(), 1);
}

#[test]
fn a_count_that_nobody_wrote_stays_as_it_is() {
    let small = Small::new();
    small.ship.shop.edit("compose.yaml", "      replicas: 2\n", "");
    small.run(&["apply", "test", "--yes"]).ended(0);
    small.server.call("PUT", &format!("/v2/apps/{API}"), json!({"instances": 5}));
    small.server.settle();
    small.run(&["diff", "test", "--exit-code"]).ended(0);
    small.ship.shop.edit("compose.yaml", "PAGE_SIZE: 20", "PAGE_SIZE: 25");
    small.run(&["apply", "test", "--yes"]).ended(0);
    assert_eq!(small.tasks(API).len(), 5);
}

#[test]
fn what_is_taken_out_goes_last_and_what_is_not_ours_stays() {
    let small = Small::new();
    small.run(&["apply", "test", "--yes"]).ended(0);
    small.run(&["apply", "other", "--yes"]).ended(0);
    let other = small.tasks("/small-other/api");
    let foreign = json!({"id": "/small-test/foreign", "cmd": "sleep 1000", "instances": 1});
    small.server.call("POST", "/v2/apps", foreign);
    small.server.settle();
    let compose = small.ship.shop.read("compose.yaml");
    let start = compose.find("  web:\n").unwrap();
    let end = compose.find("  api:\n").unwrap();
    let rest = compose[end..].replace("*limited", "{replicas: 2, resources: {limits: {memory: 64M}}}");
    small.ship.shop.write("compose.yaml", &format!("{}{rest}", &compose[..start]));
    let before = small.forget_calls();
    small.run(&["apply", "test", "--yes"]).ended(0);
    assert_eq!(small.writes()[before..], [format!("DELETE /v2/apps{WEB} force=false")]);
    assert_eq!(
        small.server.state().ids().into_iter().filter(|id| !id.starts_with("/transship")).collect::<Vec<_>>(),
        ["/small-other/api", "/small-other/web", API, "/small-test/foreign"]
    );
    // An app of somebody else where one of ours should be is not touched.
    small.ship.shop.write("compose.yaml", &compose.replace("  web:\n", "  foreign:\n"));
    let told = small.run(&["apply", "test", "--yes"]).ended(5);
    assert!(told.out.contains("! app /small-test/foreign: something of that name is there"), "{}", told.out);

    small.ship.shop.write("compose.yaml", &compose);
    small.run(&["destroy", "test", "--yes"]).ended(0);
    let left: Vec<String> = small.server.state().ids().into_iter().map(str::to_owned).collect();
    let left: Vec<&String> = left.iter().filter(|id| !id.starts_with("/transship/small.other")).collect();
    assert_eq!(left, ["/small-other/api", "/small-other/web", "/small-test/foreign"]);
    assert_eq!(small.server.state().files.keys().filter(|path| path.starts_with("small/test/")).count(), 0);
    assert_eq!(other, small.tasks("/small-other/api"));
    assert_eq!(small.run(&["destroy", "test"]).ended(0).out.lines().last(), Some("nothing to do"));
}

#[test]
fn a_killed_apply_is_waited_for_by_the_next() {
    let small = Small::new();
    small.server.state().behave(API, Behaviour::Staged);
    let mut child = small.ship.start(&["apply", "test", "--yes"]);
    until("the deployment", Duration::from_secs(60), || (small.server.state().definition(API).is_some()).then_some(()));
    child.kill().unwrap();
    child.wait().unwrap();
    let status = small.run(&["status", "test", "--format", "json"]).ended(0).json();
    assert_eq!(status["destinations"][0]["revisions"][0]["state"], "opened", "{status:#}");
    let locked = small.run(&["apply", "test", "--yes"]).ended(4);
    assert!(locked.err.contains("tester has been deploying small/test for"), "{}", locked.err);
    // Its lock runs out.
    let locks: Vec<String> =
        small.server.state().ids().into_iter().filter(|id| id.contains("/lock-")).map(str::to_owned).collect();
    locks.iter().for_each(|id| drop(small.server.call("DELETE", &format!("/v2/apps/{id}"), Json::Null)));
    small.server.state().behave(API, Behaviour::Well);
    let before = small.forget_calls();
    small.run(&["apply", "test", "--yes"]).ended(0);
    assert_eq!(small.writes()[before..], [""; 0], "what goes on already is not begun again");
    assert_eq!((small.tasks(API).len(), small.tasks(WEB).len()), (2, 2));
    small.run(&["diff", "test", "--exit-code"]).ended(0);
}

#[test]
fn a_deployment_that_never_ends_is_given_up_with_its_reason() {
    let small = Small::new();
    small.settings("      deadline: 2\n");
    small.server.state().behave(API, Behaviour::NoOffers("InsufficientMemory"));
    let told = small.run(&["apply", "test", "--yes"]).ended(6);
    let said = format!("{}{}", told.out, told.err);
    assert!(said.contains("waiting for an offer that fits: InsufficientMemory (1 of 1 offers)"), "{said}");
    assert!(said.contains("give the cluster room, or ask for less"), "{said}");
    assert_eq!(small.server.state().under_way_of(API), 1, "nothing of it is ended");

    // What was ours and has another content is overtaken, and only that.
    small.server.state().behave(API, Behaviour::Well);
    small.ship.shop.edit("compose.yaml", "PAGE_SIZE: 20", "PAGE_SIZE: 25");
    let before = small.forget_calls();
    small.run(&["apply", "test", "--yes"]).ended(0);
    assert_eq!(small.writes()[before..], ["PUT /v2/apps force=true"]);
    small.run(&["diff", "test", "--exit-code"]).ended(0);
}

#[test]
fn tasks_that_end_again_and_again_are_not_waited_for_to_the_end() {
    let small = Small::new();
    small.server.state().behave(API, Behaviour::Fails("Failed to launch container: pull access denied"));
    let told = small.run(&["apply", "test", "--yes"]).ended(6);
    let said = format!("{}{}", told.out, told.err);
    assert!(said.contains("its last task ended as TASK_FAILED on 10.0.0.1: Failed to launch container"), "{said}");
    assert!(said.contains("check that the registry has the digest"), "{said}");
}

#[test]
fn what_somebody_else_is_at_work_on_is_left_to_them() {
    let small = Small::new();
    small.run(&["apply", "test", "--yes"]).ended(0);
    small.server.state().behave(API, Behaviour::Staged);
    small.server.call("PUT", &format!("/v2/apps/{API}"), json!({"mem": 96}));
    small.ship.shop.edit("compose.yaml", "PAGE_SIZE: 20", "PAGE_SIZE: 25");
    let before = small.forget_calls();
    let told = small.run(&["apply", "test", "--yes"]).ended(4);
    assert!(told.err.contains("app /small-test/api is locked by the deployment"), "{}", told.err);
    assert!(told.err.contains("of somebody else; wait until it ends, or end it with"), "{}", told.err);
    assert_eq!(small.writes()[before..], [""; 0]);
    assert_eq!(small.server.state().under_way_of(API), 1);
}

#[test]
fn what_comes_again_waits_for_the_removal_of_what_was() {
    // A removed app keeps its id locked until its deployment is over: here for one look.
    let small = Small::scripted(|call, state| {
        let key = |call: &Call| call.line() == "POST /v2/apps" && call.body["labels"]["TRANSSHIP_ENTRY"] == "key";
        let removed = state.calls().iter().any(|call| call.method == "DELETE" && call.path.ends_with("/key"));
        let tries = state.calls().iter().filter(|call| key(call)).count();
        (key(call) && removed && tries == 2).then(|| {
            let body = json!({"message": "App is locked by one or more deployments.", "deployments": [{"id": "d1"}]});
            wiremock::ResponseTemplate::new(409).set_body_json(body)
        })
    });
    small.run(&["apply", "test", "--yes"]).ended(0);
    small.run(&["destroy", "test", "--yes"]).ended(0);
    small.run(&["apply", "test", "--yes"]).ended(0);
    let state = small.server.state();
    let tries =
        state.calls().iter().filter(|call| call.method == "POST" && call.body["labels"]["TRANSSHIP_ENTRY"] == "key");
    assert_eq!(tries.count(), 3);
}

#[test]
fn data_that_stays_keeps_what_it_needs() {
    let small = Small::new();
    let shop = &small.ship.shop;
    shop.edit("compose.yaml", "    expose: ", "    secrets: [password]\n    volumes: [\"data:/data\"]\n    expose: ");
    let more = "volumes: {data: {}}\nsecrets: {password: {file: ./password.txt}}\n";
    shop.write("compose.yaml", &format!("{}{more}", shop.read("compose.yaml")));
    shop.write("password.txt", "only-for-the-example");
    small.run(&["apply", "test", "--yes"]).ended(0);
    let fetched = |state: &State| state.definition(API).unwrap()["fetch"].to_string();
    let before = fetched(&small.server.state());
    let files = small.server.state().files.len();
    small.run(&["destroy", "test", "--yes"]).ended(0);
    let left: Vec<String> = small.server.state().ids().into_iter().map(str::to_owned).collect();
    assert_eq!(left, [API, "/transship/small.test/key"]);
    // Its tasks can be started anew: their files are there.
    assert_eq!(small.server.state().files.len(), files);
    assert_eq!(small.run(&["destroy", "test", "--yes"]).ended(0).out.lines().last(), Some("nothing to do"));
    small.run(&["apply", "test", "--yes"]).ended(0);
    assert_eq!(fetched(&small.server.state()), before);
    small.run(&["diff", "test", "--exit-code"]).ended(0);
}

#[test]
fn a_server_that_goes_away_in_the_middle() {
    let small = Small::scripted(|call, state| {
        let applied = state.calls().iter().any(|call| call.line() == "PUT /v2/apps");
        (applied && call.line() == "GET /v2/deployments" && state.guard_is_open()).then(|| refused(503, "no leader"))
    });
    let told = small.run(&["apply", "test", "--yes"]).ended(8);
    assert!(told.err.contains("answers with status 503 (no leader); try again later"), "{}", told.err);
    // It comes back.
    small.server.state().guard = Guard::Token("t0ken", "robot", "secret");
    let told = small.run(&["diff", "test"]).ended(1);
    assert_eq!(
        small.said(&told.err),
        "error: SERVER does not accept who we are; log in with `dcos auth login`, or set DCOS_ACS_TOKEN to a token that has not expired\n"
    );
}

#[test]
fn a_token_of_dcos_lets_us_in_and_is_not_shown() {
    let server = Marathon::blocking();
    server.state().guard = Guard::Token("only-for-the-example", "robot", "secret");
    let small = Small::with(server, &[("DCOS_ACS_TOKEN", "only-for-the-example")]);
    small.run(&["apply", "test", "--yes", "-vv"]).ended(0);
    // As the program of DC/OS keeps it.
    let url = small.server.address();
    let own = Small::with(Marathon::blocking(), &[]);
    own.server.state().guard = Guard::Token("only-for-the-example", "robot", "secret");
    drop(url);
    own.ship.shop.write(
        ".dcos/clusters/one/dcos.toml",
        &format!("[core]\ndcos_url = \"{}\"\ndcos_acs_token = \"only-for-the-example\"\n", own.server.address()),
    );
    own.run(&["apply", "test", "--yes"]).ended(0);
}

#[test]
fn what_the_server_would_refuse_is_told_before() {
    let small = Small::new();
    small.server.state().features.remove("external_volumes");
    let compose =
        small.ship.shop.read("compose.yaml").replacen("    deploy: *limited\n", "    volumes: [\"data:/data\"]\n", 1);
    small.ship.shop.write("compose.yaml", &format!("{compose}volumes:\n  data: {{driver: rexray}}\n"));
    let told = small.run(&["apply", "test", "--yes"]).ended(5);
    assert!(told.out.contains("! app /small-test/api"), "{}", told.out);
    assert!(told.out.contains("Feature external_volumes is not enabled"), "{}", told.out);
    assert!(small.writes().is_empty());
}
