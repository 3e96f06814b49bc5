//go:build go1.23

package warp

import (
	"fmt"
	"testing"
)

func TestSequences(t *testing.T) {
	db := memory(t)
	want := map[string]string{}
	for i := 0; i < 3000; i++ {
		key, value := fmt.Sprintf("k%d", i), string(pattern(i%100, byte(i)))
		put(t, db, key, value)
		want[key] = value
	}
	all := db.All()
	for round := 0; round < 2; round++ { // a sequence starts anew
		got := map[string]string{}
		for e, err := range all {
			ok(t, err)
			got[string(e.Key)] = string(e.Value)
		}
		same(t, got, want)
	}
	n := 0
	for e, err := range db.Prefix([]byte("k29")) {
		ok(t, err)
		if string(e.Key[:3]) != "k29" {
			t.Fatalf("key %q", e.Key)
		}
		n++
	}
	if n != 111 {
		t.Fatalf("%d keys, want 111", n)
	}
}

func TestBreakEndsASequence(t *testing.T) {
	db := memory(t)
	for i := 0; i < 100; i++ {
		put(t, db, fmt.Sprint(i), "v")
	}
	n := 0
	for range db.All() {
		if n++; n == 7 {
			break
		}
	}
	if n != 7 {
		t.Fatal(n)
	}
}

func TestSequenceOfAClosedDatabase(t *testing.T) {
	db, err := OpenMemory()
	ok(t, err)
	put(t, db, "k", "v")
	all := db.All()
	ok(t, db.Close())
	n := 0
	for _, err := range all {
		is(t, err, ErrClosed)
		n++
	}
	if n != 1 {
		t.Fatalf("%d turns", n)
	}
}
