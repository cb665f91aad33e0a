//! Reads Rust well enough to find paths in it.

/// A module at the crate's root that some code names.
#[derive(Debug)]
pub(crate) struct Import {
    /// Counted from 1.
    pub(crate) line: usize,
    /// `table` for `crate::table::Route`; `*` for a glob over the whole crate.
    pub(crate) module: String,
}

/// `text` with comments, literals and `#[cfg(test)]` items blanked out, line by line as before.
pub(crate) fn shipped_code(text: &str) -> String {
    without_test_items(&without_comments_and_literals(text))
}

/// Modules of the crate's root that `code` names. `depth` is how many `super` lead from the file's
/// own module to the root.
pub(crate) fn imports(code: &str, depth: usize) -> Vec<Import> {
    let tokens = tokens(code);
    let mut found = Vec::new();
    let mut at = 0;
    while at < tokens.len() {
        let (start, climbed) = match tokens[at].text {
            "crate" if follows(&tokens, at) => (at + 2, depth),
            "super" if follows(&tokens, at) => {
                let mut climbed = 1;
                let mut next = at + 2;
                while tokens.get(next).is_some_and(|token| token.text == "super")
                    && follows(&tokens, next)
                {
                    climbed += 1;
                    next += 2;
                }
                (next, climbed)
            }
            _ => {
                at += 1;
                continue;
            }
        };
        if climbed >= depth {
            found.extend(heads(&tokens, start));
        }
        at = start;
    }
    found
}

/// The first segment of every path, with its line.
pub(crate) fn path_roots(code: &str) -> Vec<(usize, String)> {
    let tokens = tokens(code);
    let begins = |at: usize| at == 0 || tokens[at - 1].text != "::";
    (0..tokens.len())
        .filter(|&at| begins(at) && follows(&tokens, at))
        .map(|at| (tokens[at].line, tokens[at].text.to_owned()))
        .collect()
}

struct Token<'t> {
    line: usize,
    text: &'t str,
}

/// Whether a path goes on after the segment at `at`.
fn follows(tokens: &[Token<'_>], at: usize) -> bool {
    tokens.get(at + 1).is_some_and(|token| token.text == "::")
}

/// The segment at `at`, or the first segment of each member of the group that begins there.
fn heads(tokens: &[Token<'_>], at: usize) -> Vec<Import> {
    let import = |token: &Token<'_>| Import { line: token.line, module: token.text.to_owned() };
    let Some(first) = tokens.get(at) else { return Vec::new() };
    if first.text != "{" {
        return vec![import(first)];
    }
    let mut found = Vec::new();
    let mut depth = 0_usize;
    let mut at_head = false;
    for token in &tokens[at..] {
        match token.text {
            "{" => {
                depth += 1;
                at_head = depth == 1;
            }
            "}" if depth == 1 => break,
            "}" => depth -= 1,
            "," if depth == 1 => at_head = true,
            _ if at_head => {
                found.push(import(token));
                at_head = false;
            }
            _ => {}
        }
    }
    found
}

/// Identifiers, `::` and single other characters.
fn tokens(code: &str) -> Vec<Token<'_>> {
    let is_word = |c: char| c == '_' || c.is_alphanumeric();
    let mut found = Vec::new();
    let mut line = 1;
    let mut rest = code;
    while let Some(first) = rest.chars().next() {
        let length = if is_word(first) {
            rest.find(|c| !is_word(c)).unwrap_or(rest.len())
        } else if rest.starts_with("::") {
            2
        } else {
            first.len_utf8()
        };
        let (text, after) = rest.split_at(length);
        if !first.is_whitespace() {
            found.push(Token { line, text });
        }
        line += usize::from(first == '\n');
        rest = after;
    }
    found
}

/// Blanks every comment and the inside of every literal; newlines stay.
fn without_comments_and_literals(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let after_word = out.ends_with(|c: char| c == '_' || c.is_alphanumeric());
        let length = if rest.starts_with("//") {
            rest.find('\n').unwrap_or(rest.len())
        } else if rest.starts_with("/*") {
            block_comment(rest)
        } else if first == '"' {
            quoted(rest, '"')
        } else if !after_word && let Some(length) = raw_string(rest) {
            length
        } else if first == '\''
            && let Some(length) = character(rest)
        {
            length
        } else {
            out.push(first);
            rest = &rest[first.len_utf8()..];
            continue;
        };
        out.extend(rest[..length].chars().map(|c| if c == '\n' { '\n' } else { ' ' }));
        rest = &rest[length..];
    }
    out
}

fn block_comment(text: &str) -> usize {
    let mut depth = 0_usize;
    let mut at = 0;
    while at < text.len() {
        if text[at..].starts_with("/*") {
            depth += 1;
            at += 2;
        } else if text[at..].starts_with("*/") {
            depth -= 1;
            at += 2;
            if depth == 0 {
                break;
            }
        } else {
            at += text[at..].chars().next().map_or(1, char::len_utf8);
        }
    }
    at
}

/// Length of the literal that begins with `quote`, both quotes included.
fn quoted(text: &str, quote: char) -> usize {
    let mut escaped = false;
    for (at, c) in text.char_indices().skip(1) {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            _ if c == quote => return at + 1,
            _ => {}
        }
    }
    text.len()
}

/// Length of `r"…"`, `r#"…"#`, `br"…"` and so on, if one begins here.
fn raw_string(text: &str) -> Option<usize> {
    let start = if text.starts_with("br") { 2 } else { 1 };
    let after = text.strip_prefix("br").or_else(|| text.strip_prefix('r'))?;
    let hashes = after.len() - after.trim_start_matches('#').len();
    after[hashes..].strip_prefix('"')?;
    let end = format!("\"{}", "#".repeat(hashes));
    let body = start + hashes + 1;
    let close = text[body..].find(&end)?;
    Some(body + close + end.len())
}

/// Length of a character literal; `None` for a lifetime.
fn character(text: &str) -> Option<usize> {
    let mut chars = text.char_indices().skip(1);
    let (_, first) = chars.next()?;
    if first == '\\' {
        return Some(quoted(text, '\''));
    }
    let (at, second) = chars.next()?;
    (second == '\'').then_some(at + 1)
}

/// Blanks each item that `#[cfg(test)]` stands before. `code` holds no comments and no literals.
fn without_test_items(code: &str) -> String {
    const MARK: &str = "#[cfg(test)]";
    let mut out = String::with_capacity(code.len());
    let mut rest = code;
    while let Some(at) = rest.find(MARK) {
        let (before, item) = rest.split_at(at);
        out.push_str(before);
        let length = MARK.len() + item_length(&item[MARK.len()..]);
        out.extend(item[..length].chars().map(|c| if c == '\n' { '\n' } else { ' ' }));
        rest = &item[length..];
    }
    out.push_str(rest);
    out
}

/// Up to the `;` that ends the item, or the brace that closes its body.
fn item_length(text: &str) -> usize {
    let mut depth = 0_usize;
    for (at, c) in text.char_indices() {
        match c {
            '{' => depth += 1,
            '}' if depth <= 1 => return at + 1,
            '}' => depth -= 1,
            ';' if depth == 0 => return at + 1,
            _ => {}
        }
    }
    text.len()
}
