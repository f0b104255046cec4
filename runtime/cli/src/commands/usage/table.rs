//! Tables of text: columns as wide as they need to be.

use std::io::Write;

use crate::output;

/// Characters of a cell with a name.
const NAME_MAX: usize = 40;

/// A column.
pub struct Column {
    pub title: String,
    /// Whether its cells are numbers.
    pub is_number: bool,
}

impl Column {
    pub fn name(title: &str) -> Self {
        Self { title: title.to_owned(), is_number: false }
    }

    pub fn number(title: &str) -> Self {
        Self { title: title.to_owned(), is_number: true }
    }
}

/// A name as it is shown: none of its characters moves the cursor, and the middle of a long one is left out.
pub fn shown(text: &str) -> String {
    let text = output::plain(text).replace(['\n', '\t'], " ");
    let long = text.chars().count();
    if long <= NAME_MAX {
        return if text.is_empty() { "-".to_owned() } else { text };
    }
    let first: String = text.chars().take(NAME_MAX - 12).collect();
    let last: String = text.chars().skip(long - 11).collect();
    format!("{first}~{last}")
}

/// Prints rows under their titles.
pub fn print(out: &mut dyn Write, columns: &[Column], rows: &[Vec<String>]) -> std::io::Result<()> {
    let width = |(index, column): (usize, &Column)| {
        let cells = rows.iter().filter_map(|row| row.get(index)).map(|cell| cell.chars().count());
        cells.chain([column.title.chars().count()]).max().unwrap_or(0)
    };
    let widths: Vec<usize> = columns.iter().enumerate().map(width).collect();
    let mut line = |cells: &mut dyn Iterator<Item = &str>| {
        let padded = cells.zip(columns).zip(&widths).map(|((cell, column), width)| {
            if column.is_number { format!("{cell:>width$}") } else { format!("{cell:<width$}") }
        });
        let text = padded.collect::<Vec<_>>().join("  ");
        writeln!(out, "{}", text.trim_end())
    };
    line(&mut columns.iter().map(|column| column.title.as_str()))?;
    rows.iter().try_for_each(|row| line(&mut row.iter().map(String::as_str)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_as_wide_as_their_cells() {
        let mut out = Vec::new();
        let rows = [["a", "12"], ["longer", "3"]].map(|row| row.map(str::to_owned).to_vec());
        print(&mut out, &[Column::name("NAME"), Column::number("N")], &rows).expect("printed");
        assert_eq!(String::from_utf8(out).expect("text"), "NAME     N\na       12\nlonger   3\n");
    }

    #[test]
    fn a_name_cannot_draw_outside_of_its_cell() {
        assert_eq!(shown("\u{1b}[2J\nx"), "\u{fffd}[2J x");
        assert_eq!(shown(""), "-");
        let long = shown(&"x".repeat(500));
        assert_eq!((long.chars().count(), long.contains('~')), (40, true));
    }
}
