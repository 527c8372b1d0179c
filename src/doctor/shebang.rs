//! What the kernel makes of the beginning of a file that libvirt executes. There is no shell in
//! between that would help out: execve(2) runs what it says, or fails, and with it every start.

use crate::doctor::hook_script::{self, ScriptOutcome};
use crate::host::hooks_directory::{Content, Program};
use crate::text::{quoted, visible};

/// What the kernel reads of a file to find out what it is (BINPRM_BUF_SIZE, since Linux 5.1).
const BUFFER: usize = 256;

/// The first line of a script, as load_script (fs/binfmt_script.c) takes it apart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Shebang {
    /// It does not begin with `#!`.
    None,
    /// Nothing stands behind `#!`.
    Empty,
    /// The name is longer than what the kernel reads.
    Cut,
    /// It is handed to a program.
    Interpreter {
        /// To the first space; a carriage return is part of it.
        name: String,
        /// All the rest of the line, as one argument.
        argument: Option<String>,
    },
}

/// Takes the first line apart.
pub fn read(text: &str) -> Shebang {
    let bytes = text.as_bytes();
    let buffer = bytes.get(..BUFFER.min(bytes.len())).unwrap_or_default();
    let Some(rest) = buffer.strip_prefix(b"#!") else {
        return Shebang::None;
    };
    let is_blank = |byte: &u8| matches!(byte, b' ' | b'\t');
    let end = rest.iter().position(|byte| *byte == b'\n');
    let line = match end {
        Some(end) => rest.get(..end).unwrap_or_default(),
        // The name at least must end within the buffer; the file may end there, too, for then
        // NULs follow.
        None => {
            let mut name = rest.iter().skip_while(|byte| is_blank(byte));
            if bytes.len() >= BUFFER && !name.any(|byte| is_blank(byte) || *byte == 0) {
                return Shebang::Cut;
            }
            rest
        }
    };
    // What follows a NUL is not seen.
    let line = line.split(|byte| *byte == 0).next().unwrap_or_default();
    let line = String::from_utf8_lossy(line);
    let line = line.trim_matches([' ', '\t']);
    let (name, argument) = match line.split_once([' ', '\t']) {
        Some((name, argument)) => (name, Some(argument.trim_start_matches([' ', '\t']))),
        None => (line, None),
    };
    if name.is_empty() {
        return Shebang::Empty;
    }
    Shebang::Interpreter {
        name: name.to_owned(),
        argument: argument.map(str::to_owned),
    }
}

/// Why the kernel does not run a file, and what to do; nothing where it does, or where that is not
/// known.
pub fn wrong(file: &Program, program: &dyn Fn(&str) -> Option<Program>) -> Option<String> {
    let why = why(file, program, MOST_INTERPRETERS)?;
    Some(format!("{why}; so every start of every guest fails"))
}

/// An interpreter may be a script, so often (bprm->depth, search_binary_handler).
const MOST_INTERPRETERS: usize = 5;

fn why(file: &Program, program: &dyn Fn(&str) -> Option<Program>, left: usize) -> Option<String> {
    let Content::Script(text) = &file.content else {
        return None;
    };
    let place = visible(&file.name);
    if left == 0 {
        return Some(format!(
            "{place} is an interpreter of interpreters, more than the kernel takes"
        ));
    }
    let (name, argument) = match read(text) {
        Shebang::Interpreter { name, argument } => (name, argument),
        Shebang::None if text.is_empty() => {
            return Some(format!("{place} is empty, and the kernel does not run it"));
        }
        Shebang::None if text.starts_with('\u{feff}') => {
            return Some(format!(
                "a byte order mark stands before `#!` in {place}, and the kernel does not run it (Exec format error): \
                 sed -i '1s/^\\xef\\xbb\\xbf//' {place}"
            ));
        }
        Shebang::None => {
            return Some(format!(
                "{place} does not begin with `#!`, and other than a shell the kernel does not run it then (Exec format error): write \
                 `#!/bin/sh` into its first line"
            ));
        }
        Shebang::Empty => {
            return Some(format!(
                "nothing stands behind `#!` in {place}, and the kernel does not run it (Exec format error): write `#!/bin/sh`"
            ));
        }
        Shebang::Cut => {
            return Some(format!(
                "the name of the interpreter in {place} is longer than what the kernel reads, {BUFFER} bytes"
            ));
        }
    };
    if name.ends_with('\r')
        || argument
            .as_ref()
            .is_some_and(|argument| argument.ends_with('\r'))
    {
        return Some(format!(
            "the first line of {place} ends with a carriage return, as Windows writes lines, which is part of {}: \
             sed -i 's/\\r$//' {place}",
            quoted(argument.as_deref().unwrap_or(&name))
        ));
    }
    let Some(interpreter) = program(&name) else {
        return Some(format!(
            "{place} names the interpreter {}, where no program is",
            quoted(&name)
        ));
    };
    if !interpreter.executable {
        return Some(format!(
            "{place} names the interpreter {}, which is not executable",
            quoted(&name)
        ));
    }
    if let (Some("env"), Some(argument)) = (name.rsplit('/').next(), &argument)
        && argument.contains([' ', '\t'])
        && !argument.starts_with('-')
    {
        return Some(format!(
            "all behind {name} in the first line of {place} is one argument, so it looks for a program {}: write {}",
            quoted(argument),
            quoted(&format!("#!{name} -S {argument}"))
        ));
    }
    why(&interpreter, program, left - 1)
}

/// What a script comes to, read as a shell's where its first line names a shell, or where there
/// is no such line.
pub fn follow(text: &str, place: &str) -> ScriptOutcome {
    const SHELLS: [&str; 6] = ["sh", "bash", "dash", "ash", "ksh", "mksh"];
    let (interpreter, options) = match read(text) {
        Shebang::Interpreter { name, argument } => {
            let base = |path: &str| path.rsplit('/').next().unwrap_or("").to_owned();
            let name = base(name.trim_end());
            let argument = argument.unwrap_or_default();
            if matches!(name.as_str(), "env" | "busybox") {
                let mut words = argument.split_whitespace().filter(|word| *word != "-S");
                let program = base(words.next().unwrap_or(""));
                (program, words.next().unwrap_or("").to_owned())
            } else {
                (name, argument)
            }
        }
        _ => ("sh".to_owned(), String::new()),
    };
    let errexit = options.starts_with('-') && options.contains('e');
    if SHELLS.contains(&interpreter.as_str()) {
        return hook_script::follow(text, place, errexit);
    }
    let mut lines = text.lines().zip(1..);
    let found =
        lines.find(|(line, _)| !line.trim_start().starts_with('#') && line.contains("virt-9p"));
    found.map_or(ScriptOutcome::Stranger, |(line, number)| {
        ScriptOutcome::Unclear(number, format!("{} in {interpreter}", line.trim()))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn interpreter(text: &str) -> (String, Option<String>) {
        match read(text) {
            Shebang::Interpreter { name, argument } => (name, argument),
            other => panic!("{text:?}: {other:?}"),
        }
    }

    #[test]
    fn takes_the_line_apart_as_the_kernel_does() {
        let sh = || "/bin/sh".to_owned();
        for line in [
            "#!/bin/sh\n:",
            "#! \t/bin/sh \t\nx",
            "#!/bin/sh",
            "#!/bin/sh\0x\n",
        ] {
            assert_eq!(interpreter(line), (sh(), None), "{line:?}");
        }
        assert_eq!(interpreter("#!/bin/sh -e -u \n").1.unwrap(), "-e -u");
        assert_eq!(interpreter("#!/bin/sh\r\n").0, "/bin/sh\r");
        assert_eq!(interpreter("#!/bin/sh -e\r\n").1.unwrap(), "-e\r");
        assert_eq!(read("#!\n"), Shebang::Empty);
        assert_eq!(read("#! \t \n"), Shebang::Empty);
        for text in ["", "#", ":", " #!/bin/sh\n", "\u{feff}#!/bin/sh\n"] {
            assert_eq!(read(text), Shebang::None);
        }
    }

    #[test]
    fn no_more_than_the_buffer_is_seen() {
        let long = |length: usize| format!("#!/{}\n:", "a".repeat(length));
        assert_eq!(interpreter(&long(252)).0.len(), 253);
        assert_eq!(read(&long(253)), Shebang::Cut);
        let argument = format!("#!/bin/sh {}\n", "a".repeat(300));
        assert_eq!(interpreter(&argument).1.unwrap().len(), 256 - 10);
    }
}
