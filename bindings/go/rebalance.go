package warp

// #include "shim.h"
import "C"

// Slots is the number of slots. Every key belongs to one of them, and every slot to a shard.
const Slots = 4096

// Rebalance moves slots from hot shards to cool ones until the load is even, and returns how many it
// moved: 0 if the load is even, or if no move helps. The load is what the load monitor has seen in
// the last seconds or, if that is too little, the bytes that are stored.
//
// Reads go on meanwhile; a write waits while the index entries of one slot move. No record is
// written. A crash leaves the placement from before or after, and every record, in either case.
//
// Errors: [ErrReadOnly]; [ErrCorruption] when a record is damaged, [ErrOutOfMemory] when an index
// could not grow, and what had moved until then has moved; [ErrClosed].
func (db *DB) Rebalance() (moved int, err error) {
	inside := db.gate.enter()
	if inside == nil {
		return 0, ErrClosed
	}
	defer db.gate.leave(inside)
	got := C.go_warp_rebalance(db.handle)
	return int(got.n), failed(got)
}

// MoveSlot moves one slot, 0 to [Slots]-1, to a shard, whatever the load. Errors:
// [ErrInvalidArgument] when there is no such slot or no such shard; otherwise as for
// [DB.Rebalance].
func (db *DB) MoveSlot(slot, shard int) error {
	inside := db.gate.enter()
	if inside == nil {
		return ErrClosed
	}
	defer db.gate.leave(inside)
	return failed(C.go_warp_move_slot(db.handle, index(slot), index(shard)))
}
