package audit

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"testing"
	"time"

	"github.com/rollcallhq/rollcall/audit/wire"
)

// journalBytes is the journal of a producer that has numbered in some windows.
func journalBytes(t testingT, now time.Time) []byte {
	data := make([]byte, journalSize)
	j := &Journal{data: data}
	for i := slots - 1; i >= 0; i-- {
		at := slotSize * (headSlots + i)
		j.free = append(j.free, &journalSlot{data: data[at : at+slotSize : at+slotSize]})
	}
	if err := writeHead(data, journalOwner{"boot", "orders", "app"}); err != nil {
		t.Fatal(err)
	}
	j.addEmitter(newID(now))
	source := newID(now)
	for i := range 5 {
		j.open(source, now.Add(time.Duration(i-5)*time.Minute).UnixMilli(), uint32(10*i)).setLast(uint32(10*i + 9))
	}
	j.addEmitter(newID(now))
	return data
}

// FuzzReadJournal reads a journal over which other bytes were written, and those bytes alone. A journal is read whole
// or not at all, for each of its slots may be what the dead took over.
func FuzzReadJournal(f *testing.F) {
	now := time.Now()
	f.Add([]byte{}, uint16(0))
	f.Add([]byte{slotFree}, uint16(slotSize*(headSlots+2)))
	f.Add([]byte{0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0}, uint16(slotSize*headSlots+slotSize+40))
	f.Add(make([]byte, slotSize), uint16(slotSize*headSlots))
	f.Fuzz(func(t *testing.T, bytes []byte, at uint16) {
		if ended, err := readJournal(bytes, "boot", now); err == nil && len(bytes) != journalSize {
			t.Fatalf("%d bytes are read as a journal: %+v", len(bytes), ended)
		}
		data := journalBytes(t, now)
		copy(data[int(at)%journalSize:], bytes)
		ended, err := readJournal(data, "boot", now)
		if err != nil {
			if ended != nil {
				t.Fatalf("a refused journal (%v) tells of %+v", err, ended)
			}
			return
		}
		holdEnded(t, data, ended, now)
	})
}

// holdEnded holds what was read against the slots that are taken.
func holdEnded(t *testing.T, data []byte, ended []wire.Ended, now time.Time) {
	emitters, windows := map[UID]bool{}, map[string]bool{}
	for at := slotSize * headSlots; at < journalSize; at += slotSize {
		switch id := UID(data[at+8 : at+24]); data[at] {
		case slotFree:
		case slotEmitter:
			emitters[id] = true
		case slotWindow:
			windows[string(data[at+8:at+32])] = true
		default:
			t.Fatalf("a slot of kind %d was read", data[at])
		}
	}
	if len(emitters) == 0 {
		windows = nil // nobody to close
	}
	n := 0
	for _, e := range ended {
		delete(emitters, e.Emitter)
		for start, span := range e.Windows {
			n++
			if span[1] < span[0] || now.Sub(start) > oldest {
				t.Fatalf("window %v has numbers %v", start, span)
			}
		}
	}
	if len(emitters) > 0 || n != len(windows) {
		t.Fatalf("%d emitters and %d of %d windows are left out", len(emitters), len(windows)-n, len(windows))
	}
}

// checkpointBytes is a checkpoint whose checksum is right, whatever is in it.
func checkpointBytes(head, reports []byte) []byte {
	out := append(appendChunk(append([]byte(checkpointMagic), 0, 0, 0, 0), head), reports...)
	binary.BigEndian.PutUint32(out[4:], wire.Checksum(out[8:]))
	return out
}

// FuzzCheckpoint starts a hop from any bytes. It is refused as none of a checkpoint, or goes on with each report under
// the number that it stands at, as the next checkpoint shows.
func FuzzCheckpoint(f *testing.F) {
	seedCheckpoints(f)
	f.Fuzz(func(t *testing.T, head, reports []byte) {
		for _, b := range [][]byte{head, reports, checkpointBytes(head, reports)} {
			if b == nil {
				continue // no checkpoint is none
			}
			h, err := NewHop(HopConfig{Stream: "orders", Hop: "sink", Transport: discard{}, Durable: true, Checkpoint: b})
			if err != nil {
				if !errors.Is(err, ErrCheckpoint) {
					t.Fatal(err)
				}
				continue
			}
			holdOutbox(t, h)
		}
	})
}

func holdOutbox(t *testing.T, h *Hop) {
	for _, em := range h.emitters {
		for i, r := range em.fixed {
			if want := em.sent - uint64(len(em.fixed)-1-i); r.Emitter != em.id || r.Number != want {
				t.Fatalf("report %d of emitter %s is number %d of emitter %s", r.Number, r.Emitter, want, em.id)
			}
			if r.State == wire.Closed && (i < len(em.fixed)-1 || !em.closed) {
				t.Fatalf("emitter %s goes on after its CLOSED", em.id)
			}
		}
	}
	again, err := h.encodeOutbox()
	if err != nil {
		return // a name that no text may hold
	}
	emitters, err := decodeCheckpoint(again)
	if err != nil {
		t.Fatalf("what was read and written again is refused: %v", err)
	}
	for i, em := range emitters {
		for k := range em.fixed {
			if wire.Digest(em.fixed[k]) != wire.Digest(h.emitters[i].fixed[k]) {
				t.Fatalf("report %d of emitter %s changed on the way", em.fixed[k].Number, em.id)
			}
		}
	}
}

// seedCheckpoints adds a real checkpoint, with a report that is closed and one that is not.
func seedCheckpoints(f *testing.F) {
	for _, finish := range []bool{false, true} {
		h := mustHop(f, HopConfig{Transport: discard{}, Durable: true, Limits: Limits{Roll: 30}})
		now := time.Now()
		for n := range uint32(40) {
			h.Observe(event(newID(now), 3*n, now), 7, 10, now)
		}
		if finish {
			h.Finish()
		}
		cp, err := h.Checkpoint()
		if err != nil {
			f.Fatal(err)
		}
		head, reports, err := cutChunk(cp.Bytes()[8:])
		if err != nil {
			f.Fatal(err)
		}
		f.Add(head, reports)
		f.Add(head, reports[:len(reports)-1])
		f.Add(head, append(reports[:len(reports):len(reports)], reports...))
		var saved []savedEmitter
		if err := json.Unmarshal(head, &saved); err != nil {
			f.Fatal(err)
		}
		for _, spoil := range []func(*savedEmitter){
			func(s *savedEmitter) { s.Sent++ }, func(s *savedEmitter) { s.ID[3]++ },
			func(s *savedEmitter) { s.Closed = !s.Closed }, func(s *savedEmitter) { s.Reports = -1 },
		} {
			spoilt := saved[0]
			spoil(&spoilt)
			head, err := json.Marshal([]savedEmitter{spoilt})
			if err != nil {
				f.Fatal(err)
			}
			f.Add(head, reports)
		}
	}
}
