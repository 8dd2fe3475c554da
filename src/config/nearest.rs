//! Finds the key that was probably meant.

/// Returns the candidate that differs least from `word`, if it differs by less than a third.
pub(super) fn nearest<'a>(word: &str, candidates: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    if word.len() > 128 {
        return None;
    }
    let allowed = (word.chars().count() / 3).clamp(1, 4);
    candidates
        .map(|it| (distance(word, it), it))
        .filter(|(distance, _)| *distance <= allowed)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, it)| it)
}

/// Letters to add, drop or change (Levenshtein).
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, y) in b.iter().enumerate() {
            let above = row[j + 1];
            row[j + 1] = (diagonal + usize::from(x != *y)).min(above + 1).min(row[j] + 1);
            diagonal = above;
        }
    }
    row[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_is_found_and_a_stranger_is_not() {
        let keys = ["kafka.brokers", "kafka.group", "windows.width"];
        assert_eq!(nearest("kafka.broker", keys.into_iter()), Some("kafka.brokers"));
        assert_eq!(nearest("window.width", keys.into_iter()), Some("windows.width"));
        assert_eq!(nearest("database.url", keys.into_iter()), None);
        assert_eq!((distance("abc", "abc"), distance("", "abc"), distance("abc", "axc")), (0, 3, 1));
    }
}
