package warp

import (
	"bytes"
	"errors"
	"testing"
)

// memory opens a database in memory for the length of a test.
func memory(t testing.TB) *DB {
	t.Helper()
	db, err := OpenMemory(WithShards(4))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { ok(t, db.Close()) })
	return db
}

// reopen opens the database in dir; the caller closes it.
func reopen(t testing.TB, dir string, opts ...Option) *DB {
	t.Helper()
	db, err := Open(dir, opts...)
	if err != nil {
		t.Fatal(err)
	}
	return db
}

func ok(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func is(t testing.TB, err, want error) {
	t.Helper()
	if !errors.Is(err, want) {
		t.Fatalf("error is %v, want %v", err, want)
	}
}

func put(t testing.TB, db *DB, key, value string) {
	t.Helper()
	ok(t, db.Put([]byte(key), []byte(value)))
}

// holds checks that key has the value.
func holds(t testing.TB, db *DB, key, value string) {
	t.Helper()
	got, err := db.Get([]byte(key))
	if err != nil {
		t.Fatalf("get %q: %v", key, err)
	}
	if got == nil || string(got) != value {
		t.Fatalf("get %q: %d bytes %.40q, want %d bytes %.40q", key, len(got), got, len(value), value)
	}
}

// lacks checks that key does not exist.
func lacks(t testing.TB, db *DB, key string) {
	t.Helper()
	got, err := db.Get([]byte(key))
	if !errors.Is(err, ErrNotFound) || got != nil {
		t.Fatalf("get %q: %.40q, %v, want not found", key, got, err)
	}
}

// pattern is n bytes that differ by seed.
func pattern(n int, seed byte) []byte {
	return bytes.Repeat([]byte{seed, seed + 1, ^seed, 0, 0xff, seed * 7, 3}, n/7+1)[:n]
}
