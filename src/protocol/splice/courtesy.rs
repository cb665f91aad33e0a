//! What a model says before it does as it was asked.

use super::Mismatch;

/// Longest courtesy that is looked for: two short sentences.
const LIMIT: usize = 200;

/// How one begins, in lower case. It is one only if a word ends there.
const OPENERS: &[&str] = &[
    "absolutely",
    "apologies",
    "certainly",
    "continuation",
    "continued",
    "continuing",
    "got it",
    "here are",
    "here is",
    "here's",
    "here’s",
    "i apologize",
    "i will continue",
    "i'll continue",
    "i’ll continue",
    "let me continue",
    "of course",
    "ok",
    "okay",
    "picking up",
    "resuming",
    "sorry",
    "sure",
    "the rest",
    "understood",
];

/// Words by which one speaks of what it is about to do.
const GOING_ON: &[&str] = &[
    "continu",
    "rest of",
    "the rest",
    "remaining",
    "remainder",
    "left off",
    "resum",
    "picking up",
    "cut off",
];

/// A courtesy at the beginning of a text.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Courtesy {
    /// Where it ends, before the white space that follows.
    pub end: usize,
    /// It says that an answer is continued.
    pub speaks_of_going_on: bool,
    /// It is addressed to somebody; else it presents something, as an answer itself may.
    pub polite: bool,
}

/// How a text begins.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Opening {
    /// More of it is needed.
    Wait,
    /// With no courtesy.
    None,
    Courtesy(Courtesy),
}

impl Courtesy {
    pub fn find(held: &str, finished: bool) -> Opening {
        let mut end = 0;
        loop {
            let text = held[end..].trim_start();
            let at = held.len() - text.len();
            match begins_with_opener(text) {
                Some(true) => {}
                // What comes may be the rest of one.
                None if !finished && text.len() < LIMIT => return Opening::Wait,
                _ if end == 0 => return Opening::None,
                _ => {
                    let said = held[..end].to_lowercase();
                    let speaks_of_going_on = GOING_ON.iter().any(|word| said.contains(word));
                    let polite = !said.trim_start().starts_with("here");
                    return Opening::Courtesy(Self { end, speaks_of_going_on, polite });
                }
            }
            match sentence(text) {
                Some(length) => end = at + length,
                None if !finished && held.len() < LIMIT => return Opening::Wait,
                // Too long for one, or the end of the answer.
                None => return Opening::None,
            }
            if end > LIMIT {
                return Opening::None;
            }
        }
    }

    /// How much white space after it belongs to it: a space, or the end of its line and a blank one.
    /// More is or may be part of the answer.
    pub fn line_end(after: &str) -> Result<usize, Mismatch> {
        let breaks = after.len() - after.trim_start_matches(['\n', '\r']).len();
        match after[..breaks].matches('\n').count() {
            0 => Ok(usize::from(after.starts_with(' '))),
            1 | 2 => Ok(breaks),
            _ => Err(Mismatch::Doubtful),
        }
    }
}

/// `None` if that cannot be told yet.
fn begins_with_opener(text: &str) -> Option<bool> {
    let mut undecided = text.is_empty();
    for opener in OPENERS {
        let mut rest = text.chars().flat_map(char::to_lowercase);
        let mut wanted = opener.chars();
        let begins = loop {
            let Some(c) = wanted.next() else { break true };
            match rest.next() {
                Some(given) if given == c => {}
                Some(_) => break false,
                None => {
                    undecided = true;
                    break false;
                }
            }
        };
        if begins {
            match rest.next() {
                Some(c) if c.is_alphanumeric() => {}
                Some(_) => return Some(true),
                None => undecided = true,
            }
        }
    }
    if undecided { None } else { Some(false) }
}

/// Where the first sentence or line ends. A mark ends one only if white space follows it.
fn sentence(text: &str) -> Option<usize> {
    let mut before = None;
    for (at, c) in text.char_indices() {
        if c == '\n' || c.is_whitespace() && matches!(before, Some('.' | '!' | ':' | '…')) {
            return Some(at);
        }
        before = Some(c);
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(text: &str) -> Option<(&str, bool)> {
        match Courtesy::find(text, true) {
            Opening::Courtesy(courtesy) => {
                Some((&text[..courtesy.end], courtesy.speaks_of_going_on))
            }
            Opening::None | Opening::Wait => None,
        }
    }

    #[test]
    fn courtesies_are_told_from_text() {
        assert_eq!(found("Sure, continuing:\n\nand so"), Some(("Sure, continuing:", true)));
        assert_eq!(found("Sure! Here is the rest: and"), Some(("Sure! Here is the rest:", true)));
        assert_eq!(found("Of course.\nso"), Some(("Of course.", false)));
        assert_eq!(found("Surely not. It"), None);
        assert_eq!(found("and so on. Sure."), None);
        assert_eq!(found("Okay"), None);
    }

    #[test]
    fn a_beginning_waits() {
        for text in ["", " ", "S", "Sure", "Sure, contin", "Sure, continuing:", "Sure. He"] {
            assert_eq!(Courtesy::find(text, false), Opening::Wait, "{text}");
        }
        assert_eq!(Courtesy::find("Se", false), Opening::None);
    }
}
