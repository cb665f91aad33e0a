//! Changes to inputs that keep them what they are: JSON stays JSON, a stream stays made of events.
//! Bytes that change at random rarely pass a parser, and what lies behind it would not be reached.

use serde_json::{Map, Value, json};

use super::seeds;

/// Numbers that look random and are the same for the same seed (xorshift64*).
#[derive(Debug)]
pub struct Random(u64);

impl Random {
    /// A sequence of its own for each seed.
    pub fn new(seed: u64) -> Self {
        // Zero would stay zero, and neighbours begin alike.
        Self(seed.wrapping_add(1).wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1)
    }

    fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_F491_4F6C_DD1D)
    }

    /// A number below `end`, which is not 0.
    pub fn below(&mut self, end: usize) -> usize {
        usize::try_from(self.next() >> 33).expect("31 bits") % end
    }

    fn one<'a, T>(&mut self, of: &'a [T]) -> &'a T {
        &of[self.below(of.len())]
    }
}

/// Values that something may not expect.
fn odd(random: &mut Random) -> Value {
    match random.below(24) {
        0 => Value::Null,
        1 => json!(true),
        2 => json!(false),
        3 => json!(0),
        4 => json!(-1),
        5 => json!(1.5),
        6 => json!(u64::MAX),
        7 => json!(i64::MIN),
        8 => json!(1e308),
        9 => json!(4_294_967_296_u64),
        10 => json!(""),
        11 => json!(" "),
        12 => json!("\u{0}\n\r\u{7f}\u{feff}\u{10ffff}"),
        13 => json!("{\"a\":1}"),
        14 => json!("{\"a\""),
        15 => json!("é".repeat(random.below(200))),
        16 => json!("data:image/png;base64,AAAA"),
        17 => json!("https://example.com/a.png"),
        18 => json!([]),
        19 => json!({}),
        20 => json!([null]),
        21 => json!({"": ""}),
        22 => (0..random.below(100)).fold(json!(1), |inner, _| json!([inner])),
        _ => (0..random.below(100)).fold(json!({}), |inner, _| json!({"properties": {"a": inner}})),
    }
}

/// How many values there are in a value, itself included.
fn count(value: &Value) -> usize {
    1 + match value {
        Value::Array(items) => items.iter().map(count).sum(),
        Value::Object(members) => members.values().map(count).sum::<usize>(),
        _ => 0,
    }
}

/// The value at a place among all, in order.
fn nth<'v>(value: &'v mut Value, at: &mut usize) -> Option<&'v mut Value> {
    if *at == 0 {
        return Some(value);
    }
    *at -= 1;
    match value {
        Value::Array(items) => items.iter_mut().find_map(|item| nth(item, at)),
        Value::Object(members) => members.values_mut().find_map(|member| nth(member, at)),
        _ => None,
    }
}

fn any<'v>(value: &'v mut Value, random: &mut Random) -> &'v mut Value {
    let mut at = random.below(count(value));
    nth(value, &mut at).expect("it is one of them")
}

/// Changes one thing in a value.
fn change(root: &mut Value, random: &mut Random) {
    let other = any(root, random).clone();
    let value = any(root, random);
    match value {
        Value::Object(members) if random.below(3) > 0 => change_members(members, other, random),
        Value::Array(items) if random.below(3) > 0 => change_items(items, other, random),
        Value::String(text) if random.below(2) == 0 => change_text(text, random),
        Value::Number(number) if random.below(2) == 0 => {
            let near = number.as_i64().unwrap_or_default();
            *value = json!(near.wrapping_add([1, -1, 1 << 31, 1 << 32][random.below(4)]));
        }
        _ => {
            *value = match random.below(4) {
                0 => other,
                1 => json!([other]),
                2 => json!(random.one(seeds::words())),
                _ => odd(random),
            };
        }
    }
}

fn change_members(members: &mut Map<String, Value>, other: Value, random: &mut Random) {
    let names: Vec<String> = members.keys().cloned().collect();
    let new = random.one(seeds::words()).clone();
    match random.below(4) {
        0 if !names.is_empty() => {
            members.remove(random.one(&names));
        }
        1 if !names.is_empty() => {
            if let Some(value) = members.remove(random.one(&names)) {
                members.insert(new, value);
            }
        }
        2 => {
            members.insert(new, odd(random));
        }
        _ => {
            members.insert(new, other);
        }
    }
}

fn change_items(items: &mut Vec<Value>, other: Value, random: &mut Random) {
    let at = random.below(items.len() + 1);
    match random.below(4) {
        0 if at < items.len() => {
            items.remove(at);
        }
        1 if at < items.len() => {
            let again = items[at].clone();
            items.insert(at, again);
        }
        2 if at < items.len() => {
            let with = random.below(items.len());
            items.swap(at, with);
        }
        _ => items.insert(at, other),
    }
}

fn change_text(text: &mut String, random: &mut Random) {
    let mut letters: Vec<char> = text.chars().collect();
    let at = random.below(letters.len() + 1);
    match random.below(4) {
        0 => letters.truncate(at),
        1 => letters.splice(at..at, random.one(seeds::words()).chars()).for_each(drop),
        2 if at < letters.len() => {
            letters.remove(at);
        }
        _ => {
            letters
                .insert(at, *random.one(&['"', '\\', '\0', '\n', '/', '.', ':', ' ', '🦀', 'é']));
        }
    }
    *text = letters.into_iter().collect();
}

/// A changed input; `None` if there is neither JSON nor an event in it.
pub fn mutated(input: &[u8], random: &mut Random) -> Option<Vec<u8>> {
    let start = input.iter().position(|byte| *byte == b'{')?;
    if let Some(changed) = changed(&input[start..], random) {
        return Some([&input[..start], &changed].concat());
    }
    let text = std::str::from_utf8(input.get(2..)?).ok()?;
    let mut events: Vec<String> = text.split("\n\n").map(str::to_owned).collect();
    let at = random.below(events.len());
    match random.below(6) {
        0 => {
            events.remove(at);
        }
        1 => events.insert(at, events[at].clone()),
        2 => {
            let with = random.below(events.len());
            events.swap(at, with);
        }
        _ => {
            let event = &mut events[at];
            let data = event.find('{')?;
            let changed = changed(&event.as_bytes()[data..], random)?;
            event.truncate(data);
            event.push_str(std::str::from_utf8(&changed).ok()?);
        }
    }
    Some([&input[..2], events.join("\n\n").as_bytes()].concat())
}

/// The same with changes, if it is JSON.
fn changed(text: &[u8], random: &mut Random) -> Option<Vec<u8>> {
    let mut value: Value = serde_json::from_slice(text).ok()?;
    for _ in 0..=random.below(3) {
        change(&mut value, random);
    }
    Some(value.to_string().into_bytes())
}
