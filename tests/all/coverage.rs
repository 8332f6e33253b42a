//! Nothing is dropped in silence: every value somebody can write changes the release, is named by a finding, or
//! stands on a row that says why it means nothing there.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::LazyLock,
};

use serde_json::Value as Json;
use transship::{
    diagnostic::Finding,
    report::ExplainDocument,
    session::Disk,
    target::{self, Dialect, Disposition, DispositionKind, Rows},
    value::{FileRole, Origins, Source, Sources, Spot, Value},
    yaml::{self, Scalar},
};

use crate::support::{
    memory_files::MemoryFiles,
    shop,
    translated::{Translated, talkative, translate, translate_as},
};

const ROOT: &str = "/application";

/// The table of a dialect.
struct Table {
    dialect: Dialect,
    rows: &'static [Disposition],
    by_path: Rows,
}

impl Table {
    /// The row of a path: the longest pattern that it is at or below.
    fn row(&self, path: &[String]) -> Option<&'static Disposition> {
        let path: Vec<&str> = path.iter().map(String::as_str).collect();
        self.by_path.get(&path)
    }
}

/// The tables of all dialects.
fn tables() -> &'static [Table] {
    static TABLES: LazyLock<Vec<Table>> = LazyLock::new(|| {
        let table = |target: Box<dyn target::Target>| {
            let rows = target.dispositions();
            Table { dialect: target.dialect(), rows, by_path: Rows::new(rows) }
        };
        target::all().map(table).collect()
    });
    &TABLES
}

/// Every path of the model.
fn paths() -> BTreeSet<String> {
    target::paths().into_iter().collect()
}

fn steps(path: &str) -> Vec<String> {
    path.split('.').map(str::to_owned).collect()
}

#[test]
fn every_path_of_the_model_has_a_row_and_every_row_a_path() {
    tables().iter().for_each(has_rows);
}

fn has_rows(table: &Table) {
    let (paths, name) = (paths(), table.dialect.name());
    let row = |path: &[String]| table.row(path);
    let without: Vec<_> = paths.iter().filter(|path| row(&steps(path)).is_none()).collect();
    assert!(without.is_empty(), "{name}: paths without a row: {without:?}");
    // A section's own row does not stand for attributes that nobody has thought of.
    let unknown = |path: &&String| {
        let parts = ["services.*.deploy", "services.*.deploy.placement", "services.*.deploy.update_config"];
        let parts = parts.contains(&path.as_str()) || path.starts_with("services.*.deploy.resources");
        let deep =
            !parts && path.matches('.').count() >= 2 && !path.starts_with("models.") && !path.starts_with("jobs.");
        deep && row(&steps(path)).is_none_or(|row| row.path.matches('.').count() < 2)
    };
    let without: Vec<_> = paths.iter().filter(unknown).collect();
    assert!(without.is_empty(), "{name}: attributes without a row: {without:?}");
    let unreachable: Vec<_> = table.rows.iter().map(|row| row.path).filter(|path| !paths.contains(*path)).collect();
    assert!(unreachable.is_empty(), "{name}: rows of no path: {unreachable:?}");
    let mut known = BTreeSet::new();
    let twice: Vec<_> = table.rows.iter().map(|row| row.path).filter(|path| !known.insert(*path)).collect();
    assert!(twice.is_empty(), "{name}: rows that stand twice: {twice:?}");
    let not_yet =
        paths.iter().filter(|path| row(&steps(path)).is_some_and(|row| row.kind == DispositionKind::NotYet)).count();
    assert!(not_yet * 2 <= paths.len(), "{name}: {not_yet} of {} paths are not carried yet", paths.len());
    let told = ExplainDocument::of_coverage(&[(name, table.rows)]);
    let coverage = told.coverage.first().unwrap();
    assert_eq!(coverage.total, paths.len());
    assert_eq!(coverage.counts.values().sum::<usize>(), paths.len());
    assert_eq!(coverage.counts.get("not-yet").copied().unwrap_or_default(), not_yet);
    eprintln!("{name}: {} paths, {} rows: {:?}", paths.len(), table.rows.len(), coverage.counts);
}

/// A Compose file, and the files beside it.
struct Case {
    id: String,
    document: Json,
    files: BTreeMap<String, Vec<u8>>,
}

fn parsed(text: &str) -> Json {
    let origins = Origins::default();
    let documents = yaml::parse(text.as_bytes(), "compose.yaml", FileRole::Compose, &origins).unwrap();
    documents.first().unwrap().root.masked()
}

/// Every form of every attribute that the recorded answers have, and those that they lack.
fn cases() -> Vec<Case> {
    let recorded = std::fs::read_to_string(format!("{}/tests/conformance/attr.jsonl", env!("CARGO_MANIFEST_DIR")));
    let mut cases = Vec::new();
    for line in recorded.unwrap().lines() {
        let body: Json = serde_json::from_str(line).unwrap();
        if body["status"]["json"]["rc"] != 0 {
            continue;
        }
        let files = body["files"].as_object().unwrap().iter();
        let files: BTreeMap<String, Vec<u8>> =
            files.filter_map(|(name, text)| Some((name.clone(), text.as_str()?.as_bytes().to_vec()))).collect();
        let document = parsed(body["files"]["compose.yaml"].as_str().unwrap());
        cases.push(Case { id: body["id"].as_str().unwrap().to_owned(), document, files });
    }
    for (number, text) in FURTHER.iter().enumerate() {
        cases.push(Case { id: format!("further.{number:02}"), document: parsed(text), files: BTreeMap::new() });
    }
    for case in &mut cases {
        // What is only built is refused before it is translated.
        for (_, service) in case.document["services"].as_object_mut().unwrap() {
            if service.get("image").is_none() && service.get("provider").is_none() {
                service["image"] = "i".into();
            }
        }
        // Whatever a path is changed to is there as well.
        let named: Vec<String> = case.files.keys().filter(|name| *name != "compose.yaml").cloned().collect();
        for name in named {
            let text = format!("{}\nADDED=1\n", String::from_utf8_lossy(&case.files[&name]));
            case.files.insert(format!("{name}x"), text.into_bytes());
        }
        for name in ["c", "x", "a/file", "b", "k", "d/Dockerfile"] {
            let (folder, rest) = name.split_once('/').map_or((name, ""), |(folder, rest)| (folder, rest));
            for folder in [folder.to_owned(), format!("{folder}x")] {
                let path = if rest.is_empty() { folder.clone() } else { format!("{folder}/{rest}") };
                case.files.entry(path).or_insert_with(|| format!("what is in {folder}\n").into_bytes());
            }
        }
    }
    cases
}

/// What the recorded answers have no case for.
const FURTHER: &[&str] = &[
    "services: {s: {image: i, ports: ['80:80'], deploy: {update_config: {order: start-first, parallelism: 2, monitor: 20s}}}}",
    "services: {s: {image: i, deploy: {replicas: 4, update_config: {parallelism: 2}}}}",
    "services: {s: {image: i, configs: [c]}}\nconfigs: {c: {name: called, content: x}}",
    "services: {s: {image: i, deploy: {placement: {constraints: ['node.labels.zone == a'], max_replicas_per_node: 1}}}}",
    "services: {s: {image: i, deploy: {placement: {preferences: [{spread: node.labels.zone}]}}}}",
    "services: {s: {image: i, restart: 'no', deploy: {restart_policy: {condition: on-failure, max_attempts: 3}}}}",
    "services: {s: {image: i, restart: 'no', stop_signal: SIGQUIT}}",
    "services: {s: {image: i, network_mode: none}, t: {image: i, pid: 'service:s', ipc: 'service:s'}}",
    "services: {s: {image: i, volumes: ['data:/a'], deploy: {replicas: 3}}}\nvolumes: {data: {labels: {a: b}}}",
    "services: {s: {image: i, volumes: ['data:/a']}, t: {image: i, volumes: ['data:/b:ro']}}\nvolumes: {data: }",
    "services: {s: {image: i, storage_opt: {size: 1G, other: x}, tmpfs: ['/t:size=64m,mode=1777']}}",
    "services: {s: {image: i, security_opt: ['seccomp:unconfined', 'no-new-privileges:true', 'apparmor:x', 'odd=y']}}",
    "services: {s: {image: i, container_name: named, links: ['t:other']}, t: {image: i}}",
    "services: {s: {image: i, networks: {n: {aliases: [a_b]}, m: }}}\nnetworks: {n: {internal: true, labels: {a: b}}, m: }",
    "services: {s: {image: i, post_start: [{command: [a]}, {command: [b, 'c d']}], pre_stop: [{command: e}]}}",
    "services: {s: {image: i, pre_start: [{command: [a], user: '1:2', environment: {A: b}, per_replica: true}]}}",
    "services: {s: {image: i, scale: 2, pre_start: [{command: [a], image: x, working_dir: /w}]}}",
    "services: {s: {image: i, gpus: [{driver: nvidia, count: 1, capabilities: [gpu]}]}}",
    "services: {s: {image: i, volumes_from: ['t:ro']}, t: {image: i, volumes: ['data:/a', /b]}}\nvolumes: {data: }",
    "services: {s: {image: i, cpu_quota: 50000, cpu_period: 100000, mem_limit: 64m, mem_reservation: 32m}}",
    "services: {s: {image: i, ports: [{target: 80, published: '8080', protocol: tcp, mode: ingress}]}}",
    "services: {s: {image: i, healthcheck: {test: [CMD, a]}, restart: 'no'}, t: {image: i, depends_on: {s: {condition: service_completed_successfully}}}}",
    "services: {s: {image: i, user: 'root:root', group_add: ['27'], platform: linux/arm64/v8, runtime: kata}}",
    "services: {s: {image: i, hostname: a.b, domainname: c, extra_hosts: ['a=1.2.3.4', 'b=host-gateway']}}",
    "services: {s: {image: i, volumes: [{type: image, source: x, target: /t, image: {subpath: s}}, '/var/run/docker.sock:/s']}}",
    "services: {s: {image: i, dns_opt: ['ndots:2'], dns: [1.1.1.1], sysctls: {net.core.somaxconn: 1024}}}",
    "services: {s: {image: i, secrets: [x, y]}}\nsecrets: {x: {external: true, name: there}, y: {file: ./c, name: other}}",
    "services: {s: {image: i, pre_stop: [{command: [a], privileged: true, environment: {A: b}, working_dir: /w}]}}",
    "services: {s: {image: i}}\njobs: {j: {image: i, command: [a], triggers: {schedule: [{cron: '0 1 * * *', timezone: UTC, concurrency: forbid, missed_fires: skip}]}}}",
    "services: {s: {image: i}}\njobs: {j: {image: i, triggers: {manual: true}}}",
];

/// Rows of what has no other value that is valid alone: names, sections, what is concealed.
const UNTOUCHED: &[&str] = &[
    "configs.*",
    "jobs",
    "models",
    "networks.*",
    "secrets.*",
    "secrets.*.content",
    "secrets.*.external",
    "services.*",
    "services.*.networks",
    "services.*.profiles",
    // Carried where an environment has another containerizer, or allows paths of nodes.
    "services.*.deploy.resources.reservations.devices",
    "services.*.gpus",
    "services.*.volumes.*.bind.propagation",
    "services.*.volumes.*.bind.recursive",
    "volumes.*",
];

impl Case {
    fn translated(&self, dialect: Dialect) -> Option<Translated> {
        let mut files = MemoryFiles::default();
        for (name, bytes) in &self.files {
            files.0.insert(transship::compose::join(ROOT, name), bytes.clone());
        }
        files.0.insert(format!("{ROOT}/compose.yaml"), yaml::write(&self.document).into_bytes());
        let variables =
            BTreeMap::from([("HOME", "/home"), ("E", "content of E"), ("Ex", "content of Ex"), ("A", "from outside")]);
        let variables = variables.into_iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
        translate_as(Some(dialect), &files, ROOT, None, &variables, Some(&talkative())).ok()
    }

    fn with(&self, pointer: &str, value: Json) -> Self {
        let mut document = self.document.clone();
        *document.pointer_mut(pointer).unwrap() = value;
        Self { id: self.id.clone(), document, files: self.files.clone() }
    }
}

/// Pointers to all scalars.
fn leaves(json: &Json, at: &str, out: &mut Vec<String>) {
    match json {
        Json::Object(entries) => {
            for (key, value) in entries {
                leaves(value, &format!("{at}/{}", key.replace('~', "~0").replace('/', "~1")), out);
            }
        }
        Json::Array(items) => {
            items.iter().enumerate().for_each(|(index, item)| leaves(item, &format!("{at}/{index}"), out));
        }
        _ => out.push(at.to_owned()),
    }
}

/// Other values that may be valid in the same place, the likeliest first.
fn others(value: &Json) -> Vec<Json> {
    const WORDS: &[(&str, &str)] = &[
        ("service_started", "service_healthy"),
        ("service_healthy", "service_started"),
        ("service_completed_successfully", "service_started"),
        ("vip", "dnsrr"),
        ("dnsrr", "vip"),
        ("global", "replicated"),
        ("replicated-job", "global"),
        ("global-job", "replicated"),
        ("start-first", "stop-first"),
        ("stop-first", "start-first"),
        ("always", "no"),
        ("always", "never"),
        ("never", "always"),
        ("missing", "always"),
        ("if_not_present", "never"),
        ("build", "always"),
        ("daily", "never"),
        ("weekly", "never"),
        ("every_12h", "always"),
        ("refresh", "always"),
        ("no", "always"),
        ("on-failure", "no"),
        ("unless-stopped", "no"),
        ("NONE", "CMD"),
        ("CMD", "CMD-SHELL"),
        ("CMD-SHELL", "CMD"),
        ("tcp", "udp"),
        ("udp", "tcp"),
        ("host", "none"),
        ("host", "private"),
        ("private", "host"),
        ("none", "host"),
        ("bridge", "host"),
        ("ingress", "host"),
        ("service:d", "host"),
        ("service:s", "host"),
        ("container:c", "none"),
        ("volume", "tmpfs"),
        ("z", "Z"),
        ("enabled", "disabled"),
        ("rollback", "pause"),
        ("pause", "continue"),
        ("forbid", "queue"),
        ("skip", "one"),
        ("d", "s"),
        ("data", "other"),
        ("all", "2"),
        ("SIGUSR1", "SIGINT"),
        ("linux/amd64", "linux/arm64"),
        ("UTC", "Europe/Berlin"),
        ("ALL", "NET_ADMIN"),
    ];
    match value {
        Json::Bool(flag) => vec![Json::from(!flag)],
        Json::Number(number) => match number.as_i64() {
            // Small steps of large numbers are rounded away.
            Some(number) if number > 1000 => vec![Json::from(number * 2), Json::from(number + 1)],
            Some(number) => vec![Json::from(number + 1), Json::from(number - 1)],
            None => number.as_f64().map(|number| Json::from(number * 2.0)).into_iter().collect(),
        },
        Json::String(text) => {
            let mut all: Vec<String> =
                WORDS.iter().filter(|(word, _)| word == text).map(|(_, other)| (*other).to_owned()).collect();
            all.extend(counted(text));
            all.push(format!("{text}x"));
            all.push(format!("x{text}"));
            all.into_iter().map(Json::from).collect()
        }
        _ => Vec::new(),
    }
}

/// The first number in a text, one higher.
fn counted(text: &str) -> Option<String> {
    let start = text.find(|c: char| c.is_ascii_digit())?;
    let end = text[start..].find(|c: char| !c.is_ascii_digit()).map_or(text.len(), |length| start + length);
    let number: u64 = text[start..end].parse().ok()?;
    let other = if number > 50_000 { number * 2 } else { number + 1 };
    Some(format!("{}{other}{}", &text[..start], &text[end..]))
}

/// The canonical scalars of an application: path and value.
fn scalars(translated: &Translated) -> Vec<(Vec<String>, String)> {
    fn collect(json: &Json, path: &mut Vec<String>, out: &mut Vec<(Vec<String>, String)>) {
        match json {
            Json::Object(entries) => {
                for (key, value) in entries {
                    path.push(key.clone());
                    collect(value, path, out);
                    path.pop();
                }
            }
            Json::Array(items) => {
                for item in items {
                    path.push("*".to_owned());
                    collect(item, path, out);
                    path.pop();
                }
            }
            other => out.push((path.clone(), other.to_string())),
        }
    }
    let mut out = Vec::new();
    collect(&translated.project.canonical.masked(), &mut Vec::new(), &mut out);
    out
}

/// Paths of scalars that two applications do not share.
fn changed(a: &Translated, b: &Translated) -> BTreeSet<Vec<String>> {
    let (mut a, mut b) = (scalars(a), scalars(b));
    a.retain(|one| {
        let same = b.iter().position(|other| other == one);
        if let Some(index) = same {
            b.remove(index);
        }
        same.is_none()
    });
    a.into_iter().chain(b).map(|(path, _)| path).collect()
}

/// Whether a finding speaks of a path: names it, an attribute above it, or something below it.
fn names(finding: &Finding, path: &[String]) -> bool {
    let Some(at) = &finding.path else { return false };
    let mut at: Vec<String> = at
        .replace('[', ".")
        .replace([']', '"'], "")
        .split('.')
        .map(|step| if step.bytes().all(|b| b.is_ascii_digit()) { "*".to_owned() } else { step.to_owned() })
        .collect();
    // Names may hold dots: what is cut apart by them is compared as text.
    if at.len() > path.len() {
        at = at.join(".").split('.').map(str::to_owned).collect();
    }
    let common = at.iter().zip(path).take_while(|(a, b)| a == b || *b == "*").count();
    let whole = matches!(path[0].as_str(), "models" | "jobs") || (path[0] != "services" && !finding.covers.is_empty());
    let least = if whole { 2 } else { 3 };
    (common == at.len() && (at.len() >= least || at.len() == path.len())) || common == path.len()
}

#[test]
fn a_changed_value_changes_the_release_or_is_told() {
    tables().iter().for_each(tells_of_every_value);
}

fn tells_of_every_value(table: &Table) {
    let name = table.dialect.name();
    let mut silent: Vec<String> = Vec::new();
    let mut untried: Vec<String> = Vec::new();
    let mut tried: BTreeSet<&str> = BTreeSet::new();
    let mut carried: BTreeSet<&str> = BTreeSet::new();
    for case in cases() {
        let Some(before) = case.translated(table.dialect) else { panic!("{} does not load", case.id) };
        let encoded = before.encoded();
        let mut pointers = Vec::new();
        leaves(&case.document, "", &mut pointers);
        for pointer in pointers {
            let candidates = others(case.document.pointer(&pointer).unwrap());
            let found = candidates.into_iter().find_map(|value| {
                let after = case.with(&pointer, value.clone()).translated(table.dialect)?;
                let changed = changed(&before, &after);
                (!changed.is_empty()).then_some((value, after, changed))
            });
            let Some((value, after, changed)) = found else {
                untried.push(format!("{}{pointer}", case.id));
                continue;
            };
            let differs = after.encoded() != encoded;
            for path in changed {
                if path.iter().any(|step| step.starts_with("x-")) {
                    continue;
                }
                let Some(row) = table.row(&path) else { panic!("{}: {} has no row", case.id, path.join(".")) };
                tried.insert(row.path);
                if differs {
                    carried.insert(row.path);
                }
                let findings = before.findings().into_iter().chain(after.findings());
                let told = findings.into_iter().any(|finding| names(finding, &path));
                if !differs && !told && row.kind != DispositionKind::Irrelevant {
                    silent.push(format!("{}: {} to {value}", case.id, path.join(".")));
                }
            }
        }
    }
    let idle: Vec<_> = table
        .rows
        .iter()
        .filter(|row| matches!(row.kind, DispositionKind::Mapped | DispositionKind::Approximated))
        .map(|row| row.path)
        .filter(|path| !carried.contains(path) && !UNTOUCHED.contains(path))
        .collect();
    let untouched: Vec<_> = table
        .rows
        .iter()
        .filter(|row| row.kind != DispositionKind::Irrelevant)
        .map(|row| row.path)
        .filter(|path| !tried.contains(path) && !UNTOUCHED.contains(path))
        .collect();
    assert!(untouched.is_empty(), "{name}: rows that no case tries: {untouched:#?}");
    eprintln!("{name}: {} values have no other that is valid alone: {untried:?}", untried.len());
    assert!(silent.is_empty(), "{name}: changed, and nothing said: {silent:#?}");
    assert!(idle.is_empty(), "{name}: rows that say mapped and change nothing: {idle:#?}");
}

/// Paths whose values are in no body, no finding and on no row that says irrelevant.
fn unaccounted(translated: &Translated) -> Vec<String> {
    let dialect = translated.translation.release.dialect;
    let Some(table) = tables().iter().find(|table| table.dialect == dialect) else { panic!("{}", dialect.name()) };
    let origins = &translated.origins;
    let release = &translated.translation.release;
    let mut known: BTreeSet<Spot> = BTreeSet::new();
    let mut add = |sources: Sources| known.extend(origins.reachable(sources));
    for resource in release.resources.values() {
        resource.body.walk(&mut |_, node| {
            add(node.from);
            if let Value::Text(text) = &node.value {
                for spot in text.mark_spots() {
                    add(spot.into());
                }
            }
        });
    }
    for one in &release.requires {
        add(one.from);
    }
    for finding in translated.findings() {
        for spot in finding.labels.iter().map(|label| label.spot).chain(finding.covers.iter().copied()) {
            add(spot.into());
        }
    }
    let mut lost = Vec::new();
    translated.project.canonical.walk(&mut |path, tree| {
        let path: Vec<String> = path.iter().map(|step| (*step).to_owned()).collect();
        let scalar = !matches!(tree.value, Scalar::Mapping(_) | Scalar::Sequence(_));
        let made_up = origins.origin(tree.spot).is_some_and(|origin| matches!(origin.source, Source::Default { .. }));
        let irrelevant = made_up
            || path.iter().any(|step| step.starts_with("x-"))
            || table.row(&path).is_some_and(|row| row.kind == DispositionKind::Irrelevant);
        if scalar && !tree.is_null() && tree.spot.is_somewhere() && !irrelevant && !known.contains(&tree.spot) {
            lost.push(format!("{} at {}", path.join("."), origins.describe(tree.spot).unwrap_or_default()));
        }
    });
    lost
}

#[test]
fn every_value_is_in_a_body_or_in_a_finding() {
    let mut lost: Vec<String> = Vec::new();
    for (case, table) in cases().iter().flat_map(|case| tables().iter().map(move |table| (case, table))) {
        let translated = case.translated(table.dialect).unwrap();
        let named = |path| format!("{} in {}: {path}", case.id, table.dialect.name());
        lost.extend(unaccounted(&translated).into_iter().map(named));
    }
    for environment in ["demo", "staging", "production", "swarm"] {
        let translated = shop_in(environment);
        lost.extend(unaccounted(&translated).into_iter().map(|path| format!("shop in {environment}: {path}")));
    }
    assert!(lost.is_empty(), "dropped: {lost:#?}");
}

fn shop_in(environment: &str) -> Translated {
    match translate(&Disk, &shop::directory(), Some(environment), &BTreeMap::new(), None) {
        Ok(translated) => translated,
        Err(findings) => panic!("{:?}", findings.iter().map(|finding| finding.message.clone()).collect::<Vec<_>>()),
    }
}

/// The same document with the entries of every mapping the other way round.
fn reversed(json: &Json) -> Json {
    match json {
        Json::Object(entries) => entries.iter().rev().map(|(key, value)| (key.clone(), reversed(value))).collect(),
        Json::Array(items) => items.iter().map(reversed).collect(),
        other => other.clone(),
    }
}

#[test]
fn the_order_of_entries_in_the_file_does_not_show() {
    let print = |translated: &Translated| serde_json::to_string_pretty(&translated.encoded()).unwrap();
    for case in cases() {
        let turned = Case { document: reversed(&case.document), id: case.id.clone(), files: case.files.clone() };
        for table in tables() {
            let (before, after) = (case.translated(table.dialect).unwrap(), turned.translated(table.dialect).unwrap());
            assert_same(&print(&before), &print(&after), &format!("{} in {}", case.id, table.dialect.name()));
        }
    }
    let mut files = MemoryFiles::default();
    for name in ["compose.yaml", "compose.production.yaml", "transship.yaml", "transship.lock", "api.env"] {
        files.0.insert(format!("{ROOT}/{name}"), std::fs::read(format!("{}/{name}", shop::directory())).unwrap());
    }
    for name in ["web/nginx.conf", "secrets/database_password.txt", "web/errors/404.html", "web/errors/50x.html"] {
        files.0.insert(format!("{ROOT}/{name}"), format!("content of {name}\n").into_bytes());
    }
    let in_production = |files: &MemoryFiles| {
        let translated = translate(files, ROOT, Some("production"), &BTreeMap::new(), None);
        print(&translated.unwrap_or_else(|findings| panic!("{findings:?}")))
    };
    let before = in_production(&files);
    for name in ["compose.yaml", "compose.production.yaml"] {
        let bytes = files.0.get_mut(&format!("{ROOT}/{name}")).unwrap();
        let document = parsed(std::str::from_utf8(bytes).unwrap());
        *bytes = yaml::write(&reversed(&document)).into_bytes();
    }
    assert_same(&before, &in_production(&files), "shop");
}

fn assert_same(before: &str, after: &str, what: &str) {
    let other = before.lines().zip(after.lines()).find(|(a, b)| a != b);
    assert!(before == after, "{what} depends on the order of entries: {other:?}");
}
