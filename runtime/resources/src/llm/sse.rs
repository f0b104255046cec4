//! Server-sent events (WHATWG HTML, section 9.2), as far as providers use them: the data of each event, and nothing else.

/// Longest event, in bytes.
const EVENT_BYTES_MAX: usize = 1 << 20;

/// Bytes that have come and make no whole line yet, and the event that they belong to.
#[derive(Debug, Default)]
pub(super) struct Events {
    line: Vec<u8>,
    data: Vec<u8>,
    /// The last byte was `\r`: a `\n` behind it belongs to it.
    after_return: bool,
}

/// An event is longer than anybody needs.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct TooLong;

impl Events {
    /// Takes bytes in, and gives the data of every event that ends in them.
    pub(super) fn push(&mut self, bytes: &[u8]) -> Result<Vec<Vec<u8>>, TooLong> {
        let mut events = Vec::new();
        for &byte in bytes {
            let follows_return = std::mem::replace(&mut self.after_return, byte == b'\r');
            match byte {
                b'\n' if follows_return => {}
                b'\n' | b'\r' => events.extend(self.end_line()),
                _ => self.line.push(byte),
            }
            if self.line.len() + self.data.len() > EVENT_BYTES_MAX {
                return Err(TooLong);
            }
        }
        Ok(events)
    }

    /// An empty line ends an event; every other one adds to it, is another field, or a comment.
    fn end_line(&mut self) -> Option<Vec<u8>> {
        let line = std::mem::take(&mut self.line);
        if line.is_empty() {
            let data = std::mem::take(&mut self.data);
            return Some(data).filter(|data| !data.is_empty());
        }
        if let Some(value) = line.strip_prefix(b"data:") {
            if !self.data.is_empty() {
                self.data.push(b'\n');
            }
            self.data.extend_from_slice(value.strip_prefix(b" ").unwrap_or(value));
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn events(pieces: &[&str]) -> Vec<String> {
        let mut read = Events::default();
        let bytes = pieces.iter().flat_map(|piece| read.push(piece.as_bytes()).expect("short"));
        bytes.map(|event| String::from_utf8(event).expect("utf-8")).collect()
    }

    #[test]
    fn events_come_whole_wherever_the_bytes_are_cut() {
        let text =
            ": hello\r\nevent: x\ndata: {\"a\":1}\n\ndata:two\rdata: lines\r\r\ndata\n\nid: 1\ndata: last\n\ndata: cut";
        let wanted = ["{\"a\":1}", "two\nlines", "last"];
        assert_eq!(events(&[text]), wanted);
        for at in 1..text.len() {
            let (left, right) = text.split_at(at);
            assert_eq!(events(&[left, right]), wanted, "cut at {at}");
        }
        let bytes: Vec<String> = text.chars().map(String::from).collect();
        assert_eq!(events(&bytes.iter().map(String::as_str).collect::<Vec<_>>()), wanted);
    }

    #[test]
    fn an_event_that_never_ends_is_an_error() {
        let mut read = Events::default();
        let endless = vec![b'x'; 1 << 16];
        let ended = (0..20).map(|_| read.push(&endless)).find(Result::is_err);
        assert_eq!(ended, Some(Err(TooLong)));
    }
}
