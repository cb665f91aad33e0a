//! What a route's author knows of a model.

use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What a model takes. The gateway knows this of common models by their names; what is set here
/// holds in its place, field by field. It is used wherever a request is translated: where the
/// client speaks the target's own API, the request passes as it is.
#[derive(KubeSchema, Serialize, Deserialize, Debug, Clone, PartialEq, Eq, Default)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = Rule::new(
        "!(has(self.thinking) && self.thinking == 'Never' && has(self.thinkingAlways) && self.thinkingAlways)"
    )
    .message("thinkingAlways contradicts `thinking: Never`"),
    validation = Rule::new(
        "!has(self.maxOutputTokens) || !has(self.contextTokens) || self.maxOutputTokens <= self.contextTokens"
    )
    .message("maxOutputTokens is more than contextTokens, which are those of prompt and answer together")
)]
pub struct CapabilitiesSpec {
    /// The most tokens that it generates in one answer: a client that asks for more gets so many,
    /// and where the API demands a number, this is it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 100_000_000))]
    pub max_output_tokens: Option<i64>,

    /// The most tokens of prompt and answer together. A prompt that is surely longer, by an
    /// estimate, is not sent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 1_000_000_000))]
    pub context_tokens: Option<i64>,

    /// How many tokens of its own a hundred of an estimate come to: 120 for models whose tokens are
    /// shorter than usual.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 10, max = 1000))]
    pub token_percent: Option<i32>,

    /// Which sampling parameters it takes (`temperature`, `topP`, `topK`): `All`, or `None` but
    /// their default values.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sampling: Option<SamplingSupport>,

    /// It refuses `temperature` and `topP` together: the former is sent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub one_sampling_parameter: Option<bool>,

    /// How it is told to think: `Never`, by a `Budget` of tokens, by a word for `Effort`, `Both`,
    /// or `Unknown`: what the client says is then passed on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub thinking: Option<ThinkingSupport>,

    /// Thinking cannot be switched off.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub thinking_always: Option<bool>,

    /// The words for effort that it knows; others are replaced by the nearest. An empty list means
    /// all of them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 7))]
    #[x_kube(merge_strategy = ListMerge::Set)]
    pub efforts: Option<Vec<Effort>>,

    /// It sees no pictures.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refuses_images: Option<bool>,

    /// It calls no functions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refuses_tools: Option<bool>,

    /// It refuses to be forced to call a function.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refuses_forced_tools: Option<bool>,

    /// It refuses function tools together with reasoning on chat completions (GPT-5.4 and later):
    /// OpenAI and Azure are then asked by the Responses API, others without reasoning.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tools_need_responses: Option<bool>,

    /// It lacks structured output by schema: a function that it has to call stands in for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lacks_json_schema: Option<bool>,

    /// It refuses a format of the text together with functions (Gemini before 3).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refuses_format_with_tools: Option<bool>,

    /// It knows schemas of functions only in Google's subset of OpenAPI's (Gemini before 2.5).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub schema_subset: Option<bool>,

    /// It refuses a conversation that ends with words of its own, which it is to go on with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refuses_prefill: Option<bool>,

    /// It refuses texts that end the answer (`stop`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refuses_stop: Option<bool>,

    /// It takes instructions in the middle of a conversation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub system_turns: Option<bool>,

    /// It takes pictures and documents inside the result of a function (Gemini 3).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub media_in_results: Option<bool>,

    /// It refuses ids on calls of functions and on their results (Gemini 2.5 on Vertex AI).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refuses_call_ids: Option<bool>,

    /// It refuses a call in history without the signature that it came with (Gemini 3).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub wants_call_signatures: Option<bool>,
}

/// Which sampling parameters a model takes.
#[derive(Serialize, Deserialize, JsonSchema, Debug, Clone, Copy, PartialEq, Eq)]
pub enum SamplingSupport {
    /// All that its API has.
    All,
    /// None but the default values.
    None,
}

/// How a model is told to think.
#[derive(Serialize, Deserialize, JsonSchema, Debug, Clone, Copy, PartialEq, Eq)]
pub enum ThinkingSupport {
    /// What the client says is passed on.
    Unknown,
    /// It does not think.
    Never,
    /// By a number of tokens.
    Budget,
    /// By a word.
    Effort,
    /// By either.
    Both,
}

/// A word for effort, as models know it.
#[derive(Serialize, Deserialize, JsonSchema, Debug, Clone, Copy, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
#[expect(missing_docs, reason = "the words are the documentation")]
pub enum Effort {
    None,
    Minimal,
    Low,
    Medium,
    High,
    XHigh,
    Max,
}
