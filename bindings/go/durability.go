package warp

// #include "shim.h"
import "C"

import (
	"context"
	"time"
	"unsafe"
)

// A Token stands for every write that was acknowledged before the call of [DB.Token] that returned
// it. It belongs to its database and is worth nothing after Close.
type Token uint64

// Token returns a token that covers every write acknowledged before the call, so that a caller
// makes thousands of writes and then waits once. Errors: [ErrClosed].
func (db *DB) Token() (Token, error) {
	inside := db.gate.enter()
	if inside == nil {
		return 0, ErrClosed
	}
	token := C.go_warp_token(db.handle)
	db.gate.leave(inside)
	return Token(token), nil
}

// IsDurable reports whether the writes of token are on the device, without waiting. Errors:
// [ErrIO] when a sync has failed, which is final; [ErrClosed].
func (db *DB) IsDurable(token Token) (bool, error) {
	inside := db.gate.enter()
	if inside == nil {
		return false, ErrClosed
	}
	got := C.go_warp_is_durable(db.handle, C.uint64_t(token))
	db.gate.leave(inside)
	if Code(got.status) == CodeWouldBlock {
		return false, nil
	}
	err := failed(got)
	return err == nil, err
}

// The engine's wait knows no context. So a wait is made of turns, between which the context is
// looked at; one that cannot end takes longer turns, so that Close waits for one turn at most.
const (
	turn     = 10 * time.Millisecond
	longTurn = 250 * time.Millisecond
)

// WaitDurable returns once the writes of token are on the device, and starts a sync if none is due.
// It occupies a thread while it waits, and looks at ctx every 10 ms.
//
// Errors: ctx.Err() when ctx ended first, and the writes may become durable all the same; [ErrIO]
// when a sync failed, which is final; [ErrClosed] when the database was closed meanwhile, which
// makes them durable unless Close failed.
func (db *DB) WaitDurable(ctx context.Context, token Token) error {
	for {
		if err := ctx.Err(); err != nil {
			return err
		}
		wait := turn
		if ctx.Done() == nil {
			wait = longTurn
		} else if end, ok := ctx.Deadline(); ok {
			if left := time.Until(end); left < wait {
				wait = left
			}
		}
		err := db.waitDurable(token, wait)
		if e, ok := err.(*Error); !ok || e.Code != CodeTimeout {
			return err
		}
	}
}

func (db *DB) waitDurable(token Token, wait time.Duration) error {
	inside := db.gate.enter()
	if inside == nil {
		return ErrClosed
	}
	defer db.gate.leave(inside)
	ms := (wait + time.Millisecond - 1) / time.Millisecond
	if ms < 1 {
		ms = 1
	}
	return failed(C.go_warp_wait_durable(db.handle, C.uint64_t(token), C.uint32_t(ms)))
}

// Sync returns once everything acknowledged before the call is on the device. Errors: [ErrIO] when
// the sync failed, which is final: the database is read-only from then on; [ErrClosed].
func (db *DB) Sync() error {
	inside := db.gate.enter()
	if inside == nil {
		return ErrClosed
	}
	defer db.gate.leave(inside)
	return failed(C.go_warp_sync(db.handle))
}

// Checkpoint bounds what a reopen has to replay: afterwards everything acknowledged before the call
// is on the device, and only what came later is replayed. Reads and writes go on meanwhile. Errors:
// [ErrIO], [ErrNoSpace], [ErrReadOnly], [ErrClosed].
func (db *DB) Checkpoint() error {
	inside := db.gate.enter()
	if inside == nil {
		return ErrClosed
	}
	defer db.gate.leave(inside)
	return failed(C.go_warp_checkpoint(db.handle))
}

// Compact reclaims the space of overwritten and deleted records now, rather than when the engine
// finds it worth while. Errors as for [DB.Checkpoint].
func (db *DB) Compact() error {
	inside := db.gate.enter()
	if inside == nil {
		return ErrClosed
	}
	defer db.gate.leave(inside)
	return failed(C.go_warp_compact(db.handle))
}

// Backup makes a consistent copy in the directory dir, which opens as a database of its own. Files
// are hard-linked where the file system can. Reads and writes go on meanwhile. Errors:
// [ErrInvalidArgument] when dir is not usable, otherwise as for [DB.Checkpoint].
func (db *DB) Backup(dir string) error {
	name, err := cString("directory", dir)
	if err != nil {
		return err
	}
	defer C.free(unsafe.Pointer(name))
	inside := db.gate.enter()
	if inside == nil {
		return ErrClosed
	}
	defer db.gate.leave(inside)
	return failed(C.go_warp_backup(db.handle, name))
}
