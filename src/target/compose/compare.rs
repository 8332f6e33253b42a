//! How bodies are compared, and what a change does to what runs.

use super::kind;
use crate::{
    plan::Consequence,
    target::{Cascade, ListOrder, Mutability},
    value::{Address, Node, Path, Text, Value},
};

/// What a body holds that no container is made anew for, and that nothing there remembers.
const UNCOMPARED: &[&str] = &["depends_on"];

/// A body as it is compared.
pub(super) fn canonical(address: &Address, mut body: Node) -> Node {
    match &*address.kind {
        kind::SERVICE => {
            for name in UNCOMPARED {
                body.remove(name);
            }
        }
        // The labels of what is there can never change.
        kind::NETWORK | kind::VOLUME => {
            body.remove("labels");
            body.remove("name");
            let usual = if &*address.kind == kind::NETWORK { "bridge" } else { "local" };
            let unsaid = body.get("driver").is_none_or(|driver| driver.as_str() == Some("default"));
            if unsaid {
                body.set("driver", Node::new(usual, body.from));
            }
            if let Value::Map(entries) = &mut body.value {
                entries.retain(|(_, node)| !says_nothing(node));
            }
        }
        _ => {
            body.remove("labels");
        }
    }
    body
}

fn says_nothing(node: &Node) -> bool {
    match &node.value {
        Value::Null | Value::Bool(false) => true,
        Value::Map(entries) => entries.is_empty(),
        Value::List(items) => items.is_empty(),
        Value::Text(text) => *text == Text::default(),
        _ => false,
    }
}

/// How the items of lists are told apart.
pub(super) fn list(path: &Path) -> ListOrder {
    match path.steps().last().map(|step| &**step) {
        Some("ports") => ListOrder::Keyed(&["target", "protocol", "published", "host_ip"]),
        Some("volumes" | "configs" | "secrets") => ListOrder::Keyed(&["target"]),
        Some("cap_add" | "cap_drop" | "expose" | "group_add" | "security_opt" | "aliases") => ListOrder::Set,
        _ => ListOrder::Ordered,
    }
}

/// What a change of these paths does to what runs, and whether there is a way.
pub(super) fn consequence(
    address: &Address,
    before: Option<&Node>,
    after: Option<&Node>,
    at: &[Path],
) -> (Consequence, Mutability) {
    let whole = Mutability::Replace { cascade: Cascade::All };
    match &*address.kind {
        kind::SERVICE => (of_service(before, after, at), Mutability::InPlace),
        kind::NETWORK if before.is_some() && after.is_some() => (Consequence::Replace { downtime: true }, whole),
        kind::VOLUME if before.is_some() && after.is_some() => (Consequence::LosesData, Mutability::Never),
        _ => (Consequence::Nothing, whole),
    }
}

/// How many containers a body asks for.
pub(crate) fn count(body: &Node) -> u32 {
    let scale = match body.get("scale").map(|node| &node.value) {
        Some(Value::Theirs(Some(inner))) => inner.as_integer(),
        Some(Value::Integer(number)) => Some(*number),
        _ => None,
    };
    scale.and_then(|number| u32::try_from(number).ok()).unwrap_or(1)
}

fn of_service(before: Option<&Node>, after: Option<&Node>, at: &[Path]) -> Consequence {
    let Some(after) = after else { return Consequence::Stop };
    let Some(before) = before else { return Consequence::Start };
    let only = |names: &[&str]| at.iter().all(|path| path.steps().first().is_some_and(|one| names.contains(&&**one)));
    if only(&["name"]) {
        Consequence::Nothing
    } else if only(&["scale"]) {
        Consequence::Scale { from: count(before), to: count(after) }
    } else if only(&["name", "scale", "state"]) {
        Consequence::Start
    } else if after.get("state").is_none() {
        Consequence::Run
    } else {
        Consequence::Restart { rolling: false, instances: count(after) }
    }
}
