//! What an answer tells its reader, however it is cut into events: what must survive translation.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use pilothouse::protocol::dialect::DialectId;
use pilothouse::protocol::neutral::{Event, Output, Reply};
use serde_json::Value;

/// Whose clients can ask for several answers at once.
const CHOOSERS: [DialectId; 3] =
    [DialectId::OpenAiChat, DialectId::OpenAiCompletions, DialectId::Gemini];

/// Whether clients of an API can ask for several answers at once.
pub fn can_choose(id: DialectId) -> bool {
    CHOOSERS.contains(&id)
}

/// One answer: words, and calls of functions.
#[derive(Debug, Default, Clone)]
pub struct Told {
    /// Text and refusals: not every API has the latter.
    words: String,
    /// Name and arguments of each call.
    calls: Vec<(String, Arguments)>,
}

/// Arguments of a call.
#[derive(Debug, Clone)]
pub struct Arguments(String);

impl Arguments {
    /// What they mean, if they are an object, as all APIs want them.
    fn object(&self) -> Option<Value> {
        match serde_json::from_str::<Value>(&self.0) {
            Ok(value @ Value::Object(_)) => Some(value),
            _ if self.0.trim().is_empty() => Some(Value::Object(serde_json::Map::new())),
            _ => None,
        }
    }

    /// Whether these are what is read where the others were said. How what is no object is wrapped
    /// into one is the writers' affair.
    fn are(&self, said: &Self) -> bool {
        said.object().is_none_or(|said| self.object() == Some(said))
    }
}

/// What a stream tells, by the number of the answer.
pub fn by_stream(events: &[Event]) -> BTreeMap<u32, Told> {
    let mut answers: BTreeMap<u32, Told> = BTreeMap::new();
    let mut places = BTreeMap::new();
    for event in events {
        match event {
            Event::Text { choice, text } | Event::Refusal { choice, text } => {
                answers.entry(*choice).or_default().words.push_str(text);
            }
            Event::ToolStart { choice, call, name, .. } => {
                let calls = &mut answers.entry(*choice).or_default().calls;
                places.insert((*choice, *call), calls.len());
                calls.push((name.clone(), Arguments(String::new())));
            }
            Event::ToolArguments { choice, call, text } => {
                let place = places.get(&(*choice, *call));
                let answer = answers.get_mut(choice);
                if let (Some(place), Some(answer)) = (place, answer) {
                    answer.calls[*place].1.0.push_str(text);
                }
            }
            _ => {}
        }
    }
    answers
}

/// What a whole answer tells.
pub fn by_reply(reply: &Reply) -> BTreeMap<u32, Told> {
    let mut answers: BTreeMap<u32, Told> = BTreeMap::new();
    for choice in &reply.choices {
        // Of several with one number the first counts.
        let Entry::Vacant(place) = answers.entry(choice.index) else { continue };
        let answer = place.insert(Told::default());
        for piece in &choice.output {
            match piece {
                Output::Text(text) | Output::Refusal(text) => answer.words.push_str(text),
                Output::ToolCall { name, arguments, .. } => {
                    answer.calls.push((name.clone(), Arguments(arguments.clone())));
                }
                Output::Thinking { .. } => {}
            }
        }
    }
    answers
}

/// Nothing is lost or added on the way to a client, as far as its API can say it.
pub fn assert_same(to: DialectId, said: &BTreeMap<u32, Told>, read: &BTreeMap<u32, Told>) {
    for (number, answer) in said {
        if *number > 0 && !can_choose(to) {
            continue;
        }
        let mut answer = answer.clone();
        let found = read.get(number).cloned().unwrap_or_default();
        if to == DialectId::OpenAiCompletions {
            answer.calls.clear();
        }
        let same = answer.words == found.words && same_calls(&answer.calls, found.calls.clone());
        assert!(same, "{to:?}: answer {number}: said {answer:?}, read {found:?}");
    }
}

/// Whether the calls that were read are those that were said. Where calls are written whole, they
/// come in the order of their ends.
fn same_calls(said: &[(String, Arguments)], mut read: Vec<(String, Arguments)>) -> bool {
    let mut said: Vec<_> = said.iter().collect();
    // What is no object may have become anything, so what has to be found comes first.
    said.sort_by_key(|(_, arguments)| arguments.object().is_none());
    for (name, arguments) in said {
        let at = read.iter().position(|(other, found)| other == name && found.are(arguments));
        let Some(at) = at else { return false };
        read.remove(at);
    }
    read.is_empty()
}
