#!/usr/bin/env bash
# The C++ header with every compiler that is there: its tests as C++17 and C++20, and a program that
# knows nothing but the installed tree. scripts/c-tests.sh runs the same tests under the sanitizers
# and valgrind, with the default compiler alone.
. "$(dirname "$0")/lib.sh"
scripts/setup.sh cpp

WARNINGS=(-Wall -Wextra -Wpedantic -Wconversion -Wshadow -Werror)
jobs=$(getconf _NPROCESSORS_ONLN)
passed=0 failed=0

# Runs one check; what it says is shown where it fails.
check() {
    local name=$1 output
    shift
    if output=$("$@" 2>&1); then
        passed=$((passed + 1))
    else
        failed=$((failed + 1))
        printf 'FAILED  %s\n%s\n' "$name" "$(tail -n 40 <<<"$output")"
    fi
}

# The tree of scripts/c-tests.sh for g++, which has most of it built; a tree of its own for others.
configure_and_build() {
    local tree=$1 cc=$2 cxx=$3
    if [ "$cxx" = g++ ]; then
        cmake -B "$tree" -DCMAKE_BUILD_TYPE=RelWithDebInfo
    else
        cmake -B "$tree" -DCMAKE_BUILD_TYPE=RelWithDebInfo \
            "-DCMAKE_C_COMPILER=$cc" "-DCMAKE_CXX_COMPILER=$cxx"
    fi && cmake --build "$tree" -j "$jobs" --target cpp_tests
}

# A program of the installed tree, by pkg-config: compile flags are the words after the compiler.
by_pkg_config() {
    local prefix=$1 program=$2 lib
    shift 2
    lib=$(dirname "$(find "$prefix" -name libwarp_engine.a)")
    # The flags of pkg-config are words.
    # shellcheck disable=SC2046
    PKG_CONFIG_PATH=$lib/pkgconfig "$@" "${WARNINGS[@]}" c_tests/cpp/consumer/main.cc \
        -o "$program" $(PKG_CONFIG_PATH=$lib/pkgconfig pkg-config --cflags --libs warp-engine) &&
        LD_LIBRARY_PATH=$lib "$program" | grep -q '^warp_engine '
}

# Every program of the CMake project, which is built against the installed tree.
by_find_package() {
    local prefix=$1 tree=$2 cxx=$3 program
    cmake -S c_tests/cpp/consumer -B "$tree" "-DCMAKE_PREFIX_PATH=$prefix" \
        "-DCMAKE_CXX_COMPILER=$cxx" "-DCMAKE_CXX_FLAGS=${WARNINGS[*]}" &&
        cmake --build "$tree" -j "$jobs" || return
    for program in "$tree"/{shared,static}_{17,20}; do
        "$program" | grep -q '^warp_engine ' || return
    done
}

with_compiler() {
    local cc=$1 cxx=$2 tree=$3 work=$3/cpp-consumer standard exceptions
    check "$cxx: build" configure_and_build "$tree" "$cc" "$cxx"
    check "$cxx: tests" ctest --test-dir "$tree" --output-on-failure --no-tests=error \
        -R '^(cpp_|conformance_cpp|header_cxx|dataset_cpp)'
    rm -rf "$work"
    mkdir -p "$work"
    # Moved after the installation, because no path of it may stand in a file.
    check "$cxx: install" cmake --install "$tree" --prefix "$PWD/$work/first"
    mv "$work/first" "$work/installed"
    check "$cxx: header installed" test -e "$work/installed/include/warp_engine.hpp"
    check "$cxx: find_package" by_find_package "$PWD/$work/installed" "$work/cmake" "$cxx"
    for standard in 17 20; do
        for exceptions in -fexceptions -fno-exceptions; do
            check "$cxx: pkg-config, C++$standard $exceptions" \
                by_pkg_config "$PWD/$work/installed" "$work/program" \
                "$cxx" "-std=c++$standard" "$exceptions"
        done
    done
    check "$cxx: without exceptions and RTTI" by_pkg_config "$PWD/$work/installed" \
        "$work/program" "$cxx" -std=c++17 -fno-exceptions -fno-rtti
}

with_compiler gcc g++ build-plain
if have clang++ && have clang; then
    with_compiler clang clang++ build-clang
else
    echo "clang++: skipped, it is not installed"
fi
echo "c++: $passed passed, $failed failed"
[ "$failed" -eq 0 ]
