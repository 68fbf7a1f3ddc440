//! A description as a target.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use whitewater_processes::Launch;

use super::client::ForeignClient;
use super::maelstrom::{KeyNumbers, MaelstromClient};
use super::program::Programs;
use super::status::ForeignProbe;
use crate::description::{
    Arguments, Client, Commands, Description, Kind, Offer, Order, StatusSource, Time, line_of,
};
use crate::node::{NodeSetup, Preparation};
use crate::profile::{Manner, Offers, Profile, Readiness, Tells};
use crate::template::{Escape, List, Scope};
use crate::{Build, Client as Asks, LeaderSeen, Probe, Target, Wire};

/// How often nodes are asked for their status where a program is run for it.
const PROGRAM_EVERY: Duration = Duration::from_secs(1);
/// What a server's log says only where it is broken, whatever server it is.
const PANICS: [&str; 4] =
    ["^panic: ", "^fatal error: ", "Assertion .*failed", "^Traceback \\(most recent call last\\)"];

/// A server that is not ours.
#[derive(Clone, Debug)]
pub(crate) struct Foreign {
    name: String,
    description: Arc<Description>,
    lists: Arc<BTreeMap<String, List>>,
    programs: Programs,
    build: Build,
    keys: Arc<KeyNumbers>,
    file: File,
}

/// What a description was read from.
#[derive(Clone, Debug, Default)]
pub(crate) struct File {
    /// As the user named it.
    pub(crate) name: String,
    /// What is in it.
    pub(crate) text: Arc<str>,
}

impl Foreign {
    /// Of a description, and where the programs beside it are.
    pub(crate) fn new(
        name: &str,
        description: Description,
        programs: Programs,
        build: Build,
    ) -> Self {
        let list = |(name, entry): (&toml::Spanned<String>, &crate::description::ListEntry)| {
            // Lines have nothing between them.
            let usual = if entry.each.raw.ends_with('\n') { "" } else { "," };
            let between = entry.between.clone().unwrap_or_else(|| usual.to_owned());
            (name.get_ref().clone(), List { each: entry.each.template.clone(), between })
        };
        let lists = Arc::new(description.lists.iter().map(list).collect());
        let (name, description) = (name.to_owned(), Arc::new(description));
        let (keys, file) = (Arc::default(), File::default());
        Self { name, description, lists, programs, build, keys, file }
    }

    /// The same, which knows where its keys stand.
    pub(crate) fn written_in(self, name: &str, text: &str) -> Self {
        Self { file: File { name: name.to_owned(), text: text.into() }, ..self }
    }

    /// Runs with a node's places filled in.
    fn scoped<T>(&self, node: &NodeSetup, run: impl FnOnce(&Scope<'_>) -> T) -> T {
        let (dir, here) = (absolute(&node.data_dir), self.programs.here.display().to_string());
        let words = [("dir", dir.as_str()), ("here", here.as_str())];
        run(&Scope { places: &node.places, node: node.number, lists: &self.lists, words: &words })
    }

    /// A command that runs in the node's folder. A word that is the name of a file beside the description stands for
    /// that file, as the command runs elsewhere.
    fn command(&self, words: Vec<String>, node: &NodeSetup) -> Launch {
        let beside = |word: &String| {
            let path = self.programs.here.join(word);
            let is_file = !word.is_empty() && Path::new(word).is_relative() && path.is_file();
            if is_file { path.into_os_string() } else { OsString::from(word) }
        };
        let mut words = words.iter().map(beside);
        let env = self.scoped(node, |scope| {
            let filled = |(name, value): (&String, &crate::description::Text)| {
                (OsString::from(name), OsString::from(value.fill(scope, Escape::Plain)))
            };
            self.description.env.iter().map(filled).collect()
        });
        Launch {
            program: words.next().map(PathBuf::from).unwrap_or_default(),
            arguments: words.collect(),
            environment: env,
            folder: Some(PathBuf::from(absolute(&node.data_dir))),
            ..Launch::into_log(&node.log)
        }
    }

    fn filled(&self, command: &Arguments, node: &NodeSetup) -> Vec<String> {
        self.scoped(node, |scope| command.fill(scope))
    }

    fn commands(&self, commands: Option<&Commands>, node: &NodeSetup) -> Vec<Launch> {
        let commands = commands.iter().flat_map(|commands| &commands.0);
        commands.map(|command| self.command(self.filled(command, node), node)).collect()
    }
}

/// The folder of a run may be named from where the runner stands; a node stands elsewhere.
fn absolute(path: &Path) -> String {
    std::path::absolute(path).unwrap_or_else(|_| path.to_owned()).display().to_string()
}

fn is_first(node: &NodeSetup) -> bool {
    node.places.keys().next() == Some(&node.number)
}

impl Target for Foreign {
    fn name(&self) -> &str {
        &self.name
    }

    fn profile(&self) -> Profile {
        let description = &self.description;
        let source = description.status.sources().next().map(|(_, source)| source);
        let told = source.map(|source| source.told()).unwrap_or_default();
        let every = match source {
            Some(StatusSource::Command(_)) => PROGRAM_EVERY,
            _ => Manner::default().poll_every,
        };
        let has = |offer: Offer| match &description.client {
            Some(Client::Http(http)) => match offer {
                Offer::Cas => http.cas.is_some(),
                _ => http.append.is_some(),
            },
            Some(Client::Resp(run) | Client::Command(run)) => match offer {
                Offer::Cas => run.cas.is_some(),
                _ => run.append.is_some(),
            },
            Some(Client::Shim(shim)) => match &shim.operations {
                None => offer == Offer::Cas,
                Some(operations) => operations.contains(&offer),
            },
            Some(Client::Etcd(_)) => offer == Offer::Cas,
            // lin-kv's.
            None => offer == Offer::Cas,
        };
        let is_wired = description.kind == Kind::Maelstrom;
        let time = |time: Option<Time>, usual: Duration| time.map_or(usual, |time| time.0);
        let panics = description.panics.iter().map(|pattern| pattern.0.raw.clone());
        Profile {
            ports: description.ports.iter().map(|port| port.get_ref().clone()).collect(),
            ports_apart: !is_wired,
            offers: Offers { cas: has(Offer::Cas), append: has(Offer::Append) },
            tells: Tells {
                leads: told.leads || told.leader,
                leader: told.leader,
                term: told.term && !description.status.term_lags,
                applied: false,
            },
            promised: description.promised(),
            manner: Manner {
                is_wired,
                one_by_one: description.order == Order::OneByOne,
                ready: description.ready.clone().unwrap_or(Readiness::Listens),
                ready_within: description.times.restart(),
                stop: description.stop.0,
                stop_within: time(description.stop_within, Manner::default().stop_within),
                election: description.times.election(),
                poll_every: time(description.status.every, every),
            },
            traces: false,
            panics: PANICS.iter().map(|it| (*it).to_owned()).chain(panics).collect(),
        }
    }

    fn place_of(&self, key: &str) -> Option<String> {
        let line = line_of(&self.file.text, key)?;
        Some(format!("{}, line {line}", self.file.name))
    }

    fn launch(&self, node: &NodeSetup) -> Launch {
        let mut words = self.filled(&self.description.command, node);
        if let Some(join) =
            self.description.join.as_ref().filter(|_| node.is_first_start && !is_first(node))
        {
            words.extend(self.filled(join, node));
        }
        let mut launch = self.command(words, node);
        launch.arguments.extend(self.build.arguments.iter().cloned());
        if let Some(program) = &self.build.program {
            launch.program.clone_from(program);
        }
        launch
    }

    fn prepare(&self, node: &NodeSetup) -> Preparation {
        let description = &self.description;
        let files = self.scoped(node, |scope| {
            let filled = |(path, text): (&crate::description::Text, &crate::description::Text)| {
                (PathBuf::from(path.fill(scope, Escape::Plain)), text.fill(scope, Escape::Plain))
            };
            description.files.iter().map(filled).collect()
        });
        let first = description.prepare_first.as_ref().filter(|_| is_first(node));
        Preparation { files, commands: self.commands(first.or(description.prepare.as_ref()), node) }
    }

    fn introduce(&self, nodes: &BTreeMap<u32, NodeSetup>) -> Vec<Launch> {
        let mut all = nodes.values();
        let Some(first) = all.next() else { return Vec::new() };
        let setup = self.commands(self.description.setup.as_ref(), first);
        let others = all.flat_map(|node| self.commands(self.description.join_after.as_ref(), node));
        setup.into_iter().chain(others).collect()
    }

    fn client(&self, addresses: BTreeMap<u32, SocketAddr>, leader: LeaderSeen) -> Box<dyn Asks> {
        let (description, programs) = (self.description.clone(), self.programs.clone());
        Box::new(ForeignClient::new(description, programs, &addresses, leader))
    }

    fn wired_client(&self, wire: Box<dyn Wire>, leader: LeaderSeen) -> Option<Box<dyn Asks>> {
        let keys = self.keys.clone();
        (self.description.kind == Kind::Maelstrom)
            .then(|| Box::new(MaelstromClient::new(&self.description, wire, keys, leader)) as _)
    }

    fn probe(&self, nodes: &BTreeMap<u32, NodeSetup>) -> Option<Arc<dyn Probe>> {
        let probe = ForeignProbe::of(&self.description, &self.lists, &self.programs, nodes)?;
        Some(Arc::new(probe))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::description::read;
    use crate::node::Place;

    const TEXT: &str = r#"
ports = ["http", "raft"]
command = ["store", "{host}:{http}", "--peers", "{others.raft}", "--all={all.member}", "beside.cfg", "{dir}/x"]
join = ["--join", "{first.host}:{first.raft}"]
prepare = ["tool", "join", "{dir}"]
prepare_first = [["tool", "create", "{dir}"], ["tool", "check"]]
setup = "tool init {host}"
join_after = "tool add {host}"
env = { PLACE = "{name}" }
[files]
"{dir}/conf/own.cfg" = "{all.line}id={id}\n"
[lists]
member = "{name}={host}"
line = "server.{id}={host}\n"
[client.shim]
command = "shim"
operations = ["read", "write", "append"]
"#;

    fn target(here: &Path) -> Foreign {
        let description = read("x.toml", TEXT, &|_| None).unwrap_or_else(|flaw| panic!("{flaw}"));
        Foreign::new("x", description, Programs::beside(here), Build::default())
    }

    fn setup(number: u32, is_first_start: bool) -> NodeSetup {
        let place = |node: u32| {
            let host = format!("127.7.7.{node}").parse().unwrap();
            (node, Place { host, ports: vec![("http".into(), 8_000), ("raft".into(), 7_000)] })
        };
        NodeSetup {
            number,
            cluster_id: "c".into(),
            places: Arc::new((1..=3).map(place).collect()),
            peers: BTreeMap::new(),
            data_dir: format!("/d/n{number}").into(),
            trace: "t".into(),
            log: "l".into(),
            journal: None,
            joins: false,
            is_first_start,
        }
    }

    fn words(launch: &Launch) -> String {
        let words = launch.arguments.iter().map(|word| word.to_string_lossy().into_owned());
        let words = std::iter::once(launch.program.display().to_string()).chain(words);
        words.collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn a_node_is_told_of_all_others_and_joins_only_at_its_first_start() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("beside.cfg"), "").unwrap();
        let target = target(folder.path());
        let beside = folder.path().join("beside.cfg").display().to_string();
        let again = format!(
            "store 127.7.7.2:8000 --peers 127.7.7.1:7000 127.7.7.3:7000 \
             --all=n1=127.7.7.1,n2=127.7.7.2,n3=127.7.7.3 {beside} /d/n2/x"
        );
        let launch = target.launch(&setup(2, false));
        assert_eq!(words(&launch), again);
        assert_eq!(launch.environment, [("PLACE".into(), "n2".into())]);
        assert_eq!(launch.folder.as_deref(), Some(Path::new("/d/n2")));
        let first = words(&target.launch(&setup(2, true)));
        assert_eq!(first, format!("{again} --join 127.7.7.1:7000"));
        assert!(
            !words(&target.launch(&setup(1, true))).contains("--join"),
            "there is nobody to join"
        );
    }

    #[test]
    fn the_first_node_is_prepared_in_its_own_way_and_others_are_introduced_to_it() {
        let target = target(Path::new("/nowhere"));
        let prepared = |number| {
            let preparation = target.prepare(&setup(number, true));
            let lines = "server.1=127.7.7.1\nserver.2=127.7.7.2\nserver.3=127.7.7.3\n";
            let file = (
                PathBuf::from(format!("/d/n{number}/conf/own.cfg")),
                format!("{lines}id={number}\n"),
            );
            assert_eq!(preparation.files, [file]);
            preparation.commands.iter().map(words).collect::<Vec<_>>()
        };
        assert_eq!(prepared(1), ["tool create /d/n1", "tool check"]);
        assert_eq!(prepared(3), ["tool join /d/n3"]);
        let all = (1..=3).map(|number| (number, setup(number, true))).collect();
        let introduced: Vec<String> = target.introduce(&all).iter().map(words).collect();
        assert_eq!(introduced, ["tool init 127.7.7.1", "tool add 127.7.7.2", "tool add 127.7.7.3"]);
    }

    #[test]
    fn a_profile_offers_and_tells_what_is_written_and_nothing_else() {
        let profile = target(Path::new("/nowhere")).profile();
        assert_eq!(profile.offers, Offers { cas: false, append: true });
        assert_eq!(profile.tells, Tells::default());
        assert_eq!(profile.ports, ["http", "raft"]);
        assert_eq!(profile.manner, Manner::default());
    }

    #[test]
    fn the_program_of_a_user_takes_the_place_of_the_one_that_is_written() {
        let mut target = target(Path::new("/nowhere"));
        target.build = Build { program: Some("/own/store".into()), ..Build::default() };
        assert!(words(&target.launch(&setup(1, false))).starts_with("/own/store 127.7.7.1:8000"));
    }
}
