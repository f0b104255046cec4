//! The commands. A guest's text is an argument of its own in all of them, and in a pattern it is escaped.

use airlock_model::{Cursor, HostError, KeyPage, KeyPrefix, KvCommand, KvReply, StoreKey};

use super::{
    session::{Fault, Session},
    wire::Reply,
};
use crate::kv::{PAGE_KEYS, backend, number};

/// Entries that the server looks at in one step, and steps of one page: a page ends early where few of them are ours.
const SCANNED: &[u8] = b"500";
const STEPS_MAX: usize = 20;
/// Keys of one step, with room for those that the server adds.
const STEP_BYTES_MAX: usize = 4 << 20;

/// Sets a value if it is as expected. KEYS: the entry. ARGV: whether one is expected, which, the new value, milliseconds
/// to live or nothing. The text is ours and never changes.
const COMPARE_AND_SET: &[u8] = b"
local held = redis.call('GET', KEYS[1])
if ARGV[1] == '0' then
  if held then return 0 end
elseif held ~= ARGV[2] then return 0 end
if ARGV[4] == '' then redis.call('SET', KEYS[1], ARGV[3]) else redis.call('SET', KEYS[1], ARGV[3], 'PX', ARGV[4]) end
return 1";

/// Adds to a whole number and keeps within 2^53 - 1, where Redis itself goes on to 2^63. KEYS: the entry. ARGV: what to
/// add, milliseconds to live of a new entry or nothing.
const INCREMENT: &[u8] = b"
local held = redis.call('GET', KEYS[1])
if held and not (#held <= 17 and string.find(held, '^%-?%d+$')) then return 'NUMBER' end
local from = tonumber(held or '0')
local sum = from + tonumber(ARGV[1])
if math.abs(from) > 9007199254740991 or math.abs(sum) > 9007199254740991 then return 'RANGE' end
local text = string.format('%.0f', sum)
if sum == 0 then text = '0' end
if held then redis.call('SET', KEYS[1], text, 'KEEPTTL')
elseif ARGV[2] == '' then redis.call('SET', KEYS[1], text)
else redis.call('SET', KEYS[1], text, 'PX', ARGV[2]) end
return text";

/// Where the keys of a call are, and how large their values may be.
pub(super) struct Keys {
    space: String,
    value_bytes_max: usize,
}

impl Keys {
    pub(super) fn new(space: String, value_bytes_max: u64) -> Self {
        Self { space, value_bytes_max: usize::try_from(value_bytes_max).unwrap_or(usize::MAX) }
    }

    fn of(&self, key: &StoreKey) -> Vec<u8> {
        format!("{}{key}", self.space).into_bytes()
    }

    /// Everything that begins so and nothing else: what a pattern would read into a character is taken from it.
    fn pattern(&self, prefix: &KeyPrefix) -> Vec<u8> {
        let mut pattern = String::new();
        for c in self.space.chars().chain(prefix.as_str().chars()) {
            if matches!(c, '*' | '?' | '[' | ']' | '^' | '-' | '\\') {
                pattern.push('\\');
            }
            pattern.push(c);
        }
        pattern.push('*');
        pattern.into_bytes()
    }
}

/// Carries out one command.
pub(super) async fn run(session: &mut Session, keys: &Keys, command: &KvCommand) -> Result<KvReply, Fault> {
    match command {
        KvCommand::Get { key } => get(session, keys, key).await,
        KvCommand::Set { key, value, ttl_ms } => {
            let (key, ttl) = (keys.of(key), ttl_ms.map(|ms| ms.to_string()));
            let whole: [&[u8]; 5] = [b"SET", &key, value.as_bytes(), b"PX", ttl.as_deref().unwrap_or("").as_bytes()];
            let parts = if ttl.is_some() { &whole[..] } else { whole.get(..3).unwrap_or_default() };
            session.ask(parts, 0).await.map(|_| KvReply::Set)
        }
        KvCommand::Delete { key } => match session.ask(&[b"DEL", &keys.of(key)], 0).await? {
            Reply::Number(removed) => Ok(KvReply::Deleted(removed > 0)),
            _ => Err(Fault::Unexpected),
        },
        KvCommand::List { prefix, cursor } => list(session, keys, prefix, cursor.as_ref()).await.map(KvReply::Keys),
        KvCommand::Increment { key, by, ttl_ms } => {
            let (by, ttl) = (by.to_string(), ttl_ms.map(|ms| ms.to_string()).unwrap_or_default());
            let script = [b"EVAL", INCREMENT, b"1", &keys.of(key), by.as_bytes(), ttl.as_bytes()];
            increment(session.ask(&script, 0).await?)
        }
        KvCommand::CompareAndSet { key, expected, value, ttl_ms } => {
            let ttl = ttl_ms.map(|ms| ms.to_string()).unwrap_or_default();
            let (is_expected, believed): (&[u8], _) = match expected {
                Some(text) => (b"1", text.as_bytes()),
                None => (b"0", &b""[..]),
            };
            let arguments = [is_expected, believed, value.as_bytes(), ttl.as_bytes()];
            let script: [&[u8]; 4] = [b"EVAL", COMPARE_AND_SET, b"1", &keys.of(key)];
            match session.ask(&[&script[..], &arguments].concat(), 0).await? {
                Reply::Number(swapped) => Ok(KvReply::Swapped(swapped == 1)),
                _ => Err(Fault::Unexpected),
            }
        }
    }
}

async fn get(session: &mut Session, keys: &Keys, key: &StoreKey) -> Result<KvReply, Fault> {
    match session.ask(&[b"GET", &keys.of(key)], keys.value_bytes_max).await? {
        Reply::Bytes(None) => Ok(KvReply::Value(None)),
        Reply::Bytes(Some(bytes)) if bytes.len() > keys.value_bytes_max => {
            Err(Fault::Wire(super::wire::WireError::TooLarge(keys.value_bytes_max)))
        }
        Reply::Bytes(Some(bytes)) => {
            String::from_utf8(bytes).map(|text| KvReply::Value(Some(text))).map_err(|_| not_text().into())
        }
        _ => Err(Fault::Unexpected),
    }
}

fn increment(reply: Reply) -> Result<KvReply, Fault> {
    let Reply::Bytes(Some(text)) = reply else { return Err(Fault::Unexpected) };
    match text.as_slice() {
        b"NUMBER" => Err(number::not_a_number().into()),
        b"RANGE" => Err(number::out_of_range().into()),
        sum => {
            let sum = std::str::from_utf8(sum).ok().and_then(|sum| sum.parse().ok());
            sum.map(KvReply::Number).ok_or(Fault::Unexpected)
        }
    }
}

async fn list(
    session: &mut Session,
    keys: &Keys,
    prefix: &KeyPrefix,
    cursor: Option<&Cursor>,
) -> Result<KeyPage, Fault> {
    let pattern = keys.pattern(prefix);
    let mut place = start(cursor)?;
    let mut page = KeyPage::default();
    for _ in 0..STEPS_MAX {
        let scan: [&[u8]; 6] = [b"SCAN", place.as_bytes(), b"MATCH", &pattern, b"COUNT", SCANNED];
        let (next, found) = step(session.ask(&scan, STEP_BYTES_MAX).await?)?;
        let own = found.iter().filter_map(|key| std::str::from_utf8(key).ok()?.strip_prefix(&keys.space));
        // Asked for by pattern, and looked at once more.
        page.keys.extend(own.filter(|key| key.starts_with(prefix.as_str())).map(str::to_owned));
        place = next;
        if place == "0" {
            return Ok(page);
        }
        if page.keys.len() >= PAGE_KEYS {
            break;
        }
    }
    page.cursor = Some(place);
    Ok(page)
}

/// The server's own cursors are numbers, and anything else would be an argument of a guest's choice.
fn start(cursor: Option<&Cursor>) -> Result<String, Fault> {
    let Some(cursor) = cursor else { return Ok("0".to_owned()) };
    let number: Option<u64> = cursor.as_str().parse().ok();
    let number = number.filter(|_| cursor.as_str().bytes().all(|byte| byte.is_ascii_digit()));
    let foreign = || HostError::BadRequest("the cursor is none of this store's: pass on what `list` gave".to_owned());
    number.map(|number| number.to_string()).ok_or_else(|| foreign().into())
}

fn step(reply: Reply) -> Result<(String, Vec<Vec<u8>>), Fault> {
    let Reply::Array(parts) = reply else { return Err(Fault::Unexpected) };
    let mut parts = parts.into_iter();
    let (Some(Reply::Bytes(Some(place))), Some(Reply::Array(found)), None) = (parts.next(), parts.next(), parts.next())
    else {
        return Err(Fault::Unexpected);
    };
    let place = String::from_utf8(place).ok().filter(|place| place.parse::<u64>().is_ok()).ok_or(Fault::Unexpected)?;
    let key = |reply| if let Reply::Bytes(Some(key)) = reply { Ok(key) } else { Err(Fault::Unexpected) };
    Ok((place, found.into_iter().map(key).collect::<Result<_, _>>()?))
}

fn not_text() -> HostError {
    backend("KV_NOT_TEXT", "the entry holds bytes that are no UTF-8 text: use another key")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pattern_means_its_own_characters() {
        let keys = Keys::new("airlock:c:dev:acme:".to_owned(), 1);
        let pattern = |prefix: &str| {
            let prefix = KeyPrefix::parse(prefix.to_owned()).expect("legal");
            String::from_utf8(keys.pattern(&prefix)).expect("text")
        };
        assert_eq!(pattern(""), "airlock:c:dev:acme:*");
        assert_eq!(pattern("*?[a-z]^\\"), "airlock:c:dev:acme:\\*\\?\\[a\\-z\\]\\^\\\\*");
    }

    #[test]
    fn only_numbers_are_cursors() {
        let cursor = |text: &str| start(Some(&Cursor::parse(text.to_owned()).expect("legal"))).ok();
        assert_eq!((cursor("17"), cursor("007")), (Some("17".to_owned()), Some("7".to_owned())));
        for text in ["-1", "+1", "x", "1 MATCH *", "99999999999999999999999"] {
            assert_eq!(cursor(text), None, "{text}");
        }
    }
}
