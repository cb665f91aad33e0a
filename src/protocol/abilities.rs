//! What a model takes of a request at all, whatever its protocol has a place for.

use std::borrow::Cow;

use super::dialect::DialectId;
use super::estimate::prompt_tokens;
use super::model::ModelFacts;
use super::neutral::{CannotCross, Crossing, Part, Request, ResultPart};

/// What an estimate of tokens may be wrong by, in percent: what is longer by more is surely too long.
const DOUBT: u64 = 25;

/// Whether a model can be asked, and without what if the route is lenient. Fields have the names of
/// the client's API.
pub fn hold_to(
    facts: &ModelFacts,
    request: &mut Cow<'_, Request>,
    client: DialectId,
    crossing: &mut Crossing,
) -> Result<(), CannotCross> {
    if facts.refuses_images {
        leave_out_pictures(request, crossing)?;
    }
    if facts.refuses_tools && !request.tools.is_empty() {
        let message = "are functions, and the target's model calls none";
        crossing.refused(tools_of(client), message)?;
        let request = request.to_mut();
        request.tools.clear();
        request.tool_choice = None;
        request.parallel_tools = None;
    }
    check_length(request, client, facts)
}

fn leave_out_pictures(
    request: &mut Cow<'_, Request>,
    crossing: &mut Crossing,
) -> Result<(), CannotCross> {
    let message = "is a picture, and the target's model sees none";
    let mut found = false;
    for turn in &request.turns {
        for part in &turn.parts {
            let of_result = match part {
                Part::Image(media) => {
                    crossing.refused(&media.field, message)?;
                    found = true;
                    continue;
                }
                Part::ToolResult { content, .. } => content,
                _ => continue,
            };
            for part in of_result {
                if let ResultPart::Image(media) = part {
                    crossing.refused(&media.field, message)?;
                    found = true;
                }
            }
        }
    }
    if found {
        for turn in &mut request.to_mut().turns {
            turn.parts.retain(|part| !matches!(part, Part::Image(_)));
            for part in &mut turn.parts {
                if let Part::ToolResult { content, .. } = part {
                    content.retain(|part| !matches!(part, ResultPart::Image(_)));
                }
            }
        }
    }
    Ok(())
}

fn check_length(
    request: &Request,
    client: DialectId,
    facts: &ModelFacts,
) -> Result<(), CannotCross> {
    let Some(most) = facts.context_tokens else { return Ok(()) };
    let percent = u64::from(facts.token_percent.unwrap_or(100));
    let about = prompt_tokens(request).saturating_mul(percent) / 100;
    if about <= most.saturating_mul(100 + DOUBT) / 100 {
        return Ok(());
    }
    // Some clients shorten their history when they read these words.
    let message = format!(
        "makes a prompt of about {about} tokens, and the target's model takes {most}: prompt is too \
         long"
    );
    Err(CannotCross::new(conversation_of(client), message))
}

/// What a client's API calls the conversation.
fn conversation_of(client: DialectId) -> &'static str {
    match client {
        DialectId::OpenAiResponses => "input",
        DialectId::OpenAiCompletions => "prompt",
        DialectId::Gemini => "contents",
        DialectId::OpenAiChat | DialectId::AnthropicMessages | DialectId::BedrockConverse => {
            "messages"
        }
    }
}

fn tools_of(client: DialectId) -> &'static str {
    match client {
        DialectId::BedrockConverse => "toolConfig",
        _ => "tools",
    }
}
