// Command conformance writes and reads the data set that every language of WarpEngine writes and
// every other reads; tests/conformance/README.md has its rules.
//
//	conformance write DIR
//	conformance read DIR
package main

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/fnv"
	"os"
	"strconv"

	"warpengine.dev/go/warp"
)

const (
	indices = 3000
	block   = 100
	shards  = 5
	keys    = 2546
	deleted = -1 // in place of a generation
	// What dataset.py prints.
	expected = "2546 keys, digest 2b20ddfbe9d6b535"
)

// mix is the SplitMix64 step.
func mix(x uint64) uint64 {
	x += 0x9E3779B97F4A7C15
	x = (x ^ x>>30) * 0xBF58476D1CE4E5B9
	x = (x ^ x>>27) * 0x94D049BB133111EB
	return x ^ x>>31
}

func key(i int) []byte {
	number := strconv.Itoa(i)
	switch i % 4 {
	case 0:
		return []byte("key-" + number)
	case 1:
		return binary.LittleEndian.AppendUint64(nil, mix(uint64(i)))
	case 2:
		return []byte("\x00" + number + "\xff")
	default:
		return append(bytes.Repeat([]byte("k"), int(mix(uint64(i))%500)), "-"+number...)
	}
}

func value(i, generation int) []byte {
	s := mix(uint64(8*i + generation))
	length := s % 400
	if i == 1000 {
		length = 3 << 20
	} else if i%250 == 249 {
		length = uint64(60_000 + 37*i)
	}
	value := make([]byte, length)
	for j := range value {
		value[j] = byte(s>>16 + 7*uint64(j) + uint64(j)>>8)
	}
	return value
}

// beforeSwaps is the generation of a key before the last step of the writer.
func beforeSwaps(i int) int {
	switch {
	case i%13 == 0 || i%11 == 0:
		return deleted
	case i%7 == 0:
		return 2
	case i%5 == 0:
		return 1
	default:
		return 0
	}
}

func final(i int) int {
	if i%17 == 0 {
		return 3
	}
	return beforeSwaps(i)
}

func write(dir string) error {
	db, err := warp.Open(dir, warp.WithShards(shards),
		warp.WithDurability(warp.DurabilityProcess), warp.WithErrorIfExists(true))
	if err != nil {
		return err
	}
	defer db.Close()
	for generation, step := range []int{1, 5} {
		for i := 0; i < indices; i += step {
			if err := db.Put(key(i), value(i, generation)); err != nil {
				return fmt.Errorf("put %d: %w", i, err)
			}
		}
	}
	if err := db.Checkpoint(); err != nil {
		return err
	}
	for b := 0; b < indices/block; b++ {
		if err := writeBlock(db, b); err != nil {
			return fmt.Errorf("block %d: %w", b, err)
		}
	}
	for i := 0; i < indices; i += 13 {
		existed, err := db.Delete(key(i))
		if err != nil || existed != (i%11 != 0) {
			return fmt.Errorf("delete %d: %v, %w", i, existed, err)
		}
	}
	for i := 0; i < indices; i += 17 {
		var old []byte
		if generation := beforeSwaps(i); generation != deleted {
			old = value(i, generation)
		}
		if err := db.CompareAndSwap(key(i), old, value(i, 3)); err != nil {
			return fmt.Errorf("compare and swap %d: %w", i, err)
		}
	}
	if err := db.Sync(); err != nil {
		return err
	}
	return db.Close()
}

// writeBlock writes one batch, every other one in the packed form.
func writeBlock(db *warp.DB, b int) error {
	var batch warp.Batch
	for i := b * block; i < (b+1)*block; i++ {
		if i%7 == 0 {
			batch.Put(key(i), value(i, 2))
		}
		if i%11 == 0 {
			batch.Delete(key(i))
		}
	}
	if b%2 == 1 {
		return db.WriteEncoded(batch.Bytes())
	}
	return db.Write(&batch)
}

func read(dir string) error {
	db, err := warp.Open(dir, warp.WithReadOnly(true))
	if err != nil {
		return err
	}
	defer db.Close()
	wanted := map[string][]byte{}
	digest := fnv.New64a()
	for i := 0; i < indices; i++ {
		got, err := db.Get(key(i))
		generation := final(i)
		if generation == deleted {
			if !errors.Is(err, warp.ErrNotFound) {
				return fmt.Errorf("get %d: %d bytes, %w, want none", i, len(got), err)
			}
			continue
		}
		want := value(i, generation)
		if err != nil || !bytes.Equal(got, want) {
			return fmt.Errorf("get %d: %d bytes, %w, want others", i, len(got), err)
		}
		wanted[string(key(i))] = want
		digest.Write(key(i))
		digest.Write(want)
	}
	if err := checkStats(db); err != nil {
		return err
	}
	summary := fmt.Sprintf("%d keys, digest %016x", len(wanted), digest.Sum64())
	if err := checkIterator(db, wanted); err != nil {
		return err
	}
	fmt.Println(summary)
	if summary != expected {
		return fmt.Errorf("want %s", expected)
	}
	return db.Close()
}

func checkStats(db *warp.DB) error {
	stats, err := db.Stats()
	if err == nil && (stats.Keys != keys || stats.Shards != shards) {
		err = fmt.Errorf("statistics: %d keys, %d shards", stats.Keys, stats.Shards)
	}
	return err
}

// checkIterator takes from wanted what the iterator gives, so nothing may be left or come twice.
func checkIterator(db *warp.DB, wanted map[string][]byte) error {
	it, err := db.NewIter(nil)
	if err != nil {
		return err
	}
	defer it.Close()
	for it.Next() {
		want, known := wanted[string(it.Key())]
		if !known || !bytes.Equal(it.Value(), want) {
			return fmt.Errorf("iterator: %.40q is twice, unknown or has another value", it.Key())
		}
		delete(wanted, string(it.Key()))
	}
	if it.Err() == nil && len(wanted) != 0 {
		return fmt.Errorf("iterator: %d keys are missing", len(wanted))
	}
	return it.Err()
}

func main() {
	var err error
	switch {
	case len(os.Args) == 3 && os.Args[1] == "write":
		err = write(os.Args[2])
	case len(os.Args) == 3 && os.Args[1] == "read":
		err = read(os.Args[2])
	default:
		err = errors.New("usage: conformance write DIR | read DIR")
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "data set:", err)
		os.Exit(1)
	}
}
