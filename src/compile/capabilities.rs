//! What a route says of a model, in the words of the data.

use crate::api::{self, CapabilitiesSpec};
use crate::protocol::model::{Corrections, EffortWord, Sampling, Thinking};
use crate::protocol::neutral::Effort;

/// The corrections that a target makes; none where it says nothing.
pub(super) fn corrections(spec: Option<&CapabilitiesSpec>) -> Corrections {
    let Some(spec) = spec else { return Corrections::default() };
    let efforts = spec.efforts.as_ref();
    Corrections {
        // The schema lets none through that is negative or larger.
        max_output_tokens: spec.max_output_tokens.map(i64::unsigned_abs),
        context_tokens: spec.context_tokens.map(i64::unsigned_abs),
        token_percent: spec.token_percent.map(i32::unsigned_abs),
        sampling: spec.sampling.map(|sampling| match sampling {
            api::SamplingSupport::All => Sampling::All,
            api::SamplingSupport::None => Sampling::None,
        }),
        thinking: spec.thinking.map(|thinking| match thinking {
            api::ThinkingSupport::Unknown => Thinking::Unknown,
            api::ThinkingSupport::Never => Thinking::Never,
            api::ThinkingSupport::Budget => Thinking::Budget,
            api::ThinkingSupport::Effort => Thinking::Effort,
            api::ThinkingSupport::Both => Thinking::Both,
        }),
        efforts: efforts.map(|words| words.iter().map(|word| effort(*word)).collect()),
        thinking_always: spec.thinking_always,
        refuses_forced_tools: spec.refuses_forced_tools,
        lacks_json_schema: spec.lacks_json_schema,
        refuses_prefill: spec.refuses_prefill,
        refuses_stop: spec.refuses_stop,
        tools_need_responses: spec.tools_need_responses,
        system_turns: spec.system_turns,
        one_sampling_parameter: spec.one_sampling_parameter,
        refuses_call_ids: spec.refuses_call_ids,
        wants_call_signatures: spec.wants_call_signatures,
        schema_subset: spec.schema_subset,
        media_in_results: spec.media_in_results,
        refuses_format_with_tools: spec.refuses_format_with_tools,
        refuses_images: spec.refuses_images,
        refuses_tools: spec.refuses_tools,
    }
}

fn effort(word: api::Effort) -> EffortWord {
    EffortWord(match word {
        api::Effort::None => Effort::None,
        api::Effort::Minimal => Effort::Minimal,
        api::Effort::Low => Effort::Low,
        api::Effort::Medium => Effort::Medium,
        api::Effort::High => Effort::High,
        api::Effort::XHigh => Effort::XHigh,
        api::Effort::Max => Effort::Max,
    })
}
