//! Requests, both ways.

mod config;
mod contents;
mod draft_config;
mod parts;
mod read;
mod thinking;
mod tools;
mod turns;
mod write;

pub(super) use read::read;
pub(super) use write::write;

#[cfg(test)]
mod tests;
