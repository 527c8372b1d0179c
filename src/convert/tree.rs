//! The elements of the document with their places, as deep as `convert` looks: of what goes away
//! nothing may be dropped unseen, and what is added must stand where its like stand.
//!
//! [`crate::domain`] reads what a domain means, and is in the way of every start of a guest; this
//! is read by `convert` alone.

use crate::domain::xml::{Element, Ns, Origin, QEMU_NAMESPACE, Xml, XmlError};
use crate::text::Span;

/// `<domain>`, `<devices>`, `<filesystem>`, `<address>`, and what must not be in that.
const LEVELS: usize = 4;

/// An element; text and comments between elements are not kept.
#[derive(Debug)]
pub struct XmlNode {
    /// What its prefix stands for where it is written.
    pub ns: Ns,
    /// Its name without prefix.
    pub name: String,
    /// Its start tag.
    pub tag: Span,
    /// All of it.
    pub span: Span,
    /// Attributes: name, value, where the value stands.
    pub attributes: Vec<(String, String, Span)>,
    /// The elements in it.
    pub children: Vec<XmlNode>,
}

/// Reads the elements of `text`.
///
/// # Errors
/// When it is not well-formed XML.
pub fn read(text: &str) -> Result<XmlNode, XmlError> {
    let mut xml = Xml::new(text, Origin::File);
    let root = xml.root()?;
    node(&mut xml, &root, LEVELS)
}

/// Reads the element just opened to its end, and, `levels` deep, those in it.
fn node<'i>(xml: &mut Xml<'i>, element: &Element<'i>, levels: usize) -> Result<XmlNode, XmlError> {
    let mut children: Vec<XmlNode> = Vec::new();
    xml.children(|xml, child| {
        if levels > 0 {
            children.push(node(xml, child, levels - 1)?);
        }
        Ok(())
    })?;
    let end = xml.position();
    let attributes = xml.attributes(element)?;
    Ok(XmlNode {
        ns: element.ns,
        name: element.name.to_owned(),
        tag: element.tag,
        span: Span::new(element.tag.start, end),
        attributes: attributes
            .iter()
            .map(|a| (a.name.to_owned(), a.value.clone().into_owned(), a.span))
            .collect(),
        children,
    })
}

impl XmlNode {
    /// Whether it is libvirt's own element `name`.
    pub fn is(&self, name: &str) -> bool {
        self.ns == Ns::None && self.name == name
    }

    /// Whether it is the element `name` of QEMU's namespace.
    pub fn is_qemu(&self, name: &str) -> bool {
        self.ns == Ns::Qemu && self.name == name
    }

    /// The value of an attribute.
    pub fn value(&self, name: &str) -> Option<&str> {
        self.attribute(name).map(|(value, _)| value)
    }

    /// The value of an attribute and where it stands.
    pub fn attribute(&self, name: &str) -> Option<(&str, Span)> {
        let found = self.attributes.iter().find(|(key, _, _)| key == name);
        found.map(|(_, value, span)| (value.as_str(), *span))
    }

    /// libvirt's own elements of this name in it.
    pub fn all<'n>(&'n self, name: &'n str) -> impl DoubleEndedIterator<Item = &'n XmlNode> {
        self.children.iter().filter(move |child| child.is(name))
    }

    /// Whether it is written `<…/>`.
    pub fn is_empty_element(&self) -> bool {
        self.tag == self.span
    }

    /// Where its end tag begins; its end where there is none.
    pub fn end_tag(&self, text: &str) -> usize {
        let inside = self.span.of(text);
        match inside.rfind("</").filter(|_| !self.is_empty_element()) {
            Some(at) => self.span.start + at,
            None => self.span.end,
        }
    }

    /// Its name as written, with prefix.
    pub fn written<'t>(&self, text: &'t str) -> &'t str {
        let tag = self.tag.of(text).trim_start_matches('<');
        let end = tag.find(|c: char| c.is_whitespace() || matches!(c, '/' | '>'));
        tag.get(..end.unwrap_or(tag.len())).unwrap_or("")
    }

    /// The URI that this element's own tag declares for a prefix.
    pub fn declared(&self, prefix: &str) -> Option<&str> {
        self.value(&format!("xmlns:{prefix}"))
    }

    /// A prefix that this element's own tag declares for QEMU's namespace.
    pub fn qemu_prefix(&self) -> Option<&str> {
        let mut declared = self.attributes.iter().filter_map(|(name, uri, _)| {
            let prefix = name.strip_prefix("xmlns:")?;
            (uri == QEMU_NAMESPACE).then_some(prefix)
        });
        declared.next()
    }
}

/// The elements that hold raw arguments, in the order of `Domain::args`.
pub fn args(domain: &XmlNode) -> Vec<&XmlNode> {
    let blocks = blocks(domain);
    blocks
        .flat_map(|block| &block.children)
        .filter(|arg| arg.is_qemu("arg") && arg.value("value").is_some())
        .collect()
}

/// Every `<commandline>` that libvirt reads.
pub fn blocks(domain: &XmlNode) -> impl DoubleEndedIterator<Item = &XmlNode> {
    let children = domain.children.iter();
    children.filter(|child| child.is_qemu("commandline"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn knows_where_everything_stands() {
        let text = "<?xml version='1.0'?><domain xmlns:q='http://libvirt.org/schemas/domain/qemu/1.0'>\
            <devices ><filesystem><a/><b><c x='&lt;'><d><e/></d></c></b></filesystem ></devices >\
            <q:commandline ><q:arg value='1'/><q:env/><q:arg/><q:arg value='2'></q:arg></q:commandline>\
            <q:commandline/></domain>";
        let domain = read(text).unwrap();
        assert!(domain.span.of(text).ends_with("</domain>"));
        assert_eq!(domain.qemu_prefix(), Some("q"));
        let devices = domain.all("devices").next().unwrap();
        assert_eq!(
            &text[devices.end_tag(text)..devices.span.end],
            "</devices >"
        );
        let share = devices.all("filesystem").next().unwrap();
        assert!(share.span.of(text).ends_with("</filesystem >"));
        let c = &share.children[1].children[0];
        assert_eq!(
            c.attribute("x").map(|(value, at)| (value, at.of(text))),
            Some(("<", "&lt;"))
        );
        let words: Vec<_> = args(&domain).iter().map(|arg| arg.span.of(text)).collect();
        assert_eq!(words, ["<q:arg value='1'/>", "<q:arg value='2'></q:arg>"]);
        let blocks: Vec<_> = blocks(&domain).collect();
        assert_eq!(blocks[0].written(text), "q:commandline");
        assert!(blocks[1].is_empty_element());
        assert_eq!(blocks[1].end_tag(text), blocks[1].span.end);
    }
}
