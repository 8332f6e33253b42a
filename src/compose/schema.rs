//! What the Compose specification allows where: checked on the merged model, as the reference does.

use std::sync::{Arc, LazyLock};

use super::{
    codes, remedy,
    seen::{Prints, Seen},
    table::{At, Known},
};
use crate::{
    diagnostic::{Finding, Findings},
    value::{Masked, Spot},
    yaml::{Entries, Scalar, Tree},
};

/// The whole specification. `name: type` are the keys of a mapping, `*` marks required ones, `x` allows `x-*`,
/// `...` anything; `[type]` is a list, `[type]!` one without repetitions; `map(type)` has names of the user's
/// own, `filled(type)` the same but
/// none of them empty, `names(type)` such as may name resources; `"word"` is one word; `0..100` bounds a whole number.
const SPECIFICATION: &str = r#"
root = { version: string, name: string, include: [string | { path: @texts, env_file: @texts, project_directory: string }],
  services: names(@service), models: names(@model), networks: names(@network), volumes: names(@volume),
  secrets: names(@secret), configs: names(@config), jobs: names(@job), x }
texts = string | [string]!
list = [string]!
pairs = filled(string|number|boolean|null) | [string]!
hosts = map(string|[string]) | [string]!
options = map(string|number)
flag = boolean|string
command = null | string | [string]
ulimits = map(integer|string|{ hard*: integer|string, soft*: integer|string, x })
mounts = [string | { source: string, target: string, uid: string, gid: string, mode: number|string, x }]
device = { capabilities*: @list, count: string|integer, device_ids: @list, driver: string, options: @pairs, x }
container = { annotations: @pairs,
  blkio_config: { device_read_bps: [@limit], device_read_iops: [@limit], device_write_bps: [@limit],
    device_write_iops: [@limit], weight: integer|string, weight_device: [{ path: string, weight: integer|string }] },
  cap_add: @list, cap_drop: @list, cgroup: "host"|"private", cgroup_parent: string, command: @command, configs: @mounts,
  cpu_count: string|0.., cpu_percent: string|0..100, cpu_shares: number|string, cpu_quota: number|string,
  cpu_period: number|string, cpu_rt_period: number|string, cpu_rt_runtime: number|string, cpus: number|string,
  cpuset: string, credential_spec: { config: string, file: string, registry: string, x }, device_cgroup_rules: @list,
  devices: [string | { source*: string, target: string, permissions: string, x }], dns: @texts, dns_opt: @list,
  dns_search: @texts, domainname: string, entrypoint: @command,
  env_file: string | [string | { path*: string, format: string, required: @flag }], label_file: string | [string],
  environment: @pairs, extra_hosts: @hosts,
  gpus: "all" | [{ capabilities: @list, count: string|integer, device_ids: @list, driver: string, options: @pairs, ... }],
  group_add: [string|number]!, hostname: string, image: string, init: @flag, ipc: string, isolation: string,
  labels: @pairs, logging: { driver: string, options: map(string|number|null), x }, mac_address: string,
  mem_limit: number|string, mem_reservation: string|integer, mem_swappiness: integer|string, memswap_limit: number|string,
  network_mode: string, models: @list | map({ endpoint_var: string, model_var: string, x }|null),
  networks: @list | names({ aliases: @list, interface_name: string, ipv4_address: string, ipv6_address: string,
    link_local_ips: @list, mac_address: string, driver_opts: @options, priority: number, gw_priority: number, x }|null),
  oom_kill_disable: @flag, oom_score_adj: string|-1000..1000, pid: string|null, pids_limit: number|string,
  platform: string, privileged: @flag, pull_policy: pull_policy, pull_refresh_after: string, read_only: @flag,
  runtime: string, security_opt: @list, shm_size: number|string, secrets: @mounts, sysctls: @pairs,
  stop_grace_period: string, stop_signal: string, storage_opt: { ... }, tmpfs: @texts, ulimits: @ulimits,
  use_api_socket: boolean, user: string, uts: string, userns_mode: string,
  volumes: [string | { type*: "bind"|"volume"|"tmpfs"|"cluster"|"npipe"|"image", source: string, target: string,
    read_only: @flag, consistency: string,
    bind: { propagation: string, create_host_path: @flag, recursive: "enabled"|"disabled"|"writable"|"readonly",
      selinux: "z"|"Z", x },
    volume: { labels: @pairs, nocopy: @flag, subpath: string, x }, tmpfs: { size: 0..|string, mode: number|string, x },
    image: { subpath: string, x }, x }]!,
  volumes_from: @list, working_dir: string, x }
workload = { +container, build: string | { context: string, dockerfile: string, dockerfile_inline: string,
    entitlements: [string], args: @pairs, ssh: @pairs, labels: @pairs, cache_from: [string], cache_to: [string],
    no_cache: @flag, no_cache_filter: @texts, additional_contexts: @pairs, network: string, provenance: string|boolean,
    sbom: string|boolean, pull: @flag, target: string, shm_size: integer|string, extra_hosts: @hosts, isolation: string,
    privileged: @flag, secrets: @mounts, tags: [string], ulimits: @ulimits, platforms: [string], x },
  depends_on: @list | names({ restart: @flag, required: boolean,
    condition*: "service_started"|"service_healthy"|"service_completed_successfully", x }),
  healthcheck: { disable: @flag, interval: string, retries: number|string, test: string|[string], timeout: string,
    start_period: string, start_interval: string, x },
  ports: [number|string|{ name: string, mode: string, host_ip: string, target: integer|string, published: string|integer,
    protocol: string, app_protocol: string, x }]!,
  expose: [string|number]!, stdin_open: @flag, tty: @flag }
service = { +workload,
  deploy: { mode: string, endpoint_mode: string, replicas: integer|string, labels: @pairs, rollback_config: @update,
    update_config: @update,
    resources: { limits: { cpus: number|string, memory: string, pids: integer|string, x },
      reservations: { cpus: number|string, memory: string,
        generic_resources: [{ discrete_resource_spec: { kind: string, value: number|string, x }, x }], devices: [@device], x }, x },
    restart_policy: { condition: string, delay: string, max_attempts: integer|string, window: string, x },
    placement: { constraints: [string], preferences: [{ spread: string, x }], max_replicas_per_node: integer|string, x }, x },
  develop: { watch: [{ ignore: @texts, include: @texts, path*: string,
    action*: "rebuild"|"sync"|"restart"|"sync+restart"|"sync+exec", target: string, exec: @hook, initial_sync: boolean, x }], x },
  profiles: @list, restart: string, scale: integer|string, attach: @flag, container_name: container_name,
  provider: { type*: string, options: map(string|number|boolean|[string|number|boolean]), x },
  extends: string | { service*: string, file: string }, links: @list, external_links: @list,
  pre_start: [{ +container, per_replica: @flag }], post_start: [@hook], pre_stop: [@hook] }
job = { +workload, profiles: @list, triggers*: { manual: @flag, schedule: [string | { cron*: string, timezone: string,
  concurrency: "forbid"|"queue", missed_fires: "one"|"skip", x }], x } }
limit = { path: string, rate: integer|string }
update = { parallelism: integer|string, delay: string, failure_action: string, monitor: string,
  max_failure_ratio: number|string, order: "start-first"|"stop-first", x }
hook = { command*: @command, user: string, privileged: @flag, working_dir: string, environment: @pairs, x }
model = { name: string, model*: string, context_size: integer, runtime_flags: [string], x }
network = null | { name: string, driver: string, driver_opts: @options,
  ipam: { driver: string, config: [{ subnet: string, ip_range: string, gateway: string, aux_addresses: map(string), x }],
    options: map(string), x },
  external: @flag | { name: string, x }, internal: @flag, enable_ipv4: @flag, enable_ipv6: @flag, attachable: @flag,
  labels: @pairs, x }
volume = null | { name: string, driver: string, driver_opts: @options, external: @flag | { name: string, x }, labels: @pairs, x }
secret = { name: string, environment: string, file: string, external: @flag | { name: string, ... }, labels: @pairs,
  driver: string, driver_opts: @options, template_driver: string, x }
config = { name: string, content: string, environment: string, file: string, external: @flag | { name: string, ... },
  labels: @pairs, template_driver: string, x }
"#;

/// What the names of a mapping may be that are the user's own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Names {
    Any,
    Filled,
    OfResources,
}

#[derive(Clone, Debug)]
enum Rule {
    Any,
    Null,
    Boolean,
    Text,
    Number,
    Integer(i64, i64),
    Word(Box<str>),
    PullPolicy,
    ContainerName,
    List(Box<Rule>, bool),
    Map(Box<Rule>, Names),
    Part(Part),
    /// One of [`RULES`], by its number.
    Named(usize),
    Either(Vec<Rule>),
}

#[derive(Clone, Debug, Default)]
struct Part {
    fields: Known<&'static str, Arc<Rule>>,
    required: Vec<&'static str>,
    extensions: bool,
    open: bool,
}

static RULES: LazyLock<Vec<(&'static str, Rule)>> =
    LazyLock::new(|| Reader { rest: SPECIFICATION, rules: Vec::new() }.all());

fn rule(name: &str) -> &'static Rule {
    RULES.iter().find(|(known, _)| *known == name).map_or(&Rule::Any, |(_, rule)| rule)
}

impl Rule {
    /// The rule that a name stands for.
    fn resolved(&self) -> &Self {
        match self {
            Self::Named(number) => RULES.get(*number).map_or(&Self::Any, |(_, rule)| rule.resolved()),
            rule => rule,
        }
    }
}

/// Reads the notation above. It is ours, so what it cannot read is a fault that every test shows.
struct Reader {
    rest: &'static str,
    rules: Vec<(&'static str, Rule)>,
}

impl Reader {
    fn all(mut self) -> Vec<(&'static str, Rule)> {
        while let Some(name) = self.name() {
            self.eat("=");
            let number = self.number_of(name);
            let rule = self.either();
            if let Some(slot) = self.rules.get_mut(number) {
                slot.1 = rule;
            }
        }
        self.rules
    }

    /// The number of a rule that has been read, or will be.
    fn number_of(&mut self, name: &'static str) -> usize {
        self.rules.iter().position(|(known, _)| *known == name).unwrap_or_else(|| {
            self.rules.push((name, Rule::Any));
            self.rules.len() - 1
        })
    }

    fn eat(&mut self, token: &str) -> bool {
        self.rest = self.rest.trim_start();
        let found = self.rest.strip_prefix(token);
        if let Some(rest) = found {
            self.rest = rest;
        }
        found.is_some()
    }

    fn name(&mut self) -> Option<&'static str> {
        self.rest = self.rest.trim_start();
        let end = self.rest.find(|c: char| !(c.is_ascii_alphanumeric() || c == '_')).unwrap_or(self.rest.len());
        let (name, rest) = self.rest.split_at(end);
        self.rest = rest;
        (!name.is_empty()).then_some(name)
    }

    fn either(&mut self) -> Rule {
        let mut all = vec![self.one()];
        while self.eat("|") {
            all.push(self.one());
        }
        if all.len() > 1 { Rule::Either(all) } else { all.pop().unwrap_or(Rule::Any) }
    }

    fn one(&mut self) -> Rule {
        if self.eat("@") {
            let name = self.name().unwrap_or_default();
            return Rule::Named(self.number_of(name));
        }
        if self.eat("[") {
            let item = self.either();
            self.eat("]");
            let unique = self.eat("!");
            return Rule::List(Box::new(item), unique);
        }
        if self.eat("{") {
            return Rule::Part(self.part());
        }
        if self.eat("\"") {
            let end = self.rest.find('"').unwrap_or_default();
            let word = self.rest.get(..end).unwrap_or_default();
            self.rest = self.rest.get(end + 1..).unwrap_or_default();
            return Rule::Word(word.into());
        }
        self.rest = self.rest.trim_start();
        if self.rest.starts_with(|c: char| c.is_ascii_digit() || c == '-') {
            let least = self.number().unwrap_or(i64::MIN);
            self.eat("..");
            return Rule::Integer(least, self.number().unwrap_or(i64::MAX));
        }
        match self.name().unwrap_or_default() {
            "null" => Rule::Null,
            "boolean" => Rule::Boolean,
            "string" => Rule::Text,
            "number" => Rule::Number,
            "integer" => Rule::Integer(i64::MIN, i64::MAX),
            "pull_policy" => Rule::PullPolicy,
            "container_name" => Rule::ContainerName,
            kind @ ("map" | "filled" | "names") => {
                self.eat("(");
                let value = self.either();
                self.eat(")");
                let names = match kind {
                    "names" => Names::OfResources,
                    "filled" => Names::Filled,
                    _ => Names::Any,
                };
                Rule::Map(Box::new(value), names)
            }
            _ => Rule::Any,
        }
    }

    fn number(&mut self) -> Option<i64> {
        let end = self.rest.find(|c: char| !(c.is_ascii_digit() || c == '-')).unwrap_or(self.rest.len());
        let (number, rest) = self.rest.split_at(end);
        self.rest = rest;
        number.parse().ok()
    }

    fn part(&mut self) -> Part {
        let mut part = Part::default();
        loop {
            if self.eat("}") {
                return part;
            }
            if self.eat(",") {
                continue;
            }
            if self.eat("...") {
                part.open = true;
                continue;
            }
            if self.eat("+") {
                let name = self.name().unwrap_or_default();
                let number = self.number_of(name);
                if let Some((_, Rule::Part(base))) = self.rules.get(number) {
                    part.fields.extend(base.fields.iter().map(|(name, rule)| (*name, Arc::clone(rule))));
                    part.required.extend(&base.required);
                    part.extensions |= base.extensions;
                }
                continue;
            }
            let Some(name) = self.name() else { return part };
            if name == "x" {
                part.extensions = true;
                continue;
            }
            if self.eat("*") {
                part.required.push(name);
            }
            self.eat(":");
            let rule = self.either();
            part.fields.insert(name, Arc::new(rule));
        }
    }
}

/// Everything in the model that the specification does not allow.
pub(super) fn validate(root: &Tree) -> Findings {
    let mut checker = Checker { findings: Findings::new() };
    checker.check(root, rule("root"), &At::ROOT, root.spot);
    checker.findings
}

struct Checker {
    findings: Findings,
}

impl Checker {
    fn refuse(&mut self, finding: Finding, at: &At<'_>) {
        self.findings.push(finding.at(at.to_string()));
    }

    fn check(&mut self, tree: &Tree, rule: &Rule, at: &At<'_>, parent: Spot) {
        let spot = if tree.spot.is_somewhere() { tree.spot } else { parent };
        match rule {
            Rule::Named(_) => self.check(tree, rule.resolved(), at, parent),
            Rule::Either(rules) => self.choose(tree, rules, at, spot),
            Rule::Part(part) => match &tree.value {
                Scalar::Mapping(_) => self.part(tree, part, at, spot),
                _ => self.wrong(tree, rule, at, spot),
            },
            Rule::Map(value, names) => match &tree.value {
                Scalar::Mapping(mapping) => self.named(&mapping.entries, value, *names, at),
                _ => self.wrong(tree, rule, at, spot),
            },
            Rule::List(item, unique) => match &tree.value {
                Scalar::Sequence(items) => {
                    for (index, child) in items.iter().enumerate() {
                        self.check(child, item, &at.item(index), spot);
                    }
                    if *unique {
                        self.no_repetition(items, at);
                    }
                }
                _ => self.wrong(tree, rule, at, spot),
            },
            scalar => {
                if !fits(tree, scalar) {
                    self.wrong(tree, scalar, at, spot);
                }
            }
        }
    }

    /// Entries whose names are the user's own.
    fn named(&mut self, entries: &Entries, rule: &Rule, names: Names, at: &At<'_>) {
        for (key, entry) in entries {
            let good = match names {
                Names::Any => true,
                Names::Filled => !key.is_empty(),
                Names::OfResources => is_name(key),
            };
            if !good {
                let words = if key.is_empty() {
                    "a name is not empty".to_owned()
                } else {
                    format!("`{key}` is no name: use letters, digits, `.`, `_` and `-`")
                };
                let finding = Finding::new(&codes::INVALID_VALUE, Masked::words(words), entry.key);
                self.refuse(finding.help("give it another name"), &at.key(key));
            }
            self.check(&entry.tree, rule, &at.key(key), entry.key);
        }
    }

    /// The alternative of the value's own kind says best what is wrong with it.
    fn choose(&mut self, tree: &Tree, rules: &[Rule], at: &At<'_>, spot: Spot) {
        if rules.iter().any(|rule| fits(tree, rule)) {
            return;
        }
        match of_kind(tree, rules) {
            Some(rule) => self.check(tree, rule, at, spot),
            None => self.wrong(tree, &Rule::Either(rules.to_vec()), at, spot),
        }
    }

    fn part(&mut self, tree: &Tree, part: &Part, at: &At<'_>, spot: Spot) {
        let Some(mapping) = tree.as_mapping() else { return };
        for (key, entry) in &mapping.entries {
            match part.fields.get(&**key) {
                Some(rule) => self.check(&entry.tree, rule, &at.key(key), entry.key),
                None if part.open || (part.extensions && key.starts_with("x-")) => {}
                None => {
                    let words = format!("there is no `{key}` here");
                    let mut finding = Finding::new(&codes::UNKNOWN_KEY, Masked::words(words), entry.key);
                    let known = part.fields.keys().copied();
                    if let Some(near) = crate::diagnostic::nearest(key, known) {
                        finding = finding.help(Masked::words(format!("did you mean `{near}`?")));
                    } else if part.extensions {
                        finding = finding.help("remove it; keys of your own begin with `x-`");
                    }
                    self.refuse(finding, &at.key(key));
                }
            }
        }
        for required in &part.required {
            if !mapping.contains(required) {
                let words = format!("the key `{required}` is missing here");
                let finding = Finding::new(&codes::MISSING_KEY, Masked::words(words), spot);
                self.refuse(finding.help(Masked::words(format!("add `{required}: …`"))), at);
            }
        }
    }

    fn no_repetition(&mut self, items: &[Tree], at: &At<'_>) {
        if items.len() < 2 || all_differ(items) {
            return;
        }
        let mut texts = Seen::default();
        let mut others = Seen::default();
        for (index, item) in items.iter().enumerate() {
            let new = match &item.value {
                Scalar::Text(text) => texts.add(text.raw().into()).1,
                Scalar::Mapping(_) | Scalar::Sequence(_) => {
                    items.get(..index).is_none_or(|before| !before.contains(item))
                }
                _ => others.add(item.to_text().map(|text| text.raw().to_owned()).unwrap_or_default().into()).1,
            };
            if !new {
                let first = items.iter().find(|other| *other == item).map(|first| first.spot).unwrap_or_default();
                let finding =
                    Finding::new(&codes::DUPLICATE_ITEM, "this item stands in the list already".into(), item.spot)
                        .label(first, "first here")
                        .help("remove one of the two");
                self.refuse(finding, &at.item(index));
            }
        }
    }

    fn wrong(&mut self, tree: &Tree, rule: &Rule, at: &At<'_>, spot: Spot) {
        let wanted = describe(rule);
        let words = match (&tree.value, rule) {
            (Scalar::Text(text), Rule::Word(_) | Rule::PullPolicy | Rule::ContainerName | Rule::Either(_)) => {
                format!("`{}` is not allowed here: {wanted} is wanted", text.masked())
            }
            (Scalar::Integer(number), Rule::Integer(..) | Rule::Either(_)) => {
                format!("{number} is not allowed here: {wanted} is wanted")
            }
            _ => format!("{wanted} is wanted here, not {}", article(tree.kind())),
        };
        let finding = Finding::new(&codes::WRONG_TYPE, Masked::words(words), spot);
        self.refuse(remedy::write_instead(finding, &wanted, tree), at);
    }
}

/// Whether there are only strings, and it shows at once that none stands there twice.
fn all_differ(items: &[Tree]) -> bool {
    let mut prints = Prints::default();
    let only_texts = items.iter().all(|item| item.raw().map(|text| prints.add(text)).is_some());
    only_texts && prints.all_differ()
}

/// The alternative for mappings, or for lists, when the value is one.
fn of_kind<'r>(tree: &Tree, rules: &'r [Rule]) -> Option<&'r Rule> {
    rules.iter().find_map(|rule| match (rule.resolved(), &tree.value) {
        (rule @ (Rule::Part(_) | Rule::Map(..)), Scalar::Mapping(_)) | (rule @ Rule::List(..), Scalar::Sequence(_)) => {
            Some(rule)
        }
        (Rule::Either(rules), _) => of_kind(tree, rules),
        _ => None,
    })
}

fn flatten(rule: &Rule) -> Vec<&Rule> {
    match rule {
        Rule::Named(_) => flatten(rule.resolved()),
        Rule::Either(rules) => rules.iter().flat_map(flatten).collect(),
        rule => vec![rule],
    }
}

fn fits(tree: &Tree, rule: &Rule) -> bool {
    match (rule, &tree.value) {
        (Rule::Any, _)
        | (Rule::Null, Scalar::Null)
        | (Rule::Boolean, Scalar::Bool(_))
        | (Rule::Text, Scalar::Text(_) | Scalar::Timestamp { .. })
        | (Rule::Number, Scalar::Integer(_) | Scalar::Unsigned(_) | Scalar::Float(_)) => true,
        (Rule::Integer(least, most), Scalar::Integer(number)) => least <= number && number <= most,
        (Rule::Integer(..), Scalar::Unsigned(_)) => true,
        #[allow(clippy::cast_precision_loss, reason = "bounds are small")]
        (Rule::Integer(least, most), Scalar::Float(number)) => {
            number.fract() == 0.0 && *least as f64 <= *number && *number <= *most as f64
        }
        (Rule::Word(word), Scalar::Text(text)) => text.raw() == &**word,
        (Rule::PullPolicy, Scalar::Text(text)) => is_pull_policy(text.raw()),
        (Rule::ContainerName, Scalar::Text(text)) => is_container_name(text.raw()),
        (Rule::Named(_), _) => fits(tree, rule.resolved()),
        (Rule::Either(rules), _) => rules.iter().any(|rule| fits(tree, rule)),
        _ => false,
    }
}

fn describe(rule: &Rule) -> String {
    match rule {
        Rule::Any => "anything".into(),
        Rule::Null => "nothing".into(),
        Rule::Boolean => "true or false".into(),
        Rule::Text => "a string".into(),
        Rule::Number => "a number".into(),
        Rule::Integer(i64::MIN, i64::MAX) => "a whole number".into(),
        Rule::Integer(least, i64::MAX) => format!("a whole number from {least} on"),
        Rule::Integer(least, most) => format!("a whole number from {least} to {most}"),
        Rule::Word(word) => format!("`{word}`"),
        Rule::PullPolicy => "always, never, missing, build, refresh, daily, weekly or every_<duration>".into(),
        Rule::ContainerName => "a name of two or more letters, digits, `_`, `.` and `-`".into(),
        Rule::List(..) => "a list".into(),
        Rule::Map(..) | Rule::Part(_) => "a mapping".into(),
        Rule::Named(_) | Rule::Either(_) => {
            let mut all: Vec<String> = flatten(rule).into_iter().map(describe).collect();
            all.dedup();
            let last = all.pop().unwrap_or_default();
            if all.is_empty() { last } else { format!("{} or {last}", all.join(", ")) }
        }
    }
}

fn article(kind: &str) -> String {
    match kind {
        "null" => "nothing".to_owned(),
        "integer" => "an integer".to_owned(),
        kind => format!("a {kind}"),
    }
}

pub(super) fn is_name(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"._-".contains(&b))
}

fn is_container_name(text: &str) -> bool {
    text.as_bytes().windows(2).any(|pair| {
        matches!(pair, [first, second] if first.is_ascii_alphanumeric() && (second.is_ascii_alphanumeric() || b"_.-".contains(second)))
    })
}

fn is_pull_policy(text: &str) -> bool {
    if ["always", "never", "build", "if_not_present", "missing", "refresh", "daily", "weekly"].contains(&text) {
        return true;
    }
    let Some(mut rest) = text.strip_prefix("every_").filter(|rest| !rest.is_empty()) else { return false };
    while !rest.is_empty() {
        let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
        let unit = rest.as_bytes().get(digits);
        if digits == 0 || !unit.is_some_and(|unit| b"wdhms".contains(unit)) {
            return false;
        }
        rest = rest.get(digits + 1..).unwrap_or_default();
    }
    true
}

/// Whether a key of a service is one that any container has, a `pre_start` one too.
pub(super) fn is_container_key(key: &str) -> bool {
    matches!(rule("container"), Rule::Part(part) if part.fields.contains_key(key))
}
