//! `additionalModelRequestFields`: the parameters that each family of models has of its own.

use super::field::{Field, parse};
use super::{Request, Unreadable, reasoning};
use crate::protocol::neutral::Effort;

pub(super) fn read(field: &Field<'_>, request: &mut Request) -> Result<(), Unreadable> {
    for member in field.members()? {
        match member.name() {
            "top_k" => request.top_k = Some(member.count()?),
            "thinking" => read_thinking(&member, request)?,
            "anthropic_beta" => request.betas = parse(&member)?,
            // Claude, gpt-oss and DeepSeek, GPT and Nova, in this order.
            "output_config" => read_effort(&member, "effort", request)?,
            "reasoning_effort" => {
                let effort = effort(&member)?;
                reasoning(request).effort = Some(effort);
            }
            "reasoning" => read_effort(&member, "effort", request)?,
            "reasoningConfig" => read_effort(&member, "maxReasoningEffort", request)?,
            "inferenceConfig" => {
                for member in member.members()? {
                    match member.name() {
                        "topK" => request.top_k = Some(member.count()?),
                        _ => request.beyond.push(member.beyond(false)),
                    }
                }
            }
            "tool_choice" => read_parallel(&member, request)?,
            _ => request.beyond.push(member.beyond(false)),
        }
    }
    Ok(())
}

fn read_thinking(field: &Field<'_>, request: &mut Request) -> Result<(), Unreadable> {
    let members = field.by_name()?;
    let budget = members.optional("budget_tokens").map(|it| it.count()).transpose()?;
    let display = members.optional("display");
    let visible = display.map(|it| it.text()).transpose()?.map(|word| word != "omitted");
    let kind = members.required("type")?;
    let reasoning = reasoning(request);
    match &*kind.text()? {
        "enabled" => {
            reasoning.budget = budget;
            reasoning.shown_unasked = true;
        }
        "adaptive" => reasoning.adaptive = true,
        "disabled" => reasoning.effort = Some(Effort::None),
        _ => request.beyond.push(field.beyond(false)),
    }
    if let Some(reasoning) = &mut request.reasoning {
        reasoning.visible = visible;
    }
    Ok(())
}

fn read_effort(field: &Field<'_>, name: &str, request: &mut Request) -> Result<(), Unreadable> {
    for member in field.members()? {
        match member.name() {
            it if it == name => {
                let effort = effort(&member)?;
                let reasoning = reasoning(request);
                // What was switched off stays off: the word is about what else it does.
                if reasoning.effort != Some(Effort::None) {
                    reasoning.effort = Some(effort);
                }
            }
            // Nova's switch; only `enabled` goes with a word.
            "type" => {}
            _ => request.beyond.push(member.beyond(false)),
        }
    }
    Ok(())
}

/// A word for how much to think.
pub(super) fn effort(field: &Field<'_>) -> Result<Effort, Unreadable> {
    Effort::parse(&field.text()?).ok_or_else(|| {
        field.wrong("should be a word for effort, such as `low`, `medium` or `high`")
    })
}

/// Claude's own way to forbid several calls at once.
fn read_parallel(field: &Field<'_>, request: &mut Request) -> Result<(), Unreadable> {
    for member in field.members()? {
        match member.name() {
            "disable_parallel_tool_use" => request.parallel_tools = Some(!member.flag()?),
            // Said by `toolConfig`.
            "type" | "name" => {}
            _ => request.beyond.push(member.beyond(false)),
        }
    }
    Ok(())
}
