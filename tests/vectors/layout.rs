//! JSON for people: what fits on a line stands on one.

use std::fmt::Write;

use serde_json::Value;

/// As long as the lines of the sources.
const WIDTH: usize = 100;

/// `value` with a line break at its end.
pub fn layout(value: &Value) -> String {
    let mut out = String::new();
    put(value, 0, 0, &mut out);
    out.push('\n');
    out
}

/// `used` is what stands on the line already.
fn put(value: &Value, indent: usize, used: usize, out: &mut String) {
    let line = one_line(value);
    // A comma may follow.
    if indent + used + line.len() < WIDTH {
        out.push_str(&line);
        return;
    }
    let inner = indent + 2;
    match value {
        Value::Array(items) => {
            let items = items.iter().map(|item| (String::new(), item));
            put_members(['[', ']'], items, inner, out);
        }
        Value::Object(members) => {
            let members = members
                .iter()
                .map(|(name, member)| (format!("{}: ", Value::from(name.as_str())), member));
            put_members(['{', '}'], members, inner, out);
        }
        _ => out.push_str(&line),
    }
}

fn put_members<'a>(
    brackets: [char; 2],
    members: impl Iterator<Item = (String, &'a Value)>,
    indent: usize,
    out: &mut String,
) {
    out.push(brackets[0]);
    for (at, (name, member)) in members.enumerate() {
        let comma = if at == 0 { "" } else { "," };
        write!(out, "{comma}\n{:indent$}{name}", "").unwrap();
        put(member, indent, name.len(), out);
    }
    write!(out, "\n{:1$}{2}", "", indent - 2, brackets[1]).unwrap();
}

fn one_line(value: &Value) -> String {
    let joined = |parts: Vec<String>| parts.join(", ");
    match value {
        Value::Array(items) => format!("[{}]", joined(items.iter().map(one_line).collect())),
        Value::Object(members) => {
            let members = members.iter();
            let members = members.map(|(name, member)| {
                format!("{}: {}", Value::from(name.as_str()), one_line(member))
            });
            format!("{{{}}}", joined(members.collect()))
        }
        other => other.to_string(),
    }
}

/// JSON text without the spaces between its tokens, and otherwise as it is: what serde reads into a
/// map loses the order of its members.
pub fn minified(json: &str) -> String {
    let (mut in_text, mut escaped) = (false, false);
    let kept = |character: &char| {
        match *character {
            _ if escaped => escaped = false,
            '\\' if in_text => escaped = true,
            '"' => in_text = !in_text,
            _ => {}
        }
        in_text || !character.is_whitespace()
    };
    json.chars().filter(kept).collect()
}
