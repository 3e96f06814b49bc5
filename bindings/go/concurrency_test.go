package warp

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// Values carry their own checksum, so that a mix of two writes shows.
func stamped(key string, n int, seed byte) []byte {
	return append([]byte(key), pattern(n, seed)...)
}

func checkStamp(key string, value []byte) error {
	if !bytes.HasPrefix(value, []byte(key)) {
		return fmt.Errorf("key %s has the value of another: %.40q", key, value)
	}
	body := value[len(key):]
	if len(body) > 0 && !bytes.Equal(body, pattern(len(body), body[0])) {
		return fmt.Errorf("key %s has a torn value of %d bytes", key, len(value))
	}
	return nil
}

func TestReadersSeeWholeValues(t *testing.T) {
	db := memory(t)
	const keys, writers, readers, rounds = 16, 4, 4, 2000
	names := make([]string, keys)
	for i := range names {
		names[i] = fmt.Sprintf("key:%02d", i)
		ok(t, db.Put([]byte(names[i]), stamped(names[i], 10, 0)))
	}
	var wg sync.WaitGroup
	run := func(n int, body func(g, i int) error) {
		for g := 0; g < n; g++ {
			wg.Add(1)
			go func(g int) {
				defer wg.Done()
				for i := 0; i < rounds; i++ {
					if err := body(g, i); err != nil {
						t.Error(err)
						return
					}
				}
			}(g)
		}
	}
	run(writers, func(g, i int) error {
		name := names[(g+i)%keys]
		value := stamped(name, (g*rounds+i)%300, byte(g+i))
		switch i % 4 {
		case 0:
			var b Batch
			b.Delete([]byte(name))
			b.Put([]byte(name), value)
			return db.Write(&b)
		default:
			return db.Put([]byte(name), value)
		}
	})
	buffers := make([][]byte, readers)
	run(readers, func(g, i int) error {
		name := names[(g*7+i)%keys]
		key := []byte(name)
		var err error
		switch i % 5 {
		case 0:
			var value []byte
			if value, err = db.Get(key); err == nil {
				err = checkStamp(name, value)
			}
		case 1:
			if buffers[g], err = db.AppendGet(buffers[g][:0], key); err == nil {
				err = checkStamp(name, buffers[g])
			}
		case 2:
			err = db.View(key, func(value []byte) error { return checkStamp(name, value) })
		case 3:
			err = db.ViewMulti([][]byte{key, key}, func(_ int, value []byte) error {
				return checkStamp(name, value)
			})
		case 4:
			var it *Iter
			if it, err = db.NewIter([]byte("key:0")); err == nil {
				for err == nil && it.Next() {
					err = checkStamp(string(it.Key()), it.Value())
				}
				if err == nil {
					err = it.Err()
				}
				it.Close()
			}
		}
		return err
	})
	wg.Wait()
}

func TestCompareAndSwapCounts(t *testing.T) {
	db := memory(t)
	key := []byte("counter")
	ok(t, db.Put(key, make([]byte, 8)))
	const goroutines, rounds = 8, 200
	var wg sync.WaitGroup
	for g := 0; g < goroutines; g++ {
		wg.Add(1)
		go func() {
			defer wg.Done()
			for i := 0; i < rounds; {
				old, err := db.Get(key)
				if err != nil {
					t.Error(err)
					return
				}
				next := binary.LittleEndian.AppendUint64(nil, binary.LittleEndian.Uint64(old)+1)
				switch err := db.CompareAndSwap(key, old, next); {
				case err == nil:
					i++
				case !errors.Is(err, ErrConflict):
					t.Error(err)
					return
				}
			}
		}()
	}
	wg.Wait()
	got, err := db.Get(key)
	ok(t, err)
	if n := binary.LittleEndian.Uint64(got); n != goroutines*rounds {
		t.Fatalf("counted %d, want %d", n, goroutines*rounds)
	}
}

// Every call of the package in many goroutines, with a Close in the middle of them: each call works
// or says that the database is closed.
func TestCloseWhileEverythingRuns(t *testing.T) {
	rounds := 30
	if testing.Short() {
		rounds = 5
	}
	for round := 0; round < rounds; round++ {
		db, err := OpenMemory(WithShards(2))
		ok(t, err)
		key := []byte("k")
		ok(t, db.Put(key, pattern(5000, 1)))
		all := calls(db, key)
		for name, call := range upkeep(t, db) {
			if name != "Backup" { // not for a database in memory
				all[name] = call
			}
		}
		var wg sync.WaitGroup
		var done atomic.Int64
		for name, call := range all {
			wg.Add(1)
			go func(name string, call func() error) {
				defer wg.Done()
				for {
					err := call()
					if err == ErrClosed {
						return
					}
					done.Add(1)
					if err != nil && !errors.Is(err, ErrNotFound) && !errors.Is(err, ErrConflict) &&
						!errors.Is(err, ErrInvalidArgument) { // a token from nowhere
						t.Errorf("%s: %v", name, err)
						return
					}
				}
			}(name, call)
		}
		time.Sleep(time.Duration(round) * 200 * time.Microsecond)
		closed := make(chan error, 3)
		for i := 0; i < cap(closed); i++ {
			go func() { closed <- db.Close() }()
		}
		for i := 0; i < cap(closed); i++ {
			ok(t, <-closed)
		}
		wg.Wait()
	}
}
