//! How this tool was started, so that a command which it prints can be pasted as it is.
//!
//! The rule: a build that `cargo run` started prints `cargo run` with the same profile; a path that was
//! typed is printed as it was typed; a name that was found on the PATH stays a name.

use std::path::Path;
use std::sync::OnceLock;

/// The name of the program where it is installed.
const NAME: &str = "whitewater";
/// Children of ours are started by this path, which means nothing in a shell.
const OWN_PROGRAM: &str = whitewater_processes::OWN_PROGRAM;

/// The words that start this tool again: `whitewater`, `./target/release/whitewater` or
/// `cargo run --release --`.
pub(crate) fn program() -> &'static str {
    static PROGRAM: OnceLock<String> = OnceLock::new();
    PROGRAM.get_or_init(|| {
        // Cargo names the package to every process that it runs.
        let is_by_cargo = std::env::var("CARGO_PKG_NAME").is_ok_and(|name| name == NAME);
        let executable = std::env::current_exe().unwrap_or_default();
        let typed = std::env::args().next().unwrap_or_default();
        program_of(&typed, &executable, is_by_cargo)
    })
}

fn program_of(typed: &str, executable: &Path, is_by_cargo: bool) -> String {
    let profile = executable.parent().and_then(Path::file_name).and_then(|name| name.to_str());
    match (is_by_cargo, profile) {
        (true, Some("debug")) => "cargo run --".into(),
        (true, Some("release")) => "cargo run --release --".into(),
        (true, Some("dist")) => "cargo run --profile dist --".into(),
        _ if typed == OWN_PROGRAM => quoted(&executable.display().to_string()),
        _ if typed.contains('/') => quoted(typed),
        _ => NAME.into(),
    }
}

/// A whole command: `whitewater check runs/latest`.
pub(crate) fn command<'a>(words: impl IntoIterator<Item = &'a str>) -> String {
    let words = words.into_iter().map(quoted);
    std::iter::once(program().to_owned()).chain(words).collect::<Vec<_>>().join(" ")
}

/// A word as a POSIX shell takes it.
pub(crate) fn quoted(word: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "-_./,:=@%+".contains(c);
    if !word.is_empty() && word.chars().all(is_plain) {
        return word.to_owned();
    }
    format!("'{}'", word.replace('\'', "'\\''"))
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    #[test]
    fn a_command_is_printed_as_the_tool_was_started() {
        let release = Path::new("/home/me/ww/target/release/whitewater");
        let debug = Path::new("/home/me/ww/target/debug/whitewater");
        let dist = Path::new("/home/me/ww/target/dist/whitewater");
        let installed = Path::new("/home/me/.cargo/bin/whitewater");
        let cases = [
            ("target/release/whitewater", release, true, "cargo run --release --"),
            ("target/debug/whitewater", debug, true, "cargo run --"),
            ("target/dist/whitewater", dist, true, "cargo run --profile dist --"),
            ("./target/release/whitewater", release, false, "./target/release/whitewater"),
            ("/opt/my tools/whitewater", installed, false, "'/opt/my tools/whitewater'"),
            ("whitewater", installed, false, "whitewater"),
            ("/proc/self/exe", installed, false, "/home/me/.cargo/bin/whitewater"),
            ("/proc/self/exe", release, true, "cargo run --release --"),
        ];
        for (typed, executable, is_by_cargo, expected) in cases {
            assert_eq!(program_of(typed, executable, is_by_cargo), expected, "{typed}");
        }
    }

    /// Seen by a shell itself.
    #[test]
    fn words_come_through_a_shell_as_they_were() {
        let words = [
            "kill,pause",
            "it's here",
            "",
            "a b",
            "$HOME",
            "`ls`",
            "*",
            "~",
            "a\nb",
            "\\",
            "#",
            "!",
        ];
        let line = words.map(quoted).join(" ");
        let script = format!("printf '%s\\0' {line}");
        let output = Command::new("sh").args(["-c", &script]).output().unwrap();
        let came: Vec<String> = String::from_utf8(output.stdout)
            .unwrap()
            .split_terminator('\0')
            .map(String::from)
            .collect();
        assert_eq!(came, words);
        assert_eq!(quoted("--rate"), "--rate", "plain words stay readable");
    }
}
