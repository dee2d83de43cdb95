# impasto on a fresh machine: each of these does its own set-up.
#
#   make demo    build, draw two pictures, repaint one in the style of the other: demo/out.png
#   make test    build, run all tests
#   make setup   only install what the build needs (OpenBLAS, pkg-config), if it is missing
#
# A Rust toolchain and a C compiler must be there.

.PHONY: demo test setup
.DEFAULT_GOAL := demo

demo: setup
	cargo build --release --bin impasto --example 02_draw_demo
	cargo run --release --quiet --example 02_draw_demo -- demo
	cargo run --release --quiet -- transfer demo/content.png demo/style.png -o demo/out.png --weights random --size 384 --steps 150
	@echo "The picture is in demo/out.png; it was made from demo/content.png in the style of demo/style.png."

test: setup
	cargo test --release

setup:
	@./setup.sh
