#![no_main]

libfuzzer_sys::fuzz_target!(
    // What is made once takes long, and is no input's time.
    init: picoformer_fuzz_targets::streams::stream(&[0]),
    |data: &[u8]| picoformer_fuzz_targets::streams::stream(data)
);
