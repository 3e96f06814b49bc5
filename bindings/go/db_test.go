package warp

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"reflect"
	"strings"
	"testing"
)

var _ io.Closer = (*DB)(nil)

// Lengths around the scratch buffer of Get, the pages of an iterator and a segment's first size.
var valueLens = []int{0, 1, 15, 16, 100, 1024, 4095, 4096, 4097, 65536, 1 << 20}

func TestValuesOfEveryLengthComeBack(t *testing.T) {
	db := memory(t)
	for _, n := range valueLens {
		t.Run(fmt.Sprint(n), func(t *testing.T) {
			key, want := []byte(fmt.Sprintf("len:%d", n)), pattern(n, byte(n))
			ok(t, db.Put(key, want))
			reads := map[string]func() ([]byte, error){
				"Get":               func() ([]byte, error) { return db.Get(key) },
				"TryGet":            func() ([]byte, error) { return db.TryGet(key) },
				"AppendGet(nil)":    func() ([]byte, error) { return db.AppendGet(nil, key) },
				"AppendTryGet(nil)": func() ([]byte, error) { return db.AppendTryGet(nil, key) },
				"AppendGet(exact)":  func() ([]byte, error) { return db.AppendGet(make([]byte, 0, n), key) },
				"AppendGet(short)": func() ([]byte, error) {
					return db.AppendGet(make([]byte, 0, n/2), key)
				},
				"AppendGet(prefix)": func() ([]byte, error) {
					got, err := db.AppendGet([]byte("prefix"), key)
					if !bytes.HasPrefix(got, []byte("prefix")) {
						return nil, errors.New("what was in dst is gone")
					}
					return got[len("prefix"):], err
				},
				"View": func() (got []byte, err error) {
					err = db.View(key, func(value []byte) error {
						got = append([]byte{}, value...)
						return nil
					})
					return got, err
				},
				"GetMulti": func() ([]byte, error) {
					got, err := db.GetMulti([][]byte{[]byte("missing"), key})
					if err != nil {
						return nil, err
					}
					return got[1], nil
				},
			}
			for name, read := range reads {
				got, err := read()
				if err != nil || got == nil || !bytes.Equal(got, want) {
					t.Errorf("%s: %d bytes (nil: %v), %v, want %d", name, len(got), got == nil, err, n)
				}
			}
		})
	}
}

func TestKeysAreBytes(t *testing.T) {
	db := memory(t)
	keys := []string{
		"a", "\x00", "\x00\x00", "a\x00", "a\x00b", "\xff", "\xff\xfe\xfd", "\xc3\x28", "ключ", "🗝",
		strings.Repeat("k", 255), strings.Repeat("k", 256), strings.Repeat("\x00", MaxKeyLen),
	}
	for i, key := range keys {
		put(t, db, key, fmt.Sprint(i))
	}
	for i, key := range keys {
		holds(t, db, key, fmt.Sprint(i))
		exists, err := db.Exists([]byte(key))
		ok(t, err)
		if !exists {
			t.Errorf("key %.20q does not exist", key)
		}
	}
	lacks(t, db, "b")
}

func TestOverwriteAndDelete(t *testing.T) {
	db := memory(t)
	lacks(t, db, "k")
	put(t, db, "k", "first")
	put(t, db, "k", "a second one, which is longer")
	holds(t, db, "k", "a second one, which is longer")
	put(t, db, "k", "")
	holds(t, db, "k", "")
	for _, want := range []bool{true, false} {
		existed, err := db.Delete([]byte("k"))
		ok(t, err)
		if existed != want {
			t.Fatalf("delete says %v, want %v", existed, want)
		}
		lacks(t, db, "k")
	}
	exists, err := db.Exists([]byte("k"))
	ok(t, err)
	if exists {
		t.Fatal("a deleted key exists")
	}
	put(t, db, "k", "again")
	holds(t, db, "k", "again")
}

func TestCallsKeepNoReference(t *testing.T) {
	db := memory(t)
	key, value := []byte("key"), []byte("value")
	ok(t, db.Put(key, value))
	copy(key, "xxx")
	copy(value, "xxxxx")
	holds(t, db, "key", "value")
	got, err := db.Get([]byte("key"))
	ok(t, err)
	got[0] = 'X'
	holds(t, db, "key", "value")
}

func TestAppendGetGivesBackDstAfterAnError(t *testing.T) {
	db := memory(t)
	dst := []byte("kept")
	got, err := db.AppendGet(dst, []byte("missing"))
	is(t, err, ErrNotFound)
	if string(got) != "kept" {
		t.Fatalf("dst is %q", got)
	}
}

func TestCompareAndSwap(t *testing.T) {
	type bs = []byte
	tests := []struct {
		name              string
		before            bs
		expected, desired bs
		err               error
		after             bs
	}{
		{"create", nil, nil, bs("new"), nil, bs("new")},
		{"create over one", bs("old"), nil, bs("new"), ErrConflict, bs("old")},
		{"create over an empty one", bs(""), nil, bs("new"), ErrConflict, bs("")},
		{"replace", bs("old"), bs("old"), bs("new"), nil, bs("new")},
		{"replace another", bs("other"), bs("old"), bs("new"), ErrConflict, bs("other")},
		{"replace none", nil, bs("old"), bs("new"), ErrConflict, nil},
		{"replace an empty one", bs(""), bs(""), bs("new"), nil, bs("new")},
		{"expect an empty one, find none", nil, bs(""), bs("new"), ErrConflict, nil},
		{"prefix is another", bs("old"), bs("ol"), bs("new"), ErrConflict, bs("old")},
		{"store an empty one", bs("old"), bs("old"), bs(""), nil, bs("")},
		{"delete", bs("old"), bs("old"), nil, nil, nil},
		{"delete another", bs("other"), bs("old"), nil, ErrConflict, bs("other")},
		{"none stays none", nil, nil, nil, nil, nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			db, key := memory(t), bs("k")
			if tt.before != nil {
				ok(t, db.Put(key, tt.before))
			}
			if err := db.CompareAndSwap(key, tt.expected, tt.desired); !errors.Is(err, tt.err) {
				t.Fatalf("error is %v, want %v", err, tt.err)
			}
			got, err := db.Get(key)
			if tt.after == nil {
				is(t, err, ErrNotFound)
			} else if ok(t, err); !bytes.Equal(got, tt.after) {
				t.Fatalf("value is %q, want %q", got, tt.after)
			}
		})
	}
}

// calls is every method of a DB that reaches the engine, with the key that the test wants.
func calls(db *DB, key []byte) map[string]func() error {
	return map[string]func() error{
		"Get":          func() error { _, err := db.Get(key); return err },
		"AppendGet":    func() error { _, err := db.AppendGet(nil, key); return err },
		"TryGet":       func() error { _, err := db.TryGet(key); return err },
		"AppendTryGet": func() error { _, err := db.AppendTryGet(nil, key); return err },
		"AppendGetIfChanged": func() error {
			_, _, err := db.AppendGetIfChanged(nil, key, 0)
			return err
		},
		"AppendTryGetIfChanged": func() error {
			_, _, err := db.AppendTryGetIfChanged(nil, key, 0)
			return err
		},
		"View": func() error { return db.View(key, func([]byte) error { return nil }) },
		"GetPinned": func() error {
			v, err := db.GetPinned(key)
			if err == nil {
				v.Close()
			}
			return err
		},
		"GetMulti":       func() error { _, err := db.GetMulti([][]byte{key}); return err },
		"ViewMulti":      func() error { return db.ViewMulti([][]byte{key}, func(int, []byte) error { return nil }) },
		"Exists":         func() error { _, err := db.Exists(key); return err },
		"Put":            func() error { return db.Put(key, []byte("v")) },
		"Delete":         func() error { _, err := db.Delete(key); return err },
		"CompareAndSwap": func() error { return db.CompareAndSwap(key, nil, []byte("v")) },
		"Write": func() error {
			var b Batch
			b.Put(key, []byte("v"))
			return db.Write(&b)
		},
		"PutHinted": func() error { return db.PutHinted(key, []byte("v"), Cold) },
		"TryExists": func() error { _, err := db.TryExists(key); return err },
		"TryView":   func() error { return db.TryView(key, func([]byte) error { return nil }) },
		"TryGetPinned": func() error {
			v, err := db.TryGetPinned(key)
			if err == nil {
				v.Close()
			}
			return err
		},
		"WriteWouldWait": func() error { _, err := db.WriteWouldWait(key); return err },
		"ShardOf":        func() error { _, err := db.ShardOf(key); return err },
		"Link":           func() error { return db.Link(key, []byte("other"), 0.5) },
		"Unlink":         func() error { _, err := db.Unlink(key, []byte("other")); return err },
		"GetLinked":      func() error { _, err := db.GetLinked(key); return err },
		"Partners":       func() error { _, err := db.Partners(key); return err },
		"ViewLinked":     func() error { return db.ViewLinked(key, func(int, Linked) error { return nil }) },
	}
}

// A method that the lists above and in durability_test.go lack is not tested after Close, during
// Close, or with wrong keys.
func TestEveryMethodIsInTheLists(t *testing.T) {
	listed := calls(nil, nil)
	for name := range upkeep(t, nil) {
		listed[name] = nil
	}
	// Close is what the others are tested against, Write calls WriteEncoded, and iteration by a
	// range has tests of its own.
	for _, name := range []string{"Close", "WriteEncoded", "All", "Prefix"} {
		listed[name] = nil
	}
	methods := reflect.TypeOf((*DB)(nil))
	for i := 0; i < methods.NumMethod(); i++ {
		if _, there := listed[methods.Method(i).Name]; !there {
			t.Errorf("%s is in no list", methods.Method(i).Name)
		}
	}
}

func TestKeysOverTheLimitsAreRefused(t *testing.T) {
	db := memory(t)
	tests := []struct {
		name string
		key  []byte
		want error
	}{
		{"nil", nil, ErrInvalidArgument},
		{"empty", []byte{}, ErrInvalidArgument},
		{"too long", make([]byte, MaxKeyLen+1), ErrTooLarge},
	}
	for _, tt := range tests {
		for name, call := range calls(db, tt.key) {
			err := call()
			if !errors.Is(err, tt.want) {
				t.Errorf("%s with a key that is %s: %v, want %v", name, tt.name, err, tt.want)
				continue
			}
			if tt.want == ErrTooLarge && !strings.Contains(err.Error(), "65536") {
				t.Errorf("%s: %q does not name the length", name, err)
			}
		}
	}
	stats, err := db.Stats()
	ok(t, err)
	if stats.Keys != 0 {
		t.Fatalf("%d keys were stored", stats.Keys)
	}
}

func TestValueOverTheLimitIsRefused(t *testing.T) {
	if testing.Short() {
		t.Skip("reserves 1 GiB of addresses")
	}
	db := memory(t)
	huge := make([]byte, MaxValueLen+1) // never touched, so it takes no memory
	is(t, db.Put([]byte("k"), huge), ErrTooLarge)
	var b Batch
	b.Put([]byte("k"), huge)
	is(t, db.Write(&b), ErrTooLarge)
	lacks(t, db, "k")
}

func TestEveryCallOnAClosedDatabaseSaysSo(t *testing.T) {
	db, err := OpenMemory()
	ok(t, err)
	put(t, db, "k", "v")
	ok(t, db.Close())
	all := calls(db, []byte("k"))
	for name, call := range upkeep(t, db) {
		all[name] = call
	}
	for name, call := range all {
		if err := call(); err != ErrClosed {
			t.Errorf("%s: %v, want %v", name, err, ErrClosed)
		}
	}
	ok(t, db.Close())
	ok(t, db.Close())
}
