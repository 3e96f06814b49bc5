package warp

import (
	"os"
	"regexp"
	"strings"
	"testing"
)

// Snippets of the README are pieces of the examples, which are compiled and run.
func TestSnippetsOfTheReadmeAreExamples(t *testing.T) {
	examples := ""
	for _, file := range []string{"example_test.go", "example_seq_test.go", "example_features_test.go"} {
		text, err := os.ReadFile(file)
		ok(t, err)
		examples += unindented(string(text))
	}
	readme, err := os.ReadFile("README.md")
	ok(t, err)
	snippets := regexp.MustCompile("(?s)```go\n(.*?)```").FindAllStringSubmatch(string(readme), -1)
	if len(snippets) < 8 {
		t.Fatalf("%d snippets were found", len(snippets))
	}
	for _, snippet := range snippets {
		if !strings.Contains(examples, unindented(snippet[1])) {
			t.Errorf("in no example:\n%s", snippet[1])
		}
	}
}

func unindented(text string) string {
	return regexp.MustCompile(`(?m)^[\t ]+`).ReplaceAllString(text, "")
}
