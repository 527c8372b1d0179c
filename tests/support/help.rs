//! What `--help` says that there is.

use std::process::Command;

fn help(arguments: &[&str]) -> String {
    let output = Command::new(env!("CARGO_BIN_EXE_virt-9p"))
        .args(arguments)
        .arg("--help")
        .output()
        .unwrap();
    assert!(output.status.success(), "{arguments:?}");
    String::from_utf8(output.stdout).unwrap()
}

/// Each command with its options.
pub fn commands() -> Vec<(String, Vec<String>)> {
    let list = help(&[]);
    let (_, list) = list.split_once("usage:").unwrap();
    // Lines of commands are indented by two, what continues them by more.
    let names = list
        .lines()
        .skip(2)
        .take_while(|line| !line.is_empty())
        .filter_map(|line| line.strip_prefix("  "))
        .filter(|line| !line.starts_with(' '))
        .map(|line| line.split_whitespace().next().unwrap().to_owned());
    names
        .map(|name| {
            let text = help(&[&name]);
            let options = text
                .lines()
                .filter_map(|line| line.split_whitespace().next())
                .filter(|word| word.starts_with("--"))
                .map(str::to_owned)
                .collect();
            (name, options)
        })
        .collect()
}
