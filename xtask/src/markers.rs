//! Documents of which a command writes the tables and people write the rest: a table stands between the
//! lines `<!-- NAME: … -->` and `<!-- end of NAME -->`.

use crate::steps::root;
use anyhow::{Context, Result, bail};

/// Writes tables into a document of the repository, or (`check`) fails unless they are what it holds.
/// `command` is the one that writes them, for the message.
pub fn update(path: &str, tables: &[(&str, String)], check: bool, command: &str) -> Result<()> {
    let file = root().join(path);
    let old = std::fs::read_to_string(&file).with_context(|| path.to_owned())?;
    let fill = |text: String, (name, table): &(&str, String)| filled(&text, name, table);
    let new = tables.iter().try_fold(old.clone(), fill).with_context(|| path.to_owned())?;
    if check && new != old {
        bail!("{path} does not show what the records say; `{command}` writes it");
    }
    if new != old {
        std::fs::write(&file, new)?;
    }
    Ok(())
}

/// The text with another table at a marker.
fn filled(text: &str, name: &str, table: &str) -> Result<String> {
    let (begin, end) = (format!("<!-- {name}: "), format!("<!-- end of {name} -->"));
    let (before, rest) = text.split_once(&begin).with_context(|| format!("no `{begin}`"))?;
    let (note, rest) = rest.split_once("-->\n").context("a marker without an end")?;
    let (_, after) = rest.split_once(&end).with_context(|| format!("no `{end}`"))?;
    Ok(format!("{before}{begin}{note}-->\n{table}{end}{after}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_between_the_markers_changes() {
        let text = "a\n<!-- sums: by `x` -->\nold\n<!-- end of sums -->\nb\n";
        let new = "a\n<!-- sums: by `x` -->\nnew\n<!-- end of sums -->\nb\n";
        assert_eq!(filled(text, "sums", "new\n").unwrap(), new);
        assert_eq!(filled(new, "sums", "new\n").unwrap(), new);
        assert!(filled(text, "sum", "new\n").is_err());
        assert!(filled("<!-- sums: by `x` -->\n", "sums", "").is_err());
    }
}
