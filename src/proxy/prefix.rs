//! What a prompt begins with, so that prompts that begin alike find the same server.
//!
//! A server that keeps what it has computed of a prompt (vLLM, SGLang and TGI all do) answers sooner
//! where the next prompt begins the same: a long system prompt, a document with several questions
//! about it, the earlier turns of a conversation. Taken are the instructions and the turns up to the
//! first of the user's, because those stay while a conversation grows; and not more than so much,
//! because what differs behind a long common beginning must not tear it apart.

use std::borrow::Cow;
use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer as _, SeqAccess, Visitor};
use serde_json::Deserializer;
use serde_json::value::RawValue;

use crate::balance::affinity::Session;
use crate::protocol::registry::Operation;
use crate::wire::json::Object;

/// How much of the beginning is looked at, in bytes: about a thousand tokens, of which a server takes
/// tenths of a second to read what it does not have.
const LONGEST: usize = 4096;

/// A body below this many bytes is read faster than it matters, and goes to whoever is least busy.
const WORTHWHILE: usize = 1024;

/// The members that hold instructions, and those that hold turns, whatever the protocol; in the order
/// in which models are given them.
const INSTRUCTIONS: [&str; 3] = ["system", "instructions", "systemInstruction"];
const TURNS: [&str; 4] = ["messages", "input", "contents", "prompt"];

/// What a prompt has in common with others that begin alike; `None` where that makes no difference.
pub(super) fn prefix(operation: &Operation, object: &Object) -> Option<Session> {
    if operation.dialect.is_none() || object.text().len() < WORTHWHILE {
        return None;
    }
    let mut beginning = Beginning(String::with_capacity(LONGEST));
    for name in INSTRUCTIONS {
        if let Some(instructions) = raw(object, name) {
            beginning.add(instructions);
        }
    }
    for turns in TURNS.into_iter().filter_map(|name| raw(object, name)) {
        if turns.starts_with('[') {
            // It ends with an error where it is left before its end.
            let _ = Deserializer::from_str(turns).deserialize_seq(UpToTheUser(&mut beginning));
        } else {
            beginning.add(turns);
        }
    }
    (!beginning.0.is_empty()).then(|| Session::of(&["prompt", &beginning.0]))
}

fn raw<'o>(object: &'o Object, name: &str) -> Option<&'o str> {
    std::str::from_utf8(object.raw(name).ok()??).ok()
}

struct Beginning(String);

impl Beginning {
    /// Adds a text as far as there is room; whether there is room left.
    fn add(&mut self, text: &str) -> bool {
        let room = LONGEST - self.0.len();
        self.0.push_str(&text[..text.floor_char_boundary(room)]);
        text.len() < room
    }
}

/// Adds one turn after another.
struct UpToTheUser<'b>(&'b mut Beginning);

impl<'de> Visitor<'de> for UpToTheUser<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut turns: A) -> Result<(), A::Error> {
        while let Some(turn) = turns.next_element::<&'de RawValue>()? {
            if !self.0.add(turn.get()) || is_users(turn.get()) {
                break;
            }
        }
        Ok(())
    }
}

fn is_users(turn: &str) -> bool {
    #[derive(Deserialize)]
    struct Turn<'a> {
        #[serde(borrow)]
        role: Option<Cow<'a, str>>,
    }
    let turn = serde_json::from_str::<Turn<'_>>(turn);
    turn.is_ok_and(|turn| turn.role.is_some_and(|role| role == "user"))
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use serde_json::{Value, json};

    use super::*;
    use crate::protocol::registry::OPERATIONS;

    fn of(path: &str, body: &Value) -> Option<Session> {
        let operation = OPERATIONS.iter().find(|row| row.path == path).expect("an operation");
        prefix(operation, &Object::parse(Bytes::from(body.to_string())).expect("an object"))
    }

    fn chat(turns: &[(&str, &str)]) -> Option<Session> {
        let turns: Vec<_> =
            turns.iter().map(|(role, text)| json!({"role": role, "content": text})).collect();
        of("/v1/chat/completions", &json!({"model": "m", "messages": turns}))
    }

    #[test]
    fn a_conversation_keeps_its_beginning_while_it_grows() {
        let document = "A long document. ".repeat(100);
        let first = [("system", "Be brief."), ("user", &*document)];
        let second = [first[0], first[1], ("assistant", "Yes."), ("user", "And then?")];
        let other = [first[0], ("user", &*document.to_uppercase())];
        assert!(chat(&first).is_some());
        assert_eq!(chat(&first), chat(&second));
        assert_ne!(chat(&first), chat(&other));
    }

    #[test]
    fn what_differs_behind_a_long_common_beginning_does_not_count() {
        let instructions = "Answer as a lawyer would. ".repeat(400);
        let ask = |question: &str| chat(&[("system", &*instructions), ("user", question)]);
        assert_eq!(ask("May I?"), ask("Must I?"));
        let document =
            |question: &str| chat(&[("user", &*format!("{}\n{question}", "ä page. ".repeat(900)))]);
        assert_eq!(document("Who?"), document("When?"));
    }

    #[test]
    fn every_protocol_has_its_beginning_and_short_prompts_have_none() {
        let long = "Words and words and more of them. ".repeat(60);
        let bodies = [
            ("/v1/chat/completions", json!({"messages": [{"role": "user", "content": long}]})),
            ("/v1/messages", json!({"system": long, "messages": []})),
            ("/v1/responses", json!({"input": long})),
            ("/v1/completions", json!({"prompt": long})),
        ];
        for (path, body) in bodies {
            assert!(of(path, &body).is_some(), "{path}");
        }
        assert_eq!(of("/v1/embeddings", &json!({"input": long})), None);
        assert_eq!(chat(&[("user", "Hello!")]), None);
    }
}
