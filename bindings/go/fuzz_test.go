package warp

import "testing"

// FuzzDB takes bytes for a program, runs it on a database and on a map, and compares each answer:
//
//	go test -fuzz FuzzDB -fuzztime 1m
//
// A program is a list of operations, each of an opcode, a key (its length and bytes) and, where it
// takes one, a value (its length and seed).
func FuzzDB(f *testing.F) {
	for _, program := range []string{
		"",
		"\x00\x01a\x05\x01\x01\x01a",           // put, get
		"\x00\x01a\x05\x01\x02\x01a\x01\x01a",  // put, delete, get
		"\x00\x01a\x00\x00\x01\x01a\x06\x01a",  // an empty value
		"\x00\x00",                             // an empty key
		"\x00\x02\x00\xff\x05\x01\x05\x01\x00", // bytes of all kinds, iterate
		"\x03\x01a\x05\x01\x03\x01a\x06\x02\x03\x01a\x06\x02",                               // swaps
		"\x04\x03\x00\x01a\x05\x01\x01\x01a\x00\x01b\x06\x02",                               // a batch
		"\x07\x07\x00\x01a\xff\x01\x07\x01\x01a\x07",                                        // upkeep in between
		"\x04\x02\x00\x01a\x05\x01\x00\x00\x05\x01\x01\x01a",                                // a batch with an empty key
		"\x00\x01a\xfe\x01\x00\x02ab\xfd\x02\x05\x01a\x05\x00",                              // long values, prefixes
		"\x00\x02ax\x05\x01\x00\x02bx\x05\x01\x09\x06\x00\x00\x01\x00\x00\x09\x04\x02ax",    // a rule, and a group
		"\x00\x01a\x05\x01\x00\x01b\x05\x01\x09\x02\x01a\x00\x00\x01b\x07\x00\x09\x04\x01a", // a link, and partners
		"\x08\x01a\x00\x01a\x05\x01\x08\x01a\x02\x01a\x08\x01a",                             // pins across a delete
	} {
		f.Add([]byte(program))
	}
	f.Fuzz(func(t *testing.T, program []byte) {
		if len(program) > 4096 {
			return // longer ones find nothing that two short ones do not
		}
		m := &machine{rest: program, model: model{t: t, db: memory(t), want: map[string]string{}}}
		for len(m.rest) > 0 && !t.Failed() {
			m.run()
		}
		m.checkAll()
		for v, want := range m.held {
			m.holdsStill(v, want)
		}
	})
}

// A machine reads operations from bytes and makes them on the model's two sides.
type machine struct {
	model
	rest []byte
}

func (m *machine) byte() byte {
	if len(m.rest) == 0 {
		return 0
	}
	b := m.rest[0]
	m.rest = m.rest[1:]
	return b
}

func (m *machine) key() string {
	n := int(m.byte() & 7)
	if n > len(m.rest) {
		n = len(m.rest)
	}
	key := m.rest[:n]
	m.rest = m.rest[n:]
	return string(key)
}

func (m *machine) value() string {
	n := int(m.byte())
	if n >= 0xf8 {
		n = (n - 0xf7) * 1500
	}
	return string(pattern(n, m.byte()))
}

func (m *machine) run() {
	switch m.byte() % 10 {
	case 0:
		key, value := m.key(), m.value()
		if err := m.db.Put([]byte(key), []byte(value)); m.takes(key, err) {
			m.want[key] = value
		}
	case 1:
		if key := m.key(); key != "" {
			m.view(key)
		}
	case 2:
		key := m.key()
		_, there := m.want[key]
		existed, err := m.db.Delete([]byte(key))
		if m.takes(key, err) && existed != there {
			m.t.Fatalf("delete %q says %v, want %v", key, existed, there)
		}
		delete(m.want, key)
	case 3:
		m.swap()
	case 4:
		m.batch()
	case 5:
		m.prefix(m.key())
	case 6:
		key := m.key()
		_, there := m.want[key]
		exists, err := m.db.Exists([]byte(key))
		if m.takes(key, err) && exists != there {
			m.t.Fatalf("exists %q says %v, want %v", key, exists, there)
		}
	case 7:
		ok(m.t, m.db.Compact())
	case 8:
		key := m.key()
		want, there := m.want[key]
		v, err := m.db.GetPinned([]byte(key))
		switch {
		case there:
			ok(m.t, err)
			if m.held == nil {
				m.held = map[*Value]string{}
			}
			m.held[v] = want
		case key != "":
			is(m.t, err, ErrNotFound)
		}
	case 9:
		m.feature(int(m.byte())%featureCount, m.key(), m.value(), m.key, m.pick)
	}
}

// pick reads a number below n.
func (m *machine) pick(n int) int { return (int(m.byte()) | int(m.byte())<<8) % n }

// takes checks that an empty key, and nothing else, is refused.
func (m *machine) takes(key string, err error) bool {
	if key == "" {
		is(m.t, err, ErrInvalidArgument)
		return false
	}
	ok(m.t, err)
	return true
}

func (m *machine) swap() {
	key, desired, how := m.key(), m.value(), m.byte()
	current, there := m.want[key]
	expected := maybe(current, there)
	if how&1 != 0 {
		expected = append(expected, 'x')
	}
	err := m.db.CompareAndSwap([]byte(key), expected, maybe(desired, how&2 != 0))
	switch {
	case key == "":
		is(m.t, err, ErrInvalidArgument)
	case how&1 != 0:
		is(m.t, err, ErrConflict)
	default:
		ok(m.t, err)
		if how&2 != 0 {
			m.want[key] = desired
		} else {
			delete(m.want, key)
		}
	}
}

func (m *machine) batch() {
	var b Batch
	after := map[string]string{}
	for key, value := range m.want {
		after[key] = value
	}
	whole := true
	for n := m.byte() & 15; n > 0; n-- {
		if kind, key := m.byte(), m.key(); kind&1 != 0 {
			b.Delete([]byte(key))
			delete(after, key)
			whole = whole && key != ""
		} else {
			value := m.value()
			b.Put([]byte(key), []byte(value))
			after[key] = value
			whole = whole && key != ""
		}
	}
	if err := m.db.Write(&b); !whole {
		is(m.t, err, ErrInvalidArgument)
		return
	} else if err != nil {
		m.t.Fatal(err)
	}
	m.want = after
}
