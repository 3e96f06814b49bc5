# Sourced by every script here: where the tree is, how tools are found, how things are said.
# shellcheck shell=bash

set -euo pipefail

ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
cd "$ROOT"

# Rust and Go are often installed beside the system and not on the PATH of a script.
for dir in "${CARGO_HOME:-${HOME:-/root}/.cargo}/bin" /usr/local/go/bin; do
    case ":$PATH:" in
        *":$dir:"*) ;;
        *) if [ -d "$dir" ]; then PATH=$PATH:$dir; fi ;;
    esac
done
export PATH

have() {
    command -v "$1" >/dev/null 2>&1
}

die() {
    printf '%s: %s\n' "$(basename "$0")" "$*" >&2
    exit 1
}

# What is built once need not be prepared for being built again.
[ -z "${CI:-}" ] || export CARGO_INCREMENTAL=0
