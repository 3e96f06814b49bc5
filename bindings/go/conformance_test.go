package warp

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strconv"
	"strings"
	"testing"
	"time"
)

// The conformance suite of all languages, ../../tests/conformance, whose README.md has the format.
// What this package has no call of its own for is translated: a read into a buffer is AppendGet,
// which answers with more room where the C ABI says that the buffer is too small, and a refused
// operation of a batch or key of a multi-get is an error of the whole call.

type fields = map[string]json.RawMessage

// runner runs one file.
type runner struct {
	root    string // empty: in memory
	dir     string
	options json.RawMessage // of the last open that succeeded
	db      *DB
	pins    map[string]*Value
	iters   map[string]*Iter
	tokens  map[string]Token
	// revisions by name
	revisions map[string]uint64
}

const suite = "../../tests/conformance"

func TestConformance(t *testing.T) {
	paths, err := filepath.Glob(filepath.Join(suite, "*.json"))
	ok(t, err)
	if len(paths) == 0 {
		t.Fatal("no conformance file was found")
	}
	for _, path := range paths {
		path := path
		t.Run(strings.TrimSuffix(filepath.Base(path), ".json"), func(t *testing.T) {
			t.Parallel()
			text, err := os.ReadFile(path)
			ok(t, err)
			runFile(t, text)
		})
	}
}

func runFile(t *testing.T, text []byte) {
	var file struct {
		Store string
		Open  json.RawMessage
		Steps []json.RawMessage
	}
	ok(t, json.Unmarshal(text, &file))
	r := &runner{dir: "db", pins: map[string]*Value{}, iters: map[string]*Iter{},
		tokens: map[string]Token{}, revisions: map[string]uint64{}}
	if file.Store != "memory" {
		r.root = t.TempDir()
	}
	defer r.end()
	if file.Open != nil {
		if code, err := r.step(fields{"op": []byte(`"open"`), "options": file.Open}); err != nil || code != CodeOK {
			t.Fatalf("open: %v, %v", code, err)
		}
	}
	for i, raw := range file.Steps {
		var step fields
		ok(t, json.Unmarshal(raw, &step))
		code, err := r.step(step)
		if err == nil {
			err = expect(step, code)
		}
		if err != nil {
			t.Fatalf("step %d %.160s: %v", i, raw, err)
		}
	}
}

func (r *runner) end() {
	for _, it := range r.iters {
		it.Close()
	}
	for _, pin := range r.pins {
		pin.Close()
	}
	if r.db != nil {
		r.db.Close()
	}
}

// codeOf is the status that an error stands for; anything else that went wrong is the second answer.
func codeOf(err error) (Code, error) {
	var e *Error
	switch {
	case err == nil:
		return CodeOK, nil
	case errors.As(err, &e):
		return e.Code, nil
	default:
		return 0, err
	}
}

func yes(holds bool, no Code, err error) (Code, error) {
	if err == nil && !holds {
		return no, nil
	}
	return codeOf(err)
}

// expect says whether the status is the one, or one of those, that the step expects.
func expect(step fields, got Code) error {
	var names []string
	raw, given := step["expect"]
	switch {
	case !given:
		names = []string{"WARP_OK"}
	case raw[0] == '[':
		if err := json.Unmarshal(raw, &names); err != nil {
			return err
		}
	default:
		name, err := text(step, "expect")
		if err != nil {
			return err
		}
		names = []string{name}
	}
	for _, name := range names {
		if got.String() == name {
			return nil
		}
	}
	return fmt.Errorf("answered %v, the file expects %v", got, names)
}

func (r *runner) step(step fields) (Code, error) {
	op, err := text(step, "op")
	if err != nil {
		return 0, err
	}
	switch op {
	case "open", "close", "reopen", "open_second":
		return r.openOrClose(op, step)
	case "option":
		return checkOption(step)
	case "put", "exists", "delete", "cas":
		return r.write(op, step)
	case "get", "get_pinned", "get_into", "get_nowait":
		return r.read(op, step)
	case "get_if_changed", "get_if_changed_nowait":
		return r.changed(op, step)
	case "pin", "pinned", "release":
		return r.pin(op, step)
	case "multi_get":
		return r.multiGet(step)
	case "batch":
		return r.batch(step)
	case "write_encoded":
		packed, err := bytesField(step, "bytes")
		if err != nil {
			return 0, err
		}
		return codeOf(r.db.WriteEncoded(packed))
	case "iterate", "pages", "iter_open", "iter_rest":
		return r.iterate(op, step)
	case "sync":
		return codeOf(r.db.Sync())
	case "checkpoint":
		return codeOf(r.db.Checkpoint())
	case "compact":
		return codeOf(r.db.Compact())
	case "backup":
		dir, err := text(step, "dir")
		if err != nil {
			return 0, err
		}
		return codeOf(r.db.Backup(filepath.Join(r.root, dir)))
	case "token", "wait_durable", "is_durable":
		return r.token(op, step)
	case "stats":
		return r.stats(step)
	case "stats_json":
		return r.statsJSON()
	case "status":
		return checkStatus(step)
	default:
		return r.feature(op, step)
	}
}

func (r *runner) openOrClose(op string, step fields) (Code, error) {
	options, dir := step["options"], "db"
	if op == "close" || op == "reopen" {
		code, err := codeOf(r.db.Close())
		r.db = nil
		if op == "close" || code != CodeOK || err != nil {
			return code, err
		}
		dir = r.dir
		if options == nil {
			options = r.options
		}
	}
	if _, given := step["dir"]; given {
		var err error
		if dir, err = text(step, "dir"); err != nil {
			return 0, err
		}
	}
	db, err := r.open(dir, options)
	switch {
	case op == "open_second" && err == nil:
		return codeOf(db.Close())
	case err != nil:
		return codeOf(err)
	case r.db != nil:
		db.Close()
		return 0, errors.New("a database is open already")
	}
	r.db, r.dir, r.options = db, dir, options
	return CodeOK, nil
}

func (r *runner) open(dir string, raw json.RawMessage) (*DB, error) {
	var named map[string]string
	if raw != nil {
		if err := json.Unmarshal(raw, &named); err != nil {
			return nil, err
		}
	}
	var options []Option
	for name, value := range named {
		options = append(options, WithOption(name, value))
	}
	if r.root == "" {
		return OpenMemory(options...)
	}
	return Open(filepath.Join(r.root, dir), options...)
}

// checkOption sets an option of a database that is not opened: an option behind it is refused, and
// the text says which of the two was.
func checkOption(step fields) (Code, error) {
	name, err := text(step, "name")
	if err != nil {
		return 0, err
	}
	value, err := text(step, "value")
	if err != nil {
		return 0, err
	}
	const unknown = "no_such_option"
	db, err := OpenMemory(WithOption(name, value), WithOption(unknown, ""))
	if err == nil {
		db.Close()
		return 0, fmt.Errorf("%s was taken for an option", unknown)
	}
	if strings.Contains(err.Error(), unknown) {
		return CodeOK, nil
	}
	return codeOf(err)
}

func (r *runner) write(op string, step fields) (Code, error) {
	key, err := bytesField(step, "key")
	if err != nil {
		return 0, err
	}
	switch op {
	case "exists":
		there, err := r.db.Exists(key)
		return yes(there, CodeNotFound, err)
	case "delete":
		existed, err := r.db.Delete(key)
		return yes(existed, CodeNotFound, err)
	case "put":
		value, err := bytesField(step, "value")
		if err != nil {
			return 0, err
		}
		return codeOf(r.db.Put(key, value))
	}
	expected, err := optional(step["expected"])
	if err != nil {
		return 0, err
	}
	desired, err := optional(step["desired"])
	if err != nil {
		return 0, err
	}
	return codeOf(r.db.CompareAndSwap(key, expected, desired))
}

func (r *runner) read(op string, step fields) (Code, error) {
	key, err := bytesField(step, "key")
	if err != nil {
		return 0, err
	}
	switch op {
	case "get":
		value, err := r.db.Get(key)
		return compareValue(step, value, err)
	case "get_pinned":
		var code Code
		called := r.db.View(key, func(value []byte) error {
			code, err = compareValue(step, value, nil)
			return nil
		})
		if called != nil {
			return codeOf(called)
		}
		return code, err
	}
	return r.readInto(op, key, step)
}

func (r *runner) readInto(op string, key []byte, step fields) (Code, error) {
	capacity, err := number(step, "capacity")
	if err != nil {
		return 0, err
	}
	buffer := bytes.Repeat([]byte{0xEE}, capacity+1)
	get := r.db.AppendGet
	if op == "get_nowait" {
		get = r.db.AppendTryGet
	}
	value, err := get(buffer[:0:capacity], key)
	code, err := codeOf(err)
	if code != CodeOK || err != nil {
		return code, err
	}
	length, err := number(step, "length")
	if err != nil || length != len(value) {
		return 0, fmt.Errorf("length: answered %d, the file says %d, %v", len(value), length, err)
	}
	written := len(value)
	if written > capacity {
		code, written = CodeBufferTooSmall, 0
	}
	if rest := buffer[written:]; len(bytes.TrimLeft(rest, "\xee")) != 0 {
		return 0, errors.New("bytes after the value were written")
	}
	if code != CodeOK {
		return code, nil
	}
	return compareValue(step, value, nil)
}

func (r *runner) pin(op string, step fields) (Code, error) {
	name, err := text(step, "as")
	if err != nil {
		return 0, err
	}
	pinned := r.pins[name]
	switch {
	case op == "pin":
		key, err := bytesField(step, "key")
		if err != nil {
			return 0, err
		}
		if pinned, err = r.db.GetPinned(key); err != nil {
			return codeOf(err)
		}
		r.pins[name] = pinned
	case pinned == nil:
		return 0, fmt.Errorf("nothing is named %s", name)
	case op == "release":
		delete(r.pins, name)
		return codeOf(pinned.Close())
	}
	value, err := pinned.AppendTo(nil)
	return compareValue(step, value, err)
}

// multiGet compares every answer. One refused key is an error of the whole call here, so those are
// tried first, then the others are asked for without them.
func (r *runner) multiGet(step fields) (Code, error) {
	var forms, answers []json.RawMessage
	if err := lists(step, map[string]*[]json.RawMessage{"keys": &forms, "answers": &answers}); err != nil {
		return 0, err
	}
	if len(forms) != len(answers) {
		return 0, errors.New("not as many answers as keys")
	}
	var keys [][]byte
	var wanted []fields
	for i, form := range forms {
		key, err := decode(form)
		if err != nil {
			return 0, err
		}
		var answer fields
		if err := json.Unmarshal(answers[i], &answer); err != nil {
			return 0, err
		}
		if name, _ := text(answer, "expect"); strings.HasPrefix(name, "WARP_ERR_") {
			_, err := r.db.GetMulti([][]byte{[]byte("k"), key})
			code, err := codeOf(err)
			if err == nil {
				err = expect(answer, code)
			}
			if err != nil {
				return 0, fmt.Errorf("key %d: %w", i, err)
			}
			continue
		}
		keys, wanted = append(keys, key), append(wanted, answer)
	}
	values, err := r.db.GetMulti(keys)
	if err != nil {
		return codeOf(err)
	}
	for i, answer := range wanted {
		if values[i] == nil {
			err = expect(answer, CodeNotFound)
		} else if err = expect(answer, CodeOK); err == nil {
			_, err = compareValue(answer, values[i], nil)
		}
		if err != nil {
			return 0, fmt.Errorf("answer %d: %w", i, err)
		}
	}
	return CodeOK, nil
}

// batch tries each operation in a batch of its own: a Batch remembers the first that is refused.
func (r *runner) batch(step fields) (Code, error) {
	var ops []fields
	if err := json.Unmarshal(step["ops"], &ops); err != nil {
		return 0, err
	}
	var batch Batch
	for i, op := range ops {
		var alone Batch
		kind, err := text(op, "op")
		if err != nil {
			return 0, err
		}
		key, err := bytesField(op, "key")
		if err != nil {
			return 0, err
		}
		add := func(b *Batch) { b.Delete(key) }
		if kind == "put" {
			value, err := bytesField(op, "value")
			if err != nil {
				return 0, err
			}
			add = func(b *Batch) { b.Put(key, value) }
		}
		add(&alone)
		code, err := codeOf(alone.Err())
		if err == nil {
			err = expect(op, code)
		}
		if err != nil {
			return 0, fmt.Errorf("operation %d: %w", i, err)
		}
		if code == CodeOK {
			add(&batch)
		}
	}
	if _, given := step["count"]; given {
		if count, err := number(step, "count"); err != nil || count != batch.Len() {
			return 0, fmt.Errorf("count: answered %d, the file says %d, %v", batch.Len(), count, err)
		}
	}
	return codeOf(r.db.Write(&batch))
}

// iterate answers pages of a size from the entries: here the size of a page is the package's own.
func (r *runner) iterate(op string, step fields) (Code, error) {
	var it *Iter
	name, _ := text(step, "as")
	if op == "iter_rest" {
		if it = r.iters[name]; it == nil {
			return 0, fmt.Errorf("nothing is named %s", name)
		}
		delete(r.iters, name)
	} else {
		prefix, err := bytesField(step, "prefix")
		if err != nil {
			return 0, err
		}
		if it, err = r.db.NewIter(prefix); err != nil {
			return codeOf(err)
		}
	}
	if op == "iter_open" {
		r.iters[name] = it
		return CodeOK, nil
	}
	defer it.Close()
	got, large := map[string]string{}, 0
	for it.Next() {
		if _, twice := got[string(it.Key())]; twice {
			return 0, fmt.Errorf("the key %.40q came twice", it.Key())
		}
		got[string(it.Key())] = string(it.Value())
		if size := 8 + len(it.Key()) + len(it.Value()); size > large {
			large = size
		}
	}
	if it.Err() != nil {
		return codeOf(it.Err())
	}
	if op == "pages" {
		if room, err := number(step, "buffer"); err != nil || large > room {
			return CodeBufferTooSmall, err
		}
	}
	return CodeOK, compareEntries(step, got)
}

func compareEntries(step fields, got map[string]string) error {
	var pairs [][2]json.RawMessage
	if err := json.Unmarshal(step["entries"], &pairs); err != nil {
		return err
	}
	for _, pair := range pairs {
		key, err := decode(pair[0])
		if err != nil {
			return err
		}
		want, err := decode(pair[1])
		if err != nil {
			return err
		}
		value, there := got[string(key)]
		if !there || value != string(want) {
			return fmt.Errorf("the key %.40q is missing or has another value", key)
		}
		delete(got, string(key))
	}
	for key := range got {
		return fmt.Errorf("the key %.40q too many", key)
	}
	return nil
}

func (r *runner) token(op string, step fields) (Code, error) {
	if op == "token" {
		name, err := text(step, "as")
		if err != nil {
			return 0, err
		}
		r.tokens[name], err = r.db.Token()
		return codeOf(err)
	}
	name, err := text(step, "token")
	if err != nil {
		return 0, err
	}
	token, known := r.tokens[name]
	if !known {
		return 0, fmt.Errorf("nothing is named %s", name)
	}
	if op == "is_durable" {
		durable, err := r.db.IsDurable(token)
		return yes(durable, CodeWouldBlock, err)
	}
	timeout, err := number(step, "timeout_ms")
	if err != nil {
		return 0, err
	}
	return codeOf(r.db.waitDurable(token, time.Duration(timeout)*time.Millisecond))
}

func (r *runner) stats(step fields) (Code, error) {
	stats, err := r.db.Stats()
	if err != nil {
		return codeOf(err)
	}
	for _, group := range []string{"fields", "at_least"} {
		var wanted map[string]uint64
		if raw, given := step[group]; given {
			if err := json.Unmarshal(raw, &wanted); err != nil {
				return 0, err
			}
		}
		for name, want := range wanted {
			got, err := statistic(stats, name)
			if err != nil {
				return 0, err
			}
			if got < want || group == "fields" && got != want {
				return 0, fmt.Errorf("%s is %d, the file says %d", name, got, want)
			}
		}
	}
	return CodeOK, nil
}

// statistic finds log_bytes in the field LogBytes.
func statistic(stats Stats, name string) (uint64, error) {
	if name == "open_micros" {
		return uint64(stats.OpenTime.Microseconds()), nil
	}
	field := reflect.ValueOf(stats).FieldByNameFunc(func(field string) bool {
		return strings.EqualFold(field, strings.ReplaceAll(name, "_", ""))
	})
	if !field.IsValid() {
		return 0, fmt.Errorf("no statistic is named %s", name)
	}
	return field.Uint(), nil
}

func (r *runner) statsJSON() (Code, error) {
	text, err := r.db.StatsJSON()
	if err != nil {
		return codeOf(err)
	}
	var object map[string]any
	return CodeOK, json.Unmarshal(text, &object)
}

func checkStatus(step fields) (Code, error) {
	name, err := text(step, "name")
	if err != nil {
		return 0, err
	}
	code, err := strconv.ParseInt(string(step["code"]), 10, 32)
	if err == nil && Code(code).String() != name {
		err = fmt.Errorf("the code's name is %v", Code(code))
	}
	return CodeOK, err
}

func compareValue(step fields, value []byte, err error) (Code, error) {
	if err != nil {
		return codeOf(err)
	}
	want, err := bytesField(step, "value")
	if err == nil && !bytes.Equal(value, want) {
		err = fmt.Errorf("value: answered %d bytes %.40q, the file says %d bytes %.40q",
			len(value), value, len(want), want)
	}
	return CodeOK, err
}

func text(object fields, field string) (string, error) {
	var s string
	if err := json.Unmarshal(object[field], &s); err != nil {
		return "", fmt.Errorf("%s is no text: %w", field, err)
	}
	return s, nil
}

func number(object fields, field string) (int, error) {
	var n int
	if err := json.Unmarshal(object[field], &n); err != nil {
		return 0, fmt.Errorf("%s is no number: %w", field, err)
	}
	return n, nil
}

func lists(object fields, into map[string]*[]json.RawMessage) error {
	for field, list := range into {
		if err := json.Unmarshal(object[field], list); err != nil {
			return fmt.Errorf("%s is no list: %w", field, err)
		}
	}
	return nil
}

func bytesField(object fields, field string) ([]byte, error) {
	form, given := object[field]
	if !given {
		return nil, fmt.Errorf("the field %s is missing", field)
	}
	return decode(form)
}

// optional is nil for null.
func optional(form json.RawMessage) ([]byte, error) {
	if string(form) == "null" {
		return nil, nil
	}
	return decode(form)
}

// decode gives the bytes of one of the four forms, never nil.
func decode(form json.RawMessage) ([]byte, error) {
	var s string
	if json.Unmarshal(form, &s) == nil {
		return []byte(s), nil
	}
	var other struct {
		Hex    *string
		Repeat []json.RawMessage
		Concat []json.RawMessage
	}
	if err := json.Unmarshal(form, &other); err != nil {
		return nil, err
	}
	switch {
	case other.Hex != nil:
		return hex.DecodeString(*other.Hex)
	case len(other.Repeat) == 2:
		unit, err := text(fields{"unit": other.Repeat[0]}, "unit")
		if err != nil {
			return nil, err
		}
		count, err := number(fields{"count": other.Repeat[1]}, "count")
		if err != nil {
			return nil, err
		}
		data, err := hex.DecodeString(unit)
		return bytes.Repeat(data, count), err
	case other.Concat != nil:
		data := []byte{}
		for _, part := range other.Concat {
			more, err := decode(part)
			if err != nil {
				return nil, err
			}
			data = append(data, more...)
		}
		return data, nil
	default:
		return nil, fmt.Errorf("%.40s is no form of bytes", form)
	}
}
