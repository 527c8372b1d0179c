//! Numbers as QEMU reads them: mode texts, plain option numbers, PCI addresses.

/// What `fmode=TEXT` or `dmode=TEXT` means to QEMU.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OptionNumber {
    /// QEMU takes it; the number before it is cut down to nine bits.
    Number(u64),
    /// `Parameter 'fmode' expects a number`
    NotANumber,
    /// `Value '…' is too large for parameter 'fmode'`
    TooLarge,
    /// `0b…`: a number only where QEMU was built with glibc >= 2.38 (C23 strtol).
    Binary(u64),
}

/// Reads an option number: parse_option_number → qemu_strtou64(text, NULL, 0), which is
/// strtoull with base detection over the whole text; a minus sign wraps.
pub fn option_number(text: &str) -> OptionNumber {
    let text = text.trim_start_matches([' ', '\t', '\n', '\x0b', '\x0c', '\r']);
    let (negative, digits) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    let (digits, base, binary) = match digits.get(..2) {
        Some("0x" | "0X") => (digits.get(2..).unwrap_or(""), 16, false),
        Some("0b" | "0B") => (digits.get(2..).unwrap_or(""), 2, true),
        _ if digits.starts_with('0') => (digits, 8, false),
        _ => (digits, 10, false),
    };
    if digits.is_empty() || !digits.chars().all(|c| c.is_digit(base)) {
        return OptionNumber::NotANumber;
    }
    let Ok(value) = u64::from_str_radix(digits, base) else {
        return OptionNumber::TooLarge;
    };
    let value = if negative {
        value.wrapping_neg()
    } else {
        value
    };
    if binary {
        OptionNumber::Binary(value)
    } else {
        OptionNumber::Number(value)
    }
}

/// Whether `text` is octal with a leading 0, the only spelling nobody can misread.
pub fn is_plain_octal(text: &str) -> bool {
    text.starts_with('0') && text.bytes().all(|b| matches!(b, b'0'..=b'7'))
}

/// The permission bits that reach the host: QEMU keeps nine bits, and libvirt runs QEMU with
/// umask 002 (facts L6.5).
pub fn effective_mode(number: u64) -> u16 {
    // Nine bits always fit.
    u16::try_from(number & 0o775).unwrap_or(0)
}

/// A PCI address as `addr=` gives it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct SlotFunction {
    /// 0 to 31.
    pub slot: u8,
    /// 0 to 7.
    pub function: u8,
}

impl SlotFunction {
    /// From QEMU's devfn, slot times eight plus function.
    pub fn from_devfn(devfn: u8) -> Self {
        SlotFunction {
            slot: devfn >> 3,
            function: devfn & 7,
        }
    }
}

impl std::fmt::Display for SlotFunction {
    /// As it is written in `addr=`: hex with `0x`, the function only when it is not 0.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "0x{:x}", self.slot)?;
        if self.function != 0 {
            write!(f, ".0x{:x}", self.function)?;
        }
        Ok(())
    }
}

/// Reads `addr=TEXT`: set_pci_devfn tries sscanf `%x.%x`, then `%x`, over the whole text; hex
/// always, at most 32 bits kept. A bare `0x` (slot 0 on some glibc, refused on others) is refused.
pub fn pci_address(text: &str) -> Option<SlotFunction> {
    let (slot, rest) = scan_hex(text)?;
    let (function, rest) = match rest.strip_prefix('.') {
        Some(after) => scan_hex(after)?,
        None => (0, rest),
    };
    if !rest.is_empty() || slot > 31 || function > 7 {
        return None;
    }
    Some(SlotFunction {
        slot: u8::try_from(slot).ok()?,
        function: u8::try_from(function).ok()?,
    })
}

/// The address that was meant by one that QEMU cannot read: between quotes, behind domain and bus
/// as lspci prints it (`00:06.0`), or with a slot in decimal, which QEMU reads as hex (`31`).
pub fn address_meant(text: &str) -> Option<SlotFunction> {
    let plain = text.trim_matches(|c: char| c.is_whitespace() || c == '"' || c == '\'');
    let last = plain.rsplit(':').next().unwrap_or(plain);
    if let Some(at) = pci_address(last) {
        return Some(at);
    }
    let slot = plain.parse().ok().filter(|slot| *slot < 32)?;
    Some(SlotFunction { slot, function: 0 })
}

/// One `%x` of scanf: white space, sign, `0x`, hex digits; returns what is left.
fn scan_hex(text: &str) -> Option<(u32, &str)> {
    let text = text.trim_start_matches([' ', '\t', '\n', '\x0b', '\x0c', '\r']);
    let (negative, digits) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    let digits = digits
        .strip_prefix("0x")
        .or_else(|| digits.strip_prefix("0X"))
        .unwrap_or(digits);
    let end = digits
        .find(|c: char| !c.is_ascii_hexdigit())
        .unwrap_or(digits.len());
    let (number, rest) = digits.split_at_checked(end)?;
    if number.is_empty() {
        return None;
    }
    // scanf reads with strtoul (saturating at 64 bits) and stores the low 32.
    let value = u64::from_str_radix(number, 16).unwrap_or(u64::MAX);
    let value = if negative && value != u64::MAX {
        value.wrapping_neg()
    } else {
        value
    };
    u32::try_from(value & u64::from(u32::MAX))
        .ok()
        .map(|v| (v, rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_modes_as_qemu_does() {
        for (text, mode) in [
            ("0644", OptionNumber::Number(0o644)),
            ("644", OptionNumber::Number(644)),
            (" 0644", OptionNumber::Number(0o644)),
            ("+0644", OptionNumber::Number(0o644)),
            ("0x1A4", OptionNumber::Number(0o644)),
            ("-1", OptionNumber::Number(u64::MAX)),
            ("-18446744073709551615", OptionNumber::Number(1)),
            ("18446744073709551615", OptionNumber::Number(u64::MAX)),
            ("18446744073709551616", OptionNumber::TooLarge),
            ("-18446744073709551616", OptionNumber::TooLarge),
            ("02000000000000000000000", OptionNumber::TooLarge),
            ("0b110100100", OptionNumber::Binary(0o644)),
            ("0", OptionNumber::Number(0)),
        ] {
            assert_eq!(option_number(text), mode, "{text}");
        }
        for text in [
            "", "0o644", "0888", "08", "0x", "0644k", "0644 ", "u=rw", "1e3", "on", "--1", "- 1",
            "é1", "0b",
        ] {
            assert_eq!(option_number(text), OptionNumber::NotANumber, "{text}");
        }
    }

    #[test]
    fn cuts_modes_as_qemu_and_the_kernel_do() {
        assert_eq!(effective_mode(644), 0o204);
        assert_eq!(effective_mode(0o7777), 0o775);
        assert_eq!(effective_mode(0o666), 0o664);
    }

    #[test]
    fn reads_addresses_in_hex() {
        for (text, slot, function) in [
            ("6", 6, 0),
            ("06", 6, 0),
            ("0x6", 6, 0),
            ("6.0", 6, 0),
            ("0x6.0x1", 6, 1),
            ("10", 16, 0),
            ("1f", 31, 0),
            ("6. 1", 6, 1),
            ("+6", 6, 0),
            ("100000006", 6, 0),
        ] {
            assert_eq!(
                pci_address(text),
                Some(SlotFunction { slot, function }),
                "{text}"
            );
        }
        for text in [
            "20",
            "6.8",
            "6.",
            "6.0.0",
            ".0",
            "",
            "6 ",
            "-1",
            "-6",
            "x6",
            "0xffffffff06",
            "00:06.0",
            "6:0",
            "0x",
            "31",
        ] {
            assert_eq!(pci_address(text), None, "{text}");
        }
        for (text, slot, function) in [
            ("31", 31, 0),
            ("\"0x6\"", 6, 0),
            ("00:06.0", 6, 0),
            ("0000:00:1f.2", 31, 2),
        ] {
            let meant = Some(SlotFunction { slot, function });
            assert_eq!(address_meant(text), meant, "{text}");
        }
        for text in ["32", "20.0.0", "0x20", "six", ""] {
            assert_eq!(address_meant(text), None, "{text}");
        }
    }
}
