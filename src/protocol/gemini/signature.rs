//! Opaque reasoning state in `thoughtSignature`.
//!
//! The field is `bytes` in Google's definition, so that its SDKs decode it from base64 and encode it
//! again, in the URL's alphabet. Google's own signatures pass as they are; a foreign state, which
//! any text may be, is put into base64 first.

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use memchr::memmem;

use crate::protocol::neutral::{OpaqueState, Origin};

/// What Google accepts for a call that another model made: it skips the check.
pub(super) const SKIP: &str = "skip_thought_signature_validator";

/// Begins what is in base64, so that nothing of Google's is ever taken for it.
const FOREIGN: &str = "pilothouse-state:";
/// Follows [`FOREIGN`] where there is no readable text to the state.
const REDACTED: &str = "redacted:";

/// The state for a client of Google's.
pub(super) fn write(state: &OpaqueState) -> String {
    if state.origin == Origin::Gemini {
        return state.data.clone();
    }
    let redacted = if state.redacted { REDACTED } else { "" };
    STANDARD.encode(format!("{FOREIGN}{redacted}{}", state.to_field(Origin::Gemini)))
}

/// Whether a JSON text holds what [`write`] wrote of a foreign state.
pub(super) fn is_foreign_in(json: &[u8]) -> bool {
    // The same in both alphabets.
    memmem::find(json, STANDARD.encode(&FOREIGN[..12]).as_bytes()).is_some()
}

/// Reads what [`write`] wrote, whichever alphabet it came back in.
pub(super) fn read(field: &str) -> OpaqueState {
    foreign(field).unwrap_or_else(|| OpaqueState {
        origin: Origin::Gemini,
        data: field.to_owned(),
        redacted: false,
    })
}

fn foreign(field: &str) -> Option<OpaqueState> {
    // Long signatures that are Google's own are told by their beginning, without decoding them: 16
    // characters are the 12 bytes that no chance reproduces.
    let start = STANDARD.encode(&FOREIGN[..12]);
    let url: String = field.trim_end_matches('=').chars().map(url_safe).collect();
    let start: String = start.chars().map(url_safe).collect();
    if !url.starts_with(&start) {
        return None;
    }
    let text = String::from_utf8(URL_SAFE_NO_PAD.decode(url).ok()?).ok()?;
    let text = text.strip_prefix(FOREIGN)?;
    let (redacted, text) = match text.strip_prefix(REDACTED) {
        Some(text) => (true, text),
        None => (false, text),
    };
    Some(OpaqueState::from_field(text, Origin::Gemini, redacted))
}

fn url_safe(letter: char) -> char {
    match letter {
        '+' => '-',
        '/' => '_',
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn states_of_every_origin_come_back() {
        for origin in [Origin::Anthropic, Origin::OpenAi, Origin::Gemini] {
            for (data, redacted) in [("Eq+/=~ÿ?>", false), ("EmwKAhgBIgy", true)] {
                let redacted = redacted && origin != Origin::Gemini;
                let state = OpaqueState { origin, data: data.to_owned(), redacted };
                let field = write(&state);
                assert_eq!(read(&field), state);
                if origin != Origin::Gemini {
                    // As Google's Python SDK sends it back.
                    let bytes = STANDARD.decode(&field).expect("base64");
                    let url = base64::engine::general_purpose::URL_SAFE.encode(bytes);
                    assert_eq!(read(&url), state);
                }
            }
        }
    }
}
