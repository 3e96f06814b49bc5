package warp

import (
	"fmt"
	"testing"
)

func TestSlotsMoveAndEveryKeyStays(t *testing.T) {
	dir := t.TempDir()
	db := reopen(t, dir)
	const keys = 1000
	for i := 0; i < keys; i++ {
		put(t, db, fmt.Sprint("key:", i), fmt.Sprint("value ", i))
	}
	for slot := 0; slot < Slots; slot++ {
		ok(t, db.MoveSlot(slot, slot%3))
	}
	for round := 0; round < 2; round++ {
		for i := 0; i < keys; i++ {
			key := fmt.Sprint("key:", i)
			holds(t, db, key, fmt.Sprint("value ", i))
			shard, err := db.ShardOf([]byte(key))
			if err != nil || shard >= 3 {
				t.Fatalf("%s is in shard %d, %v", key, shard, err)
			}
		}
		ok(t, db.Close())
		db = reopen(t, dir)
	}
	defer db.Close()

	// 3 of 24 shards have everything.
	moved, err := db.Rebalance()
	if err != nil || moved < 100 {
		t.Fatalf("%d slots moved, %v", moved, err)
	}
	events, next, err := db.Events(0)
	ok(t, err)
	if len(events) == 0 || events[len(events)-1].Kind != Rebalanced || next != uint64(len(events))+1 {
		t.Fatalf("events %+v, next %d", events, next)
	}
	for i := 0; i < keys; i++ {
		holds(t, db, fmt.Sprint("key:", i), fmt.Sprint("value ", i))
	}
}

func TestMovesToNowhereAreRefused(t *testing.T) {
	db := memory(t) // of 4 shards
	for _, to := range [][2]int{
		{-1, 0}, {Slots, 0}, {1 << 32, 0}, {0, -1}, {0, 4}, {0, 1 << 32},
	} {
		is(t, db.MoveSlot(to[0], to[1]), ErrInvalidArgument)
	}
	ok(t, db.MoveSlot(Slots-1, 3))
}
