//! How a [`PortableShare`] is written in `-fsdev` and `-device`.

use serde_json::{Map, Value as Json};

use crate::assumptions::DeviceForm;
use crate::convert::portable::{Address, PortableShare};
use crate::qemu::option_string;

/// The argument of `-fsdev`.
pub fn fsdev(share: &PortableShare, id: &str) -> String {
    let mut out = format!(
        "local,id={id},path={},security_model={}",
        option_string::escape(&share.path),
        share.access.qemu()
    );
    if share.readonly {
        out.push_str(",readonly=on");
    }
    if let Some(multidevs) = &share.multidevs {
        out.push_str(&format!(",multidevs={multidevs}"));
    }
    if share.immediate {
        out.push_str(",writeout=immediate");
    }
    for (name, mode) in [("fmode", share.fmode), ("dmode", share.dmode)] {
        if let Some(mode) = mode {
            out.push_str(&format!(",{name}={mode:04o}"));
        }
    }
    out
}

/// The argument of `-device` at an address.
pub fn device(
    share: &PortableShare,
    fsdev: &str,
    id: &str,
    address: &Address,
    form: DeviceForm,
) -> String {
    let texts = [
        ("id", id.to_owned()),
        ("fsdev", fsdev.to_owned()),
        ("mount_tag", share.tag.clone()),
        ("bus", address.bus.to_string()),
        ("addr", address.at.to_string()),
    ];
    match form {
        DeviceForm::Text => {
            let mut out = share.model.qemu().to_owned();
            for (key, value) in texts {
                out.push_str(&format!(",{key}={}", option_string::escape(&value)));
            }
            if address.multifunction {
                out.push_str(",multifunction=on");
            }
            out
        }
        DeviceForm::Json => {
            let mut object = Map::new();
            object.insert("driver".to_owned(), Json::from(share.model.qemu()));
            for (key, value) in texts {
                object.insert(key.to_owned(), Json::from(value));
            }
            if address.multifunction {
                object.insert("multifunction".to_owned(), Json::from(true));
            }
            Json::Object(object).to_string()
        }
    }
}
