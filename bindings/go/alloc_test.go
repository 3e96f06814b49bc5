package warp

import (
	"fmt"
	"testing"
)

// What the documentation says of allocations, each claim for itself.
func TestAllocations(t *testing.T) {
	if raceEnabled {
		t.Skip("the race detector allocates")
	}
	db := memory(t)
	key, other, missing := []byte("key"), []byte("other"), []byte("missing")
	ok(t, db.Put(other, []byte("a partner")))
	for _, n := range []int{0, 16, 100, 1024, 65536} {
		value := pattern(n, 1)
		ok(t, db.Put(key, value))
		buf := make([]byte, 0, n+1)
		keys := [][]byte{key, missing, key, key}
		var batch Batch
		batch.Grow(10 * (9 + len(key) + n))
		ok(t, db.Link(key, other, 1))
		see := func([]byte) error { return nil }
		seeLinked := func(int, Linked) error { return nil }
		seeMulti := func(int, []byte) error { return nil }
		get := 1.0
		if n == 0 {
			get = 0
		}
		for _, claim := range []struct {
			name   string
			allocs float64
			call   func() error
		}{
			{"Get", get, func() error { _, err := db.Get(key); return err }},
			{"TryGet", get, func() error { _, err := db.TryGet(key); return err }},
			{"AppendGet", 0, func() error { _, err := db.AppendGet(buf[:0], key); return err }},
			{"AppendTryGet", 0, func() error { _, err := db.AppendTryGet(buf[:0], key); return err }},
			{"View", 0, func() error { return db.View(key, see) }},
			{"ViewMulti", 0, func() error { return db.ViewMulti(keys, seeMulti) }},
			{"GetMulti", 2, func() error { _, err := db.GetMulti(keys); return err }},
			{"Exists", 0, func() error { _, err := db.Exists(key); return err }},
			{"Exists, missing", 0, func() error { _, err := db.Exists(missing); return err }},
			{"TryView", 0, func() error { return db.TryView(key, see) }},
			{"TryExists", 0, func() error { _, err := db.TryExists(key); return err }},
			{"TryExists, missing", 0, func() error { _, err := db.TryExists(missing); return err }},
			{"WriteWouldWait", 0, func() error { _, err := db.WriteWouldWait(key); return err }},
			{"ShardOf", 0, func() error { _, err := db.ShardOf(key); return err }},
			{"ViewLinked", 0, func() error { return db.ViewLinked(key, seeLinked) }},
			{"GetLinked", 2, func() error { _, err := db.GetLinked(key); return err }},
			{"PutHinted", 0, func() error { return db.PutHinted(key, value, Hot) }},
			{"Put", 0, func() error { return db.Put(key, value) }},
			{"Delete, missing", 0, func() error { _, err := db.Delete(missing); return err }},
			{"CompareAndSwap", 0, func() error { return db.CompareAndSwap(key, value, value) }},
			{"Batch", 0, func() error {
				batch.Reset()
				for i := 0; i < 10; i++ {
					batch.Put(key, value)
				}
				return db.Write(&batch)
			}},
			{"Token", 0, func() error { _, err := db.Token(); return err }},
			{"Stats", 0, func() error { _, err := db.Stats(); return err }},
			{"AppendGet, missing", 0, func() error {
				if _, err := db.AppendGet(buf[:0], missing); err != ErrNotFound {
					return fmt.Errorf("%v", err)
				}
				return nil
			}},
		} {
			got := testing.AllocsPerRun(200, func() {
				if err := claim.call(); err != nil {
					t.Fatalf("%s: %v", claim.name, err)
				}
			})
			// Pools are emptied by the collector, which larger values make run.
			if got > claim.allocs {
				t.Errorf("%s of %d bytes allocates %v times, want %v", claim.name, n, got, claim.allocs)
			}
		}
	}
}

func TestIterAllocatesNothingPerEntry(t *testing.T) {
	if raceEnabled {
		t.Skip("the race detector allocates")
	}
	db := memory(t)
	const n = 5000
	for i := 0; i < n; i++ {
		put(t, db, fmt.Sprint(i), "some value")
	}
	got := testing.AllocsPerRun(5, func() {
		it, err := db.NewIter(nil)
		ok(t, err)
		for it.Next() {
		}
		ok(t, it.Err())
		ok(t, it.Close())
	})
	if got > 3 { // the iterator, its page, its finalizer
		t.Errorf("a walk over %d entries allocates %v times", n, got)
	}
}
