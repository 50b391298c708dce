//! The nearest known word to a mistyped one.

/// The word of `known` that `word` was probably meant to be: at most a third of its letters away,
/// two swapped neighbours counted once, case ignored.
pub(crate) fn nearest<'a>(word: &str, known: &[&'a str]) -> Option<&'a str> {
    let lower = word.to_lowercase();
    let allowed = word.chars().count().max(3) / 3;
    known
        .iter()
        .map(|candidate| (distance(&lower, &candidate.to_lowercase()), *candidate))
        .filter(|(away, _)| *away <= allowed)
        .min_by_key(|(away, _)| *away)
        .map(|(_, candidate)| candidate)
}

/// What follows the colon of an error about `word`: the nearest known word, or all of them.
pub(crate) fn advice(word: &str, known: &[&str]) -> String {
    match nearest(word, known) {
        Some(near) => format!("did you mean `{near}`?"),
        None => format!("expected one of {}", list(known)),
    }
}

/// `a`, `b`, `c`, each in backticks.
pub(crate) fn list(words: &[&str]) -> String {
    let quoted: Vec<String> = words.iter().map(|word| format!("`{word}`")).collect();
    quoted.join(", ")
}

/// Optimal string alignment distance: insert, delete, replace, swap neighbours.
fn distance(a: &str, b: &str) -> usize {
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().collect(), b.chars().collect());
    let mut before_last: Vec<usize> = Vec::new();
    let mut last: Vec<usize> = (0..=b.len()).collect();
    for i in 1..=a.len() {
        let mut row = vec![i];
        for j in 1..=b.len() {
            let replaced = last[j - 1] + usize::from(a[i - 1] != b[j - 1]);
            let mut best = replaced.min(last[j] + 1).min(row[j - 1] + 1);
            if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                best = best.min(before_last[j - 2] + 1);
            }
            row.push(best);
        }
        before_last = std::mem::replace(&mut last, row);
    }
    last[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nearest_given_swapped_letters_finds_the_word() {
        assert_eq!(nearest("nmae", &["kind", "name", "ret"]), Some("name"));
    }

    #[test]
    fn nearest_given_other_case_finds_the_word() {
        assert_eq!(nearest("debug", &["Debug", "Display"]), Some("Debug"));
    }

    #[test]
    fn nearest_given_two_candidates_prefers_the_closer() {
        assert_eq!(nearest("samples", &["sampler", "sample"]), Some("sampler"));
        assert_eq!(nearest("sampl", &["sampler", "sample"]), Some("sample"));
    }

    #[test]
    fn nearest_given_a_strange_word_finds_nothing() {
        assert_eq!(nearest("colour", &["name", "kind"]), None);
    }

    #[test]
    fn distance_of_empty_words_is_the_other_length() {
        assert_eq!(distance("", "abc"), 3);
        assert_eq!(distance("abc", ""), 3);
        assert_eq!(distance("abc", "abc"), 0);
    }

    #[test]
    fn advice_without_a_near_word_lists_all() {
        assert_eq!(advice("xyz", &["a", "b"]), "expected one of `a`, `b`");
    }
}
