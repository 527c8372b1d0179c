//! Which word of the command line is an option, and which is its argument.
//!
//! QEMU takes the word after an option that wants an argument whatever it looks like
//! (facts Q2.11), so `-name -fsdev` has no `-fsdev` in it. Looking for `-fsdev` with a search
//! would get that wrong.

use crate::domain::{Arg, Domain};
use crate::qemu::option_table;

/// An option and its argument.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OptionWord<'a> {
    /// The option without its one or two dashes.
    pub name: &'a str,
    /// Index of the option's word.
    pub option: usize,
    /// Index of the argument's word, when it takes one.
    pub argument: Option<usize>,
    /// By which version it was gone, see [`option_table::known`].
    pub gone: u8,
}

impl OptionWord<'_> {
    /// The argument, when it takes one, and its index.
    pub fn argument<'d>(&self, domain: &'d Domain) -> Option<(usize, &'d Arg)> {
        let index = self.argument?;
        Some((index, domain.args.get(index)?))
    }
}

/// A word QEMU would not know what to do with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stray {
    /// The last word is an option that wants an argument.
    NoArgument(usize),
    /// An option that no QEMU known here has.
    Unknown(usize),
    /// Like the last, but meant to be `-fsdev`, `-virtfs` or `-device`.
    Misspelt(usize, &'static str),
    /// Not an option: QEMU takes it for the name of a disk image.
    Image(usize),
    /// Not an option, and plainly the argument of a `-fsdev` or `-device` that is not there.
    Lost(usize),
    /// `-virtfs_synth`, which QEMU 5.2 has no more.
    Removed(usize),
}

impl Stray {
    /// The index of the word.
    pub fn word(self) -> usize {
        match self {
            Stray::NoArgument(word)
            | Stray::Unknown(word)
            | Stray::Misspelt(word, _)
            | Stray::Image(word)
            | Stray::Lost(word)
            | Stray::Removed(word) => word,
        }
    }
}

/// Pairs the words of the command line.
pub fn pair<'a>(words: &[&'a str]) -> (Vec<OptionWord<'a>>, Vec<Stray>) {
    let mut pairs = Vec::new();
    let mut strays = Vec::new();
    let mut at = 0;
    while let Some(word) = words.get(at) {
        let option = at;
        at += 1;
        let Some(name) = word.strip_prefix('-') else {
            strays.push(if is_9p_argument(word) {
                Stray::Lost(option)
            } else {
                Stray::Image(option)
            });
            continue;
        };
        let name = name.strip_prefix('-').unwrap_or(name);
        if name == "virtfs_synth" {
            strays.push(Stray::Removed(option));
            continue;
        }
        match option_table::known(name) {
            Some((true, gone)) if at < words.len() => {
                pairs.push(OptionWord {
                    name,
                    option,
                    argument: Some(at),
                    gone,
                });
                at += 1;
            }
            Some((true, _)) => strays.push(Stray::NoArgument(option)),
            Some((false, gone)) => pairs.push(OptionWord {
                name,
                option,
                argument: None,
                gone,
            }),
            None => {
                strays.push(match misspelt(name) {
                    Some(meant) => Stray::Misspelt(option, meant),
                    None => Stray::Unknown(option),
                });
                // What cannot be an option is most likely this one's argument.
                if words.get(at).is_some_and(|next| !next.starts_with('-')) {
                    at += 1;
                }
            }
        }
    }
    (pairs, strays)
}

/// The option that `-fsdev=…`, `---fsdev`, `-Fsdev` or `-fsde` was meant to be.
fn misspelt(name: &str) -> Option<&'static str> {
    let bare = name.trim_start_matches('-').to_ascii_lowercase();
    let bare = bare.split(['=', ',', ' ']).next().unwrap_or("");
    if bare.starts_with("fsde") {
        Some("fsdev")
    } else if bare.starts_with("virtf") {
        Some("virtfs")
    } else if ["device", "devices", "devic"].contains(&bare) {
        Some("device")
    } else {
        None
    }
}

/// Whether a word begins as only the arguments of 9p options do, and goes on with a key of theirs.
/// A path is none, whatever is in it: it names a disk image that may well be there.
fn is_9p_argument(word: &str) -> bool {
    let Some((begin, rest)) = word.split_once([',', '.']) else {
        return false;
    };
    let keyed = |keys: &[&str]| keys.iter().any(|key| rest.contains(key));
    match begin {
        "local" | "synth" | "proxy" => keyed(&["id=", "path=", "security_model=", "mount_tag="]),
        "fsdev" => rest.contains('='),
        driver => driver.starts_with("virtio-9p") && keyed(&["fsdev=", "mount_tag="]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pairs_as_qemu_does() {
        let (pairs, strays) = pair(&[
            "-S",
            "--fsdev",
            "local",
            "-name",
            "-fsdev",
            "x.img",
            "-virtfs=a",
            "-device",
        ]);
        let names: Vec<_> = pairs.iter().map(|p| (p.name, p.argument)).collect();
        assert_eq!(names, [("S", None), ("fsdev", Some(2)), ("name", Some(4))]);
        assert_eq!(
            strays,
            [
                Stray::Image(5),
                Stray::Misspelt(6, "virtfs"),
                Stray::NoArgument(7)
            ]
        );
    }

    #[test]
    fn guesses_the_argument_of_an_unknown_option() {
        let (pairs, strays) = pair(&["-vendor", "x", "-fsdev", "local", "-other", "-S"]);
        assert_eq!(pairs.len(), 2);
        assert_eq!(strays, [Stray::Unknown(0), Stray::Unknown(4)]);
    }
}
