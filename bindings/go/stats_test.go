package warp

import (
	"encoding/json"
	"regexp"
	"testing"
)

func TestStats(t *testing.T) {
	db := memory(t)
	for _, key := range []string{"a", "b", "c"} {
		put(t, db, key, "value")
	}
	stats, err := db.Stats()
	ok(t, err)
	if stats.Keys != 3 || stats.Shards == 0 {
		t.Fatalf("%+v", stats)
	}
}

func TestStatsJSON(t *testing.T) {
	db := memory(t)
	text, err := db.StatsJSON()
	ok(t, err)
	var all map[string]any
	if err := json.Unmarshal(text, &all); err != nil {
		t.Fatalf("%v in %s", err, text)
	}
}

func TestVersions(t *testing.T) {
	if !regexp.MustCompile(`^\d+\.\d+\.\d+`).MatchString(Version()) {
		t.Errorf("version %q", Version())
	}
	ok(t, checkABI())
}
