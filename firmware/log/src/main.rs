//! Puts a log into words: `picoformer-log ELF < bytes`. The words lie in the image, the log holds numbers
//! only. `defmt-print` does the same and more.

use std::error::Error;
use std::io::{Read, stdin};

use defmt_decoder::{DecodeError, Table};

fn main() -> Result<(), Box<dyn Error>> {
    let path = std::env::args().nth(1).ok_or("usage: picoformer-log ELF < bytes")?;
    let table = Table::parse(&std::fs::read(path)?)?.ok_or("no table of log lines")?;
    let mut bytes = Vec::new();
    stdin().read_to_end(&mut bytes)?;
    let mut decoder = table.new_stream_decoder();
    decoder.received(&bytes);
    loop {
        match decoder.decode() {
            Ok(frame) => {
                let level = frame.level().map_or("", |level| level.as_str());
                println!("{level:<5} {}", frame.display_message());
            }
            Err(DecodeError::UnexpectedEof) => return Ok(()),
            Err(DecodeError::Malformed) => return Err("the log is malformed".into()),
        }
    }
}
