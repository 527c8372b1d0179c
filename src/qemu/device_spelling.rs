//! How a raw device is written in the other form.

use serde_json::{Map, Value as Json};

use crate::domain::xml::attribute;
use crate::qemu::command_line::RawDevice;
use crate::qemu::device_json::JsonValue;
use crate::qemu::device_properties::{ValueKind, virtio_9p_property};
use crate::qemu::numbers::SlotFunction;
use crate::qemu::option_string;

/// The device as JSON for `-device`, keys in the order in which they stand, the last of each.
pub fn as_json(device: &RawDevice) -> String {
    let mut object = Map::new();
    for property in &device.properties {
        let value = match &property.value {
            JsonValue::String(text) => typed(&property.key, text),
            JsonValue::Integer(number) => i64::try_from(*number).map_or(Json::Null, Json::from),
            JsonValue::Bool(on) => Json::from(*on),
            JsonValue::Other => Json::Null,
        };
        if property.key == "id" && object.contains_key("id") {
            continue;
        }
        object.insert(property.key.clone(), value);
    }
    Json::Object(object).to_string()
}

/// The device as text for `-device`, driver first; none where text has no word for a value.
pub fn as_text(device: &RawDevice) -> Option<String> {
    let mut out = option_string::escape(device.text("driver")?);
    for property in device.properties.iter().filter(|one| one.key != "driver") {
        let value = match &property.value {
            JsonValue::String(text) => option_string::escape(text),
            JsonValue::Bool(on) => if *on { "on" } else { "off" }.to_owned(),
            JsonValue::Integer(devfn) if property.key == "addr" => {
                SlotFunction::from_devfn(u8::try_from(*devfn).ok()?).to_string()
            }
            JsonValue::Integer(number) => number.to_string(),
            JsonValue::Other => return None,
        };
        out.push_str(&format!(",{}={value}", property.key));
    }
    Some(out)
}

/// JSON devices are typed: true and not "on", 3 and not "3". Addresses stay strings, because a
/// number would be a devfn.
fn typed(key: &str, text: &str) -> Json {
    match virtio_9p_property(key).map(|property| property.kind) {
        Some(ValueKind::Bool) => {
            option_string::boolean(text).map_or_else(|| Json::from(text), Json::from)
        }
        Some(ValueKind::Integer | ValueKind::Size) => text
            .parse::<u64>()
            .map_or_else(|_| Json::from(text), Json::from),
        _ => Json::from(text),
    }
}

/// A whole `<qemu:arg>` with this value, quoted as XML wants it.
pub fn arg_element(value: &str) -> String {
    format!("<qemu:arg value={}/>", attribute(value))
}
