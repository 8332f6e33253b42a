//! The pod and its container.

use super::{storage::Mounts, translate::Translator};
use crate::{
    compose::model::Service,
    image::PinnedImage,
    target::{
        ImagePullSecret, codes, naming,
        parts::{context, some_map, sorted},
    },
    value::{Fingerprint, Key, Located, Node, Part, Role, Source, Sources, Spot, Subject, Text, Value},
};

use super::object::SERVICE;

impl Translator<'_> {
    /// The pod template of a service; `restart`: by which word it is restarted, and whether it runs to its end.
    pub(super) fn pod(
        &mut self,
        name: &str,
        service: &Service,
        spot: Spot,
        image: &PinnedImage,
        inputs: Fingerprint,
        restart: (Option<Node>, bool),
    ) -> Node {
        let (restart, job) = restart;
        let mounts = self.mounts(name, service);
        let variables = self.environment(name, service, inputs);
        let container = self.container(name, service, spot, image, variables.clone(), &mounts, job);
        let before = self.init_containers(name, service, spot, variables.as_ref(), &mounts, inputs);
        self.namespaces(name, service);
        let mut labels = self.labels(Some(name), spot);
        labels.push((SERVICE.into(), Node::new(naming::slug(name, 63), spot)));
        for (network, attachment) in service.networks.iter().flat_map(|all| &all.value) {
            let label = format!("network.transship.dev/{}", naming::slug(network, 63));
            labels.push((label.into(), Node::new("", attachment.spot)));
        }
        let mut annotations = Node::map(spot);
        let labelled = self.annotations(service.labels.as_ref(), &format!("services.{name}.labels"));
        let annotated = self.annotations(service.annotations.as_ref(), &format!("services.{name}.annotations"));
        for (key, text) in labelled.into_iter().chain(annotated) {
            // Where both say something, the annotation counts, and the label is part of why.
            let below = annotations.get(&key).map(|below| below.from).unwrap_or_default();
            let from = self.project.origins.join([text.from, below]);
            annotations.set(key, Node { from, ..text });
        }
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
                ("annotations", (!annotations.entries().is_empty()).then_some(annotations)),
                ("imagePullSecrets", pull),
                ("initContainers", before),
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
                ("nodeSelector", self.node_selector(name, service)),
                ("affinity", self.affinity(name, service)),
                ("topologySpreadConstraints", self.spread(name, service)),
                ("securityContext", self.pod_security(name, service)),
                ("volumes", mounts.volumes()),
            ],
        );
        self.fill("pod.yaml", &inner)
    }

    #[allow(clippy::too_many_arguments, reason = "each is a part of the container")]
    pub(super) fn container(
        &mut self,
        name: &str,
        service: &Service,
        spot: Spot,
        image: &PinnedImage,
        variables: Option<Node>,
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
                ("envFrom", variables),
                ("ports", self.container_ports(name, service, image)),
                ("resources", self.resources(name, service)),
                ("startupProbe", probes.startup),
                ("readinessProbe", probes.readiness),
                ("livenessProbe", probes.liveness),
                ("lifecycle", self.lifecycle(name, service)),
                ("securityContext", self.container_security(name, service, image)),
                ("stdin", flag(&service.stdin_open)),
                ("tty", flag(&service.tty)),
                ("volumeMounts", mounts.mounts()),
            ],
        );
        let mut container = self.fill("container.yaml", &inner);
        // What takes something away from the container stands nowhere in it.
        let absent = service.healthcheck.iter().flat_map(|check| {
            let value = &check.value;
            let words = value.test.iter().flat_map(|test| &test.value).map(|word| word.spot);
            let times = [&value.interval, &value.timeout, &value.start_period, &value.start_interval];
            let times = times.into_iter().flatten().map(|time| time.spot);
            let others = [value.disable.as_ref().map(|flag| flag.spot), value.retries.as_ref().map(|count| count.spot)];
            words.chain(times).chain(others.into_iter().flatten()).collect::<Vec<_>>()
        });
        let emptied = [&service.command, &service.entrypoint].into_iter().flatten().map(|list| list.spot);
        let absent = self.project.origins.union(absent.chain(emptied));
        container.from = self.project.origins.join([container.from, absent]);
        container
    }

    /// Namespaces of Linux that are shared with something.
    fn namespaces(&mut self, name: &str, service: &Service) {
        for (field, key) in [(&service.pid, "pid"), (&service.ipc, "ipc")] {
            let Some(mode) = field else { continue };
            let (code, words) = match mode.value.plain() {
                Some("host") => continue,
                Some("private") => (&codes::APPROXIMATED, format!("`{name}` has a namespace of its own in any case")),
                _ => (&codes::UNSUPPORTED, format!("`{}` is not shared with `{name}`", mode.value.masked())),
            };
            let at = format!("services.{name}.{key}");
            self.find(code, words, mode.spot, &at, "only `host` can be shared");
        }
        let Some(mode) = &service.network_mode else { return };
        let (code, words) = match mode.value.plain().unwrap_or_default() {
            "host" | "none" => return,
            other if other.starts_with("service:") || other.starts_with("container:") => (
                &codes::REFUSED,
                format!("`{name}` would reach the world in its own way, and not through `{}`", mode.value.masked()),
            ),
            _ => (&codes::APPROXIMATED, format!("`{name}` is on the one network of the cluster")),
        };
        let help = "give them networks of their own, or run both programs in one image";
        self.find(code, words, mode.spot, &format!("services.{name}.network_mode"), help);
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

    fn container_security(&mut self, name: &str, service: &Service, image: &PinnedImage) -> Option<Node> {
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
            let number = |word: &str| Some(Node { value: Value::Integer(identifier(word)?), from });
            (user, group) = (number(first), second.and_then(number));
            let there = image.configuration.as_ref().and_then(|theirs| *theirs.user_ids.get(&*text)?);
            let missing = user.is_none() || (second.is_some() && group.is_none());
            if let (true, Some(account)) = (missing, there) {
                // The lock has the numbers that the names have in the image.
                let place = Source::Image { reference: image.written.clone(), field: "User" };
                let place = self.project.origins.add(place);
                let from = self.project.origins.join([from, place.into()]);
                let number = |number: u32| Some(Node { value: Value::Integer(number.into()), from });
                (user, group) = (number(account.user), number(account.group));
            } else if missing {
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
        let (mut seccomp, mut apparmor, mut selinux) = (None, None, None);
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
            ],
            Sources::NONE,
        )
    }

    fn pod_security(&mut self, name: &str, service: &Service) -> Option<Node> {
        let mut groups = Vec::new();
        for group in service.group_add.iter().flat_map(|all| &all.value) {
            if let Some(id) = group.value.plain().and_then(identifier) {
                groups.push(Node::new(id, group.spot));
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
            let items = sorted(&all.value).into_iter().map(|(key, text)| {
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

    fn host_aliases(&mut self, name: &str, service: &Service) -> Option<Node> {
        let mut by_address: std::collections::BTreeMap<String, Vec<Node>> = std::collections::BTreeMap::new();
        for (host, addresses) in service.extra_hosts.iter().flat_map(|all| sorted(&all.value)) {
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
}

/// The number of a user or group. Of all names one means the same everywhere.
fn identifier(word: &str) -> Option<i64> {
    if word == "root" { Some(0) } else { word.parse().ok() }
}

/// `$(NAME)` would be replaced by Kubernetes; `$$(NAME)` is not.
pub(super) fn escaped(text: &Text) -> Text {
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
