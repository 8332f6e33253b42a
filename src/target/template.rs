//! Templates of manifests: YAML documents, parsed once, whose scalars may be expressions.
//!
//! A scalar that is one `{{ path }}` becomes the node at that path itself, subtree, places and secrecy and all.
//! Any other expression is computed on plain values; its sources are those of everything it names and its own
//! line, and one secret among them makes it secret. Entries whose value is null are left out. Nothing is
//! rendered to text and parsed again.

use std::{collections::BTreeMap, sync::Arc};

use minijinja::{Environment, UndefinedBehavior, value::Value as Plain};

use super::codes;
use crate::{
    diagnostic::{Finding, Findings},
    value::{FileRole, Masked, Node, Origins, Secrets, Sources, Spot, Text, TextBuilder, Value},
    yaml::{self, Scalar, Tree},
};

/// One parsed template.
#[derive(Debug)]
pub struct Template {
    root: Tree,
}

impl Template {
    /// Reads a template; `name` is what messages call it.
    pub fn parse(name: &str, text: &str, origins: &Origins) -> Result<Self, Findings> {
        let documents = yaml::parse(text.as_bytes(), name, FileRole::Template, origins)?;
        let mut documents = documents.into_iter();
        if let (Some(document), None) = (documents.next(), documents.next()) {
            Ok(Self { root: document.root })
        } else {
            let words = format!("the template {name} is not one document");
            Err(Finding::new(&codes::TEMPLATE, Masked::words(words), Spot::NOWHERE).into())
        }
    }

    /// The body that the template makes of a context.
    pub fn fill(&self, context: &Node, origins: &Arc<Origins>, secrets: &Arc<Secrets>) -> Result<Node, Finding> {
        let mut environment = Environment::new();
        environment.set_undefined_behavior(UndefinedBehavior::Strict);
        let filler = Filler { context, origins, secrets, environment };
        Ok(filler.node(&self.root)?.unwrap_or_default())
    }
}

struct Filler<'a> {
    context: &'a Node,
    origins: &'a Origins,
    secrets: &'a Secrets,
    environment: Environment<'a>,
}

impl Filler<'_> {
    /// `None`: null, which is left out.
    fn node(&self, tree: &Tree) -> Result<Option<Node>, Finding> {
        let from = Sources::from(tree.spot);
        let value = match &tree.value {
            Scalar::Null => return Ok(None),
            Scalar::Bool(value) => Value::Bool(*value),
            Scalar::Integer(value) => Value::Integer(*value),
            #[allow(clippy::cast_precision_loss, reason = "JSON has no larger integers")]
            Scalar::Unsigned(value) => Value::Float(*value as f64),
            Scalar::Float(value) => Value::Float(*value),
            Scalar::Timestamp { text, .. } => Value::Text(Text::from(&**text)),
            Scalar::Text(text) => return self.text(text.raw(), tree.spot),
            Scalar::Sequence(items) => {
                let items: Result<Vec<_>, _> = items.iter().filter_map(|item| self.node(item).transpose()).collect();
                Value::List(items?)
            }
            Scalar::Mapping(mapping) => {
                let mut entries = Vec::with_capacity(mapping.entries.len());
                for (key, entry) in &mapping.entries {
                    if let Some(node) = self.node(&entry.tree)? {
                        entries.push((key.as_str().into(), node));
                    }
                }
                Value::Map(entries)
            }
        };
        Ok(Some(Node { value, from }))
    }

    fn text(&self, text: &str, spot: Spot) -> Result<Option<Node>, Finding> {
        let Some(pieces) = pieces(text) else {
            return Err(self.wrong("a `{{` without its `}}`".to_owned(), spot));
        };
        match pieces.as_slice() {
            [] => Ok(Some(Node::new("", spot))),
            [Piece::Plain(plain)] => Ok(Some(Node::new(*plain, spot))),
            [Piece::Expression(expression)] => self.expression(expression, spot),
            several => {
                let mut out = TextBuilder::default();
                let mut from = vec![Sources::from(spot)];
                for piece in several {
                    match piece {
                        Piece::Plain(plain) => out.push(plain),
                        Piece::Expression(expression) => {
                            let Some(node) = self.expression(expression, spot)? else { continue };
                            match &node.value {
                                Value::Text(text) => out.push_text(text),
                                Value::Bool(value) => out.push(&value.to_string()),
                                Value::Integer(value) => out.push(&value.to_string()),
                                Value::Float(value) => out.push(&value.to_string()),
                                _ => {
                                    return Err(
                                        self.wrong(format!("`{expression}` is no word that can stand in a text"), spot)
                                    );
                                }
                            }
                            from.push(node.from);
                        }
                    }
                }
                Ok(Some(Node { value: Value::Text(out.finish()), from: self.origins.join(from) }))
            }
        }
    }

    fn expression(&self, expression: &str, spot: Spot) -> Result<Option<Node>, Finding> {
        if is_path(expression) {
            let mut at = Some(self.context);
            for step in expression.split('.') {
                at = at.and_then(|node| node.get(step));
            }
            return match at {
                Some(Node { value: Value::Null, .. }) => Ok(None),
                Some(node) => Ok(Some(node.clone())),
                None => Err(self.wrong(format!("there is no `{expression}`"), spot)),
            };
        }
        let compiled =
            self.environment.compile_expression(expression).map_err(|error| self.wrong(error.to_string(), spot))?;
        let mut sources = vec![Sources::from(spot)];
        let mut secret = false;
        let mut names: Vec<String> = compiled.undeclared_variables(true).into_iter().collect();
        names.sort();
        for name in &names {
            let mut at = Some(self.context);
            for step in name.split('.') {
                at = at.and_then(|node| node.get(step));
            }
            if let Some(node) = at {
                node.walk(&mut |_, node| {
                    sources.push(node.from);
                    secret |= match &node.value {
                        Value::Text(text) => text.is_secret(),
                        Value::Bytes(_) | Value::Hole(_) => true,
                        _ => false,
                    };
                });
            }
        }
        let value = compiled.eval(plain(self.context)).map_err(|error| self.wrong(error.to_string(), spot))?;
        let from = self.origins.join(sources);
        let Some(mut node) = node_of(&value, from) else { return Ok(None) };
        if secret {
            self.conceal(&mut node, expression, spot);
        }
        Ok(Some(node))
    }

    fn conceal(&self, node: &mut Node, name: &str, spot: Spot) {
        match &mut node.value {
            Value::Text(text) => *text = text.concealed(name, spot, self.secrets),
            Value::List(items) => items.iter_mut().for_each(|item| self.conceal(item, name, spot)),
            Value::Map(entries) => entries.iter_mut().for_each(|(_, entry)| self.conceal(entry, name, spot)),
            _ => {}
        }
    }

    #[allow(clippy::unused_self, reason = "reads as its siblings do")]
    fn wrong(&self, words: String, spot: Spot) -> Finding {
        Finding::new(&codes::TEMPLATE, Masked::words(words), spot)
            .help("`transship explain invalid-template` tells what templates can say")
    }
}

enum Piece<'a> {
    Plain(&'a str),
    Expression(&'a str),
}

fn pieces(text: &str) -> Option<Vec<Piece<'_>>> {
    let mut out = Vec::new();
    let mut rest = text;
    while let Some(start) = rest.find("{{") {
        let (before, after) = rest.split_at(start);
        if !before.is_empty() {
            out.push(Piece::Plain(before));
        }
        let after = after.get(2..)?;
        let end = after.find("}}")?;
        out.push(Piece::Expression(after.get(..end)?.trim()));
        rest = after.get(end + 2..)?;
    }
    if !rest.is_empty() {
        out.push(Piece::Plain(rest));
    }
    Some(out)
}

fn is_path(expression: &str) -> bool {
    !expression.is_empty()
        && expression.split('.').all(|step| {
            step.bytes().next().is_some_and(|b| b.is_ascii_alphabetic() || b == b'_')
                && step.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
        })
        && !["true", "false", "none", "not"].contains(&expression)
}

/// A body as a plain value for an expression. References are their keys: an expression cannot know a name.
fn plain(node: &Node) -> Plain {
    match &node.value {
        Value::Null | Value::Bytes(_) | Value::Hole(_) | Value::Theirs(None) => Plain::from(()),
        Value::Bool(value) => Plain::from(*value),
        Value::Integer(value) => Plain::from(*value),
        Value::Float(value) => Plain::from(*value),
        Value::Text(text) => Plain::from(text.raw()),
        Value::List(items) => items.iter().map(plain).collect(),
        Value::Map(entries) => {
            entries.iter().map(|(key, node)| (key.to_string(), plain(node))).collect::<BTreeMap<_, _>>().into()
        }
        Value::Reference(key, _) => Plain::from(key.to_string()),
        Value::Theirs(Some(inner)) => plain(inner),
    }
}

fn node_of(value: &Plain, from: Sources) -> Option<Node> {
    use minijinja::value::ValueKind;
    let value = match value.kind() {
        ValueKind::Undefined | ValueKind::None => return None,
        ValueKind::Bool => Value::Bool(value.is_true()),
        ValueKind::Number => match i64::try_from(value.clone()) {
            Ok(number) => Value::Integer(number),
            Err(_) => Value::Float(f64::try_from(value.clone()).unwrap_or_default()),
        },
        ValueKind::Seq | ValueKind::Iterable => {
            Value::List(value.try_iter().ok()?.filter_map(|item| node_of(&item, from)).collect())
        }
        ValueKind::Map => Value::Map(
            value
                .try_iter()
                .ok()?
                .filter_map(|key| {
                    let child = node_of(&value.get_item(&key).ok()?, from)?;
                    Some((key.to_string().into(), child))
                })
                .collect(),
        ),
        _ => Value::Text(Text::from(value.to_string())),
    };
    Some(Node { value, from })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::value::Source;

    fn fill(text: &str) -> Result<(Node, Arc<Origins>, [Spot; 2]), String> {
        let origins = Origins::new();
        let secrets = Arc::new(Secrets::default());
        let name = origins.add(Source::Variable { name: "NAME".into(), flag: false });
        let password = origins.add(Source::Variable { name: "PASSWORD".into(), flag: false });
        let mut service = Node::map(Sources::NONE);
        service.set("name", Node::new("web", name));
        service.set("count", Node::new(2_i64, Sources::NONE));
        service.set("absent", Node::default());
        service.set("password", Node::new(Text::secret("hunter2", "PASSWORD", password, &secrets), password));
        let mut context = Node::map(Sources::NONE);
        context.set("service", service);
        let template = Template::parse("t.yaml", text, &origins).map_err(|_| "not read".to_owned())?;
        let filled = template.fill(&context, &origins, &secrets).map_err(|finding| finding.message.to_string())?;
        Ok((filled, origins, [name, password]))
    }

    #[test]
    fn a_bare_path_takes_the_node_itself() -> Result<(), String> {
        let (node, _, [name, _]) =
            fill("a: \"{{ service.count }}\"\nb: \"{{ service.name }}\"\nc: \"{{ service.absent }}\"\nd: {}")?;
        assert_eq!(node.get("a").and_then(Node::as_integer), Some(2));
        assert_eq!(node.get("b").map(|b| b.from), Some(Sources::from(name)));
        assert!(node.get("c").is_none());
        assert!(node.get("d").is_some());
        Ok(())
    }

    #[test]
    fn an_expression_has_the_sources_of_what_it_names_and_its_secrecy() -> Result<(), String> {
        let (node, origins, [name, password]) = fill(
            "a: \"{{ service.name ~ '-x' }}\"\nb: \"{{ service.password | upper }}\"\nc: \"p={{ service.password }}\"",
        )?;
        assert_eq!(node.get("a").and_then(Node::as_str), Some("web-x"));
        assert!(node.get("a").is_some_and(|a| origins.spots(a.from).contains(&name)));
        let masked = |key: &str| match node.get(key).map(|node| &node.value) {
            Some(Value::Text(text)) => text.masked().to_string(),
            _ => String::new(),
        };
        assert_eq!(masked("b"), "‹secret #2›");
        assert_eq!(masked("c"), "p=‹secret #1›");
        assert!(node.get("b").is_some_and(|b| origins.spots(b.from).contains(&password)));
        Ok(())
    }

    #[test]
    fn what_is_not_there_is_a_finding() {
        assert_eq!(fill("a: \"{{ service.nothing }}\"").err().as_deref(), Some("there is no `service.nothing`"));
        assert!(fill("a: \"{{ service.name\"").is_err());
        assert!(fill("a: \"{{ 1 + }}\"").is_err());
    }
}
