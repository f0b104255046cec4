//! A text with holes to a constant text with placeholders.

use super::idiom::{Idiom, Style};
use crate::Dialect;
use crate::source::{
    Language, SourceFile,
    engine::{Hole, Piece},
    ir::{How, Span},
    report::Edit,
    sink::{Use, is_name_place},
};

/// The edits that bind every value, where the text stands in one expression and the call takes parameters.
pub(super) fn edits(used: &Use, file: &SourceFile, dialect: Option<Dialect>) -> Option<Vec<Edit>> {
    let language = file.language?;
    let place = Place::find(used, file)?;
    let idiom = Idiom::of(used, file, dialect)?;
    let bound = Bound::of(used, &idiom, &file.text, language)?;
    let literal = literal(language, &bound.text);
    let literal = if place.keeps_string { format!("String::from({literal})") } else { literal };
    let mut edits = vec![Edit { start: place.start, end: place.end, text: literal }];
    edits.extend(idiom.parameters(used, &file.text, &bound.values)?);
    Some(edits)
}

/// Where the text is put together.
struct Place {
    start: usize,
    end: usize,
    /// A variable that was a `String` stays one.
    keeps_string: bool,
}

impl Place {
    fn find(used: &Use, file: &SourceFile) -> Option<Self> {
        let mut made = used.text.holes().map(|hole| hole.made);
        let first = made.next()?;
        let how_fits = |hole: &Hole| !matches!(hole.how, How::Append | How::Join | How::Replace);
        if used.alternatives != 1
            || made.any(|other| other != first)
            || !used.text.holes().all(how_fits)
            || first.file != used.call.file
        {
            return None;
        }
        let text = &file.text;
        let (start, end) = (first.start as usize, first.end as usize);
        let argument = text.get(used.argument.start as usize..used.argument.end as usize)?;
        let own = text.get(start..end)?;
        if argument.contains(own) && used.argument.start <= first.start && first.end <= used.argument.end {
            // Nothing but what makes a reference of it may stand around it.
            let around = argument.replacen(own, "", 1);
            let plain = matches!(around.trim(), "" | "&" | "&*" | ".as_str()" | "()" | "&()" | ".trim()");
            let range = (used.argument.start as usize, used.argument.end as usize);
            return plain.then_some(Self { start: range.0, end: range.1, keeps_string: false });
        }
        let name = argument.trim_start_matches(['&', '*']).trim_end_matches(".as_str()").trim_end_matches(".as_ref()");
        let is_name = !name.is_empty() && name.chars().all(|c| c.is_alphanumeric() || c == '_');
        let before = text.get(..start)?.trim_end().strip_suffix('=')?.trim_end();
        let declared = before.rsplit(['\n', ';', '{', '}']).next()?;
        let declared = declared
            .split(':')
            .next()?
            .trim()
            .trim_start_matches("const ")
            .trim_start_matches("let ")
            .trim_start_matches("var ")
            .trim_start_matches("mut ")
            .trim();
        (is_name && declared == name).then_some(Self {
            start,
            end,
            keeps_string: file.language == Some(Language::Rust),
        })
    }
}

/// The constant text and the expressions that are bound, in order.
struct Bound {
    text: String,
    values: Vec<String>,
}

impl Bound {
    fn of(used: &Use, idiom: &Idiom, source: &str, language: Language) -> Option<Self> {
        let pieces = &used.text.pieces;
        let mut bound = Self { text: String::new(), values: Vec::new() };
        // What of the next constant was taken into a value already.
        let mut taken = 0;
        let mut spans: Vec<Span> = Vec::new();
        for (index, piece) in pieces.iter().enumerate() {
            match piece {
                Piece::Varies(_) => return None,
                Piece::Constant(text) => {
                    let rest = text.get(taken..)?;
                    bound.text.push_str(&if idiom.style == Style::Percent {
                        rest.replace('%', "%%")
                    } else {
                        rest.to_owned()
                    });
                    taken = 0;
                }
                Piece::Hole(hole) => {
                    if is_name_place(&used.text, hole) || spans.contains(&hole.value) {
                        return None;
                    }
                    spans.push(hole.value);
                    let value = source.get(hole.value.start as usize..hole.value.end as usize)?.trim().to_owned();
                    let after = match pieces.get(index + 1) {
                        Some(Piece::Constant(after)) => after.as_str(),
                        _ => "",
                    };
                    let (value, used_up) = bound.unquote(value, after, language, idiom.style)?;
                    taken = used_up;
                    bound.values.push(value);
                    bound.text.push_str(&idiom.placeholder(bound.values.len()));
                }
            }
        }
        let odd_values =
            bound.values.iter().any(|value| value.is_empty() || value.contains('\n') || value.starts_with("**"));
        (!odd_values && !bound.text.contains('\u{fffd}')).then_some(bound)
    }

    /// Takes the quotes around a hole out of the text. What stands between them and the hole belongs to the value: `'%x%'`.
    /// Returns the value and how much of the constant behind it was used up.
    fn unquote(&mut self, value: String, after: &str, language: Language, style: Style) -> Option<(String, usize)> {
        if self.text.matches('\'').count().is_multiple_of(2) {
            return Some((value, 0));
        }
        let end = after.find('\'')?;
        let start = self.text.rfind('\'')?;
        let lead = self.text.split_off(start).split_off(1);
        let lead = if style == Style::Percent { lead.replace("%%", "%") } else { lead };
        let tail = after.get(..end)?;
        let value = match (lead.is_empty() && tail.is_empty(), language) {
            (true, _) => value,
            (false, Language::Rust) => format!("format!(\"{lead}{{}}{tail}\", {value})"),
            (false, Language::Python) => format!("\"{lead}\" + str({value}) + \"{tail}\""),
            (false, Language::Typescript) => format!("\"{lead}\" + {value} + \"{tail}\""),
        };
        Some((value, end + 1))
    }
}

/// A text as the language writes it.
fn literal(language: Language, text: &str) -> String {
    let escaped = text.replace('\\', "\\\\").replace('"', "\\\"");
    match language {
        Language::Rust => format!("\"{escaped}\""),
        Language::Python if text.contains('\n') => format!("\"\"\"{escaped}\"\"\""),
        Language::Typescript if text.contains('\n') => {
            format!("`{}`", text.replace('\\', "\\\\").replace('`', "\\`").replace("${", "\\${"))
        }
        _ => format!("\"{}\"", escaped.replace('\n', "\\n")),
    }
}
