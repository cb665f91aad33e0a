//! What a route knows better of a model than the data does.

use super::{EffortWord, ModelFacts, Sampling, Thinking};

/// Corrections of a model's facts, each of its own: what is `None` stays as the data has it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[expect(missing_docs, reason = "each stands for the fact of its name in `ModelFacts`")]
pub struct Corrections {
    pub max_output_tokens: Option<u64>,
    pub context_tokens: Option<u64>,
    pub sampling: Option<Sampling>,
    pub thinking: Option<Thinking>,
    pub thinking_always: Option<bool>,
    pub refuses_forced_tools: Option<bool>,
    pub lacks_json_schema: Option<bool>,
    pub efforts: Option<Vec<EffortWord>>,
    pub refuses_prefill: Option<bool>,
    pub refuses_stop: Option<bool>,
    pub tools_need_responses: Option<bool>,
    pub system_turns: Option<bool>,
    pub token_percent: Option<u32>,
    pub one_sampling_parameter: Option<bool>,
    pub refuses_call_ids: Option<bool>,
    pub wants_call_signatures: Option<bool>,
    pub schema_subset: Option<bool>,
    pub media_in_results: Option<bool>,
    pub refuses_format_with_tools: Option<bool>,
    pub refuses_images: Option<bool>,
    pub refuses_tools: Option<bool>,
}

impl Corrections {
    /// The facts with these in their places.
    pub fn apply(&self, facts: &ModelFacts) -> ModelFacts {
        // Taken apart, so that a fact without its line here is an error.
        let Self {
            max_output_tokens,
            context_tokens,
            sampling,
            thinking,
            thinking_always,
            refuses_forced_tools,
            lacks_json_schema,
            efforts,
            refuses_prefill,
            refuses_stop,
            tools_need_responses,
            system_turns,
            token_percent,
            one_sampling_parameter,
            refuses_call_ids,
            wants_call_signatures,
            schema_subset,
            media_in_results,
            refuses_format_with_tools,
            refuses_images,
            refuses_tools,
        } = self;
        ModelFacts {
            max_output_tokens: max_output_tokens.or(facts.max_output_tokens),
            context_tokens: context_tokens.or(facts.context_tokens),
            sampling: sampling.unwrap_or(facts.sampling),
            thinking: thinking.unwrap_or(facts.thinking),
            thinking_always: thinking_always.unwrap_or(facts.thinking_always),
            refuses_forced_tools: refuses_forced_tools.unwrap_or(facts.refuses_forced_tools),
            lacks_json_schema: lacks_json_schema.unwrap_or(facts.lacks_json_schema),
            efforts: efforts.clone().unwrap_or_else(|| facts.efforts.clone()),
            refuses_prefill: refuses_prefill.unwrap_or(facts.refuses_prefill),
            refuses_stop: refuses_stop.unwrap_or(facts.refuses_stop),
            tools_need_responses: tools_need_responses.unwrap_or(facts.tools_need_responses),
            system_turns: system_turns.unwrap_or(facts.system_turns),
            token_percent: token_percent.or(facts.token_percent),
            one_sampling_parameter: one_sampling_parameter.unwrap_or(facts.one_sampling_parameter),
            refuses_call_ids: refuses_call_ids.unwrap_or(facts.refuses_call_ids),
            wants_call_signatures: wants_call_signatures.unwrap_or(facts.wants_call_signatures),
            schema_subset: schema_subset.unwrap_or(facts.schema_subset),
            media_in_results: media_in_results.unwrap_or(facts.media_in_results),
            refuses_format_with_tools: refuses_format_with_tools
                .unwrap_or(facts.refuses_format_with_tools),
            refuses_images: refuses_images.unwrap_or(facts.refuses_images),
            refuses_tools: refuses_tools.unwrap_or(facts.refuses_tools),
        }
    }
}
