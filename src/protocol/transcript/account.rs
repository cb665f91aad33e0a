//! What several tries at one answer cost, for the client and for those who pay.

use crate::protocol::usage::Usage;

/// What the tries before the current one came to.
#[derive(Debug, Clone, Copy, Default)]
pub(in crate::protocol) struct Account {
    /// For the client: one prompt, and what was delivered.
    pub shown: Usage,
    /// For those who pay: all of it.
    pub spent: Usage,
    /// Tries whose provider never said how long the prompt was.
    unknown_inputs: u64,
}

/// What of a try the client does not get.
#[derive(Debug, Clone, Copy, Default)]
pub(in crate::protocol) struct LeftOut {
    /// About how many tokens it had already.
    pub repeated: u64,
    /// Its reasoning is left out, because the client has that of another try.
    pub reasoning: bool,
    /// About how many tokens were added to its prompt, so that it goes on.
    pub added: u64,
}

impl LeftOut {
    fn tokens(self, said: Usage) -> u64 {
        let thought = if self.reasoning { said.reasoning.unwrap_or(0) } else { 0 };
        self.repeated.saturating_add(thought)
    }

    /// The prompt as the client sent it, where this one had `count` tokens.
    fn prompt(self, count: u64) -> u64 {
        // What is added is estimated, and no prompt is empty.
        count.saturating_sub(self.added).max(count.min(1))
    }
}

impl Account {
    /// With a try that broke off, of which the client got about `delivered` tokens.
    pub fn after(self, said: Usage, delivered: u64, left_out: LeftOut) -> Self {
        let estimate = delivered.saturating_add(left_out.repeated);
        // Some say at the beginning that there is one token, and then nothing until the end.
        let output = said.output.filter(|count| count.saturating_mul(2) >= estimate);
        let said = Usage { output: Some(output.unwrap_or(estimate)), ..said };
        Self {
            shown: self.shown(said, left_out),
            spent: plus(self.spent, said),
            // Who never generated anything was most likely never paid.
            unknown_inputs: self.unknown_inputs
                + u64::from(said.input.is_none() && said.output > Some(0)),
        }
    }

    /// What the client is told, if the current try says this.
    pub fn shown(&self, said: Usage, left_out: LeftOut) -> Usage {
        let own = || Usage { input: said.input.map(|count| left_out.prompt(count)), ..said };
        let prompt = if self.shown.input.is_some() { self.shown } else { own() };
        let delivered = said.output.map(|count| count.saturating_sub(left_out.tokens(said)));
        Usage {
            input: prompt.input,
            cached_input: prompt.cached_input,
            cache_written: prompt.cache_written,
            output: add(self.shown.output, delivered),
            reasoning: if left_out.reasoning {
                self.shown.reasoning
            } else {
                add(self.shown.reasoning, said.reasoning)
            },
        }
    }

    /// What all tries cost, if the current one says this. Where the prompt was never counted, it is
    /// taken to be the current one's, which is the same but for the words to be continued.
    pub fn spent(&self, said: Usage, left_out: LeftOut) -> Usage {
        let prompt = said.input.map(|count| left_out.prompt(count));
        let unknown = prompt.map(|count| count.saturating_mul(self.unknown_inputs));
        let sum = plus(self.spent, said);
        Usage {
            input: if self.unknown_inputs > 0 { add(sum.input, unknown) } else { sum.input },
            ..sum
        }
    }
}

fn plus(a: Usage, b: Usage) -> Usage {
    Usage {
        input: add(a.input, b.input),
        output: add(a.output, b.output),
        cached_input: add(a.cached_input, b.cached_input),
        cache_written: add(a.cache_written, b.cache_written),
        reasoning: add(a.reasoning, b.reasoning),
    }
}

fn add(a: Option<u64>, b: Option<u64>) -> Option<u64> {
    match (a, b) {
        (Some(a), Some(b)) => Some(a.saturating_add(b)),
        (a, b) => a.or(b),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counts(input: Option<u64>, output: Option<u64>) -> Usage {
        Usage { input, output, ..Usage::default() }
    }

    #[test]
    fn the_client_pays_one_prompt_and_what_it_got() {
        let first = Account::default().after(counts(Some(10), Some(1)), 20, LeftOut::default());
        let left_out = LeftOut { repeated: 5, reasoning: true, added: 0 };
        let said = Usage { reasoning: Some(3), ..counts(Some(40), Some(30)) };
        let shown = first.shown(said, left_out);
        assert_eq!((shown.input, shown.output), (Some(10), Some(20 + 30 - 5 - 3)));
        let spent = first.spent(said, left_out);
        assert_eq!((spent.input, spent.output), (Some(50), Some(50)));
    }

    #[test]
    fn a_count_that_is_near_the_estimate_is_believed() {
        let first = Account::default().after(counts(None, Some(18)), 20, LeftOut::default());
        assert_eq!(first.shown.output, Some(18));
        let said = counts(Some(12), Some(2));
        assert_eq!(first.shown(said, LeftOut::default()), counts(Some(12), Some(20)));
        assert_eq!(first.spent(said, LeftOut::default()), counts(Some(24), Some(20)));
    }

    #[test]
    fn what_the_gateway_adds_to_a_prompt_is_not_the_clients() {
        let first = Account::default().after(counts(None, None), 20, LeftOut::default());
        let left_out = LeftOut { added: 100, ..LeftOut::default() };
        let said = counts(Some(111), Some(2));
        assert_eq!(first.shown(said, left_out).input, Some(11));
        assert_eq!(first.spent(said, left_out).input, Some(111 + 11));
        assert_eq!(first.shown(counts(Some(50), Some(2)), left_out).input, Some(1));
    }
}
