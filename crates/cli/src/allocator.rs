//! How the allocator gives memory back to the system.

/// Has glibc give every block of 256 kB and more back to the system as soon as it is freed.
///
/// glibc keeps blocks of up to 32 MB for later once one of that size was freed. The maps of layers have other sizes at every
/// scale and band, so that most of what is kept is of no use, and a run takes up to a fifth more memory than it needs.
pub(super) fn give_back() {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    {
        unsafe extern "C" {
            /// Sets a parameter of glibc's malloc; see mallopt(3). It reads and writes no memory of ours.
            safe fn mallopt(parameter: std::ffi::c_int, value: std::ffi::c_int) -> std::ffi::c_int;
        }

        /// Blocks of so many bytes and more are mapped by themselves; set once, glibc no longer raises it.
        const M_MMAP_THRESHOLD: std::ffi::c_int = -3;
        mallopt(M_MMAP_THRESHOLD, 256 << 10);
    }
}
