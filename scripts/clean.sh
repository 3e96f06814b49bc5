#!/usr/bin/env bash
# Removes everything that was built.
. "$(dirname "$0")/lib.sh"

cargo clean
rm -rf benches/compare/target build build-* bindings/elixir/_build bindings/elixir_drop_in/_build
