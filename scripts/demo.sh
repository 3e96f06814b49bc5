#!/usr/bin/env bash
# The demo: see examples/demo/run.sh.
. "$(dirname "$0")/lib.sh"
scripts/setup.sh demo

exec examples/demo/run.sh
