//! Where a call stands in a trace, as W3C Trace Context has it (level 1, <https://www.w3.org/TR/trace-context-1/>).

use uuid::Uuid;

/// Bytes of a `tracestate` that are passed on; a longer one is left out, as section 3.3.1.5 allows.
const STATE_BYTES_MAX: usize = 512;
/// Members of a `tracestate` (section 3.3.1.1).
const STATE_MEMBERS_MAX: usize = 32;
const SAMPLED: u8 = 1;

pub(crate) type TraceId = [u8; 16];
pub(crate) type SpanId = [u8; 8];

/// One place in a trace: that of a caller, or one of our own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TraceContext {
    pub(crate) trace: TraceId,
    pub(crate) span: SpanId,
    pub(crate) is_sampled: bool,
    /// What other systems pass along. Nothing of ours is put there.
    pub(crate) state: Option<Box<str>>,
}

impl TraceContext {
    /// Reads `traceparent` and, when that is well-formed, `tracestate`. `None` starts a trace of its own: what cannot be read is as
    /// if it were not there (section 4.3).
    #[must_use]
    pub fn parse(parent: &str, state: Option<&str>) -> Option<Self> {
        let bytes = parent.as_bytes();
        let [version, trace, span, flags] = parts(bytes)?;
        let version: [u8; 1] = number(version)?;
        let ends = bytes.len() == PARENT_BYTES || (version != [0] && bytes.get(PARENT_BYTES) == Some(&b'-'));
        if version == [0xff] || !ends {
            return None;
        }
        let (trace, span, [flags]) = (number(trace)?, number(span)?, number(flags)?);
        if trace == TraceId::default() || span == SpanId::default() {
            return None;
        }
        let state = state.filter(|state| is_sane(state)).map(Into::into);
        Some(Self { trace, span, is_sampled: flags & SAMPLED != 0, state })
    }

    /// A trace that begins here.
    pub(crate) fn begin(sampled: impl FnOnce(&TraceId) -> bool) -> Self {
        let trace = Uuid::new_v4().into_bytes();
        Self { is_sampled: sampled(&trace), trace, span: new_span(), state: None }
    }

    /// The next place below this one.
    pub(crate) fn child(&self) -> Self {
        Self { span: new_span(), ..self.clone() }
    }

    /// `traceparent` for whoever is asked from the span with this id.
    pub(crate) fn parent_of(&self, span: SpanId) -> String {
        format!("00-{}-{}-0{}", hex(&self.trace), hex(&span), u8::from(self.is_sampled))
    }

    /// The id of the trace, in hexadecimal.
    #[must_use]
    pub fn trace_id(&self) -> String {
        hex(&self.trace)
    }

    /// The id of the span, in hexadecimal.
    #[must_use]
    pub fn span_id(&self) -> String {
        hex(&self.span)
    }
}

/// `00-<32>-<16>-<2>`.
const PARENT_BYTES: usize = 55;

fn parts(bytes: &[u8]) -> Option<[&[u8]; 4]> {
    let dashes = [2, 35, 52].iter().all(|place| bytes.get(*place) == Some(&b'-'));
    let parts = [bytes.get(..2)?, bytes.get(3..35)?, bytes.get(36..52)?, bytes.get(53..PARENT_BYTES)?];
    dashes.then_some(parts)
}

/// Lower-case hexadecimal, and nothing else (section 3.2.2).
fn number<const N: usize>(digits: &[u8]) -> Option<[u8; N]> {
    let digit = |byte: u8| match byte {
        b'0'..=b'9' => Some(byte - b'0'),
        b'a'..=b'f' => Some(byte - b'a' + 10),
        _ => None,
    };
    let mut read = [0; N];
    for (byte, pair) in read.iter_mut().zip(digits.chunks_exact(2)) {
        let [high, low] = pair else { return None };
        *byte = digit(*high)? << 4 | digit(*low)?;
    }
    (digits.len() == 2 * N).then_some(read)
}

/// Whether it can be passed on: printable, short, `key=value` members.
fn is_sane(state: &str) -> bool {
    let members = || state.split(',').map(str::trim).filter(|member| !member.is_empty());
    let is_member =
        |member: &str| member.split_once('=').is_some_and(|(key, value)| !key.is_empty() && !value.is_empty());
    state.len() <= STATE_BYTES_MAX
        && state.bytes().all(|byte| byte == b' ' || byte.is_ascii_graphic())
        && (1..=STATE_MEMBERS_MAX).contains(&members().count())
        && members().all(is_member)
}

/// Random, and never zero: one of its bytes says that it is.
pub(crate) fn new_span() -> SpanId {
    let [.., a, b, c, d, e, f, g, h] = Uuid::new_v4().into_bytes();
    [a, b, c, d, e, f, g, h]
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

    #[test]
    fn what_a_caller_says_is_read_and_said_again() {
        let read = TraceContext::parse(GOOD, Some("congo=t61rcWkgMzE,rojo=00f067aa0ba902b7")).expect("well-formed");
        assert!(read.is_sampled && read.state.as_deref() == Some("congo=t61rcWkgMzE,rojo=00f067aa0ba902b7"));
        assert_eq!(read.parent_of(read.span), GOOD);
        let unsampled = TraceContext::parse(&GOOD.replace("-01", "-00"), None).expect("well-formed");
        assert!(!unsampled.is_sampled && !unsampled.child().is_sampled);
        let child = read.child();
        assert_eq!((child.trace, &child.state), (read.trace, &read.state));
        assert_ne!(child.span, read.span);
        // Of a version to come: what is known of it holds.
        let later = format!("{}-more", GOOD.replacen("00", "cc", 1));
        assert!(TraceContext::parse(&later, None).is_some_and(|later| later.is_sampled));
    }

    #[test]
    fn what_is_not_well_formed_is_as_if_it_were_not_there() {
        let zero = |from: &str| GOOD.replace(from, &"0".repeat(from.len()));
        for bad in [
            "".to_owned(),
            "00".to_owned(),
            GOOD.to_uppercase(),
            GOOD.replacen("00", "ff", 1),
            format!("{GOOD}-more"),
            format!("{GOOD}0"),
            GOOD.replace('-', "_"),
            GOOD.replace("4bf9", "4bg9"),
            zero("4bf92f3577b34da6a3ce929d0e0e4736"),
            zero("00f067aa0ba902b7"),
            format!("{}x", GOOD.replacen("00", "cc", 1)),
            format!(" {GOOD}"),
            "é".repeat(28),
        ] {
            assert_eq!(TraceContext::parse(&bad, None), None, "{bad:?}");
        }
    }

    #[test]
    fn a_state_that_cannot_be_passed_on_is_left_out_and_the_parent_stays() {
        let many = (0..33).map(|n| format!("k{n}=v")).collect::<Vec<_>>().join(",");
        for bad in ["", "novalue", "=v", "k=", "k=v\r\nx: y", many.as_str(), &"k=v".repeat(300)] {
            let read = TraceContext::parse(GOOD, Some(bad)).expect("the parent is well-formed");
            assert_eq!(read.state, None, "{bad:?}");
        }
    }

    #[test]
    fn a_trace_of_our_own_is_sampled_as_asked() {
        let one = TraceContext::begin(|_| true);
        let other = TraceContext::begin(|_| false);
        assert!(one.is_sampled && !other.is_sampled && one.trace != other.trace);
        assert_eq!(TraceContext::parse(&one.parent_of(one.span), None), Some(one));
    }
}
