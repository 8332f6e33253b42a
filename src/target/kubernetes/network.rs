//! Names and ports under which services are reached, and who may reach them.

use super::{object::Object, translate::Translator};
use crate::{
    compose::model::Service,
    image::PinnedImage,
    target::{
        Publish, codes, naming,
        parts::{context, some_map, sorted},
    },
    value::{Called, Fingerprint, Key, Located, Name, Node, Role, Source, Sources, Spot, Subject, Text, Value},
};

/// A port of a container.
#[derive(Clone, Debug)]
struct Port {
    number: i64,
    protocol: String,
    name: Option<String>,
    application: Option<Node>,
    from: Sources,
    host: Option<Node>,
    /// Whether it is to be reached from outside.
    published: Option<Node>,
}

/// A further name under which a service is reached.
struct Alias {
    name: String,
    spot: Spot,
    /// The path of what says so.
    at: String,
}

impl Port {
    fn called(&self) -> String {
        self.name.clone().unwrap_or_else(|| format!("p-{}-{}", self.number, self.protocol))
    }
}

impl Translator<'_> {
    /// Every port of a service: published, exposed, and those the image says.
    fn ports(&self, service: &Service, image: &PinnedImage) -> Vec<Port> {
        let mut found: Vec<Port> = Vec::new();
        let mut add = |port: Port, origins: &crate::value::Origins| match found
            .iter_mut()
            .find(|known| known.number == port.number && known.protocol == port.protocol)
        {
            Some(known) => {
                known.from = origins.join([known.from, port.from]);
                known.name = known.name.take().or(port.name);
                known.application = known.application.take().or(port.application);
                known.host = known.host.take().or(port.host);
                known.published = known.published.take().or(port.published);
            }
            None => found.push(port),
        };
        let origins = &self.project.origins;
        for port in service.ports.iter().flat_map(|all| &all.value) {
            let value = &port.value;
            let Some(target) = &value.target else { continue };
            let spots = [
                Some(port.spot),
                Some(target.spot),
                value.protocol.as_ref().map(|part| part.spot),
                value.published.as_ref().map(|part| part.spot),
                value.mode.as_ref().map(|part| part.spot),
                value.host_ip.as_ref().map(|part| part.spot),
                value.name.as_ref().map(|part| part.spot),
                value.app_protocol.as_ref().map(|part| part.spot),
            ];
            let from = origins.union(spots.into_iter().flatten());
            let published = value.published.as_ref().and_then(|published| {
                let number: i64 = published.value.plain()?.parse().ok()?;
                let local = value
                    .host_ip
                    .as_ref()
                    .and_then(|ip| ip.value.plain())
                    .is_some_and(|ip| ip.starts_with("127.") || ip == "::1");
                (!local).then_some(Node { value: Value::Integer(number), from })
            });
            let host = value.mode.as_ref().filter(|mode| mode.value.plain() == Some("host")).and(published.clone());
            add(
                Port {
                    number: target.value,
                    protocol: value
                        .protocol
                        .as_ref()
                        .and_then(|protocol| protocol.value.plain())
                        .unwrap_or("tcp")
                        .to_owned(),
                    name: value.name.as_ref().and_then(|name| name.value.plain()).map(|name| naming::slug(name, 15)),
                    application: value.app_protocol.as_ref().map(|protocol| self.text(protocol)),
                    from,
                    host,
                    published,
                },
                origins,
            );
        }
        let mut plain = |text: &str, from: Sources| {
            let (numbers, protocol) = text.split_once('/').unwrap_or((text, "tcp"));
            let (first, last) = numbers.split_once('-').unwrap_or((numbers, numbers));
            let (Ok(first), Ok(last)) = (first.parse::<i64>(), last.parse::<i64>()) else { return };
            for number in first..=last.min(first + 1000) {
                let port = Port {
                    number,
                    protocol: protocol.to_ascii_lowercase(),
                    name: None,
                    application: None,
                    from,
                    host: None,
                    published: None,
                };
                add(port, origins);
            }
        };
        for item in service.expose.iter().flat_map(|all| &all.value) {
            plain(item.value.plain().unwrap_or_default(), item.value.sources(item.spot, origins));
        }
        for (number, protocol) in image.configuration.iter().flat_map(|configuration| &configuration.exposed_ports) {
            let spot = origins.add(Source::Image { reference: image.written.clone(), field: "ExposedPorts" });
            plain(&format!("{number}/{protocol}"), spot.into());
        }
        found
    }

    /// The first port that can be waited for.
    pub(super) fn first_port(&self, service: &Service, image: &PinnedImage) -> Option<i64> {
        self.ports(service, image).iter().find(|port| port.protocol == "tcp").map(|port| port.number)
    }

    pub(super) fn container_ports(&mut self, name: &str, service: &Service, image: &PinnedImage) -> Option<Node> {
        let ports = self.ports(service, image);
        self.stay_inside(name, service);
        let items: Vec<Node> = ports
            .iter()
            .map(|port| {
                some_map(
                    vec![
                        ("name", Some(Node { value: port.called().into(), from: port.from })),
                        ("containerPort", Some(Node { value: Value::Integer(port.number), from: port.from })),
                        ("protocol", Some(Node { value: port.protocol.to_ascii_uppercase().into(), from: port.from })),
                        ("hostPort", port.host.clone()),
                    ],
                    port.from,
                )
                .unwrap_or_default()
            })
            .collect();
        (!items.is_empty()).then(|| Node::new(items, Sources::NONE))
    }

    /// Published ports that are reached from inside only.
    fn stay_inside(&mut self, name: &str, service: &Service) {
        let publish = self.publishing(name).map(|publish| publish.value).unwrap_or_default();
        let ports: Vec<_> = service.ports.iter().flat_map(|all| &all.value).cloned().collect();
        for (index, port) in ports.iter().enumerate() {
            let value = &port.value;
            let at = format!("services.{name}.ports[{index}]");
            let word = |field: &Option<Located<Text>>| {
                field.as_ref().and_then(|field| field.value.plain()).unwrap_or_default().to_owned()
            };
            let (published, address, mode) = (word(&value.published), word(&value.host_ip), word(&value.mode));
            let host = mode == "host";
            if !["", "ingress", "host"].contains(&mode.as_str())
                && let Some(mode) = &value.mode
            {
                let words = format!("`{}` is no way to publish a port", mode.value.masked());
                self.find(&codes::UNSUPPORTED, words, mode.spot, &format!("{at}.mode"), "write `ingress` or `host`");
            }
            let number = value.target.as_ref().map(|target| target.value).unwrap_or_default();
            let local = address.starts_with("127.") || address == "::1";
            let spots = [&value.published, &value.host_ip].into_iter().flatten().map(|part| part.spot);
            let spots: Vec<Spot> = [port.spot].into_iter().chain(spots).collect();
            let fixed = published.parse::<i64>().is_ok();
            if local || !fixed || (publish == Publish::None && !host) {
                let shown = if published.is_empty() { String::new() } else { format!(" as {published}") };
                let words = format!("port {number} of `{name}` is reached inside the cluster, not from outside{shown}");
                let help = if local || !fixed {
                    "publish a port of its own number on all addresses where it is to be reached from outside"
                } else {
                    "set `publish` for the environment or the service"
                };
                self.find_covering(&codes::NOT_PUBLISHED, words, &spots, &at, help);
            } else if !address.is_empty() && address != "0.0.0.0" && address != "::" {
                let words = format!("port {number} of `{name}` is reached on all addresses, not only on {address}");
                self.find_covering(
                    &codes::UNSUPPORTED,
                    words,
                    &spots,
                    &at,
                    "choose the address where the traffic comes in",
                );
            }
        }
    }

    /// How the published ports of a service leave the cluster.
    fn publishing(&self, name: &str) -> Option<Located<Publish>> {
        let own = self.settings.services.get(name).and_then(|settings| settings.publish);
        own.or(self.settings.kubernetes.publish)
    }

    /// The Service under the service's own name, those of its aliases, and the published one.
    pub(super) fn services(
        &mut self,
        name: &str,
        service: &Service,
        spot: Spot,
        image: &PinnedImage,
        inputs: Fingerprint,
    ) {
        let ports = self.ports(service, image);
        if self.is_job(name) && ports.is_empty() {
            return;
        }
        if service.network_mode.as_ref().and_then(|mode| mode.value.plain()) == Some("none") {
            return;
        }
        let headless = ports.is_empty()
            || service
                .deploy
                .as_ref()
                .and_then(|deploy| deploy.value.endpoint_mode.as_ref())
                .is_some_and(|mode| mode.value.plain() == Some("dnsrr"));
        let mode = service.deploy.as_ref().and_then(|deploy| deploy.value.endpoint_mode.as_ref()).map(|mode| mode.spot);
        let from = self.project.origins.union([Some(spot), mode].into_iter().flatten());
        let key = Key::new(Subject::Service(name.into()), Role::new("discovery"));
        self.service_object(key, &naming::slug(name, 63), name, &ports, headless, None, from, spot, inputs);
        self.taken.entry(naming::slug(name, 63)).or_insert_with(|| name.into());
        for Alias { name: alias, spot: alias_spot, at } in self.aliases(name, service) {
            let slugged = naming::slug(&alias, 63);
            let named = self.project.services.keys().find(|other| naming::slug(other, 63) == slugged).cloned();
            if let Some(other) = named.or_else(|| self.taken.get(&slugged).cloned()) {
                let (code, words) = if &*other == name {
                    (&codes::APPROXIMATED, format!("`{alias}` is a name of `{name}` already"))
                } else {
                    (&codes::UNSUPPORTED, format!("`{alias}` leads to `{other}`, and cannot lead to `{name}` as well"))
                };
                self.find(code, words, alias_spot, &at, "choose another name");
                continue;
            }
            if slugged != alias {
                let words = format!("the alias `{alias}` is called `{slugged}` there");
                self.find(&codes::NAME_CHANGED, words, alias_spot, &at, "check the addresses that name it");
            }
            let key = Key::new(Subject::Service(format!("{name}/{alias}").into()), Role::new("alias"));
            self.service_object(key, &slugged, name, &ports, headless, None, alias_spot.into(), alias_spot, inputs);
            self.taken.insert(slugged, name.into());
        }
        self.publish(name, &ports, spot, inputs);
    }

    /// Further names of a service: those on its networks, its container's, and those that others link to it by.
    fn aliases(&self, name: &str, service: &Service) -> Vec<Alias> {
        let mut aliases = Vec::new();
        for (network, attachment) in service.networks.iter().flat_map(|all| sorted(&all.value)) {
            for alias in attachment.value.aliases.iter().flat_map(|all| &all.value) {
                aliases.push(Alias {
                    name: alias.value.plain().unwrap_or_default().to_owned(),
                    spot: alias.spot,
                    at: format!("services.{name}.networks.{network}.aliases"),
                });
            }
        }
        if let Some(own) = service.container_name.as_ref().filter(|own| own.value.plain() != Some(name)) {
            aliases.push(Alias {
                name: own.value.plain().unwrap_or_default().to_owned(),
                spot: own.spot,
                at: format!("services.{name}.container_name"),
            });
        }
        for (other, linking) in sorted(&self.project.services) {
            for link in linking.value.links.iter().flat_map(|all| &all.value) {
                let Some((target, alias)) = link.value.plain().and_then(|text| text.split_once(':')) else { continue };
                let known = aliases.iter().any(|known: &Alias| known.name == alias);
                if target == name && alias != name && !known {
                    let at = format!("services.{other}.links");
                    aliases.push(Alias { name: alias.to_owned(), spot: link.spot, at });
                }
            }
        }
        aliases
    }

    fn publish(&mut self, name: &str, ports: &[Port], spot: Spot, inputs: Fingerprint) {
        let Some(publish) = self.publishing(name) else { return };
        let published: Vec<Port> =
            ports.iter().filter(|port| port.published.is_some() && port.host.is_none()).cloned().collect();
        let kind = match publish.value {
            Publish::None => return,
            Publish::NodePort => "NodePort",
            Publish::LoadBalancer => "LoadBalancer",
        };
        if published.is_empty() {
            return;
        }
        let key = Key::new(Subject::Service(name.into()), Role::new("published"));
        let called = naming::slug(&format!("{name}-published"), 63);
        let kind = Node::new(kind, publish.spot);
        self.service_object(key, &called, name, &published, false, Some(kind), spot.into(), spot, inputs);
    }

    pub(super) fn governing_service(&mut self, name: &str, spot: Spot, inputs: Fingerprint) {
        let key = Key::new(Subject::Service(name.into()), Role::new("governing"));
        let called = naming::slug(&format!("{name}-members"), 63);
        self.service_object(key, &called, name, &[], true, None, spot.into(), spot, inputs);
    }

    #[allow(clippy::too_many_arguments, reason = "each is a field of the Service")]
    fn service_object(
        &mut self,
        key: Key,
        called: &str,
        name: &str,
        ports: &[Port],
        headless: bool,
        kind: Option<Node>,
        from: Sources,
        spot: Spot,
        inputs: Fingerprint,
    ) {
        let outside = kind.is_some();
        let items: Vec<Node> = ports
            .iter()
            .map(|port| {
                let number = if outside { port.published.clone() } else { None };
                let target = Node { value: Value::Integer(port.number), from: port.from };
                some_map(
                    vec![
                        ("name", Some(Node { value: port.called().into(), from: port.from })),
                        ("port", Some(number.unwrap_or_else(|| target.clone()))),
                        ("targetPort", Some(target)),
                        ("protocol", Some(Node { value: port.protocol.to_ascii_uppercase().into(), from: port.from })),
                        ("appProtocol", port.application.clone()),
                    ],
                    port.from,
                )
                .unwrap_or_default()
            })
            .collect();
        let inner = context(
            "service",
            vec![
                ("type", kind.or_else(|| Some(Node { value: "ClusterIP".into(), from }))),
                ("clusterIP", headless.then(|| Node { value: "None".into(), from })),
                ("selector", Some(self.service_selector(name, spot))),
                ("ports", (!items.is_empty()).then(|| Node { value: items.into(), from })),
            ],
        );
        let object = Object::new(key, "v1/Service", Called::Now(called.into()), "service.yaml", spot).of(name, inputs);
        self.add(object, inner);
    }

    /// Who may talk to whom, when the file says so: several networks, or an internal one.
    pub(super) fn policies(&mut self, wanted: &[Name]) {
        let internal = self
            .project
            .networks
            .values()
            .any(|network| network.value.internal.as_ref().is_some_and(|flag| flag.value));
        self.cut_off(wanted);
        let say = self.settings.kubernetes.network_policy.as_ref().map(|say| say.value);
        if !say.unwrap_or(internal || self.project.networks.len() > 1) {
            for (network, declared) in sorted(&self.project.networks) {
                let labels = declared.value.labels.iter().flat_map(|labels| &labels.value).map(|(_, text)| text.spot);
                let flag = declared.value.internal.as_ref().map(|flag| flag.spot);
                let spots: Vec<Spot> = labels.chain(flag).collect();
                if !spots.is_empty() {
                    let words = format!("there is no policy of the network `{network}` that could say this");
                    let at = format!("networks.{network}.{}", if flag.is_some() { "internal" } else { "labels" });
                    self.find_covering(&codes::UNSUPPORTED, words, &spots, &at, "set `networkPolicy: true`");
                }
            }
            return;
        }
        for (network, declared) in sorted(&self.project.networks) {
            let label = format!("network.transship.dev/{}", naming::slug(network, 63));
            let flag = declared.value.internal.as_ref().filter(|flag| flag.value);
            let from =
                self.project.origins.union([Some(declared.spot), flag.map(|flag| flag.spot)].into_iter().flatten());
            let instance = self.instance();
            let labelled = || {
                let mut labels = Node::map(from);
                // Another application in the namespace may have a network of the same name.
                labels.set("app.kubernetes.io/instance", Node { value: instance.clone().into(), from });
                labels.set(label.as_str(), Node { value: "".into(), from });
                labels
            };
            let peer = || {
                let mut selector = Node::map(from);
                selector.set("matchLabels", labelled());
                let mut peer = Node::map(from);
                peer.set("podSelector", selector);
                peer
            };
            let mut ingress = Node::map(from);
            ingress.set("from", Node { value: vec![peer()].into(), from });
            let mut types = vec![Node { value: "Ingress".into(), from }];
            let egress = flag.map(|_| {
                types.push(Node { value: "Egress".into(), from });
                let mut to = Node::map(from);
                to.set("to", Node { value: vec![peer()].into(), from });
                let dns = ["UDP", "TCP"].map(|protocol| {
                    let mut port = Node::map(from);
                    port.set("protocol", Node { value: protocol.into(), from });
                    port.set("port", Node { value: Value::Integer(53), from });
                    port
                });
                let mut names = Node::map(from);
                names.set("ports", Node { value: dns.to_vec().into(), from });
                Node { value: vec![to, names].into(), from }
            });
            let key = Key::new(Subject::Network(network.clone()), Role::new("policy"));
            let called = Called::Now(naming::slug(&format!("network-{network}"), 63).into());
            let mut object =
                Object::new(key, "networking.k8s.io/v1/NetworkPolicy", called, "networkpolicy.yaml", declared.spot);
            object
                .annotations
                .extend(self.annotations(declared.value.labels.as_ref(), &format!("networks.{network}.labels")));
            let inner = context(
                "policy",
                vec![
                    ("selector", Some(labelled())),
                    ("types", Some(Node { value: types.into(), from })),
                    ("ingress", Some(Node { value: vec![ingress].into(), from })),
                    ("egress", egress),
                ],
            );
            self.add(object, inner);
        }
        self.open_published(wanted);
    }

    /// `network_mode: none`: a policy that lets nothing in and nothing out.
    fn cut_off(&mut self, wanted: &[Name]) {
        for name in wanted {
            let Some(service) = self.project.services.get(name) else { continue };
            let Some(mode) = service.value.network_mode.as_ref().filter(|mode| mode.value.plain() == Some("none"))
            else {
                continue;
            };
            let spot = mode.spot;
            let key = Key::new(Subject::Service(name.clone()), Role::new("isolation"));
            let called = Called::Now(naming::slug(&format!("{name}-isolated"), 63).into());
            let object = Object::new(key, "networking.k8s.io/v1/NetworkPolicy", called, "networkpolicy.yaml", spot)
                .of(name, Fingerprint::of_bytes(b"none"));
            let selector = self.service_selector(name, spot);
            let types = vec![Node::new("Ingress", spot), Node::new("Egress", spot)];
            let inner = context(
                "policy",
                vec![
                    ("selector", Some(selector)),
                    ("types", Some(Node::new(types, spot))),
                    ("ingress", None),
                    ("egress", None),
                ],
            );
            self.add(object, inner);
        }
    }

    /// Published ports are open to everybody.
    fn open_published(&mut self, wanted: &[Name]) {
        for name in wanted {
            let Some(service) = self.project.services.get(name) else { continue };
            let ports: Vec<Node> = service
                .value
                .ports
                .iter()
                .flat_map(|all| &all.value)
                .filter_map(|port| {
                    let from = port.spot;
                    let mut node = Node::map(from);
                    let protocol =
                        port.value.protocol.as_ref().and_then(|protocol| protocol.value.plain()).unwrap_or("tcp");
                    node.set("protocol", Node::new(protocol.to_ascii_uppercase(), from));
                    node.set("port", Node::new(port.value.target.as_ref()?.value, from));
                    Some(node)
                })
                .collect();
            if ports.is_empty() {
                continue;
            }
            let spot = service.value.ports.as_ref().map_or(service.spot, |ports| ports.spot);
            let selector = self.service_selector(name, spot);
            let mut ingress = Node::map(spot);
            ingress.set("ports", Node::new(ports, spot));
            let key = Key::new(Subject::Service(name.clone()), Role::new("policy"));
            let called = Called::Now(naming::slug(&format!("{name}-published"), 63).into());
            let object = Object::new(key, "networking.k8s.io/v1/NetworkPolicy", called, "networkpolicy.yaml", spot)
                .of(name, Fingerprint::of_bytes(b""));
            let inner = context(
                "policy",
                vec![
                    ("selector", Some(selector)),
                    ("types", Some(Node::new(vec![Node::new("Ingress", spot)], spot))),
                    ("ingress", Some(Node::new(vec![ingress], spot))),
                    ("egress", None),
                ],
            );
            self.add(object, inner);
        }
    }
}
