#!/usr/bin/env bash
# Makes sure that the tools are there: setup.sh [build|demo|c|cpp|go|elixir|cross|compare|rust-lints]...
#
# What is missing is installed from Debian's packages, as root or through sudo where that asks
# for no password. Otherwise the script says what to install and fails. Rust is never installed
# here, only looked for. Without an argument: everything that `make test` needs.
. "$(dirname "$0")/lib.sh"

RUST_MINIMUM=1.85

# The tools of a group, one a line: how to see that it is there, and Debian's package.
tools_of() {
    case $1 in
        build)
            echo "command:cc build-essential"
            echo "command:make build-essential"
            echo "command:cmake cmake"
            echo "command:pkg-config pkg-config"
            ;;
        demo)
            tools_of build
            echo "command:gzip gzip"
            ;;
        c)
            tools_of build
            echo "command:readelf binutils"
            echo "command:valgrind valgrind"
            echo "command:strace strace"
            ;;
        cpp)
            tools_of build
            echo "command:g++ g++"
            ;;
        go)
            echo "command:cc build-essential"
            echo "command:go golang"
            ;;
        elixir)
            echo "command:cc build-essential"
            echo "command:erl erlang-nox"
            echo "command:mix elixir"
            echo "file:/usr/lib/erlang/usr/include/erl_nif.h erlang-dev"
            ;;
        cross)
            tools_of cpp
            tools_of go
            tools_of elixir
            ;;
        compare)
            tools_of cpp
            echo "file:/usr/include/lmdb.h liblmdb-dev"
            echo "file:/usr/include/rocksdb/db.h librocksdb-dev"
            echo "file:/usr/include/tkrzw_dbm_hash.h libtkrzw-dev"
            ;;
        rust-lints) ;;
        *) die "there is no group $1; the groups are build demo c cpp go elixir cross compare rust-lints" ;;
    esac
}

is_there() {
    case $1 in
        command:*) have "${1#command:}" ;;
        file:/usr/lib/erlang/*)
            # An Erlang that is not Debian's has its headers below its own root.
            [ -e "${1#file:}" ] || { have erl && [ -e "$(erlang_root)/${1#file:/usr/lib/erlang/}" ]; }
            ;;
        file:*) [ -e "${1#file:}" ] ;;
    esac
}

erlang_root() {
    erl -noshell -eval 'io:put_chars(code:root_dir()), halt().' 2>/dev/null
}

missing_packages() {
    local group tool package
    for group in "$@"; do
        tools_of "$group" | while read -r tool package; do
            is_there "$tool" || echo "$package"
        done
    done | sort -u
}

check_rust() {
    have cargo && have rustc ||
        die "cargo is missing; install Rust $RUST_MINIMUM or newer from https://rustup.rs"
    local version
    version=$(rustc --version | cut -d' ' -f2)
    printf '%s\n%s\n' "$RUST_MINIMUM" "${version%%-*}" | sort -V -C ||
        die "rustc is $version, $RUST_MINIMUM or newer is needed; run: rustup update stable"
}

check_rust_lints() {
    cargo fmt --version >/dev/null 2>&1 || die "rustfmt is missing; run: rustup component add rustfmt"
    cargo clippy --version >/dev/null 2>&1 || die "clippy is missing; run: rustup component add clippy"
}

as_root() {
    if [ "$(id -u)" = 0 ]; then
        "$@"
    else
        sudo -n "$@"
    fi
}

apt_install() {
    as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends "$@"
}

install_packages() {
    local wanted="apt-get install -y $*"
    have apt-get || die "missing tools; install what these Debian packages hold: $*"
    [ "$(id -u)" = 0 ] || sudo -n true 2>/dev/null ||
        die "missing tools; run as root: $wanted"
    echo "setup: $wanted"
    # The lists are only fetched when those that are there do not do.
    apt_install "$@" ||
        { as_root apt-get update && apt_install "$@"; } ||
        die "could not install the missing tools; run as root: $wanted"
}

groups=("$@")
[ $# -gt 0 ] || groups=(demo c cpp go elixir rust-lints)

check_rust
for group in "${groups[@]}"; do
    tools_of "$group" >/dev/null
    [ "$group" != rust-lints ] || check_rust_lints
done
packages=$(missing_packages "${groups[@]}")
if [ -n "$packages" ]; then
    # One package a word.
    # shellcheck disable=SC2086
    install_packages $packages
    packages=$(missing_packages "${groups[@]}")
    [ -z "$packages" ] || die "still missing after the installation:" $packages
fi
