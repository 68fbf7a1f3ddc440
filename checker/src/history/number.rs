//! Whole numbers and ratios as Clojure writes them.

use super::edn_value::Edn;

/// A whole number, or a ratio; `None` if the token is neither. What is too large for 64 bits stays the word it
/// is: equal words are equal numbers, and nothing is added up.
pub(super) fn whole(token: &str) -> Option<Edn> {
    let (sign, digits) = match token.strip_prefix('-') {
        Some(digits) => ("-", digits),
        None => ("", token.strip_prefix('+').unwrap_or(token)),
    };
    if let Some((above, below)) = digits.split_once('/') {
        let is_ratio = [above, below].iter().all(|part| is_of_digits(part));
        return is_ratio.then(|| Edn::Symbol(format!("{sign}{above}/{below}")));
    }
    let digits = digits.strip_suffix('N').unwrap_or(digits);
    let (radix, digits) = match digits.split_once(['r', 'R']) {
        Some((radix, digits)) => {
            (radix.parse().ok().filter(|radix| (2..=36).contains(radix))?, digits)
        }
        None => match digits.as_bytes() {
            [b'0', b'x' | b'X', ..] => (16, &digits[2..]),
            [b'0', _, ..] => (8, &digits[1..]),
            _ => (10, digits),
        },
    };
    let is_number = !digits.is_empty() && digits.chars().all(|digit| digit.is_digit(radix));
    if !is_number {
        return None;
    }
    match i64::from_str_radix(&format!("{sign}{digits}"), radix) {
        Ok(number) => Some(Edn::Integer(number)),
        Err(_) if radix == 10 => Some(Edn::Symbol(format!("{sign}{digits}"))),
        Err(_) => Some(Edn::Symbol(token.to_owned())),
    }
}

fn is_of_digits(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_way_to_write_a_whole_number_is_read() {
        for (token, number) in [
            ("0", 0),
            ("-7", -7),
            ("+7", 7),
            ("7N", 7),
            ("0x7f8F", 0x7f8f),
            ("-0xff", -255),
            ("017", 15),
            ("2r101", 5),
            ("36rZ", 35),
            ("-9223372036854775808", i64::MIN),
        ] {
            assert_eq!(whole(token), Some(Edn::Integer(number)), "{token}");
        }
        let word = |text: &str| Some(Edn::Symbol(text.to_owned()));
        assert_eq!(
            whole("123456789012345678901234567890N"),
            word("123456789012345678901234567890")
        );
        assert_eq!(whole("9223372036854775808"), word("9223372036854775808"));
        assert_eq!(whole("-1/3"), word("-1/3"));
        for token in ["0x", "0xfg", "08", "1/", "/3", "1/x", "1r0", "99r1", "1.5", "12a"] {
            assert_eq!(whole(token), None, "{token}");
        }
    }
}
