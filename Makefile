# impasto on a fresh machine: each of these does its own set-up.
#
#   make demo      build, fetch trained weights, draw two pictures, repaint one in the style of the other: demo/out.png
#   make gallery   with trained weights, paint the README's pictures (docs/gallery) and their page (docs/gallery.md)
#   make book      with trained weights, draw the book's pictures (docs/book/src/pictures, some minutes), and make its pages, if
#                  mdBook is installed: target/book/html
#   make test      build, run all tests
#   make memcheck  run tests of the unsafe kernels under valgrind, which must be installed
#   make dist      build what is released, without OpenBLAS: an archive, a Debian package, the wheel (target/dist)
#   make wheel     build the Python package alone, with the command in it: target/dist/impasto-*.whl
#   make dist-test make dist, and test all of it where nothing else is
#   make install   build the command and put it where cargo puts programs
#   make setup     only install what the build needs (OpenBLAS, pkg-config), if it is missing
#
# A Rust toolchain and a C compiler must be there.

.PHONY: demo gallery book test memcheck dist wheel dist-test install setup
.DEFAULT_GOAL := demo

IMPASTO = $${CARGO_TARGET_DIR:-target}/release/impasto

# The profile that tests are built with: .ci/run takes `ci`, which compiles faster.
PROFILE = release

demo: setup
	cargo build --release --bin impasto
	$(IMPASTO) weights fetch || echo "No trained weights could be fetched; the random network is used instead."
	$(IMPASTO) demo

GALLERY = target/gallery

# Paintings are kept in $(GALLERY), so that a second call paints only what has changed.
gallery: setup
	cargo build --release --bin impasto --example draw_demo --example side_by_side
	$(IMPASTO) weights fetch
	cargo run --release --quiet --example draw_demo -- $(GALLERY)
	./gallery.sh $(GALLERY) docs

# Programs write their pictures as PNGs, or as JPEGs for a page. They print numbers; those of trained weights are in NN-trained.txt,
# those of thin weights in NN.txt, which tests/book.rs renews. The pictures figure-* are sheets of `impasto figure` and paintings of
# docs/gallery, reduced to the size of a page.
BOOK = target/book
PAGES = docs/book/src
EXAMPLES = $${CARGO_TARGET_DIR:-target}/release/examples
book: setup
	cargo build --release --bin impasto --examples
	$(IMPASTO) weights fetch
	mkdir -p $(BOOK)
	for program in examples/[0-9][0-9]_*.rs; do \
		name=$$(basename $$program .rs) && number=$${name%%_*} && echo "$$name" && \
		$(EXAMPLES)/$$name $(BOOK) >$(BOOK)/$$number-trained.txt || exit 1; \
		if [ -e $(PAGES)/numbers/$$number-trained.txt ]; then cp $(BOOK)/$$number-trained.txt $(PAGES)/numbers/ || exit 1; fi; \
	done
	for picture in $$(cd $(PAGES)/pictures && ls [0-9]*); do \
		if [ -e $(BOOK)/$$picture ]; then cp $(BOOK)/$$picture $(PAGES)/pictures/ || exit 1; \
		else $(EXAMPLES)/convert $(BOOK)/$${picture%.jpg}.png $(PAGES)/pictures/$$picture || exit 1; fi; \
	done
	if command -v mdbook >/dev/null; then mdbook build docs/book; fi

# The gradient checker by itself: beside impasto its ndarray would call a BLAS that nothing links to it.
test: setup
	cargo test --profile $(PROFILE) --package impasto-gradcheck
	cargo test --profile $(PROFILE) --workspace --exclude impasto-gradcheck

# Valgrind knows AVX2, but not AVX-512; kernels choose accordingly.
memcheck: setup
	cargo test --release --lib --config 'target."cfg(unix)".runner = ["valgrind", "--quiet", "--error-exitcode=1"]' -- \
		kernels::gram_product kernels::narrow kernels::workspace kernels::winograd::tests::forward_f32

dist:
	dist/make

wheel:
	dist/make wheel

dist-test: dist
	cd crates/python && cargo fmt --check && cargo clippy --release --locked --target-dir $(CURDIR)/target/dist -- -D warnings
	dist/test

install: setup
	cargo install --locked --path crates/cli

setup:
	@./setup.sh
