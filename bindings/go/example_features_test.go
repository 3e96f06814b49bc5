package warp_test

import (
	"errors"
	"fmt"
	"log"
	"net/http"
	"net/http/httptest"

	"warpengine.dev/go/warp"
)

// An event loop reads what is at hand, and leaves the rest to a goroutine that may wait.
func ExampleDB_TryGet() {
	db := memory()
	defer db.Close()
	if err := db.Put([]byte("user:42"), []byte("Ada")); err != nil {
		log.Fatal(err)
	}

	value, err := db.TryGet([]byte("user:42"))
	if errors.Is(err, warp.ErrWouldBlock) {
		waited := make(chan struct{})
		go func() {
			value, err = db.Get([]byte("user:42"))
			close(waited)
		}()
		<-waited
	}
	fmt.Printf("%s %v\n", value, err)
	// Output: Ada <nil>
}

func ExampleDB_TryView() {
	db := memory()
	defer db.Close()
	if err := db.Put([]byte("user:42"), []byte("Ada")); err != nil {
		log.Fatal(err)
	}

	err := db.TryView([]byte("user:42"), func(value []byte) error {
		fmt.Printf("%s\n", value)
		return nil
	})
	fmt.Println(errors.Is(err, warp.ErrWouldBlock))
	// Output:
	// Ada
	// false
}

func ExampleDB_TryGetPinned() {
	db := memory()
	defer db.Close()
	if err := db.Put([]byte("page"), []byte("<html>")); err != nil {
		log.Fatal(err)
	}

	value, err := db.TryGetPinned([]byte("page"))
	if err != nil { // ErrWouldBlock: call GetPinned where waiting is allowed
		log.Fatal(err)
	}
	defer value.Close()
	fmt.Println(value.Len())
	// Output: 6
}

func ExampleDB_TryExists() {
	db := memory()
	defer db.Close()

	there, err := db.TryExists([]byte("user:42"))
	fmt.Println(there, err)
	// Output: false <nil>
}

func ExampleDB_WriteWouldWait() {
	db := memory()
	defer db.Close()

	waits, err := db.WriteWouldWait([]byte("user:42"))
	fmt.Println(waits, err)
	// Output: false <nil>
}

// Archives are written once: they need not lie among values that come and go.
func ExampleDB_PutHinted() {
	db := memory()
	defer db.Close()

	fmt.Println(db.PutHinted([]byte("invoice:2024:7"), []byte("..."), warp.Cold))
	fmt.Println(db.PutHinted([]byte("session:9"), []byte("..."), warp.Hot))
	// Output:
	// <nil>
	// <nil>
}

func ExampleDB_AddRule() {
	db := memory()
	defer db.Close()

	err := db.AddRule(warp.Rule{
		Patterns: []string{"user:*", "profile:*", "settings:*"},
		Place:    true, // one shard, and one place on disk
		Link:     true, // GetLinked of one returns all
	})
	if err != nil {
		log.Fatal(err)
	}
	user, _ := db.ShardOf([]byte("user:42"))
	profile, _ := db.ShardOf([]byte("profile:42"))
	fmt.Println(user == profile)

	rules, err := db.Rules()
	fmt.Println(len(rules), rules[0].Patterns, err)
	existed, err := db.RemoveRule("user:*")
	fmt.Println(existed, err)
	// Output:
	// true
	// 1 [user:* profile:* settings:*] <nil>
	// true <nil>
}

func ExampleDB_ShardCPU() {
	db := memory()
	defer db.Close()

	shard, err := db.ShardOf([]byte("user:42"))
	if err != nil {
		log.Fatal(err)
	}
	cpu, err := db.ShardCPU(shard) // for runtime.LockOSThread and sched_setaffinity
	fmt.Println(shard < 24, cpu >= 0, err)
	// Output: true true <nil>
}

func ExampleDB_Link() {
	db := memory()
	defer db.Close()
	for _, key := range []string{"order:7", "customer:3", "item:1"} {
		if err := db.Put([]byte(key), []byte("of "+key)); err != nil {
			log.Fatal(err)
		}
	}

	if err := db.Link([]byte("order:7"), []byte("customer:3"), 1); err != nil {
		log.Fatal(err)
	}
	if err := db.Link([]byte("order:7"), []byte("item:1"), 0.5); err != nil {
		log.Fatal(err)
	}
	linked, err := db.GetLinked([]byte("order:7"))
	if err != nil {
		log.Fatal(err)
	}
	for _, one := range linked { // the order itself, then the strongest
		fmt.Printf("%s = %s (%v)\n", one.Key, one.Value, one.Strength)
	}
	existed, err := db.Unlink([]byte("order:7"), []byte("item:1"))
	fmt.Println(existed, err)
	// Output:
	// order:7 = of order:7 (1)
	// customer:3 = of customer:3 (1)
	// item:1 = of item:1 (0.5)
	// true <nil>
}

func ExampleDB_ViewLinked() {
	db := memory()
	defer db.Close()
	for _, key := range []string{"user:42", "profile:42"} {
		if err := db.Put([]byte(key), []byte("of "+key)); err != nil {
			log.Fatal(err)
		}
	}
	rule := warp.Rule{Patterns: []string{"user:*", "profile:*"}, Link: true}
	if err := db.AddRule(rule); err != nil {
		log.Fatal(err)
	}

	err := db.ViewLinked([]byte("user:42"), func(i int, one warp.Linked) error {
		fmt.Printf("%d: %s\n", i, one.Value) // the stored bytes themselves
		return nil
	})
	fmt.Println(err)
	// Output:
	// 0: of user:42
	// 1: of profile:42
	// <nil>
}

func ExampleDB_Rebalance() {
	db := memory()
	defer db.Close()
	for slot := 0; slot < warp.Slots; slot++ { // one shard gets all
		if err := db.MoveSlot(slot, 0); err != nil {
			log.Fatal(err)
		}
	}
	for i := 0; i < 1000; i++ {
		if err := db.Put([]byte(fmt.Sprint(i)), make([]byte, 100)); err != nil {
			log.Fatal(err)
		}
	}

	moved, err := db.Rebalance()
	fmt.Println(moved > 0, err)
	// Output: true <nil>
}

func ExampleDB_Events() {
	db := memory()
	defer db.Close()

	events, next, err := db.Events(0) // the first time; then with the number of the last answer
	if err != nil {
		log.Fatal(err)
	}
	for _, event := range events {
		if event.Kind == warp.SkewBegan {
			fmt.Printf("shard %d has %.0f %% of the load\n", event.Shard, 100*event.Share)
		}
	}
	fmt.Println(next)
	// Output: 1
}

func ExampleDB_OpenMetrics() {
	db := memory()
	defer db.Close()

	metrics := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		text, err := db.OpenMetrics()
		if err != nil {
			http.Error(w, err.Error(), http.StatusServiceUnavailable)
			return
		}
		w.Header().Set("Content-Type", warp.OpenMetricsType)
		w.Write(text)
	})
	answer := httptest.NewRecorder()
	metrics.ServeHTTP(answer, httptest.NewRequest("GET", "/metrics", nil))
	fmt.Println(answer.Code)
	// Output: 200
}

func ExampleDB_AppendGetIfChanged() {
	db := memory()
	defer db.Close()
	key := []byte("config")
	if err := db.Put(key, []byte("v1")); err != nil {
		log.Fatal(err)
	}
	value, revision, err := db.AppendGetIfChanged(nil, key, 0)
	fmt.Printf("%s %v\n", value, err)
	_, revision, err = db.AppendGetIfChanged(nil, key, revision)
	fmt.Println(errors.Is(err, warp.ErrUnchanged))
	if err := db.Put(key, []byte("v2")); err != nil {
		log.Fatal(err)
	}
	value, _, err = db.AppendGetIfChanged(nil, key, revision)
	fmt.Printf("%s %v\n", value, err)
	// Output:
	// v1 <nil>
	// true
	// v2 <nil>
}
