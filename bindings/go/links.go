package warp

// #include "shim.h"
import "C"

import "unsafe"

// Link links the key to to the key from, in this direction: a read of from is likely to be followed
// by one of to. A link that is there gets the new strength, which is above 0 and up to 1. Neither
// key need exist. A key has up to 32 partners. The link is part of the database and as durable as a
// Put.
//
// Errors: [ErrInvalidArgument] for an empty key, a key linked to itself, a strength out of range or
// too many partners; [ErrTooLarge]; [ErrReadOnly]; [ErrIO] or [ErrNoSpace] when the link could not
// be written, and then it is not there; [ErrClosed].
func (db *DB) Link(from, to []byte, strength float64) error {
	inside := db.gate.enter()
	if inside == nil {
		return ErrClosed
	}
	defer db.gate.leave(inside)
	return failed(C.go_warp_link(db.handle, bytesOf(from), C.size_t(len(from)),
		bytesOf(to), C.size_t(len(to)), C.double(strength)))
}

// Unlink takes a link of [DB.Link] away and reports whether there was one. Errors as for Link; after
// one the link is still there.
func (db *DB) Unlink(from, to []byte) (existed bool, err error) {
	inside := db.gate.enter()
	if inside == nil {
		return false, ErrClosed
	}
	defer db.gate.leave(inside)
	return found(C.go_warp_unlink(db.handle, bytesOf(from), C.size_t(len(from)),
		bytesOf(to), C.size_t(len(to))))
}

// A Linked is a key that is read together with another, and its value.
type Linked struct {
	Key, Value []byte
	// Strength is how strong the link is, above 0 and up to 1. Links by rules have 1.
	Strength float64
}

// GetLinked returns copies of key's value and of those of its partners, in one call into the engine
// and with their latencies overlapped: key itself first, then the partners that exist.
//
// Partners are the keys of [DB.Link], the strongest first; the other keys of its group, if a [Rule]
// links them; and, under WithLearnLinks(true), those that were read after it again and again.
//
// The copies lie in one block of memory, which stays allocated as long as any of them is in use.
//
// Errors: [ErrNotFound] when key does not exist; otherwise as for [DB.Get].
func (db *DB) GetLinked(key []byte) ([]Linked, error) {
	got, err := db.linked(key)
	if err != nil {
		return nil, err
	}
	defer got.free()
	total := 0
	for i := range got.all {
		total += int(got.all[i].key_len) + int(got.all[i].value_len)
	}
	linked := make([]Linked, len(got.all))
	block := make([]byte, 0, total)
	own := func(b []byte) []byte {
		start := len(block)
		block = append(block, b...)
		return block[start:len(block):len(block)]
	}
	for i := range linked {
		one := got.at(i)
		linked[i] = Linked{own(one.Key), own(one.Value), one.Strength}
	}
	return linked, nil
}

// Partners returns copies of the partners of key that [DB.GetLinked] looks for, whether they and key
// exist or not, in its order and without key and the values.
//
// Errors: [ErrInvalidArgument] or [ErrTooLarge] for an empty or overlong key; [ErrClosed].
func (db *DB) Partners(key []byte) ([]Linked, error) {
	inside := db.gate.enter()
	if inside == nil {
		return nil, ErrClosed
	}
	out := C.go_warp_partners(db.handle, bytesOf(key), C.size_t(len(key)))
	db.gate.leave(inside)
	if out.status != 0 {
		return nil, failure(out.status, out.text)
	}
	got := group{out.linked, out.all, unsafe.Slice(out.all, int(out.n))}
	defer got.free()
	partners := make([]Linked, len(got.all))
	for i := range partners {
		one := got.at(i)
		partners[i] = Linked{Key: clone(one.Key), Strength: one.Strength}
	}
	return partners, nil
}

// ViewLinked is [DB.GetLinked] without a copy: it calls fn once for key and for each partner, in the
// order of GetLinked, key being number 0. The bytes stay valid and unchanged until ViewLinked
// returns; fn must neither change nor keep them. An error of fn ends the call.
//
// Errors as for GetLinked, and whatever fn returns.
func (db *DB) ViewLinked(key []byte, fn func(i int, one Linked) error) error {
	got, err := db.linked(key)
	if err != nil {
		return err
	}
	defer got.free()
	for i := range got.all {
		if err := fn(i, got.at(i)); err != nil {
			return err
		}
	}
	return nil
}

// A key and its partners, in C memory.
type group struct {
	linked C.uintptr_t
	block  *C.go_partner
	all    []C.go_partner
}

func (db *DB) linked(key []byte) (group, error) {
	inside := db.gate.enter()
	if inside == nil {
		return group{}, ErrClosed
	}
	got := C.go_warp_get_linked(db.handle, bytesOf(key), C.size_t(len(key)))
	db.gate.leave(inside)
	if got.status != 0 {
		return group{}, failure(got.status, got.text)
	}
	return group{got.linked, got.all, unsafe.Slice(got.all, int(got.n))}, nil
}

func (g *group) at(i int) Linked {
	one := &g.all[i]
	return Linked{
		Key:      bytesAt(one.key, one.key_len),
		Value:    bytesAt(one.value, one.value_len),
		Strength: float64(one.strength),
	}
}

func (g *group) free() { C.go_warp_linked_free(g.linked, g.block) }
