//! The simulator's tokenizer.
//!
//! One token is a run of characters up to and including a space, at most [`LONGEST`] characters.
//! It is no real model's rule, but it is exact, cheap and easy to check by hand: in plain prose a
//! token is a word, and a stream carries one token in each event.

/// Most characters of one token, so that base64 or JSON without spaces is not one token.
const LONGEST: usize = 16;

/// The tokens of `text`; together they are `text` again.
pub(super) fn tokens(text: &str) -> impl Iterator<Item = &str> + Clone {
    let mut rest = text;
    std::iter::from_fn(move || {
        let end = rest
            .char_indices()
            .enumerate()
            .map(|(count, (at, letter))| (count + 1, at + letter.len_utf8(), letter))
            .find(|(count, _, letter)| *letter == ' ' || *count == LONGEST)
            .map_or(rest.len(), |(_, end, _)| end);
        let (token, tail) = rest.split_at(end);
        rest = tail;
        (!token.is_empty()).then_some(token)
    })
}

/// How many tokens `text` has.
pub(super) fn count(text: &str) -> usize {
    tokens(text).count()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn prose_has_a_token_a_word() {
        let split: Vec<_> = tokens("to be or").collect();
        assert_eq!(split, ["to ", "be ", "or"]);
        assert_eq!(count(""), 0);
    }

    #[test]
    fn long_runs_are_cut() {
        let split: Vec<_> = tokens("0123456789abcdefgh i").collect();
        assert_eq!(split, ["0123456789abcdef", "gh ", "i"]);
    }

    proptest! {
        #[test]
        fn nothing_is_lost(text: String) {
            prop_assert_eq!(tokens(&text).collect::<String>(), text);
        }
    }
}
