//! summary.md: the body of a CI step summary. Stands alone, at most 64 KiB, no pictures.

use crate::clock::{Clock, duration, thousands};
use crate::load::Run;
use crate::story::scenario;
use crate::story::{Story, lasted, state_sign, verdict_sign, verdict_word};
use crate::text_timeline;
use whitewater_checker::run_folder::REPORT;

/// GitHub takes 1 MiB a step; a page nobody scrolls through is better.
const BYTES_MAX: usize = 64 * 1024;
/// Columns of the timeline: a step summary is about this wide.
const WIDTH: usize = 100;
const EVIDENCE_MAX: usize = 12;
const FAULTS_MAX: usize = 60;

pub(crate) fn render(run: &Run, story: &Story<'_>) -> String {
    let mut text = head(run, story);
    text.push_str(&proof(run, story));
    text.push_str(&checks(run));
    text.push_str(&figures(run));
    text.push_str(&faults(run));
    text.push_str("\n**Next**\n");
    for command in &story.commands {
        text.push_str(&format!("\n{}:\n\n{}", command.title, fenced(&command.line, "sh")));
    }
    let place = format!("{}/{REPORT}", run.path_shown());
    text.push_str(&format!("\nFull report: `{}`\n", code(&place)));
    limited(text)
}

fn head(run: &Run, story: &Story<'_>) -> String {
    let (sign, word) = (verdict_sign(story.verdict), verdict_word(story.verdict));
    let mut text = format!("## {sign} {word} · {}\n\n", plain(&scenario(&run.record)));
    text.push_str(&format!("{}\n\n", plain(&story.tagline)));
    text.push_str(&format!("**{}**\n\n{}\n", plain(&story.headline), plain(&story.explanation)));
    if let Some(seen) = &story.seen {
        text.push_str(&format!(
            "\n{} **{}** {} {}\n",
            plain(seen.lead()),
            plain(&seen.headline),
            plain(&seen.finding.explanation),
            plain(&seen.relation),
        ));
    }
    let lines: Vec<String> =
        run.record.objectives.lines().iter().map(|line| format!("- {}\n", plain(line))).collect();
    if !lines.is_empty() {
        text.push_str(&format!("\n{}", lines.concat()));
    }
    if !story.correlation.sentences.is_empty() {
        let sentences = plain(&story.correlation.sentences.join(" "));
        text.push_str(&format!("\n**Where to look** (correlation, not proof): {sentences}\n"));
    }
    let seed = run.record.known_seed().map(|seed| format!("seed `{seed}`"));
    let mut facts: Vec<String> = seed.into_iter().collect();
    facts.push(format!("run `{}`", code(&run.record.id)));
    if run.record.duration_ms > 0 {
        facts.push(plain(&lasted(&run.record)));
    }
    facts.extend(
        story.signature.as_ref().map(|signature| format!("signature `{}`", code(signature))),
    );
    text.push_str(&format!("\n{}\n", facts.join(" · ")));
    text
}

fn proof(run: &Run, story: &Story<'_>) -> String {
    let Some(leading) = story.finding else { return String::new() };
    let finding = story.witnessed().unwrap_or(leading);
    let mut text = String::new();
    let lines = text_timeline::draw(finding, &run.statistics, run.record.origin_ns, WIDTH, true);
    if !lines.is_empty() {
        text.push_str(&format!("\n{}", fenced(&lines.join("\n"), "text")));
    }
    if let Some(witness) = finding.witness.as_ref().filter(|witness| !witness.slots.is_empty()) {
        let blocked = witness.blocked.as_deref().unwrap_or("it");
        text.push_str(&format!(
            "\n| If {} went… | state there | ruled out because |\n|---|---|---|\n",
            plain(blocked)
        ));
        for slot in &witness.slots {
            text.push_str(&format!(
                "| {} | {} | {} |\n",
                plain(&slot.place),
                plain(&slot.state),
                plain(&slot.reason)
            ));
        }
    }
    if !leading.evidence.is_empty() {
        let lines = leading.evidence.iter().take(EVIDENCE_MAX).cloned().collect::<Vec<_>>();
        text.push_str(&format!("\nEvidence:\n\n{}", fenced(&lines.join("\n"), "text")));
    }
    text
}

fn checks(run: &Run) -> String {
    if run.record.analysis.checks.is_empty() {
        return String::new();
    }
    let mut text = "\n| | check | looked at |\n|---|---|---|\n".to_owned();
    for check in crate::checks::sorted(&run.record.analysis) {
        let sign = state_sign(check.state);
        text.push_str(&format!(
            "| {sign} | {} | {} |\n",
            plain(&check.title),
            plain(&check.summary)
        ));
    }
    text
}

fn figures(run: &Run) -> String {
    let statistics = &run.statistics;
    let counts = statistics.operations;
    let mut parts = vec![format!(
        "{} ok, {} rejected, {} unknown operations",
        thousands(counts.ok),
        thousands(counts.fail),
        thousands(counts.info)
    )];
    parts.push(format!(
        "p50 {}, p99 {}",
        duration(statistics.latency.p50_ns),
        duration(statistics.latency.p99_ns)
    ));
    if let Some(availability) = statistics.availability {
        parts.push(format!("{:.2} % of the time served", availability.share * 100.0));
    }
    if let Some(outage) = &statistics.longest_outage {
        parts.push(format!("longest outage {}", duration(outage.end_ns - outage.start_ns)));
    }
    parts.extend(
        statistics
            .median_failover_ns()
            .map(|median| format!("median failover {}", duration(median))),
    );
    format!("\n{}\n", parts.join(" · "))
}

fn faults(run: &Run) -> String {
    let faults = &run.recording.faults;
    if faults.is_empty() {
        return "\nNo fault was injected.\n".to_owned();
    }
    let clock = Clock::new(run.record.origin_ns);
    let mut text = format!(
        "\n<details><summary>{} faults, {} with an observed effect</summary>\n\n| # | fault | struck | at | longest gap | observed |\n|---:|---|---|---:|---:|---|\n",
        run.statistics.faults.len(),
        run.statistics.effective_faults()
    );
    for (fault, figures) in faults.iter().zip(&run.statistics.faults).take(FAULTS_MAX) {
        let at = figures.start_ns.map_or("–".to_owned(), |time| clock.moment(time));
        let gap = figures.longest_gap_ns.map_or("–".to_owned(), duration);
        let effects =
            if fault.effective { fault.effects.join("; ") } else { "no effect".to_owned() };
        text.push_str(&format!(
            "| {} | {} · {} | {} | {at} | {gap} | {} |\n",
            fault.id,
            plain(&fault.kind),
            plain(&fault.name),
            plain(&fault.nodes.join(" ")),
            plain(&effects)
        ));
    }
    if faults.len() > FAULTS_MAX {
        text.push_str(&format!("\n{} more in the report.\n", faults.len() - FAULTS_MAX));
    }
    text.push_str("\n</details>\n");
    text
}

/// Text that Markdown and HTML leave alone: recorded values must not format the page.
fn plain(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '\\' | '`' | '*' | '_' | '[' | ']' | '|' | '#' | '~' | '!' | '@' => {
                escaped.push('\\');
                escaped.push(c);
            }
            c if c.is_control() => escaped.push(' '),
            c => escaped.push(c),
        }
    }
    escaped
}

/// Text for a code span: a backquote would end it.
fn code(text: &str) -> String {
    text.chars().map(|c| if c == '`' || c.is_control() { '\u{fffd}' } else { c }).collect()
}

/// A fenced block; the fence is longer than any run of backquotes inside.
fn fenced(text: &str, language: &str) -> String {
    let longest = text.split(|c| c != '`').map(str::len).max().unwrap_or(0);
    let fence = "`".repeat(longest.max(2) + 1);
    let text: String =
        text.chars().map(|c| if c.is_control() && c != '\n' { '\u{fffd}' } else { c }).collect();
    format!("{fence}{language}\n{text}\n{fence}\n")
}

/// Cuts at a line end, saying so, and closes a code block that the cut left open.
fn limited(mut text: String) -> String {
    const NOTE: &str = "\nCut at 64 KiB; the rest is in the report.\n";
    const CLOSE: &str = "\n```\n";
    if text.len() <= BYTES_MAX {
        return text;
    }
    let mut end = BYTES_MAX - NOTE.len() - CLOSE.len();
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    let end = text[..end].rfind('\n').unwrap_or(end);
    text.truncate(end);
    let fences = text.lines().filter(|line| line.starts_with("```")).count();
    if fences % 2 == 1 {
        text.push_str(CLOSE);
    }
    text.push_str(NOTE);
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn recorded_text_cannot_format_the_page() {
        assert_eq!(plain("a|b <img> *x*\n"), "a\\|b &lt;img&gt; \\*x\\* ");
        assert_eq!(fenced("``` out", "text"), "````text\n``` out\n````\n");
        assert_eq!(code("a`b"), "a\u{fffd}b");
    }

    #[test]
    fn a_long_summary_is_cut_at_a_line() {
        let text = limited("ä line\n".repeat(20_000));
        assert!(text.len() <= BYTES_MAX);
        assert!(text.ends_with("ä line\nCut at 64 KiB; the rest is in the report.\n"));
        let text = limited(format!("```text\n{}", "ä line\n".repeat(20_000)));
        assert!(text.contains("\n```\n\nCut at 64 KiB"));
    }
}
