//! Which of the texts approved before resembles one, and how they differ.

use airlock_model::Approval;

use super::show::SimilarApproval;

/// Words and line ends that are compared; a longer text resembles nothing.
const WORDS_MAX: usize = 500;
/// Said where a line-by-line look finds nothing: blanks count inside of literals.
const ONLY_BLANKS: &str = "!the words are the same, and the blanks between them are not\n";
/// Of a hundred words, so many have to be in both in the same order.
const ALIKE_PERCENT: usize = 50;

/// The latest that resembles it enough, when it is another text.
pub(super) fn to(approval: &Approval, before: &[Approval]) -> Option<SimilarApproval> {
    let new = words(&approval.asked.text)?;
    let others = before.iter().filter(|other| other.id != approval.id && other.asked.text != approval.asked.text);
    others.filter(|other| other.asked.language == approval.asked.language).find_map(|other| {
        let old = words(&other.asked.text)?;
        let lengths = common(&old, &new);
        let same = usize::from(*lengths.first()?.first()?);
        (same * 200 >= (old.len() + new.len()) * ALIKE_PERCENT)
            .then(|| SimilarApproval { id: other.id.clone(), diff: diff(&old, &new, &lengths) })
    })
}

/// The words with the ends of lines among them, because those end comments: what is commented out is one line end away from what
/// runs.
fn words(text: &str) -> Option<Vec<&str>> {
    let mut words = Vec::new();
    for line in text.split_inclusive(['\n', '\r']) {
        words.extend(line.split_whitespace());
        if line.ends_with('\n') {
            words.push("⏎");
        } else if line.ends_with('\r') {
            words.push("␍");
        }
    }
    (words.len() <= WORDS_MAX).then_some(words)
}

/// How many words the rests behind two places have in common, in order.
fn common(old: &[&str], new: &[&str]) -> Vec<Vec<u16>> {
    let mut lengths = vec![vec![0_u16; new.len() + 1]; old.len() + 1];
    let at = |lengths: &[Vec<u16>], row: usize, column: usize| {
        lengths.get(row).and_then(|row| row.get(column)).copied().unwrap_or_default()
    };
    for (row, old_word) in old.iter().enumerate().rev() {
        for (column, new_word) in new.iter().enumerate().rev() {
            let longest = if old_word == new_word {
                at(&lengths, row + 1, column + 1) + 1
            } else {
                at(&lengths, row + 1, column).max(at(&lengths, row, column + 1))
            };
            if let Some(place) = lengths.get_mut(row).and_then(|row| row.get_mut(column)) {
                *place = longest;
            }
        }
    }
    lengths
}

/// Runs of words that are in both, gone or new, a line each, of two texts that are not the same.
fn diff(old: &[&str], new: &[&str], lengths: &[Vec<u16>]) -> String {
    if old == new {
        return ONLY_BLANKS.to_owned();
    }
    let at = |row: usize, column: usize| lengths.get(row).and_then(|row| row.get(column)).copied().unwrap_or_default();
    let (mut row, mut column, mut lines) = (0, 0, Vec::<(char, String)>::new());
    let mut add = |sign: char, word: &str| match lines.last_mut() {
        Some((last, line)) if *last == sign => {
            line.push(' ');
            line.push_str(word);
        }
        _ => lines.push((sign, word.to_owned())),
    };
    loop {
        match (old.get(row), new.get(column)) {
            (None, None) => break,
            (Some(a), Some(b)) if a == b => {
                add(' ', a);
                (row, column) = (row + 1, column + 1);
            }
            (Some(a), b) if b.is_none() || at(row + 1, column) >= at(row, column + 1) => {
                add('-', a);
                row += 1;
            }
            (_, Some(b)) => {
                add('+', b);
                column += 1;
            }
            (Some(_), None) => break,
        }
    }
    lines.into_iter().map(|(sign, line)| format!("{sign}{line}\n")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_difference_shows_what_went_and_what_came() {
        let (old, new) =
            ("update orders set total = $1 where id = $2", "update orders set note = $1 where id = $2 and paid");
        let (old, new) = (words(old).unwrap(), words(new).unwrap());
        let shown = diff(&old, &new, &common(&old, &new));
        assert_eq!(shown, " update orders set\n-total\n+note\n = $1 where id = $2\n+and paid\n");
    }

    fn shown(old: &str, new: &str) -> String {
        let (old, new) = (words(old).unwrap(), words(new).unwrap());
        diff(&old, &new, &common(&old, &new))
    }

    /// The second changes all rows.
    #[test]
    fn a_line_end_that_moves_a_condition_into_a_comment_is_shown() {
        let (old, new) = ("update t set a = 1 -- one\nwhere id = 2", "update t set a = 1 -- one where id = 2");
        assert_eq!(shown(old, new), " update t set a = 1 -- one\n-⏎\n where id = 2\n");
        let other = old.replace('\n', "\r");
        assert_eq!(shown(old, &other), " update t set a = 1 -- one\n-⏎\n+␍\n where id = 2\n");
    }

    #[test]
    fn texts_that_differ_in_blanks_alone_are_said_to() {
        assert_eq!(shown("select 'a b'", "select 'a  b'"), ONLY_BLANKS);
        assert_eq!(shown("select 1", "select 2"), " select\n-1\n+2\n", "the twin");
    }
}
