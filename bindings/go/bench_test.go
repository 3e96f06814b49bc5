package warp

import (
	"fmt"
	"testing"
	"time"

	"warpengine.dev/go/warp/internal/cbench"
)

// Each benchmark prints, beside Go's own figure, what the same call costs in a loop of C in the
// same run (c-ns/op), and the difference (over-c-ns/op), which is what the way through Go costs:
//
//	go test -run '^$' -bench 'Get|View|Put|Batch'

var benchLens = []int{16, 100, 1024, 65536}

// withC runs body for each length of value on a database that is filled as the C side's is.
func withC(b *testing.B, call int, body func(b *testing.B, db *DB, keys [][]byte, value []byte)) {
	for _, n := range benchLens {
		b.Run(fmt.Sprintf("%dB", n), func(b *testing.B) {
			db := memory(b)
			value := pattern(n, 1)
			keys := make([][]byte, cbench.Keys)
			for i := range keys {
				keys[i] = []byte(fmt.Sprintf("key:%012d", i))
				ok(b, db.Put(keys[i], value))
			}
			b.ReportAllocs()
			b.ResetTimer()
			start := time.Now()
			body(b, db, keys, value)
			b.StopTimer()
			own := float64(time.Since(start).Nanoseconds()) / float64(b.N)
			c, err := cbench.Run(call, b.N, n)
			ok(b, err)
			b.ReportMetric(c, "c-ns/op")
			b.ReportMetric(own-c, "over-c-ns/op")
		})
	}
}

func BenchmarkGet(b *testing.B) {
	withC(b, cbench.Get, func(b *testing.B, db *DB, keys [][]byte, _ []byte) {
		for i := 0; i < b.N; i++ {
			if _, err := db.Get(keys[i%len(keys)]); err != nil {
				b.Fatal(err)
			}
		}
	})
}

var own []byte // so that the copies below are on the heap, as those of Get are

// What a Get has to do beside the reading, whatever the way: a slice of the caller's own.
func BenchmarkOwnCopy(b *testing.B) {
	for _, n := range benchLens {
		b.Run(fmt.Sprintf("%dB", n), func(b *testing.B) {
			value := pattern(n, 1)
			b.ReportAllocs()
			for i := 0; i < b.N; i++ {
				own = clone(value)
			}
		})
	}
}

func BenchmarkAppendGet(b *testing.B) {
	withC(b, cbench.Get, func(b *testing.B, db *DB, keys [][]byte, value []byte) {
		buf := make([]byte, 0, len(value))
		for i := 0; i < b.N; i++ {
			if _, err := db.AppendGet(buf, keys[i%len(keys)]); err != nil {
				b.Fatal(err)
			}
		}
	})
}

func BenchmarkView(b *testing.B) {
	withC(b, cbench.GetPinned, func(b *testing.B, db *DB, keys [][]byte, _ []byte) {
		total := 0
		see := func(value []byte) error { total += len(value); return nil }
		for i := 0; i < b.N; i++ {
			if err := db.View(keys[i%len(keys)], see); err != nil {
				b.Fatal(err)
			}
		}
	})
}

func BenchmarkPut(b *testing.B) {
	withC(b, cbench.Put, func(b *testing.B, db *DB, keys [][]byte, value []byte) {
		for i := 0; i < b.N; i++ {
			if err := db.Put(keys[i%len(keys)], value); err != nil {
				b.Fatal(err)
			}
		}
	})
}

// One operation is a batch of 100 puts, packed and written.
func BenchmarkBatch(b *testing.B) {
	withC(b, cbench.Write, func(b *testing.B, db *DB, keys [][]byte, value []byte) {
		var batch Batch
		for i := 0; i < b.N; i++ {
			batch.Reset()
			for _, key := range keys[:cbench.BatchLen] {
				batch.Put(key, value)
			}
			if err := db.Write(&batch); err != nil {
				b.Fatal(err)
			}
		}
	})
}

// One operation is one key; 32 go in a call.
func BenchmarkViewMulti(b *testing.B) {
	withC(b, cbench.GetPinned, func(b *testing.B, db *DB, keys [][]byte, _ []byte) {
		total := 0
		see := func(_ int, value []byte) error { total += len(value); return nil }
		for i := 0; i < b.N; i += 32 {
			at := i % len(keys)
			if err := db.ViewMulti(keys[at:at+32], see); err != nil {
				b.Fatal(err)
			}
		}
	})
}

// One operation is one entry.
func BenchmarkIter(b *testing.B) {
	db := memory(b)
	for i := 0; i < 10_000; i++ {
		put(b, db, fmt.Sprintf("key:%012d", i), "some value of a few bytes")
	}
	b.ReportAllocs()
	b.ResetTimer()
	for n := 0; n < b.N; {
		it, err := db.NewIter(nil)
		ok(b, err)
		for n < b.N && it.Next() {
			n++
		}
		ok(b, it.Close())
	}
}

// Reads in all goroutines at once: the figure should fall as GOMAXPROCS grows.
func BenchmarkAppendGetParallel(b *testing.B) {
	db := memory(b)
	keys := make([][]byte, cbench.Keys)
	for i := range keys {
		keys[i] = []byte(fmt.Sprintf("key:%012d", i))
		ok(b, db.Put(keys[i], pattern(100, 1)))
	}
	b.ResetTimer()
	b.RunParallel(func(pb *testing.PB) {
		buf := make([]byte, 0, 100)
		for i := 0; pb.Next(); i++ {
			if _, err := db.AppendGet(buf, keys[i%len(keys)]); err != nil {
				b.Error(err)
				return
			}
		}
	})
}
