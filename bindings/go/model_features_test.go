package warp

import (
	"fmt"
	"reflect"
	"sort"
	"strings"
)

// What the model knows of rules and links. The keys of the model are few, and so are those that a
// pattern fits.
type features struct {
	rules []Rule
	links map[string][]partner // the strongest first; of equal ones the one that was linked first
}

type partner struct {
	key      string
	strength float64
}

var modelRules = []Rule{
	{Patterns: []string{"a*", "b*"}, Place: true, Link: true},
	{Patterns: []string{"c\x00*", "d\x00*", "e\x00*"}, Place: true},
	{Patterns: []string{"*c", "*b", "f*"}, Link: true},
}

const featureCount = 9

// feature makes one of featureCount operations; pick answers a number below n.
func (m *model) feature(operation int, key, value string, other func() string, pick func(n int) int) {
	m.t.Helper()
	if m.links == nil {
		m.links = map[string][]partner{}
	}
	switch operation {
	case 0:
		hint := Temperature(pick(5))
		err := m.db.PutHinted([]byte(key), []byte(value), hint)
		if key == "" || hint < Hot || hint > Cold {
			is(m.t, err, ErrInvalidArgument)
			return
		}
		ok(m.t, err)
		m.want[key] = value
	case 1:
		m.tryReads(key)
	case 2:
		m.link(key, other(), float64(1+pick(16))/16)
	case 3:
		m.unlink(key, other())
	case 4, 5:
		m.linked(key)
	case 6:
		rule := modelRules[pick(len(modelRules))]
		ok(m.t, m.db.AddRule(rule))
		if m.rule(rule.Patterns[0]) < 0 {
			m.rules = append(m.rules, rule)
		}
	case 7:
		pattern := modelRules[pick(len(modelRules))].Patterns[0]
		existed, err := m.db.RemoveRule(pattern)
		ok(m.t, err)
		at := m.rule(pattern)
		if existed != (at >= 0) {
			m.t.Fatalf("remove rule %q says %v", pattern, existed)
		}
		if existed {
			m.rules = append(m.rules[:at:at], m.rules[at+1:]...)
		}
		rules, err := m.db.Rules()
		ok(m.t, err)
		if len(rules)+len(m.rules) > 0 && !reflect.DeepEqual(rules, m.rules) {
			m.t.Fatalf("rules are %+v, want %+v", rules, m.rules)
		}
	case 8:
		m.places(key, pick)
	}
}

// rule is the place of the rule with this first pattern, or -1.
func (m *model) rule(pattern string) int {
	for i, rule := range m.rules {
		if rule.Patterns[0] == pattern {
			return i
		}
	}
	return -1
}

// tryReads compares the reads that do not wait; in memory none would.
func (m *model) tryReads(key string) {
	m.t.Helper()
	want, there := m.want[key]
	exists, err := m.db.TryExists([]byte(key))
	viewed := m.db.TryView([]byte(key), func(value []byte) error {
		if string(value) != want {
			return fmt.Errorf("view of %q: %.40q, want %.40q", key, value, want)
		}
		return nil
	})
	switch {
	case key == "":
		is(m.t, err, ErrInvalidArgument)
		is(m.t, viewed, ErrInvalidArgument)
	case there:
		ok(m.t, err)
		ok(m.t, viewed)
	default:
		ok(m.t, err)
		is(m.t, viewed, ErrNotFound)
	}
	if exists != there {
		m.t.Fatalf("exists %q says %v, want %v", key, exists, there)
	}
}

func (m *model) link(from, to string, strength float64) {
	m.t.Helper()
	err := m.db.Link([]byte(from), []byte(to), strength)
	others := []partner{}
	for _, p := range m.links[from] {
		if p.key != to {
			others = append(others, p)
		}
	}
	if from == "" || to == "" || from == to || len(others) >= 32 {
		is(m.t, err, ErrInvalidArgument)
		return
	}
	ok(m.t, err)
	others = append(others, partner{to, strength})
	sort.SliceStable(others, func(i, j int) bool { return others[i].strength > others[j].strength })
	m.links[from] = others
}

func (m *model) unlink(from, to string) {
	m.t.Helper()
	existed, err := m.db.Unlink([]byte(from), []byte(to))
	if from == "" || to == "" || from == to {
		is(m.t, err, ErrInvalidArgument)
		return
	}
	ok(m.t, err)
	was := false
	for i, p := range m.links[from] {
		if p.key == to {
			was = true
			m.links[from] = append(m.links[from][:i:i], m.links[from][i+1:]...)
			break
		}
	}
	if existed != was {
		m.t.Fatalf("unlink %q from %q says %v, want %v", to, from, existed, was)
	}
}

// group is the other keys of key's group by rules of a kind, and the primary, key itself if none.
func (m *model) group(key string, kind func(Rule) bool) (others []string, primary string) {
	for _, rule := range m.rules {
		for i, pattern := range rule.Patterns {
			before, after, _ := strings.Cut(pattern, "*")
			if !kind(rule) || len(key) <= len(before)+len(after) ||
				!strings.HasPrefix(key, before) || !strings.HasSuffix(key, after) {
				continue
			}
			star := key[len(before) : len(key)-len(after)]
			for j, other := range rule.Patterns {
				if j != i {
					others = append(others, strings.Replace(other, "*", star, 1))
				}
			}
			return others, strings.Replace(rule.Patterns[0], "*", star, 1)
		}
	}
	return nil, key
}

func (m *model) linked(key string) {
	m.t.Helper()
	want, there := m.want[key]
	if !there {
		_, err := m.db.GetLinked([]byte(key))
		if key == "" {
			is(m.t, err, ErrInvalidArgument)
		} else {
			is(m.t, err, ErrNotFound)
		}
		return
	}
	partners := append([]partner{}, m.links[key]...)
	others, _ := m.group(key, func(r Rule) bool { return r.Link })
	for _, other := range others {
		known := false
		for _, p := range partners {
			known = known || p.key == other
		}
		if !known {
			partners = append(partners, partner{other, 1})
		}
	}
	if len(partners) > 32 {
		partners = partners[:32]
	}
	all := []Linked{{[]byte(key), []byte(want), 1}}
	for _, p := range partners {
		if value, exists := m.want[p.key]; exists {
			all = append(all, Linked{[]byte(p.key), []byte(value), p.strength})
		}
	}
	linkedAre(m.t, m.db, key, all...)
}

// places moves a slot, or as many as even out the load, and finds the keys of a group together.
func (m *model) places(key string, pick func(n int) int) {
	m.t.Helper()
	if pick(8) == 0 {
		_, err := m.db.Rebalance()
		ok(m.t, err)
	} else {
		ok(m.t, m.db.MoveSlot(pick(Slots), pick(4)))
	}
	if key == "" {
		return
	}
	_, primary := m.group(key, func(r Rule) bool { return r.Place })
	a, err := m.db.ShardOf([]byte(key))
	ok(m.t, err)
	b, err := m.db.ShardOf([]byte(primary))
	ok(m.t, err)
	if a != b {
		m.t.Fatalf("%q is in shard %d, %q in %d, under %+v", key, a, primary, b, m.rules)
	}
}
