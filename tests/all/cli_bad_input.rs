//! What people read when something is wrong with what they wrote or asked for: one whole message per test, with its
//! exit code, and nothing on standard output.

use snapbox::str;

use crate::cli_support::Shop;

const WEB: &str = "services:\n  web:\n    image: registry.example.com/shop/web:1.4.2\n";

#[test]
fn no_compose_file() {
    let shop = Shop::empty();
    shop.write("below/readme", "");
    shop.run(["-f", "missing.yaml", "config"]).code(1).stdout_eq("").stderr_eq(str![[r"
error[file-unreadable]: cannot read missing.yaml: there is no such file
 = help: check the path and where it starts from


"]]);
}

#[test]
fn yaml_that_is_none() {
    let shop = Shop::empty();
    shop.write("compose.yaml", "services:\n  web:\n    image: nginx\n   ports: [80]\n");
    shop.run(["config"]).code(1).stdout_eq("").stderr_eq(str![[r"
error[yaml-broken]: not YAML: while parsing a block mapping, did not find expected key
 --> compose.yaml:4:4
  |
4 |    ports: [80]
  |    ^
  |
  = help: begin each key on a line of its own, as deep as its neighbours


"]]);
}

#[test]
fn a_key_nobody_knows() {
    let shop = Shop::empty();
    shop.write("compose.yaml", "services:\n  web:\n    imgae: nginx\n");
    shop.run(["config"]).code(1).stdout_eq("").stderr_eq(str![[r"
error[unknown-key]: there is no `imgae` here
 --> compose.yaml:3:5
  |
3 |     imgae: nginx
  |     ^^^^^
  |
  = help: did you mean `image`?


"]]);
}

#[test]
fn a_required_variable_without_a_value() {
    let shop = Shop::empty();
    shop.write("compose.yaml", "services:\n  web:\n    image: web:${TAG:?set the tag to deploy}\n");
    shop.run(["config"]).code(1).stdout_eq("").stderr_eq(str![[r"
error[variable-required]: the variable TAG is required and has no value: set the tag to deploy
 --> compose.yaml:3:12
  |
3 |     image: web:${TAG:?set the tag to deploy}
  |            ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
  |
  = help: set TAG in the environment, in .env, or with `--set TAG=…`


"]]);
}

#[test]
fn a_variable_that_is_not_set_warns_where_it_is_used() {
    let shop = Shop::empty();
    shop.write("compose.yaml", "services:\n  web:\n    image: web:1\n    environment:\n      MODE: $MODE\n");
    shop.run(["config", "--services"]).success().stdout_eq("web\n").stderr_eq(str![[r"
warning[variable-unset]: the variable MODE is not set; it counts as empty
 --> compose.yaml:5:13
  |
5 |       MODE: $MODE
  |             ^^^^^
  |
  = help: set it, or write `${MODE:-default}`


"]]);
    shop.run(["config", "--services", "-q"]).success().stderr_eq("");
    shop.run(["config", "--services", "--strict"]).code(1);
}

#[test]
fn a_dependency_that_is_not_there() {
    let shop = Shop::empty();
    shop.write("compose.yaml", &format!("{WEB}    depends_on: [database]\n"));
    shop.run(["config"]).code(1).stdout_eq("").stderr_eq(str![[r"
error[undefined-reference]: there is no service `database`
 --> compose.yaml:4:18
  |
4 |     depends_on: [database]
  |                  ^^^^^^^^
  |
  = help: declare it under `services`


"]]);
}

#[test]
fn an_image_that_the_layout_does_not_have() {
    let shop = Shop::copy();
    shop.run(["render", "demo", "--set", "TAG=9.9.9"]).code(1).stdout_eq("").stderr_eq(str![[r"
error[image-not-found]: image `registry.example.com/shop/web:9.9.9`: not in the image layout images
  --> compose.yaml:17:12
   |
17 |     image: ${REGISTRY:-registry.example.com}/shop/web:${TAG:-1.4.2}
   |            ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
   |
   = note: its value comes from --set TAG
   = help: of that repository the layout has: 1.4.2

error[image-not-found]: image `registry.example.com/shop/api:9.9.9`: not in the image layout images
  --> compose.yaml:34:12
   |
34 |     image: ${REGISTRY:-registry.example.com}/shop/api:${TAG:-1.4.2}
   |            ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
   |
   = note: its value comes from --set TAG
   = help: of that repository the layout has: 1.4.2, 1.5.0

error[image-not-found]: image `registry.example.com/shop/worker:9.9.9`: not in the image layout images
  --> compose.yaml:75:12
   |
75 |     image: ${REGISTRY:-registry.example.com}/shop/worker:${TAG:-1.4.2}
   |            ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
   |
   = note: its value comes from --set TAG
   = help: of that repository the layout has: 1.4.2

error[image-not-found]: image `registry.example.com/shop/migration:9.9.9`: not in the image layout images
  --> compose.yaml:89:12
   |
89 |     image: ${REGISTRY:-registry.example.com}/shop/migration:${TAG:-1.4.2}
   |            ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
   |
   = note: its value comes from --set TAG
   = help: of that repository the layout has: 1.4.2


"]]);
}

#[test]
fn an_image_from_a_repository_that_is_not_allowed() {
    let shop = Shop::copy();
    shop.run(["lock", "demo", "--image", "web=docker.io/someone/web:1"]).code(1).stdout_eq("").stderr_eq(str![[r"
error[image-not-allowed]: image `docker.io/someone/web:1`: not from an allowed repository
 = note: --image web
 = help: `images.allow` has: registry.example.com/shop/**, docker.io/library/**


"]]);
}

#[test]
fn an_image_of_a_service_that_is_not_there() {
    let shop = Shop::copy();
    shop.run(["render", "demo", "--image", "wbe=nginx"]).code(64).stdout_eq("").stderr_eq(str![[r"
error: --image: there is no service `wbe`
  = help: there are `web`, `api`, `worker`, `migration`, `database`, `cache`

"]]);
}

#[test]
fn a_lock_that_must_be_enough_and_is_not() {
    let shop = Shop::copy();
    shop.write("transship.lock", "version: 1\nimages: {}\n");
    shop.run(["render", "production", "--locked"]).code(1).stdout_eq("").stderr_eq(str![[r"
error[image-not-locked]: image `registry.example.com/shop/web:1.4.2`: the lock does not hold it
  --> compose.yaml:17:12
   |
17 |     image: ${REGISTRY:-registry.example.com}/shop/web:${TAG:-1.4.2}
   |            ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
   |
   = help: run `transship lock`

error[image-not-locked]: image `registry.example.com/shop/api:1.4.2`: the lock does not hold it
  --> compose.yaml:34:12
   |
34 |     image: ${REGISTRY:-registry.example.com}/shop/api:${TAG:-1.4.2}
   |            ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
   |
   = help: run `transship lock`

error[image-not-locked]: image `registry.example.com/shop/worker:1.4.2`: the lock does not hold it
  --> compose.yaml:75:12
   |
75 |     image: ${REGISTRY:-registry.example.com}/shop/worker:${TAG:-1.4.2}
   |            ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
   |
   = help: run `transship lock`

error[image-not-locked]: image `registry.example.com/shop/migration:1.4.2`: the lock does not hold it
  --> compose.yaml:89:12
   |
89 |     image: ${REGISTRY:-registry.example.com}/shop/migration:${TAG:-1.4.2}
   |            ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
   |
   = help: run `transship lock`

error[image-not-locked]: image `postgres:17`: the lock does not hold it
   --> compose.yaml:102:12
    |
102 |     image: ${DATABASE_IMAGE:-postgres:17}
    |            ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
    |
    = help: run `transship lock`

error[image-not-locked]: image `redis:8`: the lock does not hold it
   --> compose.yaml:124:12
    |
124 |     image: ${CACHE_IMAGE:-redis:8}
    |            ^^^^^^^^^^^^^^^^^^^^^^^
    |
    = help: run `transship lock`


"]]);
}

#[test]
fn a_lock_that_was_edited_wrongly() {
    let shop = Shop::copy();
    shop.write("transship.lock", "version: 1\nimages:\n  \"docker.io/library/redis:8\":\n    digest: sha256:short\n");
    shop.run(["render", "demo"]).code(1).stdout_eq("").stderr_eq(str![[r"
error[lock-broken]: `reference` is missing
 --> transship.lock:4:5
  |
4 |     digest: sha256:short
  |     ^
  |
  = help: take the file back from version control, or remove it and run `transship lock`

error[lock-broken]: `digest` is not what the lock holds there
 --> transship.lock:4:13
  |
4 |     digest: sha256:short
  |             ^^^^^^^^^^^^
  |
  = help: take the file back from version control, or remove it and run `transship lock`

error[lock-broken]: `kind` is missing
 --> transship.lock:4:5
  |
4 |     digest: sha256:short
  |     ^
  |
  = help: take the file back from version control, or remove it and run `transship lock`


"]]);
}

#[test]
fn no_environment_where_several_are() {
    let shop = Shop::copy();
    shop.run(["render"]).code(1).stdout_eq("").stderr_eq(str![[r"
error[environment-required]: name an environment: `demo`, `staging`, `production`, `marathon`, `swarm`, `host`
 = help: as the first argument of the command, or with `-e NAME`


"]]);
}

#[test]
fn two_environments_at_once() {
    let shop = Shop::copy();
    shop.run(["render", "demo", "-e", "staging"]).code(64).stdout_eq("").stderr_eq(str![[r"
error: two environments are named: `demo` and, with -e, `staging`
  = help: name one of them

"]]);
}
