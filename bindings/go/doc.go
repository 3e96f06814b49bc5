// Package warp is the Go binding of WarpEngine, an embedded, sharded, log-structured key-value
// engine.
//
//	db, err := warp.Open("/var/lib/app/db", warp.WithDurability(warp.DurabilitySync))
//	if err != nil {
//		return err
//	}
//	defer db.Close()
//
//	if err := db.Put([]byte("planet"), []byte("earth")); err != nil {
//		return err
//	}
//	value, err := db.Get([]byte("planet"))
//
// # Keys and values
//
// Keys are 1 to 65,535 bytes, values 0 bytes to 1 GiB. Both are opaque: NUL bytes and bytes that
// are not UTF-8 are as good as any others. No call keeps a reference to a slice that it was given;
// the caller may change it as soon as the call has returned.
//
// # Goroutines
//
// A [DB] may be used by any number of goroutines at once, Close included: Close waits for the calls
// that are under way, and every later call answers [ErrClosed]. A [Value] may be shared too. A
// [Batch] and an [Iter] belong to one goroutine at a time and may move between goroutines; closing
// an Iter is safe from any goroutine.
//
// A call occupies an operating-system thread while it runs. Reads of values in memory and writes
// that do not wait for the device take less than a microsecond or a few; Open, Close, Sync,
// WaitDurable, Checkpoint, Compact, Backup and, under [DurabilitySync], every write and Link, wait
// for the device. AddRule, RemoveRule, Rebalance and MoveSlot do too, and take as long as the keys
// that they move are many.
//
// # Keys that belong together
//
// Rules and links say which keys are read together: a [Rule] by patterns, Link for single keys.
// Keys of a rule share a shard and a place on disk; GetLinked reads them in one call. The load
// monitor tells how operations spread over the shards ([DB.Events], [DB.OpenMetrics]), and
// Rebalance evens them out.
//
// # Reading, from the simplest to the fastest
//
//	Get        returns a copy; one allocation
//	AppendGet  appends to a slice of the caller; no allocation when it has room
//	View       hands the stored bytes to a function; no copy at all
//	GetPinned  the same for longer than one function call
//	GetMulti   many keys in one call into the engine, their memory latencies overlapped
//	ViewMulti  the same without a copy
//	TryGet     never waits for the disk; TryView, TryGetPinned and TryExists likewise
//	AppendGetIfChanged  only if the value is not the one that the caller knows
//	GetLinked  a key and the keys that are read together with it, in one call
//	ViewLinked the same without a copy
//
// # Lifetimes
//
// Values and iterators hold what they need on their own: they stay usable after the database was
// closed, and memory and files go with the last of them. Handles that are dropped without Close
// are freed by a finalizer some time later, or never if the program ends first; a program that
// cares when a database is flushed, or when its directory is unlocked, calls Close.
//
// # Errors
//
// Every failure of the engine is an [*Error] with a [Code] and a text that names the file, shard,
// offset or argument concerned. Compare with the Err values of this package:
//
//	if errors.Is(err, warp.ErrNotFound) { ... }
package warp
