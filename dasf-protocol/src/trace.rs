//! The place of a call in a trace, as the recommendation [Trace Context] of the W3C describes it.
//!
//! [Trace Context]: https://www.w3.org/TR/trace-context/

use std::fmt;
use std::num::{NonZeroU64, NonZeroU128};
use std::str::FromStr;
use std::sync::Arc;

/// The longest state that is kept, in bytes.
const MAX_STATE: usize = 512;
/// The largest number of members of a state.
const MAX_MEMBERS: usize = 32;
/// The length of a `traceparent` of the version `00`.
const LENGTH: usize = 55;
/// The flag of a trace that is recorded.
const SAMPLED: u8 = 1;

/// The trace to which a call belongs, and the span that called. All calls that one call causes have the same
/// [`trace_id`](Self::trace_id), in whatever program they run.
///
/// Its text is a `traceparent` of the W3C, and after a space the `tracestate`, if there is one:
///
/// ```
/// use dasf_protocol::TraceContext;
///
/// let trace: TraceContext = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01".parse()?;
/// assert_eq!(trace.trace_id().to_string(), "4bf92f3577b34da6a3ce929d0e0e4736");
/// assert_eq!(trace.span_id().to_string(), "00f067aa0ba902b7");
/// assert!(trace.is_sampled());
/// # Ok::<(), dasf_protocol::TraceError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct TraceContext {
    trace_id: TraceId,
    span_id: SpanId,
    flags: u8,
    state: Option<Arc<str>>,
}

/// The id of a trace. Its text has 32 hexadecimal digits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct TraceId(NonZeroU128);

/// The id of a span, which is one part of a trace, such as the run of a function. Its text has 16 hexadecimal digits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct SpanId(NonZeroU64);

/// The reason why a text is no [`TraceContext`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TraceError {
    /// The text does not have the form of a `traceparent`.
    #[error(
        "not a traceparent: use 00-TRACE-SPAN-FLAGS, with 32, 16 and 2 lower-case hexadecimal digits, where TRACE and \
         SPAN are not 0"
    )]
    Parent,
    /// The text after it is no `tracestate`.
    #[error(
        "not a tracestate: use at most {MAX_MEMBERS} members NAME=VALUE with commas in between, and at most {MAX_STATE} \
         printable characters of ASCII",
        MAX_MEMBERS = MAX_MEMBERS,
        MAX_STATE = MAX_STATE
    )]
    State,
}

impl TraceId {
    /// Returns the id with these bits; `None` if all of them are 0.
    pub fn new(bits: u128) -> Option<Self> {
        NonZeroU128::new(bits).map(Self)
    }

    /// Returns the bits.
    pub fn get(self) -> u128 {
        self.0.get()
    }
}

impl fmt::Display for TraceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}

impl SpanId {
    /// Returns the id with these bits; `None` if all of them are 0.
    pub fn new(bits: u64) -> Option<Self> {
        NonZeroU64::new(bits).map(Self)
    }

    /// Returns the bits.
    pub fn get(self) -> u64 {
        self.0.get()
    }
}

impl fmt::Display for SpanId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

impl TraceContext {
    /// Returns the place of a span in a trace. `is_sampled` says whether the caller records the trace.
    pub fn new(trace_id: TraceId, span_id: SpanId, is_sampled: bool) -> Self {
        Self {
            trace_id,
            span_id,
            flags: if is_sampled { SAMPLED } else { 0 },
            state: None,
        }
    }

    /// Sets what systems for traces tell each other: the `tracestate` of the W3C. An empty text removes it.
    ///
    /// # Errors
    /// [`TraceError::State`].
    pub fn with_state(self, state: &str) -> Result<Self, TraceError> {
        let state = state.trim_matches([' ', '\t', ',']);
        if state.is_empty() {
            return Ok(Self {
                state: None,
                ..self
            });
        }
        let is_printable = state.bytes().all(|byte| matches!(byte, b' '..=b'~'));
        let is_member = |member: &str| member.trim().is_empty() || member.contains('=');
        let is_state = state.len() <= MAX_STATE
            && is_printable
            && state.split(',').count() <= MAX_MEMBERS
            && state.split(',').all(is_member);
        match is_state {
            true => Ok(Self {
                state: Some(state.into()),
                ..self
            }),
            false => Err(TraceError::State),
        }
    }

    /// Returns the place of a span that belongs to the same trace.
    #[must_use]
    pub fn at(&self, span_id: SpanId) -> Self {
        Self {
            span_id,
            ..self.clone()
        }
    }

    /// Returns the id of the trace.
    pub fn trace_id(&self) -> TraceId {
        self.trace_id
    }

    /// Returns the id of the span.
    pub fn span_id(&self) -> SpanId {
        self.span_id
    }

    /// Returns whether the caller records the trace.
    pub fn is_sampled(&self) -> bool {
        self.flags & SAMPLED != 0
    }

    /// Returns the `tracestate`, if there is one.
    pub fn state(&self) -> Option<&str> {
        self.state.as_deref()
    }

    /// Reads what came with a message. A state that is malformed is left out.
    pub(crate) fn received(text: &str) -> Option<Self> {
        let (parent, state) = split(text);
        let trace = Self::of_parent(parent)?;
        Some(trace.clone().with_state(state).unwrap_or(trace))
    }

    fn of_parent(text: &str) -> Option<Self> {
        let bytes = text.as_bytes();
        // Later versions may have more after a dash.
        let (version, rest) = (hex(bytes.get(..2)?)?, bytes.get(LENGTH..)?);
        let is_known = version == 0 && rest.is_empty();
        let is_later = version != 0 && version != 0xff && rest.first().is_none_or(|it| *it == b'-');
        if !(is_known || is_later) || [bytes[2], bytes[35], bytes[52]] != *b"---" {
            return None;
        }
        Some(Self {
            trace_id: TraceId::new(hex(&bytes[3..35])?)?,
            span_id: SpanId::new(u64::try_from(hex(&bytes[36..52])?).ok()?)?,
            flags: u8::try_from(hex(&bytes[53..55])?).ok()? & SAMPLED,
            state: None,
        })
    }
}

/// Splits a text into the `traceparent` and the `tracestate`, which may be empty.
fn split(text: &str) -> (&str, &str) {
    text.split_once(' ').unwrap_or((text, ""))
}

/// Returns the number that lower-case hexadecimal digits write.
fn hex(digits: &[u8]) -> Option<u128> {
    digits.iter().try_fold(0, |number, digit| {
        let digit = match digit {
            b'0'..=b'9' => digit - b'0',
            b'a'..=b'f' => digit - b'a' + 10,
            _ => return None,
        };
        Some(number << 4 | u128::from(digit))
    })
}

impl fmt::Display for TraceContext {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            trace_id,
            span_id,
            flags,
            state,
        } = self;
        write!(f, "00-{trace_id}-{span_id}-{flags:02x}")?;
        match state {
            None => Ok(()),
            Some(state) => write!(f, " {state}"),
        }
    }
}

impl FromStr for TraceContext {
    type Err = TraceError;

    fn from_str(text: &str) -> Result<Self, TraceError> {
        let (parent, state) = split(text);
        Self::of_parent(parent)
            .ok_or(TraceError::Parent)?
            .with_state(state)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const PARENT: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

    #[test]
    fn a_text_is_read_as_it_was_written() {
        let states = ["", " congo=t61rcWkgMzE", " a=1,b=2", " tenant@system=x"];
        for state in states {
            let text = format!("{PARENT}{state}");
            let trace: TraceContext = text.parse().unwrap();
            assert_eq!(trace.to_string(), text);
            assert_eq!(trace.state(), (!state.is_empty()).then(|| state.trim()));
            assert_eq!(TraceContext::received(&text), Some(trace));
        }
        let trace: TraceContext = PARENT.replace("-01", "-00").parse().unwrap();
        assert!(!trace.is_sampled());
        let next = trace.at(SpanId::new(7).unwrap());
        assert_eq!(next.trace_id(), trace.trace_id());
        assert_eq!(next.span_id().to_string(), "0000000000000007");
    }

    #[test]
    fn later_versions_are_read_as_the_first_one() {
        for text in ["cc-", "01-"].map(|version| PARENT.replacen("00-", version, 1)) {
            for text in [text.clone(), format!("{text}-what-comes-later")] {
                let trace: TraceContext = text.parse().unwrap();
                assert_eq!(trace.to_string(), PARENT, "{text}");
            }
        }
        // Further flags have no meaning yet.
        let trace: TraceContext = PARENT.replace("-01", "-ff").parse().unwrap();
        assert_eq!(trace.to_string(), PARENT);
    }

    #[test]
    fn what_is_malformed_is_refused() {
        let zero_trace = PARENT.replace("4bf92f3577b34da6a3ce929d0e0e4736", &"0".repeat(32));
        for text in [
            "",
            "00",
            "-",
            &PARENT[..54],
            &format!("{PARENT}-"),
            &format!("{PARENT}0"),
            &PARENT.replacen("00-", "ff-", 1),
            &PARENT.replacen("00-", "0x-", 1),
            &PARENT.to_uppercase(),
            &PARENT.replace("00f067aa0ba902b7", "0000000000000000"),
            &zero_trace,
            &PARENT.replace('-', "_"),
            &format!(" {PARENT}"),
            &PARENT.replacen("4b", "é", 1),
        ] {
            assert_eq!(
                text.parse::<TraceContext>(),
                Err(TraceError::Parent),
                "{text}"
            );
            assert_eq!(TraceContext::received(text), None, "{text}");
        }
        let many = vec!["a=1"; MAX_MEMBERS + 1].join(",");
        for state in ["novalue", "a=\u{7}", "a=é", &"a=1".repeat(200), &many] {
            let text = format!("{PARENT} {state}");
            assert_eq!(
                text.parse::<TraceContext>(),
                Err(TraceError::State),
                "{state}"
            );
            let received = TraceContext::received(&text).unwrap();
            assert_eq!(received.to_string(), PARENT);
        }
    }

    proptest! {
        #[test]
        fn no_text_causes_a_panic(text in "\\PC*", tail in "[0-9a-f -]{0,60}") {
            let _ = TraceContext::received(&text);
            let _ = TraceContext::received(&format!("00-{tail}"));
        }
    }
}
