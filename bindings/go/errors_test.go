package warp

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"
	"testing"
)

func TestCodesAreThoseOfTheABI(t *testing.T) {
	names := map[Code]string{
		CodeOK: "WARP_OK", CodeNotFound: "WARP_NOT_FOUND", CodeBufferTooSmall: "WARP_BUFFER_TOO_SMALL",
		CodeConflict: "WARP_CONFLICT", CodeWouldBlock: "WARP_WOULD_BLOCK",
		CodeInvalidArgument: "WARP_ERR_INVALID_ARGUMENT", CodeIO: "WARP_ERR_IO",
		CodeCorruption: "WARP_ERR_CORRUPTION", CodeBusy: "WARP_ERR_BUSY",
		CodeTimeout: "WARP_ERR_TIMEOUT", CodeNoSpace: "WARP_ERR_NO_SPACE",
		CodeReadOnly: "WARP_ERR_READ_ONLY", CodeTooLarge: "WARP_ERR_TOO_LARGE",
		CodeUnsupported: "WARP_ERR_UNSUPPORTED", CodeOutOfMemory: "WARP_ERR_OUT_OF_MEMORY",
		CodeInternal: "WARP_ERR_INTERNAL",
	}
	for code, name := range names {
		if code.String() != name {
			t.Errorf("code %d is %s, want %s", int32(code), code, name)
		}
	}
	if Code(12345).String() == "" {
		t.Error("an unknown code has no name")
	}
}

func TestErrorsMatchByCodeAlone(t *testing.T) {
	err := fmt.Errorf("opening: %w", &Error{CodeBusy, "/db/LOCK is held by process 17"})
	if !errors.Is(err, ErrBusy) {
		t.Error("an error does not match the sentinel of its code")
	}
	if errors.Is(err, ErrCorruption) || errors.Is(err, ErrClosed) {
		t.Error("an error matches another sentinel")
	}
	var e *Error
	if !errors.As(err, &e) || e.Code != CodeBusy {
		t.Error("an error does not unwrap to *Error")
	}
	if !os.IsTimeout(e) {
		t.Error("a directory that stayed busy is no timeout")
	}
	if !errors.Is(ErrClosed, fs.ErrClosed) {
		t.Error("ErrClosed is not fs.ErrClosed")
	}
}

// The text belongs to a thread of the engine, and goroutines change threads: if it were fetched by
// a second foreign call, these would get each other's.
func TestTextsBelongToTheirCall(t *testing.T) {
	db := memory(t)
	const goroutines, rounds = 8, 300
	failures := make(chan string, goroutines)
	for g := 0; g < goroutines; g++ {
		go func(key []byte) {
			want := fmt.Sprint(len(key))
			for i := 0; i < rounds; i++ {
				if err := db.Put(key, nil); err == nil || !strings.Contains(err.Error(), want) {
					failures <- fmt.Sprintf("key of %s bytes: %v", want, err)
					return
				}
			}
			failures <- ""
		}(make([]byte, MaxKeyLen+1+g))
	}
	for g := 0; g < goroutines; g++ {
		if failure := <-failures; failure != "" {
			t.Error(failure)
		}
	}
}
