//! New ids, for converted shares and for what has one that is taken. They must not be those of
//! anything else, now or later: libvirt numbers its own (`fs0`, `fsdev-fs0`, `net1`, `pci.2`), users
//! call theirs `ua-…`; none of them begins with `share`.

use std::collections::{BTreeMap, BTreeSet};

use crate::domain::Domain;
use crate::ordered;
use crate::qemu::command_line::{CommandLine, Fsdev, RawDevice};
use crate::qemu::option_string;

/// Longer names help nobody; QEMU itself has no limit.
const LONGEST: usize = 40;

/// Ids that are taken.
#[derive(Debug)]
pub struct ShareIds {
    taken: BTreeSet<String>,
    /// The last number tried with each name, so that a thousand shares of one tag take a thousand
    /// steps.
    numbers: BTreeMap<String, u32>,
}

impl ShareIds {
    /// All ids of the domain, devices and fsdevs together: QEMU keeps them apart, people do not.
    pub fn of(domain: &Domain, line: &CommandLine) -> Self {
        let fsdevs = line.fsdevs.iter().filter_map(Fsdev::id);
        let mut taken = ordered::set(fsdevs.map(|id| id.value.clone()));
        let devices = line.devices.iter().filter_map(RawDevice::id_text);
        taken.extend(devices.map(str::to_owned));
        let libvirts = line.libvirt_ids(domain).iter();
        taken.extend(libvirts.map(|(id, _)| id.to_string()));
        ShareIds {
            taken,
            numbers: BTreeMap::new(),
        }
    }

    /// A free id for what has one that is taken, or that is none: `share0-2` for `share0`.
    pub fn instead_of(&mut self, id: &str) -> String {
        if id.starts_with("share") && option_string::id_is_well_formed(id) && id.len() <= LONGEST {
            return self.numbered(id.to_owned());
        }
        self.share(id)
    }

    /// A free id for the share of this mount tag: `share-TAG`, with a number where that is taken.
    pub fn share(&mut self, tag: &str) -> String {
        let clean: String = tag
            .chars()
            .map(|c| match c {
                'a'..='z' | 'A'..='Z' | '0'..='9' | '.' | '_' => c,
                _ => '-',
            })
            .take(LONGEST)
            .collect();
        let base = match clean.trim_matches('-') {
            "" => "share".to_owned(),
            clean => format!("share-{clean}"),
        };
        self.numbered(base)
    }

    fn numbered(&mut self, base: String) -> String {
        let number = self.numbers.entry(base.clone()).or_insert(0);
        loop {
            *number += 1;
            let id = match *number {
                1 => base.clone(),
                number => format!("{base}-{number}"),
            };
            if self.taken.insert(id.clone()) {
                return id;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::qemu::option_string::id_is_well_formed;

    #[test]
    fn ids_are_new_and_well_formed() {
        let xml = "<domain xmlns:q='http://libvirt.org/schemas/domain/qemu/1.0'><devices>\
            <rng><alias name='ua-x'/></rng></devices><q:commandline><q:arg value='-fsdev'/>\
            <q:arg value='local,id=share-a,path=/a,security_model=none'/></q:commandline></domain>";
        let domain = crate::domain::read(xml, crate::domain::Origin::File).unwrap();
        let mut names = ShareIds::of(&domain, &CommandLine::read(&domain));
        let tags = [
            "a",
            "a",
            "b c",
            "",
            "é",
            "b-c",
            "x,y=z",
            "ua-x",
            &"t".repeat(99),
        ];
        let ids: Vec<_> = tags.iter().map(|tag| names.share(tag)).collect();
        let short = [
            "share-a-2",
            "share-a-3",
            "share-b-c",
            "share",
            "share-2",
            "share-b-c-2",
            "share-x-y-z",
            "share-ua-x",
        ];
        assert_eq!(ids[..8], short);
        assert!(ids.iter().all(|id| id_is_well_formed(id) && id.len() < 50));
    }
}
