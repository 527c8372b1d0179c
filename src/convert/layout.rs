//! Adding and removing elements the way the document is written: its indentation, its line ends,
//! or all on one line.

use crate::convert::edit::Edit;
use crate::convert::tree::XmlNode;
use crate::ordered;
use crate::text::Span;

/// How a document is written.
#[derive(Debug, Clone)]
pub struct Style<'t> {
    text: &'t str,
    /// One step of indentation.
    pub step: &'t str,
    /// A line end.
    pub newline: &'static str,
}

impl<'t> Style<'t> {
    /// Looks at the document: the first element in `<domain>` shows one step.
    pub fn of(text: &'t str, domain: &XmlNode) -> Self {
        let first = domain.children.first();
        let step = first
            .and_then(|first| {
                let outer = margin(text, domain.span.start)?;
                margin(text, first.span.start)?.strip_prefix(outer)
            })
            .filter(|step| !step.is_empty())
            .unwrap_or("  ");
        let crlf = text
            .split_once('\n')
            .is_some_and(|(line, _)| line.ends_with('\r'));
        let newline = if crlf { "\r\n" } else { "\n" };
        Style {
            text,
            step,
            newline,
        }
    }

    /// Adds `lines` as the last elements in `container`. They carry their indentation relative to
    /// one another; an empty line list adds nothing.
    pub fn append(&self, container: &XmlNode, lines: &[String]) -> Edit {
        let (text, newline) = (self.text, self.newline);
        let outer = margin(text, container.span.start);
        if container.is_empty_element() {
            // `<x/>` opens up.
            let slash = Span::new(container.span.end - 2, container.span.end);
            let inside = match outer {
                Some(outer) => {
                    let inner = format!("{outer}{}", self.step);
                    format!("{newline}{}{outer}", self.indented(&inner, lines))
                }
                None => joined(lines),
            };
            return Edit {
                range: slash,
                text: format!(">{inside}</{}>", container.written(text)),
            };
        }
        let end = container.end_tag(text);
        let last = container.children.last();
        let inner = last.and_then(|child| margin(text, child.span.start));
        match margin(text, end) {
            Some(margin) => {
                let inner = inner.map_or_else(|| format!("{margin}{}", self.step), str::to_owned);
                Edit::insert(end - margin.len(), self.indented(&inner, lines))
            }
            None => Edit::insert(end, joined(lines)),
        }
    }

    /// Adds `lines` right after `sibling`.
    pub fn after(&self, sibling: &XmlNode, lines: &[String]) -> Edit {
        match (
            margin(self.text, sibling.span.start),
            self.line_end(sibling.span.end),
        ) {
            (Some(inner), Some(end)) => Edit::insert(end, self.indented(inner, lines)),
            _ => Edit::insert(sibling.span.end, joined(lines)),
        }
    }

    /// Takes elements away, with their lines where nothing else stands on them.
    pub fn remove(&self, spans: &[Span]) -> Vec<Edit> {
        let spans: Vec<Span> = ordered::set(spans.iter().copied()).into_iter().collect();
        // Those with nothing but white space between them, together.
        let runs = spans.chunk_by(|one, next| blank(self.text, Span::new(one.end, next.start)));
        let mut edits = Vec::new();
        for run in runs {
            let (Some(first), Some(last)) = (run.first(), run.last()) else {
                continue;
            };
            match self.lines(Span::new(first.start, last.end)) {
                Some(lines) => edits.push(Edit::remove(lines)),
                None => {
                    let single = run.iter().map(|span| self.lines(*span).unwrap_or(*span));
                    edits.extend(single.map(Edit::remove));
                }
            }
        }
        edits
    }

    /// The whole lines of a range, when nothing else stands on them.
    fn lines(&self, span: Span) -> Option<Span> {
        let margin = margin(self.text, span.start)?;
        Some(Span::new(
            span.start - margin.len(),
            self.line_end(span.end)?,
        ))
    }

    /// These lines in an element.
    pub fn wrapped(
        &self,
        open: &str,
        lines: impl Iterator<Item = String>,
        close: &str,
    ) -> Vec<String> {
        let mut wrapped = vec![open.to_owned()];
        wrapped.extend(lines.map(|line| format!("{}{line}", self.step)));
        wrapped.push(close.to_owned());
        wrapped
    }

    fn indented(&self, inner: &str, lines: &[String]) -> String {
        let line = |line: &String| format!("{inner}{line}{}", self.newline);
        lines.iter().map(line).collect()
    }

    /// The byte after the line end that follows `at`, when only white space is before it.
    fn line_end(&self, at: usize) -> Option<usize> {
        let rest = self.text.get(at..)?;
        // No further than to what is in the way: the line may be the whole document.
        let (length, first) = rest
            .char_indices()
            .find(|(_, c)| *c == '\n' || !c.is_whitespace())?;
        (first == '\n').then_some(at + length + 1)
    }
}

/// The white space from the beginning of the line to `at`, when nothing else stands there.
fn margin(text: &str, at: usize) -> Option<&str> {
    let before = text.get(..at)?;
    let rest = before.trim_end_matches([' ', '\t']);
    let alone = rest.is_empty() || rest.ends_with('\n');
    before.get(rest.len()..).filter(|_| alone)
}

/// Whether nothing but white space stands in a range.
pub fn blank(text: &str, span: Span) -> bool {
    span.of(text)
        .trim_matches([' ', '\t', '\r', '\n'])
        .is_empty()
}

/// All in one line, for documents that have no other.
fn joined(lines: &[String]) -> String {
    lines.iter().map(|line| line.trim_start()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::convert::edit::apply;
    use crate::convert::tree::read;

    /// The document with `<n>` and `</n>` appended to `<devices>`.
    fn appended(text: &str) -> String {
        let domain = read(text).unwrap();
        let devices = domain.all("devices").next().unwrap();
        let lines = ["<n>".to_owned(), "</n>".to_owned()];
        let edit = Style::of(text, &domain).append(devices, &lines);
        apply(text, &[edit]).unwrap()
    }

    /// The document with every `<x>` of `<devices>` removed.
    fn removed(text: &str) -> String {
        let domain = read(text).unwrap();
        let devices = domain.all("devices").next().unwrap();
        let spans: Vec<_> = devices.all("x").map(|x| x.span).collect();
        apply(text, &Style::of(text, &domain).remove(&spans)).unwrap()
    }

    #[test]
    fn adds_as_the_document_is_written() {
        for (before, after) in [
            (
                "<domain>\n\t<devices>\n\t\t<a/>\n\t</devices>\n</domain>",
                "<domain>\n\t<devices>\n\t\t<a/>\n\t\t<n>\n\t\t</n>\n\t</devices>\n</domain>",
            ),
            (
                "<domain>\r\n <devices/>\r\n</domain>",
                "<domain>\r\n <devices>\r\n  <n>\r\n  </n>\r\n </devices>\r\n</domain>",
            ),
            (
                "<domain><devices><a/></devices></domain>",
                "<domain><devices><a/><n></n></devices></domain>",
            ),
            (
                "<domain><devices /></domain>",
                "<domain><devices ><n></n></devices></domain>",
            ),
            (
                "<domain>\n    <devices>\n    </devices>\n</domain>",
                "<domain>\n    <devices>\n        <n>\n        </n>\n    </devices>\n</domain>",
            ),
        ] {
            assert_eq!(appended(before), after);
        }
    }

    #[test]
    fn removes_whole_lines_only_where_nothing_else_stands() {
        for (before, after) in [
            (
                "<domain><devices>\n  <x/>\n  <a/>\n</devices></domain>",
                "<domain><devices>\n  <a/>\n</devices></domain>",
            ),
            (
                "<domain><devices>\r\n<x>\r\n</x> \r\n<x/>\r\n<a/></devices></domain>",
                "<domain><devices>\r\n<a/></devices></domain>",
            ),
            (
                "<domain><devices>\n <x/><x/> <!-- c -->\n</devices></domain>",
                "<domain><devices>\n  <!-- c -->\n</devices></domain>",
            ),
            (
                "<domain><devices>\t<x/> \t<x/>\t<a/></devices></domain>",
                "<domain><devices>\t \t\t<a/></devices></domain>",
            ),
            (
                "<domain><devices>\n <a/><x/>\n <x/>\n</devices></domain>",
                "<domain><devices>\n <a/>\n</devices></domain>",
            ),
            (
                "<domain><devices><a/><x/></devices></domain>",
                "<domain><devices><a/></devices></domain>",
            ),
        ] {
            assert_eq!(removed(before), after);
        }
    }
}
