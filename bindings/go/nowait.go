package warp

// #include "shim.h"
import "C"

// Reads that never wait for the disk, for goroutines that must not: they answer [ErrWouldBlock]
// where they would have to, and the caller asks again with the read that waits, from a goroutine
// that may. A value is there at once if its part of the log is mapped, if it is in the cache, or if
// its bytes are in the kernel's page cache and the system can say so. What is longer than 64 KiB must
// be mapped, or cached as it is.

// TryGet is [DB.Get] that never waits for the disk. Errors: [ErrWouldBlock], and those of [DB.Get].
func (db *DB) TryGet(key []byte) ([]byte, error) {
	buf := scratch.Get().(*[4096]byte)
	defer scratch.Put(buf)
	value, err := db.AppendTryGet(buf[:0], key)
	if err != nil {
		return nil, err
	}
	if len(value) <= len(buf) {
		return clone(value), nil
	}
	return value, nil
}

// AppendTryGet is [DB.AppendGet] that never waits for the disk: [ErrWouldBlock] when the value is
// neither mapped nor cached.
func (db *DB) AppendTryGet(dst, key []byte) ([]byte, error) {
	inside := db.gate.enter()
	if inside == nil {
		return dst, ErrClosed
	}
	grown := dst
	for {
		buf, room := spare(grown)
		got := C.go_warp_get_nowait(db.handle, bytesOf(key), C.size_t(len(key)), buf, room)
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

// TryView is [DB.View] that never waits for the disk. Errors: [ErrWouldBlock], and then fn was not
// called, and those of [DB.View].
func (db *DB) TryView(key []byte, fn func(value []byte) error) error {
	pinned, err := db.tryPin(key)
	if err != nil {
		return err
	}
	return pinned.view(fn)
}

// TryGetPinned is [DB.GetPinned] that never waits for the disk. Errors: [ErrWouldBlock], and those
// of [DB.Get].
func (db *DB) TryGetPinned(key []byte) (*Value, error) {
	pinned, err := db.tryPin(key)
	if err != nil {
		return nil, err
	}
	return newValue(pinned), nil
}

func (db *DB) tryPin(key []byte) (pin, error) {
	inside := db.gate.enter()
	if inside == nil {
		return pin{}, ErrClosed
	}
	pinned := C.go_warp_get_pinned_nowait(db.handle, bytesOf(key), C.size_t(len(key)))
	db.gate.leave(inside)
	return taken(pinned)
}

// TryExists is [DB.Exists] that never waits for the disk. Errors: [ErrWouldBlock], and those of
// [DB.Exists].
func (db *DB) TryExists(key []byte) (bool, error) {
	inside := db.gate.enter()
	if inside == nil {
		return false, ErrClosed
	}
	got := C.go_warp_exists_nowait(db.handle, bytesOf(key), C.size_t(len(key)))
	db.gate.leave(inside)
	return found(got)
}

// WriteWouldWait reports whether a Put, a Delete or a CompareAndSwap of key might have to wait: for
// the disk, if what it overwrites lies there alone; while writers are held back, because compaction
// falls behind or memory runs short; while rules change or slots move; and, under [DurabilitySync],
// for the device. The answer is that of the moment.
//
// Errors: [ErrInvalidArgument] or [ErrTooLarge] for an empty or overlong key; [ErrIO] or
// [ErrCorruption] when what is under key cannot be read; [ErrClosed].
func (db *DB) WriteWouldWait(key []byte) (bool, error) {
	return db.wouldWait(bytesOf(key), len(key))
}

// WritesWouldWait is [DB.WriteWouldWait] for keys that are not known yet, and for batches. Errors:
// [ErrClosed].
func (db *DB) WritesWouldWait() (bool, error) { return db.wouldWait(nil, 0) }

func (db *DB) wouldWait(key *C.uchar, keyLen int) (bool, error) {
	inside := db.gate.enter()
	if inside == nil {
		return false, ErrClosed
	}
	got := C.go_warp_write_would_wait(db.handle, key, C.size_t(keyLen))
	db.gate.leave(inside)
	if Code(got.status) == CodeWouldBlock {
		return true, nil
	}
	return false, failed(got)
}
