package warp

import (
	"os"
	"regexp"
	"testing"
)

// A function that the C ABI gains must not be forgotten here: each is called by the shim or the
// package, or has its reason below.
func TestEveryFunctionOfTheABIIsReached(t *testing.T) {
	header, err := os.ReadFile("../../include/warp_engine.h")
	if os.IsNotExist(err) {
		t.Skip("no checkout around the package")
	}
	ok(t, err)
	const packed = "batches and pages cross in packed form"
	elsewhere := map[string]string{
		"warp_batch_new": packed, "warp_batch_free": packed, "warp_batch_clear": packed,
		"warp_batch_count": packed, "warp_batch_put": packed, "warp_batch_delete": packed,
		"warp_write": packed, "warp_iter_next": packed,
	}
	sources := ""
	for _, file := range []string{"shim.h", "cgo.go", "errors.go", "stats.go"} {
		text, err := os.ReadFile(file)
		ok(t, err)
		sources += string(text)
	}
	declaration := regexp.MustCompile(`(?m)^[a-z].*?\b(warp_[a-z_]+)\(`)
	functions := declaration.FindAllSubmatch(header, -1)
	if len(functions) < 35 {
		t.Fatalf("%d functions were found in the header", len(functions))
	}
	for _, f := range functions {
		name := string(f[1])
		called := regexp.MustCompile(`\b` + name + `\(`).MatchString(sources)
		if called == (elsewhere[name] != "") {
			t.Errorf("%s: called %v, but the list says %q", name, called, elsewhere[name])
		}
	}
}
