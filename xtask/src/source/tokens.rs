//! Rust source as tokens: enough of the language to see imports and count lines. Comments and white space
//! are gone, and so is everything from the first `#[cfg(test)]` on.

/// A token and the lines that it covers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Token<'s> {
    /// An identifier, `::`, a literal with its quotes, or one character of anything else.
    pub text: &'s str,
    /// Line of its first character, from 1.
    pub line: usize,
    /// Line of its last character; differs from `line` in long string literals.
    pub last_line: usize,
}

impl Token<'_> {
    /// Whether it is an identifier or a keyword.
    pub fn is_name(&self) -> bool {
        self.text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
            && !self.text.ends_with(['"', '\'', '#'])
    }
}

/// The tokens of the code that is not test code.
pub fn tokens(text: &str) -> Vec<Token<'_>> {
    const TEST: [&str; 7] = ["#", "[", "cfg", "(", "test", ")", "]"];
    let mut tokens = all(text);
    let is_test = |window: &[Token]| window.iter().zip(TEST).all(|(token, t)| token.text == t);
    if let Some(end) = tokens.windows(TEST.len()).position(is_test) {
        tokens.truncate(end);
    }
    tokens
}

fn all(text: &str) -> Vec<Token<'_>> {
    let (mut tokens, mut rest, mut line) = (Vec::new(), text, 1);
    while let Some(first) = rest.chars().next() {
        let (length, is_token) = match first {
            c if c.is_whitespace() => (c.len_utf8(), false),
            '/' if rest.starts_with("//") => (rest.find('\n').unwrap_or(rest.len()), false),
            '/' if rest.starts_with("/*") => (block_comment(rest), false),
            ':' if rest.starts_with("::") => (2, true),
            '"' => (quoted(rest, '"'), true),
            '\'' => (character_or_lifetime(rest), true),
            c if c.is_ascii_alphanumeric() || c == '_' => (word(rest), true),
            c => (c.len_utf8(), true),
        };
        let (token, more) = rest.split_at(length);
        let last_line = line + token.matches('\n').count();
        if is_token {
            tokens.push(Token { text: token, line, last_line });
        }
        (rest, line) = (more, last_line);
    }
    tokens
}

/// Bytes of a comment in `/* … */`, which may hold others.
fn block_comment(text: &str) -> usize {
    let (mut depth, mut at) = (0usize, 0);
    while at < text.len() {
        let rest = &text.as_bytes()[at..];
        if rest.starts_with(b"/*") {
            (depth, at) = (depth + 1, at + 2);
        } else if rest.starts_with(b"*/") {
            (depth, at) = (depth - 1, at + 2);
        } else {
            at += 1;
        }
        if depth == 0 {
            break;
        }
    }
    at
}

/// Bytes of a literal that begins and ends with `quote`.
fn quoted(text: &str, quote: char) -> usize {
    let mut escaped = false;
    for (at, c) in text.char_indices().skip(1) {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            c if c == quote => return at + 1,
            _ => {}
        }
    }
    text.len()
}

fn character_or_lifetime(text: &str) -> usize {
    let mut characters = text.chars().skip(1);
    match (characters.next(), characters.next()) {
        (Some('\\'), _) | (Some(_), Some('\'')) => quoted(text, '\''),
        _ => 1 + identifier(&text[1..]),
    }
}

fn identifier(text: &str) -> usize {
    text.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(text.len())
}

/// Bytes of an identifier, a number, or a literal with a prefix (`b"…"`, `r#"…"#`).
fn word(text: &str) -> usize {
    let length = identifier(text);
    let (prefix, rest) = text.split_at(length);
    let hashes = rest.bytes().take_while(|&b| b == b'#').count();
    match prefix {
        "r" | "br" | "cr" if rest[hashes..].starts_with('"') => {
            let end = format!("\"{}", "#".repeat(hashes));
            let body = length + hashes + 1;
            text[body..].find(&end).map_or(text.len(), |at| body + at + end.len())
        }
        "b" | "c" if rest.starts_with('"') => length + quoted(rest, '"'),
        "b" if rest.starts_with('\'') => length + quoted(rest, '\''),
        _ => length,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(code: &str) -> Vec<&str> {
        tokens(code).iter().map(|token| token.text).collect()
    }

    #[test]
    fn comments_are_gone_and_literals_are_whole() {
        assert_eq!(texts("a /* b /* c */ */ :: d // e\n+ f"), ["a", "::", "d", "+", "f"]);
        assert_eq!(texts(r#"f("// \" x", 'y', '\'', '"')"#).len(), 10);
        assert_eq!(
            texts("r#\"a \" b\"# b\"c\" b'\\n' r#type"),
            ["r#\"a \" b\"#", "b\"c\"", "b'\\n'", "r", "#", "type"]
        );
        assert_eq!(texts("&'a str, 'b: loop"), ["&", "'a", "str", ",", "'b", ":", "loop"]);
    }

    #[test]
    fn tests_are_no_code() {
        let code = "fn a() { x(\"#[cfg(test)]\") } // #[cfg(test)]\n#[cfg(test)]\nmod tests {}";
        assert_eq!(texts(code).last(), Some(&"}"));
        assert_eq!(texts(code).len(), 10);
    }

    #[test]
    fn lines_are_counted_from_one() {
        let lines: Vec<_> =
            tokens("a\n\"b\nc\"\nd").iter().map(|t| (t.line, t.last_line)).collect();
        assert_eq!(lines, [(1, 1), (2, 3), (4, 4)]);
    }
}
