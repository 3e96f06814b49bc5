package warp

// #include "shim.h"
import "C"

import (
	"encoding/json"
	"math"
)

// A Rule says which keys belong together. It is a list of patterns, each a literal with one star
// that stands for one byte or more. What the star stands for names the group: with the patterns
// "user:*" and "profile:*" the keys user:42 and profile:42 are the group 42, and the key of the
// first pattern, user:42, is its primary.
type Rule struct {
	// Patterns are 1 to 16, of up to 256 bytes, each with exactly one star.
	Patterns []string
	// Place has the keys of a group share a shard, and compaction lay them beside each other.
	Place bool
	// Link has GetLinked of one key of a group return the others.
	Link bool
}

// AddRule adds a rule behind the others; one that is there already is left as it is. The first rule
// with a pattern that fits a key counts. Rules are part of the database, and outlive a crash once
// AddRule has returned.
//
// Keys that are there already go to their new shards before AddRule returns. Reads go on meanwhile;
// writes wait while index entries move, about a microsecond for each key concerned, so add rules
// early.
//
// Errors: [ErrInvalidArgument] for a pattern without exactly one star or of another rule, for a rule
// that neither places nor links, and over 64 rules; [ErrReadOnly]; [ErrIO] or [ErrNoSpace] when the
// rule holds but is not on the device yet; [ErrCorruption] when a record is damaged, and then
// nothing has changed; [ErrClosed].
func (db *DB) AddRule(rule Rule) error {
	var packed []byte
	for _, pattern := range rule.Patterns {
		if uint64(len(pattern)) > math.MaxUint32 {
			return &Error{CodeInvalidArgument, "add rule: a pattern is longer than 4 GiB"}
		}
		packed = appendUint32(packed, uint32(len(pattern)))
		packed = append(packed, pattern...)
	}
	var flags C.uint32_t
	if rule.Place {
		flags |= C.WARP_RULE_PLACE
	}
	if rule.Link {
		flags |= C.WARP_RULE_LINK
	}
	inside := db.gate.enter()
	if inside == nil {
		return ErrClosed
	}
	defer db.gate.leave(inside)
	return failed(C.go_warp_add_rule(db.handle, C.size_t(len(rule.Patterns)), bytesOf(packed), flags))
}

// RemoveRule removes the rule whose first pattern this is, and reports whether there was one. Its
// keys go back to the shards that they would have without it, as with [DB.AddRule]. Errors as for
// AddRule.
func (db *DB) RemoveRule(pattern string) (existed bool, err error) {
	inside := db.gate.enter()
	if inside == nil {
		return false, ErrClosed
	}
	defer db.gate.leave(inside)
	first := []byte(pattern)
	return found(C.go_warp_remove_rule(db.handle, bytesOf(first), C.size_t(len(first))))
}

// Rules returns the rules of the database, in their order. Bytes of patterns that are no UTF-8 come
// as U+FFFD. Errors: [ErrClosed].
func (db *DB) Rules() ([]Rule, error) {
	inside := db.gate.enter()
	if inside == nil {
		return nil, ErrClosed
	}
	got := C.go_warp_rules_json(db.handle)
	db.gate.leave(inside)
	text, err := ownString(got)
	if err != nil {
		return nil, err
	}
	var answer struct{ Rules []Rule }
	if err := json.Unmarshal(text, &answer); err != nil {
		return nil, notJSON("rules", err)
	}
	return answer.Rules, nil
}

// ShardOf returns the shard of key, from 0, whether key exists or not. Rules and rebalancing may
// change it. Errors: [ErrInvalidArgument] or [ErrTooLarge] for an empty or overlong key;
// [ErrClosed].
func (db *DB) ShardOf(key []byte) (shard int, err error) {
	inside := db.gate.enter()
	if inside == nil {
		return 0, ErrClosed
	}
	got := C.go_warp_shard_of(db.handle, bytesOf(key), C.size_t(len(key)))
	db.gate.leave(inside)
	return int(got.n), failed(got)
}

// ShardCPU returns the number of the core that works for a shard under WithPinShards(true), or
// would without it, for programs that lock goroutines to threads and pin those. Errors:
// [ErrInvalidArgument] when there is no such shard; [ErrClosed].
func (db *DB) ShardCPU(shard int) (cpu int, err error) {
	inside := db.gate.enter()
	if inside == nil {
		return 0, ErrClosed
	}
	got := C.go_warp_shard_cpu(db.handle, index(shard))
	db.gate.leave(inside)
	return int(got.n), failed(got)
}

// index is n for C. What does not fit becomes a number that no shard and no slot has.
func index(n int) C.uint32_t {
	if n < 0 || int64(n) > math.MaxUint32 {
		return math.MaxUint32
	}
	return C.uint32_t(n)
}
