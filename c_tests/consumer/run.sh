#!/bin/sh
# Installs a build tree, moves the result, and builds a program against it in every way that is
# documented: find_package and pkg-config, shared and static, static next to another Rust library.
#
#   c_tests/consumer/run.sh BUILD-TREE WORK
set -eu
build=$1
work=$2
here=$(cd "$(dirname "$0")" && pwd)
cmake=${CMAKE:-cmake}
cc=${CC:-cc}
passed=0
rm -rf "$work"
mkdir -p "$work"
work=$(cd "$work" && pwd)

check() {
    name=$1
    shift
    if "$@" >"$work/$name.out" 2>&1 && grep -q '^warp_engine ' "$work/$name.out"; then
        echo "ok      $name"
        passed=$((passed + 1))
    else
        echo "FAILED  $name"
        cat "$work/$name.out"
        exit 1
    fi
}

"$cmake" --install "$build" --prefix "$work/first" >/dev/null
mv "$work/first" "$work/installed"
prefix=$work/installed
lib=$(dirname "$(find "$prefix" -name libwarp_engine.a)")

# The files that other packages count on.
for file in "$prefix/include/warp_engine.h" "$lib/libwarp_engine.so" "$lib/libwarp_engine.a" \
    "$lib/pkgconfig/warp-engine.pc" "$lib/cmake/WarpEngine/WarpEngineConfig.cmake"; do
    [ -e "$file" ] || { echo "FAILED  $file is not installed"; exit 1; }
done
if nm "$lib/libwarp_engine.a" | grep -E ' [A-TV-Z] ' | grep -v ' warp_'; then
    echo "FAILED  the archive defines more than warp_ symbols"
    exit 1
fi

"$cmake" -S "$here" -B "$work/find_package" -DCMAKE_PREFIX_PATH="$prefix" \
    -DCMAKE_C_COMPILER="$cc" >/dev/null
"$cmake" --build "$work/find_package" >/dev/null
check find_package_shared "$work/find_package/shared"
check find_package_static "$work/find_package/static"
if readelf -d "$work/find_package/static" | grep NEEDED | grep warp; then
    echo "FAILED  the static program needs the shared library"
    exit 1
fi

if command -v pkg-config >/dev/null; then
    export PKG_CONFIG_PATH="$lib/pkgconfig"
    # shellcheck disable=SC2046 # the flags are words
    "$cc" "$here/main.c" -o "$work/pkg_shared" $(pkg-config --cflags --libs warp-engine)
    check pkg_config_shared env LD_LIBRARY_PATH="$lib" "$work/pkg_shared"
    # shellcheck disable=SC2046
    "$cc" $(pkg-config --cflags warp-engine) "$here/main.c" -o "$work/pkg_static" \
        $(pkg-config --variable=static warp-engine)
    check pkg_config_static "$work/pkg_static"
    readelf -d "$work/pkg_shared" | grep -q 'NEEDED.*\[libwarp_engine\.so\.[0-9]*\]' || {
        echo "FAILED  the shared program does not need the library by its SONAME"
        exit 1
    }
else
    echo "skipped pkg_config_shared pkg_config_static: there is no pkg-config"
fi

if command -v rustc >/dev/null; then
    rustc --crate-type staticlib -C opt-level=1 -C lto=fat "$here/other.rs" \
        -o "$work/libother.a" 2>"$work/rustc.out" || { cat "$work/rustc.out"; exit 1; }
    "$cc" -DWITH_OTHER_RUST_LIBRARY -I"$prefix/include" "$here/main.c" -o "$work/two" \
        "$work/libother.a" "$lib/libwarp_engine.a" -lpthread -ldl -lm
    check beside_another_rust_library "$work/two"
else
    echo "skipped beside_another_rust_library: there is no rustc"
fi
echo "consumer: $passed passed, 0 failed"
