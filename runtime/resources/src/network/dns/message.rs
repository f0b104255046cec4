//! DNS messages: the one that is asked and what is made of the answer.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Aliases that are followed inside one answer.
const ALIASES_MAX: usize = 8;
/// Pointers that are followed inside one name.
const POINTERS_MAX: usize = 16;
const HEADER_BYTES: usize = 12;
const LABEL_BYTES_MAX: usize = 63;
const CNAME: u16 = 5;
const INTERNET: u16 = 1;

/// What is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    A = 1,
    Aaaa = 28,
}

/// What a server says.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Answer {
    Addresses(Vec<IpAddr>),
    NoSuchName,
    /// To be asked again over TCP.
    Truncated,
    Failed,
}

/// A query with recursion desired; `None` when the name does not fit a message.
pub(super) fn query(id: u16, host: &str, kind: Kind) -> Option<Vec<u8>> {
    let mut bytes = id.to_be_bytes().to_vec();
    bytes.extend([1, 0, 0, 1, 0, 0, 0, 0, 0, 0]);
    for label in host.trim_end_matches('.').split('.') {
        let length =
            u8::try_from(label.len()).ok().filter(|length| (1..=LABEL_BYTES_MAX).contains(&usize::from(*length)))?;
        bytes.push(length);
        bytes.extend(label.bytes());
    }
    bytes.push(0);
    bytes.extend((kind as u16).to_be_bytes());
    bytes.extend(INTERNET.to_be_bytes());
    Some(bytes).filter(|bytes| bytes.len() <= 255 + HEADER_BYTES + 4)
}

/// The answer to a query; `None` for what is an answer to nothing that was asked.
pub(super) fn read(bytes: &[u8], query: &[u8], kind: Kind) -> Option<Answer> {
    let question = query.get(HEADER_BYTES..)?;
    let repeated = bytes.get(HEADER_BYTES..HEADER_BYTES + question.len())?;
    let is_answer = bytes.get(2)? & 0x80 != 0 && bytes.get(..2) == query.get(..2);
    if !is_answer || !repeated.eq_ignore_ascii_case(question) || number(bytes, 4)? != 1 {
        return None;
    }
    if bytes.get(2)? & 0x02 != 0 {
        return Some(Answer::Truncated);
    }
    Some(match bytes.get(3)? & 0x0f {
        0 => addresses(bytes, HEADER_BYTES + question.len(), kind).map_or(Answer::Failed, Answer::Addresses),
        3 => Answer::NoSuchName,
        _ => Answer::Failed,
    })
}

/// One record of an answer.
struct Record {
    owner: Vec<u8>,
    kind: u16,
    data_at: usize,
    data_bytes: usize,
}

/// The addresses of the name that was asked for, or of the one that its aliases lead to.
fn addresses(bytes: &[u8], mut at: usize, kind: Kind) -> Option<Vec<IpAddr>> {
    let mut records = Vec::new();
    for _ in 0..number(bytes, 6)? {
        let (record, next) = record(bytes, at)?;
        records.push(record);
        at = next;
    }
    let (mut name, _) = name(bytes, HEADER_BYTES)?;
    for _ in 0..ALIASES_MAX {
        let Some(alias) = records.iter().find(|record| record.kind == CNAME && record.owner == name) else { break };
        name = self::name(bytes, alias.data_at)?.0;
    }
    let own = records.iter().filter(|record| record.kind == kind as u16 && record.owner == name);
    own.map(|record| address(bytes.get(record.data_at..record.data_at + record.data_bytes)?)).collect()
}

fn address(bytes: &[u8]) -> Option<IpAddr> {
    let four = <[u8; 4]>::try_from(bytes).map(|bytes| Ipv4Addr::from(bytes).into());
    four.or_else(|_| <[u8; 16]>::try_from(bytes).map(|bytes| Ipv6Addr::from(bytes).into())).ok()
}

fn record(bytes: &[u8], at: usize) -> Option<(Record, usize)> {
    let (owner, at) = name(bytes, at)?;
    let (kind, data_bytes) = (number(bytes, at)?, usize::from(number(bytes, at + 8)?));
    let data_at = at + 10;
    bytes.get(data_at..data_at + data_bytes)?;
    Some((Record { owner, kind, data_at, data_bytes }, data_at + data_bytes))
}

/// A name in lower case, with pointers followed, and where the next thing stands.
fn name(bytes: &[u8], mut at: usize) -> Option<(Vec<u8>, usize)> {
    let (mut found, mut after, mut pointers) = (Vec::new(), None, 0);
    loop {
        let length = *bytes.get(at)?;
        match length {
            0 => return Some((found, after.unwrap_or(at + 1))),
            0xc0.. => {
                pointers += 1;
                if pointers > POINTERS_MAX {
                    return None;
                }
                after = after.or(Some(at + 2));
                at = usize::from(number(bytes, at)? & 0x3fff);
            }
            _ if usize::from(length) <= LABEL_BYTES_MAX && found.len() < 256 => {
                let label = bytes.get(at + 1..at + 1 + usize::from(length))?;
                found.push(length);
                found.extend(label.to_ascii_lowercase());
                at += 1 + usize::from(length);
            }
            _ => return None,
        }
    }
}

fn number(bytes: &[u8], at: usize) -> Option<u16> {
    let pair = bytes.get(at..at + 2)?;
    Some(u16::from_be_bytes(pair.try_into().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer_to(query: &[u8], flags: [u8; 2], records: &[&[u8]]) -> Vec<u8> {
        let mut bytes = query.to_vec();
        bytes[2] = flags[0];
        bytes[3] = flags[1];
        bytes[7] = u8::try_from(records.len()).expect("few");
        bytes.extend(records.concat());
        bytes
    }

    /// Points at the question, as servers do.
    fn a_record(owner: &[u8], kind: u8, data: &[u8]) -> Vec<u8> {
        let length = u8::try_from(data.len()).expect("short");
        [owner, &[0, kind, 0, 1, 0, 0, 0, 60, 0, length], data].concat()
    }

    #[test]
    fn an_alias_is_followed_to_its_addresses_and_strangers_are_not_taken() {
        let query = query(7, "api.example", Kind::A).expect("a query");
        let alias = a_record(&[0xc0, 12], 5, b"\x04real\x07example\x00");
        let real = a_record(b"\x04REAL\x07example\x00", 1, &[192, 0, 2, 1]);
        let stranger = a_record(b"\x05other\x07example\x00", 1, &[192, 0, 2, 9]);
        let bytes = answer_to(&query, [0x81, 0x80], &[&alias, &stranger, &real]);
        let expected = Answer::Addresses(vec!["192.0.2.1".parse().expect("address")]);
        assert_eq!(read(&bytes, &query, Kind::A), Some(expected));
    }

    #[test]
    fn what_answers_another_question_is_waited_past() {
        let asked = query(7, "api.example", Kind::A).expect("a query");
        for other in
            [query(8, "api.example", Kind::A), query(7, "apl.example", Kind::A), query(7, "api.example", Kind::Aaaa)]
        {
            let bytes = answer_to(&other.expect("a query"), [0x81, 0x80], &[]);
            assert_eq!(read(&bytes, &asked, Kind::A), None);
        }
        assert_eq!(read(&asked, &asked, Kind::A), None, "a query is no answer");
        assert_eq!(read(&answer_to(&asked, [0x81, 0x83], &[]), &asked, Kind::A), Some(Answer::NoSuchName));
        assert_eq!(read(&answer_to(&asked, [0x83, 0x80], &[]), &asked, Kind::A), Some(Answer::Truncated));
    }

    #[test]
    fn no_bytes_make_it_panic_or_run_on() {
        let query = query(7, "api.example", Kind::A).expect("a query");
        let looped = a_record(&[0xc0, u8::try_from(query.len()).expect("short")], 1, &[1, 2, 3, 4]);
        let bytes = answer_to(&query, [0x81, 0x80], &[&looped]);
        assert_eq!(read(&bytes, &query, Kind::A), Some(Answer::Failed));
        let whole = answer_to(&query, [0x81, 0x80], &[&a_record(&[0xc0, 12], 1, &[1, 2, 3, 4])]);
        for cut in 0..whole.len() {
            read(&whole[..cut], &query, Kind::A);
        }
        for at in 0..whole.len() {
            for value in [0, 1, 0x3f, 0x40, 0xbf, 0xc0, 0xff] {
                let mut broken = whole.clone();
                broken[at] = value;
                read(&broken, &query, Kind::A);
            }
        }
    }
}
