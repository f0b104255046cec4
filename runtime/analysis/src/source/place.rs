//! Bytes to lines and columns, and how deep brackets nest.

/// Line and column of a byte, both from 1; columns count characters.
pub(super) fn position(text: &str, offset: usize) -> (u32, u32) {
    let mut offset = offset.min(text.len());
    while !text.is_char_boundary(offset) {
        offset -= 1;
    }
    let before = text.get(..offset).unwrap_or(text);
    let line = before.bytes().filter(|byte| *byte == b'\n').count() + 1;
    let column = before.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
    (u32::try_from(line).unwrap_or(u32::MAX), u32::try_from(column).unwrap_or(u32::MAX))
}

/// The deepest nesting of brackets, and of prefix operators that parsers go down for. Texts and comments are not told apart:
/// too many is only what a hostile file has.
pub(super) fn nesting(text: &str) -> usize {
    let (mut depth, mut deepest, mut run, mut last) = (0_usize, 0, 0_usize, 0);
    for byte in text.bytes() {
        match byte {
            b'(' | b'[' | b'{' => depth += 1,
            b')' | b']' | b'}' => depth = depth.saturating_sub(1),
            _ => {}
        }
        run = if byte == last && matches!(byte, b'!' | b'~' | b'-' | b'+' | b'&' | b'*' | b'<') { run + 1 } else { 0 };
        last = byte;
        // A line of `-----` in a comment is no danger; parsers fold a few hundred.
        deepest = deepest.max(depth).max(run / 8);
    }
    deepest
}
