//! What stands in a packet.

use std::io;

use bytes::{BufMut as _, Bytes};

use super::{fault::ServerError, wire::garbage};

/// In a transaction.
pub(super) const STATUS_IN_TRANSACTION: u16 = 0x0001;
/// Another result follows, which is never asked for.
pub(super) const STATUS_MORE_RESULTS: u16 = 0x0008;
/// The server keeps the rows until they are fetched.
pub(super) const STATUS_CURSOR: u16 = 0x0040;
/// It has none left.
pub(super) const STATUS_LAST_ROW: u16 = 0x0080;

/// Takes one value after another. Whatever the bytes are, it ends in a value or an error.
pub(super) struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    /// As many bytes as asked for.
    ///
    /// # Errors
    /// When there are not as many.
    pub(super) fn take(&mut self, count: usize) -> io::Result<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(count).ok_or_else(|| garbage("a packet that ends too early"))?;
        self.0 = rest;
        Ok(taken)
    }

    /// An array of bytes.
    ///
    /// # Errors
    /// As [`Reader::take`].
    pub(super) fn array<const N: usize>(&mut self) -> io::Result<[u8; N]> {
        self.take(N)?.try_into().map_err(|_| garbage("a packet that ends too early"))
    }

    pub(super) fn byte(&mut self) -> io::Result<u8> {
        self.array::<1>().map(|[byte]| byte)
    }

    pub(super) fn u16(&mut self) -> io::Result<u16> {
        self.array().map(u16::from_le_bytes)
    }

    pub(super) fn u32(&mut self) -> io::Result<u32> {
        self.array().map(u32::from_le_bytes)
    }

    /// A length of up to eight bytes.
    ///
    /// # Errors
    /// When it is none.
    pub(super) fn length(&mut self) -> io::Result<u64> {
        let mut wide = [0; 8];
        let bytes = match self.byte()? {
            short @ 0..=0xfa => return Ok(short.into()),
            0xfc => 2,
            0xfd => 3,
            0xfe => 8,
            _ => return Err(garbage("a length that is none")),
        };
        for (to, from) in wide.iter_mut().zip(self.take(bytes)?) {
            *to = *from;
        }
        Ok(u64::from_le_bytes(wide))
    }

    /// Bytes behind their length.
    ///
    /// # Errors
    /// When there are not as many.
    pub(super) fn bytes(&mut self) -> io::Result<&'a [u8]> {
        let length = usize::try_from(self.length()?).map_err(|_| garbage("a length beyond all memory"))?;
        self.take(length)
    }

    /// Text behind its length.
    ///
    /// # Errors
    /// When it is not all there.
    pub(super) fn text(&mut self) -> io::Result<String> {
        self.bytes().map(|bytes| String::from_utf8_lossy(bytes).into_owned())
    }

    /// Bytes up to a NUL.
    ///
    /// # Errors
    /// When there is no NUL.
    pub(super) fn until_nul(&mut self) -> io::Result<&'a [u8]> {
        let end = self.0.iter().position(|byte| *byte == 0).ok_or_else(|| garbage("a text without an end"))?;
        let text = self.take(end)?;
        self.byte()?;
        Ok(text)
    }

    /// Everything that is left.
    pub(super) fn rest(&mut self) -> &'a [u8] {
        std::mem::take(&mut self.0)
    }
}

/// The first packet of an answer.
pub(super) enum Answer {
    /// It is done.
    Done(Done),
    /// Columns follow, and rows.
    Columns(u64),
    Failed(ServerError),
}

/// The end of what was asked for.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(super) struct Done {
    pub(super) affected: u64,
    pub(super) status: u16,
}

/// Reads the first packet of an answer to a command that runs something.
///
/// # Errors
/// When it is none, or asks for a file.
pub(super) fn answer(packet: &Bytes) -> io::Result<Answer> {
    let mut reader = Reader::new(packet);
    match packet.first() {
        Some(0x00) => {
            reader.byte()?;
            let affected = reader.length()?;
            let _last_insert_id = reader.length()?;
            Ok(Answer::Done(Done { affected, status: reader.u16()? }))
        }
        Some(0xff) => error(packet).map(Answer::Failed),
        Some(0xfb) => Err(garbage("a request for a file, which is never given")),
        Some(_) => reader.length().map(Answer::Columns),
        None => Err(garbage("an empty answer")),
    }
}

/// Whether a packet ends a list of columns or rows.
pub(super) fn end(packet: &Bytes) -> io::Result<Option<Done>> {
    const END_BYTES: usize = 5;
    if packet.first() != Some(&0xfe) || packet.len() > END_BYTES {
        return Ok(None);
    }
    let mut reader = Reader::new(packet);
    reader.take(3)?;
    Ok(Some(Done { affected: 0, status: reader.u16()? }))
}

/// Reads an error.
///
/// # Errors
/// When it is none.
pub(super) fn error(packet: &Bytes) -> io::Result<ServerError> {
    let mut reader = Reader::new(packet);
    reader.byte()?;
    let number = reader.u16()?;
    let rest = reader.rest();
    // Before anybody has logged in there is no SQLSTATE.
    let (state, message) = match rest.split_first_chunk::<6>() {
        Some(([b'#', state @ ..], message)) => (String::from_utf8_lossy(state).into_owned(), message),
        _ => ("HY000".to_owned(), rest),
    };
    Ok(ServerError { number, state, message: String::from_utf8_lossy(message).into_owned() })
}

/// Writes a length of up to eight bytes.
pub(super) fn put_length(length: u64, out: &mut Vec<u8>) {
    match length {
        0..=0xfa => out.put_uint_le(length, 1),
        0xfb..=0xffff => {
            out.put_u8(0xfc);
            out.put_uint_le(length, 2);
        }
        0x1_0000..=0xff_ffff => {
            out.put_u8(0xfd);
            out.put_uint_le(length, 3);
        }
        _ => {
            out.put_u8(0xfe);
            out.put_u64_le(length);
        }
    }
}

/// Writes bytes behind their length.
pub(super) fn put_bytes(bytes: &[u8], out: &mut Vec<u8>) {
    put_length(bytes.len() as u64, out);
    out.extend_from_slice(bytes);
}
