//! Any text through `convert`, both ways: no panic, no result that is no domain XML, no edit that
//! cannot be carried out, and every byte outside the edits stays.
#![no_main]

use libfuzzer_sys::fuzz_target;
use virt_9p::convert::{Conversion, Converted, Direction, ConvertRequest, convert, tree};
use virt_9p::domain::Document;
use virt_9p::inspect::inspect;
use virt_9p::assumptions::{Assumptions, DeviceForm};

fuzz_target!(|text: &str| {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    for to in [Direction::CommandLine, Direction::Native] {
        let Some(converted) = converted(text, to) else { continue };
        kept(text, &converted);
        let result = Document::from(converted.text.clone());
        assert!(inspect(&result, None, Assumptions::default()).is_ok());
        let back = match to {
            Direction::CommandLine => Direction::Native,
            Direction::Native => Direction::CommandLine,
        };
        // What stays would stay again.
        if to == Direction::Native
            && let Some(again) = self::converted(&converted.text, to)
        {
            assert_eq!(again.text, converted.text);
        }
        if let Some(back) = self::converted(&converted.text, back) {
            kept(&converted.text, &back);
        }
    }
});

fn converted(text: &str, to: Direction) -> Option<Converted> {
    let assume = Assumptions::default();
    let found = inspect(&Document::from(text.to_owned()), None, assume).ok()?;
    let tree = tree::read(text).ok()?;
    let request = ConvertRequest {
        to,
        targets: std::collections::BTreeSet::new(),
        fmode: Some(0o644),
        dmode: Some(0o755),
        device: Some(DeviceForm::Text),
        keep_address: false,
    };
    let converted = convert(&Conversion {
        text,
        domain: &found.domain,
        line: &found.line,
        findings: &found.findings,
        tree: &tree,
        assume: &assume,
        request: &request,
    });
    match converted {
        Ok(converted) => Some(converted),
        Err(refusals) => {
            for refusal in refusals {
                assert!(!refusal.message.contains("defect"), "{refusal:?}");
            }
            None
        }
    }
}

/// Between the edits, the new text is the old one.
fn kept(old: &str, converted: &Converted) {
    let mut edits: Vec<_> = converted.edits.iter().collect();
    edits.sort_by_key(|edit| edit.range);
    let (mut at, mut rest) = (0, converted.text.as_str());
    for edit in edits {
        let same = old.get(at..edit.range.start).expect("edits in order");
        rest = rest.strip_prefix(same).expect("the same bytes");
        rest = rest.strip_prefix(edit.text.as_str()).expect("the edit");
        at = edit.range.end;
    }
    assert_eq!(old.get(at..), Some(rest));
}
