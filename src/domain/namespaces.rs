//! Which prefix stands for which of the namespaces that we care about.
//!
//! Prefixes are kept by name, so that a tag with a hundred thousand of them takes no square of
//! that, and only for elements that are opened: what is passed over declares nothing.

use std::collections::BTreeMap;

/// The namespace libvirt looks for; matched by this text, whatever the prefix.
pub const QEMU_NAMESPACE: &str = "http://libvirt.org/schemas/domain/qemu/1.0";

/// The namespace of our own element in `<metadata>` (the way out for one domain).
pub const POLICY_NAMESPACE: &str = "urn:virt-9p:policy:1";

/// Which of the namespaces we care about an element is in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ns {
    /// No namespace: libvirt's own elements.
    None,
    /// [`QEMU_NAMESPACE`].
    Qemu,
    /// [`POLICY_NAMESPACE`].
    Policy,
    /// That of another driver of libvirt's: bhyve, lxc, xen, …
    Driver,
    /// Any other, and prefixes that nothing declares.
    Other,
}

/// The namespaces of libvirt's drivers are formed alike. One that resembles QEMU's is a mistake,
/// and nobody's.
fn is_a_drivers(uri: &str) -> bool {
    uri.strip_prefix("http://libvirt.org/schemas/domain/")
        .and_then(|rest| rest.strip_suffix("/1.0"))
        .is_some_and(|driver| !driver.to_ascii_lowercase().contains("qemu"))
}

/// The declarations in force.
#[derive(Debug, Default)]
pub struct Namespaces<'i> {
    /// For each prefix (none is the empty one) its meanings, outermost first.
    meanings: BTreeMap<&'i str, Vec<Ns>>,
    /// What was declared where, innermost last.
    declared: Vec<(usize, &'i str)>,
}

impl<'i> Namespaces<'i> {
    /// An element at `depth` begins: what others at this depth and below have declared is over.
    pub fn close(&mut self, depth: usize) {
        while let Some((at, prefix)) = self.declared.pop() {
            if at < depth {
                self.declared.push((at, prefix));
                return;
            }
            if let Some(meanings) = self.meanings.get_mut(prefix) {
                meanings.pop();
            }
        }
    }

    /// `xmlns:PREFIX='URI'` on the element at `depth`.
    pub fn declare(&mut self, depth: usize, prefix: &'i str, uri: &str) {
        let ns = match uri {
            // Only the default can be taken back (Namespaces in XML 1.0, 6.2).
            "" if prefix.is_empty() => Ns::None,
            QEMU_NAMESPACE => Ns::Qemu,
            POLICY_NAMESPACE => Ns::Policy,
            uri if is_a_drivers(uri) => Ns::Driver,
            _ => Ns::Other,
        };
        self.meanings.entry(prefix).or_default().push(ns);
        self.declared.push((depth, prefix));
    }

    /// The namespace of an element with this prefix.
    pub fn resolve(&self, prefix: &str) -> Ns {
        match self
            .meanings
            .get(prefix)
            .and_then(|meanings| meanings.last())
        {
            Some(ns) => *ns,
            None if prefix.is_empty() => Ns::None,
            None => Ns::Other,
        }
    }

    /// The name of an attribute without its prefix; none of a declaration. A prefix that nothing
    /// declares is a part of the name (libxml2's xmlSAX2StartElementNs).
    pub fn local_attribute<'n>(&self, written: &'n str) -> Option<&'n str> {
        match written.split_once(':') {
            Some(("xmlns", _)) => None,
            None if written == "xmlns" => None,
            Some((prefix, local)) if prefix == "xml" || self.is_declared(prefix) => Some(local),
            _ => Some(written),
        }
    }

    fn is_declared(&self, prefix: &str) -> bool {
        let meanings = self.meanings.get(prefix);
        meanings.is_some_and(|meanings| !meanings.is_empty())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_innermost_counts_and_ends_with_its_element() {
        let mut namespaces = Namespaces::default();
        assert_eq!(namespaces.resolve(""), Ns::None);
        assert_eq!(namespaces.resolve("qemu"), Ns::Other);
        namespaces.declare(1, "qemu", QEMU_NAMESPACE);
        namespaces.close(2);
        namespaces.declare(2, "qemu", "urn:other");
        namespaces.declare(2, "", POLICY_NAMESPACE);
        namespaces.close(3);
        assert_eq!(namespaces.resolve("qemu"), Ns::Other);
        assert_eq!(namespaces.resolve(""), Ns::Policy);
        // Its neighbour.
        namespaces.close(2);
        assert_eq!(namespaces.resolve("qemu"), Ns::Qemu);
        assert_eq!(namespaces.resolve(""), Ns::None);
    }
}
