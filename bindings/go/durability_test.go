package warp

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"
)

// upkeep is every method of a DB that takes no key and reaches the engine.
func upkeep(t testing.TB, db *DB) map[string]func() error {
	return map[string]func() error{
		"Token":           func() error { _, err := db.Token(); return err },
		"IsDurable":       func() error { _, err := db.IsDurable(1); return err },
		"WaitDurable":     func() error { return db.WaitDurable(context.Background(), 1) },
		"Sync":            func() error { return db.Sync() },
		"Checkpoint":      func() error { return db.Checkpoint() },
		"Compact":         func() error { return db.Compact() },
		"Backup":          func() error { return db.Backup(t.TempDir() + "/copy") },
		"NewIter":         func() error { _, err := db.NewIter(nil); return err },
		"Stats":           func() error { _, err := db.Stats(); return err },
		"StatsJSON":       func() error { _, err := db.StatsJSON(); return err },
		"WritesWouldWait": func() error { _, err := db.WritesWouldWait(); return err },
		"OpenMetrics":     func() error { _, err := db.OpenMetrics(); return err },
		"Events":          func() error { _, _, err := db.Events(0); return err },
		"Rules":           func() error { _, err := db.Rules(); return err },
		"AddRule":         func() error { return db.AddRule(Rule{Patterns: []string{"a:*", "b:*"}, Place: true}) },
		"RemoveRule":      func() error { _, err := db.RemoveRule("a:*"); return err },
		"ShardCPU":        func() error { _, err := db.ShardCPU(0); return err },
		"Rebalance":       func() error { _, err := db.Rebalance(); return err },
		"MoveSlot":        func() error { return db.MoveSlot(1, 1) },
	}
}

func TestTokensBecomeDurable(t *testing.T) {
	db := reopen(t, t.TempDir())
	defer db.Close()
	var token Token
	for i := 0; i < 100; i++ {
		put(t, db, "k", string(pattern(100, byte(i))))
		next, err := db.Token()
		ok(t, err)
		if next < token {
			t.Fatalf("token %d after %d", next, token)
		}
		token = next
	}
	ok(t, db.WaitDurable(context.Background(), token))
	durable, err := db.IsDurable(token)
	ok(t, err)
	if !durable {
		t.Fatal("not durable after the wait")
	}
}

func TestSyncMakesTokensDurable(t *testing.T) {
	db := reopen(t, t.TempDir(), WithSyncInterval(time.Hour))
	defer db.Close()
	for name, sync := range map[string]func() error{"Sync": db.Sync, "Checkpoint": db.Checkpoint} {
		put(t, db, "k", name)
		token, err := db.Token()
		ok(t, err)
		ok(t, sync())
		durable, err := db.IsDurable(token)
		ok(t, err)
		if !durable {
			t.Errorf("not durable after %s", name)
		}
	}
}

func TestWaitDurableLooksAtItsContext(t *testing.T) {
	db := reopen(t, t.TempDir())
	defer db.Close()
	put(t, db, "k", "v")
	token, err := db.Token()
	ok(t, err)

	cancelled, cancel := context.WithCancel(context.Background())
	cancel()
	is(t, db.WaitDurable(cancelled, token), context.Canceled)

	past, cancel := context.WithDeadline(context.Background(), time.Now().Add(-time.Second))
	defer cancel()
	is(t, db.WaitDurable(past, token), context.DeadlineExceeded)

	enough, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	ok(t, db.WaitDurable(enough, token))
}

func TestWaitDurableRefusesAnInventedToken(t *testing.T) {
	db := reopen(t, t.TempDir())
	defer db.Close()
	is(t, db.WaitDurable(context.Background(), 1<<60), ErrInvalidArgument)
	_, err := db.IsDurable(1 << 60)
	is(t, err, ErrInvalidArgument)
}

func TestManyGoroutinesWaitAtOnce(t *testing.T) {
	db := reopen(t, t.TempDir())
	var wg sync.WaitGroup
	for g := 0; g < 16; g++ {
		wg.Add(1)
		go func(g byte) {
			defer wg.Done()
			for i := 0; i < 10; i++ {
				if err := db.Put([]byte{g}, []byte{byte(i)}); err != nil {
					t.Error(err)
				}
				token, err := db.Token()
				if err == nil {
					err = db.WaitDurable(context.Background(), token)
				}
				if err != nil {
					t.Error(err)
				}
			}
		}(byte(g))
	}
	wg.Wait()
	ok(t, db.Close())
}

func TestUpkeepWhileReadingAndWriting(t *testing.T) {
	db := reopen(t, t.TempDir())
	stop := make(chan struct{})
	var wg sync.WaitGroup
	wg.Add(1)
	go func() {
		defer wg.Done()
		for i := 0; ; i++ {
			select {
			case <-stop:
				return
			default:
			}
			if err := db.Put([]byte("k"), pattern(1000, byte(i))); err != nil {
				t.Error(err)
				return
			}
		}
	}()
	for i := 0; i < 10; i++ {
		ok(t, db.Sync())
		ok(t, db.Checkpoint())
		ok(t, db.Compact())
	}
	close(stop)
	wg.Wait()
	ok(t, db.Close())
}

// Compaction changes nothing but space: what is left is there, what was deleted stays away.
func TestCompact(t *testing.T) {
	db := reopen(t, t.TempDir(), WithShards(2))
	defer db.Close()
	want := map[string]string{}
	for i := 0; i < 2000; i++ {
		key, value := fmt.Sprint(i), string(pattern(1000, byte(i)))
		put(t, db, key, "overwritten")
		put(t, db, key, value)
		if i%10 == 0 {
			want[key] = value
			continue
		}
		_, err := db.Delete([]byte(key))
		ok(t, err)
	}
	ok(t, db.Checkpoint())
	before, err := db.Stats()
	ok(t, err)
	ok(t, db.Compact())
	same(t, iterate(t, db, ""), want)
	after, err := db.Stats()
	ok(t, err)
	if after.LogBytes >= before.LogBytes {
		t.Errorf("%d bytes of log before, %d after, of which %d are live",
			before.LogBytes, after.LogBytes, after.LiveBytes)
	}
}

// A wait of hours must not keep Close from closing.
func TestCloseEndsAWait(t *testing.T) {
	db := reopen(t, t.TempDir(), WithSyncInterval(time.Hour))
	put(t, db, "k", "v")
	token, err := db.Token()
	ok(t, err)
	waited := make(chan error, 1)
	go func() { waited <- db.WaitDurable(context.Background(), token) }()
	ok(t, db.Close())
	if err := <-waited; err != nil && !errors.Is(err, ErrClosed) {
		t.Fatal(err)
	}
}
