//! The words of the house: docs/style.md has a glossary, and whoever meets one name in two packages finds there what
//! it means.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

/// Names that every package has.
const EVERYWHERE: [&str; 6] = ["lib", "main", "mod", "tests", "error", "src"];

/// The words in the first column of the glossary of a page.
pub(crate) fn words(page: &str) -> Vec<&str> {
    let (_, glossary) = page.split_once("## Glossary").unwrap_or_default();
    let rows = glossary.lines().filter_map(|line| line.strip_prefix("| `"));
    rows.filter_map(|row| row.split_once('`')).map(|(word, _)| word).collect()
}

/// Module names that stand in two packages or more, with the packages.
pub(crate) fn shared<'a>(
    sources: impl Iterator<Item = &'a Path>,
) -> BTreeMap<String, BTreeSet<String>> {
    let mut packages: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for path in sources {
        let parts: Vec<&str> = path.iter().filter_map(|part| part.to_str()).collect();
        let Some(root) = parts.iter().position(|part| *part == "src") else { continue };
        let name = match parts[parts.len() - 1].trim_end_matches(".rs") {
            "mod" => parts[parts.len() - 2],
            name => name,
        };
        if !EVERYWHERE.contains(&name) {
            packages.entry(name.to_owned()).or_default().insert(parts[..root].join("/"));
        }
    }
    packages.retain(|_, packages| packages.len() > 1);
    packages
}

#[test]
fn names_of_two_packages_are_told_from_others() {
    let paths = ["a/src/log.rs", "a/b/src/log/mod.rs", "a/src/x/log.rs", "a/src/y.rs", "c/y.rs"];
    let shared = shared(paths.iter().map(Path::new));
    let packages = ["a", "a/b"].map(str::to_owned).into();
    assert_eq!(shared, [("log".to_owned(), packages)].into());
    let page = "| `before` | x |\n## Glossary\n| word | x |\n| `log` | entries, and `logs` |\n";
    assert_eq!(words(page), ["log"]);
}
