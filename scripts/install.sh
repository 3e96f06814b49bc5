#!/usr/bin/env bash
# Installs header, libraries, pkg-config and CMake files, and the tool, below $DESTDIR$PREFIX.
. "$(dirname "$0")/lib.sh"
scripts/setup.sh build
PREFIX=${PREFIX:-/usr/local}
export DESTDIR=${DESTDIR:-}

cargo build --release --bin warp
cmake -S . -B build/install -DWARP_BUILD_TESTS=OFF -DCMAKE_BUILD_TYPE=Release
cmake --build build/install
cmake --install build/install --prefix "$PREFIX"
install -D -m 755 target/release/warp "$DESTDIR$PREFIX/bin/warp"
