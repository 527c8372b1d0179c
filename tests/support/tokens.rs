//! What two readers of XML find in a text: ours, and quick-xml. A test and a fuzz target compare
//! them.

use quick_xml::escape::unescape;
use quick_xml::events::Event;
use quick_xml::{Reader, XmlVersion};
use virt_9p::domain::tokens::{Token, Tokens, attributes, lines, resolve, value};

/// Everything in `text`, a line each, as another reader has it; the last one is `error` where
/// it is not well-formed.
pub fn theirs(text: &str) -> Vec<String> {
    let mut reader = Reader::from_str(text);
    reader.config_mut().expand_empty_elements = true;
    let mut out = Vec::new();
    loop {
        let at = reader.buffer_position();
        let event = match reader.read_event() {
            Ok(event) => event,
            Err(_) => {
                out.push(format!("error at {}", reader.error_position()));
                return out;
            }
        };
        out.push(match event {
            // It does not mind; libxml2 does.
            Event::Start(start) if start.name().into_inner().is_empty() => {
                out.push(format!("error at {at}"));
                return out;
            }
            Event::Start(start) => {
                out.push(format!("start {}", start.name().into_inner()));
                for attribute in start.attributes().with_checks(false) {
                    let Ok(attribute) = attribute else {
                        out.push("attribute error".to_owned());
                        break;
                    };
                    let raw = &attribute.value;
                    out.push(format!(
                        "{} {raw} {:?} {:?}",
                        attribute.key.into_inner(),
                        unescape(raw).ok(),
                        attribute.normalized_value(XmlVersion::Implicit1_0).ok()
                    ));
                }
                continue;
            }
            Event::End(_) => "end".to_owned(),
            Event::Text(text) => format!("text {} {}", &*text, text.xml10_content()),
            Event::CData(data) => format!("cdata {}", &*data),
            Event::GeneralRef(reference) => {
                let known = quick_xml::escape::resolve_predefined_entity(&reference);
                let c = reference.resolve_char_ref().ok().flatten();
                format!(
                    "reference {} {:?}",
                    &*reference,
                    c.or_else(|| known?.chars().next())
                )
            }
            Event::Comment(_) | Event::PI(_) => "note".to_owned(),
            Event::Decl(_) | Event::DocType(_) => "head".to_owned(),
            Event::Eof => return out,
            Event::Empty(_) => "expanded".to_owned(),
        });
    }
}

/// The same of ours.
pub fn ours(text: &str) -> Vec<String> {
    let mut tokens = Tokens::new(text);
    let mut out = Vec::new();
    loop {
        let token = match tokens.next() {
            Ok(token) => token,
            Err(error) => {
                out.push(format!("error at {}", error.at));
                return out;
            }
        };
        out.push(match token {
            Token::Start(tag) => {
                out.push(format!("start {}", tag.name));
                for attribute in attributes(tag.rest) {
                    let Ok((name, raw)) = attribute else {
                        out.push("attribute error".to_owned());
                        break;
                    };
                    let (plain, blanks) = (value(raw, false), value(raw, true));
                    out.push(format!("{name} {raw} {:?} {:?}", plain.ok(), blanks.ok()));
                    if name.starts_with("xmlns") && !tag.may_declare {
                        out.push("may declare".to_owned());
                    }
                }
                continue;
            }
            Token::End => "end".to_owned(),
            Token::Text(text) => format!("text {text} {}", lines(text)),
            Token::CData(data) => format!("cdata {data}"),
            Token::Reference(reference) => {
                format!("reference {reference} {:?}", resolve(reference))
            }
            Token::Note => "note".to_owned(),
            Token::Head => "head".to_owned(),
            Token::Eof => return out,
        });
    }
}
