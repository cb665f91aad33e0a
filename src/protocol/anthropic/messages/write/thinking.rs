//! How much a model is to think, in the way that it is told.

use crate::protocol::anthropic::messages::wire::Thinking;
use crate::protocol::model::{ModelFacts, Thinking as Told};
use crate::protocol::neutral::{
    CannotCross, Crossing, Effort, Part, Reasoning, Request, Role, Turn,
};

/// The least budget that the API takes.
const LEAST_BUDGET: u64 = 1024;

/// What a request says of thinking.
#[derive(Debug, Default)]
pub(super) struct Plan {
    pub(super) thinking: Option<Thinking>,
    pub(super) effort: Option<&'static str>,
    /// Thinking does not go with a tool that has to be called.
    pub(super) forbids_force: bool,
    /// Thinking does not go with sampling parameters.
    pub(super) forbids_sampling: bool,
}

pub(super) fn plan(
    request: &Request,
    turns: &[&Turn],
    facts: &ModelFacts,
    max_tokens: u64,
    crossing: &mut Crossing,
) -> Result<Plan, CannotCross> {
    let mut plan = match &request.reasoning {
        Some(reasoning) => wanted(reasoning, turns, facts, max_tokens, crossing)?,
        None => Plan::default(),
    };
    let thinks = match plan.thinking {
        Some(Thinking::Enabled { .. }) => true,
        // Nothing is refused to a model of which nothing is known.
        Some(Thinking::Adaptive { .. }) => facts.thinking != Told::Unknown,
        Some(Thinking::Disabled) | None => facts.thinking_always,
    };
    plan.forbids_sampling = thinks;
    plan.forbids_force = thinks || facts.refuses_forced_tools;
    Ok(plan)
}

fn wanted(
    reasoning: &Reasoning,
    turns: &[&Turn],
    facts: &ModelFacts,
    max_tokens: u64,
    crossing: &mut Crossing,
) -> Result<Plan, CannotCross> {
    let budget = reasoning.budget.filter(|budget| *budget > 0);
    // The name that clients who say it so know.
    let field = if reasoning.budget.is_some() || reasoning.adaptive {
        "thinking"
    } else {
        "reasoning_effort"
    };
    let asks = budget.is_some() || reasoning.adaptive || reasoning.effort.is_some();
    if !asks && reasoning.budget.is_none() {
        return Ok(Plan::default());
    }
    if reasoning.effort == Some(Effort::None) || !asks {
        return without(field, facts, crossing);
    }
    let display = reasoning.visible.map(|visible| if visible { "summarized" } else { "omitted" });
    match facts.thinking {
        Told::Never => {
            crossing.dropped(field)?;
            Ok(Plan::default())
        }
        Told::Budget => {
            let budget = budget.unwrap_or_else(|| budget_of(reasoning.effort));
            by_budget(budget, display, field, turns, max_tokens, crossing)
        }
        Told::Unknown | Told::Both if budget.is_some() => {
            by_budget(budget.unwrap_or(LEAST_BUDGET), display, field, turns, max_tokens, crossing)
        }
        Told::Effort | Told::Both | Told::Unknown => {
            let effort = budget.map(|budget| effort_of(budget, facts)).or(reasoning.effort);
            Ok(Plan {
                thinking: Some(Thinking::Adaptive { display }),
                effort: effort.map(|effort| word(effort, facts)),
                ..Plan::default()
            })
        }
    }
}

/// No thinking, or the least of it.
fn without(field: &str, facts: &ModelFacts, crossing: &mut Crossing) -> Result<Plan, CannotCross> {
    if !facts.thinking_always {
        // A model that never thinks need not be told.
        let thinking = (facts.thinking != Told::Never).then_some(Thinking::Disabled);
        return Ok(Plan { thinking, ..Plan::default() });
    }
    crossing.adjusted(field)?;
    let words = matches!(facts.thinking, Told::Effort | Told::Both | Told::Unknown);
    Ok(Plan { effort: words.then(|| word(Effort::Low, facts)), ..Plan::default() })
}

fn by_budget(
    wanted: u64,
    display: Option<&'static str>,
    field: &str,
    turns: &[&Turn],
    max_tokens: u64,
    crossing: &mut Crossing,
) -> Result<Plan, CannotCross> {
    let room = max_tokens.saturating_sub(1);
    if room < LEAST_BUDGET || answers_without_thinking(turns) {
        crossing.dropped(field)?;
        return Ok(Plan::default());
    }
    let budget = wanted.clamp(LEAST_BUDGET, room);
    if wanted < LEAST_BUDGET {
        crossing.adjusted(field)?;
    }
    Ok(Plan {
        thinking: Some(Thinking::Enabled { budget_tokens: budget, display }),
        ..Plan::default()
    })
}

/// Whether the model would go on with an answer that it began without thinking, which the API
/// refuses to do with thinking.
fn answers_without_thinking(turns: &[&Turn]) -> bool {
    let Some(at) = turns.iter().rposition(|turn| turn.role == Role::Assistant) else {
        return false;
    };
    let is_last = at + 1 == turns.len();
    // An answer that came in several messages is one.
    let begin = turns[..at].iter().rposition(|turn| turn.role != Role::Assistant);
    let answer = &turns[begin.map_or(0, |before| before + 1)..=at];
    let mut parts = answer.iter().flat_map(|turn| &turn.parts);
    let calls = parts.clone().any(|part| matches!(part, Part::ToolCall { .. }));
    let thought =
        parts.find(|part| !matches!(part, Part::Text { text, .. } if text.trim().is_empty()));
    let thinks = thought.is_some_and(super::turns::is_own_thinking);
    (calls || is_last) && !thinks
}

/// Budgets that peers use for the words of effort.
fn budget_of(effort: Option<Effort>) -> u64 {
    match effort {
        Some(Effort::None | Effort::Minimal | Effort::Low) => 1024,
        Some(Effort::Medium) => 2048,
        // Without a word, Anthropic's default.
        Some(Effort::High) | None => 4096,
        Some(Effort::XHigh) => 8192,
        Some(Effort::Max) => 16384,
    }
}

/// The word for a budget; the highest ones only where the model has them.
fn effort_of(budget: u64, facts: &ModelFacts) -> Effort {
    let has = |effort| facts.nearest_effort(effort) == effort;
    match budget {
        16384.. if has(Effort::Max) => Effort::Max,
        8192.. if has(Effort::XHigh) => Effort::XHigh,
        4096.. => Effort::High,
        2048.. => Effort::Medium,
        _ => Effort::Low,
    }
}

/// The API's word that comes nearest.
fn word(effort: Effort, facts: &ModelFacts) -> &'static str {
    facts.nearest_effort(effort.max(Effort::Low)).max(Effort::Low).as_str()
}
