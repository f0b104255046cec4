//! Templates with `{fields}`, as Python's `str.format` and Rust's `format!` have them.

/// The constants (`Ok`) and the fields (`Err`) of a template, in turns. Doubled braces are constants.
pub(super) fn parts(template: &str) -> Vec<Result<String, String>> {
    let mut parts = Vec::new();
    let mut constant = String::new();
    let mut rest = template.chars().peekable();
    while let Some(c) = rest.next() {
        match c {
            '{' | '}' if rest.peek() == Some(&c) => {
                rest.next();
                constant.push(c);
            }
            '{' => {
                parts.push(Ok(std::mem::take(&mut constant)));
                parts.push(Err(rest.by_ref().take_while(|c| *c != '}').collect()));
            }
            c => constant.push(c),
        }
    }
    parts.push(Ok(constant));
    parts
}
