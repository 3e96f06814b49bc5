# WarpEngine: every target is a script that runs by hand as well.

PREFIX ?= /usr/local
DESTDIR ?=

.PHONY: all help setup test fuzz tsan demo bench bench-quick bench-bindings install clean

all:
	@scripts/build.sh

help:
	@echo 'make                  build target/release: warp, libwarp_engine.so, libwarp_engine.a'
	@echo 'make test             every test of every language; installs missing tools if it may'
	@echo 'make fuzz             feed every decoder hostile bytes for 20 seconds each; needs nightly'
	@echo 'make tsan             tests with threads under ThreadSanitizer; needs nightly, minutes'
	@echo 'make demo             load a data set from C, be killed, lose nothing; a minute'
	@echo 'make bench            the engine beside other stores, into docs/benchmarks; hours'
	@echo 'make bench-quick      the same with less data; 3 minutes after the build'
	@echo 'make bench-bindings   what a call costs in Go and Elixir beside the same in C; minutes'
	@echo 'make install          header, libraries, pkg-config and CMake files, and warp;'
	@echo '                      PREFIX is $(PREFIX), DESTDIR is put before it'
	@echo 'make setup            check for the tools that all of this needs, install what is missing'
	@echo 'make clean            remove everything that was built'
	@echo
	@echo 'scripts/test.sh go    one section of the tests'

setup:
	@scripts/setup.sh

test:
	@scripts/test.sh

fuzz:
	@scripts/fuzz.sh

tsan:
	@scripts/tsan.sh

demo:
	@scripts/demo.sh

bench:
	@scripts/bench.sh

bench-quick:
	@scripts/bench.sh --quick

bench-bindings:
	@scripts/bench-bindings.sh

install:
	@PREFIX='$(PREFIX)' DESTDIR='$(DESTDIR)' scripts/install.sh

clean:
	@scripts/clean.sh
