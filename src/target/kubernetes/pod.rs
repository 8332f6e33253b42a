//! The pod and its container.

use super::{
    storage::Mounts,
    translate::{Translator, context, some_map},
};
use crate::{
    compose::model::Service,
    image::PinnedImage,
    target::{ImagePullSecret, codes, naming},
    value::{Fingerprint, Key, Located, Node, Part, Role, Source, Sources, Spot, Subject, Text, Value},
};

use super::object::SERVICE;

impl Translator<'_> {
    /// The pod template of a service; `job`: without probes, restarted by the given word.
    pub(super) fn pod(
        &mut self,
        name: &str,
        service: &Service,
        spot: Spot,
        image: &PinnedImage,
        inputs: Fingerprint,
        restart: Option<Node>,
    ) -> Node {
        let mounts = self.mounts(name, service);
        let container = self.container(name, service, spot, image, inputs, &mounts, restart.is_some());
        let mut labels = self.labels(Some(name), spot);
        labels.push((SERVICE.into(), Node::new(naming::slug(name, 63), spot)));
        for (network, attachment) in service.networks.iter().flat_map(|all| &all.value) {
            let label = format!("network.transship.dev/{}", naming::slug(network, 63));
            labels.push((label.into(), Node::new("", attachment.spot)));
        }
        let annotations: Vec<(Box<str>, Node)> = service
            .labels
            .iter()
            .chain(&service.annotations)
            .flat_map(|all| &all.value)
            .filter(|(key, _)| is_annotation(key))
            .map(|(key, text)| (key.clone(), self.text(text)))
            .collect();
        self.refuse_bad_annotations(name, service);
        let pull = match &self.settings.kubernetes.image_pull_secret {
            None => None,
            Some(ImagePullSecret::Named(secret)) => Some(Node::new(&*secret.value, secret.spot)),
            Some(ImagePullSecret::Created(credentials)) => {
                let key = Key::new(Subject::Application, Role::new("registry-credentials"));
                Some(Node::new(Value::Reference(Box::new(key), Part::Name), credentials.spot))
            }
        };
        let pull = pull.map(|pull| {
            let from = pull.from;
            let mut entry = Node::map(from);
            entry.set("name", pull);
            Node::new(vec![entry], from)
        });
        let grace = service.stop_grace_period.as_ref().map(|time| {
            Node::new(
                i64::try_from(time.value.as_secs() + u64::from(time.value.subsec_nanos() > 0)).unwrap_or(i64::MAX),
                time.spot,
            )
        });
        let host = |field: &Option<Located<Text>>| {
            field.as_ref().filter(|mode| mode.value.plain() == Some("host")).map(|mode| Node::new(true, mode.spot))
        };
        let host_network = host(&service.network_mode);
        let dns_policy = host_network.as_ref().map(|network| Node::new("ClusterFirstWithHostNet", network.from));
        let inner = context(
            "pod",
            vec![
                ("labels", Some(Node::new(Value::Map(labels), spot))),
                ("annotations", (!annotations.is_empty()).then(|| Node::new(Value::Map(annotations), spot))),
                ("imagePullSecrets", pull),
                ("initContainers", self.waiting(name, service)),
                ("containers", Some(Node::new(vec![container], spot))),
                ("restartPolicy", restart),
                ("terminationGracePeriodSeconds", grace),
                (
                    "hostname",
                    service.hostname.as_ref().map(|hostname| Node {
                        value: naming::slug(hostname.value.plain().unwrap_or_default(), 63).into(),
                        ..self.text(hostname)
                    }),
                ),
                ("hostAliases", self.host_aliases(name, service)),
                ("dnsPolicy", dns_policy),
                ("dnsConfig", self.dns(service)),
                ("hostNetwork", host_network),
                ("hostPID", host(&service.pid)),
                ("hostIPC", host(&service.ipc)),
                ("nodeSelector", self.node_selector(service)),
                ("affinity", self.affinity(name, service)),
                ("securityContext", self.pod_security(name, service)),
                ("volumes", mounts.volumes()),
            ],
        );
        self.fill("pod.yaml", &inner)
    }

    #[allow(clippy::too_many_arguments, reason = "each is a part of the container")]
    fn container(
        &mut self,
        name: &str,
        service: &Service,
        spot: Spot,
        image: &PinnedImage,
        inputs: Fingerprint,
        mounts: &Mounts,
        job: bool,
    ) -> Node {
        let probes = if job { super::probes::Probes::default() } else { self.probes(name, service, image) };
        let written = service.image.as_ref().map(|written| written.value.sources(written.spot, &self.project.origins));
        let image_from = self.project.origins.join([written.unwrap_or_default(), image.spot.into()]);
        let (command, arguments) = self.command(service, image);
        let pull = service.pull_policy.as_ref().and_then(|policy| {
            let word = match policy.value.plain()? {
                "always" => "Always",
                "never" => "Never",
                _ => "IfNotPresent",
            };
            Some(Node::new(word, policy.spot))
        });
        let flag = |field: &Option<Located<bool>>| {
            field.as_ref().filter(|flag| flag.value).map(|flag| Node::new(true, flag.spot))
        };
        let called = service.container_name.as_ref().map_or_else(
            || Node::new(naming::slug(name, 63), spot),
            |own| Node { value: naming::slug(own.value.plain().unwrap_or(name), 63).into(), ..self.text(own) },
        );
        let inner = context(
            "container",
            vec![
                ("name", Some(called)),
                ("image", Some(Node { value: Value::from(&*image.reference), from: image_from })),
                ("imagePullPolicy", pull),
                ("command", command),
                ("args", arguments),
                ("workingDir", service.working_dir.as_ref().map(|path| self.text(path))),
                ("envFrom", self.environment(name, service, inputs)),
                ("ports", self.container_ports(service, image)),
                ("resources", self.resources(service)),
                ("startupProbe", probes.startup),
                ("readinessProbe", probes.readiness),
                ("livenessProbe", probes.liveness),
                ("lifecycle", self.lifecycle(name, service)),
                ("securityContext", self.container_security(name, service)),
                ("stdin", flag(&service.stdin_open)),
                ("tty", flag(&service.tty)),
                ("volumeMounts", mounts.mounts()),
            ],
        );
        self.fill("container.yaml", &inner)
    }

    /// `entrypoint` and `command`. An entrypoint that is cleared takes the image's command as its own.
    fn command(&mut self, service: &Service, image: &PinnedImage) -> (Option<Node>, Option<Node>) {
        let words = |list: &Located<Vec<Located<Text>>>| {
            Node::new(
                list.value
                    .iter()
                    .map(|word| Node { value: escaped(&word.value).into(), ..self.text(word) })
                    .collect::<Vec<_>>(),
                list.spot,
            )
        };
        let arguments = service.command.as_ref().filter(|command| !command.value.is_empty()).map(words);
        match &service.entrypoint {
            Some(entrypoint) if entrypoint.value.is_empty() => {
                let theirs = image
                    .configuration
                    .as_ref()
                    .map(|configuration| configuration.command.as_slice())
                    .unwrap_or_default();
                let from = self.project.origins.add(Source::Image { reference: image.written.clone(), field: "Cmd" });
                let from = self.project.origins.union([from, entrypoint.spot]);
                let theirs = (!theirs.is_empty()).then(|| Node {
                    value: theirs.iter().map(|word| Node { value: (&**word).into(), from }).collect::<Vec<_>>().into(),
                    from,
                });
                (arguments.or(theirs), None)
            }
            Some(entrypoint) => (Some(words(entrypoint)), arguments),
            None => (None, arguments),
        }
    }

    fn container_security(&mut self, name: &str, service: &Service) -> Option<Node> {
        let flag = |field: &Option<Located<bool>>| {
            field.as_ref().filter(|flag| flag.value).map(|flag| Node::new(true, flag.spot))
        };
        let names = |list: &Option<Located<Vec<Located<Text>>>>| {
            list.as_ref().filter(|list| !list.value.is_empty()).map(|list| {
                let items = list.value.iter().map(|item| {
                    let plain = item.value.plain().unwrap_or_default().to_ascii_uppercase();
                    Node { value: plain.strip_prefix("CAP_").unwrap_or(&plain).into(), ..self.text(item) }
                });
                Node::new(items.collect::<Vec<_>>(), list.spot)
            })
        };
        let capabilities =
            some_map(vec![("add", names(&service.cap_add)), ("drop", names(&service.cap_drop))], Sources::NONE);
        let (mut user, mut group) = (None, None);
        if let Some(own) = &service.user {
            let text = own.value.plain().unwrap_or_default().to_owned();
            let (first, second) =
                text.split_once(':').map_or((text.as_str(), None), |(first, second)| (first, Some(second)));
            let from = own.value.sources(own.spot, &self.project.origins);
            let number = |word: &str| Some(Node { value: Value::Integer(word.parse().ok()?), from });
            (user, group) = (number(first), second.and_then(number));
            if user.is_none() || (second.is_some() && group.is_none()) {
                let words = format!("`{}` is not a number", own.value.masked());
                self.find(
                    &codes::USER_NAME,
                    words,
                    own.spot,
                    &format!("services.{name}.user"),
                    "write the numbers that the names have in the image",
                );
            }
        }
        let mut escalation = None;
        let (mut seccomp, mut apparmor, mut selinux, mut proc_mount) = (None, None, None, None);
        for option in service.security_opt.iter().flat_map(|all| &all.value) {
            let from = option.value.sources(option.spot, &self.project.origins);
            let text = option.value.plain().unwrap_or_default();
            let (key, value) = text.split_once(['=', ':']).unwrap_or((text, "true"));
            let profile = |value: &str| {
                let mut profile = Node::map(from);
                if value == "unconfined" {
                    profile.set("type", Node::new("Unconfined", from));
                } else {
                    profile.set("type", Node::new("Localhost", from));
                    profile.set("localhostProfile", Node::new(value, from));
                }
                profile
            };
            match key {
                "no-new-privileges" => escalation = Some(Node::new(value == "false", from)),
                "seccomp" => seccomp = Some(profile(value)),
                "apparmor" => apparmor = Some(profile(value)),
                "label" => {
                    let options = selinux.get_or_insert_with(|| Node::map(from));
                    match value.split_once(':') {
                        Some((part @ ("user" | "role" | "type" | "level"), word)) => {
                            options.set(part, Node::new(word, from));
                        }
                        _ => options.set("type", Node::new("spc_t", from)),
                    }
                }
                "systempaths" => proc_mount = Some(Node::new("Unmasked", from)),
                _ => {
                    let words = format!("the option `{}` cannot be said", option.value.masked());
                    self.find(
                        &codes::UNSUPPORTED,
                        words,
                        option.spot,
                        &format!("services.{name}.security_opt"),
                        "leave it out, or set it on the nodes",
                    );
                }
            }
        }
        some_map(
            vec![
                ("privileged", flag(&service.privileged)),
                ("runAsUser", user),
                ("runAsGroup", group),
                ("readOnlyRootFilesystem", flag(&service.read_only)),
                ("allowPrivilegeEscalation", escalation),
                ("capabilities", capabilities),
                ("seccompProfile", seccomp),
                ("appArmorProfile", apparmor),
                ("seLinuxOptions", selinux),
                ("procMount", proc_mount),
            ],
            Sources::NONE,
        )
    }

    fn pod_security(&mut self, name: &str, service: &Service) -> Option<Node> {
        let mut groups = Vec::new();
        for group in service.group_add.iter().flat_map(|all| &all.value) {
            if let Some(id) = group.value.plain().and_then(|text| text.parse::<i64>().ok()) {
                groups.push(Node::new(id, group.spot))
            } else {
                let words = format!("`{}` is not a number", group.value.masked());
                self.find(
                    &codes::USER_NAME,
                    words,
                    group.spot,
                    &format!("services.{name}.group_add"),
                    "write the number that the group has in the image",
                );
            }
        }
        let sysctls = service.sysctls.as_ref().map(|all| {
            let items = all.value.iter().map(|(key, text)| {
                let mut item = Node::map(text.spot);
                item.set("name", Node::new(&**key, text.spot));
                item.set("value", self.text(text));
                item
            });
            Node::new(items.collect::<Vec<_>>(), all.spot)
        });
        let groups = (!groups.is_empty()).then(|| Node::new(groups, Sources::NONE));
        some_map(vec![("supplementalGroups", groups), ("sysctls", sysctls)], Sources::NONE)
    }

    fn lifecycle(&mut self, name: &str, service: &Service) -> Option<Node> {
        let mut hook = |list: &Option<Located<Vec<Located<crate::compose::model::Hook>>>>, key: &str| {
            let list = list.as_ref().filter(|list| !list.value.is_empty())?;
            let (first, rest) = list.value.split_first()?;
            if !rest.is_empty() {
                self.findings.push(
                    crate::diagnostic::Finding::new(
                        &codes::UNSUPPORTED,
                        "one hook is all that can be said; the first is kept".into(),
                        list.spot,
                    )
                    .at(format!("services.{name}.{key}"))
                    .help("join them to one command"),
                );
            }
            let command = first.value.command.as_ref()?;
            let mut exec = Node::map(first.spot);
            exec.set("command", self.texts(command));
            let mut outer = Node::map(first.spot);
            outer.set("exec", exec);
            Some(outer)
        };
        let (start, stop) = (hook(&service.post_start, "post_start"), hook(&service.pre_stop, "pre_stop"));
        some_map(vec![("postStart", start), ("preStop", stop)], Sources::NONE)
    }

    fn host_aliases(&mut self, name: &str, service: &Service) -> Option<Node> {
        let mut by_address: std::collections::BTreeMap<String, Vec<Node>> = std::collections::BTreeMap::new();
        for (host, addresses) in service.extra_hosts.iter().flat_map(|all| &all.value) {
            for address in &addresses.value {
                let text = address.value.plain().unwrap_or_default().to_owned();
                if text == "host-gateway" {
                    let words = format!("`host-gateway` for {host} cannot be said");
                    self.find(
                        &codes::UNSUPPORTED,
                        words,
                        address.spot,
                        &format!("services.{name}.extra_hosts"),
                        "name the address",
                    );
                    continue;
                }
                by_address.entry(text).or_default().push(Node { value: (&**host).into(), ..self.text(address) });
            }
        }
        let items: Vec<Node> = by_address
            .into_iter()
            .map(|(address, hosts)| {
                let from = self.project.origins.join(hosts.iter().map(|host| host.from));
                let mut item = Node::map(from);
                item.set("ip", Node::new(address, from));
                item.set("hostnames", Node::new(hosts, from));
                item
            })
            .collect();
        (!items.is_empty()).then(|| Node::new(items, Sources::NONE))
    }

    fn dns(&self, service: &Service) -> Option<Node> {
        let list = |list: &Option<Located<Vec<Located<Text>>>>| {
            list.as_ref().filter(|list| !list.value.is_empty()).map(|list| self.texts(list))
        };
        let options = service.dns_opt.as_ref().filter(|list| !list.value.is_empty()).map(|list| {
            let items = list.value.iter().map(|option| {
                let text = option.value.plain().unwrap_or_default();
                let mut item = Node::map(option.spot);
                let (name, value) = text.split_once(':').map_or((text, None), |(name, value)| (name, Some(value)));
                item.set("name", Node { value: name.into(), ..self.text(option) });
                if let Some(value) = value {
                    item.set("value", Node::new(value, option.spot));
                }
                item
            });
            Node::new(items.collect::<Vec<_>>(), list.spot)
        });
        some_map(
            vec![("nameservers", list(&service.dns)), ("searches", list(&service.dns_search)), ("options", options)],
            Sources::NONE,
        )
    }

    fn node_selector(&self, service: &Service) -> Option<Node> {
        let platform = service.platform.as_ref()?;
        let from = platform.value.sources(platform.spot, &self.project.origins);
        let mut parts = platform.value.plain()?.split('/');
        let (system, architecture) = (parts.next(), parts.next());
        let mut map = Node::map(from);
        if let Some(system) = system {
            map.set("kubernetes.io/os", Node::new(system, from));
        }
        if let Some(architecture) = architecture {
            map.set("kubernetes.io/arch", Node::new(architecture, from));
        }
        Some(map)
    }

    fn affinity(&mut self, name: &str, service: &Service) -> Option<Node> {
        let placement = service.deploy.as_ref()?.value.placement.as_ref()?;
        let mut expressions = Vec::new();
        for constraint in placement.value.constraints.iter().flat_map(|all| &all.value) {
            let from = constraint.value.sources(constraint.spot, &self.project.origins);
            let text = constraint.value.plain().unwrap_or_default().to_owned();
            let parsed = text
                .split_once("==")
                .map(|parts| (parts, "In"))
                .or_else(|| text.split_once("!=").map(|parts| (parts, "NotIn")));
            let expression = parsed.and_then(|((key, value), operator)| {
                let (key, value) = (key.trim(), value.trim());
                let label = match key {
                    "node.hostname" => "kubernetes.io/hostname".to_owned(),
                    "node.platform.os" => "kubernetes.io/os".to_owned(),
                    "node.platform.arch" => "kubernetes.io/arch".to_owned(),
                    "node.role" => "node-role.kubernetes.io/control-plane".to_owned(),
                    _ => key.strip_prefix("node.labels.").or_else(|| key.strip_prefix("engine.labels."))?.to_owned(),
                };
                let mut expression = Node::map(from);
                expression.set("key", Node::new(label, from));
                if key == "node.role" {
                    let manager = (value == "manager") == (operator == "In");
                    expression.set("operator", Node::new(if manager { "Exists" } else { "DoesNotExist" }, from));
                } else {
                    expression.set("operator", Node::new(operator, from));
                    expression.set("values", Node::new(vec![Node::new(value, from)], from));
                }
                Some(expression)
            });
            if let Some(expression) = expression {
                expressions.push(expression)
            } else {
                let words = format!("the constraint `{}` cannot be said", constraint.value.masked());
                let at = format!("services.{name}.deploy.placement.constraints");
                self.find(&codes::UNSUPPORTED, words, constraint.spot, &at, "use a label of the nodes");
            }
        }
        if expressions.is_empty() {
            return None;
        }
        let from = placement.spot;
        let mut term = Node::map(from);
        term.set("matchExpressions", Node::new(expressions, from));
        let mut required = Node::map(from);
        required.set("nodeSelectorTerms", Node::new(vec![term], from));
        let mut node = Node::map(from);
        node.set("requiredDuringSchedulingIgnoredDuringExecution", required);
        let mut affinity = Node::map(from);
        affinity.set("nodeAffinity", node);
        Some(affinity)
    }

    /// Files cannot wait: what is needed is said, once per service.
    fn waiting(&mut self, name: &str, service: &Service) -> Option<Node> {
        let dependencies = service.depends_on.as_ref().filter(|all| !all.value.is_empty())?;
        if self.settings.files {
            let words = format!("`{name}` waits for nothing there: it is restarted until what it needs is there");
            self.find(
                &codes::ORDER,
                words,
                dependencies.spot,
                &format!("services.{name}.depends_on"),
                "let the container wait by itself where that matters",
            );
        }
        None
    }

    fn refuse_bad_annotations(&mut self, name: &str, service: &Service) {
        for (list, kind) in [(&service.labels, "labels"), (&service.annotations, "annotations")] {
            for (key, text) in list.iter().flat_map(|all| &all.value) {
                if !is_annotation(key) {
                    let words = format!("`{key}` cannot be the name of an annotation");
                    self.find(
                        &codes::INVALID_NAME,
                        words,
                        text.spot,
                        &format!("services.{name}.{kind}"),
                        "use letters, digits, `-`, `_`, `.` and one `/`",
                    );
                }
            }
        }
    }
}

/// `[prefix/]name`, by the rules of Kubernetes.
fn is_annotation(key: &str) -> bool {
    let (prefix, name) = key.split_once('/').map_or((None, key), |(prefix, name)| (Some(prefix), name));
    let word = |text: &str| {
        !text.is_empty()
            && text.len() <= 63
            && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(&b))
            && text.bytes().next().is_some_and(|b| b.is_ascii_alphanumeric())
            && text.bytes().last().is_some_and(|b| b.is_ascii_alphanumeric())
    };
    word(name)
        && prefix.is_none_or(|prefix| {
            !prefix.is_empty()
                && prefix.len() <= 253
                && prefix.split('.').all(word)
                && prefix == prefix.to_ascii_lowercase()
        })
}

/// `$(NAME)` would be replaced by Kubernetes; `$$(NAME)` is not.
fn escaped(text: &Text) -> Text {
    if !text.raw().contains("$(") {
        return text.clone();
    }
    let mut builder = crate::value::TextBuilder::default();
    for (piece, mark) in text.pieces() {
        let piece = piece.replace("$(", "$$(");
        match mark {
            Some((spot, secret)) => builder.push_marked(&piece, spot, secret),
            None => builder.push(&piece),
        }
    }
    builder.finish()
}
