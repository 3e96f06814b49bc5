package warp

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand"
	"os"
	"strconv"
	"testing"
	"time"
)

const seedEnv = "WARP_TEST_SEED"

// A random run of all operations against a map. A failure names the seed:
//
//	WARP_TEST_SEED=1234 go test -run TestModel
func TestModel(t *testing.T) {
	seed := time.Now().UnixNano()
	if text := os.Getenv(seedEnv); text != "" {
		var err error
		seed, err = strconv.ParseInt(text, 10, 64)
		ok(t, err)
	}
	t.Logf("%s=%d", seedEnv, seed)
	operations := 20_000
	if testing.Short() {
		operations = 2_000
	}
	m := &model{t: t, db: memory(t), random: rand.New(rand.NewSource(seed)), want: map[string]string{}}
	for i := 0; i < operations && !t.Failed(); i++ {
		m.step()
	}
	m.checkAll()
	for v, want := range m.held {
		m.holdsStill(v, want)
	}
}

type model struct {
	t      testing.TB
	db     *DB
	random *rand.Rand
	want   map[string]string
	held   map[*Value]string // pins, with the bytes that they had
	features
}

// key is one of few, so that operations meet; some are prefixes of others.
func (m *model) key() string {
	return fmt.Sprintf("%.*s", 1+m.random.Intn(4), fmt.Sprintf("%c\x00%c%c",
		'a'+rune(m.random.Intn(6)), 'a'+rune(m.random.Intn(6)), 'a'+rune(m.random.Intn(3))))
}

func (m *model) value() string {
	n := m.random.Intn(64)
	switch m.random.Intn(20) {
	case 0:
		n = m.random.Intn(10_000)
	case 1:
		n = 0
	}
	return string(pattern(n, byte(m.random.Intn(256))))
}

func (m *model) step() {
	m.t.Helper()
	key := m.key()
	want, there := m.want[key]
	switch m.random.Intn(24) {
	case 0, 1, 2, 3, 4:
		value := m.value()
		ok(m.t, m.db.Put([]byte(key), []byte(value)))
		m.want[key] = value
	case 5, 6:
		existed, err := m.db.Delete([]byte(key))
		ok(m.t, err)
		if existed != there {
			m.t.Fatalf("delete %q says %v, want %v", key, existed, there)
		}
		delete(m.want, key)
	case 7, 8:
		m.swap(key)
	case 9, 10:
		m.batch()
	case 11:
		m.multi()
	case 12:
		m.prefix(key[:m.random.Intn(len(key)+1)])
	case 13:
		m.pin(key)
	case 14:
		if m.random.Intn(50) == 0 {
			ok(m.t, m.db.Compact())
			ok(m.t, m.db.Checkpoint())
		}
	case 15:
		exists, err := m.db.Exists([]byte(key))
		ok(m.t, err)
		if exists != there {
			m.t.Fatalf("exists %q says %v, want %v", key, exists, there)
		}
	case 16:
		m.view(key)
	case 17, 18, 19, 20:
		m.feature(m.random.Intn(featureCount), key, m.value(), m.key, m.random.Intn)
	default:
		if there {
			holds(m.t, m.db, key, want)
		} else {
			lacks(m.t, m.db, key)
		}
	}
}

// maybe is the slice of a value that may be missing.
func maybe(value string, there bool) []byte {
	if !there {
		return nil
	}
	return append([]byte{}, value...)
}

func (m *model) swap(key string) {
	current, there := m.want[key]
	expected := maybe(current, there)
	match := m.random.Intn(3) > 0
	if !match {
		expected = maybe(m.value(), m.random.Intn(2) == 0)
		match = (expected != nil) == there && string(expected) == current
	}
	desired, store := m.value(), m.random.Intn(4) > 0
	err := m.db.CompareAndSwap([]byte(key), expected, maybe(desired, store))
	if match != (err == nil) || err != nil && !errors.Is(err, ErrConflict) {
		m.t.Fatalf("swap of %q: %v, want a match: %v", key, err, match)
	}
	switch {
	case match && store:
		m.want[key] = desired
	case match:
		delete(m.want, key)
	}
}

func (m *model) batch() {
	var b Batch
	for n := m.random.Intn(20); n >= 0; n-- {
		key := m.key()
		if m.random.Intn(3) == 0 {
			b.Delete([]byte(key))
			delete(m.want, key)
		} else {
			value := m.value()
			b.Put([]byte(key), []byte(value))
			m.want[key] = value
		}
	}
	ok(m.t, m.db.Write(&b))
}

func (m *model) multi() {
	var keys [][]byte
	for n := m.random.Intn(40); n >= 0; n-- {
		keys = append(keys, []byte(m.key()))
	}
	values, err := m.db.GetMulti(keys)
	ok(m.t, err)
	for i, key := range keys {
		want, there := m.want[string(key)]
		if (values[i] != nil) != there || string(values[i]) != want {
			m.t.Fatalf("get of %q among many: %.40q, want %.40q (%v)", key, values[i], want, there)
		}
	}
}

func (m *model) view(key string) {
	want, there := m.want[key]
	err := m.db.View([]byte(key), func(value []byte) error {
		if string(value) != want {
			return fmt.Errorf("view of %q: %.40q, want %.40q", key, value, want)
		}
		return nil
	})
	if !there && errors.Is(err, ErrNotFound) {
		return
	}
	ok(m.t, err)
}

func (m *model) pin(key string) {
	for v, want := range m.held {
		if m.random.Intn(4) == 0 {
			m.holdsStill(v, want)
			delete(m.held, v)
		}
	}
	want, there := m.want[key]
	v, err := m.db.GetPinned([]byte(key))
	if !there {
		is(m.t, err, ErrNotFound)
		return
	}
	ok(m.t, err)
	if m.held == nil {
		m.held = map[*Value]string{}
	}
	m.held[v] = want
}

func (m *model) holdsStill(v *Value, want string) {
	if !bytes.Equal(v.Bytes(), []byte(want)) {
		m.t.Fatalf("a pinned value changed: %.40q, want %.40q", v.Bytes(), want)
	}
	ok(m.t, v.Close())
}

func (m *model) prefix(prefix string) {
	want := map[string]string{}
	for key, value := range m.want {
		if len(key) >= len(prefix) && key[:len(prefix)] == prefix {
			want[key] = value
		}
	}
	same(m.t, iterate(m.t, m.db, prefix), want)
}

func (m *model) checkAll() {
	m.t.Helper()
	m.prefix("")
	stats, err := m.db.Stats()
	ok(m.t, err)
	if stats.Keys != uint64(len(m.want)) {
		m.t.Fatalf("%d keys counted, want %d", stats.Keys, len(m.want))
	}
}
