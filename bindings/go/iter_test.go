package warp

import (
	"bytes"
	"fmt"
	"io"
	"testing"
)

var _ io.Closer = (*Iter)(nil)

// entries gathers what an iterator sees, and fails when it sees a key twice.
func entries(t testing.TB, it *Iter) map[string]string {
	t.Helper()
	got := map[string]string{}
	for it.Next() {
		if _, twice := got[string(it.Key())]; twice {
			t.Fatalf("key %q came twice", it.Key())
		}
		got[string(it.Key())] = string(it.Value())
	}
	ok(t, it.Err())
	if it.Next() || it.Key() != nil || it.Value() != nil {
		t.Fatal("something after the end")
	}
	return got
}

func iterate(t testing.TB, db *DB, prefix string) map[string]string {
	t.Helper()
	it, err := db.NewIter([]byte(prefix))
	ok(t, err)
	defer it.Close()
	return entries(t, it)
}

func same(t testing.TB, got, want map[string]string) {
	t.Helper()
	for key, value := range want {
		if g, there := got[key]; !there || g != value {
			t.Fatalf("key %.40q: %.40q (%v), want %.40q", key, g, there, value)
		}
	}
	if len(got) != len(want) {
		t.Fatalf("%d entries, want %d", len(got), len(want))
	}
}

func TestIterSeesEveryKeyOnce(t *testing.T) {
	db, want := memory(t), map[string]string{}
	same(t, iterate(t, db, ""), want)
	for i := 0; i < 5000; i++ { // several pages
		key, value := fmt.Sprintf("key:%d", i), string(pattern(i%300, byte(i)))
		put(t, db, key, value)
		want[key] = value
	}
	same(t, iterate(t, db, ""), want)
	ones := map[string]string{}
	for key, value := range want {
		if len(key) >= 6 && key[:5] == "key:1" || key == "key:1" {
			ones[key] = value
		}
	}
	same(t, iterate(t, db, "key:1"), ones)
	same(t, iterate(t, db, "other"), map[string]string{})
}

func TestIterWithEntriesLargerThanAPage(t *testing.T) {
	db, want := memory(t), map[string]string{}
	for i, n := range []int{10, pageSize - 20, pageSize - 8, pageSize, pageSize + 1, 1 << 20, 0, 3 << 20, 10} {
		key := fmt.Sprintf("k%d", i)
		put(t, db, key, string(pattern(n, byte(i))))
		want[key] = string(pattern(n, byte(i)))
	}
	same(t, iterate(t, db, ""), want)
}

func TestIterPrefixesAreBytes(t *testing.T) {
	db := memory(t)
	for _, key := range []string{"\x00", "\x00a", "\xff", "\xff\xff", "a\x00b", "a"} {
		put(t, db, key, key)
	}
	same(t, iterate(t, db, "\x00"), map[string]string{"\x00": "\x00", "\x00a": "\x00a"})
	same(t, iterate(t, db, "\xff"), map[string]string{"\xff": "\xff", "\xff\xff": "\xff\xff"})
	same(t, iterate(t, db, "a\x00"), map[string]string{"a\x00b": "a\x00b"})
}

func TestIterOutlivesItsDatabase(t *testing.T) {
	db, err := OpenMemory()
	ok(t, err)
	want := map[string]string{}
	for i := 0; i < 3000; i++ {
		key := fmt.Sprint(i)
		put(t, db, key, string(pattern(100, byte(i))))
		want[key] = string(pattern(100, byte(i)))
	}
	it, err := db.NewIter(nil)
	ok(t, err)
	defer it.Close()
	ok(t, db.Close())
	db = nil
	collect()
	same(t, entries(t, it), want)
}

func TestIterSeesWhatExistsForItsWholeLife(t *testing.T) {
	db := memory(t)
	for i := 0; i < 2000; i++ {
		put(t, db, fmt.Sprintf("stays:%d", i), "v")
		put(t, db, fmt.Sprintf("goes:%d", i), "v")
	}
	it, err := db.NewIter([]byte("stays:"))
	ok(t, err)
	defer it.Close()
	seen := map[string]bool{}
	for i := 0; it.Next(); i++ {
		seen[string(it.Key())] = true
		if i < 2000 {
			_, err := db.Delete([]byte(fmt.Sprintf("goes:%d", i)))
			ok(t, err)
			put(t, db, fmt.Sprintf("comes:%d", i), "v")
			put(t, db, fmt.Sprintf("stays:%d", i), "another value, longer than it was")
		}
	}
	ok(t, it.Err())
	if len(seen) != 2000 {
		t.Fatalf("%d of 2000 keys were seen", len(seen))
	}
}

func TestClosedIter(t *testing.T) {
	db := memory(t)
	put(t, db, "a", "1")
	put(t, db, "b", "2")
	it, err := db.NewIter(nil)
	ok(t, err)
	if !it.Next() {
		t.Fatal("no entry")
	}
	ok(t, it.Close())
	ok(t, it.Close())
	ok(t, it.Err())
	if it.Next() || it.Key() != nil {
		t.Fatal("an entry after Close")
	}
	is(t, it.Err(), ErrClosed)

	it, err = db.NewIter(nil)
	ok(t, err)
	for it.Next() {
	}
	ok(t, it.Close())
	if it.Next() {
		t.Fatal("an entry after the end")
	}
	ok(t, it.Err())
}

func TestIterClosedByAnotherGoroutine(t *testing.T) {
	db := memory(t)
	for i := 0; i < 2000; i++ {
		put(t, db, fmt.Sprint(i), string(pattern(200, byte(i))))
	}
	for round := 0; round < 50; round++ {
		it, err := db.NewIter(nil)
		ok(t, err)
		done := make(chan error)
		go func() { done <- it.Close() }()
		for it.Next() {
			if !bytes.Equal(it.Value()[:1], pattern(1, it.Value()[0])) {
				t.Error("a value changed")
			}
		}
		if err := it.Err(); err != nil && err != ErrClosed {
			t.Error(err)
		}
		ok(t, <-done)
	}
}
