#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| picoformer_fuzz_targets::tokenizers::section(data));
