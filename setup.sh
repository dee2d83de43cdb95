#!/bin/sh
# Installs what impasto needs in addition to Rust and a C compiler: OpenBLAS and pkg-config to build it, and pip for
# `impasto weights fetch`. It skips what is installed already.
#
#   ./setup.sh         the above
#   ./setup.sh --mpi   and an MPI library with mpirun, and libclang, for the feature `mpi`
set -eu

say() { echo "setup: $*" >&2; }

stop() {
    say "$*"
    exit 1
}

# Homebrew keeps OpenBLAS off pkg-config's path; build.rs looks in the same places.
has_openblas() {
    PKG_CONFIG_PATH="${PKG_CONFIG_PATH:-}:/opt/homebrew/opt/openblas/lib/pkgconfig:/usr/local/opt/openblas/lib/pkgconfig" \
        pkg-config --exists openblas 2>/dev/null
}

as_root() {
    if [ "$(id -u)" -eq 0 ]; then
        "$@"
    elif command -v sudo >/dev/null; then
        sudo "$@"
    else
        say "not root and there is no sudo: run this as root: $*"
        return 1
    fi
}

mpi=no
for option in "$@"; do
    case "$option" in
    --mpi) mpi=yes ;;
    *) stop "there is no option $option; --mpi is the only one" ;;
    esac
done

command -v cargo >/dev/null || stop "there is no cargo: install Rust from https://rustup.rs, then try again"
command -v cc >/dev/null || stop "there is no C compiler called cc: install gcc or clang, then try again"

# What `impasto weights fetch` looks for.
has_pip() {
    python3 -m pip --version >/dev/null 2>&1 || command -v pip3 >/dev/null || command -v pip >/dev/null ||
        command -v uv >/dev/null
}

# What the crate `mpi` reads mpi.h by.
# libclang-cpp, which other packages bring, is another library.
has_libclang() {
    for file in "${LIBCLANG_PATH:-/nowhere}"/libclang[.-][0-9s]* /usr/lib/llvm-*/lib/libclang[.-][0-9s]* /usr/lib*/libclang[.-][0-9s]* \
        /usr/lib/*/libclang[.-][0-9s]* /opt/homebrew/opt/llvm/lib/libclang*; do
        [ -e "$file" ] && return 0
    done
    return 1
}

# install_packages APT DNF PACMAN BREW: the packages' names for each manager.
install_packages() {
    say "installing $1"
    if command -v apt-get >/dev/null; then
        as_root apt-get update -qq </dev/null
        as_root env DEBIAN_FRONTEND=noninteractive apt-get install -qq -y --no-install-recommends $1 </dev/null >/dev/null
    elif command -v dnf >/dev/null; then
        as_root dnf install -q -y $2 </dev/null
    elif command -v pacman >/dev/null; then
        as_root pacman -Sy --needed --noconfirm $3 </dev/null
    elif command -v brew >/dev/null; then
        brew install -q $4 </dev/null
    else
        say "no apt-get, dnf, pacman or brew here: install $1 yourself"
        return 1
    fi
}

if ! has_openblas; then
    install_packages "libopenblas-dev pkg-config" "openblas-devel pkgconf-pkg-config" "openblas pkgconf" "openblas pkgconf" ||
        stop "OpenBLAS, with its headers, and pkg-config are needed"
    has_openblas || stop "OpenBLAS was installed, but pkg-config does not find it (pkg-config --exists openblas)"
fi

# Any MPI library with mpicc does; Open MPI is installed where there is none.
if [ "$mpi" = yes ]; then
    if ! command -v mpicc >/dev/null || ! command -v mpirun >/dev/null; then
        install_packages "libopenmpi-dev openmpi-bin" "openmpi-devel" "openmpi" "open-mpi" ||
            stop "an MPI library with mpicc and mpirun is needed (Open MPI or MPICH)"
    fi
    if ! has_libclang; then
        install_packages "libclang-dev" "clang-devel" "clang" "llvm" || stop "libclang is needed"
    fi
    command -v mpicc >/dev/null || stop "mpicc was installed, but is not on the PATH (on Fedora: module load mpi)"
fi

# Without pip everything works but the fetching of trained weights, so that nothing ends here.
if ! has_pip; then
    install_packages "python3-pip" "python3-pip" "python-pip" "python" ||
        say "pip could not be installed: \`impasto weights fetch\` needs it"
fi
