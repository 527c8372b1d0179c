//! What libvirt drops of what somebody wrote for QEMU, asked of the real libvirt: wherever the
//! argument stands, it reaches QEMU's command line, or `check` says that it is lost.
#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test may stop at the first surprise"
)]

use virt_9p::assumptions::Assumptions;
use virt_9p::domain::Document;
use virt_9p::inspect::inspect;
use virt_9p::lint::catalogue::Code;

#[path = "support/libvirtd.rs"]
#[allow(dead_code, reason = "each test uses its part")]
mod libvirtd;

use libvirtd::Libvirtd;

const WORD: &str = "the-word";

/// Where it can stand: what is before it and behind it within `<domain>`.
const PLACES: [(&str, &str); 9] = [
    ("", ""),
    ("<os><type arch='x86_64' machine='pc'>hvm</type>", "</os>"),
    ("<features>", "</features>"),
    ("<devices>", "</devices>"),
    (
        "<devices><controller type='pci' index='0' model='pci-root'>",
        "</controller></devices>",
    ),
    ("<qemu:commandline>", "</qemu:commandline>"),
    (
        "<cpu><topology sockets='1' cores='1' threads='1'>",
        "</topology></cpu>",
    ),
    (
        "<clock offset='utc'><timer name='hpet' present='no'>",
        "</timer></clock>",
    ),
    ("<qemu:capabilities>", "</qemu:capabilities>"),
];

/// How it can be written, and whether that is a mistake anywhere: what belongs to another driver
/// or to nobody is none.
const SPELLINGS: [(&str, bool); 13] = [
    (
        "<qemu:commandline><qemu:arg value='the-word'/></qemu:commandline>",
        true,
    ),
    ("<commandline><arg value='the-word'/></commandline>", true),
    (
        "<commandline xmlns=''><arg value='the-word'/></commandline>",
        true,
    ),
    (
        "<commandline xmlns='http://libvirt.org/schemas/domain/qemu/1.0'><arg value='the-word'/></commandline>",
        true,
    ),
    (
        "<q:commandline xmlns:q='http://libvirt.org/schemas/domain/qemu/1.0'><q:arg value='the-word'/></q:commandline>",
        true,
    ),
    (
        "<qemu:commandline xmlns:qemu='https://libvirt.org/schemas/domain/qemu/1.0'><qemu:arg value='the-word'/></qemu:commandline>",
        true,
    ),
    (
        "<qemu:commandline><arg value='the-word'/></qemu:commandline>",
        true,
    ),
    (
        "<qemu:comandline><qemu:arg value='the-word'/></qemu:comandline>",
        true,
    ),
    (
        "<qemu:commandline><qemu:args value='the-word'/></qemu:commandline>",
        true,
    ),
    ("<qemu:arg value='the-word'/>", true),
    (
        "<qemu:arg value='other'/><qemu:arg value='the-word'/>",
        true,
    ),
    (
        "<b:commandline xmlns:b='http://libvirt.org/schemas/domain/bhyve/1.0'><b:arg value='the-word'/></b:commandline>",
        false,
    ),
    ("<x:note xmlns:x='urn:x' value='the-word'/>", false),
];

#[test]
#[ignore = "needs libvirtd"]
fn what_does_not_reach_qemu_is_said_to_be_lost() {
    let libvirtd = Libvirtd::start();
    let (mut passed_on, mut lost, mut nobodys) = (0, 0, 0);
    for (before, behind) in PLACES {
        for (spelling, is_mistake) in SPELLINGS {
            let xml = domain(&format!("{before}{spelling}{behind}"));
            // In some places libvirt refuses what it does not know (`unexpected feature`).
            let words = libvirtd.argv("lost", &xml).unwrap_or_default();
            let reaches = words.split_whitespace().any(|word| word == WORD);
            match (reaches, is_lost(&xml)) {
                (true, false) => passed_on += 1,
                (false, true) if is_mistake => lost += 1,
                (false, false) if !is_mistake => nobodys += 1,
                (reaches, lost) => panic!("reaches QEMU: {reaches}, lost: {lost}\n{xml}"),
            }
        }
    }
    println!("{passed_on} reach QEMU, {lost} are lost, {nobodys} are nobody's");
    assert!(passed_on >= 4 && lost >= 60 && nobodys >= 10);
}

/// Attributes of a `<qemu:arg>`, and the word that libvirt reads, if it takes them at all.
const ATTRIBUTES: [(&str, Option<&str>); 8] = [
    ("value='one'", Some("one")),
    ("qemu:value='one'", Some("one")),
    ("qemu:value='one' value='other'", Some("one")),
    ("value='one' qemu:value='other'", Some("one")),
    ("xmlns:x='urn:x' x:value='one' value='other'", Some("one")),
    ("xml:value='one'", Some("one")),
    ("xmlns:value='urn:x' value='one'", Some("one")),
    ("xmlns:value='urn:x'", None),
];

#[test]
#[ignore = "needs libvirtd"]
fn a_value_is_the_first_of_its_name_whatever_its_prefix() {
    let libvirtd = Libvirtd::start();
    for (attributes, word) in ATTRIBUTES {
        let arg = format!("<qemu:commandline><qemu:arg {attributes}/></qemu:commandline>");
        let xml = domain(&arg);
        let words = libvirtd.argv("lost", &xml).ok();
        let words: Option<Vec<&str>> = words
            .as_deref()
            .map(|words| words.split_whitespace().collect());
        let last = words.and_then(|words| {
            words
                .into_iter()
                .rev()
                .find(|word| ["one", "other"].contains(word))
        });
        assert_eq!(last, word, "libvirt, of {attributes}");
        let document = Document::from(xml);
        let found = inspect(&document, None, Assumptions::default()).unwrap();
        let read = found.domain.args.first().map(|arg| arg.value.as_str());
        assert_eq!(read, word, "we, of {attributes}");
    }
}

fn domain(more: &str) -> String {
    let os = if more.starts_with("<os>") {
        ""
    } else {
        "<os><type arch='x86_64' machine='pc'>hvm</type></os>"
    };
    format!(
        "<domain type='qemu' xmlns:qemu='http://libvirt.org/schemas/domain/qemu/1.0'>\
         <name>lost</name><memory unit='MiB'>64</memory>{os}{more}</domain>"
    )
}

fn is_lost(xml: &str) -> bool {
    let document = Document::from(xml.to_owned());
    let inspection = inspect(&document, None, Assumptions::default()).unwrap();
    let mut findings = inspection.findings.iter();
    findings.any(|finding| finding.code == Code::ArgumentsLost)
}
