//! The descriptions that come with us, and those that a user names by their path.

use std::fs;
use std::io;
use std::path::Path;

use super::description::{Client, Description, read};
use super::foreign::{Foreign, Programs};
use super::{Build, built};

/// One that comes with us.
struct Finished {
    name: &'static str,
    text: &'static str,
    /// Programs that it names as files beside it.
    programs: &'static [(&'static str, &'static str)],
}

const FINISHED: [Finished; 5] = [
    Finished { name: "etcd", text: include_str!("../targets/etcd.toml"), programs: &[] },
    Finished {
        name: "pysyncobj",
        text: include_str!("../targets/pysyncobj.toml"),
        programs: &[("pysyncobj_kv.py", include_str!("../targets/pysyncobj_kv.py"))],
    },
    Finished {
        name: "nats",
        text: include_str!("../targets/nats.toml"),
        programs: &[("nats_shim.py", include_str!("../targets/nats_shim.py"))],
    },
    Finished { name: "redis", text: include_str!("../targets/redis.toml"), programs: &[] },
    Finished {
        name: "minimal",
        text: include_str!("../targets/minimal.toml"),
        programs: &[("minimal.py", include_str!("../targets/minimal.py"))],
    },
];

/// The names of those that come with us.
pub(super) fn names() -> impl Iterator<Item = &'static str> {
    FINISHED.iter().map(|finished| finished.name)
}

/// The description of a name, or of a path that ends in `.toml`.
///
/// # Errors
/// Where there is none, or what is wrong with it; in words.
pub(super) fn find(name: &str, build: &Build) -> Result<Foreign, String> {
    if let Some(finished) = FINISHED.iter().find(|finished| finished.name == name) {
        let file = format!("{name}.toml");
        let description = parsed(&file, finished.text, build)?;
        let programs =
            unpacked(finished).map_err(|error| format!("write the programs of {name}: {error}"))?;
        let target = Foreign::new(name, description, programs, build.clone());
        return Ok(target.written_in(&file, finished.text));
    }
    let path = Path::new(name);
    if path.extension().is_none_or(|extension| extension != "toml") {
        let known: Vec<&str> = super::names().collect();
        return Err(format!(
            "no target `{name}`: known are {}, and files FILE.toml",
            known.join(", ")
        ));
    }
    let text = fs::read_to_string(path).map_err(|error| format!("read {name}: {error}"))?;
    let description = parsed(name, &text, build)?;
    let path = std::path::absolute(path).map_err(|error| format!("find {name}: {error}"))?;
    let folder = path.parent().unwrap_or(Path::new("/")).to_owned();
    let stem = path.file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default();
    let mut build = build.clone();
    if let (Some(wanted), None) = (&description.build, &build.program) {
        build.program = Some(built::build(wanted, &folder)?);
    }
    let target = Foreign::new(&stem, description, Programs::beside(&folder), build);
    Ok(target.written_in(name, &text))
}

fn parsed(name: &str, text: &str, build: &Build) -> Result<Description, String> {
    let read = read(name, text, &|variable| std::env::var(variable).ok());
    let mut description = read.map_err(|flaw| flaw.to_string())?;
    match (&mut description.client, build.etcd_reads) {
        (Some(Client::Etcd(etcd)), Some(reads)) => etcd.reads = reads,
        (_, Some(_)) => {
            return Err(format!("--etcd-reads needs [client.etcd], which {name} has not"));
        }
        (_, None) => {}
    }
    Ok(description)
}

/// A folder with the programs, which lives as long as the target and its clients.
fn unpacked(finished: &Finished) -> io::Result<Programs> {
    let folder = tempfile::Builder::new().prefix("whitewater-target-").tempdir()?;
    for (name, text) in finished.programs {
        fs::write(folder.path().join(name), text)?;
    }
    Ok(Programs::own(folder))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Target;

    #[test]
    fn every_description_that_comes_with_us_is_right() {
        for finished in &FINISHED {
            let target =
                find(finished.name, &Build::default()).unwrap_or_else(|error| panic!("{error}"));
            assert_eq!(target.name(), finished.name);
            assert!(target.profile().offers.cas, "{}", finished.name);
        }
    }

    #[test]
    fn a_name_that_is_none_is_answered_with_those_that_are() {
        let error = find("etdc", &Build::default()).unwrap_err();
        assert!(error.contains("no target `etdc`: known are bundled, etcd"), "{error}");
        let error = find("/nowhere/x.toml", &Build::default()).unwrap_err();
        assert!(error.contains("read /nowhere/x.toml"), "{error}");
    }
}
