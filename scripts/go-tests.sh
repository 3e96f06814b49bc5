#!/usr/bin/env bash
# The Go package: vet, and its tests under the race detector, against the static library.
. "$(dirname "$0")/lib.sh"
scripts/setup.sh go
scripts/build.sh --library

cd bindings/go
# Debian's Go may be older than the package needs, and says so only in passing.
needed=$(sed -n 's/^go \([0-9.]*\).*/\1/p' go.mod)
found=$(go version | sed 's/.*go version go\([0-9.]*\).*/\1/')
printf '%s\n%s\n' "$needed" "$found" | sort -V -C ||
    die "go is $found, go.mod needs $needed; install a newer one from https://go.dev/dl/"

go vet ./...
# The library is a file that Go does not watch, so a result of an older one must not be reused.
go test -race -count=1 ./...
