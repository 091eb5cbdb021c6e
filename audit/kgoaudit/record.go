package kgoaudit

import (
	"errors"
	"slices"
	"strconv"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/rollcallhq/rollcall/audit"
	"github.com/rollcallhq/rollcall/audit/wire"
)

// HeaderKey is the key of the record header that carries the audit header.
const HeaderKey = "audit"

// ErrNoHeader is returned for a record without an audit header.
var ErrNoHeader = errors.New("the record has no audit header")

// ReadHeader returns a record's audit header. Errors: ErrNoHeader, and those of
// wire.DecodeHeader for one that cannot be read.
func ReadHeader(r *kgo.Record) (audit.Header, error) {
	for i := range r.Headers {
		if r.Headers[i].Key == HeaderKey {
			return wire.DecodeHeader(r.Headers[i].Value)
		}
	}
	return audit.Header{}, ErrNoHeader
}

// Header returns a record's audit header, false when it has none that can be read.
func Header(r *kgo.Record) (audit.Header, bool) {
	h, err := ReadHeader(r)
	return h, err == nil
}

// SetHeader gives a record an audit header in place of any that it has. Room behind the
// headers is not used: it may be that of other records, too.
func SetHeader(r *kgo.Record, h audit.Header) {
	dropHeader(r)
	r.Headers = append(slices.Clip(r.Headers), kgo.RecordHeader{Key: HeaderKey, Value: h.Append(nil)})
}

// dropHeader leaves the slice as it is for whoever else holds it.
func dropHeader(r *kgo.Record) {
	is := func(h kgo.RecordHeader) bool { return h.Key == HeaderKey }
	if slices.ContainsFunc(r.Headers, is) {
		r.Headers = slices.DeleteFunc(slices.Clone(r.Headers), is)
	}
}

// Observe takes a record over at a hop, after the hop answers for it. It is known by
// its audit header, else by the attributes of CloudEvents; see Identify. A record
// without an identity, or with one that cannot be read, is counted as unplaced, and
// flows on like any other.
func Observe(hop *audit.Hop, r *kgo.Record, at time.Time) audit.Mark {
	id, err := Identify(r, Fields{})
	return hop.TakeAs(id, err, r.Value, at)
}

// Lane returns the name of a partition's lane, such as "orders/0".
func Lane(topic string, partition int32) string {
	return topic + "/" + strconv.Itoa(int(partition))
}
