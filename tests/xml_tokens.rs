//! Our reader of XML finds what another one finds.
#![allow(
    missing_docs,
    clippy::unwrap_used,
    reason = "a test may stop at the first surprise"
)]

#[path = "support/tokens.rs"]
mod tokens;

use tokens::{ours, theirs};

#[test]
fn reads_as_another_reader_does() {
    for text in [
        "",
        "<",
        "<a",
        "<a b='>'/>",
        "<a b='>",
        "<a b=\"'\">",
        "<a b=\"'",
        "<?xml version='1.0'?><!-- c -- c --><?p?><!DOCTYPE d [<!ENTITY e '>]'>]><a>x&amp;y</a>",
        "<a>&#65;&#x41;&#0;&#xd800;&#+65;&#;&b;&lt;&gt;&apos;&quot;</a>",
        "<a>&amp</a>",
        "<a b='x&amp;&#10;y\tz\r\nw\n\r' c = \"1\"d='2'/>",
        "<a b='&x'/><a b='&x;'/><a b='&x&y;'/>",
        "<a b/><a b=c/><a b= /><a =''/><a ''/>",
        "<a><b></a></b>",
        "<a></a >",
        "<a></ a>",
        "</a>",
        "<a\n\tb='1'\n/><![CDATA[<>&]]]><!----><!--->",
        "<![cdata[]]>",
        "<!x>",
        "<?>?>",
        "<??><?xml?><?xmlx?>",
        "<!doctype  x 'a>' \"b[\" >",
        "<!DOCTYPE >",
        "<!DOCTYPE a [ <?p ]?> <!-- ] --> <!ELEMENT x> <!ATTLIST '>' > <!x ']'> ] >",
        "a\r\nb\rc<é ü='ö'>\u{85}</é>",
    ] {
        assert_eq!(ours(text), theirs(text), "{text}");
    }
}

#[test]
fn reads_as_another_reader_does_whatever_is_in_it() {
    const PIECES: &[&str] = &[
        "<",
        ">",
        "/",
        "'",
        "\"",
        "=",
        " ",
        "&",
        ";",
        "#",
        "x",
        "41",
        "!",
        "-",
        "--",
        "?",
        "[",
        "]",
        "]]>",
        "<a",
        "</a>",
        "<b>",
        "</b>",
        "amp",
        "xml",
        "<![CDATA[",
        "<!--",
        "-->",
        "<!DOCTYPE",
        "<!ENTITY",
        "\r",
        "\n",
        "\t",
        "é",
        "a='",
        "<?",
        "?>",
        "lt;",
        " b=\"",
        " xmlns='",
        "xmlns:q=\"",
    ];
    let mut random = fastrand::Rng::with_seed(11);
    for _ in 0..20_000 {
        let length = random.usize(1..24);
        let text: String = (0..length)
            .map(|_| *random.choice(PIECES).unwrap())
            .collect();
        assert_eq!(ours(&text), theirs(&text), "{text}");
    }
}
