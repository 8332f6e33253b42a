//! What runs in a task: `ContainerSpec`.

use std::time::Duration;

use super::{STACK, compare::words, translate::Translator};
use crate::{
    compose::{
        model::{Healthcheck, Service},
        name_says_so,
    },
    image::PinnedImage,
    target::{
        codes,
        parts::{set, some},
    },
    value::{Located, Node, Sources, Spot, Text, TextBuilder, Value},
};

/// A length of time in nanoseconds.
pub(super) fn nanoseconds(time: &Located<Duration>) -> Node {
    Node::new(i64::try_from(time.value.as_nanos()).unwrap_or(i64::MAX), time.spot)
}

/// `64m`, `1g`, `1048576`, in bytes.
pub(super) fn bytes(text: &str) -> Option<i64> {
    let text = text.to_ascii_lowercase();
    let number = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let unit = match text.get(number.len()..)?.trim_end_matches('b') {
        "" => 1,
        "k" => 1 << 10,
        "m" => 1 << 20,
        "g" => 1 << 30,
        _ => return None,
    };
    number.parse::<i64>().ok()?.checked_mul(unit)
}

impl Translator<'_> {
    pub(super) fn container(&mut self, name: &str, service: &Service, spot: Spot, image: &PinnedImage) -> Node {
        let mut body = Node::map(spot);
        let from = service
            .image
            .as_ref()
            .map_or_else(|| spot.into(), |written| written.value.sources(written.spot, &self.project.origins));
        body.set("Image", Node { value: Value::from(&*image.reference), from });
        let mut labels = Node::map(spot);
        labels.set(STACK, Node::new(&*self.stack.value, self.stack.spot));
        for strings in [service.annotations.as_ref(), service.labels.as_ref()].into_iter().flatten() {
            for (label, text) in self.strings(strings).entries() {
                labels.set(label.clone(), text.clone());
            }
        }
        body.set("Labels", labels);
        for (key, list, field) in
            [("Command", &service.entrypoint, "entrypoint"), ("Args", &service.command, "command")]
        {
            let Some(list) = list else { continue };
            if list.value.is_empty() {
                let at = format!("services.{name}.{field}");
                let words = format!("an empty `{field}` does not take the image's away on Swarm");
                self.find(&codes::UNSUPPORTED, words, list.spot, &at, "say what is to run");
            } else {
                body.set(key, self.texts(list));
            }
        }
        set(&mut body, "Hostname", service.hostname.as_ref().map(|name| self.text(name)));
        set(&mut body, "Env", self.variables(name, service));
        set(&mut body, "Dir", service.working_dir.as_ref().map(|path| self.text(path)));
        set(&mut body, "User", service.user.as_ref().map(|user| self.text(user)));
        let groups = service.group_add.as_ref().filter(|all| !all.value.is_empty());
        set(&mut body, "Groups", groups.map(|groups| self.texts(groups)));
        set(&mut body, "Privileges", self.privileges(name, service));
        for (key, flag) in [("TTY", &service.tty), ("OpenStdin", &service.stdin_open), ("ReadOnly", &service.read_only)]
        {
            set(&mut body, key, flag.as_ref().map(|flag| Node::new(flag.value, flag.spot)));
        }
        let (mounts, files) = self.mounts(name, service);
        if !mounts.is_empty() {
            body.set("Mounts", Node::new(mounts, service.volumes.as_ref().map_or(spot, |all| all.spot)));
        }
        set(&mut body, "StopSignal", service.stop_signal.as_ref().map(|signal| self.text(signal)));
        set(&mut body, "StopGracePeriod", service.stop_grace_period.as_ref().map(nanoseconds));
        set(&mut body, "Healthcheck", service.healthcheck.as_ref().map(|check| self.check(&check.value, check.spot)));
        set(&mut body, "Hosts", self.hosts(name, service));
        set(&mut body, "DNSConfig", self.dns(service));
        let (mut configs, secrets) = self.contents(service);
        configs.extend(files);
        if !secrets.is_empty() {
            body.set("Secrets", Node::new(secrets, service.secrets.as_ref().map_or(spot, |all| all.spot)));
        }
        if !configs.is_empty() {
            body.set("Configs", Node::new(configs, service.configs.as_ref().map_or(spot, |all| all.spot)));
        }
        set(&mut body, "Isolation", service.isolation.as_ref().map(|isolation| self.text(isolation)));
        set(&mut body, "Init", service.init.as_ref().map(|init| Node::new(init.value, init.spot)));
        set(&mut body, "Sysctls", service.sysctls.as_ref().map(|all| self.strings(all)));
        set(&mut body, "CapabilityAdd", self.capabilities(service.cap_add.as_ref()));
        set(&mut body, "CapabilityDrop", self.capabilities(service.cap_drop.as_ref()));
        set(&mut body, "Ulimits", limits(service));
        set(&mut body, "OomScoreAdj", service.oom_score_adj.as_ref().map(|score| Node::new(score.value, score.spot)));
        body
    }

    /// `NAME=value`, in the order of names.
    fn variables(&mut self, name: &str, service: &Service) -> Option<Node> {
        let environment = service.environment.as_ref()?;
        let own = self.settings.services.get(name);
        let forced: Vec<String> =
            own.iter().flat_map(|own| &own.sensitive).map(|variable| variable.value.to_string()).collect();
        let mut sorted: Vec<_> = environment.value.iter().collect();
        sorted.sort_by(|a, b| a.0.cmp(b.0));
        let mut items = Vec::new();
        for (variable, value) in sorted {
            let at = format!("services.{name}.environment.{variable}");
            let Some(text) = &value.value else {
                let words = format!("{variable} has no value and is left out");
                let help = "give it a value, or set it where transship runs";
                self.find(&codes::VARIABLE_LEFT_OUT, words, value.spot, &at, help);
                continue;
            };
            let secret = forced.iter().any(|forced| **forced == **variable) || name_says_so(variable);
            let text = if secret && !text.is_secret() {
                text.concealed(variable, value.spot, &self.project.concealed)
            } else {
                text.clone()
            };
            if text.is_secret() {
                let words = format!("{variable} is secret, and whoever may look at services reads it");
                let help = "use `secrets:` and a variable that names the file";
                self.find(&codes::SECRET_SHOWN, words, value.spot, &at, help);
            }
            let from = text.sources(value.spot, &self.project.origins);
            let mut both = TextBuilder::default();
            both.push(variable);
            both.push("=");
            both.push_text(&text);
            items.push(Node { value: both.finish().into(), from });
        }
        (!items.is_empty()).then(|| Node::new(items, environment.spot))
    }

    fn privileges(&mut self, name: &str, service: &Service) -> Option<Node> {
        let mut body = Node::map(Sources::NONE);
        for option in service.security_opt.iter().flat_map(|all| &all.value) {
            let from = option.value.sources(option.spot, &self.project.origins);
            let text = option.value.plain().unwrap_or_default().to_owned();
            let (what, value) = text.split_once([':', '=']).unwrap_or((&text, ""));
            let mut inner = Node::map(from);
            match (what, value) {
                ("no-new-privileges", "" | "true") => body.set("NoNewPrivileges", Node::new(true, from)),
                ("no-new-privileges", "false") => {}
                ("seccomp", "unconfined") => {
                    inner.set("Mode", Node::new("unconfined", from));
                    body.set("Seccomp", inner);
                }
                ("apparmor", "unconfined") => {
                    inner.set("Mode", Node::new("disabled", from));
                    body.set("AppArmor", inner);
                }
                ("label", _) => {
                    let mut context = body.remove("SELinuxContext").unwrap_or_else(|| Node::map(from));
                    match value.split_once(':') {
                        Some(("user", value)) => context.set("User", Node::new(value, from)),
                        Some(("role", value)) => context.set("Role", Node::new(value, from)),
                        Some(("type", value)) => context.set("Type", Node::new(value, from)),
                        Some(("level", value)) => context.set("Level", Node::new(value, from)),
                        _ => context.set("Disable", Node::new(true, from)),
                    }
                    body.set("SELinuxContext", context);
                }
                _ => {
                    let words = format!("`{text}` does not carry to Swarm");
                    let at = format!("services.{name}.security_opt");
                    self.find(&codes::REFUSED, words, option.spot, &at, "set it on the nodes");
                }
            }
        }
        some(body)
    }

    fn check(&self, check: &Healthcheck, spot: Spot) -> Node {
        if check.disable.as_ref().is_some_and(|flag| flag.value) {
            let from = check.disable.as_ref().map_or(spot, |flag| flag.spot);
            let mut body = Node::map(from);
            body.set("Test", words(["NONE"], from.into()));
            return body;
        }
        let mut body = Node::map(spot);
        set(&mut body, "Test", check.test.as_ref().map(|test| self.texts(test)));
        for (key, time) in [
            ("Interval", &check.interval),
            ("Timeout", &check.timeout),
            ("StartPeriod", &check.start_period),
            ("StartInterval", &check.start_interval),
        ] {
            set(&mut body, key, time.as_ref().map(nanoseconds));
        }
        set(&mut body, "Retries", check.retries.as_ref().map(|retries| Node::new(retries.value, retries.spot)));
        body
    }

    fn hosts(&mut self, name: &str, service: &Service) -> Option<Node> {
        let hosts = service.extra_hosts.as_ref()?;
        let mut sorted: Vec<_> = hosts.value.iter().collect();
        sorted.sort_by(|a, b| a.0.cmp(b.0));
        let mut items = Vec::new();
        for (host, addresses) in sorted {
            for address in &addresses.value {
                if address.value.plain() == Some("host-gateway") {
                    let words = format!("`host-gateway` for {host} cannot be said");
                    let at = format!("services.{name}.extra_hosts");
                    self.find(&codes::UNSUPPORTED, words, address.spot, &at, "name the address");
                    continue;
                }
                let mut line = TextBuilder::default();
                line.push_text(&address.value);
                line.push(" ");
                line.push(host);
                let from = address.value.sources(address.spot, &self.project.origins);
                items.push(Node { value: line.finish().into(), from });
            }
        }
        (!items.is_empty()).then(|| Node::new(items, hosts.spot))
    }

    fn dns(&self, service: &Service) -> Option<Node> {
        let mut body = Node::map(Sources::NONE);
        for (key, list) in
            [("Nameservers", &service.dns), ("Search", &service.dns_search), ("Options", &service.dns_opt)]
        {
            let list = list.as_ref().filter(|list| !list.value.is_empty());
            set(&mut body, key, list.map(|list| self.texts(list)));
        }
        some(body)
    }

    /// As the engine calls them: upper case, with their prefix.
    fn capabilities(&self, list: Option<&Located<Vec<Located<Text>>>>) -> Option<Node> {
        let list = list.filter(|list| !list.value.is_empty())?;
        let items = list.value.iter().map(|item| {
            let name = item.value.plain().unwrap_or_default().to_ascii_uppercase();
            let name = if name == "ALL" || name.starts_with("CAP_") { name } else { format!("CAP_{name}") };
            Node { value: Value::from(name), from: self.text(item).from }
        });
        Some(Node::new(items.collect::<Vec<_>>(), list.spot))
    }
}

fn limits(service: &Service) -> Option<Node> {
    let all = service.ulimits.as_ref()?;
    let mut sorted: Vec<_> = all.value.iter().collect();
    sorted.sort_by(|a, b| a.0.cmp(b.0));
    let items = sorted.into_iter().map(|(name, limit)| {
        let mut item = Node::map(limit.spot);
        item.set("Name", Node::new(&**name, limit.spot));
        for (key, own) in [("Soft", &limit.value.soft), ("Hard", &limit.value.hard)] {
            let number = own.as_ref().or(limit.value.single.as_ref());
            set(&mut item, key, number.map(|number| Node::new(number.value, number.spot)));
        }
        item
    });
    let items: Vec<Node> = items.collect();
    (!items.is_empty()).then(|| Node::new(items, all.spot))
}
