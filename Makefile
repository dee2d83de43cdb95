# impasto on a fresh machine: each of these does its own set-up.
#
#   make demo      build, fetch trained weights, draw two pictures, repaint one in the style of the other: demo/out.png
#   make test      build, run all tests
#   make memcheck  run tests of the unsafe kernels under valgrind, which must be installed
#   make setup     only install what the build needs (OpenBLAS, pkg-config), if it is missing
#
# A Rust toolchain and a C compiler must be there.

.PHONY: demo test memcheck setup
.DEFAULT_GOAL := demo

IMPASTO = $${CARGO_TARGET_DIR:-target}/release/impasto

demo: setup
	cargo build --release --bin impasto
	$(IMPASTO) weights fetch || echo "No trained weights could be fetched; the random network is used instead."
	$(IMPASTO) demo

test: setup
	cargo test --release

# Valgrind knows AVX2, but not AVX-512; kernels choose accordingly.
memcheck: setup
	cargo test --release --lib --config 'target."cfg(unix)".runner = ["valgrind", "--quiet", "--error-exitcode=1"]' -- \
		kernels::narrow kernels::workspace kernels::winograd::tests::forward_f32

setup:
	@./setup.sh
