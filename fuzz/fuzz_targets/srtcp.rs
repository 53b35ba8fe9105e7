//! libFuzzer's way into `farcast_fuzz::srtcp`.

#![no_main]
#![allow(unsafe_code, reason = "the entry point has a name that C++ calls")]

libfuzzer_sys::fuzz_target!(|data: &[u8]| farcast_fuzz::srtcp(data));
