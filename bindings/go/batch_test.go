package warp

import (
	"fmt"
	"testing"
)

func TestBatch(t *testing.T) {
	db := memory(t)
	put(t, db, "old", "1")
	var b Batch
	b.Put([]byte("new"), []byte("value"))
	b.Put([]byte("empty"), nil)
	b.Delete([]byte("old"))
	b.Delete([]byte("never was"))
	b.Put([]byte("twice"), []byte("first"))
	b.Put([]byte("twice"), []byte("last"))
	b.Put([]byte("gone"), []byte("v"))
	b.Delete([]byte("gone"))
	b.Put([]byte("a\x00\xff"), []byte("\x00"))
	if b.Len() != 9 || b.Err() != nil {
		t.Fatalf("%d operations, %v", b.Len(), b.Err())
	}
	lacks(t, db, "new")
	ok(t, db.Write(&b))
	holds(t, db, "new", "value")
	holds(t, db, "empty", "")
	holds(t, db, "twice", "last")
	holds(t, db, "a\x00\xff", "\x00")
	lacks(t, db, "old")
	lacks(t, db, "gone")

	_, err := db.Delete([]byte("new"))
	ok(t, err)
	ok(t, db.Write(&b)) // again
	holds(t, db, "new", "value")
}

func TestBatchKeepsNoReference(t *testing.T) {
	db := memory(t)
	key, value := []byte("key"), []byte("value")
	var b Batch
	b.Put(key, value)
	copy(key, "xxx")
	copy(value, "xxxxx")
	ok(t, db.Write(&b))
	holds(t, db, "key", "value")
}

func TestEmptyBatch(t *testing.T) {
	db := memory(t)
	ok(t, db.Write(&Batch{}))
	ok(t, db.WriteEncoded(nil))
}

func TestBatchIsReusedAfterReset(t *testing.T) {
	db := memory(t)
	var b Batch
	b.Grow(1000)
	for round := 0; round < 3; round++ {
		for i := 0; i < 10; i++ {
			b.Put([]byte(fmt.Sprint(i)), []byte(fmt.Sprint(round)))
		}
		ok(t, db.Write(&b))
		holds(t, db, "9", fmt.Sprint(round))
		b.Reset()
		if b.Len() != 0 || b.Size() != 0 {
			t.Fatal("not empty after Reset")
		}
	}
	ok(t, db.Write(&b))
}

// A refused operation must not leave the rest of its batch to be written.
func TestBatchWithAWrongOperationWritesNothing(t *testing.T) {
	db := memory(t)
	for name, tt := range map[string]struct {
		spoil func(*Batch)
		want  error
	}{
		"put of an empty key":    {func(b *Batch) { b.Put(nil, []byte("v")) }, ErrInvalidArgument},
		"delete of an empty key": {func(b *Batch) { b.Delete(nil) }, ErrInvalidArgument},
		"put of a long key":      {func(b *Batch) { b.Put(make([]byte, MaxKeyLen+1), nil) }, ErrTooLarge},
		"delete of a long key":   {func(b *Batch) { b.Delete(make([]byte, MaxKeyLen+1)) }, ErrTooLarge},
	} {
		t.Run(name, func(t *testing.T) {
			var b Batch
			b.Put([]byte("a"), []byte("1"))
			tt.spoil(&b)
			b.Put([]byte("b"), []byte("2"))
			is(t, b.Err(), tt.want)
			is(t, db.Write(&b), tt.want)
			lacks(t, db, "a")
			lacks(t, db, "b")
			b.Reset()
			ok(t, b.Err())
		})
	}
}

func TestMalformedPackedBytesWriteNothing(t *testing.T) {
	db := memory(t)
	var b Batch
	b.Put([]byte("a"), []byte("1"))
	good := b.Bytes()
	for name, bad := range map[string][]byte{
		"cut header":         append(append([]byte{}, good...), 1, 1, 0),
		"cut value":          append(append([]byte{}, good...), good[:len(good)-1]...),
		"unknown kind":       append(append([]byte{}, good...), 3, 1, 0, 0, 0, 0, 0, 0, 0, 'k'),
		"kind 0":             append(append([]byte{}, good...), 0, 1, 0, 0, 0, 0, 0, 0, 0, 'k'),
		"delete with value":  append(append([]byte{}, good...), 2, 1, 0, 0, 0, 1, 0, 0, 0, 'k', 'v'),
		"empty key":          append(append([]byte{}, good...), 1, 0, 0, 0, 0, 0, 0, 0, 0),
		"lengths that wrap":  append(append([]byte{}, good...), 1, 1, 0, 0, 0, 0xff, 0xff, 0xff, 0x3f, 'k'),
		"one byte":           {1},
		"nothing but zeroes": make([]byte, 64),
	} {
		if err := db.WriteEncoded(bad); err == nil {
			t.Errorf("%s: no error", name)
		}
		lacks(t, db, "a")
	}
	ok(t, db.WriteEncoded(good))
	holds(t, db, "a", "1")
}

func TestLargeBatch(t *testing.T) {
	db := memory(t)
	var b Batch
	for i := 0; i < 10_000; i++ {
		b.Put([]byte(fmt.Sprintf("key:%d", i)), []byte(fmt.Sprintf("value:%d", i)))
	}
	ok(t, db.Write(&b))
	for i := 0; i < 10_000; i += 97 {
		holds(t, db, fmt.Sprintf("key:%d", i), fmt.Sprintf("value:%d", i))
	}
}
