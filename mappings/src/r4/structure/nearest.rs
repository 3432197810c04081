//! The word that a misspelt one may have meant.

/// The nearest of the names, where it is near enough to be what was meant.
pub(super) fn nearest<'n>(word: &str, names: impl Iterator<Item = &'n str>) -> Option<&'n str> {
    // A long word is no slip of the pen, and the distance to it costs its length squared.
    if word.len() > 40 {
        return None;
    }
    let far = 1 + word.len() / 4;
    names.map(|name| (distance(word, name), name)).filter(|(distance, _)| *distance <= far).min().map(|(_, name)| name)
}

/// The letters to change, insert, leave out or swap with their neighbour; case counts too.
fn distance(left: &str, right: &str) -> usize {
    let (left, right): (Vec<char>, Vec<char>) = (left.chars().collect(), right.chars().collect());
    let mut rows: Vec<Vec<usize>> = vec![(0..=right.len()).collect()];
    for i in 1..=left.len() {
        let mut row = vec![i];
        for j in 1..=right.len() {
            let change = usize::from(left[i - 1] != right[j - 1]);
            let mut least = (rows[i - 1][j] + 1).min(row[j - 1] + 1).min(rows[i - 1][j - 1] + change);
            if i > 1 && j > 1 && left[i - 1] == right[j - 2] && left[i - 2] == right[j - 1] {
                least = least.min(rows[i - 2][j - 2] + 1);
            }
            row.push(least);
        }
        rows.push(row);
    }
    rows[left.len()][right.len()]
}

#[cfg(test)]
mod tests {
    use super::nearest;

    #[test]
    fn a_slip_is_recognised_and_another_word_is_not() {
        let names = ["birthDate", "gender", "name", "active"];
        assert_eq!(nearest("nmae", names.into_iter()), Some("name"));
        assert_eq!(nearest("birthdate", names.into_iter()), Some("birthDate"));
        assert_eq!(nearest("favourite", names.into_iter()), None);
        assert_eq!(nearest("", names.into_iter()), None);
    }
}
