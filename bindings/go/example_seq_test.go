//go:build go1.23

package warp_test

import (
	"fmt"
	"log"
)

func ExampleDB_Prefix() {
	db := memory()
	defer db.Close()
	for _, key := range []string{"user:1", "user:2", "post:1"} {
		if err := db.Put([]byte(key), []byte("of "+key)); err != nil {
			log.Fatal(err)
		}
	}

	for entry, err := range db.Prefix([]byte("user:")) {
		if err != nil {
			log.Fatal(err)
		}
		fmt.Printf("%s = %s\n", entry.Key, entry.Value)
	}
	// Unordered output:
	// user:1 = of user:1
	// user:2 = of user:2
}
