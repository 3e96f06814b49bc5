//go:build go1.23

package warp

import "iter"

// An Entry is a key and its value, valid until the next turn of the loop; copy them to keep them.
type Entry struct {
	Key, Value []byte
}

// All ranges over all entries of the database, as an [Iter] does.
//
//	for entry, err := range db.All() {
//		if err != nil {
//			return err
//		}
//		use(entry.Key, entry.Value)
//	}
//
// An error comes as the second value, once, and ends the loop.
func (db *DB) All() iter.Seq2[Entry, error] { return db.Prefix(nil) }

// Prefix is [DB.All] for the keys that start with prefix. The sequence may be ranged over more than
// once, and starts anew each time.
func (db *DB) Prefix(prefix []byte) iter.Seq2[Entry, error] {
	return func(yield func(Entry, error) bool) {
		it, err := db.NewIter(prefix)
		if err != nil {
			yield(Entry{}, err)
			return
		}
		defer it.Close()
		for it.Next() {
			if !yield(Entry{it.key, it.value}, nil) {
				return
			}
		}
		if it.err != nil {
			yield(Entry{}, it.err)
		}
	}
}
