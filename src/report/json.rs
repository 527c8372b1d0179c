//! Findings as one JSON object a file, on one line; the form is a contract (schema 1).

use serde_json::{Value, json};

use crate::inspect::Inspection;
use crate::text::Lines;

/// The line for one file, without its line end.
pub fn line(file: &str, lines: &Lines, found: &Inspection) -> String {
    let domain = &found.domain;
    let list: Vec<Value> = found
        .findings
        .iter()
        .map(|finding| {
            let (line, column) = lines.position(finding.place.span(domain, lines.text()).start);
            json!({
                "code": finding.code.word(),
                "level": finding.level.word(),
                "line": line,
                "column": column,
                "message": finding.message,
                "help": finding.help,
            })
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
        "errors": found.counts.errors,
        "warnings": found.counts.warnings,
    })
    .to_string()
}
