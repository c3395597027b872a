//! The work of every tokenizer grows with its text: tests count the steps of its searches and whatever else
//! it reads from its tables, for texts of 10 KB and of 100 KB, of words and of one word without end.

/// A step: nothing but in tests.
#[inline(always)]
pub(super) fn step() {
    #[cfg(test)]
    tests::STEPS.set(tests::STEPS.get() + 1);
}

#[cfg(test)]
mod tests {
    extern crate std;
    use crate::tokenizer::vocabulary::{FLAG_ADDED, FLAG_BYTES, FLAG_WORDS, NONE};
    use crate::tokenizer::{Method, Tokenizer};
    use std::cell::Cell;
    use std::string::String;
    use std::vec::Vec;

    std::thread_local! {
        pub(super) static STEPS: Cell<u64> = const { Cell::new(0) };
    }

    /// A section over the letters `a` … `d`: they and the space in all their forms, what merges make of them,
    /// and an added token.
    fn section(kind: u8) -> Vec<u8> {
        let mut pieces: Vec<String> =
            ["<unk>", "a", "b", "c", "d", " ", "\u{2581}", "<x>"].map(String::from).into();
        let letters = pieces.get(1..5).unwrap().to_vec();
        let mut merges = Vec::new();
        for (i, left) in letters.iter().enumerate() {
            for (j, right) in letters.iter().enumerate() {
                merges.push([i + 1, j + 1, merges.len(), pieces.len()].map(|x| x as u16));
                pieces.push(std::format!("{left}{right}"));
            }
        }
        // Pieces of four and of eight letters, so that a long word is merged in many rounds.
        for doubled in [8, 24] {
            for i in 0..16 {
                let (left, right) = (doubled + i, doubled + (i * 5 + 3) % 16);
                merges.push([left, right, merges.len(), pieces.len()].map(|x| x as u16));
                let piece = [&pieces[left][..], &pieces[right]].concat();
                pieces.push(piece);
            }
        }
        for i in 1..pieces.len() {
            if kind == 2 && i != 7 {
                let inner = std::format!("##{}", pieces[i]);
                pieces.push(inner);
            }
        }
        let mut order: Vec<u16> = (0..pieces.len() as u16).collect();
        order.sort_by_key(|&id| &pieces[id as usize]);
        merges.sort();
        let characters: &[[u32; 3]] = match kind {
            2 => &[[32, 32, 1]],
            3 | 5 => &[[32, 32, 3], [97, 122, 1]],
            _ => &[],
        };
        let flags = FLAG_ADDED | if kind == 4 { FLAG_WORDS } else { 0 };
        let bytes = if kind == 0 { 0 } else { NONE };
        let (text, unigram) = (pieces.concat(), kind == 4);
        if kind == 0 {
            // As many pieces as bytes.
            pieces.resize(256, String::new());
            order.extend(order.len() as u16..256);
            order.sort_by_key(|&id| &pieces[id as usize]);
        }
        let rules = if unigram { pieces.len() + 1 } else { merges.len() };
        let mut section = Vec::from([kind, flags | if kind == 0 { FLAG_BYTES } else { 0 }]);
        section.extend((characters.len() as u16).to_le_bytes());
        let words = [pieces.len() as u32, NONE, NONE, 0, bytes, text.len() as u32, rules as u32, 0];
        let ends = pieces.iter().scan(0, |end, piece| {
            *end += piece.len() as u32;
            Some(*end)
        });
        section.extend(words.into_iter().chain(ends).flat_map(u32::to_le_bytes));
        section.extend(order.into_iter().flat_map(u16::to_le_bytes));
        if unigram {
            let score = |i: usize| (2.0 + (i % 7) as f64 / 8.0).to_bits();
            section.extend((0..rules).map(score).flat_map(u64::to_le_bytes));
        } else {
            section.extend(merges.into_iter().flatten().flat_map(u16::to_le_bytes));
        }
        section.extend(characters.iter().flatten().flat_map(|x| x.to_le_bytes()));
        section.extend(text.bytes());
        section.extend([1, 7, 0].into_iter().flat_map(u32::to_le_bytes));
        section
    }

    /// Steps for a text.
    fn steps(tokenizer: &Tokenizer, text: &str) -> u64 {
        let mut tokens = std::vec![0; 8 * text.len()];
        STEPS.set(0);
        let n = tokenizer.encode(text, &mut tokens).unwrap();
        assert!(n > 0);
        STEPS.get()
    }

    /// A text of random letters with these between.
    fn text(length: usize, between: &str) -> String {
        let (mut text, mut state) = (String::new(), 9u64);
        while text.len() < length {
            state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
            text.extend(
                (0..1 + (state >> 61)).map(|i| (b'a' + (state >> (2 * i + 30) & 3) as u8) as char),
            );
            text += between;
        }
        text
    }

    /// Ten times the text is ten times the work, and a little more where words are merged in n · log n: a
    /// quadratic growth would be a hundred times.
    #[test]
    #[cfg_attr(miri, ignore = "texts of 100 KB take minutes")]
    fn work_grows_with_the_text() {
        let kinds = ["bytes", "byte-pair encoding", "WordPiece", "byte-level", "Unigram", "cl100k"];
        for (kind, name) in kinds.into_iter().enumerate() {
            let section = section(kind as u8);
            let tokenizer = Tokenizer::parse(&section).unwrap();
            for (what, between) in [
                ("words", " "),
                ("one word", ""),
                ("added tokens", "<x>"),
                ("spaces", "            "),
            ] {
                let [small, large] =
                    [10_000, 100_000].map(|n| steps(&tokenizer, &text(n, between)));
                std::println!("{name}, {what}: {small} steps for 10 KB, {large} for 100 KB");
                assert!(small > 5_000, "{name}, {what}");
                assert!(large < 14 * small, "{name}, {what}: {small} {large}");
            }
            let spaces = " ".repeat(100_000);
            assert!(steps(&tokenizer, &(spaces + "a")) < 20_000_000, "{name}");
        }
    }

    /// The counts see a quadratic growth where there is one: words that are scanned before every merge, as in a
    /// build for a single model, whose buffer is short.
    #[test]
    #[cfg_attr(miri, ignore = "texts of 100 KB take minutes")]
    fn counts_see_a_quadratic_growth() {
        let section = section(1);
        let tokenizer = Tokenizer::parse(&section).unwrap();
        let scanned = |length: usize| {
            let method = Method { merge: crate::tokenizer::scan, ..tokenizer.method() };
            STEPS.set(0);
            tokenizer.encode_by(method, &text(length, ""), &mut std::vec![0; 8 * length]).unwrap();
            STEPS.get()
        };
        let [small, large] = [200, 2000].map(scanned);
        assert!(large > 50 * small, "{small} {large}");
    }
}
