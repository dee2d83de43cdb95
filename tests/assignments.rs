//! The assignments of the book: their solutions pass the checks, and the starter code passes none of them.

#![allow(clippy::duplicate_mod, reason = "the same checks run with the solutions and with the starter code")]

/// Checks of solutions.
#[path = "../docs/book/assignments"]
mod solved {
    macro_rules! checks {
        ($($check:item)*) => { $(#[test] $check)* };
    }

    mod inversion {
        mod checks;
        #[path = "solution.rs"]
        mod yours;
    }
    mod texture {
        mod checks;
        #[path = "solution.rs"]
        mod yours;
    }
    mod transfer {
        mod checks;
        #[path = "solution.rs"]
        mod yours;
    }
}

/// The same checks of the starter code: each fails, until somebody writes the functions.
#[allow(unused_variables, reason = "functions that are still to be written")]
#[path = "../docs/book/assignments"]
mod to_solve {
    macro_rules! checks {
        ($($check:item)*) => { $(#[test] #[should_panic(expected = "not yet implemented")] $check)* };
    }

    mod inversion {
        mod checks;
        mod yours;
    }
    mod texture {
        mod checks;
        mod yours;
    }
    mod transfer {
        mod checks;
        mod yours;
    }
}
