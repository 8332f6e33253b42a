//! From a value back to what somebody wrote, in one line.

use std::fmt::Write as _;

use crate::value::{FileRole, Origins, Source, Sources, Spot};

/// How many places of one value are told.
const MOST: usize = 3;

/// `compose.production.yaml:12:7, through variable TAG (.env:3:5), instead of compose.yaml:9:5`. Places in templates
/// are left out where anything else is known; `None` when nobody wrote it.
pub fn trace(sources: Sources, origins: &Origins) -> Option<String> {
    let spots = origins.spots(sources);
    let told: Vec<Spot> = spots.iter().copied().filter(|spot| !is_template(*spot, origins)).collect();
    let told = if told.is_empty() { spots } else { told };
    let mut words: Vec<String> = Vec::new();
    for spot in &told {
        if let Some(text) = trace_one(*spot, origins)
            && !words.contains(&text)
        {
            words.push(text);
        }
    }
    // A place that another one mentions anyway is not told twice.
    let all = words.clone();
    words.retain(|word| !all.iter().any(|other| other != word && other.contains(word.as_str())));
    if words.is_empty() {
        return None;
    }
    let more = words.len().saturating_sub(MOST);
    words.truncate(MOST);
    let mut text = words.join("; ");
    if more > 0 {
        let _ = write!(text, "; and {more} more");
    }
    Some(text)
}

fn is_template(spot: Spot, origins: &Origins) -> bool {
    origins.place(spot).is_some_and(|place| origins.role(place.file) == Some(FileRole::Template))
}

fn trace_one(spot: Spot, origins: &Origins) -> Option<String> {
    let origin = origins.origin(spot)?;
    let mut text = origins.describe(spot)?;
    for through in
        origins.spots(origin.made_of).into_iter().filter(|other| *other != spot && !is_template(*other, origins))
    {
        if let Some(words) = origins.describe(through) {
            text.push_str(", through ");
            text.push_str(&words);
        }
    }
    let displaced = origin.displaced.filter(|other| {
        !matches!(origins.origin(*other), Some(crate::value::Origin { source: Source::Default { .. }, .. }))
    });
    if let Some(words) = displaced.and_then(|displaced| origins.describe(displaced)) {
        text.push_str(", instead of ");
        text.push_str(&words);
    }
    Some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_leads_to_its_overlay_its_variable_and_what_it_displaced() {
        let origins = Origins::new();
        let base = origins.add_file("compose.yaml", FileRole::Compose, "image: web:1\n");
        let overlay = origins.add_file("compose.production.yaml", FileRole::Compose, "\nimage: web:$TAG\n");
        let env = origins.add_file(".env", FileRole::DotEnv, "TAG=2\n");
        let template = origins.add_file("workload.yaml", FileRole::Template, "image: x\n");
        let (old, new) = (origins.in_file(base, 7..12), origins.in_file(overlay, 8..16));
        let spot = origins.derive(new, Some(old), origins.in_file(env, 4..5).into());
        let all = origins.union([spot, origins.in_file(template, 0..5)]);
        assert_eq!(
            trace(all, &origins).as_deref(),
            Some("compose.production.yaml:2:8, through .env:1:5, instead of compose.yaml:1:8")
        );
        assert_eq!(trace(Sources::NONE, &origins), None);
    }
}
