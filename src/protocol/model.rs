//! What a model takes: facts that differ inside one protocol, and that change with every release.
//!
//! The facts themselves are data (see the registry of models in `provider`), which a route can
//! correct. An unknown model is taken to be able to do whatever its protocol can say.

mod corrections;

use serde::Deserialize;

use super::neutral::Effort;
pub use corrections::Corrections;

/// What one model takes.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(default, rename_all = "camelCase", deny_unknown_fields)]
#[expect(clippy::struct_excessive_bools, reason = "each is a fact of its own")]
pub struct ModelFacts {
    /// The most tokens it generates in one answer.
    pub max_output_tokens: Option<u64>,
    /// The most tokens of prompt and answer together.
    pub context_tokens: Option<u64>,
    /// Which sampling parameters it takes.
    pub sampling: Sampling,
    /// How it is told to think.
    pub thinking: Thinking,
    /// Whether thinking can be switched off.
    pub thinking_always: bool,
    /// It refuses to be forced to call a tool (`any`, `tool`, `required`).
    pub refuses_forced_tools: bool,
    /// It lacks structured output by schema: a tool stands in for it.
    pub lacks_json_schema: bool,
    /// The words for effort that it knows; empty is all of them.
    pub efforts: Vec<EffortWord>,
    /// It refuses a conversation that ends with words of its own (prefill).
    pub refuses_prefill: bool,
    /// It refuses stop texts.
    pub refuses_stop: bool,
    /// It refuses function tools together with reasoning on chat completions.
    pub tools_need_responses: bool,
    /// It takes instructions in the middle of a conversation.
    pub system_turns: bool,
    /// How many tokens of its own a hundred of an estimate come to.
    pub token_percent: Option<u32>,
    /// It refuses `temperature` and `top_p` together.
    pub one_sampling_parameter: bool,
    /// It refuses ids on calls of functions and on their results (Gemini 2.5 on Vertex AI).
    pub refuses_call_ids: bool,
    /// It refuses a call in history that lacks the signature it came with (Gemini 3).
    pub wants_call_signatures: bool,
    /// It knows schemas only in Google's subset of OpenAPI's (Gemini before 2.5).
    pub schema_subset: bool,
    /// It takes pictures and documents inside the result of a function (Gemini 3).
    pub media_in_results: bool,
    /// It refuses a format of the text together with tools (Gemini before 3).
    pub refuses_format_with_tools: bool,
    /// It sees no pictures.
    pub refuses_images: bool,
    /// It calls no functions.
    pub refuses_tools: bool,
}

/// Which sampling parameters a model takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Sampling {
    /// All that its protocol has.
    #[default]
    All,
    /// None but the default values.
    None,
}

/// How a model is told to think.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Thinking {
    /// Nothing is known of it: what the client says is passed on in the protocol's newest form.
    #[default]
    Unknown,
    /// It does not think.
    Never,
    /// By a number of tokens.
    Budget,
    /// By a word, or as it likes.
    Effort,
    /// By either.
    Both,
}

/// [`Effort`] as it stands in data.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct EffortWord(pub Effort);

impl TryFrom<String> for EffortWord {
    type Error = String;

    fn try_from(word: String) -> Result<Self, Self::Error> {
        Effort::parse(&word).map(Self).ok_or_else(|| format!("`{word}` is no effort"))
    }
}

impl ModelFacts {
    /// The word that comes nearest to `wanted` among those the model knows; the lower of two.
    pub fn nearest_effort(&self, wanted: Effort) -> Effort {
        let distance = |effort: Effort| (effort as i32 - wanted as i32).abs();
        let known = self.efforts.iter().map(|word| word.0);
        known.min_by_key(|effort| (distance(*effort), *effort)).unwrap_or(wanted)
    }
}
