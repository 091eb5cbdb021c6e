package audit

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"
	"unsafe"

	"github.com/rollcallhq/rollcall/audit/wire"
)

// The journal file: one header of slotSize*headSlots bytes, then slots. All
// integers little endian, except ids.
const (
	journalMagic = "RCJ2"
	slotSize     = 64
	headSlots    = 16
	slots        = 496
	journalSize  = slotSize * (headSlots + slots)
	journalExt   = ".rollcall-journal"
)

// The kinds of slot.
const (
	slotFree    = 0
	slotWindow  = 1 // one window of one source: its first and last number
	slotEmitter = 2 // one emitter that has not said CLOSED
)

// JournalConfig says where the journal is and whose it is.
type JournalConfig struct {
	Dir    string // made when it does not exist; may be shared by processes, streams and hops
	Stream string
	Hop    string
}

// Journal is a small memory-mapped file with what a producer must not take with it
// when it dies: its emitter ids, the number of its last accepted report, and for each
// window not yet accepted the first and last number of its source. The next process
// of the same stream and hop that opens the directory sends what it finds of dead
// ones as `ended`, and removes the file once that is accepted.
//
// It survives the death of the process, by any signal: the pages are the kernel's.
// It is not synced to disk, so it does not survive the death of the host: what is found
// then may be older than what was sent. An `ended` says all that the dead took over, so
// a journal that may not hold all of it closes nobody: one of another boot of the host, one
// with a slot that cannot be read or is too old to be reported, and one that lost a
// window to newer ones before that was accepted. It is put aside under another
// name and counted, and never stops a start; its emitters stay open, and their windows
// unknown, until a person closes them. Where the system does not tell one boot from another
// (it is Linux that does), remove the journals after the death of the host.
type Journal struct {
	cfg     JournalConfig
	mu      sync.Mutex
	file    *os.File
	data    []byte
	free    []*journalSlot
	used    []*journalSlot // windows, in the order in which they were opened
	current *journalSlot   // the one its source still writes to
	claimed bool           // a source has it
	left    []leftover
	ended   []wire.Ended
	refused []error // why journals of dead processes are not trusted
	evicted uint64
	lost    []*journalSlot // windows evicted before they were accepted
}

// leftover is the journal of a dead process, locked so that one process only sends it.
type leftover struct {
	file *os.File
	path string
}

// journalSlot is one slot in the mapped file. Its last number is one aligned word
// that proves itself: the number and its complement. So storing it is one
// instruction that a kill cannot tear. Only the source writes it while the slot is
// current; opening the next one, under the journal's lock, hands it over.
type journalSlot struct {
	data   []byte
	source UID
	start  int64
	first  uint32
}

// OpenJournal makes a journal for this process in the directory and reads those
// that dead processes of the same stream and hop left. It returns an error when
// the directory cannot be used.
func OpenJournal(cfg JournalConfig) (*Journal, error) {
	if err := os.MkdirAll(cfg.Dir, 0o755); err != nil {
		return nil, fmt.Errorf("make the journal directory: %w", err)
	}
	j := &Journal{cfg: cfg}
	if err := j.adopt(); err != nil {
		return nil, errors.Join(err, j.release())
	}
	if err := j.create(); err != nil {
		return nil, errors.Join(err, j.release())
	}
	return j, nil
}

func (j *Journal) create() error {
	path := filepath.Join(j.cfg.Dir, newID(time.Now()).String()+journalExt)
	file, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o644)
	if err != nil {
		return fmt.Errorf("make the journal: %w", err)
	}
	j.file = file
	if err := lockFile(file); err != nil {
		return fmt.Errorf("lock the journal %s: %w", path, err)
	}
	if err := file.Truncate(journalSize); err != nil {
		return fmt.Errorf("size the journal %s: %w", path, err)
	}
	if j.data, err = mapFile(file, journalSize); err != nil {
		return fmt.Errorf("map the journal %s: %w", path, err)
	}
	for i := slots - 1; i >= 0; i-- {
		at := slotSize * (headSlots + i)
		j.free = append(j.free, &journalSlot{data: j.data[at : at+slotSize : at+slotSize]})
	}
	return writeHead(j.data, journalOwner{bootID(), j.cfg.Stream, j.cfg.Hop})
}

// journalOwner says whose a journal is, and under which boot of the host it was written.
type journalOwner struct{ boot, stream, hop string }

// evictedAt is where the head says that a window is lost to the journal.
const evictedAt = 12

// writeHead lays out: magic, CRC of the owner, its length, whether a window was evicted,
// "boot\nstream\nhop". The magic is last.
func writeHead(data []byte, o journalOwner) error {
	owner := o.boot + "\n" + o.stream + "\n" + o.hop
	if len(owner) > slotSize*headSlots-32 {
		return fmt.Errorf("journal of stream %.40q: the names are too long", o.stream)
	}
	copy(data[32:], owner)
	binary.LittleEndian.PutUint32(data[8:], uint32(len(owner)))
	binary.LittleEndian.PutUint32(data[4:], crc32.ChecksumIEEE([]byte(owner)))
	copy(data, journalMagic)
	return nil
}

func readHead(data []byte) (owner journalOwner, ok bool) {
	if len(data) != journalSize || string(data[:4]) != journalMagic {
		return owner, false
	}
	n := binary.LittleEndian.Uint32(data[8:])
	if n > slotSize*headSlots-32 {
		return owner, false
	}
	text := data[32 : 32+n]
	if crc32.ChecksumIEEE(text) != binary.LittleEndian.Uint32(data[4:]) {
		return owner, false
	}
	parts := strings.SplitN(string(text), "\n", 3)
	if len(parts) != 3 {
		return owner, false
	}
	return journalOwner{parts[0], parts[1], parts[2]}, true
}

// open returns the slot of a window of the source that begins with number first.
// When no slot is free the oldest window gives up its own.
func (j *Journal) open(source UID, start int64, first uint32) *journalSlot {
	j.mu.Lock()
	defer j.mu.Unlock()
	s := j.take()
	if s == nil {
		return nil
	}
	j.used, j.current = append(j.used, s), s
	s.source, s.start, s.first = source, start, first
	binary.LittleEndian.PutUint64(s.data[24:], uint64(start))
	binary.LittleEndian.PutUint32(s.data[32:], first)
	s.setLast(first)
	s.seal(slotWindow, source)
	return s
}

// take returns a slot nobody holds, under the lock. The oldest window is never the
// current one: it has one source only, and there are hundreds of slots.
func (j *Journal) take() *journalSlot {
	if j.data == nil {
		return nil
	}
	if n := len(j.free); n > 0 {
		s := j.free[n-1]
		j.free = j.free[:n-1]
		return s
	}
	s := j.used[0]
	j.used = j.used[1:]
	j.evicted++
	j.lost = append(j.lost, &journalSlot{data: slices.Clone(s.data), source: s.source, start: s.start, first: s.first})
	j.data[evictedAt] = 1 // before its slot is gone
	s.clear()
	return &journalSlot{data: s.data}
}

// addEmitter notes an emitter that has to be closed if the process dies. Its slot
// is not evicted.
func (j *Journal) addEmitter(id UID) *journalSlot {
	j.mu.Lock()
	defer j.mu.Unlock()
	s := j.take()
	if s != nil {
		s.setLast(0)
		s.seal(slotEmitter, id)
	}
	return s
}

// claim gives the journal to its one source.
func (j *Journal) claim() error {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.claimed {
		return errors.New("the journal has a source already: open one for each")
	}
	j.claimed = true
	return nil
}

func (j *Journal) dropEmitter(s *journalSlot) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.data != nil && s != nil {
		s.clear()
		j.free = append(j.free, s)
	}
}

// accepted notes the number of an emitter's last accepted report and frees the
// windows that covered says are wholly in accepted reports.
func (j *Journal) accepted(emitter *journalSlot, number uint64, covered func(*journalSlot) bool) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.data == nil {
		return
	}
	if emitter != nil {
		emitter.setLast(uint32(number))
	}
	kept := j.used[:0]
	for _, s := range j.used {
		if s == j.current || !covered(s) {
			kept = append(kept, s)
			continue
		}
		s.clear()
		j.free = append(j.free, &journalSlot{data: s.data})
	}
	j.used = kept
	if j.lost = slices.DeleteFunc(j.lost, covered); len(j.lost) == 0 {
		j.data[evictedAt] = 0
	}
}

func (s *journalSlot) seal(kind byte, id UID) {
	copy(s.data[8:24], id[:])
	binary.LittleEndian.PutUint32(s.data[4:], crc32.ChecksumIEEE(s.data[8:36]))
	s.data[0] = kind
}

func (s *journalSlot) clear() { s.data[0] = slotFree }

func (s *journalSlot) word() *uint64 { return (*uint64)(unsafe.Pointer(&s.data[40])) }

func (s *journalSlot) setLast(n uint32) {
	*s.word() = uint64(n) | uint64(^n)<<32
}

func (s *journalSlot) last() (uint32, bool) {
	w := *s.word()
	return uint32(w), uint32(w) == ^uint32(w>>32)
}

// Ended returns what dead processes left, as it goes into the next report.
func (j *Journal) Ended() []wire.Ended {
	j.mu.Lock()
	defer j.mu.Unlock()
	return append([]wire.Ended(nil), j.ended...)
}

// endedAccepted removes the journals of the dead: the server has them.
func (j *Journal) endedAccepted() error {
	j.mu.Lock()
	defer j.mu.Unlock()
	var errs []error
	for _, l := range j.left {
		errs = append(errs, os.Remove(l.path), l.file.Close())
	}
	j.left, j.ended = nil, nil
	return errors.Join(errs...)
}

// remove ends the journal after a clean close: nothing is left to tell.
func (j *Journal) remove() error {
	j.mu.Lock()
	path := j.file.Name()
	j.mu.Unlock()
	return errors.Join(os.Remove(path), j.release())
}

// release lets go of the files; they stay for the next start.
func (j *Journal) release() error {
	j.mu.Lock()
	defer j.mu.Unlock()
	var errs []error
	for _, l := range j.left {
		errs = append(errs, l.file.Close())
	}
	j.left = nil
	if j.file != nil {
		errs = append(errs, unlockFile(j.file), j.file.Close()) // the mapping would keep the lock
	}
	j.data = nil // stays mapped: a source may still write its last number
	return errors.Join(errs...)
}

func (j *Journal) isLeftover(name string) bool { return strings.HasSuffix(name, journalExt) }
