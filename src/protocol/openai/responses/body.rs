//! Responses: whole ones, and the ones that a stream begins and ends with.

mod item;
mod read;
mod write;

pub(super) use item::{Content, Item, ItemView, PartView, Words};
pub(super) use read::{IncompleteDetails, OutputItem, arguments, finish_of, read};
pub(super) use write::{Answer, ResponseView, Status, write};
