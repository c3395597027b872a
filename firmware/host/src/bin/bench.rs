//! Counts every kernel, or what the model in a file is made for, under valgrind's callgrind: asks it to
//! dump its counters after every case. Without valgrind it runs and counts nothing. With `weights`
//! before the file it tells instead how many bytes of weights are loaded.

use std::process::ExitCode;

use picoformer::Aligned;
use picoformer_bench::{Case, Counter, Memory, Name, kernels, model, weights};

/// A request to callgrind (`valgrind.h`, `callgrind.h`): no-operations on a real processor, a message
/// to valgrind when it is there.
#[cfg(target_arch = "x86_64")]
fn request(code: u64, argument: u64) {
    const CALLGRIND: u64 = (b'C' as u64) << 24 | (b'T' as u64) << 16;
    let message = [CALLGRIND + code, argument, 0, 0, 0, 0];
    // SAFETY: the rotations of rdi add up to 128 bits and rbx is exchanged with itself; valgrind reads
    // the message and answers in rdx.
    unsafe {
        std::arch::asm!(
            "rol rdi, 3", "rol rdi, 13", "rol rdi, 61", "rol rdi, 51", "xchg rbx, rbx",
            in("rax") message.as_ptr(), inout("rdx") 0u64 => _, options(nostack),
        );
    }
}

#[cfg(not(target_arch = "x86_64"))]
fn request(_: u64, _: u64) {}

const ZERO_STATISTICS: u64 = 1;
const DUMP_STATISTICS_AT: u64 = 3;

/// Prints `#case NAME 0 PER UNIT`; the instructions are in the dump that has the same number.
struct Dumps;

impl Counter for Dumps {
    #[inline(never)]
    fn begin(&mut self) {
        request(ZERO_STATISTICS, 0);
    }

    #[inline(never)]
    fn end(&mut self, case: &Case) {
        request(DUMP_STATISTICS_AT, c"case".as_ptr() as u64);
        println!("#case {} 0 {} {}", case.name.as_str(), case.per, case.unit);
    }
}

fn main() -> ExitCode {
    let mut memory = Box::<Memory>::default();
    // What an empty case costs.
    Dumps.count(Case { name: Name::new("nothing"), per: 1, unit: "case" }, || ());
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let Some(path) = arguments.last() else {
        kernels(&mut memory, &mut Dumps);
        return ExitCode::SUCCESS;
    };
    let bytes = match std::fs::read(path) {
        Ok(bytes) => bytes,
        Err(error) => {
            eprintln!("{path}: {error}");
            return ExitCode::FAILURE;
        }
    };
    let mut lines = vec![Aligned([0u8; 16]); bytes.len().div_ceil(16)];
    for (line, chunk) in lines.iter_mut().zip(bytes.chunks(16)) {
        line.0[..chunk.len()].copy_from_slice(chunk);
    }
    // SAFETY: the lines are one block of bytes, at least as many as the file's.
    let blob = unsafe { std::slice::from_raw_parts(lines.as_ptr().cast(), bytes.len()) };
    let done = if arguments.len() > 1 {
        weights(blob, &mut memory, |case, bytes| {
            println!("#weights {} {bytes}", case.name.as_str());
        })
    } else {
        model(blob, &mut memory, &mut Dumps)
            .map(|size| println!("#arena_bytes {}", size.total_bytes()))
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("{}", failure.0);
            ExitCode::FAILURE
        }
    }
}
