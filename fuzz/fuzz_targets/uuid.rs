//! Any text as a UUID: what is taken is safe in a file name, and one domain has one spelling.
#![no_main]

use libfuzzer_sys::fuzz_target;
use virt_9p::domain::{Uuid, find_uuid};

fuzz_target!(|text: &str| {
    if let Some(uuid) = Uuid::parse(text) {
        let canonical = uuid.as_str();
        assert_eq!(canonical.len(), 36);
        for (at, byte) in canonical.bytes().enumerate() {
            let dash = matches!(at, 8 | 13 | 18 | 23);
            assert!(if dash { byte == b'-' } else { matches!(byte, b'0'..=b'9' | b'a'..=b'f') });
        }
        assert_eq!(Uuid::parse(canonical).as_ref(), Some(&uuid));
        let plain: String = canonical.replace('-', "").to_uppercase();
        assert_eq!(Uuid::parse(&plain), Some(uuid));
    }
    find_uuid(text);
    find_uuid(&format!("<domain><uuid>{text}</uuid></domain>"));
});
