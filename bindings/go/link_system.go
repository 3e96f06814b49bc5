//go:build warp_system

package warp

// The installed library, as its pkg-config file describes it.

// #cgo pkg-config: warp-engine
import "C"
