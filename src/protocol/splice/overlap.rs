//! Where a text begins with what another one ends with.

/// Bytes at the end of the delivered text in which a repetition may begin, unless it is all of it:
/// some pages. Nobody repeats more than that but from the beginning.
const WINDOW: usize = 16 * 1024;
/// Places at which the new text may have begun to repeat, once it has [`REPETITIVE_AFTER`] bytes: with
/// more of them the delivered text repeats itself all the time.
const REPETITIVE: usize = 256;
const REPETITIVE_AFTER: usize = 256;

/// Fewest letters, digits and other signs of a repetition that is no accident...
const STRONG_SIGNS: usize = 20;
/// ... and words. Three words in a row are common (`at the end`), and so are long ones, but not both.
const STRONG_WORDS: usize = 3;
/// Fewest signs where all of a short delivered text is repeated: nobody goes on with the very words
/// that stand at the beginning.
const STRONG_WHOLE: usize = 8;

/// Words with which an answer that begins in the midst of a sentence of the delivered text shows that
/// it begins again, in other words.
const ALIKE_WORDS: usize = 2;

/// Ends of the delivered text that a new one may begin with. Runs of white space count as one space.
#[derive(Debug)]
pub(super) struct Overlap {
    delivered: String,
    /// Where those begin that the new text has matched so far.
    live: Vec<usize>,
    /// Bytes matched.
    matched: usize,
    /// How many bytes of the delivered text were matched to its end, and where that was in the new
    /// text; the shortest first.
    complete: Vec<(usize, usize)>,
    /// How far the new text went along with the delivered one from its beginning.
    from_start: usize,
    space: bool,
}

/// What the beginning of a new text is.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Found {
    /// Nothing of the delivered text's end.
    Nothing,
    /// A repetition, up to this byte of the new text.
    Repeats(usize),
    /// A few words that the delivered text ends with, up to this byte; it may be chance.
    Few(usize),
    /// A repetition, but of which of several like passages?
    Unclear,
    /// It began as the delivered text does, and went on in another way.
    Departs,
}

impl Overlap {
    pub fn new(delivered: &str) -> Self {
        let mut normal = String::with_capacity(delivered.len());
        for word in delivered.split_whitespace() {
            if !normal.is_empty() {
                normal.push(' ');
            }
            normal.push_str(word);
        }
        Self {
            delivered: normal,
            live: Vec::new(),
            matched: 0,
            complete: Vec::new(),
            from_start: 0,
            space: false,
        }
    }

    /// One more character of the new text, which ends at byte `end` of it.
    pub fn feed(&mut self, c: char, end: usize) {
        if c.is_whitespace() {
            self.space = self.matched > 0;
            return;
        }
        if std::mem::take(&mut self.space) {
            self.step(' ', end);
        }
        self.step(c, end);
    }

    fn step(&mut self, c: char, end: usize) {
        let delivered = &self.delivered;
        if self.matched == 0 {
            let first = delivered.len().saturating_sub(WINDOW);
            let begins = |at: &usize| *at == 0 || (*at >= first && begins_word(delivered, *at));
            let places = delivered.match_indices(c).map(|(at, _)| at);
            self.live = places.filter(begins).collect();
        } else {
            let matched = self.matched;
            self.live.retain(|at| delivered[at + matched..].starts_with(c));
        }
        self.matched += c.len_utf8();
        if self.live.first() == Some(&0) {
            self.from_start = self.matched;
        }
        let whole = delivered.len() - self.matched.min(delivered.len());
        if self.live.last() == Some(&whole) {
            self.live.pop();
            self.complete.push((self.matched, end));
        }
    }

    /// Whether more of the new text may tell more. Once something was fed.
    pub fn is_open(&self) -> bool {
        !self.live.is_empty()
    }

    /// Whether the delivered text repeats itself so much that nothing can be told.
    pub fn is_repetitive(&self) -> bool {
        self.matched >= REPETITIVE_AFTER && self.live.len() > REPETITIVE
    }

    /// What it was, when there is no more to come or nothing more to be told.
    pub fn found(&self) -> Found {
        let Some(&(longest, end)) = self.complete.last() else {
            let begun = &self.delivered[..self.from_start];
            return if is_strong(begun, false) { Found::Departs } else { Found::Nothing };
        };
        let text = &self.delivered[self.delivered.len() - longest..];
        let whole = longest == self.delivered.len();
        if !is_strong(text, whole) {
            // Signs alone say nothing: lists and code are full of the same ones.
            let sign = |c: char| c.is_ascii_punctuation() || c.is_whitespace();
            let says = whole || !text.chars().all(sign);
            return if says { Found::Few(end) } else { Found::Nothing };
        }
        let before = self.complete.len().checked_sub(2).and_then(|at| self.complete.get(at));
        let other = before.is_some_and(|(length, _)| {
            is_strong(&self.delivered[self.delivered.len() - length..], false)
        });
        let first = memchr::memmem::find(self.delivered.as_bytes(), text.as_bytes());
        if other || first != Some(self.delivered.len() - longest) {
            return Found::Unclear;
        }
        Found::Repeats(end)
    }

    /// Whether what has come stands somewhere in the delivered text and is too long for chance.
    pub fn is_within(&self) -> bool {
        let text = self.live.first().and_then(|at| self.delivered.get(*at..at + self.matched));
        text.is_some_and(|text| is_strong(text, false))
    }

    /// Whether it began with the words of the delivered text's first sentence, if not with many.
    pub fn begins_alike(&self) -> bool {
        let begun = &self.delivered[..self.from_start];
        begun.starts_with(char::is_uppercase) && begun.matches(' ').count() >= ALIKE_WORDS
    }

    /// Whether a text stands in the delivered one.
    pub fn knows(&self, text: &str) -> bool {
        let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
        self.delivered.contains(&text)
    }
}

/// Whether scripts of this kind put no spaces between words.
pub(super) fn is_unspaced(c: char) -> bool {
    matches!(c, '\u{e00}'..='\u{eff}' | '\u{1000}'..='\u{109f}' | '\u{1780}'..='\u{17ff}'
        | '\u{2e80}'..='\u{9fff}' | '\u{f900}'..='\u{faff}' | '\u{ff00}'..='\u{ffef}'
        | '\u{20000}'..='\u{3ffff}')
}

fn begins_word(text: &str, at: usize) -> bool {
    let (Some(before), Some(here)) = (text[..at].chars().next_back(), text[at..].chars().next())
    else {
        return true;
    };
    is_unspaced(here) || !(before.is_alphanumeric() && here.is_alphanumeric())
}

/// Whether a repetition of this is no accident.
fn is_strong(text: &str, whole: bool) -> bool {
    let (mut signs, mut words, mut in_word) = (0, 0, false);
    for c in text.chars() {
        // One such sign says about as much as two letters do.
        signs += if is_unspaced(c) { 2 } else { usize::from(!c.is_whitespace()) };
        let letter = c.is_alphanumeric();
        words += usize::from(letter && (!in_word || is_unspaced(c)));
        in_word = letter;
    }
    signs >= STRONG_SIGNS && words >= STRONG_WORDS || whole && signs >= STRONG_WHOLE && words > 0
}
