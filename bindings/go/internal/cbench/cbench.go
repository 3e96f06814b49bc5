// Package cbench makes the calls of the C ABI in C, in a loop, so that a benchmark can say what the
// way through Go costs. Test files may not use cgo themselves.
package cbench

// #include "loop.h"
import "C"

import "fmt"

// Calls that Run knows.
const (
	Get       = 0 // warp_get into a buffer that fits
	GetPinned = 1 // warp_get_pinned and warp_value_release
	Put       = 2 // warp_put over a value of the same length
	Write     = 3 // warp_write_encoded of BatchLen puts
)

// Keys is the number of keys that calls go through in turn, and BatchLen the puts of a batch.
const (
	Keys     = 1024
	BatchLen = 100
)

// Run opens a database in memory, fills it with Keys keys of 16 bytes ("key:%012d") and values of
// valueLen bytes, and makes n calls. It returns nanoseconds a call.
func Run(call, n, valueLen int) (float64, error) {
	var ns C.double
	if status := C.cbench_run(C.int(call), C.long(n), C.size_t(valueLen), &ns); status != 0 {
		return 0, fmt.Errorf("cbench: status %d", status)
	}
	return float64(ns), nil
}
