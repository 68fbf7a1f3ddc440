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
use crate::plain::{ascii, clean, wrapped};
use crate::story::{
    Seen, checks_in_words, explanation, headline, lasted, main_finding, scenario, tagline,
    verdict_word,
};
use crate::text_timeline;
use whitewater_checker::run_folder::RunRecord;

/// Lines of a server's last words shown at most; the report has them all.
const EVIDENCE_MAX: usize = 4;
/// Narrower than this nothing fits; a reader's eye does not follow longer lines.
const WIDTH_MIN: usize = 32;
const WIDTH_MAX: usize = 110;

pub(crate) fn render(record: &RunRecord, statistics: &Statistics, style: TerminalStyle) -> String {
    let style = TerminalStyle { width: style.width.clamp(WIDTH_MIN, WIDTH_MAX), ..style };
    let mut lines = head(record, statistics, style);
    for line in record.objectives.lines() {
        let wrapped = wrapped(&plain(&line, style), style.width - 2);
        lines.extend(wrapped.into_iter().map(|line| format!("  {line}")));
    }
    if record.verdict == Verdict::Pass && !record.analysis.checks.is_empty() {
        let words = plain(&checks_in_words(&record.analysis), style);
        lines.extend(wrapped(&words, style.width - 2).into_iter().map(|line| format!("  {line}")));
    }
    if record.verdict != Verdict::Pass {
        lines.extend(story(record, statistics, style));
    }
    lines.into_iter().map(|line| line + "\n").collect()
}

/// The text in characters that the terminal has, none of which steers it. Before lines are broken: some
/// take more room in ASCII.
fn plain(text: &str, style: TerminalStyle) -> String {
    let text = clean(text);
    if style.unicode { text } else { ascii(&text) }
}

/// `PASS  register · kill   98,732 ok operations  6/7 faults had effect  failover p50 1.38 s  [57.0 s]`,
/// in more lines where one is too narrow.
fn head(record: &RunRecord, statistics: &Statistics, style: TerminalStyle) -> Vec<String> {
    let tone = match record.verdict {
        Verdict::Pass => AnsiColor::Green,
        Verdict::Violation => AnsiColor::Red,
        Verdict::Undecided => AnsiColor::Yellow,
        Verdict::Error => AnsiColor::Magenta,
    };
    let word = verdict_word(record.verdict);
    let what = plain(&scenario(record), style);
    let took = plain(&lasted(record), style);
    let came = match record.verdict {
        Verdict::Pass => passed(statistics),
        _ => tagline(record),
    };
    let came = plain(&came, style);
    let length = [word, &what, &came, &took].iter().map(|text| text.chars().count()).sum::<usize>();
    let painted_word = painted(word, tone.on_default().bold(), style);
    // Blanks and brackets between the parts take nine columns.
    if length + 9 <= style.width {
        return vec![format!("{painted_word}  {what}   {came}  [{took}]")];
    }
    let mut lines = wrapped(&format!("{what} [{took}]"), style.width - word.len() - 2);
    lines[0] = format!("{painted_word}  {}", lines[0]);
    let more = wrapped(&came, style.width - 2);
    let indented = lines.drain(1..).chain(more).map(|line| format!("  {line}")).collect::<Vec<_>>();
    lines.extend(indented);
    lines
}

fn passed(statistics: &Statistics) -> String {
    let faults = statistics.faults.len();
    let effect = format!("{}/{faults} faults had effect", statistics.effective_faults());
    let failover = statistics
        .median_failover_ns()
        .map(|median| format!("  failover p50 {}", duration(median)))
        .unwrap_or_default();
    format!("{} ok operations  {effect}{failover}", thousands(statistics.operations.ok))
}

fn story(record: &RunRecord, statistics: &Statistics, style: TerminalStyle) -> Vec<String> {
    // Every line is indented by two columns.
    let width = style.width - 2;
    let paragraph = |text: &str| wrapped(&plain(text, style), width);
    let bold = Style::new().bold();
    let mut lines = vec![String::new()];
    let head = paragraph(&headline(record, statistics));
    lines.extend(head.iter().map(|line| painted(line, bold, style)));
    lines.extend(paragraph(&explanation(record, statistics)));
    let leading = main_finding(&record.analysis).map(|(_, finding)| finding);
    let seen = Seen::of(&record.analysis);
    if let Some(seen) = &seen {
        lines.push(String::new());
        lines.extend(paragraph(&format!("{} {}", seen.lead(), seen.headline)));
        if seen.is_linked {
            lines.extend(paragraph(&seen.relation));
        }
    }
    let drawn = [leading, seen.as_ref().map(|seen| seen.finding)];
    if let Some(finding) = drawn.into_iter().flatten().find(|finding| finding.witness.is_some()) {
        let picture =
            text_timeline::draw(finding, statistics, record.origin_ns, width, style.unicode);
        if !picture.is_empty() {
            lines.push(String::new());
            lines.extend(picture);
        }
    }
    if let Some(finding) = leading {
        // Raw records are for the report; what a server said at its end is for people.
        let said = finding.evidence.iter().filter(|line| !line.contains(".jsonl:"));
        let said: Vec<&String> = said.take(EVIDENCE_MAX).collect();
        if !said.is_empty() {
            lines.push(String::new());
        }
        for line in said {
            // The ellipsis of a line that is cut takes three columns of ASCII.
            let line = crate::svg::shortened(&plain(line, style), width - 4);
            lines.push(format!("| {}", plain(&line, style)));
        }
        let clues =
            correlation::of_finding(statistics, Clock::new(record.origin_ns), finding).sentences;
        if !clues.is_empty() {
            lines.push(String::new());
            lines.extend(paragraph(&format!("Where to look (not proof): {}", clues.join(" "))));
        }
    }
    if !record.settings.command.is_empty() {
        lines.push(String::new());
        lines.extend(command(&plain(&record.settings.command, style), width));
    }
    let all = record.analysis.findings_total();
    let told = 1 + u64::from(seen.is_some());
    if all > told {
        let more = counted(all - told, "more finding");
        // A rule that is broken all the time is told a few times, and counted.
        let listed: usize = record.analysis.checks.iter().map(|check| check.findings.len()).sum();
        let listed = (listed as u64).saturating_sub(told);
        let place = match listed == all - told {
            true => " in the report".to_owned(),
            false => format!(", {listed} of them told in the report"),
        };
        lines.extend([String::new(), format!("{more}{place}.")]);
    }
    let indented = |line: String| if line.is_empty() { line } else { format!("  {line}") };
    lines.into_iter().map(indented).collect()
}

/// The command that repeats the run. Broken so that it can still be pasted into a shell as it stands.
fn command(line: &str, width: usize) -> Vec<String> {
    const NAME: &str = "again   ";
    if NAME.len() + line.chars().count() <= width {
        return vec![format!("{NAME}{line}")];
    }
    // A blank within quotes must not become the end of a line.
    if line.contains(['\'', '"']) {
        return vec!["again".to_owned(), line.to_owned()];
    }
    let parts = wrapped(line, width - NAME.len() - 2);
    let last = parts.len() - 1;
    let part = |(index, part): (usize, String)| {
        let name = if index == 0 { NAME } else { "        " };
        let end = if index < last { " \\" } else { "" };
        format!("{name}{part}{end}")
    };
    parts.into_iter().enumerate().map(part).collect()
}

fn painted(text: &str, style: Style, terminal: TerminalStyle) -> String {
    if terminal.color { format!("{style}{text}{style:#}") } else { text.to_owned() }
}
