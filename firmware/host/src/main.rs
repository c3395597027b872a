//! Runs a demo on the host and prints what every board must print.

use std::process::ExitCode;

use picoformer::Aligned;

/// Reads a file to an address that is a multiple of 16, as a linker would place it.
fn aligned(path: &str) -> std::io::Result<(Vec<Aligned<[u8; 16]>>, usize)> {
    let bytes = std::fs::read(path)?;
    let mut lines = vec![Aligned([0; 16]); bytes.len().div_ceil(16)];
    for (line, chunk) in lines.iter_mut().zip(bytes.chunks(16)) {
        line.0[..chunk.len()].copy_from_slice(chunk);
    }
    Ok((lines, bytes.len()))
}

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let mut out = String::new();
    let result = match words[..] {
        ["classify"] => picoformer_demo::classify(&mut out, &mut ()),
        ["generate"] => picoformer_demo::generate(&mut out, &mut ()),
        ["stories", path] => match aligned(path) {
            Ok((lines, len)) => {
                // SAFETY: the lines are one block of bytes, at least `len` of them.
                let blob = unsafe { std::slice::from_raw_parts(lines.as_ptr().cast(), len) };
                picoformer_demo::stories(blob, &mut out, &mut ())
            }
            Err(error) => {
                eprintln!("{path}: {error}");
                return ExitCode::FAILURE;
            }
        },
        _ => {
            eprintln!("usage: picoformer-host classify|generate|stories BLOB");
            return ExitCode::from(2);
        }
    };
    print!("{out}");
    match result {
        Ok(_) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("{}", failure.0);
            ExitCode::FAILURE
        }
    }
}
