//! A few lines of SVG writing: escaped text, rounded numbers, nothing else.

use std::fmt::Write as _;

/// Escapes text for an element or a quoted attribute. Characters that XML forbids become U+FFFD:
/// log lines and values come from the system under test and may hold anything.
pub(crate) fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            c if c.is_control() && c != '\n' && c != '\t' => escaped.push('\u{fffd}'),
            c => escaped.push(c),
        }
    }
    escaped
}

/// Cuts a text to a number of characters, with an ellipsis where something was cut.
pub(crate) fn shortened(text: &str, limit: usize) -> String {
    if text.chars().count() <= limit {
        return text.to_owned();
    }
    let kept: String = text.chars().take(limit.saturating_sub(1)).collect();
    format!("{}…", kept.trim_end())
}

/// SVG elements in the order they are drawn.
#[derive(Debug, Default)]
pub(crate) struct Svg {
    body: String,
}

/// Where a text stands relative to its point.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Anchor {
    Start,
    Middle,
    End,
}

impl Anchor {
    /// Centred, unless a short text there would run over the right edge.
    pub(crate) fn within(x: f64, right: f64) -> Anchor {
        if x > right - 20.0 { Anchor::End } else { Anchor::Middle }
    }
}

impl Svg {
    pub(crate) fn rect(&mut self, class: &str, x: f64, y: f64, width: f64, height: f64) {
        let width = width.max(0.0);
        let _ = write!(
            self.body,
            r#"<rect class="{class}" x="{x:.1}" y="{y:.1}" width="{width:.1}" height="{height:.1}"/>"#
        );
    }

    pub(crate) fn rounded(&mut self, class: &str, x: f64, y: f64, width: f64, height: f64) {
        let _ = write!(
            self.body,
            r#"<rect class="{class}" x="{x:.1}" y="{y:.1}" width="{width:.1}" height="{height:.1}" rx="3"/>"#
        );
    }

    pub(crate) fn line(&mut self, class: &str, from: (f64, f64), to: (f64, f64)) {
        let ((x1, y1), (x2, y2)) = (from, to);
        let _ = write!(
            self.body,
            r#"<line class="{class}" x1="{x1:.1}" y1="{y1:.1}" x2="{x2:.1}" y2="{y2:.1}"/>"#
        );
    }

    pub(crate) fn path(&mut self, class: &str, data: &str) {
        let _ = write!(self.body, r#"<path class="{class}" d="{data}"/>"#);
    }

    pub(crate) fn text(&mut self, class: &str, x: f64, y: f64, anchor: Anchor, text: &str) {
        let anchor = match anchor {
            Anchor::Start => "",
            Anchor::Middle => r#" text-anchor="middle""#,
            Anchor::End => r#" text-anchor="end""#,
        };
        let text = escape(text);
        let _ = write!(
            self.body,
            r#"<text class="{class}" x="{x:.1}" y="{y:.1}"{anchor}>{text}</text>"#
        );
    }

    /// A group with a title, which a pointer or a screen reader shows; focusable where asked.
    pub(crate) fn group(
        &mut self,
        class: &str,
        title: &str,
        focusable: bool,
        draw: impl FnOnce(&mut Svg),
    ) {
        let focus = if focusable { r#" tabindex="0" role="img""# } else { "" };
        let _ = write!(self.body, r#"<g class="{class}"{focus}><title>{}</title>"#, escape(title));
        draw(self);
        self.body.push_str("</g>");
    }

    /// The finished picture.
    pub(crate) fn finish(
        self,
        id: &str,
        size: (f64, f64),
        title: &str,
        description: &str,
    ) -> String {
        // What is inside an image cannot take the focus; a group's parts can.
        let role = if self.body.contains(" tabindex=") { "group" } else { "img" };
        format!(
            r#"<svg id="{id}" class="drawing" viewBox="0 0 {:.0} {:.0}" role="{role}" aria-labelledby="{id}-t {id}-d"><title id="{id}-t">{}</title><desc id="{id}-d">{}</desc>{}</svg>"#,
            size.0,
            size.1,
            escape(title),
            escape(description),
            self.body,
        )
    }
}

/// A linear scale from time to a horizontal place.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Scale {
    pub(crate) from_ns: u64,
    pub(crate) to_ns: u64,
    pub(crate) left: f64,
    pub(crate) right: f64,
}

impl Scale {
    /// Where a time lies; times outside lie at the edges.
    pub(crate) fn x(&self, time_ns: u64) -> f64 {
        let time = time_ns.clamp(self.from_ns, self.to_ns) - self.from_ns;
        let share = time as f64 / (self.to_ns - self.from_ns).max(1) as f64;
        self.left + share * (self.right - self.left)
    }

    /// The part of a stretch of time that lies inside, as places; `None` where nothing does.
    pub(crate) fn stretch(&self, from_ns: u64, to_ns: u64) -> Option<(f64, f64)> {
        (from_ns < self.to_ns && to_ns > self.from_ns).then(|| (self.x(from_ns), self.x(to_ns)))
    }

    pub(crate) fn contains(&self, time_ns: u64) -> bool {
        (self.from_ns..=self.to_ns).contains(&time_ns)
    }

    /// Round seconds since an origin for at most about `count` ticks, with their times.
    pub(crate) fn ticks(&self, origin_ns: u64, count: u32) -> Vec<(u64, String)> {
        let range = (self.to_ns - self.from_ns).max(1) as f64 / 1e9;
        let mut step = 1e-6;
        for factor in [2.0, 2.5, 2.0].iter().cycle() {
            if range / step <= f64::from(count) {
                break;
            }
            step *= factor;
        }
        let places = (-(step * 1.000_001).log10().floor()).max(0.0) as usize;
        let first = ((self.from_ns as f64 - origin_ns as f64) / 1e9 / step).ceil() as i64;
        (first..first + i64::from(count) + 2)
            .map(|index| index as f64 * step)
            .map(|seconds| ((origin_ns as f64 + seconds * 1e9).round() as u64, seconds))
            .filter(|(time, _)| self.contains(*time))
            .map(|(time, seconds)| (time, format!("{seconds:.places$} s")))
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hostile_text_stays_text() {
        assert_eq!(
            escape("</svg><script>'\"&\u{1}"),
            "&lt;/svg&gt;&lt;script&gt;&#39;&quot;&amp;\u{fffd}"
        );
    }

    #[test]
    fn ticks_are_round_and_inside() {
        let scale =
            Scale { from_ns: 36_750_000_000, to_ns: 37_400_000_000, left: 0.0, right: 100.0 };
        let texts: Vec<String> = scale.ticks(0, 8).into_iter().map(|tick| tick.1).collect();
        assert_eq!(texts, ["36.8 s", "36.9 s", "37.0 s", "37.1 s", "37.2 s", "37.3 s", "37.4 s"]);
        assert!((scale.x(37_075_000_000) - 50.0).abs() < 1e-9);
        assert_eq!(scale.stretch(0, 1), None);
    }

    #[test]
    fn long_text_is_cut_at_a_character() {
        assert_eq!(shortened("äöüß", 3), "äö…");
        assert_eq!(shortened("abc", 3), "abc");
    }
}
