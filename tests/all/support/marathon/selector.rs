//! Which labels an app must have: `a`, `a==b`, `a!=b`, `a in (x,y)`, `a notin (x,y)`, several separated by commas.

use serde_json::Value as Json;

/// Whether the labels are as asked; `None` where the question is none.
pub(super) fn selects(selector: &str, labels: &Json) -> Option<bool> {
    let mut rest = selector.trim();
    let mut all = true;
    while !rest.is_empty() {
        let (term, after) = term(rest)?;
        all &= one(term, labels)?;
        rest = after;
    }
    Some(all)
}

/// The first term, and what follows its comma.
fn term(text: &str) -> Option<(&str, &str)> {
    let open = text.find('(');
    let comma = text.find(',');
    let end = match (open, comma) {
        (Some(open), Some(comma)) if open < comma => {
            let close = text.find(')')?;
            text.get(close..)?.find(',').map_or(text.len(), |after| close + after)
        }
        (_, Some(comma)) => comma,
        _ => text.len(),
    };
    Some((text.get(..end)?.trim(), text.get(end..)?.trim_start_matches(',').trim()))
}

fn one(term: &str, labels: &Json) -> Option<bool> {
    let value = |key: &str| labels.get(key.trim()).and_then(Json::as_str);
    if let Some((key, wanted)) = term.split_once("==") {
        return Some(value(key) == Some(wanted.trim()));
    }
    if let Some((key, wanted)) = term.split_once("!=") {
        return Some(value(key).is_some_and(|value| value != wanted.trim()));
    }
    for (word, inside) in [(" notin ", false), (" in ", true)] {
        if let Some((key, set)) = term.split_once(word) {
            let set = set.trim().strip_prefix('(')?.strip_suffix(')')?;
            return Some(value(key).is_some_and(|value| set.split(',').any(|one| one.trim() == value) == inside));
        }
    }
    if term.is_empty() || term.contains([' ', '(', '=', '!']) {
        return None;
    }
    Some(value(term).is_some())
}
