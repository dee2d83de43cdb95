# impasto on a fresh machine: each of these does its own set-up.
#
#   make demo      build, fetch trained weights, draw two pictures, repaint one in the style of the other: demo/out.png
#   make gallery   with trained weights, paint the README's pictures (docs/gallery) and their page (docs/gallery.md)
#   make book      with trained weights, renew the book's pictures and numbers (docs/book/src, some ten minutes), and make its
#                  pages, if mdBook is installed: target/book/html
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

# The profile that tests and the book are built with: .ci/run takes `ci`, which compiles faster.
PROFILE = release

# More features to test: FEATURES="--features impasto-cli/mpi" runs the tests of several processes too (./setup.sh --mpi).
FEATURES =

BUILT = $${CARGO_TARGET_DIR:-target}/$(PROFILE)
IMPASTO = $(BUILT)/impasto

# Trained weights are fetched unless there are some.
TRAINED = [ -n "$$IMPASTO_WEIGHTS" ] || $(IMPASTO) weights info | grep -q ^file || $(IMPASTO) weights fetch

demo: setup
	cargo build --profile $(PROFILE) --bin impasto
	$(TRAINED) || echo "No trained weights could be fetched; the random network is used instead."
	$(IMPASTO) demo

GALLERY = target/gallery

# Paintings are kept in $(GALLERY), so that a second call paints only what has changed.
gallery: setup
	cargo build --profile $(PROFILE) --bin impasto --example draw_demo --example side_by_side
	$(TRAINED)
	cargo run --profile $(PROFILE) --quiet --example draw_demo -- $(GALLERY)
	PROFILE=$(PROFILE) ./gallery.sh $(GALLERY) docs

# Programs write their pictures as PNGs, or as JPEGs for a page. They print numbers; those of trained weights are in *-trained.txt,
# those of thin weights, in files of the same names without it, are renewed by tests/book.rs.
BOOK = target/book
PAGES = docs/book/src
EXAMPLES = $(BUILT)/examples
book: setup
	cargo build --profile $(PROFILE) --bins --examples
	$(TRAINED)
	mkdir -p $(BOOK)
	for program in examples/[0-9][0-9]_*.rs examples/answers_*.rs; do \
		name=$$(basename $$program .rs) && echo "$$name" && \
		case $$name in [0-9]*) numbers=$${name%%_*};; *) numbers=$$(echo $$name | tr _ -);; esac && \
		$(EXAMPLES)/$$name $(BOOK) >$(BOOK)/$$numbers-trained.txt || exit 1; \
		kept=$(PAGES)/numbers/$$numbers-trained.txt && \
		if [ -e $$kept ]; then cp $(BOOK)/$$numbers-trained.txt $$kept || exit 1; fi; \
	done
	for picture in $$(ls $(PAGES)/pictures); do \
		if [ -e $(BOOK)/$$picture ]; then cp $(BOOK)/$$picture $(PAGES)/pictures/ || exit 1; \
		else $(EXAMPLES)/convert $(BOOK)/$${picture%.jpg}.png $(PAGES)/pictures/$$picture || exit 1; fi; \
	done
	if command -v mdbook >/dev/null; then mdbook build docs/book; fi

# The gradient checker by itself: beside impasto its ndarray would call a BLAS that nothing links to it.
test: setup
	cargo test --profile $(PROFILE) --package impasto-gradcheck
	cargo test --profile $(PROFILE) --workspace --exclude impasto-gradcheck $(FEATURES)

# Valgrind knows AVX2, but not AVX-512; kernels choose accordingly.
memcheck: setup
	cargo test --release --lib --config 'target."cfg(unix)".runner = ["valgrind", "--quiet", "--error-exitcode=1"]' -- \
		kernels::gram_product kernels::narrow kernels::replicate kernels::workspace kernels::winograd::tests::forward_f32

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
