package warp

// #include "shim.h"
import "C"

import (
	"encoding/json"
	"time"
)

// OpenMetrics returns all statistics, those of the load monitor too, as the text that Prometheus and
// its like scrape. Its media type is [OpenMetricsType]. Errors: [ErrClosed].
func (db *DB) OpenMetrics() ([]byte, error) {
	inside := db.gate.enter()
	if inside == nil {
		return nil, ErrClosed
	}
	got := C.go_warp_stats_openmetrics(db.handle)
	db.gate.leave(inside)
	return ownString(got)
}

// OpenMetricsType is the media type of [DB.OpenMetrics], for the header Content-Type.
const OpenMetricsType = "application/openmetrics-text; version=1.0.0; charset=utf-8"

// An EventKind says what the load monitor has seen. Later versions may have more kinds.
type EventKind string

// The kinds of events.
const (
	SkewBegan  EventKind = "skew_began" // the load became skewed (see WithSkewPercent)
	SkewEnded  EventKind = "skew_ended" // it is even again
	Rebalanced EventKind = "rebalanced" // slots were moved, by Rebalance or by themselves
)

// An Event is something that the load monitor has to tell.
type Event struct {
	Number  uint64        // from 1, in the order in which events happened
	Kind    EventKind     // what happened
	At      time.Duration // when, from the open on, to the millisecond
	Entropy float64       // of the operations over the shards: 1 is even, 0 is all in one shard
	Shard   int           // the hottest shard then
	Share   float64       // its part of the operations
}

// Events returns what the load monitor has to tell from the event number from on, 0 for all, and the
// number to ask with next time. The engine keeps the last 256 events. The monitor runs unless
// WithLoadMonitor(false) says otherwise. Errors: [ErrClosed].
func (db *DB) Events(from uint64) (events []Event, next uint64, err error) {
	inside := db.gate.enter()
	if inside == nil {
		return nil, from, ErrClosed
	}
	got := C.go_warp_events_json(db.handle, C.uint64_t(from))
	db.gate.leave(inside)
	text, err := ownString(got)
	if err != nil {
		return nil, from, err
	}
	return parseEvents(text)
}

func parseEvents(text []byte) (events []Event, next uint64, err error) {
	var answer struct {
		Next   uint64
		Events []struct {
			Number  uint64
			Kind    EventKind
			AtMs    int64 `json:"at_ms"`
			Entropy float64
			Shard   int
			Share   float64
		}
	}
	if err := json.Unmarshal(text, &answer); err != nil {
		return nil, 0, notJSON("events", err)
	}
	for _, e := range answer.Events {
		at := time.Duration(e.AtMs) * time.Millisecond
		events = append(events, Event{e.Number, e.Kind, at, e.Entropy, e.Shard, e.Share})
	}
	return events, answer.Next, nil
}

// notJSON is for texts of the engine that should be JSON: a defect.
func notJSON(what string, err error) error {
	return &Error{CodeInternal, what + " are no JSON: " + err.Error()}
}
