#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| mutextree_fuzz::fuzzing::operations(data));
