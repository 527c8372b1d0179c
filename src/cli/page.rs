//! Printing text of ours.

use std::process::ExitCode;

use crate::output;
use crate::text::Shown;

use super::error::Error;

/// Prints a page, which is all that was asked for.
pub fn page(text: &str) -> Result<ExitCode, Error> {
    let mut shown = Shown::default();
    shown.lines(text);
    output::print(&shown)?;
    Ok(ExitCode::SUCCESS)
}

/// Prints a line.
pub fn line(text: &str) -> Result<(), Error> {
    let mut shown = Shown::default();
    shown.line(text);
    output::print(&shown)?;
    Ok(())
}
