//! Links the BLAS and LAPACK that the cargo features choose.

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    link();
}

/// `OpenBLAS` as the system provides it: Debian's `libopenblas-dev`, Homebrew's `openblas`.
#[cfg(feature = "openblas")]
fn link() {
    let mut openblas = pkg_config::Config::new();
    // Homebrew's formula is "keg-only": its .pc file is not on pkg-config's path by itself.
    for keg in ["/opt/homebrew/opt/openblas", "/usr/local/opt/openblas"] {
        let folder = format!("{keg}/lib/pkgconfig");
        if std::path::Path::new(&folder).is_dir() {
            openblas.arg(format!("--with-path={folder}"));
        }
    }
    if openblas.probe("openblas").is_err() {
        stop(
            "impasto needs OpenBLAS and pkg-config: install them with `apt install libopenblas-dev pkg-config` \
             (Debian, Ubuntu), `dnf install openblas-devel pkgconf` (Fedora), `pacman -S openblas pkgconf` (Arch) \
             or `brew install openblas pkgconf` (macOS), or run `make setup`, which does it for you.",
        );
    }
}

/// The reference implementation (or whatever Debian's alternatives put in its place).
#[cfg(all(feature = "netlib", not(feature = "openblas")))]
fn link() {
    for library in ["cblas", "lapack"] {
        if pkg_config::Config::new().probe(library).is_err() {
            stop(
                "impasto with the feature `netlib` needs cblas and lapack with their pkg-config files: \
                 install them with `apt install libblas-dev liblapack-dev pkg-config` (Debian, Ubuntu).",
            );
        }
    }
}

/// Apple's Accelerate framework.
#[cfg(all(feature = "accelerate", not(any(feature = "openblas", feature = "netlib"))))]
fn link() {
    println!("cargo:rustc-link-lib=framework=Accelerate");
}

/// Nothing: products and eigenvalues are computed in Rust.
#[cfg(all(feature = "pure", not(feature = "blas")))]
fn link() {}

#[cfg(not(any(feature = "openblas", feature = "netlib", feature = "accelerate", feature = "pure")))]
fn link() {
    stop("impasto needs one of the cargo features `openblas` (the default), `netlib`, `accelerate` or `pure`.");
}

#[cfg(any(feature = "openblas", feature = "netlib", not(any(feature = "accelerate", feature = "pure"))))]
fn stop(why: &str) -> ! {
    println!("cargo::error={why}");
    std::process::exit(1);
}
