//! What belongs between two texts that follow each other.

use super::overlap::is_unspaced;

/// How often the delivered text must show what stands beside a sign, without an exception, for it to
/// be taken for its custom.
const CUSTOM: usize = 3;
/// Words of which one at most is written with a capital, for a capital to be no custom.
const RARE: usize = 8;
/// Longest word that is waited for.
const LONGEST_WORD: usize = 64;

/// What belongs between two texts.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Seam {
    /// More of the second is needed.
    Wait,
    /// This, which is nothing or a space.
    Known(&'static str),
    /// The second may begin in the middle of a word or with a new one.
    Doubtful,
}

const NOTHING: Seam = Seam::Known("");

/// What of the white space that a text begins with is new after one that ends with `delivered`.
pub(super) fn new_space<'a>(delivered: &str, begins: &'a str) -> &'a str {
    if let Some(more) = begins.strip_prefix(delivered) {
        more
    } else if delivered.starts_with(begins) || delivered.ends_with(begins) {
        ""
    } else {
        begins
    }
}

/// Whether a sentence or a line of a list ends here.
pub(super) fn ends_sentence(text: &str) -> bool {
    text.ends_with(['.', '!', '?', ':', ';', '…', '。', '！', '？', '：', '|', '`', '}'])
}

/// Whether what follows `text` begins as a sentence does. A capital says so only where words in the
/// midst of a sentence do without: in German it would be a noun.
pub(super) fn begins_sentence(text: &str, rest: &str) -> bool {
    let is_capital = |word: &str| {
        let mut letters = word.chars();
        letters.next().is_some_and(char::is_uppercase)
            && letters.next().is_some_and(char::is_lowercase)
    };
    let words: Vec<&str> = text.split_whitespace().collect();
    let inner = words.windows(2).filter(|pair| !ends_sentence(pair[0])).map(|pair| pair[1]);
    let (mut all, mut capitals) = (0_usize, 0_usize);
    for word in inner {
        all += 1;
        capitals += usize::from(is_capital(word));
    }
    rest.split_whitespace().next().is_some_and(is_capital) && capitals * RARE < all
}

/// What belongs between `delivered`, which `space` follows, and a text that goes on with it.
pub(super) fn between(delivered: &str, space: &str, rest: &str, finished: bool) -> Seam {
    let (Some(last), Some(next)) = (delivered.chars().next_back(), rest.chars().next()) else {
        return NOTHING;
    };
    if !space.is_empty() || next.is_whitespace() || is_unspaced(last) || is_unspaced(next) {
        return NOTHING;
    }
    match (last.is_alphanumeric(), next.is_alphanumeric()) {
        (true, true) => within_word(delivered, rest, finished),
        (true, false) if matches!(next, '.' | ',' | ';' | ':' | '!' | '?' | ')' | ']' | '}') => {
            NOTHING
        }
        (true, false) => customary(before(delivered, next)),
        (false, _) if matches!(last, '(' | '[' | '{' | '“' | '‘') => NOTHING,
        (false, _) => customary(after(delivered, last)),
    }
}

/// Whether a letter goes on with a word: only if that word was there before, and neither half of it
/// is one by itself.
fn within_word(delivered: &str, rest: &str, finished: bool) -> Seam {
    let end = rest.find(|c: char| !c.is_alphanumeric());
    if end.is_none() && !finished && rest.len() < LONGEST_WORD {
        return Seam::Wait;
    }
    let second = &rest[..end.unwrap_or(rest.len())];
    let begin = delivered.char_indices().rev().find(|(_, c)| !c.is_alphanumeric());
    let begin = begin.map_or(0, |(at, c)| at + c.len_utf8());
    let (earlier, first) = delivered.split_at(begin);
    let words = || earlier.split(|c: char| !c.is_alphanumeric());
    let whole = format!("{first}{second}");
    let known = |word: &str| words().any(|other| other == word);
    if known(&whole) && !known(second) { NOTHING } else { Seam::Doubtful }
}

/// How often white space stands beside a sign, and how often anything else.
type Custom = (usize, usize);

fn after(text: &str, sign: char) -> Custom {
    let mut custom = (0, 0);
    for (at, _) in text.match_indices(sign) {
        match text[at + sign.len_utf8()..].chars().next() {
            Some(c) if c.is_whitespace() => custom.0 += 1,
            Some(_) => custom.1 += 1,
            None => {}
        }
    }
    custom
}

fn before(text: &str, sign: char) -> Custom {
    let mut custom = (0, 0);
    for (at, _) in text.match_indices(sign) {
        match text[..at].chars().next_back() {
            Some(c) if c.is_whitespace() => custom.0 += 1,
            Some(_) => custom.1 += 1,
            None => {}
        }
    }
    custom
}

fn customary(custom: Custom) -> Seam {
    match custom {
        (CUSTOM.., 0) => Seam::Known(" "),
        (0, CUSTOM..) => NOTHING,
        _ => Seam::Doubtful,
    }
}
