//! What a shell answers to each command, in what it writes.

use anyhow::{Context, Result};

/// The answers to commands that were typed one after the other, each at a prompt.
pub fn answers(transcript: &str, commands: &[String]) -> Result<Vec<String>> {
    let mut rest = transcript;
    let mut answers = Vec::new();
    for command in commands {
        let echo = format!("\n> {command}\n");
        let (_, after) = rest
            .split_once(&echo)
            .with_context(|| format!("`{command}` is not echoed:\n{transcript}"))?;
        let end = after
            .find("\n> ")
            .with_context(|| format!("no prompt after `{command}`:\n{transcript}"))?;
        answers.push(after[..end].to_owned());
        rest = &after[end..];
    }
    Ok(answers)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_stand_between_echo_and_prompt() {
        let commands = ["a b", "c"].map(String::from);
        let text = "\nhello\n> a b\nx\ny\n> c\nz\n> ";
        assert_eq!(answers(text, &commands).unwrap(), ["x\ny", "z"]);
        assert!(answers("\n> a b\nx\n> ", &commands).is_err());
        assert!(answers("\n> a b\nx\n> c\nz", &commands).is_err());
    }
}
