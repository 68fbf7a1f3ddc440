//! witness/explain.txt: the finding as plain text, for a terminal, a ticket or a mail.

use std::fmt::Write as _;

use whitewater_checker::analysis::Finding;

use crate::clock::{Clock, duration};
use crate::load::Run;
use crate::plain::{clean, wrapped};
use crate::story::Story;
use crate::text_timeline;

const WIDTH: usize = 100;

/// The text; `None` where nothing was found.
pub(crate) fn render(run: &Run, story: &Story<'_>) -> Option<String> {
    let leading = story.finding?;
    let finding = story.witnessed().unwrap_or(leading);
    let mut text = format!("{}\n{}\n\n", clean(&story.headline), clean(&story.tagline));
    paragraph(&mut text, &story.explanation);
    if let Some(seen) = &story.seen {
        text.push('\n');
        paragraph(&mut text, &format!("{} {}", seen.lead(), seen.headline));
        paragraph(&mut text, &format!("{} {}", seen.finding.explanation, seen.relation));
    }
    let lines = text_timeline::draw(finding, &run.statistics, run.record.origin_ns, WIDTH, true);
    if !lines.is_empty() {
        let legend = text_timeline::legend("the beginning of the run");
        let _ = write!(text, "\n{}\n\n", lines.join("\n"));
        paragraph(&mut text, &legend);
    }
    operations(&mut text, run, finding);
    order(&mut text, finding);
    if !leading.evidence.is_empty() {
        text.push_str("\nThe lines that contradict each other\n");
        for line in &leading.evidence {
            let _ = writeln!(text, "  {}", clean(line));
        }
    }
    if !story.correlation.sentences.is_empty() {
        text.push_str(
            "\nWhere to look (correlation from traces and fault records, not part of the proof)\n",
        );
        paragraph(&mut text, &story.correlation.sentences.join(" "));
    }
    if let Some(command) = story.repeat() {
        let _ = write!(text, "\n{}\n  {}\n", command.title, command.line);
    }
    // Every line once more: what was recorded may sit in any of them.
    Some(text.lines().map(|line| clean(line) + "\n").collect())
}

fn paragraph(text: &mut String, words: &str) {
    for line in wrapped(&clean(words), WIDTH) {
        text.push_str(&line);
        text.push('\n');
    }
}

fn operations(text: &mut String, run: &Run, finding: &Finding) {
    let Some(witness) = &finding.witness else { return };
    let clock = Clock::new(run.record.origin_ns);
    text.push_str("\nThe operations, in seconds of the run\n");
    for operation in &witness.operations {
        let end = operation.completed_at_ns.map_or("never answered".to_owned(), |end| {
            let took = duration(end.saturating_sub(operation.invoked_at_ns));
            format!("{} ({took})", clock.bare(end))
        });
        let node = operation.node.as_deref().unwrap_or("?");
        let context = if operation.essential { "" } else { "  (context)" };
        let _ = writeln!(
            text,
            "  {}  client {:<5} {node:<4} {} to {end}  {}{context}",
            operation.label,
            operation.process,
            clock.bare(operation.invoked_at_ns),
            clean(&operation.text),
        );
    }
}

fn order(text: &mut String, finding: &Finding) {
    let Some(witness) = &finding.witness else { return };
    let Some(blocked) = &witness.blocked else { return };
    let _ = write!(text, "\nThe longest valid order\n  {}", clean(&witness.initial));
    for step in &witness.order {
        let _ = write!(text, "  {} → {}", step.label, clean(&step.state));
    }
    let _ = writeln!(text, "\n\nWhy {blocked} fits nowhere");
    for slot in &witness.slots {
        let _ = writeln!(
            text,
            "  {:<18} state {:<8} {}",
            slot.place,
            clean(&slot.state),
            clean(&slot.reason)
        );
    }
    if let Some(weaker) = &witness.weaker {
        let _ = writeln!(text, "\nWhat still holds: {}.", weaker.trim_end_matches('.'));
    }
}
