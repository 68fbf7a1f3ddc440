//! Where a key stands in a file: for whoever finds out later that it is wrong.

use toml::de::{DeTable, DeValue};

/// The line of a key, from 1: at the top of the file, or in the table of its client. `None`: it is not written.
pub(crate) fn line_of(text: &str, key: &str) -> Option<usize> {
    let file = DeTable::parse(text).ok()?;
    let offset = |table: &DeTable<'_>, key: &str| {
        table.iter().find(|(name, _)| name.get_ref() == key).map(|(name, _)| name.span().start)
    };
    let clients = file.get_ref().get("client").and_then(|clients| clients.get_ref().as_table());
    let of_client = |client: &DeValue<'_>| offset(client.as_table()?, key);
    let start = offset(file.get_ref(), key)
        .or_else(|| clients?.iter().find_map(|(_, client)| of_client(client.get_ref())))?;
    Some(text.get(..start)?.matches('\n').count() + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_found_at_the_top_in_a_header_and_in_its_client() {
        let text = "ports = [\"http\"]\ncommand = \"x\"\n\n[client.http]\nread = { get = \"/\" }\n\n[[errors]]\nstatus = 500\n";
        let lines = ["ports", "command", "client", "read", "errors", "write", "status"];
        let lines = lines.map(|key| line_of(text, key));
        assert_eq!(lines, [Some(1), Some(2), Some(4), Some(5), Some(7), None, None]);
        assert_eq!(line_of("ports = [", "ports"), None, "it cannot be read");
    }
}
