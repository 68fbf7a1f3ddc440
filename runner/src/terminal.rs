//! What the terminal, or whatever stands in for it, can show: characters beyond ASCII, colours, bars.
//!
//! This is the one place that asks the locale. People's text passes through [`shown`] on its way out;
//! JSON is UTF-8 everywhere and does not.

use std::borrow::Cow;
use std::sync::OnceLock;

use indicatif::ProgressStyle;
use whitewater_reports::TerminalStyle;

/// Whether the locale is UTF-8.
pub(crate) fn is_unicode() -> bool {
    static IS_UNICODE: OnceLock<bool> = OnceLock::new();
    *IS_UNICODE.get_or_init(|| is_unicode_by(|name| std::env::var(name).ok()))
}

/// The first of the variables that is set and not empty decides, as in POSIX, "Internationalization
/// Variables"; where none is, the locale is C, which is ASCII.
fn is_unicode_by(variable: impl Fn(&str) -> Option<String>) -> bool {
    let names = ["LC_ALL", "LC_CTYPE", "LANG"];
    let locale = names.into_iter().find_map(|name| variable(name).filter(|it| !it.is_empty()));
    let codeset = locale.unwrap_or_default().to_ascii_lowercase().replace('-', "");
    codeset.contains("utf8")
}

/// How a verdict looks on stdout, or on stderr where stdout is for machines.
pub(crate) fn style(is_on_stderr: bool) -> TerminalStyle {
    let choice = match is_on_stderr {
        true => anstream::AutoStream::choice(&std::io::stderr()),
        false => anstream::AutoStream::choice(&std::io::stdout()),
    };
    let color = choice != anstream::ColorChoice::Never;
    TerminalStyle { color, unicode: is_unicode(), width: width() }
}

/// Text as this terminal can show it: the nearest ASCII where the locale is not UTF-8.
pub(crate) fn shown(text: &str) -> Cow<'_, str> {
    if is_unicode() || text.is_ascii() {
        return Cow::Borrowed(text);
    }
    Cow::Owned(whitewater_reports::ascii(text))
}

/// A bar, or a spinner, of this form; in ASCII where the locale asks for it.
pub(crate) fn bar_style(template: &str) -> ProgressStyle {
    let style = ProgressStyle::with_template(template).expect("our templates are well-formed");
    inked(style, is_unicode())
}

fn inked(style: ProgressStyle, unicode: bool) -> ProgressStyle {
    match unicode {
        true => style,
        false => style.progress_chars("##-").tick_chars("|/-\\ "),
    }
}

/// Columns for text on stdout: those of the terminal, or what `COLUMNS` asks for, or enough for a log.
pub(crate) fn width() -> usize {
    const WIDTH_DEFAULT: usize = 100;
    let terminal = terminal_size::terminal_size_of(std::io::stdout())
        .map(|(terminal_size::Width(columns), _)| usize::from(columns));
    let asked = || std::env::var("COLUMNS").ok().and_then(|columns| columns.parse().ok());
    terminal.or_else(asked).filter(|columns| *columns > 0).unwrap_or(WIDTH_DEFAULT)
}

#[cfg(test)]
mod tests {
    use std::io;
    use std::sync::{Arc, Mutex};

    use indicatif::{ProgressBar, ProgressDrawTarget, TermLike};

    use super::*;

    /// A terminal that keeps what is written on it.
    #[derive(Clone, Debug, Default)]
    struct Paper(Arc<Mutex<String>>);

    impl TermLike for Paper {
        fn width(&self) -> u16 {
            60
        }
        fn move_cursor_up(&self, _: usize) -> io::Result<()> {
            Ok(())
        }
        fn move_cursor_down(&self, _: usize) -> io::Result<()> {
            Ok(())
        }
        fn move_cursor_right(&self, _: usize) -> io::Result<()> {
            Ok(())
        }
        fn move_cursor_left(&self, _: usize) -> io::Result<()> {
            Ok(())
        }
        fn write_line(&self, text: &str) -> io::Result<()> {
            self.write_str(text)
        }
        fn write_str(&self, text: &str) -> io::Result<()> {
            self.0.lock().unwrap().push_str(text);
            Ok(())
        }
        fn clear_line(&self) -> io::Result<()> {
            Ok(())
        }
        fn flush(&self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn the_first_variable_that_is_set_decides() {
        let cases: [(&[(&str, &str)], bool); 9] = [
            (&[], false),
            (&[("LANG", "en_US.UTF-8")], true),
            (&[("LANG", "C.utf8")], true),
            (&[("LANG", "C")], false),
            (&[("LANG", "en_US.ISO-8859-1")], false),
            (&[("LC_ALL", "C"), ("LANG", "en_US.UTF-8")], false),
            (&[("LC_ALL", ""), ("LANG", "en_US.UTF-8")], true),
            (&[("LC_CTYPE", "POSIX"), ("LANG", "en_US.UTF-8")], false),
            (&[("LC_CTYPE", "de_DE.utf-8"), ("LANG", "C")], true),
        ];
        for (set, expected) in cases {
            let variable = |name: &str| {
                set.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned())
            };
            assert_eq!(is_unicode_by(variable), expected, "{set:?}");
        }
    }

    fn drawn(template: &str, unicode: bool) -> String {
        let paper = Paper::default();
        let target = ProgressDrawTarget::term_like(Box::new(paper.clone()));
        let bar = ProgressBar::with_draw_target(Some(10), target);
        let style = ProgressStyle::with_template(template).unwrap();
        bar.set_style(inked(style, unicode));
        bar.set_position(4);
        bar.tick();
        bar.abandon();
        paper.0.lock().unwrap().clone()
    }

    #[test]
    fn bars_and_spinners_are_ascii_where_the_locale_is() {
        for template in ["{wide_bar}", "{spinner} {pos}"] {
            let plain = drawn(template, false);
            assert!(plain.is_ascii() && !plain.trim().is_empty(), "{plain:?}");
            assert!(!drawn(template, true).is_ascii(), "{template}");
        }
    }
}
