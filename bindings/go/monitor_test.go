package warp

import (
	"bytes"
	"fmt"
	"reflect"
	"testing"
	"time"
)

func TestEventsOfAnEvenLoad(t *testing.T) {
	db := memory(t)
	for _, from := range []uint64{0, 5, 1 << 63} {
		events, next, err := db.Events(from)
		if err != nil || len(events) != 0 || next != 1 {
			t.Fatalf("from %d: %+v, next %d, %v", from, events, next, err)
		}
	}
}

func TestEventsAreParsedWhole(t *testing.T) {
	events, next, err := parseEvents([]byte(`{"next":3,"events":[{"number":2,"kind":"skew_began",` +
		`"at_ms":1200,"entropy":0.71,"shard":5,"share":0.53}]}`))
	ok(t, err)
	want := []Event{{2, SkewBegan, 1200 * time.Millisecond, 0.71, 5, 0.53}}
	if next != 3 || !reflect.DeepEqual(events, want) {
		t.Fatalf("%+v, next %d", events, next)
	}
	_, _, err = parseEvents([]byte("no JSON"))
	is(t, err, ErrInternal)
}

// A load of one key is skewed, and the monitor says so, with the shard that has it.
func TestASkewIsReported(t *testing.T) {
	db := memory(t)
	hot := []byte("hot")
	shard, err := db.ShardOf(hot)
	ok(t, err)
	var from uint64
	for end := time.Now().Add(time.Minute); time.Now().Before(end); {
		for i := 0; i < 1000; i++ {
			ok(t, db.Put(hot, hot))
		}
		events, next, err := db.Events(from)
		ok(t, err)
		for _, event := range events {
			if event.Number < from || event.Number >= next {
				t.Fatalf("event %+v between %d and %d", event, from, next)
			}
			if event.Kind == SkewBegan {
				if event.Shard != shard || event.Share < 0.5 || event.Entropy > 0.9 || event.At <= 0 {
					t.Fatalf("the load is in shard %d: %+v", shard, event)
				}
				text, err := db.OpenMetrics()
				ok(t, err)
				if !bytes.Contains(text, []byte("\nwarp_load_skewed 1\n")) {
					t.Errorf("the text does not say so:\n%s", text)
				}
				return
			}
		}
		from = next
	}
	t.Fatal("a load of one key was not reported in a minute")
}

func TestOpenMetrics(t *testing.T) {
	db := memory(t)
	for i := 0; i < 3; i++ {
		put(t, db, fmt.Sprint(i), "v")
	}
	text, err := db.OpenMetrics()
	ok(t, err)
	if !bytes.Contains(text, []byte("\nwarp_puts_total 3\n")) || !bytes.HasSuffix(text, []byte("# EOF\n")) {
		t.Fatalf("%s", text)
	}
}
