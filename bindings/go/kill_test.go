package warp

import (
	"bufio"
	"encoding/binary"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"
)

const childDirEnv = "WARP_TEST_CHILD_DIR"

// TestMain makes a process of this test binary the child that is to be killed, when it is told to.
func TestMain(m *testing.M) {
	if dir := os.Getenv(childDirEnv); dir != "" {
		writeUntilKilled(dir)
	}
	os.Exit(m.Run())
}

// The child writes in a round of three, so that each kind of write meets the kill: a put, a batch
// of two, a swap over the put. It says the round's number when all of it is acknowledged.
func writeUntilKilled(dir string) {
	fail := func(err error) {
		if err != nil {
			fmt.Println("error:", err)
			os.Exit(1)
		}
	}
	db, err := Open(dir, WithShards(4), WithDurability(DurabilityProcess))
	fail(err)
	var b Batch
	for i := uint64(0); ; i++ {
		fail(db.Put(killKey("put", i), killValue(i, 1)))
		b.Reset()
		b.Put(killKey("left", i), killValue(i, 2))
		b.Put(killKey("right", i), killValue(i, 3))
		if i >= 10 {
			b.Delete(killKey("put", i-10))
		}
		fail(db.Write(&b))
		fail(db.CompareAndSwap(killKey("put", i), killValue(i, 1), killValue(i, 4)))
		fmt.Println(i) // one write, whole: a pipe takes short ones as they are
	}
}

func killKey(kind string, i uint64) []byte {
	return binary.BigEndian.AppendUint64([]byte(kind+":"), i)
}

func killValue(i uint64, seed byte) []byte { return pattern(20+int(i*37%500), byte(i)*5+seed) }

// A process that is killed loses nothing that it was told is written, and leaves no half of a
// batch. The directory opens at once after it.
func TestKilledProcessLosesNothing(t *testing.T) {
	if testing.Short() {
		t.Skip("starts and kills processes")
	}
	self, err := os.Executable()
	ok(t, err)
	for _, rounds := range []int{1, 50, 1000} {
		t.Run(fmt.Sprint(rounds), func(t *testing.T) {
			dir := t.TempDir()
			child := exec.Command(self)
			child.Env = append(os.Environ(), childDirEnv+"="+dir)
			child.Stderr = os.Stderr
			out, err := child.StdoutPipe()
			ok(t, err)
			ok(t, child.Start())
			defer child.Process.Kill()
			acknowledged, killed, lines := uint64(0), false, bufio.NewScanner(out)
			for n := 0; lines.Scan(); n++ {
				if strings.HasPrefix(lines.Text(), "error:") {
					t.Fatalf("child: %s", lines.Text())
				}
				_, err := fmt.Sscan(lines.Text(), &acknowledged)
				ok(t, err)
				if n == rounds {
					killed = true
					ok(t, child.Process.Kill()) // what it still says until then counts too
				}
			}
			if err := child.Wait(); !killed || err == nil {
				t.Fatalf("the child ended by itself after round %d: %v", acknowledged, err)
			}

			db := reopen(t, dir)
			defer db.Close()
			for i := uint64(0); i <= acknowledged; i++ {
				holds(t, db, string(killKey("left", i)), string(killValue(i, 2)))
				holds(t, db, string(killKey("right", i)), string(killValue(i, 3)))
				if i+10 > acknowledged+1 {
					holds(t, db, string(killKey("put", i)), string(killValue(i, 4)))
				} else if i+10 <= acknowledged {
					lacks(t, db, string(killKey("put", i)))
				}
			}
			// The round that was cut short has both halves of its batch or none.
			left, err := db.Exists(killKey("left", acknowledged+1))
			ok(t, err)
			right, err := db.Exists(killKey("right", acknowledged+1))
			ok(t, err)
			if left != right {
				t.Fatalf("half a batch: left %v, right %v", left, right)
			}
			ok(t, db.Put([]byte("after"), []byte("the kill")))
		})
	}
}
