//! Columns of a result, and how their values travel as JSON.

use std::io;

use super::packet::Reader;

/// A column as the server describes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Type {
    /// The server's own name, as far as a result tells it: `bigint unsigned`, `datetime`, `text`.
    pub(super) name: String,
    pub(super) kind: Kind,
}

/// How a value travels, on the wire and as JSON.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// A number, or a string beyond 2^53.
    Int {
        bytes: usize,
        is_signed: bool,
    },
    /// A number of 4 bytes.
    Float,
    /// A number of 8 bytes.
    Double,
    /// A number of so many bits: bytes on the wire, highest first.
    Bit,
    /// A string, with so many digits of a second.
    Date,
    DateTime {
        decimals: u8,
    },
    Time {
        decimals: u8,
    },
    /// The value itself.
    Json,
    /// A string: `\x` and hexadecimal digits.
    Bytes,
    /// A string as the server writes it.
    Text,
    /// No value.
    Null,
}

const UNSIGNED: u16 = 0x0020;
const ENUM: u16 = 0x0100;
const SET: u16 = 0x0800;
/// The character set of bytes.
const BINARY: u16 = 63;

/// Reads the description of a column: its name and its type.
///
/// # Errors
/// When it is none.
pub(super) fn column(packet: &[u8], has_extended_metadata: bool) -> io::Result<(String, Type)> {
    let mut reader = Reader::new(packet);
    // Catalogue, database, table as the statement calls it, and as it is called: none of them is a guest's business.
    for _ in 0..4 {
        reader.bytes()?;
    }
    let name = reader.text()?;
    reader.bytes()?;
    let extended = if has_extended_metadata { reader.bytes()? } else { &[] };
    reader.length()?;
    let character_set = reader.u16()?;
    let _display_width = reader.u32()?;
    let (code, flags, decimals) = (reader.byte()?, reader.u16()?, reader.byte()?);
    let described = Described { character_set, code, flags, decimals };
    Ok((name, described.read(extended)))
}

struct Described {
    character_set: u16,
    code: u8,
    flags: u16,
    decimals: u8,
}

impl Described {
    fn read(&self, extended: &[u8]) -> Type {
        let integer = |name: &str, bytes| {
            let is_signed = self.flags & UNSIGNED == 0;
            let name = if is_signed { name.to_owned() } else { format!("{name} unsigned") };
            Type { name, kind: Kind::Int { bytes, is_signed } }
        };
        let plain = |name: &str, kind| Type { name: name.to_owned(), kind };
        let decimals = self.decimals;
        match self.code {
            0x01 => integer("tinyint", 1),
            0x02 => integer("smallint", 2),
            0x03 => integer("int", 4),
            0x09 => integer("mediumint", 4),
            0x08 => integer("bigint", 8),
            0x0d => plain("year", Kind::Int { bytes: 2, is_signed: false }),
            0x00 | 0xf6 => plain("decimal", Kind::Text),
            0x04 => plain("float", Kind::Float),
            0x05 => plain("double", Kind::Double),
            0x06 => plain("null", Kind::Null),
            0x0a | 0x0e => plain("date", Kind::Date),
            0x07 => plain("timestamp", Kind::DateTime { decimals }),
            0x0c => plain("datetime", Kind::DateTime { decimals }),
            0x0b => plain("time", Kind::Time { decimals }),
            0x10 => plain("bit", Kind::Bit),
            0xf5 => plain("json", Kind::Json),
            _ if is_json(extended) => plain("json", Kind::Json),
            _ if self.flags & ENUM != 0 || self.code == 0xf7 => plain("enum", Kind::Text),
            _ if self.flags & SET != 0 || self.code == 0xf8 => plain("set", Kind::Text),
            0xff => plain("geometry", Kind::Bytes),
            code => self.characters(code),
        }
    }

    fn characters(&self, code: u8) -> Type {
        let is_binary = self.character_set == BINARY;
        let kind = if is_binary { Kind::Bytes } else { Kind::Text };
        let name = match (code, is_binary) {
            (0xf9..=0xfc, true) => "blob",
            (0xf9..=0xfc, false) => "text",
            (0xfe, true) => "binary",
            (0xfe, false) => "char",
            (_, true) => "varbinary",
            (_, false) => "varchar",
        };
        Type { name: name.to_owned(), kind }
    }
}

/// MariaDB says of a text that it is JSON: a list of numbers and texts, where 1 is the format.
fn is_json(extended: &[u8]) -> bool {
    let mut reader = Reader::new(extended);
    while let (Ok(what), Ok(text)) = (reader.byte(), reader.bytes()) {
        if what == 1 && text == b"json" {
            return true;
        }
    }
    false
}
