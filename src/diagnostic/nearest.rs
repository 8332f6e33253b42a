//! "Did you mean …?"

/// The candidate that a word was most likely meant to be, if any is near enough. Of equally near ones the
/// first in alphabetical order.
pub fn nearest<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let allowed = (word.chars().count() / 3).clamp(1, 3);
    candidates
        .into_iter()
        .map(|candidate| (distance(&word.to_lowercase(), &candidate.to_lowercase()), candidate))
        .filter(|(distance, candidate)| *distance <= allowed && *candidate != word)
        .min()
        .map(|(_, candidate)| candidate)
}

/// Insertions, deletions, replacements and swaps of neighbours.
fn distance(a: &str, b: &str) -> usize {
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().collect(), b.chars().collect());
    let mut rows: Vec<Vec<usize>> = vec![(0..=b.len()).collect()];
    for (i, x) in a.iter().enumerate() {
        let above = rows.last().cloned().unwrap_or_default();
        let before = rows.len().checked_sub(2).and_then(|index| rows.get(index)).cloned();
        let mut row = vec![i + 1];
        for (j, y) in b.iter().enumerate() {
            let get = |row: &[usize], index: usize| row.get(index).copied().unwrap_or(usize::MAX / 2);
            let mut best = (get(&above, j + 1) + 1).min(get(&row, j) + 1).min(get(&above, j) + usize::from(x != y));
            let swapped = i > 0 && j > 0 && a.get(i - 1) == Some(y) && b.get(j - 1) == Some(x);
            if let Some(before) = before.as_deref().filter(|_| swapped) {
                best = best.min(get(before, j - 1) + 1);
            }
            row.push(best);
        }
        rows.push(row);
    }
    rows.last().and_then(|row| row.last()).copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::nearest;

    #[test]
    fn typing_mistakes_are_near_and_other_words_are_not() {
        let keys = ["image", "ports", "volumes", "environment", "depends_on", "init"];
        for (word, meant) in [
            ("imgae", Some("image")),
            ("port", Some("ports")),
            ("enviroment", Some("environment")),
            ("dependsOn", Some("depends_on")),
            ("Volume", Some("volumes")),
            ("xyz", None),
            ("", None),
        ] {
            assert_eq!(nearest(word, keys), meant, "{word}");
        }
    }
}
