//! `virt-9p check`: what is wrong, with places.

use std::ffi::OsString;
use std::process::ExitCode;

use crate::lint::finding::Level;
use crate::report::{json, terminal};
use crate::text::{Lines, count, visible};

use super::input::Input;
use super::options::{Options, Word, colour, is_json, next, unexpected};
use super::{complain, print};

pub fn run(mut options: Options, mut parser: lexopt::Parser) -> anyhow::Result<ExitCode> {
    let mut files: Vec<OsString> = Vec::new();
    let (mut as_json, mut strict) = (false, false);
    while let Some(word) = next(&mut parser)? {
        match word {
            Word::Option(option) if options.looking(&option, &mut parser)? => {}
            Word::Option(option) if option == "--format" => as_json = is_json(&mut parser)?,
            Word::Option(option) if option == "--strict" => strict = true,
            Word::Value(file) => files.push(file),
            other => return Err(unexpected(&other)),
        }
    }
    if files.is_empty() {
        files.push("-".into());
    }
    let colour = colour();
    let (mut errors, mut warnings, mut unreadable) = (0, 0, 0);
    for file in &files {
        let looked =
            Input::read(file).and_then(|input| input.inspect(&options).map(|found| (input, found)));
        let (input, found) = match looked {
            Ok(looked) => looked,
            Err(error) => {
                complain(&format!("{error:#}"));
                unreadable += 1;
                continue;
            }
        };
        errors += found.count(Level::Error);
        warnings += found.count(Level::Warning);
        let lines = Lines::new(input.text());
        if as_json {
            let line = json::line(&input.name, &found.domain, &lines, &found.findings);
            print(&format!("{line}\n"))?;
            continue;
        }
        for finding in &found.findings {
            print(&terminal::finding(
                &input.name,
                &found.domain,
                &lines,
                finding,
                colour,
            ))?;
        }
        if files.len() == 1 && found.findings.is_empty() {
            print(&format!("{}: nothing to say\n", visible(&input.name)))?;
        }
    }
    if !as_json && (files.len() > 1 || errors + warnings > 0) {
        let more = if unreadable > 0 {
            format!(", {unreadable} unreadable")
        } else {
            String::new()
        };
        print(&format!(
            "{}: {}, {}{more}\n",
            count(files.len(), "file"),
            count(errors, "error"),
            count(warnings, "warning")
        ))?;
    }
    Ok(if unreadable > 0 {
        ExitCode::from(2)
    } else if errors > 0 || (strict && warnings > 0) {
        ExitCode::from(1)
    } else {
        ExitCode::SUCCESS
    })
}
