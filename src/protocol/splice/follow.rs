//! Whether a text is another one again, word for word.

/// Compares a text with one that is expected, whatever the white space between words is.
#[derive(Debug)]
pub(super) struct Follow {
    expected: String,
    at: usize,
    /// White space was passed over.
    in_space: bool,
}

/// What a piece of text comes to.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Followed {
    /// It is as expected, and there is more to come.
    All,
    /// The expected text was complete at this byte of the piece.
    Past(usize),
    /// It is another text.
    Departs,
}

impl Follow {
    /// Expects `text`, which ends with something that is no white space.
    pub fn new(text: &str) -> Self {
        Self { expected: text.trim_start().to_owned(), at: 0, in_space: true }
    }

    pub fn feed(&mut self, text: &str) -> Followed {
        for (at, c) in text.char_indices() {
            let rest = &self.expected[self.at..];
            let Some(wanted) = rest.chars().next() else { return Followed::Past(at) };
            if c.is_whitespace() {
                if wanted.is_whitespace() {
                    self.at += rest.len() - rest.trim_start().len();
                    self.in_space = true;
                } else if !self.in_space {
                    return Followed::Departs;
                }
            } else if wanted == c {
                self.at += c.len_utf8();
                self.in_space = false;
            } else {
                return Followed::Departs;
            }
        }
        if self.at == self.expected.len() { Followed::Past(text.len()) } else { Followed::All }
    }

    /// How many bytes of the expected text have come.
    pub fn reached(&self) -> usize {
        self.at
    }
}
