#!/bin/sh
# Makes an archive that can be linked next to another Rust static library.
#
#   scripts/localize-archive.sh target/release/libwarp_engine.a OUT.a
#
# A Rust staticlib carries the standard library along, and two of them in one program define the
# same symbols (rust_eh_personality, the allocator shims). So all members become one object, in
# which every symbol but warp_* is local. What a program does not use of it, --gc-sections drops.
set -eu
in=$1
out=$2
if [ -e "$out" ] && [ "$out" -nt "$in" ]; then
    exit 0
fi
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
"${LD:-ld}" -r --whole-archive "$in" -o "$work/warp_engine.o"
# The standard library's objects also hold LLVM bitcode, which older LLVM plugins of ar choke on.
"${OBJCOPY:-objcopy}" --wildcard --keep-global-symbol='warp_*' \
    --remove-section=.llvmbc --remove-section=.llvmcmd "$work/warp_engine.o"
rm -f "$out.new"
"${AR:-ar}" rcs "$out.new" "$work/warp_engine.o"
mv "$out.new" "$out"
