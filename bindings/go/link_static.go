//go:build !warp_system

package warp

// The static library of the checkout that this package lies in, as `make` builds it.

// #cgo CFLAGS: -I${SRCDIR}/../../include
// #cgo LDFLAGS: ${SRCDIR}/../../target/release/libwarp_engine.a
// #cgo linux LDFLAGS: -lpthread -ldl -lm
import "C"
