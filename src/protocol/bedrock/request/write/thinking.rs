//! How much to think, in each family's own words.

use serde_json::json;

use super::extra::Extra;
use super::family::Family;
use super::{CannotCross, Reasoning, Writer};
use crate::protocol::model;
use crate::protocol::neutral::{Effort, Origin, Part, Role};

/// The least that Claude thinks, if it does.
const LEAST_BUDGET: u64 = 1024;

/// What was decided about thinking.
#[derive(Debug, Default)]
pub(super) struct Thinking {
    /// Claude thinks, which it does neither with a forced tool nor with sampling of one's own.
    pub(super) on: bool,
    /// By so many tokens, which the limit of the answer must exceed.
    pub(super) budget: Option<u64>,
}

impl Writer<'_, '_> {
    /// Writes the client's wish into `extra`.
    pub(super) fn thinking(&mut self, extra: &mut Extra) -> Result<Thinking, CannotCross> {
        let Some(reasoning) = &self.request.reasoning else { return Ok(Thinking::default()) };
        let off = reasoning.effort == Some(Effort::None)
            && reasoning.budget.is_none()
            && !reasoning.adaptive;
        if self.facts.thinking == model::Thinking::Never {
            return if off { Ok(Thinking::default()) } else { self.no_thinking(reasoning) };
        }
        let says_nothing =
            reasoning.effort.is_none() && reasoning.budget.is_none() && !reasoning.adaptive;
        match self.family {
            _ if says_nothing => Ok(Thinking::default()),
            Family::Claude | Family::Unknown if off => self.claude_off(extra),
            Family::Claude | Family::Unknown => self.claude(reasoning, extra),
            Family::Other if off => Ok(Thinking::default()),
            Family::Other => self.no_thinking(reasoning),
            Family::Nova | Family::OpenWeights | Family::Gpt => self.by_word(reasoning, extra),
        }
    }

    /// The field by which clients know it.
    fn thinking_field(reasoning: &Reasoning) -> &'static str {
        let claude = reasoning.budget.is_some() || reasoning.adaptive;
        if claude { "thinking" } else { "reasoning_effort" }
    }

    fn no_thinking(&mut self, reasoning: &Reasoning) -> Result<Thinking, CannotCross> {
        self.crossing.dropped(Self::thinking_field(reasoning))?;
        Ok(Thinking::default())
    }

    fn claude_off(&mut self, extra: &mut Extra) -> Result<Thinking, CannotCross> {
        if self.facts.thinking_always {
            self.crossing.adjusted("reasoning_effort")?;
            let effort = self.facts.nearest_effort(Effort::Low);
            extra.set("output_config", json!({"effort": effort.as_str()}));
        } else if matches!(self.facts.thinking, model::Thinking::Effort | model::Thinking::Both) {
            // Others do not think unless they are told to.
            extra.set("thinking", json!({"type": "disabled"}));
        }
        Ok(Thinking::default())
    }

    fn claude(
        &mut self,
        reasoning: &Reasoning,
        extra: &mut Extra,
    ) -> Result<Thinking, CannotCross> {
        let by_budget = match self.facts.thinking {
            model::Thinking::Budget => true,
            model::Thinking::Effort => false,
            _ => reasoning.budget.is_some(),
        };
        if by_budget {
            return self.claude_budget(reasoning, extra);
        }
        let mut thinking = json!({"type": "adaptive"});
        if let Some(visible) = reasoning.visible {
            thinking["display"] = if visible { "summarized" } else { "omitted" }.into();
        }
        extra.set("thinking", thinking);
        let wanted = match (reasoning.effort, reasoning.budget) {
            (Some(Effort::None | Effort::Minimal), _) => Some(Effort::Low),
            (Some(effort), _) => Some(effort),
            (None, Some(budget)) => {
                self.crossing.adjusted("thinking.budget_tokens")?;
                Some(effort_of(budget))
            }
            (None, None) => None,
        };
        if let Some(wanted) = wanted {
            let effort = self.facts.nearest_effort(wanted);
            if Some(effort) != reasoning.effort && reasoning.effort.is_some() {
                self.crossing.adjusted("reasoning_effort")?;
            }
            extra.set("output_config", json!({"effort": effort.as_str()}));
        }
        Ok(Thinking { on: true, budget: None })
    }

    fn claude_budget(
        &mut self,
        reasoning: &Reasoning,
        extra: &mut Extra,
    ) -> Result<Thinking, CannotCross> {
        let wanted =
            reasoning.budget.unwrap_or_else(|| budget_of(reasoning.effort.unwrap_or(Effort::High)));
        // The limit includes the reasoning.
        let limit = self.request.max_output_tokens.or(self.facts.max_output_tokens);
        let most = limit.map_or(u64::MAX, |limit| limit.saturating_sub(1));
        let budget = wanted.max(LEAST_BUDGET).min(most);
        if budget < LEAST_BUDGET || self.calls_without_thoughts() {
            self.crossing.dropped(Self::thinking_field(reasoning))?;
            return Ok(Thinking::default());
        }
        if reasoning.budget.is_some_and(|wanted| wanted != budget) {
            self.crossing.adjusted("thinking.budget_tokens")?;
        }
        extra.set("thinking", json!({"type": "enabled", "budget_tokens": budget}));
        Ok(Thinking { on: true, budget: Some(budget) })
    }

    /// Claude's last words are calls whose reasoning did not come back: it refuses to think on.
    fn calls_without_thoughts(&self) -> bool {
        let mut turns = self.request.turns.iter().rev();
        let Some(last) = turns.find(|turn| turn.role == Role::Assistant) else { return false };
        let calls = last.parts.iter().any(|part| matches!(part, Part::ToolCall { .. }));
        let thoughts = last.parts.iter().any(|part| {
            matches!(part, Part::Thinking { state: Some(state), .. } if state.origin == Origin::Anthropic)
        });
        calls && !thoughts
    }

    /// Families that are told a word.
    fn by_word(
        &mut self,
        reasoning: &Reasoning,
        extra: &mut Extra,
    ) -> Result<Thinking, CannotCross> {
        let effort = match (reasoning.effort, reasoning.budget) {
            (Some(effort), _) => effort,
            (None, Some(budget)) => {
                self.crossing.adjusted("thinking.budget_tokens")?;
                effort_of(budget)
            }
            (None, None) => Effort::High,
        };
        // GPT knows all the words, the others three.
        let known = match (self.family, effort) {
            (Family::Gpt, effort) => self.facts.nearest_effort(effort),
            (Family::Nova, Effort::None) => return Ok(Thinking::default()),
            (_, Effort::None | Effort::Minimal) => Effort::Low,
            (_, effort) => self.facts.nearest_effort(effort).min(Effort::High),
        };
        if reasoning.effort.is_some_and(|wanted| wanted != known) {
            self.crossing.adjusted("reasoning_effort")?;
        }
        let word = known.as_str();
        match self.family {
            Family::Nova => {
                extra
                    .set("reasoningConfig", json!({"type": "enabled", "maxReasoningEffort": word}));
            }
            Family::Gpt => extra.set("reasoning", json!({"effort": word})),
            _ => extra.set("reasoning_effort", json!(word)),
        }
        Ok(Thinking::default())
    }
}

/// Tokens for a word, as is usual for Claude.
fn budget_of(effort: Effort) -> u64 {
    match effort {
        Effort::None | Effort::Minimal | Effort::Low => 1024,
        Effort::Medium => 2048,
        Effort::High => 4096,
        Effort::XHigh => 8192,
        Effort::Max => 16384,
    }
}

/// The word for so many tokens.
fn effort_of(budget: u64) -> Effort {
    match budget {
        16384.. => Effort::Max,
        8192.. => Effort::XHigh,
        4096.. => Effort::High,
        2048.. => Effort::Medium,
        _ => Effort::Low,
    }
}
