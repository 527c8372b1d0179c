//! Every finding there is: its stable word and what `virt-9p explain` says about it.
//!
//! The table below gives each its word; the files beside this one hold what is said about it, a
//! family each. The manual page virt-9p(7) is made of the same text, and a test runs every
//! example through `virt-9p check`.

mod addresses;
mod arguments;
mod devices;
mod fsdevs;
mod modes;
mod paths;

/// What is said about a finding.
#[derive(Debug)]
pub struct Entry {
    /// One line without a full stop, for the list.
    pub summary: &'static str,
    /// What it means, and what QEMU or libvirt do.
    pub meaning: &'static str,
    /// What to write or do instead.
    pub fix: &'static str,
    /// A domain that has it, in small.
    pub example: Example,
    /// In which versions of libvirt and QEMU, where that is a question.
    pub since: Option<&'static str>,
}

/// Something that shows a finding: raw arguments, an option and its argument a line, and the
/// devices they go with as XML. What is usual is left out. `{2..31}` stands for the line or
/// element once with each number, `[9 letters]` for a word of that length.
#[derive(Debug)]
pub struct Example {
    /// Where the finding is found, and no other.
    pub text: &'static str,
    /// The same without it, where there is one way to fix it.
    pub fixed: Option<&'static str>,
    /// What `check` has to be told to find it.
    pub options: &'static str,
}

impl Example {
    /// What to show of the fixed text: the XML before the arguments only where it is not the
    /// same.
    pub fn fixed_part(&self) -> Option<&'static str> {
        let arguments = self.text.find("\n-").map_or(0, |newline| newline + 1);
        let same = self
            .text
            .get(..arguments)
            .filter(|xml| xml.starts_with('<'));
        self.fixed
            .map(|fixed| fixed.strip_prefix(same.unwrap_or("")).unwrap_or(fixed))
    }
}

/// Declares the codes: variant, its entry in the family's file, word.
macro_rules! codes {
    ($($family:ident { $($variant:ident = $entry:ident, $word:literal;)* })*) => {
        /// A kind of finding. Its word is part of the contract and never changes.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Code {
            $($(#[doc = concat!("`", $word, "`")] $variant,)*)*
        }

        impl Code {
            /// All of them, in the order of the manual.
            pub const ALL: &[Code] = &[$($(Code::$variant,)*)*];

            /// The stable word, such as `mode-not-octal`.
            pub fn word(self) -> &'static str {
                match self { $($(Code::$variant => $word,)*)* }
            }

            /// What is said about it.
            pub fn entry(self) -> &'static Entry {
                match self { $($(Code::$variant => &$family::$entry,)*)* }
            }
        }
    };
}

codes! {
    modes {
        ModeNotOctal = NOT_OCTAL, "mode-not-octal";
        ModeOutOfRange = OUT_OF_RANGE, "mode-out-of-range";
        ModeInvalid = INVALID, "mode-invalid";
        ModeOwner = OWNER, "mode-owner";
        ModeUmask = UMASK, "mode-umask";
        ModeNeedsMapped = NEEDS_MAPPED, "mode-needs-mapped";
        ModeIgnored = IGNORED, "mode-ignored";
        ModeDefault = DEFAULT, "mode-default";
    }
    arguments {
        ArgumentsLost = LOST, "arguments-lost";
        ArgWithoutValue = WITHOUT_VALUE, "arg-without-value";
        ArgTooLong = TOO_LONG, "arg-too-long";
        OptionWithoutArgument = WITHOUT_ARGUMENT, "option-without-argument";
        OptionMisspelt = MISSPELT, "option-misspelt";
        OptionUnknown = UNKNOWN, "option-unknown";
        WordStray = STRAY, "word-stray";
        NotModelled = NOT_MODELLED, "not-modelled";
        SetInvalid = SET_INVALID, "set-invalid";
        WhiteSpaceUnclear = WHITE_SPACE_UNCLEAR, "white-space-unclear";
        WhiteSpaceLost = WHITE_SPACE_LOST, "white-space-lost";
    }
    fsdevs {
        IdMissing = ID_MISSING, "id-missing";
        IdInvalid = ID_INVALID, "id-invalid";
        IdDuplicate = ID_DUPLICATE, "id-duplicate";
        FsdriverUnknown = FSDRIVER_UNKNOWN, "fsdriver-unknown";
        KeyUnknown = KEY_UNKNOWN, "key-unknown";
        KeyRepeated = KEY_REPEATED, "key-repeated";
        ValueInvalid = VALUE_INVALID, "value-invalid";
        PathUnset = PATH_UNSET, "path-unset";
        SecurityModel = SECURITY_MODEL, "security-model";
        FsdevUnused = UNUSED, "fsdev-unused";
        ProxySocket = PROXY_SOCKET, "proxy-socket";
    }
    devices {
        FsdevUnknown = FSDEV_UNKNOWN, "fsdev-unknown";
        DriverUnknown = DRIVER_UNKNOWN, "driver-unknown";
        TagMissing = TAG_MISSING, "tag-missing";
        TagTooLong = TAG_TOO_LONG, "tag-too-long";
        TagDuplicate = TAG_DUPLICATE, "tag-duplicate";
        JsonInvalid = JSON_INVALID, "json-invalid";
        JsonTooNew = JSON_TOO_NEW, "json-too-new";
    }
    addresses {
        AddressInvalid = INVALID, "address-invalid";
        BusUnknown = BUS_UNKNOWN, "bus-unknown";
        BusLater = BUS_LATER, "bus-later";
        BusUnsuitable = BUS_UNSUITABLE, "bus-unsuitable";
        AddressTaken = TAKEN, "address-taken";
        FunctionConflict = FUNCTION_CONFLICT, "function-conflict";
        FunctionAlone = FUNCTION_ALONE, "function-alone";
        SlotInvisible = SLOT_INVISIBLE, "slot-invisible";
        SlotZero = SLOT_ZERO, "slot-zero";
        AddressAutomatic = AUTOMATIC, "address-automatic";
        AddressNext = NEXT, "address-next";
        BusFull = BUS_FULL, "bus-full";
        ChassisTaken = CHASSIS_TAKEN, "chassis-taken";
    }
    paths {
        PathMissing = MISSING, "path-missing";
        PathNotDirectory = NOT_DIRECTORY, "path-not-folder";
        PathRelative = RELATIVE, "path-relative";
        PathSystem = SYSTEM, "path-system";
        PathLink = LINK, "path-link";
        PathUnreachable = UNREACHABLE, "path-unreachable";
        PathUnwritable = UNWRITABLE, "path-unwritable";
        ModelNeedsRoot = MODEL_NEEDS_ROOT, "model-needs-root";
        PathNoXattr = NO_XATTR, "path-no-xattr";
        PathInDev = IN_DEV, "path-in-dev";
        PathUnstable = UNSTABLE, "path-unstable";
        TooManyShares = TOO_MANY, "too-many-shares";
        HostPath = HOST_PATH, "host-path";
        HostPathDenied = HOST_PATH_DENIED, "host-path-denied";
        HostPathKind = HOST_PATH_KIND, "host-path-kind";
        HostPathMissing = HOST_PATH_MISSING, "host-path-missing";
        HostPathRefused = HOST_PATH_REFUSED, "host-path-refused";
        HostPathUnknown = HOST_PATH_UNKNOWN, "host-path-unknown";
        TooManyPaths = TOO_MANY_PATHS, "too-many-paths";
        DeviceNotAllowed = DEVICE_NOT_ALLOWED, "device-not-allowed";
        StickyDirectory = STICKY_DIRECTORY, "sticky-directory";
        ProgramSandboxed = PROGRAM_SANDBOXED, "program-sandboxed";
        NativeEquivalent = NATIVE_EQUIVALENT, "native-equivalent";
    }
}

impl Code {
    /// The code of this word.
    pub fn from_word(word: &str) -> Option<Code> {
        Code::ALL.iter().copied().find(|code| code.word() == word)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_kebab_case_and_unique() {
        let mut words: Vec<_> = Code::ALL.iter().map(|code| code.word()).collect();
        for word in &words {
            assert!(
                word.bytes().all(|b| b.is_ascii_lowercase() || b == b'-'),
                "{word}"
            );
            assert_eq!(Code::from_word(word).unwrap().word(), *word);
        }
        words.sort_unstable();
        words.dedup();
        assert_eq!(words.len(), Code::ALL.len());
    }
}
