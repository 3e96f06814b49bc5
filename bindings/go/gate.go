package warp

import (
	"math/bits"
	"runtime"
	"sync/atomic"
	"unsafe"
)

// A gate lets any number of calls through until it is shut, and lets whoever shuts it wait for the
// calls that are inside.
//
// Invariants:
//  1. A call is inside from an enter that answered a lane to the leave of that lane.
//  2. A lane counts the calls that are inside by it, plus shut once the gate is shut. So a lane is
//     negative exactly when the gate is shut, and equal to shut exactly when nobody is inside.
//  3. Once a lane is shut, each leave of it leaves a wake-up behind: the waiter misses none.
//
// A single counter, as in sync.RWMutex, would be written by every core at every call: on two cores
// 9 ns a call against 2 by lanes, and worse the more there are. Goroutines have no cheap identity,
// but each has a stack of its own, so the address of a local variable spreads them over the lanes.
type gate struct {
	lanes []lane
	shift uint // 64 - log2(len(lanes))
	wake  chan struct{}
}

// Two cache lines, since processors fetch lines in pairs.
type lane struct {
	inside atomic.Int64
	_      [120]byte
}

const shut = -1 << 62

func newGate() gate {
	lanes := 16
	for lanes < 8*runtime.GOMAXPROCS(0) && lanes < 1024 {
		lanes *= 2
	}
	return gate{
		lanes: make([]lane, lanes),
		shift: uint(64 - bits.TrailingZeros(uint(lanes))),
		wake:  make(chan struct{}, 1),
	}
}

// enter answers the lane to leave by, or nil when the gate is shut.
func (g *gate) enter() *lane {
	var here byte
	// Stacks are at least 1 KiB apart; the multiplication (by 2^64 divided by the golden ratio)
	// spreads what is left of the address over the upper bits.
	at := uint64(uintptr(unsafe.Pointer(&here))) >> 10 * 0x9E3779B97F4A7C15 >> g.shift
	l := &g.lanes[at]
	// The load keeps calls on a closed handle from disturbing the one who waits.
	if l.inside.Load() < 0 {
		return nil
	}
	if l.inside.Add(1) < 0 {
		g.leave(l)
		return nil
	}
	return l
}

func (g *gate) leave(l *lane) {
	if l.inside.Add(-1) < 0 {
		g.signal()
	}
}

func (g *gate) signal() {
	select {
	case g.wake <- struct{}{}:
	default: // a wake-up is waiting already
	}
}

// close shuts the gate and returns when nobody is inside. It may be called once.
func (g *gate) close() {
	for i := range g.lanes {
		g.lanes[i].inside.Add(shut)
	}
	for i := range g.lanes {
		for g.lanes[i].inside.Load() != shut {
			<-g.wake
		}
	}
}
