package warp

// #include "shim.h"
import "C"

import (
	"fmt"
	"strings"
	"unsafe"
)

// nothing is what an empty slice points to: the ABI takes NULL for a missing argument.
var nothing C.uchar

// bytesOf is the address of b's first byte. Calls into the engine keep no pointer after they
// return.
func bytesOf(b []byte) *C.uchar {
	if len(b) == 0 {
		return &nothing
	}
	return (*C.uchar)(unsafe.Pointer(&b[0]))
}

// spare is the unused capacity of b as a buffer to write to.
func spare(b []byte) (*C.uchar, C.size_t) {
	free := b[len(b):cap(b)]
	if len(free) == 0 {
		return nil, 0
	}
	return (*C.uchar)(unsafe.Pointer(&free[:1][0])), C.size_t(len(free))
}

// failure is the error of a status that is not WARP_OK. It frees text.
func failure(status C.warp_status, text *C.char) error {
	switch code := Code(status); code {
	case CodeOK:
		return nil
	case CodeNotFound:
		return ErrNotFound
	case CodeConflict:
		return ErrConflict
	case CodeWouldBlock:
		return ErrWouldBlock
	case CodeUnchanged:
		return ErrUnchanged
	default:
		err := &Error{Code: code, Message: code.String()}
		if text != nil {
			err.Message = C.GoString(text)
			C.free(unsafe.Pointer(text))
		}
		return err
	}
}

// failed is failure for an answer; small enough to be inlined where all went well.
func failed(a C.go_answer) error {
	if a.status == 0 {
		return nil
	}
	return failure(a.status, a.text)
}

// cString copies s for C; the caller frees it. C would end s at its first NUL, so that is refused.
func cString(what, s string) (*C.char, error) {
	if strings.IndexByte(s, 0) >= 0 {
		return nil, &Error{
			Code:    CodeInvalidArgument,
			Message: fmt.Sprintf("%s %q contains a NUL byte", what, s),
		}
	}
	return C.CString(s), nil
}

// checkABI compares the header that this package was compiled with to the library that it was
// linked with. They differ only when a shared library was exchanged.
func checkABI() error {
	header, library := uint32(C.go_warp_header_abi()), uint32(C.warp_abi_version())
	if header == library {
		return nil
	}
	return &Error{
		Code: CodeUnsupported,
		Message: fmt.Sprintf("the program was compiled for version %d of the engine's C ABI, "+
			"the library that was loaded has version %d", header, library),
	}
}

// Version is the semantic version of the engine, such as "0.1.0".
func Version() string { return C.GoString(C.warp_version()) }

// ABIVersion is the version of the C ABI of the library that the program runs with.
func ABIVersion() uint32 { return uint32(C.warp_abi_version()) }
