//! Runs a demo on the host and prints what every board must print.

use std::path::Path;
use std::process::ExitCode;

use picoformer_host::{Blob, run};

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let blob = match arguments.get(1).map(|path| Blob::read(Path::new(path))) {
        Some(Err(error)) => {
            eprintln!("{}: {error}", arguments[1]);
            return ExitCode::FAILURE;
        }
        // A demo keeps what it borrows for good.
        Some(Ok(blob)) => Some(&*Box::leak(Box::new(blob))),
        None => None,
    };
    let name = arguments.first().map_or("", String::as_str);
    let Some((text, result)) = run(name, blob) else {
        eprintln!(
            "usage: picoformer-host classify | digits | g2p | generate | layers | motion | slots | \
              stories BLOB | update FLASH | wake"
        );
        return ExitCode::from(2);
    };
    print!("{text}");
    if let Err(failure) = result {
        eprintln!("{}", failure.0);
        return ExitCode::FAILURE;
    }
    ExitCode::SUCCESS
}
