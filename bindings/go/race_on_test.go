//go:build race

package warp

// Under the race detector sync.Pool drops things at random, so nothing can be said of allocations.
const raceEnabled = true
