//! Every value in the form that the reference's types give it: durations and sizes as it prints them, command
//! lines as words, lists of pairs as mappings; what is empty is left out (compose.md, sections 4 and 7).

use std::{hash::BuildHasherDefault, sync::LazyLock};

use indexmap::IndexMap;
use smol_str::SmolStr;

use super::{
    codes, interpolate, remedy, short,
    table::{At, Known, NameHasher},
    units,
};
use crate::{
    diagnostic::{Finding, Findings},
    value::{Masked, Spot, Text},
    yaml::{Entry, Mapping, Scalar, Tree},
};

/// One line per type: its keys in the order in which the reference prints them, and what each holds. Capital letters stay when they are empty.
///
/// `s` string, `b` boolean (`B`: stays when false), `i` integer (`I`: stays when 0), `k` integer that is never a string, `f` number, `d` duration
/// (`D`: stays when 0), `z` size, `w` words of a command line, `W` the same and always there, `t` test of a
/// health check, `l` list of strings, `m` strings by name, `e` variables (null stays), `h` hosts, `o` permission
/// bits, `n` count with `all`, `c` strings or lists by name, `a` as it is; a name: a part, there when written;
/// `!name`: a part that is always there; `[name]` a list of parts; `{name}` parts by name, null stays.
const TYPES: &str = "
root name=s services={service} jobs={job} networks={network} volumes={volume} secrets={secret} configs={config} \
models={model}
service profiles=l deploy=deploy develop=develop restart=s scale=I attach=B container_name=s provider=provider \
extends=extends external_links=l links=l pre_start=[container] post_start=[hook] pre_stop=[hook] triggers=triggers \
annotations=m blkio_config=blkio cap_add=l cap_drop=l cgroup_parent=s cgroup=s cpu_count=i cpu_percent=f \
cpu_period=i cpu_quota=i cpu_rt_period=i cpu_rt_runtime=i cpus=f cpuset=s cpu_shares=i command=W configs=[mount] \
credential_spec=credential device_cgroup_rules=l devices=[devicemap] dns=l dns_opt=l dns_search=l domainname=s \
entrypoint=W environment=e env_file=[envfile] extra_hosts=h group_add=x gpus=[request] hostname=s image=s init=B \
ipc=s isolation=s labels=m label_file=l logging=logging mem_limit=z mem_reservation=z memswap_limit=z \
mem_swappiness=z mac_address=s models={modelref} network_mode=s networks={attachment} oom_kill_disable=b \
oom_score_adj=i pid=s pids_limit=i platform=s privileged=b pull_policy=s pull_refresh_after=s read_only=b runtime=s \
secrets=[mount] security_opt=l shm_size=z stop_grace_period=D stop_signal=s storage_opt=m sysctls=m tmpfs=l \
ulimits={ulimit} use_api_socket=b user=s userns_mode=s uts=s volumes=[volumemount] volumes_from=l working_dir=s \
build=build depends_on={dependency} expose=x healthcheck=health ports=[port] stdin_open=b tty=b per_replica=b
triggers manual=B schedule=[schedule]
schedule cron=s timezone=s concurrency=s missed_fires=s
blkio weight=k weight_device=[weight] device_read_bps=[limit] device_read_iops=[limit] device_write_bps=[limit] \
device_write_iops=[limit]
limit path=s rate=z
weight path=s weight=k
credential config=s file=s registry=s
extends file=s service=s
logging driver=s options=m
health test=t timeout=D interval=D retries=I start_period=D start_interval=D disable=b
build context=s dockerfile=s dockerfile_inline=s entitlements=l args=e provenance=s sbom=s ssh=g labels=m \
cache_from=l cache_to=l no_cache=b no_cache_filter=l additional_contexts=m pull=b extra_hosts=h isolation=s \
network=s target=s secrets=[mount] shm_size=z tags=l ulimits={ulimit} platforms=l privileged=b
develop watch=[watch]
watch path=S action=S target=s exec=!hook include=l ignore=l initial_sync=b
deploy mode=s replicas=I labels=m update_config=update rollback_config=update resources=!resources \
restart_policy=restart placement=!placement endpoint_mode=s
placement constraints=l preferences=[preference] max_replicas_per_node=i
preference spread=s
resources limits=resource reservations=resource
resource cpus=N memory=z pids=i devices=[request] generic_resources=[generic]
generic discrete_resource_spec=discrete
discrete kind=S value=I
request capabilities=l driver=s count=n device_ids=l options=m
restart condition=s delay=D max_attempts=I window=D
update parallelism=I delay=d failure_action=s monitor=d max_failure_ratio=f order=s
hook command=W user=s privileged=b working_dir=s environment=e
dependency condition=s restart=b required=R
envfile path=s required=r format=s
mount source=s target=s uid=s gid=s mode=o
port name=s mode=s host_ip=s target=i published=s protocol=s app_protocol=s
attachment aliases=l driver_opts=m gw_priority=i interface_name=s ipv4_address=s ipv6_address=s link_local_ips=l \
mac_address=s priority=i
modelref endpoint_var=s model_var=s
volumemount type=s source=s target=s read_only=b consistency=s bind=bind volume=volumeoptions tmpfs=tmpfs \
image=imagemount
bind selinux=s propagation=s create_host_path=r recursive=s
volumeoptions labels=m nocopy=b subpath=s
tmpfs size=z mode=k
imagemount subpath=s
devicemap source=s target=s permissions=s
provider type=s options=c
ulimit soft=a hard=a
network name=s driver=s driver_opts=m ipam=!ipam external=b internal=b attachable=b labels=m enable_ipv4=B \
enable_ipv6=B
ipam driver=s config=[pool] options=m
pool subnet=s gateway=s ip_range=s aux_addresses=m
volume name=s driver=s driver_opts=m external=b labels=m
config name=s file=s environment=s content=s external=b labels=m template_driver=s
secret name=s file=s environment=s content=s external=b labels=m driver=s driver_opts=m template_driver=s
model name=s model=s context_size=i runtime_flags=l
";

/// What a key holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// One of the letters above.
    Leaf(u8),
    Part(&'static str, bool),
    List(&'static str),
    Map(&'static str),
}

pub(super) type Fields = IndexMap<&'static str, Kind, BuildHasherDefault<NameHasher>>;

static FIELDS: LazyLock<Known<&'static str, Fields>> = LazyLock::new(|| {
    let mut types: Known<&'static str, Fields> = Known::default();
    for line in TYPES.lines().filter(|line| !line.is_empty()) {
        let mut words = line.split_whitespace();
        let Some(name) = words.next() else { continue };
        let fields = words
            .filter_map(|word| {
                let (key, kind) = word.split_once('=')?;
                let kind = match kind.as_bytes() {
                    [letter] => Kind::Leaf(*letter),
                    [b'[', ..] => Kind::List(kind.get(1..kind.len() - 1)?),
                    [b'{', ..] => Kind::Map(kind.get(1..kind.len() - 1)?),
                    [b'!', ..] => Kind::Part(kind.get(1..)?, true),
                    _ => Kind::Part(kind, false),
                };
                Some((key, kind))
            })
            .collect();
        types.insert(name, fields);
    }
    // Jobs and `pre_start` containers are services with other keys.
    if let Some(service) = types.get("service").cloned() {
        types.insert("job", service.clone());
        types.insert("container", service);
    }
    types
});

/// The keys of a type, in the order in which the reference prints them.
pub(super) fn fields(name: &str) -> Option<&'static Fields> {
    FIELDS.get(name)
}

/// Brings a whole model into the form of the types. Its name is not a part of it any more.
pub(super) fn typed(root: &mut Tree) -> Result<(), Findings> {
    if let Some(root) = root.as_mapping_mut() {
        root.remove("name");
    }
    let mut errors = Findings::new();
    if let Err(finding) = part(root, "root", &At::ROOT, &mut errors) {
        errors.push(finding);
    }
    if errors.is_empty() { Ok(()) } else { Err(errors) }
}

fn part(tree: &mut Tree, name: &str, at: &At<'_>, errors: &mut Findings) -> Result<(), Finding> {
    let spot = tree.spot;
    let Some(fields) = FIELDS.get(name) else { return Ok(()) };
    let kind = tree.kind();
    let Some(mapping) = tree.as_mapping_mut() else {
        return Err(wrong("a mapping", kind, spot, at));
    };
    let mut emptied: Vec<_> = Vec::new();
    for (key, entry) in &mut mapping.entries {
        let Some(kind) = fields.get(&**key) else { continue };
        match field(&mut entry.tree, *kind, &at.key(key), errors) {
            Ok(true) => {}
            Ok(false) => emptied.push(key.clone()),
            Err(finding) => errors.push(finding),
        }
    }
    for key in emptied {
        mapping.remove(&key);
    }
    for (key, kind) in fields {
        match kind {
            Kind::Leaf(b'W') if !mapping.contains(key) => {
                mapping.set(*key, Tree::new(Scalar::Null, Spot::NOWHERE));
            }
            Kind::Part(inner, true) if !mapping.contains(key) => {
                let mut empty = Tree::mapping(Spot::NOWHERE);
                part(&mut empty, inner, at, errors)?;
                mapping.set(*key, empty);
            }
            _ => {}
        }
    }
    Ok(())
}

fn wrong(wanted: &str, kind: &str, spot: Spot, at: &At<'_>) -> Finding {
    let finding =
        Finding::new(&codes::WRONG_TYPE, Masked::words(format!("{wanted} is wanted here, not a {kind}")), spot);
    remedy::write_instead(finding.at(at.to_string()), wanted, &Tree::text("", spot))
}

/// Converts one field; false when nothing is left of it.
fn field(tree: &mut Tree, kind: Kind, at: &At<'_>, errors: &mut Findings) -> Result<bool, Finding> {
    match kind {
        Kind::Part(name, _) => {
            if tree.is_null() {
                return Ok(false);
            }
            part(tree, name, at, errors)?;
            Ok(true)
        }
        Kind::List(name) => {
            if tree.is_null() {
                return Ok(false);
            }
            let (kind, spot) = (tree.kind(), tree.spot);
            let Some(items) = tree.as_sequence_mut() else { return Err(wrong("a list", kind, spot, at)) };
            for (index, item) in items.iter_mut().enumerate() {
                if item.is_null() {
                    *item = Tree::mapping(spot);
                }
                part(item, name, &at.item(index), errors)?;
            }
            Ok(!items.is_empty())
        }
        Kind::Map(name) => {
            if tree.is_null() {
                return Ok(false);
            }
            let (kind, spot) = (tree.kind(), tree.spot);
            let Some(mapping) = tree.as_mapping_mut() else { return Err(wrong("a mapping", kind, spot, at)) };
            parts(&mut mapping.entries, name, at, errors)?;
            Ok(!mapping.entries.is_empty())
        }
        Kind::Leaf(letter) => leaf(tree, letter, at),
    }
}

/// Parts that have names of the user's own.
fn parts<'t>(
    entries: impl IntoIterator<Item = (&'t SmolStr, &'t mut Entry)>,
    name: &str,
    at: &At<'_>,
    errors: &mut Findings,
) -> Result<(), Finding> {
    for (key, entry) in entries {
        if name == "ulimit" {
            ulimit(&mut entry.tree, &at.key(key))?;
        } else if !entry.tree.is_null() {
            part(&mut entry.tree, name, &at.key(key), errors)?;
        } else if matches!(
            name,
            "service" | "job" | "network" | "volume" | "config" | "secret" | "model" | "dependency"
        ) {
            entry.tree = Tree::mapping(entry.key);
            part(&mut entry.tree, name, &at.key(key), errors)?;
        }
    }
    Ok(())
}

fn leaf(tree: &mut Tree, letter: u8, at: &At<'_>) -> Result<bool, Finding> {
    if tree.is_null() && !matches!(letter, b'W' | b'e' | b'm' | b'g') {
        return Ok(false);
    }
    let spot = tree.spot;
    let refuse = |tree: &Tree, wanted: &str| {
        let words = match tree.as_text() {
            Some(text) => format!("`{}` is not {wanted}", text.masked()),
            None => format!("{wanted} is wanted here, not a {}", tree.kind()),
        };
        let finding = Finding::new(&codes::WRONG_TYPE, Masked::words(words), spot).at(at.to_string());
        remedy::write_instead(finding, wanted, tree)
    };
    match letter {
        b's' | b'S' => {
            match &tree.value {
                Scalar::Text(_) => {}
                Scalar::Integer(_) | Scalar::Unsigned(_) | Scalar::Timestamp { .. } => {
                    tree.value = Scalar::Text(tree.to_text().unwrap_or_default());
                }
                _ => return Err(refuse(tree, "a string")),
            }
            Ok(letter == b'S' || !tree.raw().unwrap_or_default().is_empty())
        }
        b'b' | b'B' | b'r' | b'R' => {
            let value = match &tree.value {
                Scalar::Bool(value) => *value,
                Scalar::Text(text) => interpolate::boolean(text.raw()).ok_or_else(|| refuse(tree, "true or false"))?,
                _ => return Err(refuse(tree, "true or false")),
            };
            tree.value = Scalar::Bool(value);
            Ok(match letter {
                b'b' => value,
                // What is true unless it is said otherwise is only printed when it is not.
                b'r' => !value,
                _ => true,
            })
        }
        b'i' | b'I' | b'k' => {
            if letter == b'k' && matches!(tree.value, Scalar::Text(_)) {
                return Err(refuse(tree, "a whole number without quotes"));
            }
            let value = integer(tree).ok_or_else(|| refuse(tree, "a whole number"))?;
            tree.value = Scalar::Integer(value);
            Ok(letter == b'I' || value != 0)
        }
        b'f' => {
            let value = number(tree).ok_or_else(|| refuse(tree, "a number"))?;
            tree.value = Scalar::Float(value);
            Ok(value != 0.0)
        }
        b'N' => {
            // A number that is printed as a string.
            let text = match &tree.value {
                Scalar::Text(text) if number(tree).is_some() => text.raw().to_owned(),
                Scalar::Integer(_) | Scalar::Unsigned(_) | Scalar::Float(_) => {
                    tree.to_text().unwrap_or_default().raw().to_owned()
                }
                _ => return Err(refuse(tree, "a number")),
            };
            let value: f64 = text.parse().unwrap_or_default();
            tree.value = Scalar::Float(value);
            Ok(value != 0.0)
        }
        b'd' | b'D' => {
            let nanoseconds =
                tree.raw().and_then(units::duration).ok_or_else(|| refuse(tree, "a duration like 1m30s"))?;
            tree.value = Scalar::Text(units::duration_text(nanoseconds).into());
            Ok(letter == b'D' || nanoseconds != 0)
        }
        b'z' => {
            let bytes = match &tree.value {
                Scalar::Integer(number) => *number,
                Scalar::Float(_) => 0,
                Scalar::Text(text) => units::size(text.raw()).ok_or_else(|| refuse(tree, "a size like 512M"))?,
                _ => return Err(refuse(tree, "a size like 512M")),
            };
            tree.value = Scalar::Text(bytes.to_string().into());
            Ok(bytes != 0)
        }
        b'w' | b'W' => {
            match &tree.value {
                Scalar::Text(text) => {
                    let words = units::words(text.raw()).ok_or_else(|| {
                        refuse(tree, "a command line: a quote is not closed, or a parenthesis stands alone")
                            .help("write it as a list of words")
                    })?;
                    let whole = text.clone();
                    let items = words.into_iter().map(|word| Tree::text(word_of(&whole, &word), spot)).collect();
                    tree.value = Scalar::Sequence(items);
                }
                Scalar::Sequence(_) => strings(tree, at)?,
                Scalar::Null => {}
                Scalar::Timestamp { .. } => tree.value = Scalar::Null,
                _ => return Err(refuse(tree, "a string or a list")),
            }
            Ok(true)
        }
        b't' => {
            if let Scalar::Text(text) = &tree.value {
                let text = text.clone();
                tree.value = Scalar::Sequence(vec![Tree::text("CMD-SHELL", spot), Tree::text(text, spot)]);
            }
            strings(tree, at)?;
            Ok(tree.as_sequence().is_some_and(|items| !items.is_empty()))
        }
        b'l' => {
            if matches!(tree.value, Scalar::Text(_)) {
                *tree = Tree::new(Scalar::Sequence(vec![std::mem::take(tree)]), spot);
            }
            strings(tree, at)?;
            Ok(tree.as_sequence().is_some_and(|items| !items.is_empty()))
        }
        b'x' => {
            let kind = tree.kind();
            let Some(items) = tree.as_sequence_mut() else { return Err(wrong("a list", kind, spot, at)) };
            for item in items.iter_mut() {
                item.value = Scalar::Text(item.to_text().unwrap_or_default());
            }
            Ok(!items.is_empty())
        }
        b'm' | b'e' => pairs(tree, letter == b'e', at),
        b'g' => Ok(!tree.is_null()),
        b'h' => hosts(tree, at),
        b'o' => {
            let mode = match &tree.value {
                Scalar::Integer(mode) => Some(*mode),
                Scalar::Text(text) => i64::from_str_radix(text.raw(), 8).ok(),
                _ => None,
            };
            let mode = mode.ok_or_else(|| refuse(tree, "permission bits like 0440"))?;
            tree.value = Scalar::Text(format!("0{mode:o}").into());
            Ok(true)
        }
        b'n' => {
            let count = match &tree.value {
                Scalar::Text(text) if text.raw().eq_ignore_ascii_case("all") => -1,
                _ => integer(tree).ok_or_else(|| refuse(tree, "a whole number or `all`"))?,
            };
            tree.value = Scalar::Integer(count);
            Ok(count != 0)
        }
        b'c' => {
            if let Some(mapping) = tree.as_mapping_mut() {
                for entry in mapping.entries.values_mut() {
                    let spot = entry.tree.spot;
                    let items = match std::mem::take(&mut entry.tree.value) {
                        Scalar::Sequence(items) => items,
                        other => vec![Tree::new(other, spot)],
                    };
                    let items = items
                        .into_iter()
                        .map(|item| Tree::text(item.to_text().unwrap_or_default(), item.spot))
                        .collect();
                    entry.tree = Tree::new(Scalar::Sequence(items), spot);
                }
                return Ok(!mapping.entries.is_empty());
            }
            Ok(true)
        }
        _ => Ok(true),
    }
}

/// A word of a command line; secret when the line is.
fn word_of(line: &Text, word: &str) -> Text {
    match line.raw().find(word) {
        // Marks can be kept where the word stands in the line as it is.
        Some(start) if !word.is_empty() => line.slice(start..start + word.len()),
        _ if line.is_secret() => line.clone(),
        _ => Text::from(word),
    }
}

fn strings(tree: &mut Tree, at: &At<'_>) -> Result<(), Finding> {
    let (kind, spot) = (tree.kind(), tree.spot);
    let Some(items) = tree.as_sequence_mut() else { return Err(wrong("a list", kind, spot, at)) };
    for (index, item) in items.iter_mut().enumerate() {
        match &item.value {
            Scalar::Text(_) => {}
            Scalar::Integer(_) | Scalar::Unsigned(_) => item.value = Scalar::Text(item.to_text().unwrap_or_default()),
            Scalar::Null => item.value = Scalar::Text(Text::default()),
            _ => return Err(wrong("a string", item.kind(), item.spot, &at.item(index))),
        }
    }
    Ok(())
}

fn integer(tree: &Tree) -> Option<i64> {
    match &tree.value {
        Scalar::Integer(value) => Some(*value),
        #[allow(clippy::cast_possible_truncation, reason = "the reference truncates")]
        Scalar::Float(value) => Some(*value as i64),
        Scalar::Text(text) => interpolate::integer(text.raw()),
        _ => None,
    }
}

fn number(tree: &Tree) -> Option<f64> {
    match &tree.value {
        #[allow(clippy::cast_precision_loss, reason = "a number is wanted")]
        Scalar::Integer(value) => Some(*value as f64),
        Scalar::Float(value) => Some(*value),
        Scalar::Text(text) => interpolate::float(text.raw()),
        _ => None,
    }
}

/// Lists of `k=v` and mappings become mappings of strings; `keep`: what has no value stays null.
fn pairs(tree: &mut Tree, keep: bool, at: &At<'_>) -> Result<bool, Finding> {
    let spot = tree.spot;
    let out = match std::mem::take(&mut tree.value) {
        Scalar::Null => Mapping::default(),
        Scalar::Mapping(mut mapping) => {
            for (key, entry) in &mut mapping.entries {
                let spot = if entry.tree.spot.is_somewhere() { entry.tree.spot } else { entry.key };
                let value = match std::mem::take(&mut entry.tree.value) {
                    Scalar::Null if keep => Scalar::Null,
                    Scalar::Mapping(_) => return Err(wrong("a string", "mapping", entry.tree.spot, &at.key(key))),
                    text @ Scalar::Text(_) => text,
                    other => Scalar::Text(Tree::new(other, spot).to_text().unwrap_or_default()),
                };
                entry.tree = Tree::new(value, spot);
            }
            mapping
        }
        Scalar::Sequence(items) => {
            let mut out = Mapping::with_capacity(items.len());
            for (index, item) in items.into_iter().enumerate() {
                let Some(text) = item.as_text() else {
                    return Err(wrong("a string", item.kind(), item.spot, &at.item(index)));
                };
                let raw = text.raw();
                let (key, value) = match short::equals_sign(raw) {
                    Some(cut) => (raw.get(..cut).unwrap_or_default(), Some(text.slice(cut + 1..raw.len()))),
                    None => (raw, None),
                };
                if value.is_some() && keep && key.ends_with(char::is_whitespace) {
                    let words = format!("the name `{key}` ends with a blank");
                    return Err(short::refused(words, item.spot)
                        .at(at.item(index).to_string())
                        .help("remove the blank before `=`"));
                }
                let value = match value {
                    Some(value) => Scalar::Text(value),
                    None if keep => Scalar::Null,
                    None => Scalar::Text(Text::default()),
                };
                out.set(key, Tree::new(value, item.spot));
            }
            out
        }
        other => {
            return Err(wrong("a list or a mapping", Tree::new(other, spot).kind(), spot, at));
        }
    };
    let filled = !out.entries.is_empty();
    tree.value = Scalar::Mapping(out);
    Ok(filled)
}

/// Hosts become a sorted list of `name=address`.
fn hosts(tree: &mut Tree, at: &At<'_>) -> Result<bool, Finding> {
    let mut all: Vec<(String, String, Spot)> = Vec::new();
    let mut add = |name: &str, addresses: &str, spot: Spot| {
        for address in addresses.split(',') {
            let address = address.strip_prefix('[').and_then(|inner| inner.strip_suffix(']')).unwrap_or(address);
            all.push((name.to_owned(), address.to_owned(), spot));
        }
    };
    match &tree.value {
        Scalar::Mapping(mapping) => {
            for (name, entry) in &mapping.entries {
                match &entry.tree.value {
                    Scalar::Sequence(items) => {
                        for item in items {
                            add(name, item.to_text().unwrap_or_default().raw(), item.spot);
                        }
                    }
                    _ => add(name, entry.tree.to_text().unwrap_or_default().raw(), entry.tree.spot),
                }
            }
        }
        Scalar::Sequence(items) => {
            for (index, item) in items.iter().enumerate() {
                let (name, address) = item.raw().and_then(short::host).ok_or_else(|| {
                    short::refused("a host is NAME=ADDRESS".to_owned(), item.spot)
                        .at(at.item(index).to_string())
                        .help("write it as `db=10.0.0.5`")
                })?;
                add(name, address, item.spot);
            }
        }
        _ => return Err(wrong("a list or a mapping", tree.kind(), tree.spot, at)),
    }
    let mut items: Vec<Tree> =
        all.into_iter().map(|(name, address, spot)| Tree::text(format!("{name}={address}"), spot)).collect();
    items.sort_by(|a, b| a.raw().cmp(&b.raw()));
    let filled = !items.is_empty();
    tree.value = Scalar::Sequence(items);
    Ok(filled)
}

fn ulimit(tree: &mut Tree, at: &At<'_>) -> Result<(), Finding> {
    let spot = tree.spot;
    match &mut tree.value {
        Scalar::Integer(0) => tree.value = Scalar::Mapping(Mapping::default()),
        Scalar::Integer(_) => {}
        Scalar::Mapping(mapping) => {
            for (key, entry) in &mut mapping.entries {
                if key.starts_with("x-") {
                    continue;
                }
                let value = integer(&entry.tree)
                    .ok_or_else(|| wrong("a whole number", entry.tree.kind(), spot, &at.key(key)))?;
                entry.tree.value = Scalar::Integer(value);
            }
            mapping.entries.retain(|_, entry| !matches!(entry.tree.value, Scalar::Integer(0)));
        }
        Scalar::Text(text) => {
            let value = interpolate::integer(text.raw()).ok_or_else(|| wrong("a whole number", "string", spot, at))?;
            tree.value = Scalar::Integer(value);
        }
        _ => return Err(wrong("a whole number or a mapping", tree.kind(), spot, at)),
    }
    Ok(())
}
