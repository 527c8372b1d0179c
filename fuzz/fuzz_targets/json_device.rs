//! Any text as JSON for `-device`: no panic, places within the text; what another reader takes as
//! an object is taken, with the same members; and the JSON spelling that we propose can be read.
#![no_main]

use libfuzzer_sys::fuzz_target;
use serde_json::Value as Json;
use virt_9p::domain::{Arg, Domain};
use virt_9p::qemu::command_line::CommandLine;
use virt_9p::qemu::device_json::{self, JsonValue};
use virt_9p::qemu::device_spelling;
use virt_9p::text::Span;

fuzz_target!(|text: &str| {
    let other = serde_json::from_str::<Json>(text);
    match device_json::object(text) {
        Ok(members) => {
            for member in &members {
                assert!(text.get(member.key_range.clone()).is_some());
                assert!(text.get(member.value_range.clone()).is_some());
                if let Ok(Json::Object(object)) = &other {
                    let expected = object.get(&member.key).expect("the same keys");
                    match &member.value {
                        JsonValue::String(text) => assert_eq!(expected.as_str(), Some(text.as_str())),
                        JsonValue::Bool(on) => assert_eq!(expected.as_bool(), Some(*on)),
                        JsonValue::Integer(number) => {
                            // -0 is a fraction to the other reader, and no number of a device.
                            if let Some(expected) = expected.as_i64() {
                                assert_eq!(i128::from(expected), *number);
                            }
                        }
                        JsonValue::Other => assert!(!expected.is_string() && !expected.is_boolean()),
                    }
                }
            }
            if let Ok(Json::Object(object)) = &other {
                assert_eq!(object.len(), members.len());
            }
        }
        Err(error) => assert!(error.at <= text.len(), "{error:?}"),
    }

    // No argument of a program holds a NUL, and XML cannot spell one.
    if text.contains('\0') {
        return;
    }
    let word = |value: &str| Arg::new(value.to_owned(), Span::default(), false);
    let domain = Domain {
        args: vec![word("-device"), word(text)],
        ..Domain::default()
    };
    for device in &CommandLine::read(&domain).devices {
        let spelled = device_spelling::as_json(device);
        device_json::object(&spelled).unwrap_or_else(|error| panic!("{spelled}: {error:?}"));
    }
});
