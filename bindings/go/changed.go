package warp

// #include "shim.h"
import "C"

// AppendGetIfChanged is [DB.AppendGet] for callers that keep what they made of a value, such as the
// result of decoding it: it reads the value only if it is not the one that they know. The revision
// that comes with a value tells; known is the one of an earlier read of this key, or 0 for none.
//
// A revision belongs to one value of one key, until the next write of the key: a value with the same
// bytes has another, also after a delete. It means nothing to another DB, nor to another opening of
// this one. After an error the answer is dst as it was, with the revision known if the error is
// ErrUnchanged and 0 otherwise.
//
// Errors: [ErrUnchanged] when the value is still the one of known, which costs the look-up alone
// however long the value is; [ErrNotFound] when the key does not exist (any more); otherwise as for
// [DB.Get].
func (db *DB) AppendGetIfChanged(dst, key []byte, known uint64) ([]byte, uint64, error) {
	return db.appendIfChanged(dst, key, known, 1)
}

// AppendTryGetIfChanged is [DB.AppendGetIfChanged] that never waits for the disk. Errors:
// [ErrWouldBlock], and those of AppendGetIfChanged.
func (db *DB) AppendTryGetIfChanged(dst, key []byte, known uint64) ([]byte, uint64, error) {
	return db.appendIfChanged(dst, key, known, 0)
}

func (db *DB) appendIfChanged(dst, key []byte, known uint64, wait C.int) ([]byte, uint64, error) {
	inside := db.gate.enter()
	if inside == nil {
		return dst, 0, ErrClosed
	}
	grown := dst
	for {
		buf, room := spare(grown)
		got := C.go_warp_get_if_changed(db.handle, bytesOf(key), C.size_t(len(key)),
			C.uint64_t(known), buf, room, wait)
		if got.status == 0 && got.n <= room {
			db.gate.leave(inside)
			return extend(grown, int(got.n)), uint64(got.revision), nil
		}
		if got.status != 0 && Code(got.status) != CodeBufferTooSmall {
			db.gate.leave(inside)
			revision := uint64(0)
			if Code(got.status) == CodeUnchanged {
				revision = known
			}
			return dst, revision, failure(got.status, got.text)
		}
		grown = makeRoom(grown, int(got.n))
	}
}
