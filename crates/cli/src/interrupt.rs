//! Signals. The first Ctrl-C finishes the iteration, the second one ends the program at once.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};

/// Exit code of a command that was interrupted.
pub(super) const EXIT_CODE: u8 = 130;

/// Turns the file size limit (`ulimit -f`) into an ordinary write error, where the system would kill the process.
pub(super) fn outlive_full_files() {
    #[cfg(unix)]
    {
        let mut signals = nix::sys::signal::SigSet::empty();
        signals.add(nix::sys::signal::Signal::SIGXFSZ);
        // Threads started later inherit the mask. If it cannot be set, the signal has its default effect.
        let _ = signals.thread_block();
    }
}

/// A flag that becomes true when Ctrl-C is pressed after the first call.
pub(super) fn watch() -> Arc<AtomicBool> {
    static PRESSED: OnceLock<Arc<AtomicBool>> = OnceLock::new();
    let pressed = PRESSED.get_or_init(|| {
        let pressed = Arc::new(AtomicBool::new(false));
        let flag = Arc::clone(&pressed);
        let handler = move || {
            if flag.swap(true, Ordering::Relaxed) {
                std::process::exit(i32::from(EXIT_CODE));
            }
        };
        // If no handler can be set, Ctrl-C has its default effect.
        let _ = ctrlc::set_handler(handler);
        pressed
    });
    Arc::clone(pressed)
}
