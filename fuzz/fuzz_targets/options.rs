//! Any words as QEMU's command line, one a line: no panic, every place within its word; and option
//! strings by themselves: what is read is what was written, and an escaped value comes back whole.
#![no_main]

use libfuzzer_sys::fuzz_target;
use virt_9p::domain::{Arg, Domain, Place};
use virt_9p::lint;
use virt_9p::qemu::command_line::CommandLine;
use virt_9p::qemu::index::Index;
use virt_9p::qemu::option_string::{self, Form};
use virt_9p::qemu::shares::shares;
use virt_9p::text::Span;
use virt_9p::assumptions::Assumptions;

fuzz_target!(|text: &str| {
    let read = option_string::parse(text, "implied", 0);
    for opt in &read {
        let key = text.get(opt.key_range.clone()).expect("a place in the text");
        let value = text.get(opt.value_range.clone()).expect("a place in the text");
        match opt.form {
            Form::Pair => {
                assert_eq!(key, opt.key);
                assert_eq!(value.replace(",,", ","), opt.value);
            }
            Form::Implied => assert_eq!(value.replace(",,", ","), opt.value),
            Form::Flag => assert_eq!(key.strip_prefix("no").unwrap_or(key), opt.key),
        }
    }
    let back = option_string::parse(&format!("a=1,key={}", option_string::escape(text)), "implied", 0);
    assert_eq!((back.len(), back[1].value.as_str()), (2, text));

    let word = |value: &str| Arg::new(value.to_owned(), Span::default(), false);
    let domain = Domain {
        args: text.lines().map(word).collect(),
        ..Domain::default()
    };
    let line = CommandLine::read(&domain);
    let index = Index::new(&domain, &line);
    for share in shares(&index) {
        within(&domain, &share.place);
    }
    for finding in lint::run(&index, &Assumptions::default()) {
        within(&domain, &finding.place);
    }
});

fn within(domain: &Domain, place: &Place) {
    if let Place::Arg(index, range) = place {
        let value = &domain.args[*index].value;
        assert!(value.get(range.clone()).is_some(), "{range:?} of {value:?}");
    }
}
