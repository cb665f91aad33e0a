//! An answer that was begun elsewhere, and is gone on with: well, or as models and servers do that
//! were not made for it.

use crate::simulate::{answer::Refusal, fault::GoesOn, prompt::Prompt};

/// How a wish begins that the assistant's last message be gone on with, and what stands before the
/// words of it that are to be repeated; see [`crate::protocol::continuation`].
const WISH: &str = "Your last message was cut off";
const LAST_WORDS: &str = "Its last words are:\n\n";

/// An answer that was begun elsewhere.
pub(super) struct Begun<'p> {
    /// What it answers.
    pub(super) said: &'p str,
    /// As much of it as there is.
    written: &'p str,
    /// The words at its end that are to be repeated, if any.
    repeat: &'p str,
}

impl<'p> Begun<'p> {
    /// What of the answer was written before, by whoever it was.
    pub(super) fn of(prompt: &'p Prompt) -> Option<Self> {
        if let Some(earlier) = &prompt.earlier
            && prompt.said.starts_with(WISH)
        {
            let repeat = prompt.said.rsplit_once(LAST_WORDS).map_or("", |(_, words)| words);
            return Some(Self { said: &earlier.said, written: &earlier.written, repeat });
        }
        let written = prompt.prefill.as_deref().filter(|written| !written.is_empty())?;
        Some(Self { said: &prompt.said, written, repeat: "" })
    }

    /// How it is gone on with. Who has the words so far put into its mouth has nothing to
    /// misunderstand: it goes on, or takes no such words.
    pub(super) fn manner(&self, told: GoesOn) -> GoesOn {
        match told {
            GoesOn::Refuse | GoesOn::Restart => told,
            _ if self.repeat.is_empty() => GoesOn::Truly,
            _ => told,
        }
    }

    /// What is written now, of a `whole` answer. What is no beginning of it cannot be gone on with.
    pub(super) fn gone_on_with(&self, how: GoesOn, whole: String) -> String {
        let Self { written, repeat, .. } = *self;
        // A prefill must not end in a space on some APIs, where the continuation begins with it.
        let Some(rest) = whole.strip_prefix(written) else { return whole };
        match how {
            GoesOn::Truly | GoesOn::Refuse => format!("{repeat}{rest}"),
            GoesOn::Restart | GoesOn::Paraphrase => whole,
            GoesOn::Repeat => format!("{}{rest}", last_sentence(written)),
            GoesOn::Courtesy => format!("Sure, here is the rest:\n\n{repeat}{rest}"),
            GoesOn::MidWord => rest.to_owned(),
        }
    }
}

/// Neither a prefill nor a wish is taken.
pub(super) fn refusal() -> Refusal {
    Refusal::invalid("This model does not go on with an answer that was begun elsewhere.")
}

fn last_sentence(written: &str) -> &str {
    written.rfind(". ").map_or(written, |end| &written[end + 2..])
}
