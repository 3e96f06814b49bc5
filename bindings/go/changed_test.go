package warp

import (
	"errors"
	"fmt"
	"testing"
)

// Each way to read a value unless it is known.
func ifChanged(db *DB) map[string]func(dst, key []byte, known uint64) ([]byte, uint64, error) {
	return map[string]func(dst, key []byte, known uint64) ([]byte, uint64, error){
		"AppendGetIfChanged":    db.AppendGetIfChanged,
		"AppendTryGetIfChanged": db.AppendTryGetIfChanged,
	}
}

func TestAValueIsReadOnlyIfItHasChanged(t *testing.T) {
	for _, n := range []int{0, 1, 100, 5000, 100_000} {
		for name := range ifChanged(memory(t)) {
			t.Run(fmt.Sprintf("%s/%d", name, n), func(t *testing.T) {
				db := memory(t)
				read, key := ifChanged(db)[name], []byte("key")
				_, revision, err := read(nil, key, 0)
				is(t, err, ErrNotFound)
				if revision != 0 {
					t.Fatalf("what is not there has revision %d", revision)
				}
				value := make([]byte, n)
				seen := map[uint64]bool{}
				// The same bytes again, and after a delete, are other values.
				for i := 0; i < 4; i++ {
					if i == 2 {
						_, err := db.Delete(key)
						ok(t, err)
						_, _, err = read(nil, key, 0)
						is(t, err, ErrNotFound)
					}
					ok(t, db.Put(key, value))
					got, revision, err := read([]byte("dst"), key, 0)
					ok(t, err)
					if string(got) != "dst"+string(value) || revision == 0 || seen[revision] {
						t.Fatalf("%d bytes of revision %d, after %v", len(got), revision, seen)
					}
					for known := range seen {
						_, now, err := read(nil, key, known)
						ok(t, err)
						if now != revision {
							t.Fatalf("revision %d is now %d", revision, now)
						}
					}
					seen[revision] = true
					got, now, err := read([]byte("dst"), key, revision)
					if !errors.Is(err, ErrUnchanged) || string(got) != "dst" || now != revision {
						t.Fatalf("%q, revision %d for %d: %v", got, now, revision, err)
					}
				}
			})
		}
	}
}

func TestAReadOfWhatIsUnchangedAllocatesNothing(t *testing.T) {
	db, key, buf := memory(t), []byte("key"), make([]byte, 0, 64)
	put(t, db, "key", "value")
	_, known, err := db.AppendGetIfChanged(buf, key, 0)
	ok(t, err)
	for name, known := range map[string]uint64{"unchanged": known, "changed": 0} {
		n := testing.AllocsPerRun(100, func() {
			if _, _, err := db.AppendGetIfChanged(buf, key, known); err != nil && err != ErrUnchanged {
				t.Fatal(err)
			}
		})
		if n != 0 && !raceEnabled {
			t.Errorf("%s: %v allocations", name, n)
		}
	}
}

func TestPartnersAreListedWhetherTheyExistOrNot(t *testing.T) {
	db := memory(t)
	ok(t, db.Link([]byte("a"), []byte("missing"), 0.5))
	ok(t, db.Link([]byte("a"), []byte("b"), 1))
	put(t, db, "b", "of b")
	partners, err := db.Partners([]byte("a"))
	ok(t, err)
	if len(partners) != 2 || string(partners[0].Key) != "b" || partners[0].Strength != 1 ||
		string(partners[1].Key) != "missing" || partners[1].Strength != 0.5 ||
		partners[0].Value != nil || partners[1].Value != nil {
		t.Fatalf("%+v", partners)
	}
	partners, err = db.Partners([]byte("b"))
	ok(t, err)
	if len(partners) != 0 {
		t.Fatalf("%+v", partners)
	}
}
