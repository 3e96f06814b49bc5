package warp

import (
	"errors"
	"fmt"
	"testing"
)

func TestGetMulti(t *testing.T) {
	db := memory(t)
	for _, n := range []int{0, 1, 2, 31, 32, 33, 1000} {
		var keys [][]byte
		for i := 0; i < n; i++ {
			key := []byte(fmt.Sprintf("%d:%d", n, i))
			keys = append(keys, key)
			switch i % 3 {
			case 0:
				ok(t, db.Put(key, key))
			case 1:
				ok(t, db.Put(key, nil))
			}
		}
		values, err := db.GetMulti(keys)
		ok(t, err)
		if len(values) != n {
			t.Fatalf("%d values for %d keys", len(values), n)
		}
		check := func(i int, value []byte) error {
			switch {
			case i%3 == 0 && string(value) != string(keys[i]),
				i%3 == 1 && (value == nil || len(value) != 0),
				i%3 == 2 && value != nil:
				return fmt.Errorf("key %d of %d: %q", i, n, value)
			}
			return nil
		}
		for i, value := range values {
			ok(t, check(i, value))
		}
		calls := 0
		ok(t, db.ViewMulti(keys, func(i int, value []byte) error {
			if i != calls {
				return errors.New("out of order")
			}
			calls++
			return check(i, value)
		}))
		if calls != n {
			t.Fatalf("%d calls for %d keys", calls, n)
		}
	}
}

func TestValuesOfOneBlockDoNotTouch(t *testing.T) {
	db := memory(t)
	put(t, db, "a", "aaa")
	put(t, db, "b", "bbb")
	values, err := db.GetMulti([][]byte{[]byte("a"), []byte("b")})
	ok(t, err)
	_ = append(values[0], "xxx"...)
	if string(values[1]) != "bbb" {
		t.Fatalf("appending to a value wrote into the next: %q", values[1])
	}
}

func TestSameKeyTwice(t *testing.T) {
	db := memory(t)
	put(t, db, "a", "aaa")
	values, err := db.GetMulti([][]byte{[]byte("a"), []byte("a")})
	ok(t, err)
	if string(values[0]) != "aaa" || string(values[1]) != "aaa" {
		t.Fatalf("%q", values)
	}
}

func TestViewMultiStopsAtAnError(t *testing.T) {
	db, mine := memory(t), errors.New("mine")
	put(t, db, "a", "aaa")
	calls := 0
	err := db.ViewMulti([][]byte{[]byte("a"), []byte("a")}, func(int, []byte) error { calls++; return mine })
	if err != mine || calls != 1 {
		t.Fatalf("%v after %d calls", err, calls)
	}
}

func TestMultiNamesTheWrongKey(t *testing.T) {
	db := memory(t)
	put(t, db, "a", "aaa")
	_, err := db.GetMulti([][]byte{[]byte("a"), nil, []byte("a")})
	is(t, err, ErrInvalidArgument)
	_, err = db.GetMulti([][]byte{[]byte("a"), make([]byte, MaxKeyLen+1)})
	is(t, err, ErrTooLarge)
}
