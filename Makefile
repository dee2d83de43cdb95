# impasto on a fresh machine: each of these does its own set-up.
#
#   make demo      build, fetch trained weights, draw two pictures, repaint one in the style of the other: demo/out.png
#   make gallery   with trained weights, draw the papers' figures (docs/figures, a quarter of an hour) and the README's pictures
#                  (docs/gallery)
#   make test      build, run all tests
#   make memcheck  run tests of the unsafe kernels under valgrind, which must be installed
#   make wheel     build the Python package, with the command in it, without OpenBLAS: target/dist/impasto-*.whl
#   make dist-test install the wheel in a fresh environment and test it there
#   make install   build the command and put it where cargo puts programs
#   make setup     only install what the build needs (OpenBLAS, pkg-config), if it is missing
#
# A Rust toolchain and a C compiler must be there.

.PHONY: demo gallery test memcheck wheel dist-test install setup
.DEFAULT_GOAL := demo

IMPASTO = $${CARGO_TARGET_DIR:-target}/release/impasto

# The profile that tests are built with: .ci/run takes `ci`, which compiles faster.
PROFILE = release

demo: setup
	cargo build --release --bin impasto
	$(IMPASTO) weights fetch || echo "No trained weights could be fetched; the random network is used instead."
	$(IMPASTO) demo

GALLERY = target/gallery
REACHED = relu1_1,relu1_2,pool1,relu2_1,relu2_2,pool2,relu3_1,relu3_2,relu3_4,pool3,relu4_1,relu4_2,relu4_4,pool4,relu5_1,relu5_2,relu5_4,pool5

# The sheets' cells are kept in $(GALLERY), so that a second call draws only what has changed.
gallery: setup
	cargo build --release --bin impasto --example 02_draw_demo --example 04_side_by_side
	$(IMPASTO) weights fetch
	cargo run --release --quiet --example 02_draw_demo -- $(GALLERY)
	impasto=$$(realpath $(IMPASTO)) && cd $(GALLERY) && \
	"$$impasto" figure inversions content.png --layers $(REACHED) --columns 6 -o inversions.jpg && \
	"$$impasto" figure content content.png --size 192 --steps 150 -o content.jpg && \
	"$$impasto" figure textures style.png --size 192 --steps 150 -o textures.jpg && \
	"$$impasto" figure style style.png --size 192 --steps 150 -o style.jpg && \
	"$$impasto" figure weights content.png style.png --steps 100 --values 0.001,0.01,0.1 -o weights.jpg
	mkdir -p docs/figures && cp $(GALLERY)/*.jpg docs/figures/
	./gallery.sh $(GALLERY) docs/gallery

# The gradient checker by itself: beside impasto its ndarray would call a BLAS that nothing links to it.
test: setup
	cargo test --profile $(PROFILE) --package impasto-gradcheck
	cargo test --profile $(PROFILE) --workspace --exclude impasto-gradcheck

# Valgrind knows AVX2, but not AVX-512; kernels choose accordingly.
memcheck: setup
	cargo test --release --lib --config 'target."cfg(unix)".runner = ["valgrind", "--quiet", "--error-exitcode=1"]' -- \
		kernels::gram_product kernels::narrow kernels::workspace kernels::winograd::tests::forward_f32

# A folder of its own: the other builds link OpenBLAS.
DIST = $(CURDIR)/target/dist
# Options of maturin: `make wheel WHEEL='--zig --compatibility manylinux2014'` for a wheel that older systems take.
WHEEL =

wheel:
	cargo build --release --package impasto-cli --no-default-features --features pure,preview,studio --target-dir $(DIST)
	mkdir -p crates/python/impasto.data/scripts
	cp $(DIST)/release/impasto crates/python/impasto.data/scripts/
	python3 -m venv $(DIST)/tools
	$(DIST)/tools/bin/pip install --quiet --disable-pip-version-check 'maturin>=1.9,<2' $(if $(findstring --zig,$(WHEEL)),ziglang)
	rm -f $(DIST)/impasto-*.whl
	cd crates/python && PATH="$(DIST)/tools/bin:$$PATH" CARGO_TARGET_DIR=$(DIST) maturin build --release --locked $(WHEEL) --out $(DIST)

dist-test: wheel
	cd crates/python && cargo fmt --check && cargo clippy --release --locked --target-dir $(DIST) -- -D warnings
	python3 -m venv --clear $(DIST)/fresh
	$(DIST)/fresh/bin/pip install --quiet --disable-pip-version-check $(DIST)/impasto-*.whl
	$(DIST)/fresh/bin/python -c 'import impasto; impasto.testing.assert_gradient(lambda x: x**3, lambda x: 3 * x**2, 2.0)'
	$(DIST)/fresh/bin/pip install --quiet --disable-pip-version-check pytest pillow scipy
	cd crates/python && IMPASTO=$(DIST)/fresh/bin/impasto $(DIST)/fresh/bin/python -m pytest --quiet -p no:cacheprovider

install: setup
	cargo install --locked --path crates/cli

setup:
	@./setup.sh
