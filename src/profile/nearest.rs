//! "Did you mean": the nearest of a few known words.

/// Finds the word of `known` that `found` was most likely meant to be.
///
/// A third of the letters may be wrong, one at least; words that share nothing but their
/// length are not suggested.
pub(super) fn nearest<'a>(
    found: &str,
    known: impl IntoIterator<Item = &'a str>,
) -> Option<&'a str> {
    // Longer texts are no slips of the pen, and the distance costs length².
    if found.len() > 64 {
        return None;
    }
    let folded = found.to_lowercase().replace('-', "_");
    let scored = known.into_iter().map(|word| {
        let distance = distance(&folded, &word.to_lowercase().replace('-', "_"));
        let extends = folded.len() >= 3 && (word.starts_with(&folded) || folded.starts_with(word));
        (if extends { distance.min(1) } else { distance }, word)
    });
    let (distance, word) = scored.min_by_key(|(distance, _)| *distance)?;
    let letters = found.chars().count().max(word.chars().count());
    (distance <= (letters / 3).max(1) && distance < letters).then_some(word)
}

/// Joins words for "one of: a, b, c"; a long list is cut.
pub(super) fn list<'a>(words: impl IntoIterator<Item = &'a str>) -> String {
    const SHOWN: usize = 24;
    let words: Vec<&str> = words.into_iter().collect();
    let mut text = words.iter().take(SHOWN).copied().collect::<Vec<_>>().join(", ");
    if words.len() > SHOWN {
        text.push_str(&format!(", and {} more", words.len() - SHOWN));
    }
    text
}

/// Optimal string alignment: edits and swaps of neighbours.
fn distance(left: &str, right: &str) -> usize {
    let left: Vec<char> = left.chars().collect();
    let right: Vec<char> = right.chars().collect();
    let mut before_last = vec![0; right.len() + 1];
    let mut last: Vec<usize> = (0..=right.len()).collect();
    for (i, &a) in left.iter().enumerate() {
        let mut row = vec![i + 1; right.len() + 1];
        for (j, &b) in right.iter().enumerate() {
            let replaced = last[j] + usize::from(a != b);
            row[j + 1] = replaced.min(last[j + 1] + 1).min(row[j] + 1);
            if i > 0 && j > 0 && a == right[j - 1] && left[i - 1] == b {
                row[j + 1] = row[j + 1].min(before_last[j - 1] + 1);
            }
        }
        before_last = std::mem::replace(&mut last, row);
    }
    last[right.len()]
}

#[cfg(test)]
mod tests {
    use super::{distance, list, nearest};

    #[test]
    fn distances_are_the_known_ones() {
        assert_eq!(distance("kitten", "sitting"), 3);
        assert_eq!(distance("poison", "poisson"), 1);
        assert_eq!(distance("phsae", "phase"), 1);
        assert_eq!(distance("", "abc"), 3);
    }

    #[test]
    fn slips_are_recognised_and_strangers_are_not() {
        let known = ["duration", "rate", "max_in_flight"];
        assert_eq!(nearest("durration", known), Some("duration"));
        assert_eq!(nearest("max-in-flight", known), Some("max_in_flight"));
        assert_eq!(nearest("dur", known), Some("duration"));
        assert_eq!(nearest("banana", known), None);
        assert_eq!(nearest("x", ["y"]), None);
    }

    #[test]
    fn long_lists_are_cut() {
        let words: Vec<String> = (0..30).map(|number| number.to_string()).collect();
        assert!(list(words.iter().map(String::as_str)).ends_with("23, and 6 more"));
    }
}
