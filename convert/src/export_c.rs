//! A blob as C: constant data for a program's flash, in a section of its own.
//!
//! Small blobs become an array; larger ones an assembler file that includes the blob itself, because a
//! compiler needs about a hundred times an array's size of memory, and minutes.

use crate::bill::bill;
use crate::error::{Result, input};
use picoformer::Model;
use std::fmt::Write;
use std::path::Path;

/// Up to so many bytes, a blob becomes an array.
pub const LARGEST_ARRAY: usize = 256 * 1024;

/// The files of a blob.
#[derive(Clone, Debug)]
pub struct Exported {
    /// `NAME.h`: how large the model is, what RAM it needs.
    pub header: String,
    /// `NAME.c`, or `NAME.S`.
    pub source: String,
    /// The source is for the assembler, and reads `NAME.pico` beside it.
    pub assembly: bool,
}

/// A name for C, from that of a file: `models/intent/model.pico` is `intent`.
pub fn name_of(blob: &Path) -> Option<String> {
    let stem = blob.file_stem()?.to_str()?;
    let folder = || blob.parent()?.file_name()?.to_str();
    let name = if stem == "model" { folder().unwrap_or(stem) } else { stem };
    let name = name.replace(|c: char| !c.is_ascii_alphanumeric(), "_").to_lowercase();
    Some(if name.starts_with(|c: char| c.is_ascii_digit()) { format!("m{name}") } else { name })
}

/// Writes the files of a blob whose C names begin with `name`; `as_array` makes an array of a large one, too,
/// for build systems that cannot tell an assembler where to look.
///
/// # Errors
/// [`Error::Input`](crate::error::Error::Input) for a name that is not one of C.
pub fn export(model: &Model, bytes: &[u8], name: &str, as_array: bool) -> Result<Exported> {
    let plain = |c: char| c.is_ascii_alphanumeric() || c == '_';
    if !name.chars().all(plain) || name.is_empty() || name.starts_with(|c: char| c.is_ascii_digit())
    {
        return Err(input(
            format!("`{name}` is no name in C"),
            "give another with --name: letters, digits and _",
        ));
    }
    let assembly = !as_array && bytes.len() > LARGEST_ARRAY;
    let source = if assembly { assembler(name) } else { array(name, bytes) };
    Ok(Exported { header: header(model, name), source, assembly })
}

fn header(model: &Model, name: &str) -> String {
    let (upper, bill) = (name.to_uppercase(), bill(model));
    let mut text = format!(
        "/* {} that answers with {}, {} parameters. Written by `picoformer export-c`. */\n\
         #ifndef {upper}_H\n#define {upper}_H\n\n\
         #define {upper}_BLOB_BYTES {}u\n\
         #define {upper}_ARENA_BYTES {}u\n",
        bill.architecture, bill.answers, bill.parameters, bill.flash_bytes, bill.arena_bytes,
    );
    if bill.sample_rate > 0 {
        let _ = writeln!(text, "#define {upper}_SAMPLE_RATE {}u", bill.sample_rate);
    }
    if bill.n_labels > 0 {
        let _ = writeln!(text, "#define {upper}_LABELS {}u", bill.n_labels);
    }
    if let Some(stack) = bill.longest.iter().map(|longest| longest.stack_bytes).max() {
        let _ = writeln!(
            text,
            "#define {upper}_STACK_BYTES {stack}u /* without what a program puts on top */"
        );
    }
    if !bill.longest.is_empty() {
        text += "\n/* Instructions at most between two returns of the library, by core: for a watchdog. */\n";
    }
    for longest in &bill.longest {
        let core = longest.core.to_uppercase().replace('+', "PLUS").replace('-', "_");
        let _ = writeln!(text, "#define {upper}_LONGEST_{core} {}u", longest.any());
    }
    text + &format!(
        "\n#ifdef __cplusplus\nextern \"C\" {{\n#endif\n\n\
         /* In flash, at a multiple of 16. */\n\
         extern const unsigned char {name}_blob[{upper}_BLOB_BYTES];\n\n\
         #ifdef __cplusplus\n}}\n#endif\n\n#endif\n"
    )
}

/// The blob's section: behind `.rodata`, so that every linker script puts it into flash.
fn section(name: &str) -> String {
    format!(".rodata.picoformer.{name}")
}

fn array(name: &str, bytes: &[u8]) -> String {
    let mut text = format!(
        "/* Written by `picoformer export-c`. */\n#include \"{name}.h\"\n\n\
         #if defined(__GNUC__)\n\
         __attribute__((section(\"{}\"), aligned(16), used))\n\
         #elif defined(__cplusplus)\nalignas(16)\n\
         #elif defined(__STDC_VERSION__) && __STDC_VERSION__ >= 201112L\n_Alignas(16)\n\
         #endif\nconst unsigned char {name}_blob[{}_BLOB_BYTES] = {{\n",
        section(name),
        name.to_uppercase(),
    );
    for line in bytes.chunks(32) {
        for byte in line {
            let _ = write!(text, "{byte},");
        }
        text.push('\n');
    }
    text + "};\n"
}

fn assembler(name: &str) -> String {
    let upper = name.to_uppercase();
    format!(
        "/* Written by `picoformer export-c`. The assembler looks for the blob in its folders (-I). */\n\
         #ifndef {upper}_PICO\n#define {upper}_PICO \"{name}.pico\"\n#endif\n\n\
         \t.section {},\"a\"\n\t.balign 16\n\t.global {name}_blob\n\t.type {name}_blob, %object\n\
         {name}_blob:\n\t.incbin {upper}_PICO\n\t.size {name}_blob, . - {name}_blob\n\
         #if defined(__linux__) && defined(__ELF__)\n\t.section .note.GNU-stack,\"\",%progbits\n#endif\n",
        section(name)
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_those_of_c() {
        let name = |path: &str| name_of(Path::new(path)).unwrap();
        assert_eq!(name("models/intent/model.pico"), "intent");
        assert_eq!(name("stories-260K.pico"), "stories_260k");
        assert_eq!(name("8bit.pico"), "m8bit");
        assert_eq!(name("model.pico"), "model");
    }
}
