//! Which model a history is about, told by its operations, and whether its operations and what its keys begin as fit.

use super::card::Card;
use super::catalogue::{CARDS, card};
use super::kind::ModelKind;
use crate::error::CheckError;
use crate::history::{Function, History, Operation, Outcome, Value};
use crate::linear::noted_model;

/// The model of a history; an error names the first operation that does not fit.
pub(crate) fn model(
    file: &str,
    history: &History,
    asked: Option<ModelKind>,
) -> Result<ModelKind, CheckError> {
    let told = || CARDS.iter().rfind(|card| (card.tells)(history)).map(|card| card.kind());
    let model = asked.or_else(|| noted_model(history)).or_else(told);
    let model = model.expect("the first card takes every history");
    let card = card(model);
    let refused = |position: u32, message: String| CheckError::Model {
        file: file.to_owned(),
        line: history.line(position),
        message,
    };
    let is_stray = |operation: &&Operation| !card.functions.contains(&operation.function);
    if !history.census().has_only(card.functions)
        && let Some(stray) = history.operations.iter().find(is_stray)
    {
        let words: Vec<&str> = card.functions.iter().map(|function| function.word()).collect();
        let message = format!(
            "{} is no operation of {} {}, which has {}{}",
            stray.function.word(),
            model.article(),
            model.word(),
            words.join(", "),
            if asked.is_none() { " (the model was told by the other operations)" } else { "" },
        );
        return Err(refused(stray.invoked, message));
    }
    if let Some((operation, message)) = misfit(history, card) {
        let is_answer = operation.function == Function::Read;
        let position = if is_answer { operation.completed } else { operation.invoked };
        return Err(refused(position, message));
    }
    initial_fits(file, history, model).map(|()| model)
}

/// The first operation with a value that the model would read as something else.
fn misfit<'a>(history: &'a History, card: &Card) -> Option<(&'a Operation, String)> {
    if !history.census().has_untold_write && card.trouble.is_none() {
        return None;
    }
    let is_untold = |operation: &Operation| {
        operation.function == Function::Write
            && operation.outcome != Outcome::Fail
            && operation.value == Value::UNTOLD
    };
    history.operations.iter().find_map(|operation| {
        let message = match is_untold(operation) {
            true => Some(
                "a write needs a value; what it writes may be null, but has to be said".to_owned(),
            ),
            false => card.trouble.and_then(|trouble| trouble(history, operation)),
        };
        Some((operation, message?))
    })
}

/// Whether keys can begin as they are said to.
fn initial_fits(file: &str, history: &History, model: ModelKind) -> Result<(), CheckError> {
    for key in 0..history.keys() as u32 {
        let initial = history.initial(key);
        if initial == Value::NIL {
            continue;
        }
        let json = history.values.json(initial);
        (card(model).begins)(&json).map_err(|wanted| CheckError::Initial {
            file: file.to_owned(),
            key: history.key(key).to_owned(),
            message: format!(
                "{} {} begins as {wanted}, not as {json}",
                model.article(),
                model.word()
            ),
        })?;
    }
    Ok(())
}
