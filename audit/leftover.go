package audit

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/rollcallhq/rollcall/audit/wire"
)

// adopt reads the journals in the directory that no living process holds.
func (j *Journal) adopt() error {
	entries, err := os.ReadDir(j.cfg.Dir)
	if err != nil {
		return fmt.Errorf("list the journal directory: %w", err)
	}
	for _, e := range entries {
		if !j.isLeftover(e.Name()) {
			continue
		}
		if err := j.adoptFile(filepath.Join(j.cfg.Dir, e.Name())); err != nil {
			return err
		}
	}
	return nil
}

// adoptFile takes over one journal if its process is dead and it is of this stream
// and hop. One that cannot be trusted is put aside under another name.
func (j *Journal) adoptFile(path string) error {
	file, err := os.OpenFile(path, os.O_RDWR, 0)
	if os.IsNotExist(err) {
		return nil // another process was faster
	}
	if err != nil {
		return fmt.Errorf("open the journal of a dead process: %w", err)
	}
	if lockFile(file) != nil {
		return file.Close() // its process lives
	}
	data, err := io.ReadAll(io.LimitReader(file, journalSize+1))
	if err != nil {
		return errors.Join(fmt.Errorf("read the journal %s: %w", path, err), file.Close())
	}
	owner, ok := readHead(data)
	if ok && (owner.stream != j.cfg.Stream || owner.hop != j.cfg.Hop) {
		return file.Close()
	}
	ended, err := readJournal(data, bootID(), time.Now())
	if err != nil {
		j.refuse(fmt.Errorf("the journal %s of a dead process closes nobody: %w", path, err))
		return errors.Join(os.Rename(path, path+".damaged"), file.Close())
	}
	j.left = append(j.left, leftover{file: file, path: path})
	j.ended = append(j.ended, ended...)
	return nil
}

func (j *Journal) refuse(err error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.refused = append(j.refused, err)
}

// readJournal turns the journal of a dead process into `ended`: one for each source, all
// under its first emitter, and one for each further emitter. It returns an error where the
// journal may not hold all that the process took over.
func readJournal(data []byte, boot string, now time.Time) ([]wire.Ended, error) {
	owner, ok := readHead(data)
	switch {
	case !ok:
		return nil, errors.New("its head is not one of a journal")
	case owner.boot != boot:
		return nil, errors.New("the host was started anew since, and what it holds may be older than what was sent")
	case data[evictedAt] != 0:
		return nil, errors.New("it lost windows to newer ones before they were reported")
	}
	var emitters []UID
	sources := make(map[UID]map[time.Time][2]uint32)
	for i := range slots {
		at := slotSize * (headSlots + i)
		if data[at] == slotFree {
			continue
		}
		s := journalSlot{data: slices.Clone(data[at : at+slotSize])} // a word of it is read as one
		id, intact := UID(s.data[8:24]), s.intact()
		switch {
		case s.data[0] == slotEmitter && intact:
			emitters = append(emitters, id)
		case s.data[0] != slotWindow || !intact:
			return nil, fmt.Errorf("its slot %d is damaged", i)
		default:
			if err := addRange(sources, id, &s, now); err != nil {
				return nil, fmt.Errorf("its slot %d: %w", i, err)
			}
		}
	}
	return endedOf(emitters, sources), nil
}

func (s *journalSlot) intact() bool {
	return crc32.ChecksumIEEE(s.data[8:36]) == binary.LittleEndian.Uint32(s.data[4:])
}

func addRange(sources map[UID]map[time.Time][2]uint32, id UID, s *journalSlot, now time.Time) error {
	start := time.UnixMilli(int64(binary.LittleEndian.Uint64(s.data[24:]))).UTC()
	first := binary.LittleEndian.Uint32(s.data[32:])
	last, ok := s.last()
	switch {
	case !ok || last < first:
		return errors.New("its last number is damaged")
	case now.Sub(start) > oldest:
		return fmt.Errorf("the window %s is too old to be reported", start.Format(time.RFC3339))
	}
	if sources[id] == nil {
		sources[id] = make(map[time.Time][2]uint32)
	}
	sources[id][start] = [2]uint32{first, last}
	return nil
}

func endedOf(emitters []UID, sources map[UID]map[time.Time][2]uint32) []wire.Ended {
	if len(emitters) == 0 {
		return nil // it died before its first report
	}
	var ended []wire.Ended
	for _, id := range slices.SortedFunc(maps.Keys(sources), compareUID) {
		ended = append(ended, wire.Ended{Emitter: emitters[0], Source: id, Windows: sources[id], Reason: "journal"})
	}
	if len(ended) > 0 {
		emitters = emitters[1:]
	}
	for _, id := range emitters {
		ended = append(ended, wire.Ended{Emitter: id, Reason: "journal"})
	}
	return ended
}

func compareUID(a, b UID) int { return slices.Compare(a[:], b[:]) }
