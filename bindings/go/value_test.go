package warp

import (
	"bytes"
	"errors"
	"io"
	"runtime"
	"sync"
	"testing"
)

func TestViewSeesTheStoredBytesUntilItReturns(t *testing.T) {
	db := memory(t)
	want := pattern(1000, 1)
	ok(t, db.Put([]byte("k"), want))
	ok(t, db.View([]byte("k"), func(value []byte) error {
		ok(t, db.Put([]byte("k"), pattern(1000, 2)))
		_, err := db.Delete([]byte("k"))
		ok(t, err)
		ok(t, db.Compact())
		if !bytes.Equal(value, want) {
			t.Error("the bytes changed")
		}
		return nil
	}))
	lacks(t, db, "k")
}

func TestViewReturnsTheErrorOfItsFunction(t *testing.T) {
	db, mine := memory(t), errors.New("mine")
	put(t, db, "k", "v")
	put(t, db, "empty", "")
	for _, key := range []string{"k", "empty"} {
		if err := db.View([]byte(key), func([]byte) error { return mine }); err != mine {
			t.Errorf("%s: %v", key, err)
		}
	}
	is(t, db.View([]byte("missing"), func([]byte) error { t.Error("called"); return nil }), ErrNotFound)
}

func TestViewReleasesAfterAPanic(t *testing.T) {
	db := memory(t)
	put(t, db, "k", "v")
	func() {
		defer func() { _ = recover() }()
		_ = db.View([]byte("k"), func([]byte) error { panic("mine") })
	}()
	holds(t, db, "k", "v")
}

func TestCloseWithinView(t *testing.T) {
	db := memory(t)
	put(t, db, "k", "value")
	ok(t, db.View([]byte("k"), func(value []byte) error {
		ok(t, db.Close())
		if string(value) != "value" {
			t.Errorf("after close the value is %q", value)
		}
		return nil
	}))
}

func TestValueOutlivesItsDatabase(t *testing.T) {
	for _, n := range []int{0, 5, 100_000} {
		db, err := OpenMemory()
		ok(t, err)
		want := pattern(n, 9)
		ok(t, db.Put([]byte("k"), want))
		v, err := db.GetPinned([]byte("k"))
		ok(t, err)
		ok(t, db.Close())
		db = nil
		collect()

		if v.Len() != n || !bytes.Equal(v.Bytes(), want) {
			t.Fatalf("%d bytes: the value changed", n)
		}
		got, err := v.AppendTo([]byte("x"))
		ok(t, err)
		if !bytes.Equal(got[1:], want) {
			t.Fatal("AppendTo differs")
		}
		var buf bytes.Buffer
		written, err := v.WriteTo(&buf)
		ok(t, err)
		if written != int64(n) || !bytes.Equal(buf.Bytes(), want) {
			t.Fatal("WriteTo differs")
		}
		read, err := io.ReadAll(io.NewSectionReader(v, 0, int64(v.Len())))
		ok(t, err)
		if !bytes.Equal(read, want) {
			t.Fatal("ReadAt differs")
		}
		ok(t, v.Close())
	}
}

func TestReadAt(t *testing.T) {
	db := memory(t)
	put(t, db, "k", "0123456789")
	v, err := db.GetPinned([]byte("k"))
	ok(t, err)
	defer v.Close()
	for _, tt := range []struct {
		len  int
		off  int64
		want string
		err  error
	}{
		{4, 0, "0123", nil}, {4, 6, "6789", nil}, {4, 8, "89", io.EOF}, {10, 0, "0123456789", nil},
		{1, 10, "", io.EOF}, {1, 1 << 40, "", io.EOF}, {1, -1, "", ErrInvalidArgument},
	} {
		p := make([]byte, tt.len)
		n, err := v.ReadAt(p, tt.off)
		if string(p[:n]) != tt.want || !errors.Is(err, tt.err) {
			t.Errorf("ReadAt(%d, %d): %q, %v, want %q, %v", tt.len, tt.off, p[:n], err, tt.want, tt.err)
		}
	}
}

func TestClosedValue(t *testing.T) {
	db := memory(t)
	put(t, db, "k", "v")
	put(t, db, "empty", "")
	for _, key := range []string{"k", "empty"} {
		v, err := db.GetPinned([]byte(key))
		ok(t, err)
		ok(t, v.Close())
		ok(t, v.Close())
		if v.Bytes() != nil {
			t.Error("bytes of a closed value")
		}
		_, err = v.AppendTo(nil)
		is(t, err, ErrClosed)
		_, err = v.ReadAt(make([]byte, 1), 0)
		is(t, err, ErrClosed)
		_, err = v.WriteTo(io.Discard)
		is(t, err, ErrClosed)
	}
}

func TestValueIsSharedByGoroutines(t *testing.T) {
	db := memory(t)
	want := pattern(10_000, 3)
	ok(t, db.Put([]byte("k"), want))
	v, err := db.GetPinned([]byte("k"))
	ok(t, err)
	var wg sync.WaitGroup
	for g := 0; g < 8; g++ {
		wg.Add(1)
		go func() {
			defer wg.Done()
			for {
				got, err := v.AppendTo(nil)
				if err == ErrClosed {
					return
				}
				if err != nil || !bytes.Equal(got, want) {
					t.Errorf("%d bytes, %v", len(got), err)
					return
				}
			}
		}()
	}
	runtime.Gosched()
	ok(t, v.Close())
	wg.Wait()
}

// Handles that nobody closes are freed by the collector, in any order, while others are in use.
func TestDroppedHandles(t *testing.T) {
	for i := 0; i < 20; i++ {
		db, err := OpenMemory(WithShards(1))
		ok(t, err)
		value := pattern(50_000, byte(i))
		ok(t, db.Put([]byte("k"), value))
		v, err := db.GetPinned([]byte("k"))
		ok(t, err)
		it, err := db.NewIter(nil)
		ok(t, err)
		if i%2 == 0 {
			db = nil // before the value and the iterator, else with them
		}
		collect()
		if !bytes.Equal(v.Bytes(), value) {
			t.Fatal("a value changed")
		}
		if !it.Next() || !bytes.Equal(it.Value(), value) {
			t.Fatal("an iterator lost its entry")
		}
		_ = db
	}
	collect()
}

// collect runs the collector often enough for finalizers to run and their objects to go.
func collect() {
	for i := 0; i < 3; i++ {
		runtime.GC()
		runtime.Gosched()
	}
}
