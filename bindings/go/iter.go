package warp

// #include "shim.h"
import "C"

import (
	"encoding/binary"
	"runtime"
	"sync"
	"sync/atomic"
)

// An Iter walks the keys of a database that have a prefix: each exactly once if it exists for the
// whole life of the iterator, in no particular order. Keys that are written or deleted meanwhile
// may or may not be seen.
//
//	it, err := db.NewIter([]byte("user:"))
//	if err != nil {
//		return err
//	}
//	defer it.Close()
//	for it.Next() {
//		use(it.Key(), it.Value())
//	}
//	return it.Err()
//
// Entries come from the engine in pages, one foreign call for hundreds of them. An Iter belongs to
// one goroutine at a time; only Close may be called from any. It outlives its database. One that is
// dropped without Close is freed by a finalizer.
type Iter struct {
	page []byte // the entries that were fetched: key length u32 | value length u32 | key | value
	at   int    // where the next one starts in page

	key, value []byte
	err        error
	end        bool

	closed atomic.Bool
	mu     sync.Mutex // held while the engine has handle
	handle C.go_iter
}

// pageSize fits several hundred small entries and the caches near the core.
const pageSize = 64 << 10

// NewIter starts to iterate over the keys with the prefix, all keys for an empty one. The caller
// closes the iterator. Errors: [ErrClosed], [ErrOutOfMemory].
func (db *DB) NewIter(prefix []byte) (*Iter, error) {
	inside := db.gate.enter()
	if inside == nil {
		return nil, ErrClosed
	}
	made := C.go_warp_iter_new(db.handle, bytesOf(prefix), C.size_t(len(prefix)))
	db.gate.leave(inside)
	if made.status != 0 {
		return nil, failure(made.status, made.text)
	}
	it := &Iter{handle: made.iter}
	runtime.SetFinalizer(it, (*Iter).Close)
	return it, nil
}

// Next moves to the next entry, the first one at first, and reports whether there is one. After
// false, Err says whether the iteration ended or failed.
func (it *Iter) Next() bool {
	for !it.closed.Load() {
		if it.at < len(it.page) {
			return it.take()
		}
		if it.end || !it.fetch() {
			it.key, it.value = nil, nil
			return false
		}
	}
	it.key, it.value = nil, nil
	if it.err == nil && !it.end {
		it.err = ErrClosed
	}
	return false
}

// take moves to the entry at the start of what is left of the page.
func (it *Iter) take() bool {
	rest := it.page[it.at:]
	keyLen := int(binary.LittleEndian.Uint32(rest))
	valueLen := int(binary.LittleEndian.Uint32(rest[4:]))
	rest = rest[8:]
	it.key = rest[:keyLen:keyLen]
	it.value = rest[keyLen : keyLen+valueLen : keyLen+valueLen]
	it.at += 8 + keyLen + valueLen
	return true
}

// fetch replaces the page by the next one; false at the end and after an error.
func (it *Iter) fetch() bool {
	it.mu.Lock()
	defer it.mu.Unlock()
	if it.handle == 0 {
		return true // closed meanwhile, which Next sees
	}
	size := pageSize
	for {
		if cap(it.page) < size {
			it.page = make([]byte, 0, size)
		}
		it.page, it.at = it.page[:0], 0
		buf, room := spare(it.page)
		got := C.go_warp_iter_next_page(it.handle, buf, room)
		switch {
		case got.status == 0 && got.used > 0:
			it.page = it.page[:got.used]
			return true
		case Code(got.status) == CodeBufferTooSmall:
			// One entry is larger than the page. Its size is in used.
			size = 2 * cap(it.page)
			if size < int(got.used) {
				size = int(got.used)
			}
		default:
			it.end = true
			if Code(got.status) != CodeNotFound {
				it.err = failure(got.status, got.text)
			}
			return false
		}
	}
}

// Key is the key of the entry that Next moved to. It may be changed, and is valid until the next
// Next; copy it to keep it.
func (it *Iter) Key() []byte { return it.key }

// Value is the value of the entry that Next moved to. It may be changed, and is valid until the
// next Next; copy it to keep it.
func (it *Iter) Value() []byte { return it.value }

// Err is what ended the iteration early: nil when it reached the end or is still under way,
// [ErrClosed] when Next was called after Close, [ErrIO] or [ErrCorruption] when an entry could not
// be read.
func (it *Iter) Err() error { return it.err }

// Close frees the iterator. It waits for a Next that is under way. Closing again does nothing.
func (it *Iter) Close() error {
	it.closed.Store(true)
	it.mu.Lock()
	defer it.mu.Unlock()
	if it.handle != 0 {
		runtime.SetFinalizer(it, nil)
		C.go_warp_iter_free(it.handle)
		it.handle = 0
	}
	return nil
}
