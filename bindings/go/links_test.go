package warp

import (
	"errors"
	"fmt"
	"math"
	"runtime"
	"testing"
)

func fillLinks(t testing.TB, db *DB) {
	t.Helper()
	for _, key := range []string{"a", "b", "c", "user:1", "profile:1"} {
		put(t, db, key, "of "+key)
	}
	put(t, db, "empty", "")
}

// linkedAre checks the partners of key, key itself included, in both ways to read them.
func linkedAre(t testing.TB, db *DB, key string, want ...Linked) {
	t.Helper()
	got, err := db.GetLinked([]byte(key))
	ok(t, err)
	if len(got) != len(want) {
		t.Fatalf("%s has %d: %+v", key, len(got), got)
	}
	for i, one := range got {
		if string(one.Key) != string(want[i].Key) || string(one.Value) != string(want[i].Value) ||
			one.Strength != want[i].Strength || one.Value == nil {
			t.Fatalf("%s: number %d is %+v, want %+v", key, i, one, want[i])
		}
	}
	n := 0
	ok(t, db.ViewLinked([]byte(key), func(i int, one Linked) error {
		if i != n || string(one.Key) != string(want[i].Key) ||
			string(one.Value) != string(want[i].Value) || one.Strength != want[i].Strength {
			t.Fatalf("%s: number %d is seen as %d: %+v", key, n, i, one)
		}
		n++
		return nil
	}))
	if n != len(want) {
		t.Fatalf("%s: %d of %d were seen", key, n, len(want))
	}
}

func of(key string, strength float64) Linked {
	return Linked{[]byte(key), []byte("of " + key), strength}
}

func TestPartnersComeTheStrongestFirst(t *testing.T) {
	dir := t.TempDir()
	db := reopen(t, dir)
	fillLinks(t, db)
	a, b, c := []byte("a"), []byte("b"), []byte("c")
	linkedAre(t, db, "a", of("a", 1))
	ok(t, db.Link(a, b, 0.25))
	ok(t, db.Link(a, c, 0.5))
	ok(t, db.Link(a, []byte("missing"), 1))
	linkedAre(t, db, "a", of("a", 1), of("c", 0.5), of("b", 0.25))
	linkedAre(t, db, "b", of("b", 1)) // one direction
	ok(t, db.Link(a, b, 0.75))
	linkedAre(t, db, "a", of("a", 1), of("b", 0.75), of("c", 0.5))
	ok(t, db.Link(a, []byte("empty"), 0.125))
	existed, err := db.Unlink(a, b)
	if err != nil || !existed {
		t.Fatalf("unlinked: %v, %v", existed, err)
	}
	existed, err = db.Unlink(a, b)
	if err != nil || existed {
		t.Fatalf("unlinked again: %v, %v", existed, err)
	}
	ok(t, db.Close())

	db = reopen(t, dir)
	defer db.Close()
	linkedAre(t, db, "a", of("a", 1), of("c", 0.5), Linked{[]byte("empty"), nil, 0.125})
	ok(t, db.AddRule(userRule))
	linkedAre(t, db, "user:1", of("user:1", 1), of("profile:1", 1))
	linkedAre(t, db, "profile:1", of("profile:1", 1), of("user:1", 1))
	linkedAre(t, db, "empty", Linked{[]byte("empty"), nil, 1})
	_, err = db.GetLinked([]byte("missing"))
	is(t, err, ErrNotFound)
}

func TestWrongLinksAreRefused(t *testing.T) {
	db := memory(t)
	a, b := []byte("a"), []byte("b")
	put(t, db, "a", "of a")
	for _, strength := range []float64{0, -1, 1.5, math.NaN(), math.Inf(1), math.Inf(-1)} {
		is(t, db.Link(a, b, strength), ErrInvalidArgument)
	}
	is(t, db.Link(a, a, 1), ErrInvalidArgument)
	is(t, db.Link(a, nil, 1), ErrInvalidArgument)
	is(t, db.Link(a, make([]byte, MaxKeyLen+1), 1), ErrTooLarge)
	_, err := db.Unlink(a, nil)
	is(t, err, ErrInvalidArgument)
	linkedAre(t, db, "a", of("a", 1))
	for i := 0; i < 32; i++ {
		ok(t, db.Link(a, []byte(fmt.Sprint(i)), 0.5))
	}
	is(t, db.Link(a, b, 0.5), ErrInvalidArgument)
	ok(t, db.Link(a, []byte("7"), 1)) // one that is there
}

func TestViewLinkedEndsWithTheErrorOfItsFunction(t *testing.T) {
	db := memory(t)
	fillLinks(t, db)
	ok(t, db.Link([]byte("a"), []byte("b"), 1))
	stop := errors.New("stop")
	calls := 0
	is(t, db.ViewLinked([]byte("a"), func(int, Linked) error { calls++; return stop }), stop)
	if calls != 1 {
		t.Fatalf("called %d times", calls)
	}
}

// What a read gave stays as it was, whatever is written or closed meanwhile.
func TestLinkedValuesOutliveTheirDatabase(t *testing.T) {
	db, err := OpenMemory()
	ok(t, err)
	fillLinks(t, db)
	ok(t, db.Link([]byte("a"), []byte("b"), 1))
	kept, err := db.GetLinked([]byte("a"))
	ok(t, err)
	ok(t, db.ViewLinked([]byte("a"), func(i int, one Linked) error {
		if i == 0 {
			put(t, db, "b", "another")
			ok(t, db.Close())
			return nil
		}
		if string(one.Value) != "of b" {
			t.Errorf("the value changed to %q", one.Value)
		}
		return nil
	}))
	if string(kept[1].Value) != "of b" {
		t.Errorf("the copy changed to %q", kept[1].Value)
	}
	kept[0].Value = append(kept[0].Value, "longer"...)
	if string(kept[1].Key) != "b" {
		t.Error("appending to one copy changed another")
	}
}

// Reads of one thread that follow each other make partners, where the option says so.
func TestLinksAreLearned(t *testing.T) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	for _, learns := range []bool{true, false} {
		db, err := OpenMemory(WithLearnLinks(learns), WithPrefetchLinks(learns))
		ok(t, err)
		fillLinks(t, db)
		for i := 0; i < 50; i++ {
			for _, key := range []string{"a", "b", "c", "user:1", "profile:1"} {
				holds(t, db, key, "of "+key)
			}
		}
		got, err := db.GetLinked([]byte("a"))
		ok(t, err)
		learned := false
		for _, one := range got[1:] {
			learned = learned || string(one.Key) == "b" && string(one.Value) == "of b"
		}
		if learned != learns {
			t.Errorf("learns %v: partners of a are %+v", learns, got)
		}
		ok(t, db.Close())
	}
}
