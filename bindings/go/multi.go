package warp

// #include "shim.h"
import "C"

import (
	"encoding/binary"
	"fmt"
	"sync"
	"unsafe"
)

// GetMulti returns copies of the values of keys, in their order: nil for a key that does not
// exist, an empty slice that is not nil for an empty value. One call into the engine reads them
// all, and their memory latencies overlap.
//
// The values lie in one block of memory, which stays allocated as long as any of them is in use.
//
// Errors: those of [DB.Get] but for ErrNotFound; the first one ends the call, and no value is
// returned.
func (db *DB) GetMulti(keys [][]byte) ([][]byte, error) {
	found, err := db.pinMulti(keys)
	if err != nil || len(keys) == 0 {
		return nil, err
	}
	defer found.free()
	total := 0
	for i := range found.values {
		total += int(found.values[i].len)
	}
	values := make([][]byte, len(keys))
	block := make([]byte, 0, total)
	for i := range values {
		if Code(found.statuses[i]) == CodeNotFound {
			continue
		}
		start := len(block)
		block = append(block, found.bytes(i)...)
		values[i] = block[start:len(block):len(block)]
	}
	return values, nil
}

// ViewMulti calls fn once for each key, in their order, with the stored bytes of its value, without
// a copy: nil for a key that does not exist. The bytes stay valid and unchanged until ViewMulti
// returns; fn must neither change nor keep them. An error of fn ends the call.
//
// Errors as for [DB.GetMulti], and whatever fn returns.
func (db *DB) ViewMulti(keys [][]byte, fn func(i int, value []byte) error) error {
	found, err := db.pinMulti(keys)
	if err != nil || len(keys) == 0 {
		return err
	}
	defer found.free()
	for i := range found.values {
		var value []byte
		if Code(found.statuses[i]) == CodeOK {
			value = found.bytes(i)
		}
		if err := fn(i, value); err != nil {
			return err
		}
	}
	return nil
}

// The answers of a multi-get, in C memory.
type many struct {
	values   []C.warp_value
	statuses []C.warp_status
	block    unsafe.Pointer
}

func (m *many) bytes(i int) []byte { return bytesAt(m.values[i].data, m.values[i].len) }

func (m *many) free() { C.go_warp_multi_free(m.block, C.size_t(len(m.values))) }

// packedKeys holds buffers for keys on their way into the engine.
var packedKeys = sync.Pool{New: func() any { return new([]byte) }}

func (db *DB) pinMulti(keys [][]byte) (many, error) {
	packed := packedKeys.Get().(*[]byte)
	defer packedKeys.Put(packed)
	*packed = (*packed)[:0]
	for i, key := range keys {
		if len(key) == 0 || len(key) > MaxKeyLen {
			return many{}, keyLengthError(i, key)
		}
		*packed = appendUint32(*packed, uint32(len(key)))
		*packed = append(*packed, key...)
	}
	inside := db.gate.enter()
	if inside == nil {
		return many{}, ErrClosed
	}
	n := len(keys)
	if n == 0 {
		db.gate.leave(inside)
		return many{}, nil
	}
	got := C.go_warp_multi_get(db.handle, C.size_t(n), bytesOf(*packed))
	db.gate.leave(inside)
	if got.status != 0 {
		return many{}, failure(got.status, got.text)
	}
	found := many{
		values:   unsafe.Slice(got.values, n),
		statuses: unsafe.Slice(got.statuses, n),
		block:    got.block,
	}
	for i, status := range found.statuses {
		if status < 0 {
			found.free()
			return many{}, multiFailure(i, keys[i], Code(status))
		}
	}
	return found, nil
}

// multiFailure is the error of one key. The engine keeps one text a thread, and so none for each.
func multiFailure(i int, key []byte, code Code) error {
	return &Error{code, fmt.Sprintf("multi-get: key %d of %d bytes: %v", i, len(key), code)}
}

func keyLengthError(i int, key []byte) error {
	if len(key) == 0 {
		return &Error{CodeInvalidArgument,
			fmt.Sprintf("multi-get: key %d is empty; keys are 1 to %d bytes", i, MaxKeyLen)}
	}
	return &Error{CodeTooLarge,
		fmt.Sprintf("multi-get: key %d: key length %d exceeds %d", i, len(key), MaxKeyLen)}
}

// appendUint32 appends x as the packed form has it. The C side of a multi-get reads it in the
// processor's order; all processors that the engine builds for are little-endian.
func appendUint32(b []byte, x uint32) []byte { return binary.LittleEndian.AppendUint32(b, x) }
