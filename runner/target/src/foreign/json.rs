//! JSON as foreign servers write it: numbers in quotes or not, names that are not known beforehand.

use serde_json::{Number, Value};

/// Beyond this a floating number is no whole one for sure: 2^53.
const WHOLE_MAX: f64 = 9_007_199_254_740_992.0;

/// What a JSON pointer leads to; `*` is the only member of an object or an array.
///
/// # Errors
/// Where `*` has several to choose from; in words.
pub(super) fn find<'a>(root: &'a Value, pointer: &str) -> Result<Option<&'a Value>, String> {
    let mut at = root;
    for part in pointer.split('/').skip(1) {
        let (members, next): (usize, Option<&Value>) = match (part, at) {
            ("*", Value::Object(object)) => (object.len(), object.values().next()),
            ("*", Value::Array(array)) => (array.len(), array.first()),
            (name, Value::Object(object)) => {
                (1, object.get(&name.replace("~1", "/").replace("~0", "~")))
            }
            (name, Value::Array(array)) => {
                (1, name.parse().ok().and_then(|at: usize| array.get(at)))
            }
            _ => (1, None),
        };
        if members > 1 {
            return Err(format!("`*` in {pointer} is the only member, and there are {members}"));
        }
        match next {
            Some(next) => at = next,
            None => return Ok(None),
        }
    }
    Ok(Some(at))
}

/// A value as text, the same for `"2"`, `2` and `2.0`; `None`: null.
pub(super) fn text(value: &Value) -> Option<String> {
    match value {
        Value::Null => None,
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(whole(number)),
        other => Some(other.to_string()),
    }
}

fn whole(number: &Number) -> String {
    match number.as_f64() {
        Some(value) if number.is_f64() && value.fract() == 0.0 && value.abs() < WHOLE_MAX => {
            format!("{value:.0}")
        }
        _ => number.to_string(),
    }
}

/// Whether a value says yes.
pub(super) fn is_true(value: &Value) -> bool {
    matches!(text(value).as_deref(), Some("true" | "1"))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn pointers_lead_through_objects_arrays_and_only_members() {
        let value =
            json!({"a": {"x-7": {"term": "3"}}, "b": [1, {"c/d": 2}], "e": {"f": 1, "g": 2}});
        let found = |pointer: &str| find(&value, pointer).unwrap().and_then(text);
        assert_eq!(found("/a/*/term").as_deref(), Some("3"));
        assert_eq!(found("/b/1/c~1d").as_deref(), Some("2"));
        assert_eq!(found("/b/7"), None);
        assert_eq!(found("/a/no/term"), None);
        assert_eq!(found("").map(|it| it.len()), Some(value.to_string().len()));
        assert!(find(&value, "/e/*").unwrap_err().contains("there are 2"));
    }

    #[test]
    fn numbers_are_the_same_text_however_they_are_written() {
        let texts = [json!("6"), json!(6), json!(6.0), json!(6e0)].map(|it| text(&it));
        assert!(texts.iter().all(|it| it.as_deref() == Some("6")), "{texts:?}");
        assert_eq!(text(&json!(u64::MAX)).unwrap(), u64::MAX.to_string());
        assert_eq!(text(&json!(1.5)).unwrap(), "1.5");
        assert_eq!(text(&Value::Null), None);
        assert!(is_true(&json!(true)) && is_true(&json!("true")) && !is_true(&json!(false)));
    }
}
