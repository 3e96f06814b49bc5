package warp

import (
	"bytes"
	"encoding/binary"
	"errors"
	"testing"
)

func TestReadsThatDoNotWaitAnswerAtOnceFromMemory(t *testing.T) {
	db := memory(t)
	put(t, db, "k", "12345")
	put(t, db, "empty", "")

	v, err := db.TryGetPinned([]byte("k"))
	ok(t, err)
	defer v.Close()
	seen := false
	ok(t, db.TryView([]byte("k"), func(value []byte) error {
		seen = string(value) == "12345"
		return nil
	}))
	if !seen {
		t.Fatal("TryView gave another value")
	}
	there, err := db.TryExists([]byte("k"))
	if err != nil || !there {
		t.Fatalf("exists: %v, %v", there, err)
	}

	put(t, db, "k", "another")
	if string(v.Bytes()) != "12345" {
		t.Fatalf("a pinned value changed to %q", v.Bytes())
	}
	empty, err := db.TryGetPinned([]byte("empty"))
	ok(t, err)
	if empty.Bytes() == nil || empty.Len() != 0 {
		t.Fatal("an empty value is not nil")
	}
	ok(t, empty.Close())

	missing := []byte("missing")
	_, err = db.TryGetPinned(missing)
	is(t, err, ErrNotFound)
	is(t, db.TryView(missing, func([]byte) error { t.Error("called"); return nil }), ErrNotFound)
	there, err = db.TryExists(missing)
	if err != nil || there {
		t.Fatalf("exists: %v, %v", there, err)
	}
	stop := errors.New("stop")
	is(t, db.TryView([]byte("k"), func([]byte) error { return stop }), stop)
}

// Far more data than the memory limit: the reads that do not wait give what those that wait give,
// or say that they would have to.
func TestReadsThatDoNotWaitAgreeWithThoseThatDo(t *testing.T) {
	db := reopen(t, t.TempDir(), WithShards(2), WithMemoryLimit(1<<20))
	defer db.Close()
	const keys, size = 3000, 4000
	key := func(i int) []byte { return binary.LittleEndian.AppendUint32(nil, uint32(i)) }
	for i := 0; i < keys; i++ {
		ok(t, db.Put(key(i), pattern(size, byte(i))))
	}
	answered := 0
	for i := 0; i < keys; i++ {
		want := pattern(size, byte(i))
		if there, err := db.TryExists(key(i)); err != nil && err != ErrWouldBlock || err == nil && !there {
			t.Fatalf("key %d: %v, %v", i, there, err)
		}
		v, err := db.TryGetPinned(key(i))
		if err == nil {
			answered++
			if !bytes.Equal(v.Bytes(), want) {
				t.Fatalf("key %d has another value", i)
			}
			ok(t, v.Close())
		} else {
			is(t, err, ErrWouldBlock)
		}
		holds(t, db, string(key(i)), string(want))
		// What was read a moment ago is in the cache.
		ok(t, db.TryView(key(i), func(value []byte) error {
			if !bytes.Equal(value, want) {
				t.Fatalf("key %d has another value in the cache", i)
			}
			return nil
		}))
	}
	if answered == 0 {
		t.Fatal("no read was answered without waiting")
	}
}

// In memory no write waits; under the durability sync each does, for the device.
func TestWritesThatWouldWait(t *testing.T) {
	wait := func(db *DB) (of, any bool) {
		t.Helper()
		of, err := db.WriteWouldWait([]byte("k"))
		ok(t, err)
		any, err = db.WritesWouldWait()
		ok(t, err)
		return of, any
	}
	if of, any := wait(memory(t)); of || any {
		t.Errorf("in memory: %v, %v", of, any)
	}
	db := reopen(t, t.TempDir(), WithDurability(DurabilitySync))
	defer db.Close()
	if of, any := wait(db); !of || !any {
		t.Errorf("under sync: %v, %v", of, any)
	}
}
