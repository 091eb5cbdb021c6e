package audit

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/rollcallhq/rollcall/audit/wire"
)

// A checkpoint is: magic, CRC-32C of the rest, length of the JSON, JSON, then for each
// report its length and its protobuf. Lengths are uint32 big endian.
const checkpointMagic = "RCC1"

// ErrCheckpoint is in the chain of what NewHop returns for bytes that are no checkpoint.
var ErrCheckpoint = errors.New("not a checkpoint of a hop")

// Checkpoint is the outbox of a hop with durable state at one instant: its emitters
// and all they took over that the server is not known to have.
type Checkpoint struct {
	hop    *Hop
	number uint64
	bytes  []byte
	fixed  map[*emitter]int // how many reports Reports fixed
}

// savedEmitter is one emitter in a checkpoint.
type savedEmitter struct {
	ID      UID       `json:"id"`
	Sent    uint64    `json:"sent"` // its reports follow, numbered sent+1 …
	SentAt  time.Time `json:"sentAt"`
	Closed  bool      `json:"closed"`
	Reports int       `json:"reports"`
}

// Checkpoint seals all that was observed, and all that the lanes say, into the outbox
// and returns the outbox. The caller observes no event and sets no lane between
// taking its own state and this call, stores Bytes in one durable step with that
// state (its output and its position), and then calls Stored. Only then are its
// reports sent: a restart that goes back to the checkpoint before must find nothing
// reported that it does not know of.
//
// Watermarks travel with checkpoints only, so make one at least every heartbeat,
// also while no event comes, and one at the start. It returns an error when the hop
// is not in durable mode.
func (h *Hop) Checkpoint() (*Checkpoint, error) {
	if !h.cfg.Durable {
		return nil, fmt.Errorf("checkpoint of %s/%s: the hop is not in durable mode", h.cfg.Stream, h.cfg.Hop)
	}
	h.mu.Lock()
	h.sealed++
	number := h.sealed
	h.mu.Unlock()
	h.seal(number)
	bytes, err := h.encodeOutbox()
	if err != nil {
		return nil, fmt.Errorf("checkpoint of %s/%s: %w", h.cfg.Stream, h.cfg.Hop, err)
	}
	return &Checkpoint{hop: h, number: number, bytes: bytes}, nil
}

// Bytes is what to store.
func (c *Checkpoint) Bytes() []byte { return c.bytes }

// Stored says that the checkpoint is durable and releases its reports. Durable is what
// outlives whatever the hop is to outlive: a power loss too, if its output is to.
func (c *Checkpoint) Stored() {
	h := c.hop
	h.mu.Lock()
	h.stored = max(h.stored, c.number)
	for _, em := range h.emitters {
		em.head(h.stored) // before another checkpoint may hold it back
	}
	h.mu.Unlock()
	h.nudge()
}

// EarlierLeft says that all that earlier processes took over, up to the checkpoint
// this hop was given, has left. The next checkpoint then carries the CLOSED of
// their emitters. A last hop, such as a sink, can say so at once.
func (h *Hop) EarlierLeft() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.left = true
}

func (h *Hop) encodeOutbox() ([]byte, error) {
	h.mu.Lock()
	saved, reports := h.outbox()
	h.mu.Unlock()
	head, err := json.Marshal(saved)
	if err != nil {
		return nil, err
	}
	out := make([]byte, 8, 4096)
	copy(out, checkpointMagic)
	out = appendChunk(out, head)
	for i := range reports {
		body, err := wire.EncodeProto(wire.Batch{Reports: reports[i : i+1]})
		if err != nil {
			return nil, fmt.Errorf("encode report %d: %w", reports[i].Number, err)
		}
		out = appendChunk(out, body)
	}
	binary.BigEndian.PutUint32(out[4:], wire.Checksum(out[8:]))
	return out, nil
}

// outbox copies what is waiting, under Hop.mu.
func (h *Hop) outbox() (saved []savedEmitter, reports []wire.Report) {
	for _, em := range h.emitters {
		saved = append(saved, savedEmitter{
			ID: em.id, Sent: em.sent - uint64(len(em.fixed)), SentAt: em.sentAt,
			Closed: em.closed, Reports: len(em.fixed) + len(em.open),
		})
		reports = append(append(reports, em.fixed...), em.open...)
	}
	return saved, reports
}

// ownLimits take whatever this library wrote itself.
func ownLimits(size int) wire.Limits {
	l := wire.DefaultLimits()
	l.Request, l.Memory = max(l.Request, size), 1<<30
	return l
}

func appendChunk(out, chunk []byte) []byte {
	out = binary.BigEndian.AppendUint32(out, uint32(len(chunk)))
	return append(out, chunk...)
}

func cutChunk(b []byte) (chunk, rest []byte, err error) {
	if len(b) < 4 || uint64(len(b)-4) < uint64(binary.BigEndian.Uint32(b)) {
		return nil, nil, fmt.Errorf("%w: it ends early", ErrCheckpoint)
	}
	n := 4 + int(binary.BigEndian.Uint32(b))
	return b[4:n], b[n:], nil
}

// decodeCheckpoint returns the emitters of a checkpoint, none for nil. Any of its
// reports may have been sent since, so they are all fixed.
func decodeCheckpoint(b []byte) ([]*emitter, error) {
	if b == nil {
		return nil, nil
	}
	if len(b) < 8 || string(b[:4]) != checkpointMagic {
		return nil, fmt.Errorf("%w: it does not begin with %s", ErrCheckpoint, checkpointMagic)
	}
	if wire.Checksum(b[8:]) != binary.BigEndian.Uint32(b[4:]) {
		return nil, fmt.Errorf("%w: the checksum does not match", ErrCheckpoint)
	}
	head, rest, err := cutChunk(b[8:])
	if err != nil {
		return nil, err
	}
	var saved []savedEmitter
	if err := json.Unmarshal(head, &saved); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrCheckpoint, err)
	}
	emitters := make([]*emitter, len(saved))
	for i, s := range saved {
		if emitters[i], rest, err = decodeEmitter(s, rest); err != nil {
			return nil, err
		}
	}
	if len(rest) > 0 {
		return nil, fmt.Errorf("%w: %d bytes follow its last report", ErrCheckpoint, len(rest))
	}
	return emitters, nil
}

func decodeEmitter(s savedEmitter, rest []byte) (*emitter, []byte, error) {
	em := &emitter{id: s.ID, sent: s.Sent, sentAt: s.SentAt, closed: s.Closed, earlier: true}
	for range s.Reports {
		body, after, err := cutChunk(rest)
		if err != nil {
			return nil, nil, err
		}
		batch, err := wire.DecodeProto(body, ownLimits(len(body)))
		if err != nil {
			return nil, nil, fmt.Errorf("%w: %w", ErrCheckpoint, err)
		}
		if err := em.restore(batch.Reports); err != nil {
			return nil, nil, err
		}
		rest = after
	}
	if n := len(em.fixed); n > 0 && em.closed != (em.fixed[n-1].State == wire.Closed) {
		return nil, nil, fmt.Errorf("%w: emitter %s is closed, or its last report is, but not both", ErrCheckpoint, em.id)
	}
	return em, rest, nil
}

// restore adds one report to what may have been sent. A report out of its place would be
// sent under a number that stands for another.
func (em *emitter) restore(reports []wire.Report) error {
	if len(reports) != 1 {
		return fmt.Errorf("%w: %d reports stand where one belongs", ErrCheckpoint, len(reports))
	}
	r := reports[0]
	switch {
	case r.Emitter != em.id || r.Number != em.sent+1:
		return fmt.Errorf("%w: report %d of emitter %s stands where report %d of emitter %s belongs", ErrCheckpoint, r.Number, r.Emitter, em.sent+1, em.id)
	case len(em.fixed) > 0 && em.fixed[len(em.fixed)-1].State == wire.Closed:
		return fmt.Errorf("%w: report %d of emitter %s comes after its CLOSED", ErrCheckpoint, r.Number, em.id)
	}
	em.fixed = append(em.fixed, r)
	em.sent++
	return nil
}
