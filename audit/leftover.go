package audit

import (
	"encoding/binary"
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
// and hop. One that cannot be read at all is put aside under another name.
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
		return fmt.Errorf("read the journal %s: %w", path, err)
	}
	owner, ok := readHead(data)
	if !ok {
		j.damaged++
		defer file.Close()
		return os.Rename(path, path+".damaged")
	}
	if owner != j.cfg.Stream+"\n"+j.cfg.Hop {
		return file.Close()
	}
	j.left = append(j.left, leftover{file: file, path: path})
	j.read(data)
	return nil
}

// read turns the slots of a dead process into `ended`: one for each source, all
// under its first emitter, and one for each further emitter.
func (j *Journal) read(data []byte) {
	var emitters []UID
	sources := make(map[UID]map[time.Time][2]uint32)
	for at := slotSize * headSlots; at < journalSize; at += slotSize {
		s := journalSlot{data: slices.Clone(data[at : at+slotSize])}
		if s.data[0] == slotFree {
			continue
		}
		id := UID(s.data[8:24])
		last, ok := s.last()
		switch {
		case s.data[0] == slotEmitter && s.intact():
			emitters = append(emitters, id)
		case s.data[0] == slotWindow && s.intact() && ok:
			addRange(sources, id, &s, last)
		default:
			j.damaged++
		}
	}
	j.ended = append(j.ended, endedOf(emitters, sources)...)
}

func (s *journalSlot) intact() bool {
	return crc32.ChecksumIEEE(s.data[8:36]) == binary.LittleEndian.Uint32(s.data[4:])
}

func addRange(sources map[UID]map[time.Time][2]uint32, id UID, s *journalSlot, last uint32) {
	start := time.UnixMilli(int64(binary.LittleEndian.Uint64(s.data[24:]))).UTC()
	first := binary.LittleEndian.Uint32(s.data[32:])
	if last < first || time.Since(start) > oldest {
		return
	}
	if sources[id] == nil {
		sources[id] = make(map[time.Time][2]uint32)
	}
	sources[id][start] = [2]uint32{first, last}
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
