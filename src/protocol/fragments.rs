//! Arguments of a call that come in pieces.

use super::Malformed;

/// How far the JSON text of a call's arguments has come, by its brackets: what a model writes need
/// not be JSON.
#[derive(Debug, Default)]
pub(in crate::protocol) struct Arguments {
    depth: u64,
    begun: bool,
    in_text: bool,
    escaped: bool,
}

impl Arguments {
    /// Takes one more piece; `last` says that no call has begun after this one.
    ///
    /// Once another has begun, a call with a whole object is over, and clients may have been told:
    /// more than blanks can only be of a call whose beginning is missing.
    pub fn push(&mut self, text: &str, last: bool) -> Result<(), Malformed> {
        if !last && self.is_object() && !text.trim().is_empty() {
            return Err(Malformed);
        }
        for byte in text.bytes() {
            match byte {
                _ if self.escaped => self.escaped = false,
                b'\\' if self.in_text => self.escaped = true,
                b'"' => self.in_text = !self.in_text,
                _ if self.in_text => {}
                b'{' | b'[' => {
                    self.depth += 1;
                    self.begun = true;
                }
                b'}' | b']' => self.depth = self.depth.saturating_sub(1),
                _ => {}
            }
        }
        Ok(())
    }

    /// A whole object, or array.
    pub fn is_object(&self) -> bool {
        self.begun && self.depth == 0 && !self.in_text
    }

    /// A whole object, or nothing at all, which stands for one without members.
    pub fn is_whole(&self) -> bool {
        self.depth == 0 && !self.in_text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(pieces: &[&str]) -> Arguments {
        let mut arguments = Arguments::default();
        for piece in pieces {
            arguments.push(piece, true).expect("the last may go on");
        }
        arguments
    }

    #[test]
    fn brackets_in_texts_do_not_count() {
        for pieces in [&["{\"a\":", "\"}\\\"}", "\"}"][..], &["[{}", "]"], &[" {} "]] {
            assert!(read(pieces).is_object(), "{pieces:?}");
        }
        for pieces in [&["{\"a\":\"}"][..], &["{{}"], &["[\"\\"]] {
            assert!(!read(pieces).is_whole(), "{pieces:?}");
        }
        assert!(read(&[]).is_whole() && !read(&[]).is_object());
    }

    #[test]
    fn a_whole_object_gets_no_more_once_another_call_has_begun() {
        assert_eq!(read(&["{}"]).push("{}", true), Ok(()));
        assert_eq!(read(&["{}"]).push("{}", false), Err(Malformed));
        assert_eq!(read(&["{}"]).push("\n", false), Ok(()));
        assert_eq!(read(&["{\"a\""]).push(":1}", false), Ok(()));
    }
}
