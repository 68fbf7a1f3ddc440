//! The colours of every page, light and dark, as one table: the style sheet is generated from it and
//! a test computes the contrast of every pair that occurs.
//!
//! Colour is never the only carrier: outcomes differ by shape, roles by height and hatch, faults by
//! hatch direction, number and name. A violation is ink black or white, because every hue comes too
//! close to another one for some colour-blind reader.

use std::fmt::Write as _;

use whitewater_checker::fault::Scope;

/// One colour: its CSS name and its value in the light and in the dark theme.
pub(crate) struct Colour {
    pub(crate) name: &'static str,
    pub(crate) light: &'static str,
    pub(crate) dark: &'static str,
}

const fn colour(name: &'static str, light: &'static str, dark: &'static str) -> Colour {
    Colour { name, light, dark }
}

/// All of them.
pub(crate) const COLOURS: [Colour; 34] = [
    colour("bg", "#f6f7f5", "#0f1216"),
    colour("card", "#ffffff", "#171b21"),
    colour("ink", "#1a1d22", "#e6e9ee"),
    colour("muted", "#59616d", "#9ea8b5"),
    colour("line", "#d9dde2", "#2d343e"),
    colour("soft", "#eceff2", "#20262e"),
    colour("code", "#f0f2f4", "#20262e"),
    colour("link", "#0b57b0", "#8cbcff"),
    colour("bad", "#b3261e", "#ff9d93"),
    colour("bad-soft", "#fdeceb", "#3a1b1a"),
    colour("warn", "#835400", "#f0c267"),
    colour("warn-soft", "#fff3da", "#332711"),
    colour("good", "#12633f", "#7fd6a8"),
    colour("good-soft", "#e4f4eb", "#15291f"),
    colour("error", "#5b4a9c", "#b9abff"),
    colour("error-soft", "#efecfa", "#262040"),
    colour("ok", "#0072b2", "#58b4e9"),
    colour("fail", "#7d7f83", "#8d949d"),
    colour("info", "#b26500", "#f2a93b"),
    colour("violation", "#14171b", "#ffffff"),
    colour("leader", "#0f5f8f", "#1d6ea3"),
    colour("leader-text", "#ffffff", "#ffffff"),
    colour("follower", "#7f93a3", "#66788a"),
    colour("candidate", "#a87400", "#e0a92e"),
    colour("paused", "#2f7f86", "#63b9bf"),
    colour("down", "#4a4a4a", "#9aa0a8"),
    colour("f-partition", "#7a5fb5", "#a890e6"),
    colour("f-kill", "#a04a3c", "#d98675"),
    colour("f-pause", "#2f7f86", "#63b9bf"),
    colour("f-disk", "#80701f", "#c9b75a"),
    colour("f-clock", "#636b78", "#9aa3ae"),
    colour("f-network", "#b0457f", "#e58fbd"),
    colour("f-cluster", "#4d7a2f", "#93c46f"),
    colour("f-other", "#5c6470", "#9aa4b1"),
];

/// How faults of a scope are drawn, so that a new family needs nothing here.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Look {
    /// The colour class: `f-` and this is the colour.
    pub(crate) class: &'static str,
    /// The sign beside the name.
    pub(crate) sign: &'static str,
}

/// How faults of this scope are drawn.
pub(crate) fn look(scope: Scope) -> Look {
    let (class, sign) = match scope {
        Scope::ProcessDown => ("kill", "✝"),
        Scope::ProcessPaused => ("pause", "‖"),
        Scope::LinksCut => ("partition", "⊘"),
        Scope::LinksDegraded => ("network", "≈"),
        Scope::Leadership | Scope::Members => ("cluster", "•"),
        Scope::Disk => ("disk", "•"),
        Scope::Clock => ("clock", "•"),
        Scope::Other => ("other", "•"),
    };
    Look { class, sign }
}

/// The style sheet's variables: light by default, dark where the system or the reader asks for it.
pub(crate) fn style_sheet() -> String {
    let block = |pick: fn(&Colour) -> &'static str| {
        let mut text = String::new();
        for colour in &COLOURS {
            let _ = write!(text, "--{}:{};", colour.name, pick(colour));
        }
        text
    };
    let (light, dark) = (block(|colour| colour.light), block(|colour| colour.dark));
    format!(
        ":root{{color-scheme:light;{light}}}\n\
         @media screen and (prefers-color-scheme:dark){{html[data-theme=auto]{{color-scheme:dark;{dark}}}}}\n\
         @media screen{{html[data-theme=dark]{{color-scheme:dark;{dark}}}}}\n"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn luminance(hex: &str) -> f64 {
        let channel = |from: usize| {
            let value = f64::from(u8::from_str_radix(&hex[from..from + 2], 16).unwrap()) / 255.0;
            if value <= 0.040_45 { value / 12.92 } else { ((value + 0.055) / 1.055).powf(2.4) }
        };
        0.2126 * channel(1) + 0.7152 * channel(3) + 0.0722 * channel(5)
    }

    fn contrast(one: &str, other: &str) -> f64 {
        let (one, other) = (luminance(one), luminance(other));
        (one.max(other) + 0.05) / (one.min(other) + 0.05)
    }

    fn find(name: &str) -> &'static Colour {
        COLOURS
            .iter()
            .find(|colour| colour.name == name)
            .unwrap_or_else(|| panic!("no colour {name}"))
    }

    fn check(front: &str, back: &str, least: f64) {
        for (theme, one, other) in [
            ("light", find(front).light, find(back).light),
            ("dark", find(front).dark, find(back).dark),
        ] {
            let ratio = contrast(one, other);
            assert!(ratio >= least, "{theme}: {front} on {back} is {ratio:.2}:1, wanted {least}:1");
        }
    }

    #[test]
    fn the_contrast_formula_is_the_standard_one() {
        assert!((contrast("#000000", "#ffffff") - 21.0).abs() < 1e-9);
        assert!((contrast("#777777", "#ffffff") - 4.478).abs() < 1e-3);
    }

    #[test]
    fn text_is_readable_in_both_themes() {
        for back in ["bg", "card", "soft", "code"] {
            check("ink", back, 4.5);
            check("muted", back, 4.5);
            check("link", back, 4.5);
        }
        for word in ["bad", "warn", "good", "error"] {
            check(word, "card", 4.5);
            check("card", word, 4.5);
            check(word, &format!("{word}-soft"), 4.5);
            check("ink", &format!("{word}-soft"), 4.5);
        }
        check("leader-text", "leader", 4.5);
    }

    #[test]
    fn marks_stand_out_in_both_themes() {
        let roles = ["leader", "follower", "candidate", "paused", "down"];
        let outcomes = ["ok", "fail", "info", "violation"];
        for mark in roles.iter().chain(&outcomes) {
            check(mark, "card", 3.0);
        }
        for scope in Scope::ALL {
            check(&format!("f-{}", look(scope).class), "card", 3.0);
        }
    }
}
