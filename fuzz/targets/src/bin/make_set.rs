//! `make_set SET MUTATIONS SEED [--board]`: writes the set that a soak works through (see `picoformer_forge::set`).

use picoformer_forge::set::MAGIC;
use picoformer_fuzz_targets::bases::{golden, shipped, small};
use std::process::ExitCode;

/// Bytes of a set on a board at most: its slot for models, but for the last 32 bytes.
const BOARD_BYTES: usize = (3328 << 10) - 32;

/// Left out on a board, for which the set is too large otherwise: each has a near relation in it.
const NOT_ON_BOARDS: [&str; 4] = ["bert-mean", "llama-bias", "plain-tokens", "t5-tied"];

/// Likewise of the shipped ones: `wake` and `intent` are their relations.
const NOT_SHIPPED_TO_BOARDS: [&str; 2] = ["digits", "slots"];

/// All good blobs; the mutations are spread over the small ones, and every shipped one has a share: a hundredth, or,
/// on a board, which is slower, a five-hundredth.
fn make(mutations: u32, seed: u32, board: bool) -> Vec<u8> {
    let left_out: Vec<usize> = NOT_ON_BOARDS.map(golden).into_iter().filter(|_| board).collect();
    let small = small().iter().enumerate().filter(|(i, _)| !left_out.contains(i));
    let small: Vec<&[u8]> = small.map(|(_, blob)| blob.bytes()).collect();
    let shipped =
        shipped().iter().filter(|(name, _)| !board || !NOT_SHIPPED_TO_BOARDS.contains(name));
    let shipped: Vec<&[u8]> = shipped.map(|(_, blob)| blob.bytes()).collect();
    let share = (mutations / if board { 500 } else { 100 }).max(1);
    let rest = mutations.saturating_sub(share * shipped.len() as u32);
    let each = rest.div_ceil(small.len() as u32);
    let counted = |blobs: Vec<&'static [u8]>, n| blobs.into_iter().map(move |blob| (blob, n));
    // The shipped ones first: their shares are never cut.
    let all: Vec<(&[u8], u32)> = counted(shipped, share).chain(counted(small, each)).collect();
    let mut head: Vec<u32> = vec![MAGIC, all.len() as u32, seed, u32::from(board)];
    let (mut at, mut left) = (16 * (all.len() + 1), mutations);
    for (blob, count) in &all {
        let count = left.min(*count);
        left -= count;
        head.extend([at as u32, blob.len() as u32, 0, count]);
        at += blob.len().next_multiple_of(16);
    }
    let mut set: Vec<u8> = head.iter().flat_map(|word| word.to_le_bytes()).collect();
    for (blob, _) in all {
        set.extend(blob);
        set.resize(set.len().next_multiple_of(16), 0);
    }
    set
}

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let (path, mutations, seed, board) = match words[..] {
        [path, mutations, seed] => (path, mutations, seed, false),
        [path, mutations, seed, "--board"] => (path, mutations, seed, true),
        _ => ("", "", "", false),
    };
    let (Ok(mutations), Ok(seed)) = (mutations.parse(), seed.parse()) else {
        eprintln!("usage: make_set SET MUTATIONS SEED [--board]");
        return ExitCode::from(2);
    };
    let set = make(mutations, seed, board);
    if board && set.len() > BOARD_BYTES {
        eprintln!("{} bytes, but a board has room for {BOARD_BYTES}", set.len());
        return ExitCode::FAILURE;
    }
    if let Err(error) = std::fs::write(path, set) {
        eprintln!("{path}: {error}");
        return ExitCode::FAILURE;
    }
    ExitCode::SUCCESS
}
