//! On which nodes a pod may run.

use super::translate::Translator;
use crate::{
    compose::model::Service,
    target::{codes, parts::some_map},
    value::{Node, Value},
};

const CONTROL_PLANE: &str = "node-role.kubernetes.io/control-plane";

impl Translator<'_> {
    pub(super) fn node_selector(&mut self, name: &str, service: &Service) -> Option<Node> {
        let platform = service.platform.as_ref()?;
        let from = platform.value.sources(platform.spot, &self.project.origins);
        let wanted = crate::image::Platform::parse(platform.value.plain()?)?;
        if let Some(variant) = &wanted.variant {
            let words = format!("nodes are not told apart by the variant `{variant}`: the image's index decides");
            let at = format!("services.{name}.platform");
            self.find(&codes::APPROXIMATED, words, platform.spot, &at, "label the nodes, and use a constraint");
        }
        let mut map = Node::map(from);
        map.set("kubernetes.io/os", Node { value: Value::from(&*wanted.os), from });
        map.set("kubernetes.io/arch", Node { value: Value::from(&*wanted.architecture), from });
        Some(map)
    }

    pub(super) fn affinity(&mut self, name: &str, service: &Service) -> Option<Node> {
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
                let label = if key == "node.role" { CONTROL_PLANE.to_owned() } else { node_label(key)? };
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
                expressions.push(expression);
            } else {
                let words = format!("the constraint `{}` cannot be said", constraint.value.masked());
                let at = format!("services.{name}.deploy.placement.constraints");
                self.find(&codes::UNSUPPORTED, words, constraint.spot, &at, "use a label of the nodes");
            }
        }
        let node = (!expressions.is_empty()).then(|| {
            let from = placement.spot;
            let mut term = Node::map(from);
            term.set("matchExpressions", Node::new(expressions, from));
            let mut required = Node::map(from);
            required.set("nodeSelectorTerms", Node::new(vec![term], from));
            let mut node = Node::map(from);
            node.set("requiredDuringSchedulingIgnoredDuringExecution", required);
            node
        });
        let most = placement.value.max_replicas_per_node.as_ref();
        if let Some(most) = most.filter(|most| most.value > 1) {
            let words = format!("nothing keeps more than {} of `{name}` off a node", most.value);
            let at = format!("services.{name}.deploy.placement.max_replicas_per_node");
            self.find(&codes::UNSUPPORTED, words, most.spot, &at, "1 can be said, or spread with `preferences`");
        }
        let apart = most.filter(|most| most.value == 1).map(|most| {
            let mut selector = Node::map(most.spot);
            selector.set("matchLabels", self.selector(name, most.spot));
            let mut term = Node::map(most.spot);
            term.set("labelSelector", selector);
            term.set("topologyKey", Node::new("kubernetes.io/hostname", most.spot));
            let mut apart = Node::map(most.spot);
            apart.set("requiredDuringSchedulingIgnoredDuringExecution", Node::new(vec![term], most.spot));
            apart
        });
        some_map(vec![("nodeAffinity", node), ("podAntiAffinity", apart)], placement.spot)
    }

    /// Instances spread evenly over what a label of the nodes says, as far as that can be.
    pub(super) fn spread(&mut self, name: &str, service: &Service) -> Option<Node> {
        let placement = service.deploy.as_ref()?.value.placement.as_ref()?;
        let mut items = Vec::new();
        for preference in placement.value.preferences.iter().flat_map(|all| &all.value) {
            let Some(spread) = &preference.value.spread else { continue };
            let from = spread.value.sources(spread.spot, &self.project.origins);
            if let Some(label) = spread.value.plain().and_then(node_label) {
                let mut selector = Node::map(from);
                let spot = spread.spot;
                selector.set("matchLabels", Node { from, ..self.selector(name, spot) });
                let mut item = Node::map(from);
                item.set("maxSkew", Node { value: Value::Integer(1), from });
                item.set("topologyKey", Node { value: label.into(), from });
                item.set("whenUnsatisfiable", Node { value: "ScheduleAnyway".into(), from });
                item.set("labelSelector", selector);
                items.push(item);
            } else {
                let words = format!("`{}` is no label of a node", spread.value.masked());
                let at = format!("services.{name}.deploy.placement.preferences");
                self.find(&codes::UNSUPPORTED, words, spread.spot, &at, "spread over a label of the nodes");
            }
        }
        (!items.is_empty()).then(|| Node::new(items, placement.spot))
    }
}

/// What Swarm calls a property of a node, as the label that Kubernetes has for it.
fn node_label(key: &str) -> Option<String> {
    Some(match key {
        "node.hostname" => "kubernetes.io/hostname".to_owned(),
        "node.platform.os" => "kubernetes.io/os".to_owned(),
        "node.platform.arch" => "kubernetes.io/arch".to_owned(),
        _ => key.strip_prefix("node.labels.").or_else(|| key.strip_prefix("engine.labels."))?.to_owned(),
    })
}
