#!/usr/bin/env bash
# Databases go from language to language: Rust, C, C++, Go and Elixir each write the data set of the
# conformance suite, and each reads what each wrote. That all give the same answers step by step
# is tested in the section of each.
. "$(dirname "$0")/lib.sh"
scripts/setup.sh cross
scripts/build.sh --library
# The Elixir compiler takes file names and output for Latin-1 without a UTF-8 locale.
export LC_ALL=C.UTF-8

cargo build --quiet --example conformance
# The tree of scripts/c-tests.sh.
{
    cmake -B build-plain -DCMAKE_BUILD_TYPE=RelWithDebInfo
    cmake --build build-plain --target conformance conformance_cpp
} >/dev/null
mkdir -p build/conformance
(cd bindings/go && go build -o ../../build/conformance/go ./internal/conformance)
(cd bindings/elixir && MIX_ENV=test mix compile)

elixir="elixir -pa bindings/elixir/_build/test/lib/warp_engine_native/ebin"
tests/conformance/cross.sh \
    target/debug/examples/conformance \
    build-plain/c_tests/conformance \
    build-plain/c_tests/cpp/conformance_cpp \
    build/conformance/go \
    "$elixir bindings/elixir/test/support/dataset.exs"
