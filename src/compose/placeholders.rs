//! The variables that a model names, with what it says for the case that they are not set.

use indexmap::IndexMap;

use super::interpolate::{balanced, name_length};
use crate::yaml::{Scalar, Tree};

/// A variable that values name.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Placeholder {
    /// Its name.
    pub name: String,
    /// What counts without a value: `${NAME:-this}`.
    pub default: String,
    /// What counts instead of a value: `${NAME:+this}`.
    pub alternate: String,
    /// Whether nothing goes on without a value: `${NAME:?…}`.
    pub required: bool,
}

/// All of them, by name; without those of `name` where the project's own name has taken its place.
pub(super) fn of(root: &Tree, named: bool) -> Vec<Placeholder> {
    let mut found = IndexMap::new();
    let entries = root.as_mapping().into_iter().flat_map(|root| &root.entries);
    for (_, entry) in entries.filter(|(key, _)| !(named && &***key == "name")) {
        entry.tree.walk(&mut |_, tree| {
            if let Scalar::Text(text) = &tree.value {
                extract(text.raw(), &mut found, 0);
            }
        });
    }
    found.sort_unstable_keys();
    found.into_values().collect()
}

/// The most variables inside one another.
const DEEPEST: usize = 100;

fn extract(text: &str, found: &mut IndexMap<String, Placeholder>, depth: usize) {
    if depth > DEEPEST {
        return;
    }
    let mut rest = text;
    while let Some(dollar) = rest.find('$') {
        let after = rest.get(dollar + 1..).unwrap_or_default();
        if let Some(behind) = after.strip_prefix('$') {
            rest = behind;
        } else if let Some(inside) = after.strip_prefix('{') {
            rest = braced(inside, found, depth);
        } else {
            let (name, behind) = after.split_at(name_length(after));
            if !name.is_empty() {
                add(Placeholder { name: name.to_owned(), ..Placeholder::default() }, found);
            }
            rest = behind;
        }
    }
}

/// Reads what follows `${` and gives what is left behind it.
fn braced<'t>(inside: &'t str, found: &mut IndexMap<String, Placeholder>, depth: usize) -> &'t str {
    let (name, after) = inside.split_at(name_length(inside));
    let operator = [":-", ":+", ":?", "-", "+", "?"].into_iter().find(|operator| after.starts_with(operator));
    // The reference's expression reaches to the last brace of the line, then cuts at the balanced one.
    let line = after.find('\n').map_or(after, |end| after.get(..end).unwrap_or_default());
    let last = if operator.is_some() { line.rfind('}') } else { after.starts_with('}').then_some(0) };
    let (false, Some(last)) = (name.is_empty(), last) else {
        // None of the forms; the reference lists it without a name.
        add(Placeholder::default(), found);
        return inside;
    };
    let whole = after.get(..=last).unwrap_or_default();
    let end = balanced(whole).unwrap_or(last);
    let word = after.get(operator.map_or(0, str::len)..end).unwrap_or_default();
    let mut placeholder = Placeholder { name: name.to_owned(), ..Placeholder::default() };
    match operator.map(|operator| operator.trim_start_matches(':')) {
        Some("-") => word.clone_into(&mut placeholder.default),
        Some("+") => word.clone_into(&mut placeholder.alternate),
        Some("?") => placeholder.required = true,
        _ => {}
    }
    // What follows in the same line is listed first, as in the reference; a very long line is read on as it stands.
    let behind = if depth < DEEPEST {
        extract(whole.get(end + 1..).unwrap_or_default(), found, depth + 1);
        last + 1
    } else {
        end + 1
    };
    let inner = [placeholder.default.clone(), placeholder.alternate.clone()];
    add(placeholder, found);
    for word in inner {
        extract(&word, found, depth + 1);
    }
    after.get(behind..).unwrap_or_default()
}

/// What is required once is required; the first default counts.
fn add(placeholder: Placeholder, found: &mut IndexMap<String, Placeholder>) {
    let known = found.entry(placeholder.name.clone()).or_default();
    known.name = placeholder.name;
    known.required |= placeholder.required;
    if known.default.is_empty() {
        known.default = placeholder.default;
    }
    if known.alternate.is_empty() {
        known.alternate = placeholder.alternate;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forms_are_read_as_interpolation_reads_them() {
        let read = |text: &str| {
            let mut found = IndexMap::new();
            extract(text, &mut found, 0);
            let all = found.into_values();
            all.map(|p| format!("{}|{}|{}|{}", p.name, p.default, p.alternate, p.required)).collect::<Vec<_>>()
        };
        assert_eq!(read("$A-${B}"), ["A|||false", "B|||false"]);
        assert_eq!(read("$$A ${A:?no} ${A:-1}"), ["A|1||true"]);
        assert_eq!(read("${A:-${B:+c}}"), ["A|${B:+c}||false", "B||c|false"]);
        assert_eq!(read("${A-x}/${B+y}"), ["B||y|false", "A|x||false"]);
        assert_eq!(read("${1} ${}"), ["|||false"]);
    }
}
