//! Where instructions stand: before the conversation, or in the middle of it.

use super::cache::Marks;
use crate::protocol::anthropic::messages::wire::Block;
use crate::protocol::model::ModelFacts;
use crate::protocol::neutral::{CannotCross, Crossing, Part, Request, Role, Turn};

/// Parts the conversation from the instructions in the middle of it that have to move to its front,
/// which is all of them with most models.
pub(super) fn hoist<'a>(
    request: &'a Request,
    facts: &ModelFacts,
    crossing: &mut Crossing,
) -> Result<(Vec<&'a Turn>, Vec<&'a Turn>), CannotCross> {
    let mut stays: Vec<&Turn> = Vec::with_capacity(request.turns.len());
    let mut moves = Vec::new();
    for (at, turn) in request.turns.iter().enumerate() {
        if turn.role != Role::System {
            stays.push(turn);
            continue;
        }
        let after = request.turns[at + 1..].iter().find(|next| next.role != Role::System);
        let before = stays.iter().rfind(|stay| stay.role != Role::System);
        let may_stay = facts.system_turns
            && before.is_some_and(|turn| turn.role == Role::User)
            && after.is_none_or(|turn| turn.role == Role::Assistant);
        if may_stay {
            stays.push(turn);
        } else {
            // Before the first message there is no place to be lost.
            if !stays.is_empty() {
                crossing.adjusted("messages")?;
            }
            refuse_media(turn, crossing)?;
            moves.push(turn);
        }
    }
    Ok((stays, moves))
}

/// Instructions are text. (Where they stay, the writer of messages sees to it.)
fn refuse_media(turn: &Turn, crossing: &mut Crossing) -> Result<(), CannotCross> {
    for part in &turn.parts {
        if let Part::Image(media) | Part::Audio(media) | Part::Document(media) = part {
            crossing
                .refused(&media.field, "must be text: the target's instructions hold no media")?;
        }
    }
    Ok(())
}

/// The instructions, those that had to move last.
pub(super) fn write_system<'a>(
    request: &'a Request,
    moved: &[&'a Turn],
    marks: &mut Marks,
) -> Vec<Block<'a>> {
    let first = request.system.iter().map(|system| (&system.text, &system.cache));
    let parts = moved.iter().flat_map(|turn| &turn.parts);
    let moved = parts.filter_map(|part| match part {
        Part::Text { text, cache } => Some((text, cache)),
        _ => None,
    });
    first
        .chain(moved)
        // The API refuses text that is nothing but white space.
        .filter(|(text, _)| !text.trim().is_empty())
        .map(|(text, mark)| Block::Text {
            text: text.as_str().into(),
            cache_control: marks.take(mark.as_ref()),
        })
        .collect()
}
