//! Addresses as people write them: no text is more than an error, and what is one is written back as
//! one that means the same.
#![no_main]

use libfuzzer_sys::fuzz_target;
use netpoll::Address;

fuzz_target!(|text: &str| {
    let Ok(address) = text.parse::<Address>() else { return };
    let written = address.to_string();
    assert_eq!(written.parse::<Address>().ok(), Some(address), "{text:?} as {written:?}");
});
