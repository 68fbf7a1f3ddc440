//! From text to a description.

use super::check::check;
use super::document::Description;
use super::flaw::Flaw;

/// A description has a few lines; what is larger is another file.
pub const DESCRIPTION_BYTES_MAX: usize = 256 << 10;

/// Reads a description. `file` is what messages call it; `environment` is asked for `{env.VAR}`.
///
/// # Errors
/// The first thing that is wrong with it.
pub fn read(
    file: &str,
    text: &str,
    environment: &dyn Fn(&str) -> Option<String>,
) -> Result<Description, Flaw> {
    if text.len() > DESCRIPTION_BYTES_MAX {
        let says = format!(
            "{} bytes are more than the {DESCRIPTION_BYTES_MAX} that a description may have",
            text.len()
        );
        return Err(Flaw::whole(file, says, None));
    }
    let mut description: Description =
        toml::from_str(text).map_err(|error| Flaw::of_toml(file, text, &error))?;
    check(&mut description, file, text, environment)?;
    Ok(description)
}

/// The JSON schema of a description, for editors.
pub fn schema() -> serde_json::Value {
    schemars::schema_for!(Description).to_value()
}
