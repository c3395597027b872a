//! Encodes a text with a tokenizer's section: what `convert/tests/instructions.rs` counts the instructions of.
//!
//! ```sh
//! cargo run --release --example tokenize -- SECTION TEXT BYTES     # the first BYTES bytes of the text
//! ```

use picoformer::tokenizer::Tokenizer;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let [section, text, bytes] =
        std::env::args().skip(1).collect::<Vec<_>>().try_into().map_err(|_| "usage")?;
    let (section, text) = (std::fs::read(section)?, std::fs::read_to_string(text)?);
    let text = text.get(..bytes.parse()?).ok_or("the text is shorter")?;
    let tokenizer = Tokenizer::parse(&section)?;
    let mut tokens = vec![0; 8 * text.len()];
    println!("{}", tokenizer.encode(text, &mut tokens)?);
    Ok(())
}
