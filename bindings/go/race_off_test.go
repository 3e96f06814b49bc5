//go:build !race

package warp

const raceEnabled = false
