//! Runs a demo on the host and prints what every board must print.

use std::process::ExitCode;

fn main() -> ExitCode {
    let name = std::env::args().nth(1).unwrap_or_default();
    let mut out = String::new();
    let result = match name.as_str() {
        "classify" => picoformer_demo::classify(&mut out, &mut ()),
        "generate" => picoformer_demo::generate(&mut out, &mut ()),
        _ => {
            eprintln!("usage: picoformer-host classify|generate|stories");
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
