package warp

// #include "shim.h"
import "C"

import (
	"runtime"
	"sync"
	"unsafe"
)

// The limits of the engine, in bytes.
const (
	MaxKeyLen   = 65_535  // longest key; the shortest has 1 byte
	MaxValueLen = 1 << 30 // longest value
)

// A DB is an open database. Any number of goroutines may use it at once, Close included.
//
// A DB that is dropped without Close is closed by a finalizer some time later, as long as the
// program runs; until then its directory stays locked.
type DB struct {
	handle C.go_db // valid inside the gate
	gate   gate

	close    sync.Once
	closeErr error
}

// Open opens the database in the directory path, and creates it if there is none, unless told
// otherwise. It waits up to WithOpenTimeout for another process that has the directory open.
//
// Errors: [ErrBusy] when the directory is still open elsewhere; [ErrInvalidArgument] for an option
// that the engine refuses, a missing directory under WithCreateIfMissing(false) or an existing
// database under WithErrorIfExists(true); [ErrCorruption] when stored bytes do not verify, and then
// nothing was changed; [ErrUnsupported] when a newer version wrote the directory; [ErrIO],
// [ErrNoSpace].
func Open(path string, opts ...Option) (*DB, error) {
	name, err := cString("path", path)
	if err != nil {
		return nil, err
	}
	defer C.free(unsafe.Pointer(name))
	return open(name, opts)
}

// OpenMemory opens an empty database in memory: the same behaviour, nothing on disk, gone at Close.
func OpenMemory(opts ...Option) (*DB, error) { return open(nil, opts) }

func open(path *C.char, opts []Option) (*DB, error) {
	if err := checkABI(); err != nil {
		return nil, err
	}
	options, err := newOptions(opts)
	if err != nil {
		return nil, err
	}
	defer C.go_warp_options_free(options)
	opened := C.go_warp_open(path, options)
	if opened.status != 0 {
		return nil, failure(opened.status, opened.text)
	}
	db := &DB{handle: opened.db, gate: newGate()}
	// Closing may wait for the device, which the goroutine of the finalizers must not.
	runtime.SetFinalizer(db, func(db *DB) { go db.Close() })
	return db, nil
}

// Close waits for the calls that are under way, then syncs, checkpoints and frees the database.
// Values and iterators that were taken from it stay usable. The handle is gone whatever Close
// answers; another Close waits for the first one and answers the same.
func (db *DB) Close() error {
	db.close.Do(func() {
		runtime.SetFinalizer(db, nil)
		db.gate.close()
		db.closeErr = failed(C.go_warp_close(db.handle))
		db.handle = 0
	})
	return db.closeErr
}

// scratch holds buffers for values on their way into a slice of their own length. The size takes
// the values that are cheaper to copy twice than to look up twice.
var scratch = sync.Pool{New: func() any { return new([4096]byte) }}

// Get returns a copy of the value of key. The copy of an empty value is empty and not nil.
//
// Errors: [ErrNotFound] when the key does not exist; [ErrInvalidArgument] or [ErrTooLarge] for an
// empty or overlong key; [ErrIO] or [ErrCorruption] when the value cannot be read; [ErrClosed].
func (db *DB) Get(key []byte) ([]byte, error) {
	inside := db.gate.enter()
	if inside == nil {
		return nil, ErrClosed
	}
	buf := scratch.Get().(*[4096]byte)
	got := C.go_warp_get(db.handle, bytesOf(key), C.size_t(len(key)), (*C.uchar)(&buf[0]),
		C.size_t(len(buf)))
	db.gate.leave(inside)
	if got.status == 0 && int(got.n) <= len(buf) {
		value := clone(buf[:got.n])
		scratch.Put(buf)
		return value, nil
	}
	scratch.Put(buf)
	if got.status != 0 && Code(got.status) != CodeBufferTooSmall {
		return nil, failed(got)
	}
	// A pin tells the length before the copy, and one allocation that is not cleared first takes it.
	pinned, err := db.pin(key)
	if err != nil {
		return nil, err
	}
	value := clone(bytesAt(pinned.data, pinned.len))
	if pinned.len > 0 {
		C.go_warp_value_release(pinned.value)
	}
	return value, nil
}

// clone is a copy of b that is not nil. The compiler knows this form, and clears no memory for it.
func clone(b []byte) []byte {
	own := make([]byte, len(b))
	copy(own, b)
	return own
}

// AppendGet appends the value of key to dst and returns the extended slice. It allocates nothing
// when dst has the capacity for the value; otherwise it grows dst as append does, and looks up
// twice. After an error it returns dst as it was. Bytes of dst's spare capacity may be overwritten
// in any case.
//
// Errors as for [DB.Get].
func (db *DB) AppendGet(dst, key []byte) ([]byte, error) {
	inside := db.gate.enter()
	if inside == nil {
		return dst, ErrClosed
	}
	grown := dst
	for {
		buf, room := spare(grown)
		got := C.go_warp_get(db.handle, bytesOf(key), C.size_t(len(key)), buf, room)
		if got.status == 0 && got.n <= room {
			db.gate.leave(inside)
			return extend(grown, int(got.n)), nil
		}
		if got.status != 0 && Code(got.status) != CodeBufferTooSmall {
			db.gate.leave(inside)
			return dst, failed(got)
		}
		grown = makeRoom(grown, int(got.n))
	}
}

// extend adds the n bytes that were written behind b to it. An empty value is not nil.
func extend(b []byte, n int) []byte {
	if b == nil {
		return []byte{}
	}
	return b[:len(b)+n]
}

// makeRoom gives b capacity for n bytes more.
func makeRoom(b []byte, n int) []byte { return append(b, make([]byte, n)...)[:len(b)] }

// Exists reports whether key exists. Errors as for [DB.Get], but for ErrNotFound.
func (db *DB) Exists(key []byte) (bool, error) {
	inside := db.gate.enter()
	if inside == nil {
		return false, ErrClosed
	}
	got := C.go_warp_exists(db.handle, bytesOf(key), C.size_t(len(key)))
	db.gate.leave(inside)
	return found(got)
}

// Put stores value under key, in place of what was there. When it returns, the write survives what
// the [Durability] of the database says.
//
// Errors: [ErrInvalidArgument] for an empty key; [ErrTooLarge]; [ErrNoSpace]; [ErrReadOnly];
// [ErrIO]; [ErrClosed]. After an error the old value is still there.
func (db *DB) Put(key, value []byte) error {
	inside := db.gate.enter()
	if inside == nil {
		return ErrClosed
	}
	done := C.go_warp_put(db.handle, bytesOf(key), C.size_t(len(key)), bytesOf(value),
		C.size_t(len(value)))
	db.gate.leave(inside)
	return failed(done)
}

// A Temperature says how long a value is expected to stay.
type Temperature uint32

// The temperatures of [DB.PutHinted].
const (
	Hot  Temperature = 1 // the value will soon be overwritten or deleted
	Warm Temperature = 2 // nobody knows; what Put takes
	Cold Temperature = 3 // the value will stay for long
)

// PutHinted is [DB.Put] with a hint of how long the value will stay. Cold values get segments of
// their own from the start, so that compaction need not move them out of the way of hot ones. A
// hint changes no answer and no promise.
//
// Errors as for [DB.Put], and [ErrInvalidArgument] for a hint that is none of the three.
func (db *DB) PutHinted(key, value []byte, hint Temperature) error {
	inside := db.gate.enter()
	if inside == nil {
		return ErrClosed
	}
	done := C.go_warp_put_hinted(db.handle, bytesOf(key), C.size_t(len(key)), bytesOf(value),
		C.size_t(len(value)), C.uint32_t(hint))
	db.gate.leave(inside)
	return failed(done)
}

// Delete deletes key and reports whether there was one. Errors as for [DB.Put].
func (db *DB) Delete(key []byte) (existed bool, err error) {
	inside := db.gate.enter()
	if inside == nil {
		return false, ErrClosed
	}
	done := C.go_warp_delete(db.handle, bytesOf(key), C.size_t(len(key)))
	db.gate.leave(inside)
	return found(done)
}

func found(a C.go_answer) (bool, error) {
	switch Code(a.status) {
	case CodeOK:
		return true, nil
	case CodeNotFound:
		return false, nil
	default:
		return false, failed(a)
	}
}

// CompareAndSwap stores desired under key if its value is expected, as one step. Nil is no value:
// a nil expected means that the key must not exist, and a nil desired deletes it. A slice that is
// empty and not nil is an empty value, as Get returns it.
//
// Errors: [ErrConflict] when the value is another one, and then nothing changed; otherwise as for
// [DB.Put].
func (db *DB) CompareAndSwap(key, expected, desired []byte) error {
	inside := db.gate.enter()
	if inside == nil {
		return ErrClosed
	}
	done := C.go_warp_compare_and_swap(db.handle, bytesOf(key), C.size_t(len(key)),
		truth(expected != nil), bytesOf(expected), C.size_t(len(expected)),
		truth(desired != nil), bytesOf(desired), C.size_t(len(desired)))
	db.gate.leave(inside)
	return failed(done)
}

func truth(yes bool) C.int {
	if yes {
		return 1
	}
	return 0
}
