package warp

// #include "shim.h"
import "C"

import "time"

// Stats are counters since the database was opened, and sizes now. They are gathered without
// stopping anything, and so are not all of one moment.
type Stats struct {
	Keys             uint64        // keys that exist
	Puts             uint64        // puts, those of batches included
	Gets             uint64        // reads of all kinds
	Hits             uint64        // reads that found their key
	Deletes          uint64        // deletes that removed a key
	Shards           uint64        // number of shards
	LogBytes         uint64        // bytes of records in all logs
	LiveBytes        uint64        // bytes of records that are still current
	IndexBytes       uint64        // bytes of the indexes
	CacheBytes       uint64        // bytes of the value cache
	ResidentBytes    uint64        // bytes kept resident: index, mapped log, cache
	Checkpoints      uint64        // checkpoints that were published
	RecoveredRecords uint64        // records that were replayed when the database was opened
	OpenTime         time.Duration // how long that took, to the microsecond
	DiskBytes        uint64        // bytes of files on disk, preallocated ones included
	Syncs            uint64        // syncs of a log to the device
}

// Stats returns counters and sizes. Errors: [ErrClosed].
func (db *DB) Stats() (Stats, error) {
	inside := db.gate.enter()
	if inside == nil {
		return Stats{}, ErrClosed
	}
	got := C.go_warp_stats(db.handle)
	db.gate.leave(inside)
	if got.status != 0 {
		return Stats{}, failure(got.status, got.text)
	}
	s := &got.stats
	return Stats{
		Keys:             uint64(s.keys),
		Puts:             uint64(s.puts),
		Gets:             uint64(s.gets),
		Hits:             uint64(s.hits),
		Deletes:          uint64(s.deletes),
		Shards:           uint64(s.shards),
		LogBytes:         uint64(s.log_bytes),
		LiveBytes:        uint64(s.live_bytes),
		IndexBytes:       uint64(s.index_bytes),
		CacheBytes:       uint64(s.cache_bytes),
		ResidentBytes:    uint64(s.resident_bytes),
		Checkpoints:      uint64(s.checkpoints),
		RecoveredRecords: uint64(s.recovered_records),
		OpenTime:         time.Duration(s.open_micros) * time.Microsecond,
		DiskBytes:        uint64(s.disk_bytes),
		Syncs:            uint64(s.syncs),
	}, nil
}

// StatsJSON returns everything that the engine knows about itself, shard by shard, as a JSON
// object. Its fields may change between versions. Errors: [ErrClosed].
func (db *DB) StatsJSON() ([]byte, error) {
	inside := db.gate.enter()
	if inside == nil {
		return nil, ErrClosed
	}
	got := C.go_warp_stats_json(db.handle)
	db.gate.leave(inside)
	return ownString(got)
}

// ownString copies a string of the engine and frees it.
func ownString(got C.go_string) ([]byte, error) {
	if got.status != 0 {
		return nil, failure(got.status, got.text)
	}
	defer C.warp_string_free(got.string)
	return []byte(C.GoString(got.string)), nil
}
