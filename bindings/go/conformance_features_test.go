package warp

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
)

// The steps about reads that do not wait, hints, rules, placement, links and the load monitor.
func (r *runner) feature(op string, step fields) (Code, error) {
	switch op {
	case "put_hinted", "get_pinned_nowait", "exists_nowait", "shard_of", "get_linked",
		"partners":
		key, err := bytesField(step, "key")
		if err != nil {
			return 0, err
		}
		return r.ofKey(op, key, step)
	case "add_rule":
		rule, err := ruleOf(step)
		if err != nil {
			return 0, err
		}
		return codeOf(r.db.AddRule(rule))
	case "remove_rule":
		pattern, err := bytesField(step, "pattern")
		if err != nil {
			return 0, err
		}
		existed, err := r.db.RemoveRule(string(pattern))
		return yes(existed, CodeNotFound, err)
	case "rules":
		return r.rules(step)
	case "same_shard":
		return r.sameShard(step)
	case "move_slots", "shard_cpu", "rebalance":
		return r.shards(op, step)
	case "link", "unlink":
		return r.link(op, step)
	case "events":
		return r.events(step)
	case "openmetrics":
		return r.openMetrics(step)
	default:
		return 0, fmt.Errorf("unknown operation %s", op)
	}
}

func (r *runner) ofKey(op string, key []byte, step fields) (Code, error) {
	switch op {
	case "put_hinted":
		value, err := bytesField(step, "value")
		if err != nil {
			return 0, err
		}
		hint, err := number(step, "hint")
		if err != nil {
			return 0, err
		}
		return codeOf(r.db.PutHinted(key, value, Temperature(hint)))
	case "exists_nowait":
		there, err := r.db.TryExists(key)
		return yes(there, CodeNotFound, err)
	case "shard_of":
		shard, err := r.db.ShardOf(key)
		if err != nil {
			return codeOf(err)
		}
		return CodeOK, sameNumber(step, "shard", shard)
	case "get_linked":
		return r.getLinked(key, step)
	case "partners":
		return r.partners(key, step)
	}
	pinned, err := r.db.TryGetPinned(key)
	if err != nil {
		return codeOf(err)
	}
	defer pinned.Close()
	return compareValue(step, pinned.Bytes(), nil)
}

// sameNumber compares a number of the answer with the file's.
func sameNumber(step fields, field string, got int) error {
	want, err := number(step, field)
	if err == nil && got != want {
		err = fmt.Errorf("%s: answered %d, the file says %d", field, got, want)
	}
	return err
}

func ruleOf(object fields) (Rule, error) {
	flags, err := number(object, "flags")
	if err != nil {
		return Rule{}, err
	}
	rule := Rule{Place: flags&1 != 0, Link: flags&2 != 0}
	err = eachBytes(object, "patterns", func(pattern []byte) error {
		rule.Patterns = append(rule.Patterns, string(pattern))
		return nil
	})
	return rule, err
}

// eachBytes decodes a list of bytes.
func eachBytes(object fields, field string, fn func([]byte) error) error {
	var forms []json.RawMessage
	if err := lists(object, map[string]*[]json.RawMessage{field: &forms}); err != nil {
		return err
	}
	for _, form := range forms {
		decoded, err := decode(form)
		if err == nil {
			err = fn(decoded)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func (r *runner) rules(step fields) (Code, error) {
	got, err := r.db.Rules()
	if err != nil {
		return codeOf(err)
	}
	var objects []fields
	if err := json.Unmarshal(step["rules"], &objects); err != nil {
		return 0, err
	}
	wanted := []Rule{}
	for _, object := range objects {
		rule, err := ruleOf(object)
		if err != nil {
			return 0, err
		}
		wanted = append(wanted, rule)
	}
	if !reflect.DeepEqual(append([]Rule{}, got...), wanted) {
		return 0, fmt.Errorf("rules: answered %+v, the file says %+v", got, wanted)
	}
	return CodeOK, nil
}

func (r *runner) sameShard(step fields) (Code, error) {
	first := -1
	return codeOf(eachBytes(step, "keys", func(key []byte) error {
		shard, err := r.db.ShardOf(key)
		if err == nil && first >= 0 && shard != first {
			return fmt.Errorf("%.40q is in shard %d, another key in %d", key, shard, first)
		}
		first = shard
		return err
	}))
}

func (r *runner) shards(op string, step fields) (Code, error) {
	if op == "rebalance" {
		moved, err := r.db.Rebalance()
		if err != nil {
			return codeOf(err)
		}
		if _, given := step["at_least"]; !given {
			return CodeOK, sameNumber(step, "moved", moved)
		}
		least, err := number(step, "at_least")
		if err == nil && moved < least {
			err = fmt.Errorf("%d slots moved, fewer than %d", moved, least)
		}
		return CodeOK, err
	}
	shard, err := number(step, "shard")
	if err != nil {
		return 0, err
	}
	if op == "shard_cpu" {
		_, err := r.db.ShardCPU(shard)
		return codeOf(err)
	}
	first, err := number(step, "first")
	if err != nil {
		return 0, err
	}
	count, err := number(step, "count")
	if err != nil {
		return 0, err
	}
	for slot := first; slot < first+count && err == nil; slot++ {
		err = r.db.MoveSlot(slot, shard)
	}
	return codeOf(err)
}

func (r *runner) link(op string, step fields) (Code, error) {
	from, err := bytesField(step, "from")
	if err != nil {
		return 0, err
	}
	to, err := bytesField(step, "to")
	if err != nil {
		return 0, err
	}
	if op == "unlink" {
		existed, err := r.db.Unlink(from, to)
		return yes(existed, CodeNotFound, err)
	}
	var strength float64
	if err := json.Unmarshal(step["strength"], &strength); err != nil {
		return 0, err
	}
	return codeOf(r.db.Link(from, to, strength))
}

// getLinked compares both ways to read a key and its partners.
func (r *runner) getLinked(key []byte, step fields) (Code, error) {
	copies, err := r.db.GetLinked(key)
	if err != nil {
		return codeOf(err)
	}
	var forms [][3]json.RawMessage
	if err := json.Unmarshal(step["linked"], &forms); err != nil {
		return 0, err
	}
	if len(copies) != len(forms) {
		return 0, fmt.Errorf("answered %d values, the file says %d", len(copies), len(forms))
	}
	err = r.db.ViewLinked(key, func(i int, one Linked) error {
		wantKey, err := decode(forms[i][0])
		if err != nil {
			return err
		}
		wantValue, err := decode(forms[i][1])
		if err != nil {
			return err
		}
		var strength float64
		if err := json.Unmarshal(forms[i][2], &strength); err != nil {
			return err
		}
		for _, got := range []Linked{one, copies[i]} {
			if !bytes.Equal(got.Key, wantKey) || !bytes.Equal(got.Value, wantValue) || got.Strength != strength {
				return fmt.Errorf("value %d: answered %.40q, %d bytes, %v", i, got.Key, len(got.Value), got.Strength)
			}
		}
		return nil
	})
	return codeOf(err)
}

func (r *runner) partners(key []byte, step fields) (Code, error) {
	partners, err := r.db.Partners(key)
	if err != nil {
		return codeOf(err)
	}
	var forms [][2]json.RawMessage
	if err := json.Unmarshal(step["partners"], &forms); err != nil {
		return 0, err
	}
	if len(partners) != len(forms) {
		return 0, fmt.Errorf("answered %d partners, the file says %d", len(partners), len(forms))
	}
	for i, form := range forms {
		wanted, err := decode(form[0])
		if err != nil {
			return 0, err
		}
		var strength float64
		if err := json.Unmarshal(form[1], &strength); err != nil {
			return 0, err
		}
		got := partners[i]
		if !bytes.Equal(got.Key, wanted) || got.Strength != strength || len(got.Value) != 0 {
			return 0, fmt.Errorf("partner %d: answered %.40q, %v", i, got.Key, got.Strength)
		}
	}
	return CodeOK, nil
}

// changed reads what has changed. The buffer grows here, so what does not fit is known by its length.
func (r *runner) changed(op string, step fields) (Code, error) {
	key, err := bytesField(step, "key")
	if err != nil {
		return 0, err
	}
	capacity, err := number(step, "capacity")
	if err != nil {
		return 0, err
	}
	var known uint64
	if _, given := step["known"]; given {
		name, err := text(step, "known")
		if err != nil {
			return 0, err
		}
		if known = r.revisions[name]; known == 0 {
			return 0, fmt.Errorf("no revision is named %s", name)
		}
	}
	get := r.db.AppendGetIfChanged
	if op == "get_if_changed_nowait" {
		get = r.db.AppendTryGetIfChanged
	}
	value, revision, err := get(nil, key, known)
	code, err := codeOf(err)
	if err != nil {
		return 0, err
	}
	if code != CodeOK {
		if want := map[bool]uint64{true: known}[code == CodeUnchanged]; revision != want {
			return 0, fmt.Errorf("answered the revision %d with %v, it is to be %d", revision, code, want)
		}
		return code, nil
	}
	if revision == 0 || revision == known {
		return 0, errors.New("there is no new revision")
	}
	if _, given := step["as"]; given {
		name, err := text(step, "as")
		if err != nil {
			return 0, err
		}
		r.revisions[name] = revision
	}
	if err := sameNumber(step, "length", len(value)); err != nil {
		return 0, err
	}
	if len(value) > capacity {
		return CodeBufferTooSmall, nil
	}
	return compareValue(step, value, nil)
}

func (r *runner) events(step fields) (Code, error) {
	from, err := number(step, "from")
	if err != nil {
		return 0, err
	}
	events, next, err := r.db.Events(uint64(from))
	if err != nil {
		return codeOf(err)
	}
	var kinds []EventKind
	if err := json.Unmarshal(step["kinds"], &kinds); err != nil {
		return 0, err
	}
	if len(events) != len(kinds) {
		return 0, fmt.Errorf("events are %+v, the file says %v", events, kinds)
	}
	for i, event := range events {
		if event.Kind != kinds[i] {
			return 0, fmt.Errorf("event %d is %+v, the file says %s", i, event, kinds[i])
		}
	}
	return CodeOK, sameNumber(step, "next", int(next))
}

func (r *runner) openMetrics(step fields) (Code, error) {
	got, err := r.db.OpenMetrics()
	if err != nil {
		return codeOf(err)
	}
	var lines []string
	if err := json.Unmarshal(step["lines"], &lines); err != nil {
		return 0, err
	}
	for _, line := range lines {
		if !bytes.Contains(append([]byte("\n"), got...), []byte("\n"+line+"\n")) {
			return 0, fmt.Errorf("the text lacks the line %s", line)
		}
	}
	if !bytes.HasSuffix(got, []byte("\n# EOF\n")) {
		return 0, fmt.Errorf("the text has no end")
	}
	return CodeOK, nil
}
