//! The difference of two texts as one hunk.

const CONTEXT: usize = 2;

/// A unified diff.
pub(super) fn unified(path: &str, old: &str, new: &str) -> String {
    let (old, new): (Vec<&str>, Vec<&str>) = (old.lines().collect(), new.lines().collect());
    let same = old.iter().zip(&new).take_while(|(a, b)| a == b).count();
    let left = old.len().min(new.len()) - same;
    let tail = old.iter().rev().zip(new.iter().rev()).take_while(|(a, b)| a == b).count().min(left);
    let start = same.saturating_sub(CONTEXT);
    let (old_end, new_end) = (old.len() - tail, new.len() - tail);
    let after = tail.min(CONTEXT);
    let header = |lines: usize| format!("{},{lines}", start + 1);
    let (old_count, new_count) = (old_end + after - start, new_end + after - start);
    let path = path.trim_start_matches('/');
    let mut text = format!("--- a/{path}\n+++ b/{path}\n@@ -{} +{} @@\n", header(old_count), header(new_count));
    let mut add = |sign: char, lines: Option<&[&str]>| {
        for line in lines.unwrap_or_default() {
            text.push(sign);
            text.push_str(line);
            text.push('\n');
        }
    };
    add(' ', old.get(start..same));
    add('-', old.get(same..old_end));
    add('+', new.get(same..new_end));
    add(' ', old.get(old_end..old_end + after));
    text
}
