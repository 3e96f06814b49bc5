package warp

// #include "shim.h"
import "C"

import (
	"strconv"
	"time"
	"unsafe"
)

// An Option is a setting for Open: a name and a value of the C ABI. The engine checks both when
// the database is opened, and refuses what it does not know with [ErrInvalidArgument].
type Option struct {
	name, value string
}

// WithOption sets an option by its name. Sizes take K, M or G (powers of 1024), times are
// milliseconds, booleans are true or false. It reaches the options that have no function of their
// own here.
func WithOption(name, value string) Option { return Option{name, value} }

// WithShards sets the number of shards, 1 to 1024 (24 unless said). It is fixed when the directory
// is created; opening with another number later fails.
func WithShards(n int) Option { return Option{"shards", strconv.Itoa(n)} }

// A Durability says what an acknowledged write survives.
type Durability string

// The kinds of durability, from the weakest to the strongest.
const (
	// DurabilityNone: handed to the kernel when the engine likes; nothing is promised.
	DurabilityNone Durability = "none"
	// DurabilityProcess: every acknowledged write survives the death of the process.
	DurabilityProcess Durability = "process"
	// DurabilityPeriodic: as DurabilityProcess, and a sync to the device at least every
	// WithSyncInterval. The default.
	DurabilityPeriodic Durability = "periodic"
	// DurabilitySync: a write is acknowledged once it is on the device, and survives a power cut.
	DurabilitySync Durability = "sync"
)

// WithDurability sets what acknowledged writes survive ([DurabilityPeriodic] unless said).
func WithDurability(d Durability) Option { return Option{"durability", string(d)} }

// WithSyncInterval sets the longest time between two syncs under [DurabilityPeriodic] (100 ms
// unless said). It is rounded up to whole milliseconds.
func WithSyncInterval(d time.Duration) Option { return Option{"sync_interval_ms", millis(d)} }

// WithMemoryLimit sets the ceiling, in bytes, for what the engine keeps resident: index, mapped
// log, cache (2 GiB unless said). Go's own heap is not part of it.
func WithMemoryLimit(bytes int64) Option {
	return Option{"memory_limit", strconv.FormatInt(bytes, 10)}
}

// WithCreateIfMissing says whether a directory without a database gets one (true unless said).
func WithCreateIfMissing(yes bool) Option {
	return Option{"create_if_missing", strconv.FormatBool(yes)}
}

// WithErrorIfExists says whether to refuse a database that exists (false unless said).
func WithErrorIfExists(yes bool) Option { return Option{"error_if_exists", strconv.FormatBool(yes)} }

// WithReadOnly says whether to open for reading alone (false unless said).
func WithReadOnly(yes bool) Option { return Option{"read_only", strconv.FormatBool(yes)} }

// WithOpenTimeout sets how long Open retries while another process holds the directory (30 s
// unless said; 0 tries once). It is rounded up to whole milliseconds.
func WithOpenTimeout(d time.Duration) Option { return Option{"open_timeout_ms", millis(d)} }

// WithCheckpointInterval sets the time between automatic checkpoints (the engine chooses unless
// said). It is rounded up to whole milliseconds.
func WithCheckpointInterval(d time.Duration) Option {
	return Option{"checkpoint_interval_ms", millis(d)}
}

// WithCheckpointLogBytes sets how many bytes of log are written between automatic checkpoints (the
// engine chooses unless said).
func WithCheckpointLogBytes(bytes int64) Option {
	return Option{"checkpoint_log_bytes", strconv.FormatInt(bytes, 10)}
}

// WithPinShards says whether each shard's upkeep is pinned to one core (false unless said).
func WithPinShards(yes bool) Option { return Option{"pin_shards", strconv.FormatBool(yes)} }

// WithCacheCompression says whether the cache of cold values keeps them compressed (false unless
// said).
func WithCacheCompression(yes bool) Option {
	return Option{"cache_compression", strconv.FormatBool(yes)}
}

// WithLoadMonitor says whether to watch how the load spreads over shards, slots and keys (true
// unless said). It is what [DB.Events] and [DB.Rebalance] go by.
func WithLoadMonitor(yes bool) Option { return Option{"load_monitor", strconv.FormatBool(yes)} }

// WithSkewPercent sets the normalised entropy of the load, in percent, below which it counts as
// skewed, 1 to 99 (90 unless said).
func WithSkewPercent(n int) Option { return Option{"skew_percent", strconv.Itoa(n)} }

// WithAutoRebalance says whether slots move by themselves while the load is skewed (false unless
// said).
func WithAutoRebalance(yes bool) Option { return Option{"auto_rebalance", strconv.FormatBool(yes)} }

// WithRules sets rules that the database gets if it has not got them: patterns with commas between
// them, rules with semicolons, as in "user:*,profile:*;order:*,items:*". Each places and links; see
// [DB.AddRule] for rules that do one of both.
func WithRules(rules string) Option { return Option{"rules", rules} }

// WithPrefetchLinks says whether a read of a key starts the loads of its partners, without waiting
// for them (false unless said). See [DB.Link].
func WithPrefetchLinks(yes bool) Option { return Option{"prefetch_links", strconv.FormatBool(yes)} }

// WithLearnLinks says whether partners are learned from reads that follow each other (false unless
// said). See [DB.GetLinked].
func WithLearnLinks(yes bool) Option { return Option{"learn_links", strconv.FormatBool(yes)} }

func millis(d time.Duration) string {
	ms := int64(d / time.Millisecond)
	if d%time.Millisecond > 0 {
		ms++
	}
	return strconv.FormatInt(ms, 10)
}

// newOptions builds the C object, which the caller frees.
func newOptions(opts []Option) (C.go_options, error) {
	options := C.go_warp_options_new()
	if options == 0 {
		return 0, ErrOutOfMemory
	}
	for _, o := range opts {
		if err := o.set(options); err != nil {
			C.go_warp_options_free(options)
			return 0, err
		}
	}
	return options, nil
}

func (o Option) set(options C.go_options) error {
	name, err := cString("option name", o.name)
	if err != nil {
		return err
	}
	defer C.free(unsafe.Pointer(name))
	value, err := cString("value of option "+o.name, o.value)
	if err != nil {
		return err
	}
	defer C.free(unsafe.Pointer(value))
	return failed(C.go_warp_options_set(options, name, value))
}
