//! Every form of a place, and every way to get one wrong.

use super::*;

fn places(nodes: u32) -> BTreeMap<u32, Place> {
    let place = |node: u32| Place {
        host: format!("127.7.7.{node}").parse().unwrap(),
        ports: vec![("http".into(), 8000), ("raft".into(), 7000)],
    };
    (1..=nodes).map(|node| (node, place(node))).collect()
}

fn lists() -> BTreeMap<String, List> {
    let list =
        |each: &str, between: &str| List { each: Template::parse(each), between: between.into() };
    BTreeMap::from([
        ("member".into(), list("{name}=http://{host}:{raft}", ",")),
        ("line".into(), list("server.{id}={host}\n", "")),
        ("spaced".into(), list("{id}", " ")),
    ])
}

fn filled(text: &str, node: u32, nodes: u32, escape: Escape) -> String {
    let words = [("key", "k 1"), ("value", "\"7\"/~"), ("dir", "/d")];
    let (places, lists) = (places(nodes), lists());
    Template::parse(text)
        .fill(&Scope { places: &places, node, lists: &lists, words: &words }, escape)
}

fn arguments(text: &str, nodes: u32) -> Vec<String> {
    let (places, lists) = (places(nodes), lists());
    Template::parse(text).arguments(&Scope { places: &places, node: 2, lists: &lists, words: &[] })
}

fn trouble(text: &str, is_lonely: bool) -> Option<Trouble> {
    let ports = ["http".to_owned(), "raft".to_owned()];
    let lists = ["member".to_owned()];
    let words: &[&str] = &["key", "dir"];
    let known = Vocabulary { ports: &ports, lists: &lists, words, others: !is_lonely, node: true };
    Template::parse(text).check(&known, &|name| (name == "HOME").then(|| "/root".into())).err()
}

#[test]
fn every_place_stands_for_what_the_table_says() {
    let table = [
        ("{id}", "2"),
        ("{name}", "n2"),
        ("{host}", "127.7.7.2"),
        ("{http}", "8000"),
        ("{first.id} {first.name} {first.host} {first.http}", "1 n1 127.7.7.1 8000"),
        ("{all.id}", "1,2,3"),
        ("{all.host}", "127.7.7.1,127.7.7.2,127.7.7.3"),
        ("{all.raft}", "127.7.7.1:7000,127.7.7.2:7000,127.7.7.3:7000"),
        ("{others.raft}", "127.7.7.1:7000,127.7.7.3:7000"),
        ("{others.name}", "n1,n3"),
        ("{member}", "n2=http://127.7.7.2:7000"),
        ("{first.member}", "n1=http://127.7.7.1:7000"),
        ("{others.member}", "n1=http://127.7.7.1:7000,n3=http://127.7.7.3:7000"),
        ("{all.line}", "server.1=127.7.7.1\nserver.2=127.7.7.2\nserver.3=127.7.7.3\n"),
        ("{all.spaced}", "1 2 3"),
        ("{dir}/x", "/d/x"),
        ("{key}={value}", "k 1=\"7\"/~"),
        ("{key|base64}", "ayAx"),
        ("{value|json}", r#""\"7\"/~""#),
        ("{key|base64|json}", "\"ayAx\""),
        ("{all.id|json}", "\"1,2,3\""),
    ];
    for (text, expected) in table {
        assert_eq!(filled(text, 2, 3, Escape::Plain), expected, "{text}");
        assert_eq!(
            trouble(text, false).filter(|it| !it.says.contains("`{value")
                && !it.source.contains("line")
                && !it.source.contains("spaced")),
            None,
            "{text}"
        );
    }
}

#[test]
fn braces_that_are_no_place_stand_for_themselves() {
    let texts = [
        r#"{"old":"x","n":{"a":1}}"#,
        "{}",
        "{",
        "}",
        "{{}}",
        "{ host }",
        "{1}",
        r"\d{2,3}",
        "{a:1}",
        "{a b}",
        "{é}",
        "{host",
        "${",
        "{\n}",
        "{'a'}",
        "{-x}",
        "{.x}",
        "{|json}",
        "",
    ];
    for text in texts {
        assert_eq!(filled(text, 1, 3, Escape::Plain), text);
        assert_eq!(trouble(text, false), None, "{text}");
    }
    assert_eq!(filled(r#"{"{key}":"{id}"}"#, 1, 1, Escape::Plain), r#"{"k 1":"1"}"#);
    assert_eq!(filled("{{id}}", 1, 1, Escape::Plain), "{1}");
}

#[test]
fn the_braces_of_a_regular_expressions_classes_are_its_own() {
    let plain = |text: &str| Template::parse_pattern(text).plain().map(str::to_owned);
    for text in [r"\p{Greek}", r"\P{L}", r"\x{FF}", r"\u{ABCD}", r"a{3}", r"\b{start}"] {
        assert_eq!(plain(text).as_deref(), Some(text));
    }
    assert_eq!(plain(r"\\p{host}"), None, "a backslash, a p and a place");
    assert_eq!(plain("p{host}"), None);
}

#[test]
fn a_list_alone_is_an_argument_for_each_node_and_inside_text_it_is_joined() {
    assert_eq!(arguments("{others.raft}", 3), ["127.7.7.1:7000", "127.7.7.3:7000"]);
    assert_eq!(arguments("{all.id}", 3), ["1", "2", "3"]);
    assert_eq!(arguments("{all.id|base64}", 2), ["MQ==", "Mg=="]);
    assert_eq!(arguments("--peers={all.id}", 3), ["--peers=1,2,3"]);
    assert_eq!(arguments("{first.id}", 3), ["1"]);
    assert_eq!(arguments("{id}", 3), ["2"]);
    assert_eq!(arguments("", 3), [""]);
}

#[test]
fn a_cluster_of_one_has_no_others() {
    let (places, lists) = (places(1), lists());
    let scope = Scope { places: &places, node: 1, lists: &lists, words: &[] };
    let list = Template::parse("{others.raft}");
    assert!(list.arguments(&scope).is_empty());
    assert_eq!(list.fill(&scope, Escape::Plain), "");
}

#[test]
fn what_is_filled_in_cannot_break_out_of_the_text_around_it() {
    assert_eq!(filled("/kv/{key}?x={value}", 1, 1, Escape::Url), "/kv/k%201?x=%227%22%2F~");
    assert_eq!(filled("/{value}/x", 1, 1, Escape::Pointer), "/\"7\"~1~0/x");
    assert_eq!(filled("^{host}:{http}$", 1, 1, Escape::Pattern), r"^127\.7\.7\.1:8000$");
}

#[test]
fn what_is_filled_in_is_not_filled_in_again() {
    let words = [("key", "{host}")];
    let (places, lists) = (places(1), lists());
    let scope = Scope { places: &places, node: 1, lists: &lists, words: &words };
    assert_eq!(Template::parse("{key}").fill(&scope, Escape::Plain), "{host}");
}

#[test]
fn an_unknown_place_is_named_with_what_was_meant() {
    let table = [
        ("{htpp}", "{htpp}", "did you mean `{http}`?"),
        ("{others.rat}", "{others.rat}", "did you mean `{others.raft}`?"),
        ("{other.raft}", "{other.raft}", "did you mean `{others.raft}`?"),
        ("{client-port}", "{client-port}", "there are {id}"),
        ("{first.dir}", "{first.dir}", "there are {first.id}"),
        ("{all.key}", "{all.key}", "there are {all.id}"),
        ("{a.b.c}", "{a.b.c}", "there are"),
        ("{host.}", "{host.}", "there are"),
        ("{x|y}", "{x|y}", "there are"),
        ("{all}", "{all}", "there are"),
        ("{old}", "{old}", "there are"),
    ];
    for (text, source, help) in table {
        let trouble = trouble(text, false).unwrap_or_else(|| panic!("{text} is taken"));
        assert_eq!(trouble.source, source);
        assert!(trouble.help.contains(help), "{text}: {}", trouble.help);
    }
}

#[test]
fn filters_are_held_against_the_two_that_there_are() {
    let unknown = trouble("{key|bas64}", false).unwrap();
    assert_eq!(unknown.says, "no filter is called `bas64`");
    assert_eq!(trouble("{key|}", false).unwrap().says, "no filter is called ``");
    let twice = trouble(r#"{"v":"{key|json}"}"#, false).unwrap();
    assert!(twice.help.contains("leave out the quotes"), "{twice:?}");
    assert_eq!(trouble(r#"{"v":{key|json}}"#, false), None);
    assert_eq!(trouble(r#""{key|base64}""#, false), None);
}

#[test]
fn the_place_that_is_wrong_is_told_from_the_same_before_it() {
    assert_eq!(trouble("{id} {idd} {idd}", false).unwrap().before, 0);
    assert_eq!(trouble(r#"{key|json} "{key|json}""#, false).unwrap().before, 1);
}

#[test]
fn other_nodes_are_refused_where_only_the_node_itself_is_meant() {
    assert!(trouble("{all.id}", true).unwrap().help.contains("other nodes cannot be named here"));
    assert!(trouble("{first.id}", true).is_some());
    assert_eq!(trouble("{id} {env.HOME}", true), None);
}

#[test]
fn a_variable_of_the_environment_is_filled_in_or_missed() {
    assert!(trouble("{env.NOPE}", false).unwrap().says.contains("no `NOPE`"));
    let mut template = Template::parse("{env.HOME}/x");
    let known = Vocabulary { ports: &[], lists: &[], words: &[], others: false, node: false };
    template.check(&known, &|_| Some("/ho.me".into())).unwrap();
    let (places, lists) = (places(1), lists());
    let scope = Scope { places: &places, node: 1, lists: &lists, words: &[] };
    assert_eq!(template.fill(&scope, Escape::Plain), "/ho.me/x");
    assert_eq!(template.fill(&scope, Escape::Pattern), r"/ho\.me/x");
}
