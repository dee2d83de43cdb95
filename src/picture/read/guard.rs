//! Turns a decoder's panic into an error.

use std::cell::Cell;
use std::fmt::Display;
use std::panic::{AssertUnwindSafe, catch_unwind, set_hook, take_hook};
use std::sync::Once;

use super::Fault;

thread_local! {
    /// Whether this thread runs a decoder, whose panics are silent.
    static GUARDED: Cell<bool> = const { Cell::new(false) };
}

/// Runs a decoder of the named format. If it panics, as some third-party decoders do on damaged files, returns an error and prints
/// nothing.
pub(super) fn without_panics<T>(format: impl Display, decode: impl FnOnce() -> Result<T, Fault>) -> Result<T, Fault> {
    static QUIET: Once = Once::new();
    QUIET.call_once(|| {
        let usual = take_hook();
        set_hook(Box::new(move |panic| {
            if !GUARDED.get() {
                usual(panic);
            }
        }));
    });
    let before = GUARDED.replace(true);
    let result = catch_unwind(AssertUnwindSafe(decode));
    GUARDED.set(before);
    result.unwrap_or_else(|_| Err(Fault::Damaged(format!("the decoder of {format} fails on it"))))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_is_an_error_that_names_the_format() {
        let result = without_panics::<()>("PNG", || panic!("index out of bounds"));
        assert_eq!(result, Err(Fault::Damaged("the decoder of PNG fails on it".into())));
        assert_eq!(without_panics("PNG", || Ok(3)), Ok(3));
        assert!(!GUARDED.get());
    }
}
