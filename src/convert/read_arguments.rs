//! A pair of `-fsdev` and `-device` → [`PortableShare`].

use std::collections::BTreeMap;

use crate::convert::named_buses::NamedBuses;
use crate::convert::portable::{Access, Address, Model, PortableShare};
use crate::convert::{Conversion, Refusal, Refusals, undefined};
use crate::domain::Place;
use crate::lint::catalogue::Code;
use crate::lint::finding::{Finding, Level};
use crate::lint::modes;
use crate::ordered;
use crate::pci::build::{Wish, wish};
use crate::qemu::command_line::{Fsdev, RawDevice, RawProperty};
use crate::qemu::fsdev_keys::{InFilesystem, fsdev_key};
use crate::qemu::index::Index;
use crate::qemu::libvirt_ids::user_alias;
use crate::qemu::numbers::{OptionNumber, option_number};
use crate::qemu::option_string::Opt;
use crate::text::quoted;

/// The properties of a device that `<filesystem>` has words for.
const DEVICE_KEYS: [&str; 7] = [
    "driver",
    "id",
    "fsdev",
    "mount_tag",
    "bus",
    "addr",
    "multifunction",
];

/// A share made of two arguments.
#[derive(Debug)]
pub struct Pair {
    /// What `<filesystem>` can say of them.
    pub share: PortableShare,
    /// Into `Domain::args`: the fsdev's, the device's.
    pub args: [usize; 2],
    /// The modes that a `-virtfs` names, and QEMU never applied.
    pub ignored: Vec<&'static str>,
}

/// The raw arguments, and what is looked up in them for each pair.
pub struct RawShares<'a> {
    context: Conversion<'a>,
    /// Who has which name.
    pub names: Index<'a>,
    buses: NamedBuses,
    /// How many devices use an fsdev, and the argument of the first.
    users: BTreeMap<&'a str, (usize, usize)>,
    /// What `check` finds in each argument.
    findings: BTreeMap<usize, Vec<&'a Finding>>,
}

impl<'a> RawShares<'a> {
    /// Goes through the arguments once.
    pub fn new(context: &Conversion<'a>) -> Self {
        let mut users = BTreeMap::new();
        let devices = context.line.devices.iter();
        for (fsdev, arg) in devices.filter_map(|one| Some((one.text("fsdev")?, one.arg))) {
            users.entry(fsdev).or_insert((0, arg)).0 += 1;
        }
        let mut findings: BTreeMap<usize, Vec<&Finding>> = BTreeMap::new();
        for finding in context.findings {
            if let Place::Arg(arg, _) = &finding.place {
                findings.entry(*arg).or_default().push(finding);
            }
        }
        RawShares {
            context: *context,
            names: Index::new(context.domain, context.line),
            buses: NamedBuses::of(context.domain),
            users,
            findings,
        }
    }

    /// Reads the share that this raw device makes.
    ///
    /// # Errors
    /// With everything in it that `<filesystem>` cannot say, or that QEMU itself refuses.
    pub fn read(&self, device: &RawDevice) -> Result<Pair, Vec<Refusal>> {
        let (model, fsdev) = self.sides(device).map_err(|refusal| vec![refusal])?;
        let context = &self.context;
        let mut refused = Refusals::default();
        if let Some((refusal, first)) = self.shared(device) {
            // What else there is to say about the fsdev is said once.
            if first != device.arg {
                return Err(vec![refusal]);
            }
            refused.push(refusal);
        }
        refused.extend(set(device, fsdev));
        refused.extend(unknown(device, fsdev));
        refused.extend(self.wrong(fsdev, device));
        let access = refused.part(access(fsdev));
        let [fkey, dkey] = modes::KEYS;
        let sides = (fsdev, device);
        let share = PortableShare {
            tag: device.text("mount_tag").unwrap_or("").to_owned(),
            path: fsdev.value("path").unwrap_or("").to_owned(),
            access,
            model,
            readonly: fsdev.readonly(),
            multidevs: refused.part(multidevs(context, fsdev)),
            // QEMU knows this one word, and takes any other for none (facts Q2).
            immediate: fsdev.value("writeout") == Some("immediate"),
            fmode: refused.part(mode(context, sides, fkey, context.request.fmode, access)),
            dmode: refused.part(mode(context, sides, dkey, context.request.dmode, access)),
            // Any other id is only how the two arguments find each other.
            alias: device.id_text().and_then(user_alias),
            address: refused.part(self.address(device, model)),
        };
        refused.finish(Pair {
            share,
            args: [fsdev.arg, device.arg],
            ignored: modes::KEYS
                .map(|key| key.name)
                .into_iter()
                .filter(|name| fsdev.virtfs && fsdev.last(name).is_some())
                .collect(),
        })
    }

    /// The two arguments, when there are two.
    fn sides(&self, device: &RawDevice) -> Result<(Model, &'a Fsdev), Refusal> {
        let whole = |message: &str| {
            let length = self
                .context
                .domain
                .args
                .get(device.arg)
                .map_or(0, |arg| arg.value.len());
            Refusal::arg(device.arg, &(0..length), message)
        };
        let Some(model) = Model::of_qemu(device.driver()) else {
            let driver = quoted(device.driver());
            return Err(whole(&format!(
                "driver {driver} is no 9p device on PCI, and those are all that virt-9p converts"
            )));
        };
        let named = device.text("fsdev").unwrap_or("");
        let fsdevs = &self.context.line.fsdevs;
        let Some(fsdev) = self.names.fsdev(named).and_then(|index| fsdevs.get(index)) else {
            return Err(whole(&format!(
                "there is no -fsdev {} for this device: QEMU refuses to start",
                quoted(named)
            )));
        };
        Ok((model, fsdev))
    }

    /// `<filesystem>` has one device. With the argument of the first that its fsdev has.
    fn shared(&self, device: &RawDevice) -> Option<(Refusal, usize)> {
        let property = device.last("fsdev")?;
        let fsdev = device.text("fsdev")?;
        let (_, first) = self.users.get(fsdev).filter(|(users, _)| *users > 1)?;
        let refusal = at(
            property,
            &format!(
                "fsdev {} is used by another device, too, and a <filesystem> has one device",
                quoted(fsdev)
            ),
        );
        let refusal = refusal.help("give each device an -fsdev of its own first");
        Some((refusal, *first))
    }

    /// What QEMU refuses is no share yet, but for what only the raw form is wrong about: addresses,
    /// JSON, and the ids by which the two arguments find each other. Modes and keys are looked at
    /// one by one, and directories of the host are no matter of how they are named.
    fn wrong(&self, fsdev: &Fsdev, device: &RawDevice) -> Vec<Refusal> {
        let elsewhere = |code| {
            matches!(
                code,
                Code::KeyUnknown
                    | Code::ModeNotOctal
                    | Code::ModeOutOfRange
                    | Code::ModeInvalid
                    | Code::ModeOwner
                    | Code::ModeNeedsMapped
                    | Code::PathMissing
                    | Code::PathNotDirectory
                    | Code::PathUnreachable
                    | Code::PathUnstable
                    | Code::PathSystem
            )
        };
        let cured = |arg: usize, code| {
            arg == device.arg
                && (is_of_address(code)
                    || matches!(code, Code::JsonTooNew | Code::IdInvalid)
                    || code == Code::IdDuplicate && !device.virtfs)
        };
        let mut refused = Vec::new();
        let args = ordered::set([fsdev.arg, device.arg]);
        for arg in args {
            let findings = self.findings.get(&arg).into_iter().flatten();
            let errors = findings.filter(|finding| finding.level == Level::Error);
            let stay = errors.filter(|one| !elsewhere(one.code) && !cured(arg, one.code));
            refused.extend(stay.map(|finding| Refusal::from(*finding)));
        }
        refused
    }

    /// Where the device is; none where it does not say, where QEMU refuses it, and where libvirt
    /// would. libvirt then assigns an address, and the caller looks at what else there is.
    ///
    /// # Errors
    /// Where libvirt has no name for the bus.
    pub fn address(&self, device: &RawDevice, model: Model) -> Result<Option<Address>, Refusal> {
        let Wish::Pci {
            bus,
            at: Some(function),
            multifunction,
        } = wish(device)
        else {
            return Ok(None);
        };
        let Some(place) = device.last("addr") else {
            return Ok(None);
        };
        let buses = &self.buses;
        let name = bus
            .as_deref()
            .map(|name| name.strip_suffix('/').unwrap_or(name));
        let found = match name {
            Some(name) => buses.name(name),
            None => buses.without_name(),
        };
        let Some(bus) = found else {
            let named = device.last("bus").unwrap_or(place);
            if self.context.domain.machine.value.is_empty() {
                let place = Place::Arg(named.arg, named.value_range.clone());
                let why = "libvirt has no name for this bus";
                return Err(undefined(&self.context, place, why));
            }
            let findings = self.findings.get(&device.arg).into_iter().flatten();
            if findings.into_iter().any(|one| is_of_address(one.code)) {
                return Ok(None);
            }
            return Err(at(
                named,
                "libvirt's XML has no name for this bus: it is none of a <controller type='pci'>",
            )
            .help("move the device to such a bus first, for instance to the machine's own"));
        };
        Ok(bus.takes(function.slot, model).then(|| Address {
            index: bus.index,
            bus: bus.name.clone(),
            at: function,
            multifunction,
        }))
    }
}

/// Whether a finding is about where a device is, which libvirt decides for its own.
fn is_of_address(code: Code) -> bool {
    matches!(
        code,
        Code::AddressInvalid
            | Code::BusUnknown
            | Code::BusLater
            | Code::BusUnsuitable
            | Code::AddressTaken
            | Code::FunctionConflict
            | Code::SlotZero
            | Code::BusFull
    )
}

fn at(property: &RawProperty, message: &str) -> Refusal {
    Refusal::arg(property.arg, &property.value_range, message)
}

/// What `-set` adds stands elsewhere, and would be left behind.
fn set(device: &RawDevice, fsdev: &Fsdev) -> Vec<Refusal> {
    let help = "write the key into the -fsdev or -device itself first, and remove the -set";
    let message = "a -set changes this share, and would have nothing left to change";
    let opts = fsdev.opts.iter().filter(|opt| opt.arg != fsdev.arg);
    let properties = device.properties.iter();
    let properties = properties.filter(|property| property.arg != device.arg);
    opts.map(|opt| Refusal::arg(opt.arg, &opt.value_range, message).help(help))
        .chain(properties.map(|property| at(property, message).help(help)))
        .collect()
}

/// Keys that libvirt has no word for.
fn unknown(device: &RawDevice, fsdev: &Fsdev) -> Vec<Refusal> {
    let mut refused = Vec::new();
    for opt in &fsdev.opts {
        let key = opt.key.as_str();
        let message = match fsdev_key(key).map(|key| key.filesystem) {
            Some(InFilesystem::Always | InFilesystem::Since(_)) => continue,
            Some(InFilesystem::NoLimits) => format!(
                "{} limits the rate of this share; <filesystem> has no limits",
                quoted(key)
            ),
            // It is the device's, and read there.
            Some(InFilesystem::Nothing) if fsdev.virtfs && key == "mount_tag" => continue,
            Some(InFilesystem::Nothing) | None => {
                format!("{} has no equal in <filesystem>", quoted(key))
            }
        };
        refused.push(
            Refusal::arg(opt.arg, &opt.key_range, message)
                .help("remove it if you can do without; otherwise this share stays as it is"),
        );
    }
    for property in &device.properties {
        if !DEVICE_KEYS.contains(&property.key.as_str()) {
            let message = format!(
                "{} is a property of the device that <filesystem> has no equal for",
                quoted(&property.key)
            );
            refused.push(
                Refusal::arg(property.arg, &property.key_range, message)
                    .help("remove it if you can do without; otherwise this share stays as it is"),
            );
        }
    }
    refused
}

fn value(opt: &Opt, message: String) -> Refusal {
    Refusal::arg(opt.arg, &opt.value_range, message)
}

fn access(fsdev: &Fsdev) -> Result<Access, Refusal> {
    if let Some(driver) = fsdev.last("fsdriver").filter(|opt| opt.value != "local") {
        let message = format!(
            "fsdriver {} has no equal in <filesystem>, which shares local directories",
            quoted(&driver.value)
        );
        return Err(value(driver, message));
    }
    let Some(model) = fsdev.last("security_model") else {
        // An error of its own.
        return Ok(Access::default());
    };
    Access::of_qemu(&model.value).ok_or_else(|| {
        value(
            model,
            format!(
                "security_model={} has no equal in <filesystem>, whose accessmode is mapped, passthrough or squash",
                quoted(&model.value)
            ),
        )
        .help("keep this share as it is: with `mapped` the owners and modes that the guest has given so far would be lost")
    })
}

/// Whether libvirt knows the attribute that a key becomes; `opt` is what to point at.
fn needs(context: &Conversion, opt: &Opt, key: &str) -> Result<(), Refusal> {
    let Some(InFilesystem::Since(since)) = fsdev_key(key).map(|key| key.filesystem) else {
        return Ok(());
    };
    match context.assume.libvirt {
        Some(libvirt) if libvirt < since => Err(Refusal::arg(
            opt.arg,
            &opt.key_range,
            format!(
                "libvirt knows {key} of <filesystem> since {since}, and would drop it without a word: this is {libvirt}"
            ),
        )
        .help("keep the raw arguments until libvirt is updated, or name the libvirt that this is for with --libvirt")),
        _ => Ok(()),
    }
}

fn multidevs(context: &Conversion, fsdev: &Fsdev) -> Result<Option<String>, Refusal> {
    let Some(opt) = fsdev.last("multidevs") else {
        return Ok(None);
    };
    needs(context, opt, &opt.key)?;
    Ok(Some(opt.value.clone()))
}

fn mode(
    context: &Conversion,
    (fsdev, device): (&Fsdev, &RawDevice),
    key: modes::ModeKey,
    asked: Option<u16>,
    access: Access,
) -> Result<Option<u16>, Refusal> {
    // What -virtfs says of modes no QEMU hands on.
    let opt = fsdev.last(key.name).filter(|_| !fsdev.virtfs);
    if let (Some(opt), true) = (opt, access != Access::Mapped) {
        let message = format!(
            "`{}` goes with mapped security models only: QEMU refuses to start, and libvirt refuses it, too",
            key.name
        );
        return Err(value(opt, message).help(format!("leave {} out", key.name)));
    }
    if let Some(asked) = asked {
        if access != Access::Mapped {
            let model = fsdev.last("security_model");
            let place = model.map_or(Place::Domain, |opt| {
                Place::Arg(opt.arg, opt.value_range.clone())
            });
            let tag = device.text("mount_tag").unwrap_or("");
            return context
                .request
                .without_modes(place, tag, "security_model", access.qemu())
                .map(|()| None);
        }
        let first = opt.or_else(|| fsdev.opts.first());
        return first
            .map_or(Ok(()), |opt| needs(context, opt, key.name))
            .map(|()| Some(asked));
    }
    let Some(opt) = opt else { return Ok(None) };
    if let Some(finding) = modes::text(key, opt, context.assume.qemu_is_root)
        .filter(|finding| finding.level == Level::Error)
    {
        let decide = format!(
            "{}, or say with --{} what it is to be",
            finding.help.unwrap_or_default(),
            key.name
        );
        return Err(value(opt, finding.message).help(decide));
    }
    needs(context, opt, key.name)?;
    match option_number(&opt.value) {
        OptionNumber::Number(number) => Ok(u16::try_from(number).ok()),
        _ => Ok(None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::assumptions::Assumptions;
    use crate::convert::{ConvertRequest, Direction, tree};
    use crate::domain::{Origin, read};
    use crate::qemu::command_line::CommandLine;
    use crate::qemu::fsdev_keys::KEYS;

    /// The share that a pair with these keys more makes.
    fn share(more: &str) -> PortableShare {
        let text = format!(
            "<domain xmlns:q='http://libvirt.org/schemas/domain/qemu/1.0'><q:commandline>\
             <q:arg value='-fsdev'/><q:arg value='local,id=a,path=/a,security_model=mapped{more}'/>\
             <q:arg value='-device'/><q:arg value='virtio-9p-pci,fsdev=a,mount_tag=t'/>\
             </q:commandline></domain>"
        );
        let domain = read(&text, Origin::File).unwrap();
        let line = CommandLine::read(&domain);
        let context = Conversion {
            text: &text,
            domain: &domain,
            line: &line,
            findings: &[],
            tree: &tree::read(&text).unwrap(),
            assume: &Assumptions::default(),
            request: &ConvertRequest {
                to: Direction::Native,
                targets: std::collections::BTreeSet::new(),
                fmode: None,
                dmode: None,
                device: None,
                keep_address: false,
            },
        };
        let pair = RawShares::new(&context).read(&line.devices[0]);
        pair.unwrap().share
    }

    #[test]
    fn every_key_with_an_equal_is_read() {
        let equal =
            |filesystem| matches!(filesystem, InFilesystem::Always | InFilesystem::Since(_));
        for key in KEYS.iter().filter(|key| equal(key.filesystem)) {
            let value = match key.name {
                // They hold the two arguments together, and go.
                "fsdriver" | "id" => continue,
                "path" => "/b",
                "security_model" => "passthrough",
                "fmode" | "dmode" => "0700",
                "readonly" => "on",
                "writeout" => "immediate",
                "multidevs" => "remap",
                name => panic!("a value of {name} that says something is wanted here"),
            };
            let changed = share(&format!(",{}={value}", key.name));
            assert_ne!(changed, share(""), "{} is dropped", key.name);
        }
    }
}
