#!/usr/bin/env bash
# The Elixir drop-in for the original application: its tests, which build the NIF first.
# WARP_LONG=1 adds the long ones: 200 kills of the emulator.
. "$(dirname "$0")/lib.sh"
scripts/setup.sh elixir
scripts/build.sh --library

cd bindings/elixir_drop_in
# The VM takes file names and output for Latin-1 without a UTF-8 locale.
export LC_ALL=C.UTF-8
mix format --check-formatted
MIX_ENV=test mix compile --warnings-as-errors
mix test ${WARP_LONG:+--include long}
