//! The scripted Marathon behaves as the real one: a test for each thing that its documentation and source say.

use std::collections::BTreeMap;

use serde_json::{Value as Json, json};

use crate::support::marathon::{Behaviour, Guard, Marathon};

fn app(id: &str) -> Json {
    json!({
        "id": id, "args": ["serve"], "cpus": 0.1, "mem": 64, "instances": 1,
        "container": {"type": "DOCKER", "docker": {"image": "example/app:1"}, "portMappings": [{"containerPort": 80}]},
        "networks": [{"mode": "container/bridge"}]
    })
}

fn with(id: &str, change: impl Fn(&mut Json)) -> Json {
    let mut app = app(id);
    change(&mut app);
    app
}

/// A server that holds these apps, and has settled.
async fn holding(apps: &[Json]) -> Marathon {
    let server = Marathon::start().await;
    let (code, told) = server.send("PUT", "/v2/apps?partialUpdate=false", Some(json!(apps))).await;
    assert_eq!(code, 200, "{told}");
    server.settle();
    server
}

async fn get(server: &Marathon, path: &str) -> Json {
    let (code, told) = server.send("GET", path, None).await;
    assert_eq!(code, 200, "{path}: {told}");
    told
}

async fn put(server: &Marathon, path: &str, body: Json) -> Json {
    let (code, told) = server.send("PUT", path, Some(body)).await;
    assert_eq!(code, 200, "{path}: {told}");
    told
}

fn ids(list: &Json) -> Vec<&str> {
    list.as_array().into_iter().flatten().map(|one| one["id"].as_str().unwrap_or_default()).collect()
}

fn paths(told: &Json) -> Vec<&str> {
    told["details"].as_array().into_iter().flatten().map(|one| one["path"].as_str().unwrap_or_default()).collect()
}

#[tokio::test]
async fn a_group_is_read_with_what_is_embedded() {
    let server = holding(&[app("/shop/web"), app("/shop/back/api")]).await;
    server.state().pods.insert("/shop/pod".into(), json!({"id": "/shop/pod"}));
    let all = get(&server, "/v2/groups//shop").await;
    assert_eq!(
        (ids(&all["apps"]), ids(&all["groups"]), ids(&all["pods"])),
        (vec!["/shop/web"], vec!["/shop/back"], vec!["/shop/pod"])
    );
    assert_eq!(ids(&all["groups"][0]["apps"]), ["/shop/back/api"]);
    let some = get(&server, "/v2/groups//shop?embed=group.apps").await;
    assert_eq!(ids(&some["apps"]), ["/shop/web"]);
    assert!(some.get("groups").is_none() && some.get("pods").is_none());
    assert_eq!(server.send("GET", "/v2/groups//nowhere", None).await.0, 404);
}

#[tokio::test]
async fn a_dry_run_tells_steps_and_changes_nothing() {
    let server = holding(&[app("/shop/web"), app("/shop/old")]).await;
    let body = json!({"apps": [with("web", |app| app["instances"] = 2.into()), app("new")]});
    let told = put(&server, "/v2/groups//shop?dryRun=true", body).await;
    assert_eq!(
        told,
        json!({"steps": [
            {"actions": [{"action": "StopApplication", "app": "/shop/old"}]},
            {"actions": [{"action": "StartApplication", "app": "/shop/new"}]},
            {"actions": [{"action": "ScaleApplication", "app": "/shop/new"}, {"action": "ScaleApplication", "app": "/shop/web"}]},
        ]})
    );
    assert_eq!(server.state().ids(), ["/shop/old", "/shop/web"]);
    assert_eq!(server.state().under_way(), 0);
    let (code, told) = server
        .send("PUT", "/v2/groups//shop?dryRun=true", Some(json!({"apps": [with("web", |app| app["cpus"] = 0.into())]})))
        .await;
    assert_eq!((code, paths(&told)), (422, vec!["/apps(0)/cpus"]));
}

#[tokio::test]
async fn a_clean_dry_run_can_still_be_refused_for_the_root() {
    let server = Marathon::start().await;
    let circle = json!({"apps": [
        with("a", |app| app["dependencies"] = json!(["b"])), with("b", |app| app["dependencies"] = json!(["/shop/a"]))]});
    assert_eq!(server.send("PUT", "/v2/groups//shop?dryRun=true", Some(circle.clone())).await.0, 200);
    assert_eq!(server.send("PUT", "/v2/groups//shop", Some(circle)).await.0, 422);
    let external = |id: &str| {
        with(id, |app| {
            app["container"]["volumes"] = json!([{"containerPath": "/data", "mode": "RW",
                "external": {"name": "data", "provider": "dvdi", "options": {"dvdi/driver": "rexray"}}}]);
            app["upgradeStrategy"] = json!({"minimumHealthCapacity": 0, "maximumOverCapacity": 0});
        })
    };
    let twice = json!({"apps": [external("a"), external("b")]});
    assert_eq!(server.send("PUT", "/v2/groups//shop?dryRun=true", Some(twice.clone())).await.0, 200);
    assert_eq!(server.send("PUT", "/v2/groups//shop", Some(twice)).await.0, 422);
    assert!(server.state().ids().is_empty());
}

#[tokio::test]
async fn a_group_that_is_put_loses_what_it_does_not_list() {
    let server =
        holding(&[app("/shop/web"), app("/shop/api"), app("/shop/a/x"), app("/shop/b/y"), app("/other/z")]).await;
    server.state().pods.insert("/shop/pod".into(), json!({"id": "/shop/pod"}));
    let (code, headers, told) = server
        .send_with("PUT", "/v2/groups//shop", Some(json!({"apps": [app("web")], "groups": [{"id": "a"}]})), &[])
        .await;
    assert_eq!(code, 200);
    assert_eq!(headers["marathon-deployment-id"], told["deploymentId"].as_str().unwrap());
    assert!(told["version"].is_string());
    server.settle();
    assert_eq!(server.state().ids(), ["/other/z", "/shop/a/x", "/shop/web"]);
    assert_eq!(server.state().pods.len(), 1, "pods are kept");
    // What is absent is kept.
    put(&server, "/v2/groups//shop", json!({})).await;
    assert_eq!(server.state().ids(), ["/other/z", "/shop/a/x", "/shop/web"]);
}

#[tokio::test]
async fn apps_of_a_group_are_whole_definitions() {
    let server = holding(&[with("/shop/web", |app| app["labels"] = json!({"a": "b"}))]).await;
    put(&server, "/v2/apps//shop/web", json!({"instances": 4})).await;
    server.settle();
    let body = with("web", |app| {
        app.as_object_mut().unwrap().remove("instances");
    });
    put(&server, "/v2/groups//shop", json!({"apps": [body]})).await;
    let app = server.state().definition("/shop/web").cloned().unwrap();
    assert_eq!((&app["instances"], &app["labels"]), (&json!(1), &json!({})));
    let (code, told) = server.send("PUT", "/v2/groups//shop", Some(json!({"apps": [app_of("/elsewhere/web")]}))).await;
    assert_eq!((code, paths(&told)), (422, vec!["/apps(0)/id"]), "apps are direct children of their group");
}

fn app_of(id: &str) -> Json {
    app(id)
}

#[tokio::test]
async fn a_group_goes_back_to_a_version_and_scales() {
    let server = holding(&[with("/shop/web", |app| app["instances"] = 3.into()), app("/other/z")]).await;
    let before = get(&server, "/v2/groups//shop").await["version"].clone();
    put(&server, "/v2/groups//shop", json!({"apps": [with("web", |app| app["mem"] = 99.into()), app("foreign")]}))
        .await;
    server.settle();
    put(&server, "/v2/groups//shop", json!({"version": before, "scaleBy": 7})).await;
    server.settle();
    // The whole subtree, other people's apps included; the version wins over the scale.
    assert_eq!(server.state().ids(), ["/other/z", "/shop/web"]);
    let state = server.state();
    assert_eq!(
        state.definition("/shop/web").map(|app| (app["mem"].clone(), app["instances"].clone())),
        Some((json!(64), json!(3)))
    );
    drop(state);
    put(&server, "/v2/groups//shop", json!({"scaleBy": 0.5})).await;
    assert_eq!(server.state().definition("/shop/web").unwrap()["instances"], 2, "rounded up");
}

#[tokio::test]
async fn a_group_is_posted_once() {
    let server = Marathon::start().await;
    let (code, told) = server.send("POST", "/v2/groups", Some(json!({"id": "/shop", "apps": [app("web")]}))).await;
    assert_eq!(code, 201, "{told}");
    assert_eq!(server.send("POST", "/v2/groups", Some(json!({"id": "/shop"}))).await.0, 409);
    assert_eq!(server.send("POST", "/v2/groups//shop", Some(json!({"id": "below"}))).await.0, 201);
}

#[tokio::test]
async fn a_group_is_deleted_by_a_deployment() {
    let server = holding(&[app("/shop/web"), app("/shop/a/x"), app("/other/z")]).await;
    let (code, told) = server.send("DELETE", "/v2/groups//shop", None).await;
    assert_eq!(code, 200);
    assert!(told["deploymentId"].is_string() && told["version"].is_string());
    server.settle();
    assert_eq!(server.state().ids(), ["/other/z"]);
    assert_eq!(server.send("GET", "/v2/groups//shop", None).await.0, 404);
}

#[tokio::test]
async fn versions_are_kept_as_long_as_the_app_and_no_more_than_so_many() {
    let server = holding(&[app("/web")]).await;
    for mem in 100..103 {
        put(&server, "/v2/apps//web", json!({"mem": mem})).await;
        server.settle();
    }
    let versions = get(&server, "/v2/apps//web/versions").await["versions"].clone();
    assert_eq!(versions.as_array().map(Vec::len), Some(4));
    let third = get(&server, &format!("/v2/apps//web/versions/{}", versions[1].as_str().unwrap())).await;
    assert_eq!(third["mem"], 101);
    let groups = get(&server, "/v2/groups//versions").await;
    assert_eq!(groups.as_array().map(Vec::len), Some(4));
    server.state().kept_versions = 2;
    put(&server, "/v2/apps//web", json!({"mem": 200})).await;
    server.settle();
    assert_eq!(get(&server, "/v2/groups//versions").await.as_array().map(Vec::len), Some(2));
    server.send("DELETE", "/v2/apps//web", None).await;
    server.settle();
    put_new(&server, app("/web")).await;
    assert_eq!(get(&server, "/v2/apps//web/versions").await["versions"].as_array().map(Vec::len), Some(1));
}

async fn put_new(server: &Marathon, app: Json) {
    let (code, told) = server.send("POST", "/v2/apps", Some(app)).await;
    assert_eq!(code, 201, "{told}");
    server.settle();
}

#[tokio::test]
async fn an_app_is_patched_unless_it_is_replaced() {
    let server = holding(&[with("/web", |app| app["labels"] = json!({"a": "b"}))]).await;
    put(&server, "/v2/apps//web", json!({"mem": 100})).await;
    server.settle();
    let labels = |server: &Marathon| server.state().definition("/web").unwrap()["labels"].clone();
    assert_eq!(labels(&server), json!({"a": "b"}));
    assert_eq!(server.send("PATCH", "/v2/apps//web", Some(json!({"mem": 101}))).await.0, 200);
    server.settle();
    assert_eq!(labels(&server), json!({"a": "b"}));
    put(&server, "/v2/apps//web?partialUpdate=false", app("/web")).await;
    server.settle();
    assert_eq!(labels(&server), json!({}));
}

#[tokio::test]
async fn an_app_is_restarted_when_asked() {
    let server = holding(&[app("/web")]).await;
    let before: Vec<String> = server.state().tasks("/web").into_iter().map(str::to_owned).collect();
    assert_eq!(server.send("POST", "/v2/apps//web/restart", None).await.0, 200);
    server.settle();
    assert_ne!(server.state().tasks("/web"), before);
}

#[tokio::test]
async fn apps_are_selected_by_their_labels() {
    let labelled = |id: &str, value: &str| with(id, |app| app["labels"] = json!({"team": value, id: "1"}));
    let server = holding(&[labelled("/a", "red"), labelled("/b", "blue"), app("/c")]).await;
    for (selector, found) in [
        ("team", vec!["/a", "/b"]),
        ("team==red", vec!["/a"]),
        ("team!=red", vec!["/b"]),
        ("team in (red,green)", vec!["/a"]),
        ("team notin (red,green)", vec!["/b"]),
        ("team in (red,blue),/b", vec!["/b"]),
    ] {
        let escaped = selector.replace(' ', "%20").replace('=', "%3D");
        assert_eq!(ids(&get(&server, &format!("/v2/apps?label={escaped}")).await["apps"]), found, "{selector}");
    }
    assert_eq!(server.send("GET", "/v2/apps?label=a%20b", None).await.0, 400);
}

#[tokio::test]
async fn an_app_tells_counts_deployments_and_its_last_failure() {
    let server = Marathon::start().await;
    server.state().behave("/web", Behaviour::Fails("it broke"));
    put(&server, "/v2/apps", json!([app("/web")])).await;
    (0..4).for_each(|_| server.tick());
    let told = get(
        &server,
        "/v2/apps//web?embed=app.counts&embed=app.deployments&embed=app.lastTaskFailure&embed=app.taskStats",
    )
    .await;
    let app = &told["app"];
    assert_eq!(app["tasksRunning"], 0);
    assert_eq!(app["deployments"].as_array().map(Vec::len), Some(1));
    assert_eq!(
        (&app["lastTaskFailure"]["message"], &app["lastTaskFailure"]["state"]),
        (&json!("it broke"), &json!("TASK_FAILED"))
    );
    assert!(app["taskStats"]["totalSummary"]["stats"]["counts"]["running"].is_number());
    server.state().behave("/web", Behaviour::Well);
    server.settle();
    let app = get(&server, "/v2/apps//web").await["app"].clone();
    assert_eq!((&app["tasksRunning"], &app["deployments"]), (&json!(1), &json!([])));
}

#[tokio::test]
async fn only_deployments_that_go_on_are_listed() {
    let server = Marathon::start().await;
    server.state().on_poll = false;
    put(&server, "/v2/apps", json!([app("/web")])).await;
    let told = get(&server, "/v2/deployments").await;
    assert_eq!(told[0]["affectedApps"], json!(["/web"]));
    assert_eq!(told[0]["affectedPods"], json!([]));
    assert_eq!((&told[0]["currentStep"], &told[0]["totalSteps"]), (&json!(1), &json!(2)));
    assert_eq!(told[0]["steps"][0]["actions"][0]["action"], "StartApplication");
    assert_eq!(told[0]["currentActions"][0]["readinessCheckResults"], json!([]));
    assert_eq!(get(&server, "/v2/deployments").await, told, "nothing goes on by itself");
    server.settle();
    assert_eq!(get(&server, "/v2/deployments").await, json!([]), "gone when it has finished");
}

#[tokio::test]
async fn a_deployment_goes_on_when_it_is_asked_for() {
    let server = Marathon::start().await;
    put(&server, "/v2/apps", json!([app("/web")])).await;
    for _ in 0..10 {
        if get(&server, "/v2/deployments").await == json!([]) {
            assert_eq!(server.state().tasks("/web").len(), 1);
            return;
        }
    }
    panic!("it does not end");
}

#[tokio::test]
async fn a_deployment_that_is_deleted_is_taken_back() {
    let server = holding(&[app("/web")]).await;
    server.state().behave("/web", Behaviour::Staged);
    let begun = put(&server, "/v2/apps//web", json!({"mem": 100})).await["deploymentId"].clone();
    let (code, told) = server.send("DELETE", &format!("/v2/deployments/{}", begun.as_str().unwrap()), None).await;
    assert_eq!(code, 200);
    assert!(told["deploymentId"].is_string() && told["deploymentId"] != begun);
    assert_eq!(server.state().definition("/web").unwrap()["mem"], 64);
    assert_eq!(server.send("DELETE", "/v2/deployments/nothing", None).await.0, 404);
}

#[tokio::test]
async fn a_deployment_that_is_ended_by_force_leaves_what_is_there() {
    let server = holding(&[app("/web")]).await;
    server.state().behave("/web", Behaviour::Staged);
    let begun = put(&server, "/v2/apps//web", json!({"mem": 100})).await["deploymentId"].clone();
    server.tick();
    let path = format!("/v2/deployments/{}?force=true", begun.as_str().unwrap());
    assert_eq!(server.send("DELETE", &path, None).await.0, 202);
    assert_eq!(server.state().under_way(), 0);
    assert_eq!(server.state().definition("/web").unwrap()["mem"], 100);
    assert_eq!(server.state().tasks("/web").len(), 2, "the old one and one that is new");
}

#[tokio::test]
async fn events_are_told_as_they_happened() {
    let server = holding(&[app("/web")]).await;
    server.send("DELETE", "/v2/apps//web", None).await;
    server.settle();
    let (code, headers, told) = server.send_with("GET", "/v2/events", None, &[("accept", "text/event-stream")]).await;
    assert_eq!((code, headers["content-type"].as_str()), (200, "text/event-stream"));
    for kind in [
        "deployment_info",
        "deployment_step_success",
        "deployment_success",
        "status_update_event",
        "app_terminated_event",
    ] {
        assert!(told.as_str().unwrap().contains(&format!("event: {kind}\r\n")), "{kind}");
    }
    let only = get(&server, "/v2/events?event_type=deployment_success").await;
    assert!(
        only.as_str().unwrap().contains("deployment_success")
            && !only.as_str().unwrap().contains("status_update_event")
    );
    server.state().leader = Some("http://leader".into());
    let (code, headers, _) = server.send_with("GET", "/v2/events", None, &[]).await;
    assert_eq!((code, headers["location"].as_str()), (302, "http://leader/v2/events"));
}

#[tokio::test]
async fn the_queue_tells_why_something_waits() {
    let server = Marathon::start().await;
    server.state().behave("/web", Behaviour::NoOffers("InsufficientMemory"));
    put(&server, "/v2/apps", json!([app("/web")])).await;
    (0..3).for_each(|_| server.tick());
    let told = get(&server, "/v2/queue").await;
    let waiting = &told["queue"][0];
    assert_eq!((&waiting["app"]["id"], &waiting["count"]), (&json!("/web"), &json!(1)));
    assert_eq!(waiting["processedOffersSummary"]["rejectSummaryLastOffers"][0]["reason"], "InsufficientMemory");
    assert_eq!(server.state().under_way(), 1, "it waits for ever");
}

#[tokio::test]
async fn the_server_says_who_it_is() {
    let server = Marathon::start().await;
    let info = get(&server, "/v2/info").await;
    assert_eq!((&info["name"], &info["version"]), (&json!("marathon"), &json!("1.11.24")));
    assert!(info["frameworkId"].is_string());
    assert!(get(&server, "/v2/leader").await["leader"].is_string());
    assert_eq!(get(&server, "/ping").await, "pong");
}

#[tokio::test]
async fn what_is_no_json_is_refused() {
    let server = Marathon::start().await;
    assert_eq!(server.send("PUT", "/v2/apps", Some(Json::String("{".into()))).await.0, 400);
}

#[tokio::test]
async fn an_app_that_a_deployment_holds_is_locked() {
    let server = holding(&[app("/web"), app("/api")]).await;
    server.state().behave("/web", Behaviour::Staged);
    let begun = put(&server, "/v2/apps//web", json!({"mem": 100})).await["deploymentId"].clone();
    let (code, told) = server.send("PUT", "/v2/apps//web", Some(json!({"mem": 101}))).await;
    assert_eq!(code, 409);
    assert_eq!(told["deployments"], json!([{"id": begun}]));
    assert!(told["message"].as_str().unwrap().starts_with("App is locked by one or more deployments."));
    // Others are not.
    put(&server, "/v2/apps//api", json!({"mem": 101})).await;
    let forced = put(&server, "/v2/apps//web?force=true", json!({"mem": 101})).await;
    let left = get(&server, "/v2/deployments").await;
    assert!(
        ids(&left).contains(&forced["deploymentId"].as_str().unwrap())
            && !ids(&left).contains(&begun.as_str().unwrap())
    );
}

#[tokio::test]
async fn what_is_not_valid_is_told_with_its_place() {
    let server = Marathon::start().await;
    let cases: Vec<(&str, Json)> = vec![
        ("/id", app("/My_App")),
        ("/id", app("/shop/restart")),
        ("/", with("/a", |app| app["cmd"] = "run it".into())),
        ("/cpus", with("/a", |app| app["cpus"] = 0.0001.into())),
        ("/env/A", with("/a", |app| app["env"] = json!({"A": 1}))),
        ("/env/A", with("/a", |app| app["env"] = json!({"A": {"secret": "none"}}))),
        ("/labels/A", with("/a", |app| app["labels"] = json!({"A": true}))),
        ("/container/portMappings", with("/a", |app| app["networks"] = json!([{"mode": "host"}]))),
        ("/portDefinitions", with("/a", |app| app["portDefinitions"] = json!([]))),
        (
            "/container/portMappings(0)/name",
            with("/a", |app| app["container"]["portMappings"][0]["name"] = "A_b".into()),
        ),
        (
            "/container/portMappings",
            with("/a", |app| {
                app["container"]["portMappings"] =
                    json!([{"containerPort": 1, "name": "x"}, {"containerPort": 2, "name": "x"}]);
            }),
        ),
        (
            "/networks",
            with("/a", |app| {
                app["networks"] = json!([{"mode": "container", "name": "a"}, {"mode": "container", "name": "b"}]);
            }),
        ),
        (
            "/healthChecks(0)",
            with("/a", |app| app["healthChecks"] = json!([{"protocol": "MESOS_HTTP", "portIndex": 1}])),
        ),
        (
            "/healthChecks",
            with("/a", |app| app["healthChecks"] = json!([{"protocol": "MESOS_HTTP"}, {"protocol": "MESOS_TCP"}])),
        ),
        ("/constraints(0)", with("/a", |app| app["constraints"] = json!([["hostname", "UNIQUE", "x"]]))),
        (
            "/upgradeStrategy/maximumOverCapacity",
            with("/a", |app| app["upgradeStrategy"] = json!({"maximumOverCapacity": 2})),
        ),
        (
            "/container/docker/pullConfig",
            with("/a", |app| app["container"]["docker"]["pullConfig"] = json!({"secret": "s"})),
        ),
        (
            "/container/docker/parameters",
            with("/a", |app| {
                app["container"]["type"] = "MESOS".into();
                app["container"]["docker"]["parameters"] = json!([{"key": "user", "value": "1"}]);
            }),
        ),
        (
            "/container/volumes(0)/containerPath",
            with("/a", |app| {
                app["container"]["volumes"] = json!([{"containerPath": "/data", "persistent": {"size": 1}}]);
            }),
        ),
        (
            "/container/volumes(0)",
            with("/a", |app| {
                app["secrets"] = json!({"s": {"source": "x"}});
                app["container"]["volumes"] = json!([{"containerPath": "/s", "secret": "s"}]);
            }),
        ),
        (
            "/instances",
            with("/a", |app| {
                app["instances"] = 2.into();
                app["upgradeStrategy"] = json!({"maximumOverCapacity": 0});
                app["container"]["volumes"] = json!([{"containerPath": "/d", "external": {"name": "d", "provider": "dvdi", "options": {"dvdi/driver": "rexray"}}}]);
            }),
        ),
        ("/resourceLimits/mem", with("/a", |app| app["resourceLimits"] = json!({"mem": 1}))),
        ("/readinessChecks(0)", with("/a", |app| app["readinessChecks"] = json!([{"portName": "none"}]))),
        ("/container/docker", with("/a", |app| app["container"]["docker"]["network"] = "BRIDGE".into())),
    ];
    for (path, app) in cases {
        let (code, told) = server.send("POST", "/v2/apps", Some(app.clone())).await;
        assert_eq!((code, paths(&told).contains(&path)), (422, true), "{path}: {app}: {told}");
    }
    assert!(server.state().ids().is_empty());
}

#[tokio::test]
async fn a_key_that_nobody_knows_is_refused_here_and_noted() {
    let server = Marathon::start().await;
    let body = with("/web", |app| app["container"]["docker"]["imagee"] = "x".into());
    let (code, told) = server.send("POST", "/v2/apps", Some(body)).await;
    assert_eq!((code, paths(&told)), (422, vec!["/container/docker/imagee"]));
    assert_eq!(server.state().unknown, ["/container/docker/imagee"]);
}

#[tokio::test]
async fn too_many_deployments_are_refused() {
    let server = Marathon::start().await;
    server.state().most_deployments = 1;
    server.state().behave("/a", Behaviour::Staged);
    put(&server, "/v2/apps", json!([app("/a")])).await;
    let (code, told) = server.send("POST", "/v2/apps", Some(app("/b"))).await;
    assert_eq!(code, 403);
    assert!(told["message"].as_str().unwrap().contains("running deployments"));
}

#[tokio::test]
async fn what_is_not_there_is_not_found() {
    let server = Marathon::start().await;
    assert_eq!(
        server.send("GET", "/v2/apps//none", None).await,
        (404, json!({"message": "App '/none' does not exist"}))
    );
    assert_eq!(server.send("GET", "/v2/nothing", None).await.0, 404);
}

#[tokio::test]
async fn a_server_can_be_out_of_order() {
    let server =
        Marathon::scripted(|call, _| (call.line() == "GET /v2/info").then(|| wiremock::ResponseTemplate::new(503)))
            .await;
    assert_eq!(server.send("GET", "/v2/info", None).await.0, 503);
}

#[tokio::test]
async fn nothing_guards_against_somebody_else_but_the_lock() {
    let server = holding(&[app("/web")]).await;
    let (code, headers, _) = server.send_with("GET", "/v2/apps//web", None, &[]).await;
    assert!(code == 200 && !headers.contains_key("etag"));
    let (code, ..) = server
        .send_with("PUT", "/v2/apps//web", Some(json!({"mem": 70})), &[("if-match", "\"of another time\"")])
        .await;
    assert_eq!(code, 200);
}

#[tokio::test]
async fn everything_but_the_count_restarts() {
    let server = holding(&[with("/web", |app| app["instances"] = 2.into())]).await;
    let tasks = |server: &Marathon| server.state().tasks("/web").into_iter().map(str::to_owned).collect::<Vec<_>>();
    let before = tasks(&server);
    put(&server, "/v2/apps//web", json!({"instances": 3})).await;
    server.settle();
    let scaled = tasks(&server);
    assert!(scaled.len() == 3 && before.iter().all(|task| scaled.contains(task)));
    let info = get(&server, "/v2/apps//web").await["app"]["versionInfo"].clone();
    assert!(info["lastScalingAt"].as_str() > info["lastConfigChangeAt"].as_str());
    for change in [
        json!({"labels": {"a": "b"}}),
        json!({"env": {"A": "b"}}),
        json!({"upgradeStrategy": {"minimumHealthCapacity": 0.5, "maximumOverCapacity": 0.5}}),
        json!({"dependencies": ["/other"]}),
    ] {
        let before = tasks(&server);
        put(&server, "/v2/apps//web", change.clone()).await;
        server.settle();
        assert!(tasks(&server).iter().all(|task| !before.contains(task)), "{change}");
    }
    let before = tasks(&server);
    put(&server, "/v2/apps//web", json!({"labels": {"a": "b"}})).await;
    server.settle();
    assert_eq!(tasks(&server), before, "nothing changed");
}

#[tokio::test]
async fn steps_go_from_what_is_no_more_to_the_last_that_depends() {
    let server = holding(&[app("/shop/old"), app("/shop/web")]).await;
    let needs = |id: &str, other: &str| with(id, |app| app["dependencies"] = json!([other]));
    let body = json!({"apps": [needs("web", "api"), needs("api", "/shop/data"), with("data", |app| app["instances"] = 2.into())]});
    let told = put(&server, "/v2/groups//shop?dryRun=true", body).await;
    let steps: Vec<Vec<String>> = told["steps"]
        .as_array()
        .unwrap()
        .iter()
        .map(|step| {
            let actions = step["actions"].as_array().unwrap().iter();
            actions
                .map(|action| format!("{} {}", action["action"].as_str().unwrap(), action["app"].as_str().unwrap()))
                .collect()
        })
        .collect();
    assert_eq!(
        steps,
        [
            vec!["StopApplication /shop/old"],
            vec!["StartApplication /shop/api", "StartApplication /shop/data"],
            vec!["ScaleApplication /shop/data"],
            vec!["ScaleApplication /shop/api"],
            vec!["RestartApplication /shop/web"],
        ]
    );
}

#[tokio::test]
async fn the_next_layer_waits_until_the_one_before_is_healthy() {
    let server = Marathon::start().await;
    let checked =
        with("/data", |app| app["healthChecks"] = json!([{"protocol": "COMMAND", "command": {"value": "true"}}]));
    server.state().behave("/data", Behaviour::Unhealthy);
    put(&server, "/v2/apps", json!([checked, with("/web", |app| app["dependencies"] = json!(["/data"]))])).await;
    (0..10).for_each(|_| server.tick());
    assert!(server.state().tasks("/web").is_empty());
    server.state().behave("/data", Behaviour::Well);
    server.settle();
    assert_eq!(server.state().tasks("/web").len(), 1);
}

#[tokio::test]
async fn the_server_writes_out_its_defaults_and_gives_ports() {
    let server = holding(&[with("/web", |app| {
        app["healthChecks"] = json!([{"protocol": "MESOS_HTTP"}]);
        app.as_object_mut().unwrap().remove("instances");
    })])
    .await;
    let app = get(&server, "/v2/apps//web").await["app"].clone();
    let expected: BTreeMap<&str, Json> = BTreeMap::from([
        ("/instances", json!(1)),
        ("/backoffSeconds", json!(1)),
        ("/backoffFactor", json!(1.15)),
        ("/maxLaunchDelaySeconds", json!(300)),
        ("/upgradeStrategy", json!({"minimumHealthCapacity": 1, "maximumOverCapacity": 1})),
        ("/healthChecks/0/gracePeriodSeconds", json!(300)),
        ("/healthChecks/0/intervalSeconds", json!(60)),
        ("/healthChecks/0/timeoutSeconds", json!(20)),
        ("/healthChecks/0/maxConsecutiveFailures", json!(3)),
        ("/healthChecks/0/delaySeconds", json!(15)),
        ("/healthChecks/0/portIndex", json!(0)),
        ("/container/docker/forcePullImage", json!(false)),
        ("/container/portMappings/0/hostPort", json!(0)),
        ("/container/portMappings/0/protocol", json!("tcp")),
        ("/unreachableStrategy", json!({"inactiveAfterSeconds": 0, "expungeAfterSeconds": 0})),
        ("/role", json!("*")),
    ]);
    for (path, value) in expected {
        assert_eq!(app.pointer(path), Some(&value), "{path}");
    }
    assert!(app["version"].is_string() && app["versionInfo"]["lastConfigChangeAt"].is_string());
    // The number that a service got once is its own.
    let port = app.pointer("/container/portMappings/0/servicePort").and_then(Json::as_u64).unwrap();
    assert!(port >= 10_000);
    put(&server, "/v2/apps//web?partialUpdate=false", with("/web", |app| app["mem"] = 99.into())).await;
    let app = get(&server, "/v2/apps//web").await["app"].clone();
    assert_eq!(app.pointer("/container/portMappings/0/servicePort"), Some(&json!(port)));
}

#[tokio::test]
async fn ports_that_nobody_speaks_of_are_one_and_none_has_to_be_said() {
    let without = |ports: Option<Json>| {
        with("/web", move |app| {
            app["container"].as_object_mut().unwrap().remove("portMappings");
            if let Some(ports) = &ports {
                app["container"]["portMappings"] = ports.clone();
            }
        })
    };
    let server = holding(&[without(None)]).await;
    let mappings = |server: &Marathon| server.state().definition("/web").unwrap()["container"]["portMappings"].clone();
    assert_eq!(mappings(&server)[0]["containerPort"], 0);
    put(&server, "/v2/apps//web?partialUpdate=false", without(Some(json!([])))).await;
    assert_eq!(mappings(&server), json!([]));
}

#[tokio::test]
async fn the_old_form_is_written_in_the_new_one() {
    let old = json!({"id": "/web", "container": {"type": "DOCKER", "docker": {"image": "x", "network": "BRIDGE", "portMappings": [{"containerPort": 80}]}}});
    let server = holding(&[old]).await;
    let app = server.state().definition("/web").cloned().unwrap();
    assert_eq!(app["networks"], json!([{"mode": "container/bridge"}]));
    assert_eq!(app["container"]["portMappings"][0]["containerPort"], 80);
    assert!(app["container"]["docker"].get("network").is_none());
}

#[tokio::test]
async fn who_may_not_come_in_does_not() {
    let server = Marathon::start().await;
    server.state().guard = Guard::Basic("user", "password");
    assert_eq!(server.send("GET", "/v2/info", None).await.0, 401);
    // user:password
    let basic = [("authorization", "Basic dXNlcjpwYXNzd29yZA==")];
    assert_eq!(server.send_with("GET", "/v2/info", None, &basic).await.0, 200);
    server.state().guard = Guard::Token("t0ken", "robot", "secret");
    assert_eq!(server.send_with("GET", "/v2/info", None, &basic).await.0, 401);
    assert_eq!(
        server.send("POST", "/acs/api/v1/auth/login", Some(json!({"uid": "robot", "password": "wrong"}))).await.0,
        401
    );
    let (code, told) =
        server.send("POST", "/acs/api/v1/auth/login", Some(json!({"uid": "robot", "password": "secret"}))).await;
    assert_eq!((code, &told["token"]), (200, &json!("t0ken")));
    let (code, ..) =
        server.send_with("GET", "/service/marathon/v2/info", None, &[("authorization", "token=t0ken")]).await;
    assert_eq!(code, 200);
    assert_eq!(server.send_with("GET", "/v2/info", None, &[("authorization", "token=other")]).await.0, 401);
}

#[tokio::test]
async fn secrets_of_the_cluster_are_read() {
    let server = Marathon::start().await;
    server.state().secrets.insert("shop/password".into(), "hidden".into());
    assert_eq!(get(&server, "/secrets/v1/secret/default/shop/password").await, json!({"value": "hidden"}));
    assert_eq!(server.send("GET", "/secrets/v1/secret/default/none", None).await.0, 404);
    server.state().features.remove("secrets");
    let body = with("/web", |app| {
        app["secrets"] = json!({"s": {"source": "shop/password"}});
        app["env"] = json!({"A": {"secret": "s"}});
    });
    assert_eq!(server.send("POST", "/v2/apps", Some(body)).await.0, 422, "the feature is not enabled");
}

#[tokio::test]
async fn many_apps_are_one_deployment_and_others_stay() {
    let server = holding(&[app("/shop/web"), app("/shop/foreign")]).await;
    let body = json!([with("/shop/web", |app| app["mem"] = 99.into()), app("/shop/back/api")]);
    let told = put(&server, "/v2/apps?partialUpdate=false", body).await;
    assert_eq!(server.state().under_way(), 1);
    assert!(told["deploymentId"].is_string());
    server.settle();
    assert_eq!(server.state().ids(), ["/shop/back/api", "/shop/foreign", "/shop/web"]);
    assert_eq!(server.send("GET", "/v2/groups//shop/back", None).await.0, 200, "groups that were not there are made");
}

#[tokio::test]
async fn an_app_is_deleted_by_force_unless_that_is_forbidden() {
    let server = holding(&[app("/web")]).await;
    server.state().behave("/web", Behaviour::Staged);
    put(&server, "/v2/apps//web", json!({"mem": 100})).await;
    assert_eq!(server.send("DELETE", "/v2/apps//web?force=false", None).await.0, 409);
    assert_eq!(server.send("DELETE", "/v2/apps//web", None).await.0, 200);
}

#[tokio::test]
async fn an_app_is_posted_once() {
    let server = holding(&[app("/web")]).await;
    let (code, told) = server.send("POST", "/v2/apps", Some(app("/web"))).await;
    assert_eq!((code, &told["message"]), (409, &json!("An app with id [/web] already exists.")));
}

#[tokio::test]
async fn the_store_beside_it_keeps_what_is_put_there() {
    let server = Marathon::start().await;
    assert_eq!(server.send("GET", "/files/a/b", None).await.0, 404);
    assert_eq!(server.send("PUT", "/files/a/b", Some(Json::String("content".into()))).await.0, 201);
    assert_eq!(get(&server, "/files/a/b").await, "content");
    assert_eq!(server.send("DELETE", "/files/a/b", None).await.0, 204);
    assert_eq!(server.send("DELETE", "/files/a/b", None).await.0, 404);
}
