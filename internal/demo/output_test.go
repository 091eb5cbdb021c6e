package demo

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

var errCrash = errors.New("the process dies here")

// dying is a disk on which the process dies before its n-th change of a name or sync.
type dying struct {
	osDisk
	left *int
}

func crashAt(n int) dying { return dying{left: &n} }

func (d dying) step() error {
	if *d.left--; *d.left < 0 {
		return errCrash
	}
	return nil
}

func (d dying) Open(path string) (diskFile, error) {
	file, err := d.osDisk.Open(path)
	return dyingFile{file, d}, err
}

func (d dying) Rename(from, to string) error {
	if err := d.step(); err != nil {
		return err
	}
	return d.osDisk.Rename(from, to)
}

func (d dying) SyncDir(path string) error {
	if err := d.step(); err != nil {
		return err
	}
	return d.osDisk.SyncDir(path)
}

type dyingFile struct {
	diskFile
	disk dying
}

func (f dyingFile) Sync() error {
	if err := f.disk.step(); err != nil {
		return err
	}
	return f.diskFile.Sync()
}

// deliver writes offsets 0 to 29 of two partitions, commits after every fourth, and starts again from
// the state after a crash, until all are in. It returns how often it crashed.
func deliver(t *testing.T, dir string, crash int) int {
	t.Helper()
	now, crashes := time.Unix(0, 0), 0
	for {
		var on disk = osDisk{}
		if crashes == 0 {
			on = crashAt(crash)
		}
		o, err := openOutput(on, dir)
		if err == nil {
			err = deliverFrom(o, &now)
			_ = o.close()
		}
		if err == nil {
			return crashes
		}
		if !errors.Is(err, errCrash) {
			t.Fatal(err)
		}
		crashes++
	}
}

func deliverFrom(o *output, now *time.Time) error {
	for offset := min(o.part(0).Next, o.part(1).Next); offset < 30; offset++ {
		for partition := range int32(2) {
			if offset < o.part(partition).Next {
				continue
			}
			if offset%7 == 3 {
				o.skip(partition, offset)
			} else if err := o.write(partition, offset, fmt.Appendf(nil, "%d/%d", partition, offset), *now); err != nil {
				return err
			}
		}
		*now = now.Add(time.Second)
		if offset%4 == 3 || offset == 29 {
			if err := o.commit(fmt.Appendf(nil, "checkpoint %d", offset), *now); err != nil {
				return err
			}
		}
	}
	return nil
}

// lines returns what counts of the output: finished files, and unfinished ones as far as recovery leaves them.
func lines(t *testing.T, dir string) []string {
	t.Helper()
	o, err := openOutput(osDisk{}, dir)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = o.close() }()
	paths, err := filepath.Glob(filepath.Join(dir, "*.jsonl*"))
	if err != nil {
		t.Fatal(err)
	}
	var all []string
	for _, path := range paths {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, strings.Fields(string(text))...)
	}
	slices.Sort(all)
	return all
}

func TestOutputHoldsEveryEventOnceWhereverItCrashed(t *testing.T) {
	clean := t.TempDir()
	deliver(t, clean, 1<<30)
	want := lines(t, clean)
	if len(want) != 2*26 {
		t.Fatalf("%d lines without a crash, want 52", len(want))
	}
	crash := 0
	for ; ; crash++ {
		dir := t.TempDir()
		if deliver(t, dir, crash) == 0 {
			break
		}
		if diff := cmp.Diff(want, lines(t, dir)); diff != "" {
			t.Fatalf("after a crash before step %d (-want +got):\n%s", crash, diff)
		}
	}
	if crash < 30 {
		t.Errorf("only %d steps were tried", crash)
	}
}

func TestCheckpointAndPositionAreOfTheSameStep(t *testing.T) {
	for crash := range 40 {
		dir := t.TempDir()
		now := time.Unix(0, 0)
		if o, err := openOutput(crashAt(crash), dir); err == nil {
			_ = deliverFrom(o, &now)
			_ = o.close()
		}
		again, err := openOutput(osDisk{}, dir)
		if err != nil {
			t.Fatal(err)
		}
		next := again.part(0).Next
		want := fmt.Sprintf("checkpoint %d", next-1)
		if next == 0 {
			want = ""
		}
		if got := string(again.state.Checkpoint); got != want {
			t.Errorf("crash before step %d: position %d stands beside %q", crash, next, got)
		}
	}
}

func TestWhatWasWrittenAfterTheLastCommitIsCutOff(t *testing.T) {
	dir := t.TempDir()
	o, err := openOutput(osDisk{}, dir)
	if err != nil {
		t.Fatal(err)
	}
	now := time.Unix(0, 0)
	for offset, line := range []string{"stays", "goes"} {
		if err := o.write(0, int64(offset), []byte(line), now); err != nil {
			t.Fatal(err)
		}
		if offset == 0 {
			if err := o.commit(nil, now); err != nil {
				t.Fatal(err)
			}
		}
	}
	_ = o.close()
	if diff := cmp.Diff([]string{"stays"}, lines(t, dir)); diff != "" {
		t.Error(diff)
	}
}

func TestStrayFilesDoNotCountAndForeignOnesAreRefused(t *testing.T) {
	dir := t.TempDir()
	stray := filepath.Join(dir, fileName(0, 12)+unfinished)
	if err := os.WriteFile(stray, []byte("0/12\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	if got := lines(t, dir); len(got) != 0 {
		t.Errorf("lines nobody committed count: %v", got)
	}
	if err := os.WriteFile(filepath.Join(dir, "notes"+unfinished), nil, 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := openOutput(osDisk{}, dir); err == nil || !strings.Contains(err.Error(), "notes") {
		t.Errorf("a file of another program is taken for output: %v", err)
	}
}

func TestUnreadableStateIsAnErrorNotAFreshStart(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "state.json"), []byte("{"), 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := openOutput(osDisk{}, dir); err == nil {
		t.Error("a torn state was taken for none")
	}
}

func TestStateThatCountsWhatIsGoneIsRefused(t *testing.T) {
	for name, spoil := range map[string]func(path string) error{
		"removed": os.Remove,
		"cut":     func(path string) error { return os.Truncate(path, 3) },
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			o, err := openOutput(osDisk{}, dir)
			if err != nil {
				t.Fatal(err)
			}
			now := time.Unix(0, 0)
			if err := errors.Join(o.write(0, 0, []byte("stays"), now), o.commit(nil, now), o.close()); err != nil {
				t.Fatal(err)
			}
			file := fileName(0, 0) + unfinished
			if err := spoil(filepath.Join(dir, file)); err != nil {
				t.Fatal(err)
			}
			if _, err := openOutput(osDisk{}, dir); err == nil || !strings.Contains(err.Error(), "counts 6 bytes of "+file) {
				t.Errorf("the output is gone, and a start says %v", err)
			}
		})
	}
}
