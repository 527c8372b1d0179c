//! Elements in which somebody wrote something for QEMU, and that libvirt does not look at. It takes
//! `./qemu:commandline/qemu:arg`, `./qemu:override/qemu:device` and the like, by namespace, and
//! drops everything else without a word (facts L6).
//!
//! Only a file can have any: what libvirt writes for its hooks is what it has taken.

use crate::domain::xml::{Element, Ns, Origin, Xml, XmlError};
use crate::text::{Span, nearest};

/// Elements with something for QEMU that libvirt drops: those that are beside each other for the
/// same reason are one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lost {
    /// The start tag of the first.
    pub span: Span,
    /// How many more there are beside it.
    pub more: usize,
    /// Why libvirt drops them.
    pub why: LostReason,
}

/// Why an element is dropped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LostReason {
    /// In no namespace, or in one that is not QEMU's.
    Namespace,
    /// Not directly below `<domain>`.
    Place,
    /// An argument or variable that is in no `<qemu:commandline>`.
    Bare,
    /// In QEMU's namespace libvirt knows none of this name; it may be meant to be this one.
    Name(&'static str),
}

/// What an element is to those in it.
#[derive(Debug, Clone, Copy)]
enum Parent {
    Domain,
    Commandline,
    /// Another of QEMU's blocks.
    Block,
    /// One of libvirt's own.
    Other,
}

/// What becomes of an element.
enum Fate {
    /// Those in it are looked at.
    Enter(Parent),
    /// It is libvirt's business, or nobody's here.
    Pass,
    Lost(LostReason),
}

/// What libvirt takes below `<domain>` (`qemuDomainDefNamespaceParse`), `deprecation` since 6.10,
/// `override` since 8.2.
const BLOCKS: [&str; 4] = ["commandline", "capabilities", "deprecation", "override"];

/// What libvirt drops of a domain, in the order of the text; of one that cannot be read to its
/// end, up to there.
pub fn find(text: &str) -> Vec<Lost> {
    let mut found = Vec::new();
    // The reader of the domain says what is wrong with the XML.
    let _ = walk(&mut Xml::new(text, Origin::File), &mut found);
    found
}

fn walk(xml: &mut Xml, found: &mut Vec<Lost>) -> Result<(), XmlError> {
    let root = xml.root()?;
    // Those that the next element can be in, outermost first, with their places.
    let mut parents = vec![(Parent::Domain, root.tag.start)];
    let mut place_of_last = None;
    while let Some((depth, element)) = xml.next_at_any_depth()? {
        parents.truncate(depth - 1);
        let Some((parent, place)) = parents.last().copied() else {
            break;
        };
        match fate(parent, &element) {
            Fate::Enter(parent) => parents.push((parent, element.tag.start)),
            Fate::Pass => xml.pass_over()?,
            Fate::Lost(why) => {
                match found.last_mut() {
                    Some(last) if place_of_last == Some(place) && last.why == why => last.more += 1,
                    _ => found.push(Lost {
                        span: element.tag,
                        more: 0,
                        why,
                    }),
                }
                place_of_last = Some(place);
                xml.pass_over()?;
            }
        }
    }
    Ok(())
}

fn fate(parent: Parent, element: &Element) -> Fate {
    match (parent, element.ns, element.name) {
        // Text, and what others keep here.
        (Parent::Domain, Ns::None, "metadata" | "description" | "title") => Fate::Pass,
        (Parent::Domain, Ns::Qemu, "commandline") => Fate::Enter(Parent::Commandline),
        (Parent::Domain, Ns::Qemu, name) if BLOCKS.contains(&name) => Fate::Enter(Parent::Block),
        (Parent::Domain, Ns::Qemu | Ns::None, "arg" | "env") => Fate::Lost(LostReason::Bare),
        (Parent::Domain, Ns::Qemu, name) => match nearest(name, BLOCKS) {
            Some(near) => Fate::Lost(LostReason::Name(near)),
            // One of a later libvirt, maybe.
            None => Fate::Pass,
        },
        (Parent::Commandline, Ns::Qemu, "arg" | "env") => Fate::Pass,
        (Parent::Commandline | Parent::Block, Ns::Qemu, "commandline" | "arg" | "env") => {
            Fate::Lost(LostReason::Place)
        }
        (Parent::Commandline, Ns::Qemu, name) => {
            let near = nearest(name, ["arg", "env"]);
            Fate::Lost(LostReason::Name(near.unwrap_or("arg")))
        }
        (Parent::Block, Ns::Qemu, _) => Fate::Enter(Parent::Block),
        (Parent::Commandline, _, "arg" | "env") | (_, Ns::None | Ns::Other, "commandline") => {
            Fate::Lost(LostReason::Namespace)
        }
        (Parent::Other, Ns::Qemu, _) => Fate::Lost(LostReason::Place),
        (_, Ns::None, _) => Fate::Enter(Parent::Other),
        _ => Fate::Pass,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_beside_each_other_is_one() {
        let text = "<domain xmlns:q='http://libvirt.org/schemas/domain/qemu/1.0'>\
                    <q:arg value='a'/><os><q:arg value='b'/><q:arg value='c'/></os><q:arg value='d'/>\
                    <q:commandline><arg value='e'/><q:arg value='f'/><arg value='g'/></q:commandline>\
                    </domain>";
        let found = find(text);
        let found: Vec<_> = found.iter().map(|lost| (lost.why, lost.more)).collect();
        assert_eq!(
            found,
            [
                (LostReason::Bare, 0),
                (LostReason::Place, 1),
                (LostReason::Bare, 0),
                (LostReason::Namespace, 1),
            ]
        );
    }

    #[test]
    fn deep_elements_take_no_stack() {
        let text = format!(
            "<domain>{}<commandline/>{}</domain>",
            "<a>".repeat(100_000),
            "</a>".repeat(100_000)
        );
        assert_eq!(find(&text).len(), 1);
    }
}
