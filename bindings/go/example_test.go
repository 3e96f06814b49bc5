package warp_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"os"
	"path/filepath"
	"time"

	"warpengine.dev/go/warp"
)

// memory opens a database for an example.
func memory() *warp.DB {
	db, err := warp.OpenMemory()
	if err != nil {
		log.Fatal(err)
	}
	return db
}

// scratch is a directory for an example.
func scratch() (dir string, remove func()) {
	dir, err := os.MkdirTemp("", "warp-example-")
	if err != nil {
		log.Fatal(err)
	}
	return dir, func() { os.RemoveAll(dir) }
}

func Example() {
	db, err := warp.OpenMemory()
	if err != nil {
		log.Fatal(err)
	}
	defer db.Close()

	if err := db.Put([]byte("planet"), []byte("earth")); err != nil {
		log.Fatal(err)
	}
	value, err := db.Get([]byte("planet"))
	if err != nil {
		log.Fatal(err)
	}
	fmt.Printf("%s\n", value)
	// Output: earth
}

func ExampleOpen() {
	dir, remove := scratch()
	defer remove()

	db, err := warp.Open(filepath.Join(dir, "db"),
		warp.WithShards(8),
		warp.WithDurability(warp.DurabilitySync),
		warp.WithMemoryLimit(512<<20),
		warp.WithOpenTimeout(5*time.Second),
	)
	if err != nil {
		log.Fatal(err)
	}
	defer db.Close()

	fmt.Println(db.Put([]byte("planet"), []byte("earth")))
	// Output: <nil>
}

// Options that this package has no function for are set by their name in the C ABI.
func ExampleWithOption() {
	db, err := warp.OpenMemory(warp.WithOption("memory_limit", "256M"))
	if err != nil {
		log.Fatal(err)
	}
	defer db.Close()

	_, err = warp.OpenMemory(warp.WithOption("memory_limit", "much"))
	fmt.Println(errors.Is(err, warp.ErrInvalidArgument))
	// Output: true
}

func ExampleDB_Get() {
	db := memory()
	defer db.Close()

	if err := db.Put([]byte("user:42"), []byte("Ada")); err != nil {
		log.Fatal(err)
	}
	name, err := db.Get([]byte("user:42"))
	fmt.Printf("%s %v\n", name, err)

	_, err = db.Get([]byte("user:43"))
	if errors.Is(err, warp.ErrNotFound) {
		fmt.Println("there is no user 43")
	}

	existed, err := db.Delete([]byte("user:42"))
	fmt.Println(existed, err)
	// Output:
	// Ada <nil>
	// there is no user 43
	// true <nil>
}

// One buffer serves any number of reads.
func ExampleDB_AppendGet() {
	db := memory()
	defer db.Close()
	for _, name := range []string{"a", "b"} {
		if err := db.Put([]byte(name), []byte("value of "+name)); err != nil {
			log.Fatal(err)
		}
	}

	buf := make([]byte, 0, 64)
	for _, key := range [][]byte{[]byte("a"), []byte("b")} {
		var err error
		if buf, err = db.AppendGet(buf[:0], key); err != nil {
			log.Fatal(err)
		}
		fmt.Printf("%s\n", buf)
	}
	// Output:
	// value of a
	// value of b
}

func ExampleDB_View() {
	db := memory()
	defer db.Close()
	if err := db.Put([]byte("picture"), make([]byte, 1<<20)); err != nil {
		log.Fatal(err)
	}

	zeroes := 0
	err := db.View([]byte("picture"), func(value []byte) error {
		for _, b := range value { // the stored bytes themselves
			if b == 0 {
				zeroes++
			}
		}
		return nil
	})
	fmt.Println(zeroes, err)
	// Output: 1048576 <nil>
}

func ExampleDB_GetPinned() {
	db := memory()
	defer db.Close()
	if err := db.Put([]byte("page"), []byte("<html>")); err != nil {
		log.Fatal(err)
	}

	value, err := db.GetPinned([]byte("page"))
	if err != nil {
		log.Fatal(err)
	}
	defer value.Close()
	if _, err := io.Copy(os.Stdout, io.NewSectionReader(value, 0, int64(value.Len()))); err != nil {
		log.Fatal(err)
	}
	// Output: <html>
}

func ExampleDB_GetMulti() {
	db := memory()
	defer db.Close()
	if err := db.Put([]byte("a"), []byte("1")); err != nil {
		log.Fatal(err)
	}
	if err := db.Put([]byte("c"), nil); err != nil {
		log.Fatal(err)
	}

	keys := [][]byte{[]byte("a"), []byte("b"), []byte("c")}
	values, err := db.GetMulti(keys)
	if err != nil {
		log.Fatal(err)
	}
	for i, value := range values {
		if value == nil {
			fmt.Printf("%s: none\n", keys[i])
		} else {
			fmt.Printf("%s: %q\n", keys[i], value)
		}
	}
	// Output:
	// a: "1"
	// b: none
	// c: ""
}

func ExampleDB_CompareAndSwap() {
	db := memory()
	defer db.Close()

	key := []byte("lock")
	fmt.Println(db.CompareAndSwap(key, nil, []byte("mine")))                                   // take it if it is free
	fmt.Println(errors.Is(db.CompareAndSwap(key, nil, []byte("yours")), warp.ErrConflict))     // it is not
	fmt.Println(db.CompareAndSwap(key, []byte("mine"), nil))                                   // give it back
	fmt.Println(errors.Is(db.CompareAndSwap(key, []byte("mine"), []byte{}), warp.ErrConflict)) // gone
	// Output:
	// <nil>
	// true
	// <nil>
	// true
}

func ExampleBatch() {
	db := memory()
	defer db.Close()
	if err := db.Put([]byte("from"), []byte("100")); err != nil {
		log.Fatal(err)
	}

	var batch warp.Batch
	batch.Delete([]byte("from"))
	batch.Put([]byte("to"), []byte("100"))
	if err := db.Write(&batch); err != nil { // both or neither
		log.Fatal(err)
	}
	batch.Reset() // ready for the next one, in the same memory

	value, err := db.Get([]byte("to"))
	fmt.Printf("%s %v\n", value, err)
	// Output: 100 <nil>
}

func ExampleDB_NewIter() {
	db := memory()
	defer db.Close()
	for _, key := range []string{"user:1", "user:2", "post:1"} {
		if err := db.Put([]byte(key), []byte("of "+key)); err != nil {
			log.Fatal(err)
		}
	}

	it, err := db.NewIter([]byte("user:"))
	if err != nil {
		log.Fatal(err)
	}
	defer it.Close()
	for it.Next() {
		fmt.Printf("%s = %s\n", it.Key(), it.Value())
	}
	if err := it.Err(); err != nil {
		log.Fatal(err)
	}
	// Unordered output:
	// user:1 = of user:1
	// user:2 = of user:2
}

func ExampleDB_WaitDurable() {
	db := memory()
	defer db.Close()

	for i := 0; i < 1000; i++ {
		if err := db.Put([]byte(fmt.Sprint("event:", i)), []byte("...")); err != nil {
			log.Fatal(err)
		}
	}
	token, err := db.Token() // covers all of them
	if err != nil {
		log.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	if err := db.WaitDurable(ctx, token); err != nil {
		log.Fatal(err)
	}
	fmt.Println("a power cut takes none of them")
	// Output: a power cut takes none of them
}

func ExampleError() {
	db := memory()
	defer db.Close()

	err := db.Put(make([]byte, 70_000), nil)
	var e *warp.Error
	if errors.As(err, &e) {
		fmt.Println(e.Code)
		fmt.Println(e.Message)
	}
	fmt.Println(errors.Is(err, warp.ErrTooLarge))
	// Output:
	// WARP_ERR_TOO_LARGE
	// key length 70000 exceeds 65535
	// true
}

func ExampleDB_Stats() {
	db := memory()
	defer db.Close()
	if err := db.Put([]byte("k"), []byte("v")); err != nil {
		log.Fatal(err)
	}

	stats, err := db.Stats()
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(stats.Keys, "key in", stats.Shards, "shards")
	// Output: 1 key in 24 shards
}
