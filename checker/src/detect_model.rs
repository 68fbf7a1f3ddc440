//! Which model a history is about, told by its operations.

use crate::error::CheckError;
use crate::history::{Function, History, Operation, Outcome, Value};
use crate::linear::{noted_model, whole};
use crate::options::ModelKind;

/// The functions that a model knows.
fn known(model: ModelKind) -> &'static [Function] {
    use Function::{
        Acquire, Add, Append, Cas, Contains, Delete, Dequeue, Drain, Enqueue, Read, Release,
        Remove, Write,
    };
    match model {
        ModelKind::Register => &[Read, Write, Cas, Delete],
        ModelKind::Append => &[Append, Read, Write, Delete],
        ModelKind::Set => &[Add, Remove, Contains, Read],
        ModelKind::Counter => &[Add, Read],
        ModelKind::Queue | ModelKind::UnorderedQueue => &[Enqueue, Dequeue, Drain],
        ModelKind::Mutex
        | ModelKind::OwnerAwareMutex
        | ModelKind::ReentrantMutex
        | ModelKind::Semaphore(_) => &[Acquire, Release],
    }
}

/// The model of a history; an error names the first operation that does not fit.
pub(crate) fn model(
    file: &str,
    history: &History,
    asked: Option<ModelKind>,
) -> Result<ModelKind, CheckError> {
    let model = asked.or_else(|| noted_model(history)).unwrap_or_else(|| tell(history));
    let known = known(model);
    let is_stray = |operation: &&Operation| !known.contains(&operation.function);
    let stray = match history.census().has_only(known) {
        true => None,
        false => history.operations.iter().find(is_stray),
    };
    match stray {
        None => {
            if model == ModelKind::Counter {
                all_whole(file, history)?;
            }
            values_fit(file, history, model)?;
            initial_fits(file, history, model).map(|()| model)
        }
        Some(operation) => {
            let words: Vec<&str> = known.iter().map(|function| function.word()).collect();
            Err(CheckError::Model {
                file: file.to_owned(),
                line: history.line(operation.invoked),
                message: format!(
                    "{} is no operation of {} {}, which has {}{}",
                    operation.function.word(),
                    model.article(),
                    model.word(),
                    words.join(", "),
                    if asked.is_none() {
                        " (the model was told by the other operations)"
                    } else {
                        ""
                    },
                ),
            })
        }
    }
}

/// Whether keys can begin as they are said to.
fn initial_fits(file: &str, history: &History, model: ModelKind) -> Result<(), CheckError> {
    for key in 0..history.keys() as u32 {
        let initial = history.initial(key);
        let json = history.values.json(initial);
        let wanted = match model {
            _ if initial == Value::NIL => continue,
            ModelKind::Register => continue,
            ModelKind::Counter if whole(&json).is_some() => continue,
            ModelKind::Set | ModelKind::Queue | ModelKind::UnorderedQueue if json.is_array() => {
                continue;
            }
            ModelKind::Counter => "a whole number",
            ModelKind::Set | ModelKind::Queue | ModelKind::UnorderedQueue => {
                "a list of its elements"
            }
            ModelKind::Append => {
                "empty: what a list holds at first is a write, or an append, at the head of the history"
            }
            ModelKind::Mutex
            | ModelKind::OwnerAwareMutex
            | ModelKind::ReentrantMutex
            | ModelKind::Semaphore(_) => {
                "free: a lock that is held at first is an acquire at the head of the history"
            }
        };
        return Err(CheckError::Initial {
            file: file.to_owned(),
            key: history.key(key).to_owned(),
            message: format!(
                "{} {} begins as {wanted}, not as {json}",
                model.article(),
                model.word()
            ),
        });
    }
    Ok(())
}

/// Whether operations have the values that the model needs: what would be read as something else is refused.
fn values_fit(file: &str, history: &History, model: ModelKind) -> Result<(), CheckError> {
    use ModelKind::{Queue, Set, UnorderedQueue};
    if !history.census().has_untold_write && !matches!(model, Queue | Set | UnorderedQueue) {
        return Ok(());
    }
    let is_list = |value: Value| value == Value::NIL || history.values.is_list(value);
    let trouble = |operation: &Operation| {
        let value = operation.value;
        let is_asked = operation.outcome != Outcome::Fail;
        let is_told = operation.outcome == Outcome::Ok;
        match (model, operation.function) {
            (_, Function::Write) if is_asked && value == Value::UNTOLD => Some(
                "a write needs a value; what it writes may be null, but has to be said".to_owned(),
            ),
            (ModelKind::Queue | ModelKind::UnorderedQueue, Function::Enqueue)
                if is_asked && value == Value::NIL =>
            {
                Some(
                    "enqueue needs an element; null is what a dequeue says that found none"
                        .to_owned(),
                )
            }
            (ModelKind::Set, Function::Read) if is_told && !is_list(value) => Some(format!(
                "read → {} is no answer of a set: expected a list of its elements, or null",
                history.values.words(value)
            )),
            _ => None,
        }
    };
    let found =
        history.operations.iter().find_map(|operation| Some((operation, trouble(operation)?)));
    let Some((operation, message)) = found else { return Ok(()) };
    let is_answer = operation.function == Function::Read;
    let position = if is_answer { operation.completed } else { operation.invoked };
    Err(CheckError::Model { file: file.to_owned(), line: history.line(position), message })
}

/// A counter counts in whole numbers; what is none cannot be added up.
fn all_whole(file: &str, history: &History) -> Result<(), CheckError> {
    let is_number = |operation: &&Operation| {
        let json = history.values.json(operation.value);
        let is_silent = operation.function == Function::Read && operation.outcome != Outcome::Ok;
        is_silent || json.is_null() || whole(&json).is_some()
    };
    match history.operations.iter().find(|operation| !is_number(operation)) {
        None => Ok(()),
        Some(operation) => Err(CheckError::Model {
            file: file.to_owned(),
            line: history.line(match operation.function {
                Function::Read => operation.completed,
                _ => operation.invoked,
            }),
            message: format!(
                "{} {} is no operation of a counter, which counts in whole numbers of 64 bits",
                operation.function.word(),
                history.values.words(operation.value),
            ),
        }),
    }
}

fn tell(history: &History) -> ModelKind {
    let has = |function: Function| history.census().has(function);
    if has(Function::Append) {
        ModelKind::Append
    } else if has(Function::Drain) {
        // Jepsen drains where its question is what came out at all, in any order.
        ModelKind::UnorderedQueue
    } else if has(Function::Enqueue) || has(Function::Dequeue) {
        ModelKind::Queue
    } else if has(Function::Acquire) || has(Function::Release) {
        ModelKind::Mutex
    } else if has(Function::Add) && !has(Function::Remove) && !has(Function::Contains) {
        if reads_numbers(history) { ModelKind::Counter } else { ModelKind::Set }
    } else if has(Function::Add) || has(Function::Remove) || has(Function::Contains) {
        ModelKind::Set
    } else {
        ModelKind::Register
    }
}

/// A counter's reads are numbers, a set's are lists.
fn reads_numbers(history: &History) -> bool {
    let mut reads = history
        .operations
        .iter()
        .filter(|operation| operation.function == Function::Read)
        .filter(|operation| operation.outcome == Outcome::Ok);
    reads.any(|read| history.values.json(read.value).is_number())
}
