//! The verdict for a person at a terminal.
//!
//! Plain ASCII where the locale is not UTF-8, no colour where it is not wanted. Texts that come from
//! the system under test lose their control characters: a value must not move the cursor.

use anstyle::{AnsiColor, Style};
use whitewater_checker::Verdict;
use whitewater_checker::statistics::Statistics;

use crate::TerminalStyle;
use crate::clock::{Clock, counted, duration, thousands};
use crate::correlation;
use crate::page::median_failover;
use crate::run::RunRecord;
use crate::story::{explanation, headline, main_finding, tagline, verdict_word};
use crate::text_timeline;

/// Evidence lines shown at most; the report has them all.
const EVIDENCE_MAX: usize = 4;

pub(crate) fn render(record: &RunRecord, statistics: &Statistics, style: TerminalStyle) -> String {
    let mut lines = head(record, statistics, style);
    if record.verdict != Verdict::Pass {
        lines.extend(story(record, statistics, style));
    }
    let mut text: String = lines.into_iter().map(|line| line + "\n").collect();
    if !style.unicode {
        text = text_timeline::ascii(&text);
    }
    text
}

/// `PASS  register · kill   98,732 ok operations  6/7 faults had effect  failover p50 1.38 s  [57.0 s]`,
/// in two lines where one is too narrow.
fn head(record: &RunRecord, statistics: &Statistics, style: TerminalStyle) -> Vec<String> {
    let tone = match record.verdict {
        Verdict::Pass => AnsiColor::Green,
        Verdict::Violation => AnsiColor::Red,
        Verdict::Undecided => AnsiColor::Yellow,
        Verdict::Error => AnsiColor::Magenta,
    };
    let word = verdict_word(record.verdict);
    let what = scenario(record);
    let took = duration(record.duration_ms * 1_000_000);
    let came =
        if record.verdict == Verdict::Pass { passed(statistics) } else { clean(&tagline(record)) };
    let length = [word, &what, &came, &took].iter().map(|text| text.chars().count()).sum::<usize>();
    let word = painted(word, tone.on_default().bold(), style);
    // Blanks and brackets between the parts take nine columns.
    if length + 9 <= style.width {
        vec![format!("{word}  {what}   {came}  [{took}]")]
    } else {
        let mut lines = wrapped(&format!("{what} [{took}]"), style.width.max(48) - 11);
        lines[0] = format!("{word}  {}", lines[0]);
        lines.extend(wrapped(&came, style.width.max(48) - 2));
        let indent = |(index, line)| if index == 0 { line } else { format!("  {line}") };
        lines.into_iter().enumerate().map(indent).collect()
    }
}

fn passed(statistics: &Statistics) -> String {
    let faults = statistics.faults.len();
    let effect = format!("{}/{faults} faults had effect", statistics.effective_faults());
    let failover = median_failover(statistics)
        .map(|median| format!("  failover p50 {}", duration(median)))
        .unwrap_or_default();
    format!("{} ok operations  {effect}{failover}", thousands(statistics.operations.ok))
}

/// What ran: `register · kill, pause, partition`.
pub(crate) fn scenario(record: &RunRecord) -> String {
    let settings = &record.settings;
    let mut parts = vec![settings.workload.clone()];
    parts.push(settings.faults.join(", "));
    parts.extend(settings.mutant.as_ref().map(|mutant| format!("planted bug {mutant}")));
    parts.retain(|part| !part.is_empty());
    clean(&parts.join(" · "))
}

fn story(record: &RunRecord, statistics: &Statistics, style: TerminalStyle) -> Vec<String> {
    let width = style.width.clamp(48, 110);
    let mut lines = vec![String::new()];
    let bold = Style::new().bold();
    let head = wrapped(&clean(&headline(record, statistics)), width - 4);
    lines.extend(head.iter().map(|line| format!("  {}", painted(line, bold, style))));
    for line in wrapped(&clean(&explanation(record, statistics)), width - 4) {
        lines.push(format!("  {line}"));
    }
    let finding = main_finding(&record.analysis).map(|(_, finding)| finding);
    if let Some(finding) = finding {
        let picture =
            text_timeline::draw(finding, statistics, record.origin_ns, width - 2, style.unicode);
        if !picture.is_empty() {
            lines.push(String::new());
            lines.extend(picture.into_iter().map(|line| format!("  {line}")));
        }
        if !finding.evidence.is_empty() {
            lines.push(String::new());
            for line in finding.evidence.iter().take(EVIDENCE_MAX) {
                lines.push(format!("  | {}", crate::svg::shortened(&clean(line), width - 4)));
            }
        }
        let clues =
            correlation::of_finding(statistics, Clock::new(record.origin_ns), finding).sentences;
        if !clues.is_empty() {
            lines.push(String::new());
            let text = format!("Where to look (not proof): {}", clues.join(" "));
            lines.extend(wrapped(&clean(&text), width - 4).iter().map(|line| format!("  {line}")));
        }
    }
    if !record.settings.command.is_empty() {
        lines.push(String::new());
        lines.push(format!("  again   {}", clean(&record.settings.command)));
    }
    let all: usize = record.analysis.checks.iter().map(|check| check.findings.len()).sum();
    if all > 1 {
        let more = counted(all as u64 - 1, "more finding");
        lines.extend([String::new(), format!("  {more} in the report.")]);
    }
    lines
}

/// Text with control characters replaced, so that nothing recorded can steer the terminal.
pub(crate) fn clean(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect()
}

fn painted(text: &str, style: Style, terminal: TerminalStyle) -> String {
    if terminal.color { format!("{style}{text}{style:#}") } else { text.to_owned() }
}

/// Breaks a text into lines of at most `width` characters, at spaces.
pub(crate) fn wrapped(text: &str, width: usize) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for word in text.split_whitespace() {
        match lines.last_mut() {
            Some(line) if line.chars().count() + 1 + word.chars().count() <= width => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(word.to_owned()),
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_break_at_spaces() {
        assert_eq!(wrapped("one two  three", 7), ["one two", "three"]);
        assert_eq!(wrapped("", 7), Vec::<String>::new());
        assert_eq!(wrapped("overlong x", 3), ["overlong", "x"]);
    }

    #[test]
    fn recorded_text_cannot_steer_the_terminal() {
        assert_eq!(clean("a\u{1b}[2Jb\r"), "a\u{fffd}[2Jb\u{fffd}");
        assert_eq!(text_timeline::ascii("read → 37 · n1"), "read -> 37 - n1");
    }
}
