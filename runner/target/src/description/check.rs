//! Whether a description is whole and means something: every place can be filled in, every pattern compiles, and
//! keys that need each other are there.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use super::client::{
    Client, Condition, ErrorRule, HttpRequest, Means, Offer, ResponseRule, RunRequest, To,
};
use super::document::{Description, Kind};
use super::flaw::Flaw;
use super::notation::{Arguments, Pattern, Text};
use super::status::{HttpStatus, StatusSource, Statuses};
use crate::node::Place;
use crate::template::{Scope, Vocabulary, is_identifier};

/// More ports, lists, files or rules than this are a mistake.
const ENTRIES_MAX: usize = 64;
/// More ports of a node than this are a mistake.
const PORTS_MAX: usize = 8;
/// What ports and lists cannot be called, as it means something else.
const RESERVED: [&str; 13] = [
    "id", "name", "host", "dir", "here", "key", "value", "old", "new", "first", "all", "others",
    "env",
];
/// What a node's own templates may name beside ports and lists.
const NODE_WORDS: [&str; 2] = ["dir", "here"];

/// Finds the first thing that is wrong.
pub(super) fn check(
    description: &mut Description,
    file: &str,
    text: &str,
    environment: &dyn Fn(&str) -> Option<String>,
) -> Result<(), Flaw> {
    let ports = description.ports.iter().map(|port| port.get_ref().clone()).collect();
    let lists = description.lists.keys().map(|list| list.get_ref().clone()).collect();
    let checker = Checker { file, text, environment, ports, lists };
    checker.names(description)?;
    checker.node(description)?;
    if description.kind == Kind::Maelstrom {
        description.errors.iter_mut().try_for_each(|rule| checker.error_rule(rule))?;
        return checker.wired(description);
    }
    let has_leader = description.status.sources().any(|(_, source)| source.told().leads);
    let tells_misses =
        description.errors.iter().any(|rule| *rule.means.get_ref() == Means::Mismatch);
    match &mut description.client {
        None => {
            let help = "say how clients talk to it: [client.http], [client.resp], [client.shim], [client.command] or [client.etcd]";
            return Err(Flaw::whole(file, "there is no `[client.*]`", Some(help.into())));
        }
        Some(client) => {
            checker.client(client, has_leader, tells_misses, !description.errors.is_empty())?
        }
    }
    description.errors.iter_mut().try_for_each(|rule| checker.error_rule(rule))?;
    checker.status(&mut description.status)
}

struct Checker<'a> {
    file: &'a str,
    text: &'a str,
    environment: &'a dyn Fn(&str) -> Option<String>,
    ports: Vec<String>,
    lists: Vec<String>,
}

impl Checker<'_> {
    fn flaw(&self, span: &Range<usize>, says: impl Into<String>) -> Flaw {
        Flaw::at(self.file, self.text, span.clone(), says)
    }

    /// Of what has no place of its own: where a line begins so, else of the whole file.
    fn near(&self, start: &str, says: impl Into<String>) -> Flaw {
        let is_it = |(at, _): &(usize, &str)| {
            let line = self.text[..*at].rsplit('\n').next().unwrap_or_default();
            line.trim().is_empty() || start.starts_with('{')
        };
        match self.text.match_indices(start).find(is_it) {
            Some((at, found)) => self.flaw(&(at..at + found.len()), says),
            None => Flaw::whole(self.file, says, None),
        }
    }

    fn names(&self, description: &Description) -> Result<(), Flaw> {
        if description.ports.is_empty() && description.kind == Kind::Server {
            let help = "name the ports that a node listens on, the clients' first: ports = [\"http\", \"raft\"]";
            return Err(Flaw::whole(self.file, "the key `ports` is missing", Some(help.into())));
        }
        let ports = description.ports.iter().map(|port| (port, "port"));
        let lists = description.lists.keys().map(|list| (list, "list"));
        let mut seen = BTreeSet::new();
        for (name, what) in ports.chain(lists) {
            let (word, span) = (name.get_ref().as_str(), name.span());
            let says = match word {
                word if !is_identifier(word) => format!(
                    "a {what}'s name is made of letters, digits and _, and begins with a letter"
                ),
                word if RESERVED.contains(&word) => {
                    format!("a {what} cannot be called `{word}`: {{{word}}} means something else")
                }
                word if !seen.insert(word) => format!("two things are called `{word}`"),
                _ => continue,
            };
            return Err(self.flaw(&span, says));
        }
        let counts = [
            description.lists.len(),
            description.files.len(),
            description.errors.len(),
            description.panics.len(),
            description.env.len(),
        ];
        if description.ports.len() > PORTS_MAX || counts.iter().any(|count| *count > ENTRIES_MAX) {
            let says = format!(
                "more than {PORTS_MAX} ports, or {ENTRIES_MAX} lists, files, variables, errors or panics"
            );
            return Err(Flaw::whole(self.file, says, None));
        }
        Ok(())
    }

    /// What nodes that speak on standard input and output have no use for.
    fn wired(&self, description: &Description) -> Result<(), Flaw> {
        let says = |key: &str| {
            format!(
                "`{key}` has no place with `kind = \"maelstrom\"`: nodes speak on stdin and stdout"
            )
        };
        if let Some(port) = description.ports.first() {
            return Err(self.flaw(&port.span(), says("ports")).helped("leave `ports` out"));
        }
        let is_asked = description.status.sources().next().is_some();
        let others = [
            ("[client", description.client.is_some(), "leave it out: clients speak lin-kv"),
            ("[status", is_asked, "leave it out: such nodes cannot be asked who leads"),
            ("ready", description.ready.is_some(), "leave it out: ready is who answered init"),
        ];
        match others.into_iter().find(|(_, is_there, _)| *is_there) {
            Some((key, _, help)) => {
                let name = key.trim_start_matches('[');
                Err(self.near(key, says(name)).helped(help))
            }
            None => Ok(()),
        }
    }

    /// Everything that is filled in for a node.
    fn node(&self, description: &mut Description) -> Result<(), Flaw> {
        let known = self.known();
        let entry = Vocabulary { lists: &[], words: &["here"], others: false, ..known };
        for list in description.lists.values_mut() {
            self.text(&mut list.each, &entry)?;
        }
        self.arguments(&mut description.command, &known)?;
        if let Some(join) = &mut description.join {
            self.arguments(join, &known)?;
        }
        let commands = [
            &mut description.prepare,
            &mut description.prepare_first,
            &mut description.setup,
            &mut description.join_after,
        ];
        for command in commands.into_iter().flatten().flat_map(|commands| &mut commands.0) {
            self.arguments(command, &known)?;
        }
        let nowhere =
            Vocabulary { ports: &[], lists: &[], words: &["here"], others: false, node: false };
        if let Some(build) = &mut description.build {
            self.arguments(&mut build.command, &nowhere)?;
        }
        description.panics.iter_mut().try_for_each(|pattern| self.pattern(pattern, &nowhere))?;
        description.env.values_mut().try_for_each(|value| self.text(value, &known))?;
        let mut files = BTreeMap::new();
        for (mut path, mut content) in std::mem::take(&mut description.files) {
            if !path.raw.starts_with("{dir}/") || path.raw.split('/').any(|part| part == "..") {
                let flaw = self.flaw(&path.span, "a file is written into the node's own folder");
                return Err(flaw.helped("write a path that begins with {dir}/"));
            }
            self.text(&mut path, &known)?;
            self.text(&mut content, &known)?;
            files.insert(path, content);
        }
        description.files = files;
        Ok(())
    }

    fn known(&self) -> Vocabulary<'_> {
        Vocabulary {
            ports: &self.ports,
            lists: &self.lists,
            words: &NODE_WORDS,
            others: true,
            node: true,
        }
    }

    fn client(
        &self,
        client: &mut Client,
        has_leader: bool,
        tells_misses: bool,
        has_errors: bool,
    ) -> Result<(), Flaw> {
        let (to, span) = match client {
            Client::Http(it) => {
                (it.to, it.read.targets().next().map(|(_, path)| path.span.clone()))
            }
            Client::Resp(it) | Client::Command(it) => (it.to, Some(it.read.run.span.clone())),
            Client::Shim(it) => (it.to, Some(it.command.span.clone())),
            Client::Etcd(_) => (To::Any, None),
        };
        if to == To::Leader && !has_leader {
            let flaw =
                self.flaw(&span.unwrap_or(0..0), "`to = \"leader\"` needs to know who leads");
            return Err(
                flaw.helped("say where nodes tell: [status.http] with `leads`, or another source")
            );
        }
        match client {
            Client::Etcd(_) => match has_errors {
                true => Err(self
                    .near("[[errors]]", "etcd's own client knows what etcd's errors mean")
                    .helped("leave [[errors]] out")),
                false => Ok(()),
            },
            Client::Shim(shim) => {
                let known = self.of_requests(&["here"]);
                self.arguments(&mut shim.command, &known)
            }
            Client::Http(http) => {
                let known = self.of_requests(&["here"]);
                http.headers.values_mut().try_for_each(|header| self.text(header, &known))?;
                let requests = [
                    (Offer::Read, Some(&mut http.read)),
                    (Offer::Stale, http.stale.as_mut()),
                    (Offer::Write, Some(&mut http.write)),
                    (Offer::Cas, http.cas.as_mut()),
                    (Offer::Append, http.append.as_mut()),
                    (Offer::Delete, http.delete.as_mut()),
                ];
                let present = requests.into_iter().filter_map(|(offer, it)| Some((offer, it?)));
                for (offer, request) in present {
                    self.http_request(offer, request, tells_misses)?;
                }
                Ok(())
            }
            Client::Resp(run) | Client::Command(run) => {
                let requests = [
                    (Offer::Read, Some(&mut run.read)),
                    (Offer::Stale, run.stale.as_mut()),
                    (Offer::Write, Some(&mut run.write)),
                    (Offer::Cas, run.cas.as_mut()),
                    (Offer::Append, run.append.as_mut()),
                    (Offer::Delete, run.delete.as_mut()),
                ];
                let present = requests.into_iter().filter_map(|(offer, it)| Some((offer, it?)));
                present.into_iter().try_for_each(|(offer, it)| self.run_request(offer, it))
            }
        }
    }

    /// Clients know the first port alone: they may reach it by another way than nodes do.
    fn of_requests<'a>(&'a self, words: &'a [&'a str]) -> Vocabulary<'a> {
        Vocabulary { ports: &self.ports[..1], lists: &[], words, others: false, node: true }
    }

    fn http_request(
        &self,
        offer: Offer,
        request: &mut HttpRequest,
        tells_misses: bool,
    ) -> Result<(), Flaw> {
        let name = offer.name();
        let places: Vec<Range<usize>> =
            request.targets().map(|(_, path)| path.span.clone()).collect();
        let span = match places.as_slice() {
            [one] => one.clone(),
            [] => {
                let says = format!("`{name}` has no path");
                let help = format!(
                    "say {name} = {{ get = \"/kv/{{key}}\" }}, or put, post, delete, patch"
                );
                return Err(self.near(name, says).helped(help));
            }
            [_, second, ..] => {
                return Err(
                    self.flaw(second, format!("`{name}` has two paths: a request has one method"))
                );
            }
        };
        let known = self.of_requests(words_of(offer));
        let HttpRequest { get, put, post, delete, patch, .. } = request;
        for path in [get, put, post, delete, patch].into_iter().flatten() {
            self.path(path, &known)?;
        }
        if let Some(body) = &mut request.body {
            self.text(body, &known)?;
        }
        request.headers.values_mut().try_for_each(|header| self.text(header, &known))?;
        let texts = request
            .targets()
            .map(|(_, path)| path)
            .chain(&request.body)
            .chain(request.headers.values());
        self.names_all(offer, &texts.collect::<Vec<_>>(), &span)?;
        if let Some(pointer) = request.value.as_mut().and_then(|value| value.pointer.as_mut()) {
            self.pointer(
                pointer,
                &known,
                "`value` is a JSON pointer such as \"/value\", or \"text\"",
            )?;
        }
        self.conditions(
            [&mut request.absent, &mut request.ok, &mut request.swapped],
            &known,
            true,
        )?;
        if offer == Offer::Cas && request.swapped.is_none() && !tells_misses {
            let flaw = self.flaw(
                &span,
                "nothing says how a cas that found another value is told from one that changed it",
            );
            return Err(flaw.helped(
                "write swapped = \"/pointer/to/a/truth\", or [[errors]] with means = \"mismatch\"",
            ));
        }
        Ok(())
    }

    fn run_request(&self, offer: Offer, request: &mut RunRequest) -> Result<(), Flaw> {
        let known = self.of_requests(words_of(offer));
        self.arguments(&mut request.run, &known)?;
        let texts: Vec<&Text> = request.run.words.iter().collect();
        self.names_all(offer, &texts, &request.run.span)?;
        if let Some(value) = &mut request.value {
            self.pattern(value, &known)?;
        }
        self.conditions([&mut request.absent, &mut request.ok, &mut request.swapped], &known, false)
    }

    /// A request that does not say what it is about would always do the same.
    fn names_all(&self, offer: Offer, texts: &[&Text], span: &Range<usize>) -> Result<(), Flaw> {
        for word in words_of(offer).iter().filter(|word| **word != "here") {
            if !texts.iter().any(|text| text.template.names(word)) {
                let says = format!("`{}` does not say {{{word}}} anywhere", offer.name());
                return Err(self.flaw(span, says).helped(match *word {
                    "key" => "put {key} into the path or the body",
                    _ => "put it into the body or the path",
                }));
            }
        }
        Ok(())
    }

    /// `absent`, `ok` and `swapped`, of which a text means: that value; nothing; a pointer or a pattern.
    fn conditions(
        &self,
        of: [&mut Option<Condition>; 3],
        known: &Vocabulary<'_>,
        is_json: bool,
    ) -> Result<(), Flaw> {
        let [absent, ok, swapped] = of;
        if let Some(Condition::Word(text)) = absent {
            self.text(text, known)?;
        }
        if let Some(Condition::Word(text)) = ok {
            let flaw = self.flaw(&text.span, "`ok` is a rule");
            return Err(flaw.helped("write ok = { status = 200 }, or ok = { body = \"^done\" }"));
        }
        match swapped {
            Some(Condition::Word(text)) if is_json => {
                self.pointer(
                    text,
                    known,
                    "`swapped` is a JSON pointer such as \"/swapped\", or a rule",
                )?;
            }
            Some(Condition::Word(text)) => self.pattern(&mut Pattern::of(text.clone()), known)?,
            _ => {}
        }
        for rule in [absent, ok, swapped].into_iter().flatten() {
            if let Condition::Rule(rule) = rule {
                self.rule(rule, known)?;
            }
        }
        Ok(())
    }

    fn rule(&self, rule: &mut ResponseRule, known: &Vocabulary<'_>) -> Result<(), Flaw> {
        let ResponseRule { status, body, path, equals, equal, missing } = rule;
        if status.is_none() && body.is_none() && path.is_none() && equal.is_none() {
            let help = "write status, body, path, or equal";
            return Err(self.near("{}", "a rule `{}` says nothing").helped(help));
        }
        if let Some(body) = body {
            self.pattern(body, known)?;
        }
        if let Some(path) = path {
            self.pointer(path, known, "`path` is a JSON pointer such as \"/state\"")?;
        } else if let Some(equals) = equals {
            return Err(self.flaw(&equals.span, "`equals` needs a `path` to look at"));
        } else if missing.is_some() {
            return Err(self.near("missing", "`missing` needs a `path` to look at"));
        }
        if let Some(equals) = equals {
            self.text(equals, known)?;
        }
        let Some(pair) = equal else { return Ok(()) };
        if pair.len() != 2 {
            let span = pair.first().map_or(0..0, |text| text.span.clone());
            return Err(self.flaw(&span, "`equal` is two JSON pointers"));
        }
        pair.iter_mut()
            .try_for_each(|text| self.pointer(text, known, "`equal` is two JSON pointers"))
    }

    fn error_rule(&self, rule: &mut ErrorRule) -> Result<(), Flaw> {
        let nowhere = Vocabulary { ports: &[], lists: &[], words: &[], others: false, node: false };
        match &mut rule.body {
            Some(body) => self.pattern(body, &nowhere),
            None if rule.status.is_none() => {
                let flaw = self.flaw(&rule.means.span(), "this would be said of every answer");
                Err(flaw.helped("write status = 500, or body = \"a pattern\""))
            }
            None => Ok(()),
        }
    }

    fn status(&self, status: &mut Statuses) -> Result<(), Flaw> {
        let names: Vec<&str> = status.sources().map(|(name, _)| name).collect();
        if let [first, second, ..] = names.as_slice() {
            let place = format!("[status.{second}]");
            let says = format!(
                "nodes are asked in two ways, [status.{first}] and [status.{second}]: one is enough"
            );
            return Err(self.near(&place, says));
        }
        if names.is_empty() && status.every.is_some() {
            let help = "write [status.http], [status.command], [status.log] or [status.resp]";
            return Err(self
                .near("[status]", "`[status]` says how often, and not how")
                .helped(help));
        }
        if status.sources().any(|(_, source)| source.told() == super::status::Told::default()) {
            let says = format!("[status.{}] tells nothing", names[0]);
            let help = match status.sources().next() {
                Some((_, StatusSource::Http(_))) => {
                    "write leads = \"/pointer/to/a/truth\", or term, leader, vote, commit"
                }
                _ => "write leads = 'a pattern', or term",
            };
            let place = format!("[status.{}]", names[0]);
            return Err(self.near(&place, says).helped(help));
        }
        let known = self.known();
        if let Some(http) = &mut status.http {
            self.http_status(http, &known)?;
        }
        for run in [&mut status.command, &mut status.resp].into_iter().flatten() {
            self.arguments(&mut run.run, &known)?;
            self.port(run.port.as_ref())?;
            let patterns =
                [&mut run.term, &mut run.leads, &mut run.leader, &mut run.vote, &mut run.commit];
            patterns.into_iter().flatten().try_for_each(|pattern| self.pattern(pattern, &known))?;
        }
        let log =
            status.log.iter_mut().flat_map(|log| [&mut log.leads, &mut log.follows, &mut log.term]);
        log.flatten().try_for_each(|pattern| self.pattern(pattern, &known))
    }

    fn http_status(&self, http: &mut HttpStatus, known: &Vocabulary<'_>) -> Result<(), Flaw> {
        self.port(http.port.as_ref())?;
        match (&mut http.get, &mut http.post) {
            (Some(path), None) | (None, Some(path)) => self.path(path, known)?,
            (None, None) => {
                let help = "write get = \"/status\", or post";
                return Err(self.near("[status.http]", "[status.http] has no path").helped(help));
            }
            (Some(_), Some(post)) => {
                return Err(
                    self.flaw(&post.span, "[status.http] has two paths: a request has one method")
                );
            }
        }
        if let Some(body) = &mut http.body {
            self.text(body, known)?;
        }
        http.headers.values_mut().try_for_each(|header| self.text(header, known))?;
        let says = "this is a JSON pointer, such as \"/term\"";
        let pointers = [&mut http.term, &mut http.leader, &mut http.vote, &mut http.commit];
        pointers
            .into_iter()
            .flatten()
            .try_for_each(|pointer| self.pointer(pointer, known, says))?;
        match &mut http.leads {
            Some(Condition::Word(pointer)) => self.pointer(pointer, known, says),
            Some(Condition::Rule(rule)) => self.rule(rule, known),
            None => Ok(()),
        }
    }

    fn port(&self, port: Option<&toml::Spanned<String>>) -> Result<(), Flaw> {
        match port {
            Some(port) if !self.ports.contains(port.get_ref()) => {
                let flaw =
                    self.flaw(&port.span(), format!("no port is called `{}`", port.get_ref()));
                Err(flaw.helped(format!("there are {}", self.ports.join(", "))))
            }
            _ => Ok(()),
        }
    }

    fn path(&self, path: &mut Text, known: &Vocabulary<'_>) -> Result<(), Flaw> {
        if !path.raw.starts_with('/') {
            let flaw = self.flaw(&path.span, "a path begins with /");
            return Err(flaw.helped("the address is the node's own: write what comes behind it"));
        }
        self.text(path, known)
    }

    fn pointer(&self, pointer: &mut Text, known: &Vocabulary<'_>, says: &str) -> Result<(), Flaw> {
        if !pointer.raw.is_empty() && !pointer.raw.starts_with('/') {
            return Err(self.flaw(&pointer.span, says));
        }
        self.text(pointer, known)
    }

    fn arguments(&self, arguments: &mut Arguments, known: &Vocabulary<'_>) -> Result<(), Flaw> {
        if let Some(trouble) = &arguments.trouble {
            return Err(self.flaw(&arguments.span, trouble));
        }
        if arguments.words.is_empty() || arguments.words[0].raw.is_empty() {
            return Err(self.flaw(&arguments.span, "a command has at least the name of a program"));
        }
        arguments.words.iter_mut().try_for_each(|word| self.text(word, known))
    }

    fn pattern(&self, pattern: &mut Pattern, known: &Vocabulary<'_>) -> Result<(), Flaw> {
        self.text(&mut pattern.0, known)?;
        let ports = self.ports.iter().map(|port| (port.clone(), 1)).collect();
        let places = BTreeMap::from([(1, Place { host: [127, 0, 0, 1].into(), ports })]);
        let words: Vec<(&str, &str)> = known.words.iter().map(|word| (*word, "1")).collect();
        let lists = self
            .lists
            .iter()
            .map(|list| (list.clone(), crate::template::List::default()))
            .collect();
        let scope = Scope { places: &places, node: 1, lists: &lists, words: &words };
        pattern.compile(&scope).map(drop).map_err(|says| self.flaw(&pattern.0.span, says))
    }

    fn text(&self, text: &mut Text, known: &Vocabulary<'_>) -> Result<(), Flaw> {
        text.template.check(known, self.environment).map_err(|trouble| {
            let own = self.text.get(text.span.clone()).unwrap_or_default();
            let place = own.match_indices(&trouble.source).nth(trouble.before);
            let span = place.map_or(text.span.clone(), |(at, _)| {
                text.span.start + at..text.span.start + at + trouble.source.len()
            });
            self.flaw(&span, trouble.says).helped(trouble.help)
        })
    }
}

/// What a request is about.
fn words_of(offer: Offer) -> &'static [&'static str] {
    match offer {
        Offer::Read | Offer::Stale | Offer::Delete => &["key", "here"],
        Offer::Write | Offer::Append => &["key", "value", "here"],
        Offer::Cas => &["key", "old", "new", "here"],
    }
}
