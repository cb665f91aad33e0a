//! Names of functions as Google takes them.
//!
//! A letter or underscore first, then letters, digits, and `_.:-`. What other APIs allow besides is
//! replaced, the same everywhere in a request, and given back its old name in the answer.

use std::borrow::Cow;

/// The most characters in a name.
const LONGEST: usize = 128;

/// The name as Google takes it.
pub(super) fn written(name: &str) -> Cow<'_, str> {
    let begins = name.starts_with(|first: char| first.is_ascii_alphabetic() || first == '_');
    let allowed = |letter: char| letter.is_ascii_alphanumeric() || "_.:-".contains(letter);
    if begins && name.len() <= LONGEST && name.chars().all(allowed) {
        return Cow::Borrowed(name);
    }
    let mut clean: String =
        name.chars().map(|letter| if allowed(letter) { letter } else { '_' }).collect();
    if !begins {
        clean.insert(0, '_');
    }
    // Two names may come out alike: a hash of the whole name keeps them apart.
    let mark = format!("_{:08x}", fnv(name));
    clean.truncate(LONGEST - mark.len());
    Cow::Owned(clean + &mark)
}

/// FNV-1a: the same for the same name in every process, which prompt caches rely on.
fn fnv(text: &str) -> u32 {
    text.bytes().fold(0x811c_9dc5, |hash, byte| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_google_refuses_is_renamed() {
        for name in ["get_weather", "_x", "mcp:tool.a-b"] {
            assert_eq!(written(name), name);
        }
        let long = "x".repeat(200);
        for name in ["9lives", "a b", "", "größe", long.as_str()] {
            let written = written(name);
            assert!(written.len() <= LONGEST && written.is_ascii(), "{written}");
            assert!(written.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_'));
        }
        assert_ne!(written("a b"), written("a/b"));
    }
}
