package warp

// #include "shim.h"
import "C"

import "fmt"

// A Batch is a list of puts and deletes that [DB.Write] makes all of or none of, across all shards,
// whatever crashes. The last operation on a key wins. The zero Batch is empty and ready to use.
//
// Operations are gathered in Go memory, without a call into the engine. A Batch belongs to one
// goroutine at a time.
type Batch struct {
	packed []byte
	count  int
	err    error
}

// The packed form, little-endian, repeated:
//
//	kind u8 | key length u32 | value length u32 | key | value
const (
	kindPut    = 1
	kindDelete = 2
)

// Put adds a put of value under key. It copies both. A key or value that no database takes is
// remembered: Err and Write report it.
func (b *Batch) Put(key, value []byte) {
	if b.check(key, value) {
		b.add(kindPut, key, value)
	}
}

// Delete adds a delete of key. It copies key. To delete a key that does not exist is no error.
func (b *Batch) Delete(key []byte) {
	if b.check(key, nil) {
		b.add(kindDelete, key, nil)
	}
}

func (b *Batch) add(kind byte, key, value []byte) {
	b.packed = append(b.packed, kind)
	b.packed = appendUint32(b.packed, uint32(len(key)))
	b.packed = appendUint32(b.packed, uint32(len(value)))
	b.packed = append(b.packed, key...)
	b.packed = append(b.packed, value...)
	b.count++
}

func (b *Batch) check(key, value []byte) bool {
	if len(key) != 0 && len(key) <= MaxKeyLen && len(value) <= MaxValueLen {
		return true
	}
	if b.err == nil {
		b.err = lengthError(b.count, key, value)
	}
	return false
}

func lengthError(operation int, key, value []byte) error {
	code, text := CodeTooLarge, fmt.Sprintf("value length %d exceeds %d", len(value), MaxValueLen)
	switch {
	case len(key) == 0:
		code, text = CodeInvalidArgument, fmt.Sprintf("the key is empty; keys are 1 to %d bytes", MaxKeyLen)
	case len(key) > MaxKeyLen:
		text = fmt.Sprintf("key length %d exceeds %d", len(key), MaxKeyLen)
	}
	return &Error{code, fmt.Sprintf("batch: operation %d: %s", operation, text)}
}

// Len is the number of operations.
func (b *Batch) Len() int { return b.count }

// Size is the number of bytes of the packed form, which is what a batch takes in memory and, but
// for a little, in the log.
func (b *Batch) Size() int { return len(b.packed) }

// Err is the first operation that was refused, or nil.
func (b *Batch) Err() error { return b.err }

// Bytes is the packed form, for [DB.WriteEncoded]. It is valid until the batch is changed.
func (b *Batch) Bytes() []byte { return b.packed }

// Grow makes room for n bytes more: an operation takes 9 bytes beside its key and value.
func (b *Batch) Grow(n int) {
	if cap(b.packed)-len(b.packed) < n {
		b.packed = makeRoom(b.packed, n)
	}
}

// Reset empties the batch, its error too, and keeps its memory.
func (b *Batch) Reset() { *b = Batch{packed: b.packed[:0]} }

// Write writes all operations of batch, or none. The batch may be written again.
//
// Errors: the batch's own (see [Batch.Err]); [ErrTooLarge] for a batch that no log segment takes
// (64 MiB); otherwise as for [DB.Put].
func (db *DB) Write(batch *Batch) error {
	if batch.err != nil {
		return batch.err
	}
	return db.WriteEncoded(batch.packed)
}

// WriteEncoded is [DB.Write] for operations in the packed form, from wherever: kind (1 put, 2
// delete) in one byte, length of the key and length of the value in four each, little-endian, key,
// value, repeated. Errors: [ErrInvalidArgument] when packed is malformed, and then nothing was
// written; otherwise as for Write.
func (db *DB) WriteEncoded(packed []byte) error {
	inside := db.gate.enter()
	if inside == nil {
		return ErrClosed
	}
	done := C.go_warp_write_encoded(db.handle, bytesOf(packed), C.size_t(len(packed)))
	db.gate.leave(inside)
	return failed(done)
}
