//! Values in four bytes: null and whole numbers as they are, anything else as its place in a table.

use serde_json::Value as Json;

use super::interner::Interner;

/// A value of a history. Equal values have equal numbers within one history.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Value(u32);

/// The largest whole number that needs no table.
const DIRECT_MAX: u64 = (1 << 31) - 2;

impl Value {
    /// JSON null: absent.
    pub const NIL: Value = Value(0);
    /// No value was told.
    pub const UNTOLD: Value = Value(u32::MAX);

    /// A whole number, if it is small enough to need no table.
    #[inline]
    pub(crate) fn direct(number: u64) -> Option<Value> {
        // Odd codes are numbers, even ones other than 0 are places in the table.
        (number <= DIRECT_MAX).then_some(Value((number as u32) << 1 | 1))
    }

    /// A place in the table.
    #[inline]
    pub(crate) fn in_table(place: u32) -> Value {
        Value((place + 1) << 1)
    }

    /// The place in the table, for values that have one.
    #[inline]
    pub(crate) fn table_place(self) -> Option<u32> {
        (self.0 & 1 == 0 && self.0 != 0).then(|| (self.0 >> 1) - 1)
    }

    /// The small whole number that this is, if it is one.
    #[inline]
    pub fn number(self) -> Option<u32> {
        (self.0 & 1 == 1 && self != Value::UNTOLD).then_some(self.0 >> 1)
    }

    /// The value of a code that [`Value::code`] gave.
    pub(crate) fn of_code(code: u32) -> Value {
        Value(code)
    }

    /// The code itself, for hashing and sorting.
    #[inline]
    pub(crate) fn code(self) -> u32 {
        self.0
    }
}

impl std::fmt::Debug for Value {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match (*self, self.number(), self.table_place()) {
            (Value::NIL, ..) => f.write_str("nil"),
            (Value::UNTOLD, ..) => f.write_str("untold"),
            (_, Some(number), _) => write!(f, "{number}"),
            (_, _, place) => write!(f, "table[{place:?}]"),
        }
    }
}

/// The values that do not fit a code, as JSON texts.
#[derive(Clone, Debug, Default)]
pub struct Values(pub(crate) Interner);

impl Values {
    /// The code of a JSON value.
    pub fn intern(&mut self, json: &Json) -> Value {
        if json.is_null() {
            return Value::NIL;
        }
        match json.as_u64().and_then(Value::direct) {
            Some(value) => value,
            None => match in_whole_numbers(json) {
                Some(json) => self.intern(&json),
                None => self.intern_text(&json.to_string()),
            },
        }
    }

    /// The code of a value given as compact JSON text that is neither null nor a small number.
    pub(crate) fn intern_text(&mut self, text: &str) -> Value {
        Value::in_table(self.0.intern(text))
    }

    /// The value as JSON.
    pub fn json(&self, value: Value) -> Json {
        match (value.number(), value.table_place()) {
            (Some(number), _) => Json::from(number),
            (_, Some(place)) => serde_json::from_str(self.0.text(place)).unwrap_or(Json::Null),
            _ => Json::Null,
        }
    }

    /// The value in words: `absent`, `37`, `"abc"`.
    pub fn words(&self, value: Value) -> String {
        match (value.number(), value.table_place()) {
            (Some(number), _) => number.to_string(),
            (_, Some(place)) => self.0.text(place).to_owned(),
            _ => "absent".to_owned(),
        }
    }

    /// Whether the value is a list.
    pub(crate) fn is_list(&self, value: Value) -> bool {
        value.table_place().is_some_and(|place| self.0.text(place).starts_with('['))
    }

    /// A list's members, where the value is a list.
    pub(crate) fn list(&self, value: Value) -> Option<Vec<Json>> {
        match self.json(value) {
            Json::Array(members) => Some(members),
            _ => None,
        }
    }
}

/// A value with 1 for every 1.0 in it, and 0 for -0.0: JSON has one kind of number, and a store may give back another
/// writing of what it was given. `None`: there is none in it.
fn in_whole_numbers(json: &Json) -> Option<Json> {
    // Beyond 2^53 not every whole number is a float.
    const EXACT_MAX: f64 = (1_u64 << 53) as f64;
    match json {
        Json::Number(number) if number.is_f64() => {
            let float = number.as_f64()?;
            let is_whole = float.fract() == 0.0 && float.abs() <= EXACT_MAX;
            is_whole.then(|| Json::from(float as i64))
        }
        Json::Array(members) if members.iter().any(|member| in_whole_numbers(member).is_some()) => {
            let whole = |member: &Json| in_whole_numbers(member).unwrap_or_else(|| member.clone());
            Some(members.iter().map(whole).collect())
        }
        Json::Object(fields) if fields.values().any(|field| in_whole_numbers(field).is_some()) => {
            let whole = |(name, field): (&String, &Json)| {
                (name.clone(), in_whole_numbers(field).unwrap_or_else(|| field.clone()))
            };
            Some(Json::Object(fields.iter().map(whole).collect()))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_number_is_one_value_however_it_is_written() {
        let mut values = Values::default();
        for (one, other) in [
            (json!(1), json!(1.0)),
            (json!(0), json!(-0.0)),
            (json!(-3), json!(-3.0)),
            (json!([1, {"a": 2}]), json!([1.0, {"a": 2.0}])),
        ] {
            assert_eq!(values.intern(&one), values.intern(&other), "{other}");
        }
        assert_ne!(values.intern(&json!(1)), values.intern(&json!(1.5)));
        assert_ne!(values.intern(&json!(1)), values.intern(&json!("1")));
        assert_ne!(values.intern(&json!([1])), values.intern(&json!([1.5])));
    }

    #[test]
    fn every_kind_of_value_comes_back() {
        let mut values = Values::default();
        for json in [
            json!(null),
            json!(0),
            json!(7),
            json!(DIRECT_MAX),
            json!(DIRECT_MAX + 1),
            json!(u64::MAX),
            json!(-5),
            json!(1.5),
            json!("x 1 y"),
            json!(""),
            json!([1, "a", null]),
            json!(true),
        ] {
            let value = values.intern(&json);
            assert_eq!(values.json(value), json);
            assert_eq!(values.intern(&json), value);
            assert_ne!(value, Value::UNTOLD);
        }
        assert_eq!(values.words(Value::NIL), "absent");
        let text = values.intern(&json!("a"));
        assert_eq!(values.words(text), "\"a\"");
    }
}
