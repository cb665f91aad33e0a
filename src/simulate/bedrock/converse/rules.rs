//! The rules that the service refuses a request by, with its words where they are known.

mod blocks;
mod parameters;
mod tools;

use super::request::{Message, Request, Role};
use crate::simulate::answer::Refusal;

pub(super) fn check(request: &Request, model: &str) -> Result<(), Refusal> {
    if model.is_empty() {
        return Err(Refusal::invalid("The provided model identifier is invalid."));
    }
    roles(&request.messages)?;
    let claude = model.contains("claude");
    blocks::check(request, claude)?;
    tools::check(request)?;
    parameters::check(request, model)
}

/// User and assistant take turns, the user first. Instructions may stand behind the user's words.
fn roles(messages: &[Message]) -> Result<(), Refusal> {
    if messages.first().is_none_or(|first| first.role != Role::User) {
        return Err(Refusal::invalid(
            "A conversation must start with a user message. Try again with a conversation that \
             starts with a user message.",
        ));
    }
    for (index, pair) in messages.windows(2).enumerate() {
        let [before, after] = [pair[0].role, pair[1].role];
        let legal = match after {
            Role::User => before == Role::Assistant,
            Role::Assistant => before != Role::Assistant,
            Role::System => before == Role::User,
        };
        if !legal {
            return Err(Refusal::invalid(format!(
                "A conversation must alternate between user and assistant roles. Make sure the \
                 conversation alternates between user and assistant roles and try again \
                 (messages.{}).",
                index + 1
            )));
        }
    }
    Ok(())
}

/// Refuses unless a condition holds.
fn require(holds: bool, message: impl FnOnce() -> String) -> Result<(), Refusal> {
    if holds { Ok(()) } else { Err(Refusal::invalid(message())) }
}
