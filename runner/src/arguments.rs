//! From the words of the command line and the environment to [`Cli`], or a refusal that names the
//! right one of them.
//!
//! clap does the reading. Three things are mended here for every flag at once: a negative number is a
//! value and no flag, a value that came from the environment is told by the variable's name, and the
//! standard library's words for a number that is none become what was expected.

use std::ffi::OsString;

use clap::error::ErrorKind;
use clap::{Command, CommandFactory, FromArgMatches};

use crate::cli::Cli;

/// What the standard library says of text that it cannot read, and what was expected.
const REASONS: [(&str, &str); 7] = [
    ("invalid digit found in string", "expected a whole number, 0 or more"),
    ("cannot parse integer from empty string", "expected a whole number, 0 or more"),
    ("number too large to fit in target type", "expected a smaller number"),
    ("number too small to fit in target type", "expected a whole number, 0 or more"),
    ("invalid float literal", "expected a number"),
    ("cannot parse float from empty string", "expected a number"),
    ("invalid socket address syntax", "expected an address and a port such as 127.0.0.1:7101"),
];

/// Reads them, or ends the process: help and version with exit code 0, what is wrong with 2.
pub(crate) fn read() -> Cli {
    let words = joined(std::env::args_os());
    match parse(&words) {
        Ok(cli) => cli,
        Err(error) if !error.use_stderr() => error.exit(),
        Err(error) => {
            let plain = error.render().to_string();
            let told = told(&plain, &words, |name| std::env::var_os(name).is_some());
            if told == plain {
                error.exit();
            }
            anstream::eprint!("{told}");
            std::process::exit(i32::from(crate::exit::Exit::Usage.code()));
        }
    }
}

fn parse(words: &[OsString]) -> Result<Cli, clap::Error> {
    let mut command = Cli::command();
    let matches = command.try_get_matches_from_mut(words)?;
    Cli::from_arg_matches(&matches).map_err(|error| match error.kind() {
        ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => error,
        _ => error.format(&mut command),
    })
}

/// `--seed -1` is one flag and its value: no flag of ours begins with a digit.
fn joined(words: impl IntoIterator<Item = OsString>) -> Vec<OsString> {
    let mut joined: Vec<OsString> = Vec::new();
    let mut are_flags_over = false;
    for word in words {
        are_flags_over |= word == "--";
        let text = word.to_string_lossy();
        let is_negative = text
            .strip_prefix('-')
            .is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_digit() || c == '.'));
        match joined.last_mut().filter(|_| is_negative && !are_flags_over) {
            Some(flag) if is_long_flag(flag) => {
                flag.push("=");
                flag.push(word);
            }
            _ => joined.push(word),
        }
    }
    joined
}

fn is_long_flag(word: &OsString) -> bool {
    let word = word.to_string_lossy();
    word.len() > 2 && word.starts_with("--") && !word.contains('=')
}

/// clap's words for an error, with the environment's variable where a flag was not typed.
fn told(plain: &str, words: &[OsString], is_set: impl Fn(&str) -> bool) -> String {
    let mut told = plain.to_owned();
    for (theirs, ours) in REASONS {
        told = told.replace(theirs, ours);
    }
    for (flag, variable) in variables(&Cli::command()) {
        let is_typed = words.iter().any(|word| {
            let word = word.to_string_lossy();
            word == flag || word.strip_prefix(&flag).is_some_and(|rest| rest.starts_with('='))
        });
        if is_typed || !is_set(&variable) {
            continue;
        }
        // clap writes '--time <DURATION>', or '--journal' where there is no value.
        let quotes: Vec<String> = told
            .split('\'')
            .filter(|quote| *quote == flag || quote.starts_with(&format!("{flag} <")))
            .map(|quote| format!("'{quote}'"))
            .collect();
        for quote in quotes.into_iter().collect::<std::collections::BTreeSet<_>>() {
            let named = format!("the environment's {variable}, which stands for {quote}");
            told = told.replacen(&quote, &named, 1);
        }
    }
    told
}

/// Every flag that the environment can give, of every command: `--time`, `WHITEWATER_TIME`.
fn variables(command: &Command) -> Vec<(String, String)> {
    let of_argument = |argument: &clap::Arg| {
        let variable = argument.get_env()?.to_str()?.to_owned();
        Some((format!("--{}", argument.get_long()?), variable))
    };
    let mut all: Vec<_> = command.get_arguments().filter_map(of_argument).collect();
    all.extend(command.get_subcommands().flat_map(variables));
    all.sort();
    all.dedup();
    all
}

#[cfg(test)]
mod tests;
