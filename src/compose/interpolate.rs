//! `${VARIABLE}` and what comes with it, in every string value; and the casts that follow.
//!
//! What a variable put in stays marked with the place of the variable, and secret where the variable is.

use std::{borrow::Cow, sync::LazyLock};

use super::{
    codes, remedy,
    table::{At, Table},
    variables::Variables,
};
use crate::{
    diagnostic::{Finding, Findings},
    value::{Located, Masked, Spot, Text, TextBuilder},
    yaml::{self, Scalar, Tree},
};

/// What a substitution can go wrong with.
#[derive(Debug)]
pub(super) enum Refused {
    /// `${…}` that is none of the forms.
    Invalid,
    /// `${NAME:?message}`.
    Required { name: String, message: Text },
    /// More than anybody means.
    TooLong,
}

/// Replaces every form in a template. `unset` hears of variables that have no value and no default.
fn substitute(
    out: &mut TextBuilder,
    template: &str,
    variables: &Variables,
    unset: &mut dyn FnMut(&str),
) -> Result<Text, Refused> {
    let done = substitute_into(out, template, &|name| variables.get(name).map(Cow::Borrowed), unset, 0);
    // What was put together of one that is refused is taken out as well.
    let text = out.finish();
    done.map(|()| text)
}

type Found<'a> = Cow<'a, Located<Text>>;
type Lookup<'a> = dyn Fn(&str) -> Option<Found<'a>> + 'a;

/// The same with any way to find a variable: `.env` files read their own earlier lines too.
pub(super) fn substitute_with(
    template: &str,
    lookup: &dyn Fn(&str) -> Option<Located<Text>>,
    unset: &mut dyn FnMut(&str),
) -> Result<Text, Refused> {
    let mut out = TextBuilder::default();
    substitute_into(&mut out, template, &|name| lookup(name).map(Cow::Owned), unset, 0)?;
    Ok(out.finish())
}

/// The most `${…}` inside one another.
const DEEPEST: usize = 100;
/// The most bytes that one value may take once its variables are replaced.
const LONGEST: usize = 16 << 20;
/// The same of all values of a file in which variables are replaced: variables made of variables grow fast.
pub(super) const MOST: usize = 64 << 20;

fn substitute_into(
    out: &mut TextBuilder,
    template: &str,
    lookup: &Lookup<'_>,
    unset: &mut dyn FnMut(&str),
    depth: usize,
) -> Result<(), Refused> {
    if depth > DEEPEST {
        return Err(Refused::Invalid);
    }
    let mut rest = template;
    while let Some(dollar) = rest.find('$') {
        if out.size() > LONGEST {
            return Err(Refused::TooLong);
        }
        out.push(rest.get(..dollar).unwrap_or_default());
        let after = rest.get(dollar + 1..).unwrap_or_default();
        if let Some(behind) = after.strip_prefix('$') {
            out.push("$");
            rest = behind;
        } else if let Some(inside) = after.strip_prefix('{') {
            rest = braced(out, inside, lookup, unset, depth)?;
        } else {
            let length = name_length(after);
            if length == 0 {
                out.push("$");
                rest = after;
            } else {
                let (name, behind) = after.split_at(length);
                insert(out, name, lookup, unset);
                rest = behind;
            }
        }
    }
    out.push(rest);
    Ok(())
}

pub(super) fn name_length(text: &str) -> usize {
    let first = text.bytes().next().is_some_and(|b| b == b'_' || b.is_ascii_alphabetic());
    if first { text.bytes().take_while(|b| *b == b'_' || b.is_ascii_alphanumeric()).count() } else { 0 }
}

fn insert(out: &mut TextBuilder, name: &str, lookup: &Lookup<'_>, unset: &mut dyn FnMut(&str)) {
    match lookup(name) {
        Some(found) => push_variable(out, &found),
        None => unset(name),
    }
}

/// A variable's value as one mark; secret as a whole when a part of it is.
fn push_variable(out: &mut TextBuilder, found: &Located<Text>) {
    if found.value.marks().is_empty() {
        out.push_marked(found.value.raw(), found.spot, None);
        return;
    }
    for (piece, mark) in found.value.pieces() {
        out.push_marked(piece, found.spot, mark.and_then(|(_, secret)| secret));
    }
}

/// Reads what follows `${` and gives what is left behind it.
fn braced<'t>(
    out: &mut TextBuilder,
    inside: &'t str,
    lookup: &Lookup<'_>,
    unset: &mut dyn FnMut(&str),
    depth: usize,
) -> Result<&'t str, Refused> {
    let length = name_length(inside);
    if length == 0 {
        return Err(Refused::Invalid);
    }
    let (name, after) = inside.split_at(length);
    if let Some(behind) = after.strip_prefix('}') {
        insert(out, name, lookup, unset);
        return Ok(behind);
    }
    let operator = [":-", ":+", ":?", "-", "+", "?"].into_iter().find(|operator| after.starts_with(operator));
    let Some(operator) = operator else { return Err(Refused::Invalid) };
    // The reference's expression reaches to the last brace of the line, then cuts at the balanced one.
    let line = after.find('\n').map_or(after, |end| after.get(..end).unwrap_or_default());
    let Some(last) = line.rfind('}') else { return Err(Refused::Invalid) };
    let end = balanced(after.get(..=last).unwrap_or_default()).unwrap_or(last);
    let word = after.get(operator.len()..end).unwrap_or_default();
    let behind = after.get(end + 1..).unwrap_or_default();
    let value = lookup(name);
    let filled = value.as_ref().is_some_and(|value| !operator.starts_with(':') || !value.value.is_empty());
    match operator.trim_start_matches(':') {
        "-" if !filled => substitute_into(out, word, lookup, unset, depth + 1)?,
        "+" if filled => substitute_into(out, word, lookup, unset, depth + 1)?,
        "?" if !filled => {
            let mut message = TextBuilder::default();
            substitute_into(&mut message, word, lookup, unset, depth + 1)?;
            return Err(Refused::Required { name: name.to_owned(), message: message.finish() });
        }
        _ => {
            if let Some(found) = &value {
                push_variable(out, found);
            }
        }
    }
    Ok(behind)
}

/// Where the brace that closes `${` stands in what follows the name. The character right behind an opening
/// brace is passed over unseen.
pub(super) fn balanced(text: &str) -> Option<usize> {
    let bytes = text.as_bytes();
    let mut open = 1_i32;
    let mut index = 0;
    while let Some(byte) = bytes.get(index) {
        match byte {
            b'}' => {
                open -= 1;
                if open == 0 {
                    return Some(index);
                }
            }
            b'{' => {
                open += 1;
                index += 1;
            }
            _ => {}
        }
        index += 1;
    }
    None
}

/// What a string becomes where the model wants something else.
#[derive(Clone, Copy, Debug)]
enum Cast {
    Bool,
    Integer,
    Float,
}

static CASTS: LazyLock<Table<Cast>> = LazyLock::new(|| {
    use Cast::{Bool, Float, Integer};
    Table::new([
        ("networks.*.external", Bool),
        ("networks.*.internal", Bool),
        ("networks.*.attachable", Bool),
        ("networks.*.enable_ipv4", Bool),
        ("networks.*.enable_ipv6", Bool),
        ("volumes.*.external", Bool),
        ("secrets.*.external", Bool),
        ("configs.*.external", Bool),
        ("{containers}.cpu_count", Integer),
        ("{containers}.cpu_percent", Float),
        ("{containers}.cpu_period", Integer),
        ("{containers}.cpu_quota", Integer),
        ("{containers}.cpu_rt_period", Integer),
        ("{containers}.cpu_rt_runtime", Integer),
        ("{containers}.cpus", Float),
        ("{containers}.cpu_shares", Integer),
        ("{containers}.init", Bool),
        ("{containers}.oom_kill_disable", Bool),
        ("{containers}.oom_score_adj", Integer),
        ("{containers}.pids_limit", Integer),
        ("{containers}.privileged", Bool),
        ("{containers}.read_only", Bool),
        ("{containers}.ulimits.*", Integer),
        ("{containers}.ulimits.*.hard", Integer),
        ("{containers}.ulimits.*.soft", Integer),
        ("{containers}.volumes.*.read_only", Bool),
        ("{containers}.volumes.*.volume.nocopy", Bool),
        ("{services,jobs}.*.depends_on.*.required", Bool),
        ("{services,jobs}.*.depends_on.*.restart", Bool),
        ("{services,jobs}.*.healthcheck.retries", Integer),
        ("{services,jobs}.*.healthcheck.disable", Bool),
        ("{services,jobs}.*.ports.*.target", Integer),
        ("{services,jobs}.*.stdin_open", Bool),
        ("{services,jobs}.*.tty", Bool),
        ("services.*.deploy.replicas", Integer),
        ("services.*.deploy.update_config.parallelism", Integer),
        ("services.*.deploy.update_config.max_failure_ratio", Float),
        ("services.*.deploy.rollback_config.parallelism", Integer),
        ("services.*.deploy.rollback_config.max_failure_ratio", Float),
        ("services.*.deploy.restart_policy.max_attempts", Integer),
        ("services.*.deploy.placement.max_replicas_per_node", Integer),
        ("services.*.scale", Integer),
    ])
});

/// Interpolates and casts every string below a document's root, and tells everything that cannot be.
/// Tells whether a number among the values is none that JSON can say. `size`: the bytes of all texts in which
/// variables were replaced.
pub(super) fn interpolate(
    root: &mut Tree,
    variables: &Variables,
    findings: &mut Findings,
    size: &mut usize,
) -> Result<bool, Findings> {
    let (errors, out) = (Findings::new(), TextBuilder::default());
    let mut walker = Walker { variables, findings, errors, out, size, special: false };
    walker.walk(root, Some(&CASTS), &At::ROOT);
    if walker.errors.is_empty() { Ok(walker.special) } else { Err(walker.errors) }
}

struct Walker<'a> {
    variables: &'a Variables,
    findings: &'a mut Findings,
    errors: Findings,
    /// Where texts are put together.
    out: TextBuilder,
    /// The bytes of all that were.
    size: &'a mut usize,
    special: bool,
}

impl Walker<'_> {
    fn walk(&mut self, tree: &mut Tree, table: Option<&Table<Cast>>, at: &At<'_>) {
        match &mut tree.value {
            Scalar::Mapping(mapping) => {
                for (key, entry) in &mut mapping.entries {
                    self.walk(&mut entry.tree, table.and_then(|table| table.step(key)), &at.key(key));
                }
            }
            Scalar::Sequence(items) => {
                for (index, item) in items.iter_mut().enumerate() {
                    self.walk(item, table.and_then(Table::item), &at.item(index));
                }
            }
            Scalar::Text(_) => {
                if let Err(finding) = self.text(tree, table.and_then(Table::rule).copied(), at) {
                    self.errors.push(finding);
                }
                self.special |= matches!(tree.value, Scalar::Float(number) if !number.is_finite());
            }
            Scalar::Float(number) => self.special |= !number.is_finite(),
            _ => {}
        }
    }

    fn text(&mut self, tree: &mut Tree, cast: Option<Cast>, at: &At<'_>) -> Result<(), Finding> {
        let Scalar::Text(text) = &mut tree.value else { return Ok(()) };
        if text.raw().as_bytes().contains(&b'$') {
            if *self.size > MOST {
                // It is refused already.
                return Ok(());
            }
            let spot = tree.spot;
            let mut missing = Vec::new();
            let unset = &mut |name: &str| missing.push(name.to_owned());
            let result = substitute(&mut self.out, text.raw(), self.variables, unset);
            for name in missing {
                self.findings.push(
                    Finding::new(
                        &codes::VARIABLE_UNSET,
                        Masked::words(format!("the variable {name} is not set; it counts as empty")),
                        spot,
                    )
                    .at(at.to_string())
                    .help(Masked::words(format!("set it, or write `${{{name}:-default}}`"))),
                );
            }
            *self.size += result.as_ref().map_or(0, Text::size);
            let result = if *self.size > MOST { Err(Refused::TooLong) } else { result };
            let replaced = result.map_err(|refused| refused_at(refused, spot, at))?;
            let made_of = self.variables.origins.union(replaced.mark_spots());
            if made_of != crate::value::Sources::NONE {
                tree.spot = self.variables.origins.derive(spot, None, made_of);
            }
            *text = replaced;
        }
        if let Some(cast) = cast {
            let value = cast_text(text, cast).ok_or_else(|| {
                let wanted = match cast {
                    Cast::Bool => "true or false",
                    Cast::Integer => "a whole number",
                    Cast::Float => "a number",
                };
                let words = format!("`{}` is not {wanted}", text.masked());
                let finding = Finding::new(&codes::WRONG_TYPE, Masked::words(words), tree.spot).at(at.to_string());
                remedy::write_instead(finding, wanted, &Tree::text("", tree.spot))
            })?;
            tree.value = value;
        }
        Ok(())
    }
}

fn refused_at(refused: Refused, spot: Spot, at: &At<'_>) -> Finding {
    match refused {
        Refused::Invalid => Finding::new(&codes::INTERPOLATION, "this is not a form of `${…}`".into(), spot)
            .help("write `$$` for a dollar sign that is meant as one"),
        Refused::TooLong => Finding::new(&yaml::codes::TOO_LARGE, "the variables unfold to too much here".into(), spot)
            .help("use fewer variables that are made of variables"),
        Refused::Required { name, message } => {
            let words = if message.is_empty() {
                format!("the variable {name} is required and has no value")
            } else {
                format!("the variable {name} is required and has no value: {}", message.masked())
            };
            Finding::new(&codes::VARIABLE_REQUIRED, Masked::words(words), spot)
                .help(Masked::words(format!("set {name} in the environment, in .env, or with `--set {name}=…`")))
        }
    }
    .at(at.to_string())
}

fn cast_text(text: &Text, cast: Cast) -> Option<Scalar> {
    let raw = text.raw();
    match cast {
        Cast::Bool => boolean(raw).map(Scalar::Bool),
        Cast::Integer => integer(raw).map(Scalar::Integer),
        Cast::Float => float(raw).map(Scalar::Float),
    }
}

/// The words that stand for true and false after substitution.
pub(super) fn boolean(raw: &str) -> Option<bool> {
    match raw.to_ascii_lowercase().as_str() {
        "true" | "y" | "yes" | "on" => Some(true),
        "false" | "n" | "no" | "off" => Some(false),
        _ => None,
    }
}

/// A decimal number, as Go's `Atoi`.
pub(super) fn integer(raw: &str) -> Option<i64> {
    let digits = raw.strip_prefix(['-', '+']).unwrap_or(raw);
    if digits.is_empty() || !digits.bytes().all(|b| b.is_ascii_digit()) { None } else { raw.parse().ok() }
}

/// A number, as Go's `ParseFloat`.
pub(super) fn float(raw: &str) -> Option<f64> {
    let lower = raw.to_ascii_lowercase();
    let unsigned = lower.strip_prefix(['-', '+']).unwrap_or(&lower);
    if matches!(unsigned, "inf" | "infinity" | "nan") || unsigned.starts_with(|c: char| c.is_ascii_digit() || c == '.')
    {
        raw.parse().ok()
    } else {
        None
    }
}
