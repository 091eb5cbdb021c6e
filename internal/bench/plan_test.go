package bench

import (
	"context"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	"github.com/rollcallhq/rollcall/audit"
	"github.com/rollcallhq/rollcall/audit/wire"
)

const (
	stream       = "bench"
	payloadBytes = 100
	checksum     = 7
	heartbeat    = 5 // seconds
)

// plan is made-up traffic: events of one window, numbered by sources at random, each source at one emitter of the first
// hop, and at the later hops at an emitter drawn for each event, as a random partition would.
type plan struct {
	Start     time.Time // of the window
	Seconds   int       // how long events are produced; reports go on after
	After     int       // seconds for which reports go on
	Sources   int
	Emitters  int // at each hop
	Hops      int
	PerSecond int    // events of all sources
	InTurn    bool   // the sources produce in turn, not at random: each as many events as the others
	Lose      bool   // one event of each source, on one of the edges
	UIDs      string // kind of the UIDs that others gave the events; empty: they are numbered
}

// hopName names the hops h0, h1 …, each after the one before.
func hopName(i int) string { return fmt.Sprintf("h%d", i) }

// source is the id of source i.
func (p plan) source(i int) wire.UID {
	random := rand.New(rand.NewPCG(uint64(i), 0x726f6c6c63616c6c))
	var u wire.UID
	binary.BigEndian.PutUint64(u[:8], uint64(p.Start.UnixMilli()-1000)<<16|8<<12|random.Uint64()&0xfff)
	binary.BigEndian.PutUint32(u[8:], 2<<30|random.Uint32()>>2)
	return u
}

// lost is the number of the event that source i loses, and the hop that does not see it, nor the hops after it.
func (p plan) lost(i int) (number uint32, hop int) {
	if !p.Lose || p.Hops < 2 {
		return 0, p.Hops
	}
	return 50 + uint32(i%40), 1 + i%(p.Hops-1)
}

func (p plan) events() int { return p.Seconds * p.PerSecond }

// machine plays a plan through hops of the audit library.
type machine struct {
	plan
	hops  [][]*audit.Hop
	lanes []string
	clock atomic.Int64 // Unix ms, of the plan

	mu   sync.Mutex // the hops send from goroutines of their own
	send func(hop int, batch wire.Batch) error
}

// courier is the transport of one hop: it puts the clock of the plan in the place of the real one.
type courier struct {
	*machine
	hop int
}

func (c courier) Send(_ context.Context, batch wire.Batch) error {
	told := wire.Batch{Reports: append([]wire.Report(nil), batch.Reports...)}
	for i := range told.Reports {
		told.Reports[i].SentAt = time.UnixMilli(c.clock.Load()).UTC()
		told.Reports[i].Heartbeat = heartbeat
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.send(c.hop, told)
}

func newMachine(p plan, send func(hop int, batch wire.Batch) error) (*machine, error) {
	m := &machine{plan: p, send: send}
	m.clock.Store(p.Start.UnixMilli())
	for i := range p.Emitters {
		m.lanes = append(m.lanes, fmt.Sprintf("%s/%d", stream, i))
	}
	for hop := range p.Hops {
		var emitters []*audit.Hop
		for i := range p.Emitters {
			h, err := m.newHop(hop, i)
			if err != nil {
				return nil, err
			}
			emitters = append(emitters, h)
		}
		m.hops = append(m.hops, emitters)
	}
	return m, nil
}

func (m *machine) newHop(hop, i int) (*audit.Hop, error) {
	cfg := audit.HopConfig{
		Stream: stream, Hop: hopName(hop), Host: fmt.Sprintf("host-%d", i), Transport: courier{m, hop},
		Heartbeat: time.Hour, Keep: 24 * time.Hour, Memory: 2 << 30, Timeout: time.Hour,
	}
	if hop > 0 {
		cfg.After = []string{hopName(hop - 1)}
	}
	h, err := audit.NewHop(cfg)
	if err != nil {
		return nil, err
	}
	if hop > 0 {
		h.SetLaneCount(uint32(m.Emitters))
	}
	h.Start()
	return h, h.Flush(context.Background()) // the hello
}

// play produces the events second by second; tick is called after each, when a fifth of the emitters has reported.
func (m *machine) play(tick func(second int) error) error {
	headers, next := make([]wire.Header, m.Sources), make([]uint32, m.Sources)
	for i := range headers {
		headers[i] = wire.Header{Flags: wire.FlagNumbered, UID: m.source(i), Checksum: checksum}
	}
	random := rand.NewPCG(1, 2)
	for second := range m.Seconds + m.After {
		if second < m.Seconds {
			m.produce(second, headers, next, random)
		}
		m.clock.Store(m.Start.UnixMilli() + int64(second+1)*1000)
		if err := m.report(second); err != nil {
			return err
		}
		m.mu.Lock()
		err := tick(second + 1)
		m.mu.Unlock()
		if err != nil {
			return err
		}
	}
	return nil
}

func (m *machine) produce(second int, headers []wire.Header, next []uint32, random *rand.PCG) {
	first := second * m.PerSecond
	var at time.Time
	last := -1
	for i := range m.PerSecond {
		if ms := second*1000 + i*1000/m.PerSecond; ms != last {
			last, at = ms, m.Start.Add(time.Duration(ms)*time.Millisecond)
		}
		draw := random.Uint64()
		s := int(draw >> 40 * uint64(m.Sources) >> 24)
		if m.InTurn {
			s = int(uint64(first+i) * 7919 % uint64(m.Sources))
		}
		h := &headers[s]
		h.ProducedAt = at
		binary.BigEndian.PutUint32(h.UID[12:], next[s])
		m.pass(s, h, next[s], draw)
		next[s]++
	}
}

// pass takes one event through the hops.
func (m *machine) pass(s int, h *wire.Header, number uint32, draw uint64) {
	lost, upTo := m.lost(s)
	if number != lost {
		upTo = m.Hops
	}
	observe := func(at *audit.Hop) { at.Observe(*h, checksum, payloadBytes, h.ProducedAt) }
	if m.UIDs != numbered {
		uid := m.uid(s, number)
		observe = func(at *audit.Hop) { at.ObserveForeign(uid, h.ProducedAt, h.ProducedAt) }
	}
	observe(m.hops[0][s%m.Emitters])
	for hop := 1; hop < upTo; hop++ {
		observe(m.hops[hop][int(draw>>(8*hop)&0xff%uint64(m.Emitters))])
	}
}

// report has those emitters report whose turn it is: each does every five seconds.
func (m *machine) report(second int) error {
	now := time.UnixMilli(m.clock.Load())
	for hop := range m.hops {
		for i, h := range m.hops[hop] {
			if (hop*m.Emitters+i)%heartbeat != second%heartbeat {
				continue
			}
			lane := ""
			if hop > 0 {
				lane = m.lanes[i]
			}
			h.SetLane(lane, now)
			if err := h.Flush(context.Background()); err != nil {
				return err
			}
		}
	}
	return nil
}

// close ends the hops; what they say then is of no interest.
func (m *machine) close() error {
	m.mu.Lock()
	m.send = func(int, wire.Batch) error { return nil }
	m.mu.Unlock()
	for _, emitters := range m.hops {
		for _, h := range emitters {
			if err := h.Close(context.Background()); err != nil {
				return err
			}
		}
	}
	return nil
}
