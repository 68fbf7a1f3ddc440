//! Every flag of every command, with what people get wrong.

use std::collections::BTreeSet;

use super::*;

fn words(line: &str) -> Vec<OsString> {
    joined(line.split(' ').map(OsString::from))
}

/// What a person is told; `None`: the words are taken.
fn refusal(words: &[OsString]) -> Option<(ErrorKind, String)> {
    let error = parse(words).err()?;
    Some((error.kind(), told(&error.render().to_string(), words, |_| false)))
}

/// `(the command's words, flag)` of every flag that takes a value.
fn flags(command: &Command, path: &[String]) -> Vec<(Vec<String>, String)> {
    let with_value = |argument: &&clap::Arg| argument.get_action().takes_values();
    let mut all: Vec<_> = command
        .get_arguments()
        .filter(with_value)
        .filter_map(|argument| Some((path.to_vec(), format!("--{}", argument.get_long()?))))
        .collect();
    for sub in command.get_subcommands() {
        let path: Vec<String> = path.iter().cloned().chain([sub.get_name().to_owned()]).collect();
        all.extend(flags(sub, &path));
    }
    all
}

/// Names of files and folders, and texts: whatever is given is taken here, and judged where it is used.
const FREE_TEXT: [&str; 20] = [
    "--client-address",
    "--cluster-id",
    "--data-dir",
    "--endpoints",
    "--expect",
    "--export",
    "--initial",
    "--journal",
    "--peer",
    "--plan",
    "--report",
    "--junit",
    "--runs-dir",
    "--server",
    "--server-arg",
    "--target",
    "--tls-ca",
    "--tls-cert",
    "--tls-key",
    "--trace",
];

#[test]
fn every_flag_with_a_bad_value_is_named_with_the_value_and_what_was_expected() {
    let command = {
        let mut command = Cli::command();
        command.build();
        command
    };
    let flags = flags(&command, &[]);
    assert!(flags.len() > 60, "{}", flags.len());
    let mut free = BTreeSet::new();
    for (path, flag) in flags {
        for bad in ["b@d", "-1", "-5s", "1.5.x"] {
            let mut line = vec![OsString::from("whitewater")];
            line.extend(path.iter().map(OsString::from));
            line.extend([OsString::from(&flag), OsString::from(bad)]);
            let at = line.iter().map(|word| word.to_string_lossy()).collect::<Vec<_>>().join(" ");
            match refusal(&joined(line)) {
                // A number may be below zero where that has a meaning.
                None | Some((ErrorKind::MissingRequiredArgument, _)) if bad == "-1" => {}
                None | Some((ErrorKind::MissingRequiredArgument, _)) => {
                    free.insert(flag.clone());
                }
                Some((ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand, _))
                | Some((ErrorKind::MissingSubcommand, _)) => {}
                Some((_, told)) => {
                    let first = told.lines().next().unwrap_or_default();
                    assert!(first.contains(&flag) && first.contains(bad), "{at}: {told}");
                    let expects = [
                        "expected",
                        "possible values",
                        "is not in",
                        "known are",
                        "for example",
                        "of the form",
                        "such as",
                        "is not a ",
                    ];
                    assert!(expects.iter().any(|word| told.contains(word)), "{at}: {told}");
                    assert!(!told.contains("found in string"), "{at}: {told}");
                }
            }
        }
    }
    let unknown: Vec<_> = free.iter().filter(|flag| !FREE_TEXT.contains(&flag.as_str())).collect();
    assert!(unknown.is_empty(), "these take any text: {unknown:?}");
}

#[test]
fn every_variable_with_a_bad_value_is_named() {
    for (flag, variable) in variables(&Cli::command()) {
        let plain = format!("error: invalid value 'b@d' for '{flag} <VALUE>': expected that\n");
        let told = told(&plain, &words("whitewater run"), |name| name == variable);
        assert!(told.contains(&format!("environment's {variable}, ")), "{told}");
        let typed = words(&format!("whitewater run {flag} b@d"));
        assert_eq!(
            super::told(&plain, &typed, |_| true),
            plain,
            "what was typed is named as typed"
        );
    }
}

#[test]
fn a_negative_number_is_a_value() {
    let cases = [
        ("run --seed -1", "run --seed=-1"),
        ("run --time -5s", "run --time=-5s"),
        ("run --seed=-1", "run --seed=-1"),
        ("kv put k -1", "kv put k -1"),
        ("cluster -- --seed -1", "cluster -- --seed -1"),
        ("run -q --rate -.5", "run -q --rate=-.5"),
    ];
    for (line, expected) in cases {
        let expected: Vec<OsString> = expected.split(' ').map(OsString::from).collect();
        assert_eq!(words(line), expected, "{line}");
    }
    let (_, told) = refusal(&words("whitewater run --seed -1")).unwrap();
    assert!(told.contains("'-1' for '--seed <N>': expected a whole number, 0 or more"), "{told}");
}

#[test]
fn help_is_ascii_and_says_what_every_flag_is() {
    fn each(command: &mut Command) {
        let help = command.render_long_help().to_string();
        assert!(help.is_ascii(), "{help}");
        for argument in command.get_arguments() {
            assert!(argument.get_help().is_some(), "{} {argument}", command.get_name());
        }
        command.get_subcommands_mut().for_each(each);
    }
    let mut command = Cli::command();
    command.build();
    each(&mut command);
}

#[test]
fn help_lists_every_exit_code() {
    let help = Cli::command().render_long_help().to_string();
    for exit in crate::exit::Exit::ALL {
        let code = exit.code().to_string();
        assert!(
            help.split(|c: char| !c.is_ascii_digit()).any(|word| word == code),
            "{exit:?} {code} is not in: {help}"
        );
    }
}
