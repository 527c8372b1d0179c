//! Findings as one JSON object a file, on one line; the form is a contract (schema 1).

use serde_json::{Value, json};

use crate::domain::Domain;
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
        "errors": counts.errors,
        "warnings": counts.warnings,
    })
    .to_string()
}
