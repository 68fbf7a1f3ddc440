//! A description as a target.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use whitewater_processes::Launch;

use super::client::ForeignClient;
use super::program::Programs;
use super::status::ForeignProbe;
use crate::description::{
    Arguments, Client, Commands, Description, Offer, Order, StatusSource, Time,
};
use crate::node::{NodeSetup, Preparation};
use crate::profile::{Manner, Offers, Profile, Readiness, Tells};
use crate::template::{Escape, List, Scope};
use crate::{Build, Client as Asks, LeaderSeen, Probe, Target};

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
        Self { name: name.to_owned(), description: Arc::new(description), lists, programs, build }
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
            None => false,
        };
        let time = |time: Option<Time>, usual: Duration| time.map_or(usual, |time| time.0);
        let panics = description.panics.iter().map(|pattern| pattern.0.raw.clone());
        Profile {
            ports: description.ports.iter().map(|port| port.get_ref().clone()).collect(),
            ports_apart: true,
            offers: Offers { cas: has(Offer::Cas), append: has(Offer::Append) },
            tells: Tells {
                leads: told.leads || told.leader,
                leader: told.leader,
                term: told.term && !description.status.term_lags,
                applied: false,
            },
            promised: description.promises,
            manner: Manner {
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

    fn probe(&self, nodes: &BTreeMap<u32, NodeSetup>) -> Option<Arc<dyn Probe>> {
        let probe = ForeignProbe::of(&self.description, &self.lists, &self.programs, nodes)?;
        Some(Arc::new(probe))
    }
}
