//! Signals. Ctrl-C: the first asks to finish the iteration, the second ends at once.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};

/// Exit code of a command that was interrupted.
pub(super) const EXIT_CODE: u8 = 130;

/// Makes a file that may not grow (`ulimit -f`) an error like a full disk, which is told, where the system would end the
/// process.
pub(super) fn outlive_full_files() {
    #[cfg(unix)]
    {
        let mut signals = nix::sys::signal::SigSet::empty();
        signals.add(nix::sys::signal::Signal::SIGXFSZ);
        // The threads to come inherit it. Where that cannot be, the signal does what it does everywhere.
        let _ = signals.thread_block();
    }
}

/// Tells whether Ctrl-C was pressed since it was first asked.
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
        // Where no handler can be set, Ctrl-C does what it does everywhere.
        let _ = ctrlc::set_handler(handler);
        pressed
    });
    Arc::clone(pressed)
}
