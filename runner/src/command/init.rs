//! `whitewater init`: writes a description to begin with. Nothing that exists is written over.

use std::fs::OpenOptions;
use std::io::{ErrorKind, Write};
use std::path::PathBuf;

use clap::Args;
use clap::builder::PossibleValuesParser;

use crate::exit::{Exit, Refusal};
use crate::invocation::command;
use crate::progress::print;
use crate::sentence::failed;

/// `whitewater init`.
#[derive(Debug, Args)]
pub(crate) struct InitArguments {
    /// How clients talk to the server
    #[arg(long, value_parser = PossibleValuesParser::new(whitewater_target::kinds()), value_name = "KIND")]
    target: String,
    /// Where the description is written [default: KIND.toml]
    #[arg(value_name = "FILE")]
    file: Option<PathBuf>,
}

/// Carries out `init`.
pub(crate) fn run(arguments: &InitArguments) -> anyhow::Result<Exit> {
    let kind = &arguments.target;
    let text = whitewater_target::beginning(kind).expect("the parser lets only kinds through");
    let file = arguments.file.clone().unwrap_or_else(|| format!("{kind}.toml").into());
    let shown = file.display();
    let written = OpenOptions::new()
        .write(true)
        .create_new(true)
        .open(&file)
        .and_then(|mut file| file.write_all(text.as_bytes()));
    match written {
        Ok(()) => {
            let again = command(["try", &file.to_string_lossy()]);
            print(&format!("wrote {shown}: change what is marked in it, then `{again}`\n"));
            Ok(Exit::Pass)
        }
        Err(error) if error.kind() == ErrorKind::AlreadyExists => Err(Refusal::Usage(format!(
            "{shown} is there already, and nothing is written over; name another file"
        ))
        .into()),
        Err(error) => Err(Refusal::Environment(failed(&format!("write {shown}"), &error)).into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_exists_is_left_as_it_is() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("mine.toml");
        let arguments = InitArguments { target: "http".into(), file: Some(file.clone()) };
        assert_eq!(run(&arguments).unwrap(), Exit::Pass);
        std::fs::write(&file, "mine").unwrap();
        let refused = run(&arguments).unwrap_err().to_string();
        assert!(refused.contains("nothing is written over"), "{refused}");
        assert_eq!(std::fs::read_to_string(&file).unwrap(), "mine");
    }
}
