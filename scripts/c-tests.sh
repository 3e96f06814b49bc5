#!/bin/sh
# Runs the C tests in every flavour that this machine has the tools for.
#
#   scripts/c-tests.sh [plain] [address] [thread] [valgrind]      default: all four
#
# Build trees are build-<flavour>/. A flavour whose tool is missing is said to be skipped, never
# passed. The thread flavour instruments the C code alone, and accesses inside the library are left
# out: its locks are futexes that the sanitizer cannot see, and would give false alarms. The
# library's own threads are what `make tsan` looks at; the C compiler's runtime lacks what a library
# instrumented by another compiler calls, so that one program cannot have both.
set -u
cd "$(dirname "$0")/.." || exit 1
flavours=${*:-plain address thread valgrind}
passed=0 failed=0 skipped=0
jobs=$(getconf _NPROCESSORS_ONLN)

# Configure, build and test one flavour; the rest of the arguments go to CMake.
flavour() {
    name=$1
    shift
    tree=build-$name
    log=$tree/tests.log
    mkdir -p "$tree"
    if cmake -B "$tree" -DCMAKE_BUILD_TYPE=RelWithDebInfo "$@" >"$log" 2>&1 &&
        cmake --build "$tree" -j "$jobs" >>"$log" 2>&1; then
        ctest --test-dir "$tree" -j "$jobs" --output-on-failure >>"$log" 2>&1
        # "85% tests passed, 6 tests failed out of 41"
        set -- $(sed -n 's/.* tests passed, \([0-9]*\) tests failed out of \([0-9]*\)$/\1 \2/p' "$log")
        [ $# = 2 ] || set -- 1 1
        sed -n '/The following tests FAILED/,/^Errors while/p' "$log" | grep '(' || true
    else
        echo "$name: did not build, see $log"
        tail -n 20 "$log"
        set -- 1 1
    fi
    failed=$((failed + $1))
    passed=$((passed + $2 - $1))
    echo "$name: $(($2 - $1)) passed, $1 failed ($log)"
}

skip() {
    skipped=$((skipped + 1))
    echo "$1: skipped, $2"
}

# Whether the compiler has a sanitizer, its runtime included.
sanitizer() {
    work=$(mktemp -d)
    echo 'int main(void) { return 0; }' >"$work/t.c"
    "${CC:-cc}" "-fsanitize=$1" "$work/t.c" -o "$work/t" 2>/dev/null && "$work/t"
    status=$?
    rm -rf "$work"
    return $status
}

for name in $flavours; do
    case $name in
    plain) flavour plain ;;
    address)
        if sanitizer address; then
            flavour address -DWARP_SANITIZE=address
        else
            skip address "the compiler has no address sanitizer"
        fi
        ;;
    thread)
        if ! sanitizer thread; then
            skip thread "the compiler has no thread sanitizer"
        else
            flavour thread -DWARP_SANITIZE=thread
        fi
        ;;
    valgrind)
        if command -v valgrind >/dev/null; then
            flavour valgrind -DWARP_VALGRIND=ON
        else
            skip valgrind "there is no valgrind"
        fi
        ;;
    *)
        echo "unknown flavour $name: plain, address, thread or valgrind" >&2
        exit 2
        ;;
    esac
done
echo "$passed passed, $failed failed, $skipped flavours skipped"
[ "$failed" = 0 ] && [ "$passed" != 0 ]
