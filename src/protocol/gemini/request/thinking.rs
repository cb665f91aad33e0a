//! `thinkingConfig` for a target.

use crate::protocol::dialect::TargetView;
use crate::protocol::gemini::wire::Draft;
use crate::protocol::model::{EffortWord, Thinking};
use crate::protocol::neutral::{CannotCross, Crossing, Effort, Reasoning, Request};

/// The most that every Gemini that counts its thoughts takes.
const MOST: u64 = 24_576;
/// The least that one takes which always thinks.
const LEAST: u64 = 128;
/// The budget by which such a model decides itself.
const AS_IT_LIKES: i64 = -1;

/// How the model is told to think: Google takes a level or a budget, never both.
enum How {
    Level(&'static str),
    Budget(i64),
}

/// Writes the config; `None` if there is nothing to say.
pub(super) fn write(
    request: &Request,
    target: &TargetView<'_>,
    crossing: &mut Crossing,
) -> Result<Option<Draft>, CannotCross> {
    let Some(reasoning) = &request.reasoning else { return Ok(None) };
    let asked = reasoning.effort.is_some_and(|effort| effort != Effort::None)
        || reasoning.budget.is_some_and(|budget| budget > 0)
        || reasoning.adaptive;
    let facts = target.facts;
    let how = match facts.thinking {
        Thinking::Never => {
            if asked {
                crossing.dropped("reasoning_effort")?;
            }
            return Ok(None);
        }
        Thinking::Budget => budget(reasoning, target, crossing)?,
        Thinking::Effort => level(reasoning, target, crossing)?,
        Thinking::Both | Thinking::Unknown => match reasoning.effort {
            // The level that would say this is not known to all.
            Some(Effort::None) if facts.thinking == Thinking::Unknown => Some(How::Budget(0)),
            Some(_) => level(reasoning, target, crossing)?,
            None => budget(reasoning, target, crossing)?,
        },
    };
    let mut config = Draft::default();
    match how {
        None => {}
        Some(How::Level(level)) => config.put("thinkingLevel", &level),
        Some(How::Budget(budget)) => config.put("thinkingBudget", &budget),
    }
    let silent = reasoning.effort == Some(Effort::None);
    if reasoning.visible.unwrap_or(reasoning.shown_unasked) && !silent {
        config.put("includeThoughts", &true);
    }
    Ok((!config.is_empty()).then_some(config))
}

fn budget(
    reasoning: &Reasoning,
    target: &TargetView<'_>,
    crossing: &mut Crossing,
) -> Result<Option<How>, CannotCross> {
    let tokens = match (reasoning.budget, reasoning.effort) {
        (Some(budget), _) => {
            if budget > MOST {
                crossing.adjusted("thinking.budget_tokens")?;
            }
            budget.min(MOST)
        }
        // The numbers of Google's own OpenAI-compatible endpoint.
        (None, Some(effort)) => match effort {
            Effort::None => 0,
            Effort::Minimal | Effort::Low => 1024,
            Effort::Medium => 8192,
            Effort::High | Effort::XHigh | Effort::Max => MOST,
        },
        (None, None) if reasoning.adaptive => return Ok(Some(How::Budget(AS_IT_LIKES))),
        (None, None) => return Ok(None),
    };
    if tokens < LEAST && target.facts.thinking_always {
        crossing.adjusted("reasoning_effort")?;
        return Ok(Some(How::Budget(i64::try_from(LEAST).unwrap_or(i64::MAX))));
    }
    Ok(Some(How::Budget(i64::try_from(tokens).unwrap_or(i64::MAX))))
}

fn level(
    reasoning: &Reasoning,
    target: &TargetView<'_>,
    crossing: &mut Crossing,
) -> Result<Option<How>, CannotCross> {
    let wanted = match (reasoning.effort, reasoning.budget) {
        (Some(effort), _) => effort,
        (None, Some(budget)) => match budget {
            0 => Effort::None,
            1..2048 => Effort::Low,
            2048..4096 => Effort::Medium,
            _ => Effort::High,
        },
        (None, None) => return Ok(None),
    };
    let facts = target.facts;
    let meant = match facts.nearest_effort(wanted) {
        // Models of two levels answer what is between them with the higher one.
        Effort::Low
            if wanted == Effort::Medium && facts.efforts.contains(&EffortWord(Effort::High)) =>
        {
            Effort::High
        }
        nearest => nearest,
    };
    // A model with levels cannot be told not to think at all.
    if wanted == Effort::None {
        crossing.adjusted("reasoning_effort")?;
    }
    Ok(Some(How::Level(match meant {
        Effort::None | Effort::Minimal => "minimal",
        Effort::Low => "low",
        Effort::Medium => "medium",
        Effort::XHigh if !facts.efforts.is_empty() => "xhigh",
        Effort::High | Effort::XHigh | Effort::Max => "high",
    })))
}
