package warp

import (
	"errors"
	"fmt"
	"reflect"
	"strings"
	"sync"
	"testing"
)

var userRule = Rule{Patterns: []string{"user:*", "profile:*"}, Place: true, Link: true}

const groups = 200

func fillGroups(t testing.TB, db *DB) {
	t.Helper()
	for i := 0; i < groups; i++ {
		for _, prefix := range []string{"user:", "profile:"} {
			key := fmt.Sprint(prefix, i)
			put(t, db, key, "of "+key)
		}
	}
}

// together counts the groups with both keys in one shard. Every key must be there.
func together(t testing.TB, db *DB) int {
	t.Helper()
	count := 0
	for i := 0; i < groups; i++ {
		user, profile := fmt.Sprint("user:", i), fmt.Sprint("profile:", i)
		holds(t, db, user, "of "+user)
		holds(t, db, profile, "of "+profile)
		a, err := db.ShardOf([]byte(user))
		ok(t, err)
		b, err := db.ShardOf([]byte(profile))
		ok(t, err)
		if a == b {
			count++
		}
	}
	return count
}

func TestKeysOfAGroupShareAShard(t *testing.T) {
	dir := t.TempDir()
	db := reopen(t, dir)
	fillGroups(t, db)
	if n := together(t, db); n > groups/2 {
		t.Fatalf("%d of %d groups were together before there was a rule", n, groups)
	}
	ok(t, db.AddRule(userRule))
	ok(t, db.AddRule(userRule)) // it is there already
	if n := together(t, db); n != groups {
		t.Fatalf("%d of %d groups are together", n, groups)
	}
	ok(t, db.Close())

	db = reopen(t, dir)
	defer db.Close()
	rules, err := db.Rules()
	ok(t, err)
	if !reflect.DeepEqual(rules, []Rule{userRule}) {
		t.Fatalf("rules are %+v", rules)
	}
	if n := together(t, db); n != groups {
		t.Fatalf("%d of %d groups are together after a reopen", n, groups)
	}
	existed, err := db.RemoveRule("profile:*") // not the first pattern
	if err != nil || existed {
		t.Fatalf("removed by its second pattern: %v, %v", existed, err)
	}
	existed, err = db.RemoveRule("user:*")
	if err != nil || !existed {
		t.Fatalf("removed: %v, %v", existed, err)
	}
	if n := together(t, db); n > groups/2 {
		t.Fatalf("%d of %d groups are together without the rule", n, groups)
	}
}

func TestRulesComeBackAsTheyWereAdded(t *testing.T) {
	db := memory(t)
	want := []Rule{
		{Patterns: []string{"a:*", "b\"\\\n*", "\x00*", "é*"}, Place: true},
		{Patterns: []string{"*"}, Link: true},
		{Patterns: []string{strings.Repeat("x", 255) + "*"}, Place: true, Link: true},
	}
	for _, rule := range want {
		ok(t, db.AddRule(rule))
	}
	got, err := db.Rules()
	ok(t, err)
	if !reflect.DeepEqual(got, want) {
		t.Fatalf("rules are %+v", got)
	}
}

func TestWrongRulesAreRefused(t *testing.T) {
	db := memory(t)
	ok(t, db.AddRule(userRule))
	many := make([]string, 17)
	for i := range many {
		many[i] = fmt.Sprint(i, "*")
	}
	huge := make([]string, 2000)
	for i := range huge {
		huge[i] = "*"
	}
	for name, rule := range map[string]Rule{
		"none":               {Place: true},
		"no star":            {Patterns: []string{"user"}, Place: true},
		"an empty pattern":   {Patterns: []string{""}, Place: true},
		"two stars":          {Patterns: []string{"a*b*"}, Place: true},
		"a pattern twice":    {Patterns: []string{"a*", "a*"}, Place: true},
		"of another rule":    {Patterns: []string{"a*", "user:*"}, Place: true},
		"does nothing":       {Patterns: []string{"a*"}},
		"too many patterns":  {Patterns: many, Place: true},
		"far too many":       {Patterns: huge, Place: true},
		"a pattern too long": {Patterns: []string{strings.Repeat("x", 256) + "*"}, Link: true},
	} {
		if err := db.AddRule(rule); !errors.Is(err, ErrInvalidArgument) {
			t.Errorf("%s: %v", name, err)
		}
	}
	for i := 1; i < 64; i++ {
		ok(t, db.AddRule(Rule{Patterns: []string{fmt.Sprint(i, ":*")}, Link: true}))
	}
	is(t, db.AddRule(Rule{Patterns: []string{"one more:*"}, Link: true}), ErrInvalidArgument)
	rules, err := db.Rules()
	ok(t, err)
	if len(rules) != 64 || !reflect.DeepEqual(rules[0], userRule) {
		t.Fatalf("%d rules, first %+v", len(rules), rules[0])
	}
	for _, pattern := range []string{"", "user", "no such:*"} {
		existed, err := db.RemoveRule(pattern)
		if err != nil || existed {
			t.Errorf("remove %q: %v, %v", pattern, existed, err)
		}
	}
}

func TestRulesOfAReadOnlyDatabaseStay(t *testing.T) {
	dir := t.TempDir()
	db := reopen(t, dir)
	ok(t, db.AddRule(userRule))
	ok(t, db.Link([]byte("a"), []byte("b"), 1))
	ok(t, db.Close())
	db = reopen(t, dir, WithReadOnly(true))
	defer db.Close()
	is(t, db.AddRule(Rule{Patterns: []string{"x*"}, Place: true}), ErrReadOnly)
	_, err := db.RemoveRule("user:*")
	is(t, err, ErrReadOnly)
	_, err = db.Rebalance()
	is(t, err, ErrReadOnly)
	is(t, db.MoveSlot(0, 0), ErrReadOnly)
	is(t, db.Link([]byte("a"), []byte("c"), 1), ErrReadOnly)
	_, err = db.Unlink([]byte("a"), []byte("b"))
	is(t, err, ErrReadOnly)
	is(t, db.PutHinted([]byte("a"), nil, Cold), ErrReadOnly)
	rules, err := db.Rules()
	if err != nil || len(rules) != 1 {
		t.Fatalf("%+v, %v", rules, err)
	}
}

// Rules come and go, and slots move, under readers and writers that must not notice.
func TestRulesAndMovesWhileReadingAndWriting(t *testing.T) {
	db := memory(t)
	fillGroups(t, db)
	stop := make(chan struct{})
	var wg sync.WaitGroup
	for g := 0; g < 4; g++ {
		wg.Add(1)
		go func(g int) {
			defer wg.Done()
			for i := g; ; i++ {
				select {
				case <-stop:
					return
				default:
				}
				key := fmt.Sprint("profile:", i%groups)
				want := "of " + key
				got, err := db.Get([]byte(key))
				if err != nil || string(got) != want {
					t.Errorf("%s: %q, %v", key, got, err)
					return
				}
				if err := db.Put([]byte(key), []byte(want)); err != nil {
					t.Error(err)
					return
				}
			}
		}(g)
	}
	for i := 0; i < 10; i++ {
		ok(t, db.AddRule(userRule))
		for slot := 0; slot < Slots; slot += 97 {
			ok(t, db.MoveSlot(slot, (slot+i)%4))
		}
		_, err := db.RemoveRule("user:*")
		ok(t, err)
	}
	close(stop)
	wg.Wait()
	together(t, db)
}

func TestShardsAndTheirCores(t *testing.T) {
	db := memory(t) // of 4 shards
	used := map[int]bool{}
	for i := 0; i < 200; i++ {
		shard, err := db.ShardOf([]byte(fmt.Sprint(i)))
		ok(t, err)
		used[shard] = true
	}
	if len(used) != 4 || !used[0] || !used[3] {
		t.Fatalf("shards %v are used", used)
	}
	for shard := 0; shard < 4; shard++ {
		cpu, err := db.ShardCPU(shard)
		if err != nil || cpu < 0 {
			t.Fatalf("shard %d: core %d, %v", shard, cpu, err)
		}
	}
	for _, shard := range []int{-1, 4, 1 << 31, 1 << 32, 1<<32 + 1} {
		_, err := db.ShardCPU(shard)
		is(t, err, ErrInvalidArgument)
	}
}

func TestHintsChangeNoAnswer(t *testing.T) {
	db := reopen(t, t.TempDir())
	defer db.Close()
	for i, hint := range []Temperature{Hot, Warm, Cold, Cold, Hot} {
		key := fmt.Sprint("k", i%4)
		ok(t, db.PutHinted([]byte(key), pattern(1000, byte(i)), hint))
		holds(t, db, key, string(pattern(1000, byte(i))))
	}
	for _, hint := range []Temperature{0, 4, 1 << 31} {
		is(t, db.PutHinted([]byte("k1"), []byte("other"), hint), ErrInvalidArgument)
	}
	holds(t, db, "k1", string(pattern(1000, 1)))
}
