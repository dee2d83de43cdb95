//! Turns a decoder's panic into an error.

use std::cell::Cell;
use std::fmt::Display;
use std::panic::{AssertUnwindSafe, catch_unwind};

use super::Fault;

thread_local! {
    /// Whether this thread is within a decoder.
    static GUARDED: Cell<bool> = const { Cell::new(false) };
}

/// Whether this thread is decoding a picture. A panic there becomes an error, so that a panic hook need not print it.
pub fn is_decoding() -> bool {
    GUARDED.get()
}

/// Runs a decoder of the named format. A panic, as on some damaged files, becomes an error.
pub(super) fn without_panics<T>(format: impl Display, decode: impl FnOnce() -> Result<T, Fault>) -> Result<T, Fault> {
    let before = GUARDED.replace(true);
    let result = catch_unwind(AssertUnwindSafe(decode));
    GUARDED.set(before);
    result.unwrap_or_else(|_| Err(Fault::Damaged(format!("the decoder of {format} crashed on it"))))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_is_an_error_that_names_the_format() {
        let result = without_panics::<()>("PNG", || {
            assert!(is_decoding());
            panic!("index out of bounds")
        });
        assert_eq!(result, Err(Fault::Damaged("the decoder of PNG crashed on it".into())));
        assert_eq!(without_panics("PNG", || Ok(3)), Ok(3));
        assert!(!is_decoding());
    }
}
