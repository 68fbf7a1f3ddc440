//! A simulated server may panic: a mutant breaks an invariant that the core asserts. On a real
//! machine the process ends and its log says why; here the panic is caught and becomes that.

use std::cell::RefCell;
use std::panic::{AssertUnwindSafe, catch_unwind, set_hook, take_hook};
use std::sync::Once;

thread_local! {
    /// `Some` while a simulated server runs on this thread: the text of its panic goes there.
    static LAST_WORDS: RefCell<Option<String>> = const { RefCell::new(None) };
}

static HOOK: Once = Once::new();

/// Runs a piece of a simulated server. The error is the panic's text.
pub(super) fn guarded<R>(work: impl FnOnce() -> R) -> Result<R, String> {
    HOOK.call_once(|| {
        let usual = take_hook();
        set_hook(Box::new(move |info| {
            let is_simulated = LAST_WORDS.with_borrow_mut(|words| match words {
                None => false,
                Some(words) => {
                    *words = info.to_string();
                    true
                }
            });
            if !is_simulated {
                usual(info);
            }
        }));
    });
    LAST_WORDS.set(Some(String::new()));
    let result = catch_unwind(AssertUnwindSafe(work));
    let words = LAST_WORDS.take().unwrap_or_default();
    result.map_err(|_| words)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_of_a_simulated_server_is_its_last_words() {
        assert_eq!(guarded(|| 7), Ok(7));
        let words = guarded(|| assert_eq!(1, 2, "the log has a gap")).unwrap_err();
        assert!(words.contains("the log has a gap"), "{words}");
    }
}
