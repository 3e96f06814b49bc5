package warp

// #include "shim.h"
import "C"

import (
	"io"
	"runtime"
	"sync"
	"unsafe"
)

// View calls fn with the stored bytes of key's value, without a copy, and returns what fn returns.
// The bytes stay valid and unchanged until fn returns, whatever is written, deleted or compacted
// meanwhile; fn must neither change nor keep them. Any call is allowed in fn, Close of the database
// too.
//
// Errors as for [DB.Get], and whatever fn returns.
func (db *DB) View(key []byte, fn func(value []byte) error) error {
	pinned, err := db.pin(key)
	if err != nil {
		return err
	}
	return pinned.view(fn)
}

// A pin holds a value of the engine; an empty one holds nothing.
type pin struct {
	value C.go_value
	data  C.go_bytes
	len   C.size_t
}

// taken is the pin of an answer, or its error.
func taken(got C.go_pinned) (pin, error) {
	if got.status != 0 {
		return pin{}, failure(got.status, got.text)
	}
	return pin{got.value, got.data, got.len}, nil
}

// view calls fn with the bytes, then releases them.
func (p *pin) view(fn func(value []byte) error) error {
	if p.len == 0 {
		return fn([]byte{})
	}
	defer C.go_warp_value_release(p.value)
	return fn(bytesAt(p.data, p.len))
}

func (db *DB) pin(key []byte) (pin, error) {
	inside := db.gate.enter()
	if inside == nil {
		return pin{}, ErrClosed
	}
	pinned := C.go_warp_get_pinned(db.handle, bytesOf(key), C.size_t(len(key)))
	db.gate.leave(inside)
	return taken(pinned)
}

// bytesAt is len bytes of the engine's memory. It is not nil.
func bytesAt(data C.go_bytes, len C.size_t) []byte {
	if len == 0 {
		return []byte{}
	}
	return unsafe.Slice((*byte)(unsafe.Pointer(data)), int(len))
}

// A Value is a stored value that is held without a copy. It stays valid and unchanged until it is
// closed, whatever happens to its key, and it outlives its database. What it holds on to is a part
// of the log, which cannot be reclaimed meanwhile.
//
// Any number of goroutines may use a Value at once. One that is dropped without Close is released
// by a finalizer, unless Bytes was called: then only Close releases it, since nothing else knows
// whether the bytes are still in use.
type Value struct {
	mu     sync.RWMutex
	pinned C.go_value
	bytes  []byte // memory of the engine
	closed bool
	len    int
}

var (
	_ io.Closer   = (*Value)(nil)
	_ io.WriterTo = (*Value)(nil)
	_ io.ReaderAt = (*Value)(nil)
)

// GetPinned returns the value of key without a copy. The caller closes it. Errors as for [DB.Get].
func (db *DB) GetPinned(key []byte) (*Value, error) {
	pinned, err := db.pin(key)
	if err != nil {
		return nil, err
	}
	return newValue(pinned), nil
}

func newValue(pinned pin) *Value {
	v := &Value{
		pinned: pinned.value,
		bytes:  bytesAt(pinned.data, pinned.len),
		len:    int(pinned.len),
	}
	if v.len > 0 {
		runtime.SetFinalizer(v, (*Value).Close)
	}
	return v
}

// Len is the length of the value in bytes, after Close too.
func (v *Value) Len() int { return v.len }

// Bytes is the value itself. It may be neither changed nor used after Close. After Close it is nil.
func (v *Value) Bytes() []byte {
	v.mu.RLock()
	defer v.mu.RUnlock()
	if v.closed {
		return nil
	}
	runtime.SetFinalizer(v, nil)
	return v.bytes
}

// AppendTo appends a copy of the value to dst. Errors: [ErrClosed].
func (v *Value) AppendTo(dst []byte) ([]byte, error) {
	v.mu.RLock()
	defer v.mu.RUnlock()
	if v.closed {
		return dst, ErrClosed
	}
	return append(dst, v.bytes...), nil
}

// ReadAt implements [io.ReaderAt], so that io.NewSectionReader makes a reader of a value. Errors:
// [ErrClosed], [io.EOF], [ErrInvalidArgument] for a negative offset.
func (v *Value) ReadAt(p []byte, off int64) (int, error) {
	v.mu.RLock()
	defer v.mu.RUnlock()
	switch {
	case v.closed:
		return 0, ErrClosed
	case off < 0:
		return 0, &Error{CodeInvalidArgument, "read of a value at a negative offset"}
	case off >= int64(v.len):
		return 0, io.EOF
	}
	n := copy(p, v.bytes[off:])
	if n < len(p) {
		return n, io.EOF
	}
	return n, nil
}

// WriteTo writes the value to w. It implements [io.WriterTo]. Close waits for it. Errors:
// [ErrClosed] and those of w.
func (v *Value) WriteTo(w io.Writer) (int64, error) {
	v.mu.RLock()
	defer v.mu.RUnlock()
	if v.closed {
		return 0, ErrClosed
	}
	n, err := w.Write(v.bytes)
	return int64(n), err
}

// Close releases the value. Closing again does nothing.
func (v *Value) Close() error {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.closed {
		return nil
	}
	v.closed = true
	if v.len > 0 {
		runtime.SetFinalizer(v, nil)
		C.go_warp_value_release(v.pinned)
		// The collector must not meet an address that may become its own.
		v.bytes = nil
	}
	return nil
}
