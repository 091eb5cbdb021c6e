package chain

import (
	"context"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/rollcallhq/rollcall/internal/certificate"
)

// The bounds of a page of the topic.
const (
	pageBytes = 4 << 20
	pageTime  = 10 * time.Second
)

// Read reads the records of a stream from the topic, from an offset on, at most limit. Next is the offset to go on from; -1 at the end that the topic
// had when it was asked. A page may have fewer records than there are, or none, and still have a next.
func (c *Chain) Read(ctx context.Context, stream string, from int64, limit int) (records []certificate.Record, next int64, err error) {
	partition := partitionOf(stream)
	first, end, err := c.bounds(ctx, partition)
	if err != nil {
		return nil, 0, err
	}
	if from = max(from, first); from >= end {
		return nil, -1, nil
	}
	client, err := c.consume(partition, from)
	if err != nil {
		return nil, 0, err
	}
	defer client.Close()
	p := page{stream: stream, end: end, limit: limit, until: time.Now().Add(pageTime)}
	for !p.full {
		found, err := poll(ctx, client)
		if err != nil {
			return nil, 0, err
		}
		p.add(found)
	}
	return p.records, p.next, nil
}

// page is what was read so far.
type page struct {
	stream  string
	end     int64
	limit   int
	until   time.Time
	records []certificate.Record
	bytes   int
	next    int64
	full    bool
}

func (p *page) add(found []*kgo.Record) {
	for _, r := range found {
		if p.next = r.Offset + 1; p.next >= p.end {
			p.next = -1
		}
		if string(r.Key) == p.stream && !r.Attrs.IsControl() && r.Offset < p.end {
			p.records = append(p.records, certificate.Record{Partition: r.Partition, Offset: r.Offset, Value: r.Value})
			p.bytes += len(r.Value)
		}
		if p.full = p.next < 0 || len(p.records) >= p.limit || p.bytes >= pageBytes; p.full {
			return
		}
	}
	p.full = time.Now().After(p.until)
}
