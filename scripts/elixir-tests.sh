#!/usr/bin/env bash
# The Elixir package: its tests, which build the NIF first.
. "$(dirname "$0")/lib.sh"
scripts/setup.sh elixir
scripts/build.sh --library

cd bindings/elixir
# The VM takes file names and output for Latin-1 without a UTF-8 locale.
export LC_ALL=C.UTF-8
mix test
