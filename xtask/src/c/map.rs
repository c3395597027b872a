//! A linker's map: which bytes of a program came from which archive.

/// One section that was linked.
#[derive(Debug, PartialEq)]
pub struct Entry {
    /// The section's name.
    pub section: String,
    /// Bytes.
    pub bytes: u64,
    /// The file it came from.
    pub file: String,
}

/// The sections of a map by GNU ld, those left out not among them.
pub fn entries(map: &str) -> Vec<Entry> {
    let linked = map.split("Linker script and memory map").nth(1).unwrap_or_default();
    let (mut found, mut name) = (Vec::new(), String::new());
    for line in linked.lines() {
        let mut words = line.split_whitespace().peekable();
        // ` .text.name  0xaddress 0xsize file`, with a line break behind a long name.
        if line.starts_with(" .") {
            name = words.next().unwrap_or_default().to_owned();
        }
        let number = |word: Option<&str>| {
            word.and_then(|word| u64::from_str_radix(word.strip_prefix("0x")?, 16).ok())
        };
        let (Some(_), Some(bytes)) = (number(words.next()), number(words.next())) else { continue };
        let file = words.collect::<Vec<_>>().join(" ");
        if bytes > 0 && !name.is_empty() && file.contains(['/', '.']) {
            found.push(Entry { section: std::mem::take(&mut name), bytes, file });
        }
    }
    found
}

/// Code and constants of the files whose name contains `file`.
pub fn code_bytes(map: &str, file: &str) -> u64 {
    let code = |entry: &&Entry| {
        let section = &entry.section;
        entry.file.contains(file)
            && (section.starts_with(".text") || section.starts_with(".rodata"))
    };
    entries(map).iter().filter(code).map(|entry| entry.bytes).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_names_and_discarded_sections() {
        let map = "Discarded input sections\n .text.gone 0x0 0x10 lib.a(x.o)\n\
                   Linker script and memory map\n\
                   .text           0x00000000     0x1000\n\
                   \x20.text.main     0x00000040       0x20 main.o\n\
                   \x20.text.a_long_name_that_breaks\n\
                   \x20               0x00000060       0x12 /x/lib.a(x.o)\n\
                   \x20.rodata.c      0x00000080        0x4 /x/lib.a(x.o)\n";
        assert_eq!(code_bytes(map, "lib.a("), 0x16);
        assert_eq!(code_bytes(map, "main.o"), 0x20);
    }
}
