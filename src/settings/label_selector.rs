//! Label selectors as `kubectl --selector` takes them.

/// The most characters of a label's name and of its value, and of the name's prefix; the API server
/// refuses longer ones.
const LONGEST_NAME: usize = 63;
const LONGEST_PREFIX: usize = 253;

/// Reads a label selector; gives it as the API server takes it.
///
/// It is read here, though the API server would read it too: there it would be refused with each
/// watch, long after the start.
pub(super) fn parse(text: &str) -> Result<String, String> {
    if text.trim().is_empty() {
        return Err("is empty and would demand nothing: leave it out".to_owned());
    }
    let requirements: Result<Vec<_>, _> = split(text).map(requirement).collect();
    Ok(requirements?.join(","))
}

/// The parts between commas, those within parentheses aside.
fn split(text: &str) -> impl Iterator<Item = &str> {
    let mut inside = false;
    text.split(move |c| {
        inside = match c {
            '(' => true,
            ')' => false,
            _ => inside,
        };
        c == ',' && !inside
    })
    .map(str::trim)
}

fn requirement(text: &str) -> Result<String, String> {
    if let Some(key) = text.strip_prefix('!') {
        return Ok(format!("!{}", checked_key(key.trim())?));
    }
    if let Some((key, values)) = text.split_once('(') {
        let words: Vec<_> = key.split_whitespace().collect();
        let (&[key, operator @ ("in" | "notin")], Some(values)) =
            (&*words, values.strip_suffix(')'))
        else {
            return Err(no_requirement(text));
        };
        let values: Result<Vec<_>, _> =
            values.split(',').map(|value| checked_value(value.trim())).collect();
        return Ok(format!("{} {operator} ({})", checked_key(key)?, values?.join(",")));
    }
    let Some((key, value)) = text.split_once('=') else {
        return checked_key(text).map(str::to_owned);
    };
    let (key, operator) = match key.strip_suffix('!') {
        Some(key) => (key, "!="),
        None => (key, "="),
    };
    let value = if operator == "=" { value.strip_prefix('=').unwrap_or(value) } else { value };
    Ok(format!("{}{operator}{}", checked_key(key.trim())?, checked_value(value.trim())?))
}

fn checked_key(key: &str) -> Result<&str, String> {
    let (prefix, name) = match key.split_once('/') {
        Some((prefix, name)) => (Some(prefix), name),
        None => (None, key),
    };
    let valid_prefix = prefix.is_none_or(|prefix| {
        prefix.len() <= LONGEST_PREFIX
            && prefix.split('.').all(|part| {
                is_bounded(part, |c| c.is_ascii_lowercase() || c.is_ascii_digit(), &['-'])
            })
    });
    if valid_prefix && is_name(name) { Ok(key) } else { Err(no_requirement(key)) }
}

fn checked_value(value: &str) -> Result<&str, String> {
    if value.is_empty() || is_name(value) {
        return Ok(value);
    }
    Err(format!(
        "`{value}` is no value of a label: at most {LONGEST_NAME} letters, digits, `-`, `_` and `.`"
    ))
}

fn is_name(text: &str) -> bool {
    text.len() <= LONGEST_NAME && is_bounded(text, |c| c.is_ascii_alphanumeric(), &['-', '_', '.'])
}

/// Whether it begins and ends with such a character, and holds beside those only `others`.
fn is_bounded(text: &str, usual: impl Fn(char) -> bool, others: &[char]) -> bool {
    text.starts_with(&usual)
        && text.chars().next_back().is_some_and(&usual)
        && text.chars().all(|c| usual(c) || others.contains(&c))
}

fn no_requirement(text: &str) -> String {
    format!(
        "`{text}` demands nothing of labels: write `key=value`, `key!=value`, `key in (a,b)`, \
         `key notin (a,b)`, `key` or `!key`, several with commas"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_kubectl_takes_is_taken() {
        for (text, asked) in [
            ("pilothouse.dev/use=gateway", "pilothouse.dev/use=gateway"),
            (" team == search , stage!=test ", "team=search,stage!=test"),
            ("team in (search, ads),!legacy", "team in (search,ads),!legacy"),
            ("team notin(search),example.com/for", "team notin (search),example.com/for"),
            ("empty=", "empty="),
        ] {
            assert_eq!(parse(text).as_deref(), Ok(asked), "{text}");
        }
    }

    #[test]
    fn what_is_no_selector_is_refused_in_its_own_words() {
        for text in [
            "a=b=c",
            "a,,b",
            "=b",
            "!",
            "a b",
            "a in b",
            "a in (b",
            "a of (b)",
            "in (b)",
            "a in (b)c",
            "-a=b",
            "a=b-",
            "a/b/c=d",
            "A.example/b=c",
            "/b",
            "a/=c",
            "a=b&limit=1",
            "a > 1",
            "ä=b",
            ",",
        ] {
            let refusal = parse(text).expect_err(text);
            assert!(
                refusal.contains("demands nothing") || refusal.contains("no value"),
                "{refusal}"
            );
        }
        assert!(parse(&format!("a={}", "b".repeat(64))).is_err());
        assert!(parse(" ").expect_err("empty").contains("leave it out"));
    }
}
