//! The text of a domain as it came in: how much of it is taken, in which encoding, where it goes
//! wrong. The hook, the command line and the doctor read XML by this and by nothing else.

use crate::domain::tokens::XmlError;
use crate::domain::wellformed::{Fault, fault};
use crate::domain::{Domain, Origin, read};
use crate::text::Lines;

/// More XML than this is refused; libvirt's own virt-aa-helper stops there too (MAX_FILE_LEN).
pub const MOST_XML: usize = 10 << 20;

const MARK: &str = "\u{feff}";

/// A text that should be a domain's XML.
#[derive(Debug, Clone)]
pub struct Document {
    text: String,
    /// Why it is none, where that shows without reading it as XML.
    fault: Option<Box<Fault>>,
}

impl Document {
    /// From its bytes. More than [`MOST_XML`] of them, and others than UTF-8, are a fault that
    /// [`Document::domain`] tells.
    pub fn new(content: Vec<u8>) -> Self {
        if content.len() > MOST_XML {
            let message = format!("more than {} MiB, which is no domain XML", MOST_XML >> 20);
            return Document {
                text: String::new(),
                fault: Some(Fault::new(&message, "")),
            };
        }
        match String::from_utf8(content) {
            Ok(text) => Document { text, fault: None },
            Err(error) => {
                let at = error.utf8_error().valid_up_to();
                Document {
                    fault: Some(not_utf8(error.as_bytes(), at)),
                    // The same up to there, so places are the same.
                    text: String::from_utf8_lossy(error.as_bytes()).into_owned(),
                }
            }
        }
    }

    /// Its text without a byte order mark. Places count from there, as editors count.
    pub fn text(&self) -> &str {
        self.text.strip_prefix(MARK).unwrap_or(&self.text)
    }

    /// Its text with the byte order mark that it may have.
    pub fn whole(&self) -> &str {
        &self.text
    }

    /// Another text in its place, with the same byte order mark or none.
    pub fn replaced(&self, text: &str) -> String {
        let mark = self.text.len() - self.text().len();
        format!("{}{text}", self.text.get(..mark).unwrap_or(""))
    }

    /// Lines and columns in [`Document::text`].
    pub fn lines(&self) -> Lines<'_> {
        Lines::new(self.text())
    }

    /// The domain in it, which `origin` wrote. What libvirt writes is well-formed; a file may be
    /// anything, so every byte of one is looked at.
    ///
    /// # Errors
    /// When it is no domain XML.
    pub fn domain(&self, origin: Origin) -> Result<Domain, Box<Fault>> {
        if let Some(fault) = &self.fault {
            return Err(fault.clone());
        }
        let text = self.text();
        if origin == Origin::File
            && let Some(fault) = fault(text)
        {
            return Err(fault);
        }
        read(text, origin).map_err(|error| self.fault(&error))
    }

    /// Where it goes wrong, and why: what the strict reader says, or else the quick one.
    pub fn fault(&self, error: &XmlError) -> Box<Fault> {
        fault(self.text()).unwrap_or_else(|| {
            let rest = self.text().get(error.at..).unwrap_or("");
            // A tag that has something wrong with it is marked up to the end of its name.
            let ends = |c: char| c.is_whitespace() || matches!(c, '>' | '/');
            let length = rest.find(ends).filter(|_| rest.starts_with('<'));
            let length = length
                .or_else(|| rest.chars().next().map(char::len_utf8))
                .unwrap_or(0);
            Fault::new(&error.message, "").at(error.at, error.at + length)
        })
    }

    /// What is wrong, and where, in one line.
    pub fn tell(&self, fault: &Fault) -> String {
        match fault.span {
            Some(span) => {
                let (line, column) = self.lines().position(span.start);
                format!("line {line}, column {column}: {}", fault.message)
            }
            None => fault.message.clone(),
        }
    }
}

impl From<String> for Document {
    fn from(text: String) -> Self {
        Document::new(text.into_bytes())
    }
}

/// `content`, which is UTF-8 up to byte `at`.
fn not_utf8(content: &[u8], at: usize) -> Box<Fault> {
    let mark = if content.starts_with(MARK.as_bytes()) {
        MARK.len()
    } else {
        0
    };
    let byte = content.get(at).copied().unwrap_or_default();
    let is_utf16 = matches!(content, [0xff, 0xfe, ..] | [0xfe, 0xff, ..]);
    let fault = if is_utf16 {
        let help = "iconv -f UTF-16 -t UTF-8 FILE, and change the encoding that it declares";
        Fault::new("it is UTF-16, and only UTF-8 is read", help)
    } else {
        let help = "save the file as UTF-8: it may be in an older encoding, such as Latin-1";
        Fault::new(&format!("byte 0x{byte:02X} is not UTF-8"), help)
    };
    fault.at(at - mark, at - mark + '\u{fffd}'.len_utf8())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_byte_order_mark_counts_for_nothing_and_stays() {
        let document = Document::from("\u{feff}<domain/>".to_owned());
        assert_eq!(document.text(), "<domain/>");
        assert_eq!(document.replaced("x"), "\u{feff}x");
        assert!(document.domain(Origin::File).is_ok());
        let document = Document::new(b"\xef\xbb\xbf<domain>\n \xff</domain>".to_vec());
        let fault = document.domain(Origin::File).unwrap_err();
        let span = fault.span.unwrap();
        assert_eq!(span.of(document.text()), "\u{fffd}");
        assert_eq!(document.lines().position(span.start), (2, 2));
        assert_eq!(fault.message, "byte 0xFF is not UTF-8");
    }

    /// A file may be cut off anywhere, and go on with anything.
    #[test]
    fn a_fault_is_marked_between_characters() {
        let whole = "<?xml version='1.0'?><!DOCTYPE d SYSTEM 'd\u{e9}'><domain a=\u{2018}x\u{2019} \
                     b='1' \u{e9}=c d = \"\u{feff}\"><!-- \u{e9} --><a>&\u{e9};&#x41;\u{e9}</a \u{e9}>\
                     <![CDATA[\u{e9}]]></domain>\u{e9}";
        let parts = (0..=whole.len()).flat_map(|start| [(start, whole.len()), (0, start)]);
        for (start, end) in parts {
            let Some(part) = whole.get(start..end) else {
                continue;
            };
            for text in [
                part.to_owned(),
                format!("<a {part}"),
                format!("{part}\u{e9}"),
            ] {
                let document = Document::from(text);
                let Err(fault) = document.domain(Origin::File) else {
                    continue;
                };
                let related = fault.related.iter().map(|(span, _)| *span);
                for span in fault.span.into_iter().chain(related) {
                    let marked = document.text().get(span.start..span.end);
                    assert!(marked.is_some(), "{fault:?} in {:?}", document.text());
                }
            }
        }
        // What the quick reader alone refuses, too.
        let document = Document::from("<!DOCTYPE d []><domain>\u{e9}".to_owned());
        let error = XmlError {
            at: document.text().len() - 2,
            message: String::new(),
        };
        let span = document.fault(&error).span.unwrap();
        assert_eq!(span.of(document.text()), "\u{e9}");
    }

    #[test]
    fn no_more_is_read_than_libvirt_reads() {
        let domain = "<domain>".to_owned() + &" ".repeat(MOST_XML - "<domain></domain>".len());
        let most = domain + "</domain>";
        assert!(Document::from(most.clone()).domain(Origin::File).is_ok());
        let fault = Document::from(most + " ").domain(Origin::File).unwrap_err();
        assert!(fault.message.starts_with("more than 10 MiB"), "{fault:?}");
    }
}
