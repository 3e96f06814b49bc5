#!/usr/bin/env bash
# What a call costs by way of Go and of Elixir, beside the same call in a loop of C in the same
# process: one table, in nanoseconds a call, the best of BENCH_COUNT (5) rounds on either side; a
# round of Go takes BENCH_TIME (0.3s), those of Elixir are as bench/calls.exs says.
#
# A batch is 100 puts; one of multi-get is one key. The C loops do what the ABI asks for and no
# more: a get copies into one buffer, where Go and Elixir make a value of the language.
. "$(dirname "$0")/lib.sh"
scripts/setup.sh go elixir
scripts/build.sh --library
# The VM takes output for Latin-1 without a UTF-8 locale.
export LC_ALL=C.UTF-8

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# Runs a benchmark; what it says goes to a file, and to the terminal too where it fails.
measure() {
    local output=$1
    shift
    echo "bench-bindings: $*" >&2
    "$@" >"$output" 2>&1 || { cat "$output" >&2 && die "failed: $*"; }
}

(cd bindings/go && measure "$work/go" go test -run '^$' -benchtime "${BENCH_TIME:-0.3s}" \
    -count "${BENCH_COUNT:-5}" -bench '^Benchmark(Get|AppendGet|View|ViewMulti|Put|Batch)$' .)
(cd bindings/elixir && MIX_ENV=prod measure "$work/elixir" mix run bench/calls.exs)

# Tab-separated: language, call, bytes of the value, ns, ns of C.
# BenchmarkGet/16B-2   5000   253.1 ns/op   198.0 c-ns/op   55.1 over-c-ns/op   …
go_rows() {
    awk '/^Benchmark/ {
        split($1, name, "/"); sub(/^Benchmark/, "", name[1]); sub(/B(-[0-9]+)?$/, "", name[2])
        own = c = ""
        for (i = 3; i < NF; i++) {
            if ($(i + 1) == "ns/op") own = $i
            if ($(i + 1) == "c-ns/op") c = $i
        }
        if (own == "" || c == "") next
        row = name[1] "\t" name[2]
        if (!(row in best)) { order[++rows] = row; best[row] = own; best_c[row] = c }
        if (own + 0 < best[row] + 0) best[row] = own
        if (c + 0 < best_c[row] + 0) best_c[row] = c
    }
    END { for (i = 1; i <= rows; i++) print "Go\t" order[i] "\t" best[order[i]] "\t" best_c[order[i]] }
    ' "$work/go"
}

# get 16 B                       331       180      1.84
# batch, packed 1 KiB x 100    51234     47321      1.08
elixir_rows() {
    awk '/^(put|get|batch)/ && match($0, / (16|100|1|64) (B|KiB)( x 100)? /) && NF >= 6 {
        call = substr($0, 1, RSTART - 1); split(substr($0, RSTART), size, " ")
        print "Elixir\t" call "\t" size[1] * (size[2] == "KiB" ? 1024 : 1) "\t" $(NF - 2) "\t" $(NF - 1)
    }' "$work/elixir"
}

{ go_rows; elixir_rows; } >"$work/rows"
for language in Go Elixir; do
    grep -q "^$language" "$work/rows" || { cat "$work/go" "$work/elixir"; die "no figures of $language"; }
done

echo "$(nproc) CPUs, $(sed -n 's/^model name[^:]*: //p' /proc/cpuinfo 2>/dev/null | head -n 1)"
echo "$(go version | cut -d' ' -f3), $(sed -n '/^engine/p' "$work/elixir")"
echo
printf '%-9s%-16s%10s%12s%12s%12s%9s\n' '' 'ns a call' 'value' 'binding' 'C' 'over C' 'factor'
awk -F'\t' '{
    size = ($3 >= 1024) ? ($3 / 1024 " KiB") : ($3 " B")
    factor = ($5 > 0) ? $4 / $5 : 0
    printf("%-9s%-16s%10s%12.1f%12.1f%12.1f%9.2f\n", $1, $2, size, $4, $5, $4 - $5, factor)
}' "$work/rows"
