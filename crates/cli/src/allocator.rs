//! Makes the allocator return memory to the system.

/// Makes glibc return every block of 256 kB or more to the system as soon as it is freed.
///
/// Once a block of up to 32 MB was freed, glibc keeps blocks of that size for later. But maps have other sizes at every
/// scale and band, so most kept blocks are useless, and a run would take up to a fifth more memory than it needs.
pub(super) fn give_back() {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    {
        unsafe extern "C" {
            /// Sets a parameter of glibc's malloc; see mallopt(3). It reads and writes no memory of ours.
            safe fn mallopt(parameter: std::ffi::c_int, value: std::ffi::c_int) -> std::ffi::c_int;
        }

        /// Blocks of this size or more are mapped separately; once set, glibc no longer raises the threshold.
        const M_MMAP_THRESHOLD: std::ffi::c_int = -3;
        mallopt(M_MMAP_THRESHOLD, 256 << 10);
    }
}
