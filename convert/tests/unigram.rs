//! Unigram against the `tokenizers` crate, id by id.

#[path = "common/texts.rs"]
mod texts;

use texts::{compare, everywhere, hostile, sentences, tales, torture};

#[test]
fn scratch() {
    let dir = std::path::PathBuf::from(std::env::var_os("UNI").unwrap());
    for name in ["a.json", "b.json", "c.json"] {
        let texts = [sentences(), tales(), torture(), everywhere(), hostile(5000)].concat();
        let (words, bytes) = compare(&dir.join(name), &texts);
        println!("{name}: {} texts, {words} words equal, section of {bytes} bytes", texts.len());
    }
}
