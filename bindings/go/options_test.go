package warp

import (
	"errors"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"
)

// Every option with a function of its own, with values that are fine.
func typedOptions() []Option {
	return []Option{
		WithShards(1), WithShards(1024),
		WithDurability(DurabilityNone), WithDurability(DurabilityProcess),
		WithDurability(DurabilityPeriodic), WithDurability(DurabilitySync),
		WithSyncInterval(time.Second), WithSyncInterval(time.Microsecond),
		WithMemoryLimit(64 << 20),
		WithCreateIfMissing(true), WithErrorIfExists(true), WithReadOnly(false),
		WithOpenTimeout(0), WithOpenTimeout(time.Second),
		WithCheckpointInterval(time.Minute), WithCheckpointLogBytes(1 << 20),
		WithPinShards(false), WithPinShards(true), WithCacheCompression(true),
		WithLoadMonitor(true), WithLoadMonitor(false), WithSkewPercent(1), WithSkewPercent(99),
		WithAutoRebalance(true), WithRules(""), WithRules("user:*,profile:*;order:*,items:*"),
		WithPrefetchLinks(true), WithLearnLinks(true),
	}
}

func TestTypedOptionsAreAccepted(t *testing.T) {
	for _, o := range append(typedOptions(), WithOption("memory_limit", "64M")) {
		db, err := OpenMemory(o)
		if err != nil {
			t.Errorf("%+v: %v", o, err)
			continue
		}
		ok(t, db.Close())
	}
}

// The table of options in the header names them all.
func TestEveryOptionHasAFunction(t *testing.T) {
	header, err := os.ReadFile("../../include/warp_engine.h")
	if os.IsNotExist(err) {
		t.Skip("no checkout around the package")
	}
	ok(t, err)
	_, table, _ := strings.Cut(string(header), " *    name                    default   meaning\n")
	table, _, _ = strings.Cut(table, " */")
	named := map[string]bool{}
	for _, o := range typedOptions() {
		named[o.name] = true
	}
	rows := regexp.MustCompile(`(?m)^ \*    ([a-z_]+)  `).FindAllStringSubmatch(table, -1)
	if len(rows) < 18 {
		t.Fatalf("%d options were found in the header", len(rows))
	}
	for _, row := range rows {
		if !named[row[1]] {
			t.Errorf("no function sets %s", row[1])
		}
	}
}

func TestWrongOptionsAreRefusedByName(t *testing.T) {
	for _, o := range []Option{
		WithShards(0), WithShards(1025), WithShards(-1),
		WithDurability("most"), WithSyncInterval(0), WithSyncInterval(-time.Second),
		WithSkewPercent(0), WithSkewPercent(100), WithRules("user"), WithRules("a*,a*"),
		WithMemoryLimit(-1), WithOption("shard", "1"), WithOption("read_only", "yes"),
		WithOption("memory_limit", "1T"), WithOption("shards", "8\x00"), WithOption("shards\x00", "8"),
		WithOption("", ""),
	} {
		db, err := OpenMemory(o)
		if !errors.Is(err, ErrInvalidArgument) || db != nil {
			t.Errorf("%+v: %v, want %v", o, err, ErrInvalidArgument)
			continue
		}
		if name := strings.TrimRight(o.name, "\x00"); !strings.Contains(err.Error(), name) {
			t.Errorf("%q does not name the option %s", err, name)
		}
	}
}

func TestDurationsRoundUp(t *testing.T) {
	for d, want := range map[time.Duration]string{
		0: "0", 1: "1", time.Millisecond: "1", time.Millisecond + 1: "2", time.Second: "1000",
		-time.Second: "-1000",
	} {
		if got := millis(d); got != want {
			t.Errorf("%v is %s ms, want %s", d, got, want)
		}
	}
}

func TestPathWithNULIsRefused(t *testing.T) {
	_, err := Open(t.TempDir() + "/a\x00b")
	is(t, err, ErrInvalidArgument)
	db := memory(t)
	is(t, db.Backup(t.TempDir()+"/a\x00b"), ErrInvalidArgument)
}
