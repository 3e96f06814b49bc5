package warp

import (
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

func TestGateClosesOnlyWhenNobodyIsInside(t *testing.T) {
	for round := 0; round < 30; round++ {
		g := newGate()
		var inside, entered atomic.Int64
		var started, wg sync.WaitGroup
		for i := 0; i < 8; i++ {
			started.Add(1)
			wg.Add(1)
			go func() {
				defer wg.Done()
				started.Done()
				for {
					l := g.enter()
					if l == nil {
						return
					}
					inside.Add(1)
					entered.Add(1)
					inside.Add(-1)
					g.leave(l)
					runtime.Gosched() // else the closing goroutine waits for a time slice
				}
			}()
		}
		started.Wait()
		g.close()
		if n := inside.Load(); n != 0 {
			t.Fatalf("%d inside a closed gate", n)
		}
		if g.enter() != nil {
			t.Fatal("a closed gate let somebody in")
		}
		wg.Wait()
	}
}

func TestGateWaitsForWhoIsInside(t *testing.T) {
	g := newGate()
	l := g.enter()
	closed := make(chan struct{})
	go func() { g.close(); close(closed) }()
	select {
	case <-closed:
		t.Fatal("closed while a call was inside")
	case <-time.After(20 * time.Millisecond):
	}
	if g.enter() != nil {
		t.Fatal("a gate that is closing let somebody in")
	}
	g.leave(l)
	<-closed
}

func BenchmarkGate(b *testing.B) {
	g := newGate()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			g.leave(g.enter())
		}
	})
}

// What the gate is there to beat.
func BenchmarkRWMutex(b *testing.B) {
	var mu sync.RWMutex
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			mu.RLock()
			mu.RUnlock()
		}
	})
}
