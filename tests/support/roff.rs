//! virt-9p(7), made of the catalogue of findings.

use virt_9p::lint::catalogue::Code;

const HEAD: &str = r#".\" Made from the catalogue of findings: change it there, then run the test
.\" "manual" with VIRT9P_BLESS=1.
.TH VIRT\-9P 7 2026-11-25 virt\-9p "Findings of virt\-9p"
.SH NAME
virt\-9p \- what virt\-9p finds in raw 9p shares of QEMU guests
.SH DESCRIPTION
Each finding of
.BR virt\-9p (8)
has a code, in brackets behind its level, as in
.BR error[mode\-not\-octal] .
The code does not change from version to version; the words around it may.
.B virt\-9p explain
.I CODE
shows the text below.
.PP
In the examples a line that begins with a dash is an option and its argument,
which are two
.RB < qemu:arg >
elements in the domain's XML, and lines of XML are the devices they go with.
What is usual is left out.
.B {2..31}
stands for the element once with each number, and
.B [9 letters]
for a word of that length.
.SH FINDINGS
"#;

const TAIL: &str = r#".SH SEE ALSO
.BR virt\-9p (8),
.BR virsh (1),
.BR qemu\-system\-x86_64 (1),
.BR apparmor (7)
"#;

/// The page.
pub fn findings() -> String {
    let mut out = HEAD.to_owned();
    for code in Code::ALL {
        let entry = code.entry();
        out.push_str(&format!(".SS {}\n", escaped(code.word())));
        let summary = entry.summary;
        out.push_str(&format!(".I {}\n.PP\n", quoted(&(capital(summary) + "."))));
        out.push_str(&filled(entry.meaning));
        out.push_str(&filled(entry.fix));
        out.push_str(&format!("Example:\n{}", literal(entry.example.text)));
        if !entry.example.options.is_empty() {
            out.push_str(&format!(
                "Found by\n.BR {} .\n.PP\n",
                quoted(&escaped(&format!(
                    "virt-9p check {}",
                    entry.example.options
                )))
            ));
        }
        if let Some(fixed) = entry.example.fixed_part() {
            out.push_str(&format!("Instead:\n{}", literal(fixed)));
        }
        if let Some(since) = entry.since {
            out.push_str(&filled(&format!("Versions: {since}.")));
        }
        // A paragraph before the next heading is one too many.
        if let Some(rest) = out.strip_suffix(".PP\n") {
            out.truncate(rest.len());
        }
    }
    out.push_str(TAIL);
    out
}

/// A keyword of QEMU's is written as it is.
fn capital(text: &str) -> String {
    if ["fmode", "dmode", "security_model"]
        .iter()
        .any(|word| text.starts_with(word))
    {
        return text.to_owned();
    }
    let mut letters = text.chars();
    letters.next().map_or(String::new(), |first| {
        first.to_uppercase().collect::<String>() + letters.as_str()
    })
}

/// One argument of a macro.
fn quoted(text: &str) -> String {
    format!("\"{}\"", text.replace('"', "\\(dq"))
}

/// A paragraph, a line for about every 80 columns, and a new one begun.
fn filled(text: &str) -> String {
    let mut out = String::new();
    let mut width = 0;
    for word in text.split(' ') {
        if width + word.len() > 78 {
            out.push('\n');
            width = 0;
        } else if width > 0 {
            out.push(' ');
        }
        // At the start of a line these would be a request.
        if width == 0 && word.starts_with(['.', '\'']) {
            out.push_str("\\&");
        }
        out.push_str(&escaped(word));
        width += word.len() + 1;
    }
    out + "\n.PP\n"
}

/// Lines as they are.
fn literal(text: &str) -> String {
    let lines: String = text
        .lines()
        .map(|line| format!("    {}\n", escaped(line)))
        .collect();
    format!(".PP\n.EX\n{lines}.EE\n.PP\n")
}

/// For copying: the letters themselves, not what typesetters make of them.
fn escaped(text: &str) -> String {
    let mut out = String::new();
    for c in text.chars() {
        match c {
            '\\' => out.push_str("\\e"),
            '-' => out.push_str("\\-"),
            '\'' => out.push_str("\\(aq"),
            '"' => out.push_str("\\(dq"),
            '`' => out.push_str("\\(ga"),
            '^' => out.push_str("\\(ha"),
            '~' => out.push_str("\\(ti"),
            '…' => out.push_str("..."),
            c => out.push(c),
        }
    }
    out
}
