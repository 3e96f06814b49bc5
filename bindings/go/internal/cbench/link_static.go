//go:build !warp_system

package cbench

// #cgo CFLAGS: -O2 -I${SRCDIR}/../../../../include
// #cgo LDFLAGS: ${SRCDIR}/../../../../target/release/libwarp_engine.a
// #cgo linux LDFLAGS: -lpthread -ldl -lm
import "C"
