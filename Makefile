# impasto on a fresh machine: each of these does its own set-up.
#
#   make demo      build, draw two pictures, repaint one in the style of the other: demo/out.png
#   make test      build, run all tests
#   make memcheck  run tests of the unsafe kernels under valgrind, which must be installed
#   make setup     only install what the build needs (OpenBLAS, pkg-config), if it is missing
#
# A Rust toolchain and a C compiler must be there.

.PHONY: demo test memcheck setup
.DEFAULT_GOAL := demo

PAINT = cargo run --release --quiet -- transfer demo/content.png demo/style.png --weights random --optimizer lbfgs

# From small to large: what is painted at 128 pixels are broad strokes at 512.
demo: setup
	cargo build --release --bin impasto --example 02_draw_demo
	cargo run --release --quiet --example 02_draw_demo -- demo
	$(PAINT) -o demo/small.png --size 128 --steps 100
	$(PAINT) -o demo/medium.png --size 256 --steps 100 --init demo/small.png
	$(PAINT) -o demo/out.png --size 512 --steps 80 --init demo/medium.png
	@echo "The picture is in demo/out.png: demo/content.png in the style of demo/style.png."

test: setup
	cargo test --release

# Valgrind knows AVX2, but not AVX-512; kernels choose accordingly.
memcheck: setup
	cargo test --release --lib --config 'target."cfg(unix)".runner = ["valgrind", "--quiet", "--error-exitcode=1"]' -- \
		kernels::narrow kernels::workspace kernels::winograd::tests::forward_f32

setup:
	@./setup.sh
