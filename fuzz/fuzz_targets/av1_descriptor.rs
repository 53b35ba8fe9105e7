//! libFuzzer's way into `farcast_fuzz::av1_descriptor`.

#![no_main]
#![allow(unsafe_code, reason = "the entry point has a name that C++ calls")]

libfuzzer_sys::fuzz_target!(|data: &[u8]| farcast_fuzz::av1_descriptor(data));
