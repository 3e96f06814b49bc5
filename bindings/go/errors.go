package warp

// #include "shim.h"
import "C"

import (
	"io/fs"
)

// A Code is a status code of the C ABI. Positive codes are answers, negative ones are errors. A
// code, once given, never means anything else.
type Code int32

// The status codes.
const (
	CodeOK              Code = 0   // done
	CodeNotFound        Code = 1   // the key does not exist
	CodeBufferTooSmall  Code = 2   // a value did not fit; never seen by callers of this package
	CodeConflict        Code = 3   // compare-and-swap found another value
	CodeWouldBlock      Code = 4   // the answer needs the disk, and the caller asked not to wait
	CodeUnchanged       Code = 5   // the value is still the one that the caller knows
	CodeInvalidArgument Code = -1  // an empty key, an unknown option, a value out of range
	CodeIO              Code = -2  // the operating system failed a read, a write or a sync
	CodeCorruption      Code = -3  // stored bytes do not match their checksum, or files are missing
	CodeBusy            Code = -4  // another process has the directory open
	CodeTimeout         Code = -5  // a deadline passed
	CodeNoSpace         Code = -6  // the device or the quota is full; reads and deletes still work
	CodeReadOnly        Code = -7  // a write on a read-only handle, or after a failed sync
	CodeTooLarge        Code = -8  // a key, a value or a batch over the limits
	CodeUnsupported     Code = -9  // a newer format or ABI, or something the platform lacks
	CodeOutOfMemory     Code = -10 // an allocation failed or would pass the memory limit
	CodeInternal        Code = -11 // a defect of the engine
)

// String is the name of the code in the C ABI, such as "WARP_ERR_BUSY".
func (c Code) String() string { return C.GoString(C.warp_status_name(C.warp_status(c))) }

// An Error is a failure that the engine reported.
type Error struct {
	// Code is the class of the failure, to act on.
	Code Code
	// Message is for people: it names the file, shard, offset or argument concerned.
	Message string
}

// Error is the message with the name of the package before it.
func (e *Error) Error() string { return "warp: " + e.Message }

// Is reports whether target is an *Error of the same code, so that errors.Is(err, ErrBusy) holds
// for every error of CodeBusy, whatever its message.
func (e *Error) Is(target error) bool {
	t, ok := target.(*Error)
	return ok && t.Code == e.Code
}

// Timeout reports whether a deadline passed. It makes the error fit os.IsTimeout.
func (e *Error) Timeout() bool { return e.Code == CodeTimeout || e.Code == CodeBusy }

// The errors to compare with, by errors.Is.
var (
	// ErrNotFound: the key does not exist.
	ErrNotFound error = &Error{CodeNotFound, "the key does not exist"}
	// ErrConflict: CompareAndSwap found another value than the expected one, and changed nothing.
	ErrConflict error = &Error{CodeConflict, "the value is not the expected one"}
	// ErrWouldBlock: TryGet, or another of the reads that never wait, would have had to wait for the
	// disk.
	ErrWouldBlock error = &Error{CodeWouldBlock, "the answer needs the disk"}
	// ErrUnchanged: the value is still the one of the revision that the caller gave.
	ErrUnchanged error = &Error{CodeUnchanged, "the value is unchanged"}
	// ErrInvalidArgument: an empty key, an unknown option, an option's value out of range.
	ErrInvalidArgument error = &Error{CodeInvalidArgument, "invalid argument"}
	// ErrIO: the operating system failed a read, a write or a sync; errno is in the message.
	ErrIO error = &Error{CodeIO, "input or output failed"}
	// ErrCorruption: stored bytes do not match their checksum, or files are missing.
	ErrCorruption error = &Error{CodeCorruption, "stored bytes are corrupt"}
	// ErrBusy: another process, or another handle of this one, has the directory open.
	ErrBusy error = &Error{CodeBusy, "the directory is open elsewhere"}
	// ErrTimeout: a deadline passed.
	ErrTimeout error = &Error{CodeTimeout, "a deadline passed"}
	// ErrNoSpace: the device or the quota is full. Nothing acknowledged is lost; reads and deletes
	// still work, and writes work again once there is room.
	ErrNoSpace error = &Error{CodeNoSpace, "no space left"}
	// ErrReadOnly: a write on a handle that was opened read-only, or that a failed sync has made so.
	ErrReadOnly error = &Error{CodeReadOnly, "the database is read-only"}
	// ErrTooLarge: a key, a value or a batch over the limits.
	ErrTooLarge error = &Error{CodeTooLarge, "over the limits"}
	// ErrUnsupported: a newer format or ABI version, or something the platform lacks.
	ErrUnsupported error = &Error{CodeUnsupported, "unsupported"}
	// ErrOutOfMemory: an allocation failed or would pass the memory limit.
	ErrOutOfMemory error = &Error{CodeOutOfMemory, "out of memory"}
	// ErrInternal: a defect of the engine. The handle then refuses further writes.
	ErrInternal error = &Error{CodeInternal, "internal error"}

	// ErrClosed: the handle was closed. It also matches fs.ErrClosed. It is this package's own
	// answer, since no call reaches the engine on a closed handle, so it is no *Error.
	ErrClosed error = closedError{}
)

type closedError struct{}

func (closedError) Error() string        { return "warp: the handle is closed" }
func (closedError) Is(target error) bool { return target == fs.ErrClosed }
