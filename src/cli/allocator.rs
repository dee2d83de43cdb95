//! How the allocator gives memory back to the system.

/// Has glibc give every large block back as soon as it is freed; where that is not so yet, the command starts anew, in the
/// same process.
///
/// glibc keeps blocks of up to 32 MB for later once one of that size was freed. The maps of layers have other sizes at every
/// scale and band, so that much of what is kept is of no more use, and a run takes up to a fifth more memory than it needs. A
/// process can be told otherwise only by its environment, before it begins.
pub(super) fn give_back() {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    {
        use std::os::unix::process::CommandExt;

        /// Blocks of so many bytes and more are given back at once.
        const LARGE: &str = "262144";
        const VARIABLE: &str = "MALLOC_MMAP_THRESHOLD_";

        if std::env::var_os(VARIABLE).is_some() {
            return;
        }
        let mut words = std::env::args_os();
        if let (Some(name), Ok(program)) = (words.next(), std::env::current_exe()) {
            // This comes back only if the program cannot be started, and then all goes on as it is.
            let _ = std::process::Command::new(program).arg0(name).args(words).env(VARIABLE, LARGE).exec();
        }
    }
}
