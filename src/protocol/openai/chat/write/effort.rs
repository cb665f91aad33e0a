//! How much the model is to think.

use super::Draft;
use crate::protocol::model::{ModelFacts, Thinking};
use crate::protocol::neutral::{CannotCross, Effort, Reasoning};

/// Efforts by the tokens that Claude's clients mean by them, most first.
const BUDGETS: &[(u64, Effort)] = &[
    (16384, Effort::Max),
    (8192, Effort::XHigh),
    (4096, Effort::High),
    (2048, Effort::Medium),
    (1, Effort::Low),
];

pub(super) fn write(draft: &mut Draft<'_, '_>) -> Result<(), CannotCross> {
    let facts = draft.target.facts;
    let wanted = draft.request.reasoning.as_ref().and_then(|reasoning| effort(reasoning, facts));
    if facts.tools_need_responses && !draft.request.tools.is_empty() {
        // The model thinks by default, and refuses to where it may call functions.
        if wanted != Some(Effort::None) {
            draft.crossing.adjusted("reasoning_effort")?;
        }
        draft.set("reasoning_effort", Effort::None.as_str());
        return Ok(());
    }
    if draft.target.quirks.thinking_switch {
        return write_switch(draft, wanted);
    }
    let Some(wanted) = wanted else { return Ok(()) };
    let unthinking = wanted == Effort::None;
    match facts.thinking {
        Thinking::Never if unthinking => return Ok(()),
        Thinking::Never => return draft.crossing.dropped("reasoning_effort"),
        // `none` is refused by models that do not know it, and most do not think unless told to.
        Thinking::Unknown if unthinking && facts.efforts.is_empty() => {
            return draft.crossing.dropped("reasoning_effort");
        }
        _ => {}
    }
    let nearest = facts.nearest_effort(wanted);
    if nearest != wanted {
        draft.crossing.adjusted("reasoning_effort")?;
    }
    draft.offer("reasoning_effort", &nearest.as_str())
}

/// The word for what is wanted; `None` leaves it to the model.
fn effort(reasoning: &Reasoning, facts: &ModelFacts) -> Option<Effort> {
    if let Some(effort) = reasoning.effort {
        return Some(effort);
    }
    let budget = reasoning.budget?;
    let known = |effort| {
        // What came after `high` is known of few models.
        effort <= Effort::High || facts.efforts.iter().any(|word| word.0 == effort)
    };
    let fits = |(least, effort): &&(u64, Effort)| budget >= *least && known(*effort);
    Some(BUDGETS.iter().find(fits).map_or(Effort::None, |(_, effort)| *effort))
}

fn write_switch(draft: &mut Draft<'_, '_>, wanted: Option<Effort>) -> Result<(), CannotCross> {
    let Some(reasoning) = &draft.request.reasoning else { return Ok(()) };
    if wanted.is_none() && !reasoning.adaptive {
        return Ok(());
    }
    let thinks = wanted != Some(Effort::None);
    if draft.target.facts.thinking == Thinking::Never {
        return if thinks { draft.crossing.dropped("reasoning_effort") } else { Ok(()) };
    }
    draft.set("enable_thinking", &thinks);
    match reasoning.budget {
        Some(budget) if thinks => draft.set("thinking_budget", &budget),
        None if thinks && wanted.is_some() => draft.crossing.adjusted("reasoning_effort")?,
        _ => {}
    }
    Ok(())
}
