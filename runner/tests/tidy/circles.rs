//! Finds files of a crate that need each other: circles of imports.
//!
//! It reads words, not meaning. An arrow runs from a file to the one that defines what it names by a path: in a
//! `use`, by `crate::`, `super::` or `self::`, or behind the name of a module that it declares or imports.
//! A `pub use` hands on, so it is no arrow of its own; who takes the name is led to where it is defined. Methods and
//! macros are not seen, nor names behind a glob. Tests are left out.
//!
//! A module may use what is under it, and that may take the module's own names (a trait, say, and the types that have
//! it): a face and its rooms. So there is no arrow from a module down to what is under it.

use std::collections::{BTreeMap, BTreeSet};

/// A name goes through so many hands at most.
const HANDS_MAX: u32 = 8;

/// The way to a module or a name from its crate's root.
type Path = Vec<String>;

/// A crate's files by module.
pub(crate) struct Crate {
    files: BTreeMap<Path, File>,
}

struct File {
    name: String,
    text: String,
    /// What it imports: the name here, and the path it stands for.
    imports: Vec<(String, Path)>,
    /// The same of what it hands on.
    hands_on: Vec<(String, Path)>,
}

impl Crate {
    /// From the files under a crate's `src`, each with its path from there.
    pub(crate) fn new<'a>(sources: impl Iterator<Item = (&'a str, &'a str)>) -> Crate {
        let mut files = BTreeMap::new();
        for (name, text) in sources.filter(|(name, _)| !name.ends_with("tests.rs")) {
            let (text, imports, hands_on) = split(text);
            files.insert(module(name), File { name: name.to_owned(), text, imports, hands_on });
        }
        Crate { files }
    }

    /// The circles: files that each reach all others of theirs.
    pub(crate) fn circles(&self) -> BTreeSet<BTreeSet<String>> {
        let arrows: BTreeMap<&str, BTreeSet<&str>> = self
            .files
            .iter()
            .map(|(module, file)| (file.name.as_str(), self.arrows(module, file)))
            .collect();
        let reached: BTreeMap<&str, BTreeSet<&str>> =
            arrows.keys().map(|from| (*from, reached(&arrows, from))).collect();
        let circle = |from: &&str| -> BTreeSet<String> {
            let back = reached[from].iter().filter(|to| reached[*to].contains(from));
            back.map(|name| (*name).to_owned()).collect()
        };
        arrows.keys().map(circle).filter(|circle| !circle.is_empty()).collect()
    }

    /// The files that a file names something of.
    fn arrows(&self, module: &Path, file: &File) -> BTreeSet<&str> {
        let mut paths: Vec<Path> = file.imports.iter().map(|(_, path)| path.clone()).collect();
        for (name, path) in &file.imports {
            if self.module_of(module, path).is_some_and(|(_, rest)| rest.is_empty()) {
                paths.retain(|other| other != path);
                paths.extend(behind(&file.text, name).map(|rest| [path.clone(), rest].concat()));
            }
        }
        for child in self.files.keys().filter(|it| it.len() == module.len() + 1) {
            let name = &child[module.len()];
            if child.starts_with(module) {
                paths.extend(
                    behind(&file.text, name).map(|rest| [vec![name.clone()], rest].concat()),
                );
            }
        }
        for root in ["crate", "super", "self"] {
            paths.extend(
                behind(&file.text, root).map(|rest| [vec![root.to_owned()], rest].concat()),
            );
        }
        let definers = paths.iter().filter_map(|path| self.definer(module, path, 0));
        // Itself, and what is under it.
        let others = definers.filter(|(other, _)| !other.starts_with(module));
        others.map(|(_, name)| name).collect()
    }

    /// The file that defines what a path in a module stands for; `None`: another crate's.
    fn definer(&self, from: &Path, path: &[String], depth: u32) -> Option<(&Path, &str)> {
        let (module, rest) = self.module_of(from, path)?;
        let (module, file) = self.files.get_key_value(&module)?;
        let handed =
            rest.first().and_then(|name| file.hands_on.iter().find(|(own, _)| own == name));
        match handed {
            Some((_, path)) if depth < HANDS_MAX => self.definer(module, path, depth + 1),
            _ => Some((module, &file.name)),
        }
    }

    /// The innermost module on a path, and what of the path is within it.
    fn module_of(&self, from: &Path, path: &[String]) -> Option<(Path, Path)> {
        let (mut at, mut rest) = match path.first()?.as_str() {
            "crate" => (Vec::new(), &path[1..]),
            "self" => (from.clone(), &path[1..]),
            "super" => (from[..from.len().checked_sub(1)?].to_vec(), &path[1..]),
            name => {
                let child = [from.clone(), vec![name.to_owned()]].concat();
                if !self.files.contains_key(&child) {
                    return None;
                }
                (from.clone(), path)
            }
        };
        while let Some(next) = rest.first() {
            if next == "super" {
                at.pop();
            } else {
                at.push(next.clone());
                if !self.files.contains_key(&at) {
                    at.pop();
                    break;
                }
            }
            rest = &rest[1..];
        }
        self.files.contains_key(&at).then(|| (at, rest.to_vec()))
    }
}

fn reached<'a>(arrows: &BTreeMap<&'a str, BTreeSet<&'a str>>, from: &str) -> BTreeSet<&'a str> {
    let mut seen = BTreeSet::new();
    let mut open: Vec<&str> = arrows[from].iter().copied().collect();
    while let Some(next) = open.pop() {
        if seen.insert(next) {
            open.extend(&arrows[next]);
        }
    }
    seen
}

/// `page/section.rs` is `page::section`; `lib.rs` is the root.
fn module(name: &str) -> Path {
    let name = name.trim_end_matches(".rs").trim_end_matches("/mod");
    match name {
        "lib" | "main" | "mod" => Vec::new(),
        _ => name.split('/').map(str::to_owned).collect(),
    }
}

/// The text without comments, tests and imports, and these apart.
#[expect(clippy::type_complexity, reason = "three parts of one text, taken apart at once")]
fn split(text: &str) -> (String, Vec<(String, Path)>, Vec<(String, Path)>) {
    let text = &text[..text.find("#[cfg(test)]\nmod tests {").unwrap_or(text.len())];
    let code = |line: &&str| !line.trim_start().starts_with("//");
    let text: String = text.lines().filter(code).flat_map(|line| [line, "\n"]).collect();
    let (mut rest, mut imports, mut hands_on) = (String::new(), Vec::new(), Vec::new());
    let mut left = text.as_str();
    while let Some(line) = left.split_inclusive('\n').next() {
        let start = line.trim_start();
        let is_import = start.starts_with("use ");
        let is_handed = start.starts_with("pub") && start.contains(" use ");
        if is_import || is_handed {
            let end = left.find(';').map_or(left.len(), |end| end + 1);
            let tree = left[..end].trim_end_matches(';').split_once("use ").map_or("", |it| it.1);
            let list = if is_handed { &mut hands_on } else { &mut imports };
            expand(&tree.split_whitespace().collect::<Vec<_>>().join(" "), &[], list);
            left = &left[end..];
        } else {
            rest.push_str(line);
            left = &left[line.len()..];
        }
    }
    (rest, imports, hands_on)
}

/// The paths of a `use` tree: `a::{b, c as d}` is `a::b` by the name of b, and `a::c` by the name of d.
fn expand(tree: &str, before: &[String], list: &mut Vec<(String, Path)>) {
    if let Some((head, group)) = tree.split_once('{') {
        let head = head.split("::").map(str::trim).filter(|it| !it.is_empty()).map(str::to_owned);
        let before = [before.to_vec(), head.collect()].concat();
        let group = &group[..group.rfind('}').unwrap_or(group.len())];
        let (mut depth, mut begin) = (0, 0);
        for (at, c) in group.char_indices().chain([(group.len(), ',')]) {
            depth += i32::from(c == '{') - i32::from(c == '}');
            if c == ',' && depth == 0 {
                expand(group[begin..at].trim(), &before, list);
                begin = (at + 1).min(group.len());
            }
        }
        return;
    }
    let (path, alias) = tree.split_once(" as ").map_or((tree, None), |(path, it)| (path, Some(it)));
    let own = path.split("::").map(str::trim).filter(|it| !it.is_empty() && *it != "self");
    let path: Path = before.iter().cloned().chain(own.map(str::to_owned)).collect();
    if let Some(last) = path.last() {
        list.push((alias.unwrap_or(last).to_owned(), path));
    }
}

/// What stands behind each `name::` of a text.
fn behind<'a>(text: &'a str, name: &'a str) -> impl Iterator<Item = Path> + 'a {
    let is_word = |c: char| c.is_alphanumeric() || c == '_';
    text.match_indices(name).filter_map(move |(at, _)| {
        let before = text[..at].chars().next_back();
        let rest = text[at + name.len()..].strip_prefix("::")?;
        if before.is_some_and(|c| is_word(c) || c == ':' || c == '.') {
            return None;
        }
        let path =
            rest.split("::").map(|part| part.split(|c| !is_word(c)).next().unwrap_or_default());
        // A part that has more behind it than a word is the last one.
        let mut words = Vec::new();
        let mut from = rest;
        for word in path.take_while(|word| !word.is_empty()) {
            words.push(word.to_owned());
            match from[word.len()..].strip_prefix("::") {
                Some(more) => from = more,
                None => break,
            }
        }
        Some(words)
    })
}

#[test]
fn a_circle_is_found_through_what_a_module_hands_on() {
    let house = |third: &'static str| {
        let sources = [
            ("lib.rs", "mod a;\nmod b;\npub use a::One;\n"),
            ("a/mod.rs", "mod deep;\npub(crate) use deep::Two;\npub struct One;\n"),
            ("a/deep.rs", third),
            ("b.rs", "use crate::{\n    a::{Two as Zwei, self},\n};\nfn f(_: a::One) {}\n"),
        ];
        Crate::new(sources.into_iter()).circles()
    };
    assert!(house("pub struct Two;\n// crate::b::f\n").is_empty());
    assert!(house("pub struct Two;\n#[cfg(test)]\nmod tests {\n use crate::b::f;\n}\n").is_empty());
    let circle: BTreeSet<String> = ["a/deep.rs", "b.rs"].map(str::to_owned).into();
    assert_eq!(house("pub struct Two;\nfn g() { crate::b::f(super::One) }\n"), [circle].into());
}
