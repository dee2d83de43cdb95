#!/bin/sh
# Installs what building impasto needs besides Rust and a C compiler: OpenBLAS and pkg-config. What is there already
# is left alone.
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
        stop "not root and there is no sudo: run this as root: $*"
    fi
}

command -v cargo >/dev/null || stop "there is no cargo: install Rust from https://rustup.rs, then try again"
command -v cc >/dev/null || stop "there is no C compiler called cc: install gcc or clang, then try again"

if has_openblas; then
    exit 0
fi
say "installing OpenBLAS and pkg-config"
if command -v apt-get >/dev/null; then
    as_root apt-get update -qq </dev/null
    as_root env DEBIAN_FRONTEND=noninteractive apt-get install -qq -y --no-install-recommends libopenblas-dev pkg-config </dev/null >/dev/null
elif command -v dnf >/dev/null; then
    as_root dnf install -q -y openblas-devel pkgconf-pkg-config </dev/null
elif command -v pacman >/dev/null; then
    as_root pacman -Sy --needed --noconfirm openblas pkgconf </dev/null
elif command -v brew >/dev/null; then
    brew install -q openblas pkgconf </dev/null
else
    stop "no apt-get, dnf, pacman or brew here: install OpenBLAS (with its headers) and pkg-config yourself"
fi
has_openblas || stop "OpenBLAS was installed, but pkg-config does not find it (pkg-config --exists openblas)"
say "done"
