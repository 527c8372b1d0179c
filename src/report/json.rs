//! Findings as one JSON object a file, on one line; the form is a contract (schema 1).

use serde_json::{Map, Value, json};

use crate::domain::{Document, Domain, Fault, Place};
use crate::lint::finding::{Counts, Finding};
use crate::text::Lines;

/// The line for one file, without its line end.
pub fn line(
    file: &str,
    domain: &Domain,
    lines: &Lines,
    findings: &[Finding],
    counts: Counts,
) -> String {
    let list: Vec<Value> = findings
        .iter()
        .map(|finding| {
            let place = |place: &Place| lines.position(place.span(domain, lines.text()).start);
            let (line, column) = place(&finding.place);
            let mut one = json!({
                "code": finding.code.word(),
                "level": finding.level.word(),
                "line": line,
                "column": column,
                "message": finding.said(),
                "help": finding.help,
            });
            let related: Vec<Value> = finding
                .related
                .iter()
                .map(|other| {
                    let (line, column) = place(&other.place);
                    json!({"line": line, "column": column, "message": other.message})
                })
                .collect();
            if !related.is_empty() {
                set(&mut one, "related", related.into());
            }
            if let [edit] = finding.fix.as_slice() {
                let (span, text) = edit.in_document(domain, lines.text());
                let (line, column) = lines.position(span.start);
                let (end_line, end_column) = lines.position(span.end);
                let edit = json!({
                    "line": line,
                    "column": column,
                    "end_line": end_line,
                    "end_column": end_column,
                    "text": text,
                });
                set(&mut one, "replacement", edit);
            }
            one
        })
        .collect();
    json!({
        "schema": 1,
        "file": file,
        "domain": {
            "name": domain.name,
            "uuid": domain.uuid.as_ref().map(|uuid| uuid.as_str()),
        },
        "findings": list,
        "errors": counts.errors,
        "warnings": counts.warnings,
    })
    .to_string()
}

fn set(object: &mut Value, key: &str, value: Value) {
    if let Some(object) = object.as_object_mut() {
        object.insert(key.to_owned(), value);
    }
}

/// The line for a file that is no domain XML, or cannot be read; `document` is what was read of it.
pub fn unreadable(file: &str, document: Option<&Document>, fault: &Fault) -> String {
    let mut what = Map::new();
    if let (Some(document), Some(span)) = (document, fault.span) {
        let lines = document.lines();
        let (line, column) = lines.position(span.start);
        what.insert("line".to_owned(), line.into());
        what.insert("column".to_owned(), column.into());
        if let Some((span, message)) = &fault.related {
            let (line, column) = lines.position(span.start);
            let related = json!([{"line": line, "column": column, "message": message}]);
            what.insert("related".to_owned(), related);
        }
    }
    what.insert("message".to_owned(), fault.message.as_str().into());
    what.insert("help".to_owned(), fault.help.as_deref().into());
    json!({"schema": 1, "file": file, "unreadable": what}).to_string()
}
