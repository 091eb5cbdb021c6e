package demo

import (
	"io/fs"
	"maps"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
)

// crashDisk is a disk in memory that knows what of it would outlive a power loss. It is stricter than most file
// systems: names changed in a directory and not synced outlive in any combination that is possible name by name, and
// writes not synced outlive whole, in part, as zeros, or not at all, each by itself.
//
// Every call goes through before, which may record the disk as it is, or have the call fail.
type crashDisk struct {
	files   map[int]inode
	made    int            // how many files ever were
	names   map[string]int // as a process sees them
	durable map[string]int // as a power loss leaves them at least
	changes []rename       // of names, not synced
	before  func(call, path string) fault
	deaf    string // what this disk only pretends to do: a planted bug
}

// inode is one file. Its slices are never changed in place, so copies of a disk share them.
type inode struct {
	seen    []byte
	durable []byte
	writes  []write // in seen and not in durable
}

// write is one write at an offset or, without bytes, a cut to that length.
type write struct {
	at    int64
	bytes []byte
}

// rename is one change of names in a directory: from is gone, to is the file.
type rename struct {
	from, to string
	file     int
}

// fault says how a call fails.
type fault int

const (
	healthy  fault = iota
	notDone        // EIO, and nothing was done
	halfDone       // ENOSPC after half of a write; of other calls as notDone
	doneToo        // EIO, though all was done
	faults
)

func newCrashDisk() *crashDisk {
	return &crashDisk{files: map[int]inode{}, names: map[string]int{}, durable: map[string]int{}}
}

// clone is the disk as it is now, for nobody yet.
func (d *crashDisk) clone() *crashDisk {
	return &crashDisk{
		files: maps.Clone(d.files), made: d.made, names: maps.Clone(d.names), durable: maps.Clone(d.durable),
		changes: slices.Clone(d.changes), deaf: d.deaf,
	}
}

// What outlives a power loss of all that was not synced.
const (
	nothing = iota
	everything
	some
)

// afterPowerLoss is what the disk may hold after one.
func (d *crashDisk) afterPowerLoss(rng *rand.Rand, keep int) *crashDisk {
	outlives := func() bool { return keep == everything || keep == some && rng.IntN(2) == 0 }
	after := newCrashDisk()
	after.durable, after.made, after.deaf = maps.Clone(d.durable), d.made, d.deaf
	lost := map[string]bool{}
	for _, c := range d.changes {
		if lost[c.from] || lost[c.to] || !outlives() {
			lost[c.from], lost[c.to] = c.from != "", c.to != ""
			continue
		}
		c.apply(after.durable)
	}
	for name := range after.durable {
		if parent := filepath.Dir(name); parent != root && !has(after.durable, parent) {
			delete(after.durable, name)
		}
	}
	for name, id := range after.durable {
		bytes := d.files[id].settle(outlives, keep == some, rng)
		after.files[id], after.names[name] = inode{seen: bytes, durable: bytes}, id
	}
	return after
}

// root is the directory that there always is.
const root = "disk"

func has(names map[string]int, name string) bool { _, ok := names[name]; return ok }

func (f inode) settle(outlives func() bool, torn bool, rng *rand.Rand) []byte {
	bytes := f.durable
	for _, w := range f.writes {
		if !outlives() {
			continue
		}
		switch whole := !torn || w.bytes == nil; {
		case whole:
		case rng.IntN(3) == 0:
			w.bytes = w.bytes[:len(w.bytes)/2]
		case rng.IntN(3) == 0:
			w.bytes = make([]byte, len(w.bytes))
		}
		bytes = w.apply(bytes)
	}
	return bytes
}

func (w write) apply(to []byte) []byte {
	if w.bytes == nil {
		return append(slices.Clone(to[:min(w.at, int64(len(to)))]), make([]byte, max(0, w.at-int64(len(to))))...)
	}
	out := make([]byte, max(len(to), int(w.at)+len(w.bytes)))
	copy(out, to)
	copy(out[w.at:], w.bytes)
	return out
}

func (c rename) dir() string {
	if c.to == "" {
		return filepath.Dir(c.from)
	}
	return filepath.Dir(c.to)
}

func (c rename) apply(names map[string]int) {
	delete(names, c.from)
	if c.to != "" {
		names[c.to] = c.file
	}
}

// ask is asked before each call that changes something.
func (d *crashDisk) ask(call, path string) fault {
	if d.before == nil {
		return healthy
	}
	return d.before(call, path)
}

// does reports whether all that was asked for is done.
func (f fault) does() bool { return f == healthy || f == doneToo }

func (f fault) err(call, path string) error {
	switch f {
	case healthy:
		return nil
	case halfDone:
		return &fs.PathError{Op: call, Path: path, Err: syscall.ENOSPC}
	default:
		return &fs.PathError{Op: call, Path: path, Err: syscall.EIO}
	}
}

func (d *crashDisk) change(c rename) {
	c.apply(d.names)
	d.changes = append(d.changes, c)
}

func (d *crashDisk) MkdirAll(path string) error {
	if has(d.names, path) {
		return nil
	}
	return d.create("mkdir", path)
}

func (d *crashDisk) create(call, path string) error {
	f := d.ask(call, path)
	if f.does() {
		d.made++
		d.files[d.made] = inode{}
		d.change(rename{to: path, file: d.made})
	}
	return f.err(call, path)
}

func (d *crashDisk) List(dir string) ([]string, error) {
	var names []string
	for _, name := range slices.Sorted(maps.Keys(d.names)) {
		if filepath.Dir(name) == dir {
			names = append(names, filepath.Base(name))
		}
	}
	return names, nil
}

func (d *crashDisk) ReadFile(path string) ([]byte, error) {
	id, ok := d.names[path]
	if !ok {
		return nil, &fs.PathError{Op: "read", Path: path, Err: fs.ErrNotExist}
	}
	return d.files[id].seen, nil
}

func (d *crashDisk) Size(path string) (int64, error) {
	bytes, err := d.ReadFile(path)
	return int64(len(bytes)), err
}

func (d *crashDisk) Open(path string) (diskFile, error) {
	if !has(d.names, path) {
		if err := d.create("create", path); err != nil {
			return nil, err
		}
	}
	return &crashFile{disk: d, id: d.names[path], path: path}, nil
}

func (d *crashDisk) Rename(from, to string) error {
	if !has(d.names, from) {
		return &fs.PathError{Op: "rename", Path: from, Err: fs.ErrNotExist}
	}
	f := d.ask("rename", to)
	if f.does() {
		d.change(rename{from: from, to: to, file: d.names[from]})
	}
	return f.err("rename", to)
}

func (d *crashDisk) Remove(path string) error {
	f := d.ask("remove", path)
	if f.does() {
		d.change(rename{from: path})
	}
	return f.err("remove", path)
}

func (d *crashDisk) SyncDir(path string) error {
	f := d.ask("sync directory", path)
	if f.does() && !d.pretends("sync directory", path) {
		d.changes = slices.DeleteFunc(d.changes, func(c rename) bool {
			if c.dir() != path {
				return false
			}
			c.apply(d.durable)
			return true
		})
	}
	return f.err("sync directory", path)
}

// pretends reports whether the planted bug is in this call.
func (d *crashDisk) pretends(call, path string) bool {
	planted, suffix, _ := strings.Cut(d.deaf, " of ")
	return planted == call && strings.HasSuffix(path, suffix)
}

// crashFile is an open file of a crashDisk.
type crashFile struct {
	disk *crashDisk
	id   int
	path string
}

func (f *crashFile) Close() error { return nil }

func (f *crashFile) add(w write) {
	file := f.disk.files[f.id]
	file.seen = w.apply(file.seen)
	file.writes = append(slices.Clip(file.writes), w)
	f.disk.files[f.id] = file
}

func (f *crashFile) WriteAt(p []byte, at int64) (int, error) {
	n, fault := 0, f.disk.ask("write", f.path)
	switch {
	case fault.does():
		n = len(p)
	case fault == halfDone:
		n = len(p) / 2
	}
	f.add(write{at, append([]byte{}, p[:n]...)})
	return n, fault.err("write", f.path)
}

func (f *crashFile) Truncate(size int64) error {
	fault := f.disk.ask("truncate", f.path)
	if fault.does() {
		f.add(write{at: size})
	}
	return fault.err("truncate", f.path)
}

// Sync that fails may have lost what was not synced, while processes still see it; the next one says nothing of it.
func (f *crashFile) Sync() error {
	fault := f.disk.ask("sync", f.path)
	if f.disk.pretends("sync", f.path) {
		return nil
	}
	file := f.disk.files[f.id]
	if fault.does() {
		for _, w := range file.writes {
			file.durable = w.apply(file.durable)
		}
	}
	file.writes = nil
	f.disk.files[f.id] = file
	return fault.err("sync", f.path)
}
