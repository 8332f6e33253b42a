//! Parts of Compose files out of git repositories, through the real program and the real `git`.

use std::{fs, process::Command};

use snapbox::str;

use crate::{cli_support::Shop, support::image_layout::ImageLayout};

/// Where references say that the repository is; the configuration of `git` here leads it to one on this machine.
const ADDRESS: &str = "https://git.example.com/team/base.git";

/// A directory with a repository beside it, and nothing of this machine's configuration.
struct Team {
    shop: Shop,
    home: tempfile::TempDir,
}

/// The directory, or `None` where there is no `git`.
fn team(files: &[(&str, &str)]) -> Option<Team> {
    if Command::new("git").arg("--version").output().is_err() {
        eprintln!("skipped: remote parts out of repositories need the program git");
        return None;
    }
    let team = Team { shop: Shop::empty(), home: tempfile::tempdir().unwrap() };
    let repository = team.repository();
    let configuration = format!(
        "[user]\n name = t\n email = t@example.com\n[init]\n defaultBranch = main\n[url \"file://{0}\"]\n \
         insteadOf = {ADDRESS}\n insteadOf = git@git.example.com:team/base.git\n insteadOf = https://github.com/team/base\n",
        repository.display()
    );
    fs::write(team.home.path().join(".gitconfig"), configuration).unwrap();
    fs::create_dir(&repository).unwrap();
    team.git(&["init", "-q"]);
    team.commit(files);
    Some(team)
}

impl Team {
    fn repository(&self) -> std::path::PathBuf {
        self.home.path().join("repository")
    }

    fn git(&self, arguments: &[&str]) -> String {
        let mut command = Command::new("git");
        command.current_dir(self.repository()).args(arguments).env("HOME", self.home.path());
        let output = command.env_remove("XDG_CONFIG_HOME").output().unwrap();
        assert!(output.status.success(), "git {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    }

    /// Writes files into the repository; the commit that holds them.
    fn commit(&self, files: &[(&str, &str)]) -> String {
        for (name, text) in files {
            let path = self.repository().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        self.git(&["add", "-A"]);
        self.git(&["commit", "-q", "--allow-empty", "-m", "x"]);
        self.git(&["rev-parse", "HEAD"])
    }

    fn cache(&self) -> std::path::PathBuf {
        self.home.path().join(".cache/transship")
    }

    fn run(&self, arguments: &[&str]) -> snapbox::cmd::OutputAssert {
        self.run_with(arguments, &[])
    }

    fn run_with(&self, arguments: &[&str], variables: &[(&str, &str)]) -> snapbox::cmd::OutputAssert {
        let command = self.shop.command(env!("CARGO_BIN_EXE_transship")).env("HOME", self.home.path());
        command.args(arguments).envs(variables.iter().copied()).assert()
    }

    /// Standard output, or standard error of a run that fails, with the paths of this test taken out.
    fn told(&self, arguments: &[&str]) -> String {
        let run = self.run(arguments);
        let output = run.get_output();
        let text = if output.status.success() { &output.stdout } else { &output.stderr };
        let text = String::from_utf8(text.clone()).unwrap();
        text.replace(self.home.path().to_str().unwrap(), "[HOME]").replace(self.shop.path().to_str().unwrap(), "[HERE]")
    }
}

const SUB: &[(&str, &str)] = &[
    ("compose.yaml", "services:\n  root:\n    image: registry.example.com/app:1\n    env_file: root.env\n"),
    ("root.env", "FROM=root\n"),
    (
        "sub/compose.yaml",
        "include: [deep/more.yaml]\nservices:\n  sub:\n    image: registry.example.com/app:${TAG:-none}\n    \
         env_file: sub.env\n    volumes: [./data:/data]\n",
    ),
    ("sub/.env", "TAG=1\n"),
    ("sub/sub.env", "FROM=sub\n"),
    ("sub.env", "FROM=the root\n"),
    ("sub/deep/more.yaml", "services:\n  more:\n    image: registry.example.com/app:1\n    volumes: [./more:/more]\n"),
];

#[test]
fn a_repository_is_included_extended_and_loaded() {
    let Some(team) = team(SUB) else { return };
    let commit = team.git(&["rev-parse", "HEAD"]);
    team.git(&["tag", "-a", "-m", "x", "v1"]);
    team.shop.write("compose.yaml", &format!("name: shop\ninclude:\n  - {ADDRESS}#v1:sub\n"));
    let told = team.told(&["config"]).replace(&commit, "[COMMIT]");
    snapbox::assert_data_eq!(
        told,
        str![[r"
name: shop
services:
  more:
    image: registry.example.com/app:1
    networks:
      default: null
    volumes:
    - type: bind
      source: [HOME]/.cache/transship/git/[COMMIT]/sub/deep/more
      target: /more
      bind: {}
  sub:
    environment:
      FROM: sub
    image: registry.example.com/app:1
    networks:
      default: null
    volumes:
    - type: bind
      source: [HOME]/.cache/transship/git/[COMMIT]/sub/data
      target: /data
      bind: {}
networks:
  default:
    name: shop_default

"]]
    );
    // What is extended starts from the root of its repository, as in Docker Compose.
    team.shop.write(
        "compose.yaml",
        &format!("services:\n  web:\n    extends: {{file: '{ADDRESS}?branch=main&subdir=sub', service: sub}}\n"),
    );
    let told = team.told(&["config", "--format", "json"]);
    assert!(told.contains("\"FROM\": \"the root\""), "{told}");
    assert!(told.contains(&format!("git/{commit}/data")) && told.contains("app:none"), "{told}");
    for main in ["git@git.example.com:team/base.git", "github.com/team/base", ADDRESS] {
        let told = team.told(&["-f", main, "config"]);
        assert!(told.contains("FROM: root"), "{main}: {told}");
    }
    // Nothing but the files is kept.
    let mut kept: Vec<_> =
        fs::read_dir(team.cache().join("git")).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    kept.sort();
    assert_eq!(kept, [commit.as_str()]);
    assert!(!team.cache().join("git").join(&commit).join(".git").exists());
}

#[test]
fn the_lock_holds_repositories_to_their_commits() {
    let Some(team) = team(SUB) else { return };
    let layout = &mut ImageLayout::default();
    layout.image("registry.example.com/app:1", &["linux/amd64"], &serde_json::json!({}));
    layout.write(&team.shop.path().join("images"));
    team.shop.write("transship.yaml", "images: {sources: [{prefix: registry.example.com, layout: images}]}\n");
    team.shop.write("compose.yaml", &format!("include:\n  - {ADDRESS}#main:sub\n"));
    let first = team.git(&["rev-parse", "HEAD"]);

    team.run(&["lock", "--check"]).code(1);
    team.run(&["--locked", "config"]).code(1).stdout_eq("").stderr_eq(str![[r"
error[remote-not-locked]: cannot read https://git.example.com/team/base.git#main:sub: the lock does not hold it
 --> compose.yaml:2:5
  |
2 |   - https://git.example.com/team/base.git#main:sub
  |     ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
  |
  = help: run `transship lock` where the network is, and keep the result under version control


"]]);
    team.run(&["lock", "--offline"]).code(1);
    team.run(&["config", "-q"]).success();
    let told = team.told(&["lock"]).replace(&first, "[FIRST]");
    assert!(told.starts_with("+ https://git.example.com/team/base.git#main:sub [FIRST]\n"), "{told}");
    assert!(told.ends_with("transship.lock: 1 image, 1 remote part, written\n"), "{told}");
    let lock = team.shop.read("transship.lock");
    assert!(lock.contains(&format!("includes:\n  \"{ADDRESS}#main:sub\": {first}\n")), "{lock}");
    team.run(&["lock", "--check"]).success();

    // Somebody moves the branch: nothing here moves with it until it is asked for.
    let second = team.commit(&[("sub/sub.env", "FROM=the future\n")]);
    assert!(team.told(&["config"]).contains("FROM: sub"));
    team.run(&["lock", "--check"]).success();
    let told = team.told(&["lock", "--upstream"]);
    assert!(told.contains(&format!("{ADDRESS}#main:sub upstream is {second} now")), "{told}");
    let told = team.told(&["lock", "--update"]);
    assert!(told.contains(&format!("{first} → {second}")), "{told}");
    assert!(team.told(&["config"]).contains("FROM: the future"));

    // What is locked and was fetched needs nobody.
    fs::rename(team.repository(), team.home.path().join("gone")).unwrap();
    team.run(&["--locked", "config", "-q"]).success().stderr_eq("");
    team.run(&["lock", "--check", "--offline"]).success();
    // Another machine has to fetch it, at the commit of the lock.
    fs::remove_dir_all(team.cache()).unwrap();
    team.run(&["lock", "--offline"]).code(1).stderr_eq(str![[r"
error[remote-not-locked]: cannot read https://git.example.com/team/base.git#main:sub: it was not fetched before
...
"]]);
    team.run(&["config"]).code(1).stderr_eq(str![[r"
error[repository-not-found]: cannot read https://git.example.com/team/base.git#main:sub: there is no such repository
...
"]]);
    fs::rename(team.home.path().join("gone"), team.repository()).unwrap();
    team.commit(&[("sub/sub.env", "FROM=later still\n")]);
    assert!(team.told(&["--locked", "config"]).contains("FROM: the future"));

    // What nobody includes any more leaves the lock.
    team.shop.write("compose.yaml", "services: {app: {image: registry.example.com/app:1}}\n");
    team.run(&["lock"]).success();
    assert!(!team.shop.read("transship.lock").contains("includes"));
    // A lock that holds something else is no way to other files.
    team.shop.write("transship.lock", &lock.replace(&first, "../../../etc"));
    team.run(&["lock"]).code(1).stderr_eq(str![[r"
error[lock-broken]: `https://git.example.com/team/base.git#main:sub` [..]
...
"]]);
}

#[test]
fn every_failure_is_told_where_the_reference_stands() {
    let Some(team) = team(SUB) else { return };
    let include = |reference: &str| {
        team.shop.write("compose.yaml", &format!("include:\n  - path: {reference}\n"));
        team.told(&["config", "-q"])
    };
    snapbox::assert_data_eq!(
        include(&format!("{ADDRESS}#nightly:sub")),
        str![[r"
error[repository-not-found]: cannot read https://git.example.com/team/base.git#nightly:sub: the repository has no branch and no tag `nightly`
 --> compose.yaml:2:11
  |
2 |   - path: https://git.example.com/team/base.git#nightly:sub
  |           ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
  |
  = help: check what follows `#` in the reference; `git ls-remote` lists what there is


"]]
    );
    let zeros = "0".repeat(40);
    let head = team.git(&["rev-parse", "HEAD"]);
    let nobody = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    for (reference, code, words) in [
        (format!("{ADDRESS}#{zeros}"), "repository-not-found", "does not give out this revision"),
        (format!("{ADDRESS}#main:nowhere"), "remote-file", "holds no `nowhere`"),
        (format!("{ADDRESS}#main:sub/deep"), "remote-file", "holds no Compose file"),
        (format!("{ADDRESS}?subdir=../.."), "outside-its-tree", "`../..` is not in"),
        (format!("{ADDRESS}?ref=main&commit={zeros}"), "remote-mismatch", &head),
        ("git@other.invalid:a/b.git".to_owned(), "repository-", "cannot read git@other.invalid:a/b.git"),
        (format!("git://{nobody}/a.git"), "repository-unreachable", "the host does not answer"),
        ("https://example.com/compose.yaml".to_owned(), "remote-file", "is neither a repository, nor an artifact"),
    ] {
        let told = include(&reference);
        assert!(told.starts_with(&format!("error[{code}")) && told.contains(words), "{reference}: {told}");
        assert!(told.contains("--> compose.yaml:2:11") && told.contains("= help: "), "{reference}: {told}");
    }
    // No program.
    team.shop.write("compose.yaml", &format!("include: ['{ADDRESS}']\n"));
    team.run_with(&["config"], &[("PATH", "/nowhere")]).code(1).stderr_eq(str![[r"
error[git-missing]: cannot read https://git.example.com/team/base.git: the program `git` is not there
 --> compose.yaml:1:11
  |
1 | include: ['https://git.example.com/team/base.git']
  |           ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
  |
  = help: install git, or fetch the part first


"]]);
    // No place to keep anything.
    team.shop.write("taken", "");
    let taken = team.shop.path().join("taken");
    let run = team.run_with(&["config"], &[("XDG_CACHE_HOME", taken.to_str().unwrap())]);
    assert!(String::from_utf8_lossy(&run.get_output().stderr).starts_with("error[remote-cache]"));
    // Switched off, as in Docker Compose.
    for (value, words) in [("0", "switches it off"), ("no", "neither true nor false")] {
        let run = team.run_with(&["config"], &[("COMPOSE_EXPERIMENTAL_GIT_REMOTE", value)]);
        let told = String::from_utf8_lossy(&run.get_output().stderr).into_owned();
        assert!(told.starts_with("error[remote-file]") && told.contains(words), "{told}");
        assert!(told.contains("--> compose.yaml:1:11"), "{told}");
    }
    // On the command line there is no line to show, and the reference is told all the same.
    let told = team.told(&["-f", &format!("{ADDRESS}#nightly"), "config"]);
    assert!(told.contains("cannot read https://git.example.com/team/base.git#nightly"), "{told}");
    let told = team.told(&["-f", "https://example.com/compose.yaml", "config"]);
    assert!(told.starts_with("error[remote-file]: https://example.com/compose.yaml is neither"), "{told}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_host_that_wants_credentials_asks_nobody_and_shows_none() {
    let Some(team) = team(SUB) else { return };
    let server = wiremock::MockServer::start().await;
    let answer = wiremock::ResponseTemplate::new(401).insert_header("WWW-Authenticate", "Basic realm=\"team\"");
    wiremock::Mock::given(wiremock::matchers::any()).respond_with(answer).mount(&server).await;
    let address = server.uri().replace("http://", "http://me:opensesame@");
    team.shop.write("compose.yaml", &format!("include: ['{address}/team/base.git#main']\n"));
    let told = team.told(&["config"]);
    assert!(told.starts_with("error[repository-denied]: cannot read http://127.0.0.1:"), "{told}");
    assert!(told.contains("--> compose.yaml:1:11") && !told.contains("opensesame"), "{told}");
}

#[test]
fn nothing_from_elsewhere_reads_files_of_this_machine() {
    let Some(team) = team(SUB) else { return };
    let own = team.shop.path().join("own.yaml");
    let own = own.to_str().unwrap();
    team.shop.write("own.yaml", "services: {own: {image: own}}\n");
    team.shop.write("own.env", "TOKEN=of-this-machine\n");
    let env = team.shop.path().join("own.env");
    let env = env.to_str().unwrap();
    team.shop.write("compose.yaml", &format!("include:\n  - {ADDRESS}#main:hostile\n"));
    let app = "services:\n  app:\n    image: app\n";
    let cases = [
        (format!("include: [../../{own}]\n{app}"), 1),
        (format!("include: ['{own}']\n{app}"), 1),
        (format!("include: [{{path: beside.yaml, env_file: '{env}'}}]\n{app}"), 1),
        (format!("include: [{{path: beside.yaml, project_directory: '{}'}}]\n{app}", team.shop.path().display()), 1),
        (format!("{app}    extends: {{file: '{own}', service: own}}\n"), 4),
        (format!("{app}    env_file: '{env}'\n"), 4),
        (format!("{app}    env_file: [{{path: '../../../own.env', required: false}}]\n"), 4),
        (format!("{app}    label_file: '{env}'\n"), 4),
        (format!("x-env: &env {{env_file: '{env}'}}\n{app}    <<: *env\n"), 1),
    ];
    for (text, line) in cases {
        team.commit(&[("hostile/compose.yaml", &text), ("hostile/beside.yaml", app)]);
        let told = team.told(&["config"]);
        assert!(told.starts_with("error[outside-its-tree]"), "{text}{told}");
        let place = format!("--> {ADDRESS}#main:hostile/compose.yaml:{line}:");
        assert!(told.contains(&place) && !told.contains("of-this-machine"), "{text}{told}");
    }
    // Links lead nowhere either.
    let link = |name: &str, to: &str| {
        let path = team.repository().join("hostile").join(name);
        let _ = fs::remove_file(&path);
        std::os::unix::fs::symlink(to, path).unwrap();
    };
    link("linked.env", env);
    for text in [format!("{app}    env_file: linked.env\n"), format!("{app}    label_file: linked.env\n")] {
        team.commit(&[("hostile/compose.yaml", &text)]);
        let told = team.told(&["config"]);
        assert!(told.contains("a link leads out of the remote part"), "{text}{told}");
        assert!(told.contains("hostile/compose.yaml:4:"), "{text}{told}");
    }
    team.commit(&[("hostile/compose.yaml", app)]);
    link(".env", env);
    team.commit(&[]);
    let told = team.told(&["config"]);
    assert!(told.contains("a link leads out of the remote part") && told.contains("compose.yaml:2:"), "{told}");
    fs::remove_file(team.repository().join("hostile/.env")).unwrap();
    link("compose.yaml", own);
    team.commit(&[]);
    let told = team.told(&["config"]);
    assert!(told.contains("a link leads out of the remote part") && told.contains("compose.yaml:2:"), "{told}");
    // Whoever brings it in can let it start from a directory of this machine, and then no further.
    fs::remove_file(team.repository().join("hostile/compose.yaml")).unwrap();
    team.commit(&[("hostile/compose.yaml", &format!("{app}    env_file: own.env\n"))]);
    let given = format!("include: [{{path: '{ADDRESS}#main:hostile', project_directory: .}}]\n");
    team.shop.write("compose.yaml", &given);
    assert!(team.told(&["config"]).contains("TOKEN: of-this-machine"));
    let main = format!("{ADDRESS}#main:hostile");
    assert!(team.told(&["-f", &main, "--project-directory", ".", "config"]).contains("TOKEN: of-this-machine"));
    team.shop.write("compose.yaml", &given.replace("project_directory: .", "project_directory: below"));
    team.commit(&[("hostile/compose.yaml", &format!("{app}    env_file: ../own.env\n"))]);
    assert!(team.told(&["config"]).starts_with("error[outside-its-tree]"));
    // What is named here is ours to name.
    team.commit(&[("hostile/compose.yaml", app)]);
    team.shop.write(
        "compose.yaml",
        &format!("include:\n  - {ADDRESS}#main:hostile\nservices:\n  app:\n    env_file: own.env\n"),
    );
    assert!(team.told(&["config"]).contains("TOKEN: of-this-machine"));
}

#[test]
fn contents_come_from_the_tree_that_names_them_or_not_at_all() {
    let Some(team) = team(SUB) else { return };
    let layout = &mut ImageLayout::default();
    layout.image("registry.example.com/app:1", &["linux/amd64"], &serde_json::json!({}));
    layout.write(&team.shop.path().join("images"));
    team.shop.write("transship.yaml", "images: {sources: [{prefix: registry.example.com, layout: images}]}\n");
    team.shop.write("own.txt", "of this machine\n");
    let own = team.shop.path().join("own.txt");
    let app = "services:\n  app:\n    image: registry.example.com/app:1\n    configs: [text]\n";
    team.shop.write("compose.yaml", &format!("name: shop\ninclude:\n  - {ADDRESS}\n"));
    team.commit(&[
        (
            "compose.yaml",
            &format!("{app}    volumes: [./app.conf:/app.conf]\nconfigs: {{text: {{file: ./text.txt}}}}\n"),
        ),
        ("text.txt", "from the repository\n"),
        ("app.conf", "as mounted\n"),
    ]);
    for target in ["kubernetes", "swarm", "compose"] {
        let told = team.told(&["--to", target, "render"]);
        assert!(told.contains("from the repository") && told.contains("as mounted"), "{told}");
        assert!(!told.contains("[HOME]"), "{told}");
    }
    team.commit(&[("compose.yaml", &format!("{app}configs: {{text: {{file: '{}'}}}}\n", own.display()))]);
    let told = team.told(&["--to", "kubernetes", "render"]);
    assert!(!told.contains("of this machine"), "{told}");
    assert!(told.contains("it is not in the remote part that names it"), "{told}");
}
