//! Any bytes as domain XML: no panic, every place lies within the text and between characters,
//! what is granted is nothing but our own kinds of rules, and all three reports can say it.
#![no_main]

use libfuzzer_sys::fuzz_target;
use virt_9p::domain::{Document, find_uuid};
use virt_9p::inspect::inspect;
use virt_9p::qemu::host_paths;
use virt_9p::report::{json, stderr, terminal};
use virt_9p::assumptions::Assumptions;

fuzz_target!(|content: &[u8]| {
    let document = Document::new(content.to_vec());
    let text = document.text();
    let lines = document.lines();
    let uuid = find_uuid(text);
    let found = match inspect(&document, None, Assumptions::default()) {
        Ok(found) => found,
        Err(fault) => {
            let related = fault.related.iter().map(|(span, _)| *span);
            for span in fault.span.into_iter().chain(related) {
                assert!(text.get(span.start..span.end).is_some(), "{fault:?}");
                let shown = terminal::fault("fuzz", &lines, &fault, span, false);
                assert!(shown.as_str().chars().all(|c| c == '\n' || !c.is_control()));
            }
            let line = json::unreadable("fuzz", Some(&document), &fault);
            serde_json::from_str::<serde_json::Value>(&line).expect("JSON");
            return;
        }
    };
    // The short way to the UUID and the long one name the same profile.
    if let (Some(short), Some(long)) = (&uuid, &found.domain.uuid) {
        assert_eq!(short, long);
    }
    for finding in &found.findings {
        let span = finding.place.span(&found.domain, text);
        assert!(text.get(span.start..span.end).is_some(), "{finding:?}");
        let shown = terminal::finding("fuzz", &found.domain, &lines, finding, false);
        assert!(shown.as_str().chars().all(|c| c == '\n' || !c.is_control()));
    }
    for path in host_paths::read(&found.domain, &found.line) {
        let span = path.place.span(&found.domain, text);
        assert!(text.get(span.start..span.end).is_some(), "{path:?}");
    }
    let line = json::line("fuzz", &found.domain, &lines, &found.findings, found.counts);
    serde_json::from_str::<serde_json::Value>(&line.to_string()).expect("JSON");
    let refusal = stderr::refusal(&found.domain, &found.findings, found.counts);
    assert!(refusal.as_str().chars().all(|c| c == '\n' || !c.is_control()));
    for rule in found.grants.render().unwrap_or_default().lines() {
        let path = rule.strip_prefix("  \"/").expect("a path in quotes");
        let shares = ["/**\" rwl,", "/**\" r,", "**\" rwl,", "**\" r,", "/\" r,"];
        let files = ["\" r,", "\" w,", "\" rw,", "\" rk,", "\" wk,", "\" rwk,"];
        let path = shares
            .iter()
            .chain(&files)
            .find_map(|end| path.strip_suffix(end))
            .expect("one of our rules");
        assert!(
            path.bytes()
                .all(|b| b.is_ascii_alphanumeric() || b"_./-\\".contains(&b)),
            "{rule}"
        );
        assert!(!path.contains("\\000"), "{rule}");
    }
});
