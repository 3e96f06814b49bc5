package warp

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// Another handle of the same process counts as another process: it may not have the directory.
func TestDirectoryIsOpenOnce(t *testing.T) {
	dir := t.TempDir()
	db := reopen(t, dir)
	start := time.Now()
	_, err := Open(dir, WithOpenTimeout(50*time.Millisecond))
	is(t, err, ErrBusy)
	if waited := time.Since(start); waited < 40*time.Millisecond || waited > 10*time.Second {
		t.Errorf("waited %v for 50 ms", waited)
	}
	ok(t, db.Close())
	ok(t, reopen(t, dir, WithOpenTimeout(0)).Close())
}

// A handle that was dropped gives the directory back once the collector has seen it.
func TestDroppedDatabaseUnlocksItsDirectory(t *testing.T) {
	dir := t.TempDir()
	func() { put(t, reopen(t, dir), "k", "v") }()
	collect()
	db := reopen(t, dir, WithOpenTimeout(10*time.Second))
	holds(t, db, "k", "v")
	ok(t, db.Close())
}

func TestReopen(t *testing.T) {
	dir := t.TempDir()
	want := map[string]string{}
	for round := 0; round < 4; round++ {
		db := reopen(t, dir)
		same(t, iterate(t, db, ""), want)
		for i := 0; i < 500; i++ {
			key, value := fmt.Sprint(i%(100*(round+1))), string(pattern(i, byte(round)))
			put(t, db, key, value)
			want[key] = value
		}
		_, err := db.Delete([]byte("7"))
		ok(t, err)
		delete(want, "7")
		ok(t, db.Close())
	}
}

func TestOpenOptionsOnADirectory(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "db")
	_, err := Open(dir, WithCreateIfMissing(false))
	is(t, err, ErrInvalidArgument)
	db := reopen(t, dir, WithShards(3))
	put(t, db, "k", "v")
	ok(t, db.Close())
	_, err = Open(dir, WithErrorIfExists(true))
	is(t, err, ErrInvalidArgument)
	_, err = Open(dir, WithShards(5))
	is(t, err, ErrInvalidArgument)

	db = reopen(t, dir)
	stats, err := db.Stats()
	ok(t, err)
	if stats.Shards != 3 {
		t.Errorf("%d shards, want 3", stats.Shards)
	}
	ok(t, db.Close())

	db = reopen(t, dir, WithReadOnly(true))
	holds(t, db, "k", "v")
	is(t, db.Put([]byte("k"), []byte("w")), ErrReadOnly)
	_, err = db.Delete([]byte("k"))
	is(t, err, ErrReadOnly)
	is(t, db.CompareAndSwap([]byte("new"), nil, []byte("w")), ErrReadOnly)
	var b Batch
	b.Put([]byte("k"), []byte("w"))
	is(t, db.Write(&b), ErrReadOnly)
	ok(t, db.Close())
}

func TestPathsThatCannotBeUsed(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	ok(t, os.WriteFile(file, []byte("x"), 0o600))
	for _, path := range []string{"", file, filepath.Join(file, "below")} {
		db, err := Open(path, WithOpenTimeout(0))
		if err == nil {
			db.Close()
			t.Errorf("opened %q", path)
		}
	}
}

func TestBackup(t *testing.T) {
	db := reopen(t, t.TempDir())
	defer db.Close()
	want := map[string]string{}
	for i := 0; i < 1000; i++ {
		key := fmt.Sprint(i)
		put(t, db, key, string(pattern(i, 1)))
		want[key] = string(pattern(i, 1))
	}
	dir := filepath.Join(t.TempDir(), "copy")
	ok(t, db.Backup(dir))
	put(t, db, "later", "v")
	other := reopen(t, dir)
	same(t, iterate(t, other, ""), want)
	put(t, other, "own", "v")
	lacks(t, db, "own")
	ok(t, other.Close())
	is(t, db.Backup(dir), ErrInvalidArgument) // not empty
}

func TestBackupOfMemoryIsUnsupported(t *testing.T) {
	is(t, memory(t).Backup(filepath.Join(t.TempDir(), "copy")), ErrUnsupported)
}
