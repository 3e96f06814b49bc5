//go:build warp_system

package cbench

// #cgo CFLAGS: -O2
// #cgo pkg-config: warp-engine
import "C"
