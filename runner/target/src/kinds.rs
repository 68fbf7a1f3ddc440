//! Descriptions to begin with, one for each way to talk to a server.

/// The kinds there are, each with its commented description.
const KINDS: [(&str, &str); 6] = [
    ("http", include_str!("../kinds/http.toml")),
    ("resp", include_str!("../kinds/resp.toml")),
    ("shim", include_str!("../kinds/shim.toml")),
    ("command", include_str!("../kinds/command.toml")),
    ("etcd", include_str!("../kinds/etcd.toml")),
    ("maelstrom", include_str!("../kinds/maelstrom.toml")),
];

/// The names of the kinds.
pub fn kinds() -> impl Iterator<Item = &'static str> {
    KINDS.iter().map(|(name, _)| *name)
}

/// The commented description of a kind.
pub fn beginning(kind: &str) -> Option<&'static str> {
    KINDS.iter().find(|(name, _)| *name == kind).map(|(_, text)| *text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::description::read;

    /// A line that is commented out, and is no prose.
    fn uncommented(text: &str) -> String {
        let is_key = |line: &str| {
            let word = line.split(['=', ' ']).next().unwrap_or_default();
            line.starts_with('[')
                || line.contains(" = ") && word.chars().all(|c| c == '_' || c.is_ascii_lowercase())
        };
        let lines = text.lines().map(|line| match line.strip_prefix("# ") {
            Some(rest) if is_key(rest) => rest.to_owned(),
            _ => line.to_owned(),
        });
        lines.collect::<Vec<_>>().join("\n")
    }

    #[test]
    fn every_beginning_is_a_description_as_it_stands_and_with_all_that_is_commented_out() {
        for (kind, text) in KINDS {
            let none = |_: &str| None;
            read(kind, text, &none).unwrap_or_else(|flaw| panic!("{kind}: {flaw}"));
            let whole = uncommented(text);
            assert_ne!(whole, text, "{kind}");
            read(kind, &whole, &none).unwrap_or_else(|flaw| panic!("{kind}: {flaw}\n{whole}"));
        }
        assert!(beginning("htpt").is_none());
    }
}
