package inspector

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/rollcallhq/rollcall/inspector/api"
	"github.com/rollcallhq/rollcall/internal/certificate"
	"github.com/rollcallhq/rollcall/internal/store"
)

// The bounds of what is told of certificates at once: an envelope has some kilobytes.
const (
	certificatesRange = 5 * 366 * 24 * time.Hour
	mostEntries       = 500 // a page of a chain, however many are asked for
)

// Certificates tells the entries of chains that count.
type Certificates interface {
	HourCertificates(ctx context.Context, q store.CertificateQuery) ([]store.HourCertificate, error)
	CertificateChain(ctx context.Context, stream string, after uint64, limit int) ([]store.Certificate, error)
	LastCertificate(ctx context.Context, stream string, hour time.Time) (store.Certificate, bool, error)
	LastEntries(ctx context.Context, streams []string, from, to time.Time) (map[store.WindowKey]store.Standing, error)
}

// Chain reads the topic of certificates. Next is the offset to go on from; -1 at the end.
type Chain interface {
	Read(ctx context.Context, stream string, from int64, limit int) (records []certificate.Record, next int64, err error)
}

func (s *Inspector) certificateRoutes() {
	get(s, "list-keys", "/keys", "The public keys that certificates are verified with", s.listKeys)
	get(s, "list-certificates", "/streams/{stream}/certificates", "The certificates of a stream by hour, with how each stands", s.listCertificates)
	get(s, "get-chain", "/streams/{stream}/chain", "The chain of a stream as the store has it, or all that the topic holds of it", s.getChain)
	get(s, "get-digests", "/streams/{stream}/hours/{hour}/digests", "The digests of what hops took over in an hour, from what is stored now", s.getDigests)
}

func (s *Inspector) listKeys(context.Context, *struct{}) (*answer[api.Page[api.Key]], error) {
	out := api.Page[api.Key]{Items: []api.Key{}}
	if s.Keys == nil {
		return reply(out), nil
	}
	keys := s.Keys()
	newest := keys.Newest(s.Now())
	for i := range keys.All {
		k := &keys.All[i]
		out.Items = append(out.Items, api.Key{
			ID: k.ID.String(), Algorithm: certificate.Algorithm, Public: k.PublicPEM(), NotBefore: some(k.NotBefore), RetiredAt: some(k.RetiredAt),
			Signing: newest != nil && newest.ID == k.ID,
		})
	}
	return reply(out), nil
}

type certificatesInput struct {
	StreamParam
	From string `query:"from" format:"date-time" doc:"first hour, inclusive; default: seven days before 'to'"`
	To   string `query:"to" format:"date-time" doc:"last hour, exclusive; default: now. An hour that has begun before it is in"`
	PageParams
}

func (s *Inspector) listCertificates(ctx context.Context, in *certificatesInput) (*answer[api.Page[api.Certificate]], error) {
	limit, after, err := in.PageParams.read()
	if err != nil {
		return nil, err
	}
	from, to, err := readHours(in.From, in.To, s.Now())
	if err != nil {
		return nil, err
	}
	limit = min(limit, mostEntries)
	q := store.CertificateQuery{Stream: in.Stream, From: from, To: to, Limit: limit + 1}
	if q.AfterHour, q.AfterNumber, err = readHourKey(after); err != nil {
		return nil, err
	}
	if _, err := s.stream(ctx, in.Stream, s.Now()); err != nil {
		return nil, err
	}
	found, err := s.Store.HourCertificates(ctx, q)
	if err != nil {
		return nil, err
	}
	out := api.Page[api.Certificate]{}
	if len(found) > limit {
		found = found[:limit]
		last := &found[limit-1]
		out.Next = cursor(fmt.Sprintf("%d|%d", last.Hour.Unix(), last.Number))
	}
	out.Items = rows(found, certificateOf)
	return reply(out), nil
}

// readHours reads a range of whole hours. None is told of that has not begun: the store knows no instants after 2106.
func readHours(first, last string, now time.Time) (from, to time.Time, err error) {
	if from, to, err = (RangeParams{From: first, To: last}).read(now, 7*24*time.Hour, certificatesRange); err != nil {
		return from, to, err
	}
	if next := now.UTC().Truncate(time.Hour).Add(time.Hour); to.After(next) {
		to = next
	}
	if from.After(to) {
		from = to
	}
	return from.Truncate(time.Hour), to.Add(time.Hour - 1).Truncate(time.Hour), nil
}

// readHourKey reads a cursor: the hour and number of the last row of the page before.
func readHourKey(key string) (hour time.Time, number uint64, err error) {
	if key == "" {
		return hour, 0, nil
	}
	seconds, n, _ := strings.Cut(key, "|")
	at, err := strconv.ParseUint(seconds, 10, 32)
	if err == nil {
		number, err = strconv.ParseUint(n, 10, 64)
	}
	if err != nil {
		return hour, 0, fault("query.cursor", "not a cursor of this list")
	}
	return time.Unix(int64(at), 0).UTC(), number, nil
}

func certificateOf(c store.HourCertificate) api.Certificate {
	entry := certificate.Content{Number: c.Number, Action: certificate.Action(c.Action), Reason: c.Reason}
	last := certificate.Content{Number: c.Last, Action: certificate.Action(c.LastAction), Reason: c.LastReason}
	standing := certificate.StandingOf(&entry, &last)
	return api.Certificate{
		Stream: c.Stream, Hour: c.Hour.Format(hourForm), Number: c.Number, Action: c.Action, IssuedAt: c.IssuedAt, By: c.IssuedBy, Reason: c.Reason,
		KeyID: certificate.Hash(c.Key).String(), Standing: string(standing.State), StandingBy: standing.By, StandingReason: standing.Reason, Envelope: c.Envelope,
	}
}

type chainInput struct {
	StreamParam
	Source string `query:"source" enum:"store,topic" doc:"where it is read: store (default) or topic"`
	PageParams
}

func (s *Inspector) getChain(ctx context.Context, in *chainInput) (*answer[api.Page[api.ChainEntry]], error) {
	limit, after, err := in.PageParams.readUpTo(mostEntries, maxLimit)
	if err != nil {
		return nil, err
	}
	from := uint64(0)
	if after != "" {
		if from, err = strconv.ParseUint(after, 10, 63); err != nil {
			return nil, fault("query.cursor", "not a cursor of this list")
		}
	}
	if _, err := s.stream(ctx, in.Stream, s.Now()); err != nil {
		return nil, err
	}
	limit = min(limit, mostEntries)
	switch in.Source {
	case "", "store":
		return s.storedChain(ctx, in.Stream, from, limit)
	case "topic":
		return s.topicChain(ctx, in.Stream, int64(from), limit)
	}
	return nil, fault("query.source", "%q is not one of store, topic", in.Source)
}

func (s *Inspector) storedChain(ctx context.Context, stream string, after uint64, limit int) (*answer[api.Page[api.ChainEntry]], error) {
	found, err := s.Store.CertificateChain(ctx, stream, after, limit)
	if err != nil {
		return nil, err
	}
	out := api.Page[api.ChainEntry]{Items: rows(found, func(c store.Certificate) api.ChainEntry {
		return api.ChainEntry{Partition: c.Partition, Offset: c.Offset, Value: c.Envelope}
	})}
	if len(found) == limit {
		out.Next = cursor(strconv.FormatUint(found[limit-1].Number, 10))
	}
	return reply(out), nil
}

func (s *Inspector) topicChain(ctx context.Context, stream string, from int64, limit int) (*answer[api.Page[api.ChainEntry]], error) {
	if s.Chain == nil {
		return nil, notFound("this server has no keys (--keys), and does not read the topic of certificates")
	}
	found, next, err := s.Chain.Read(ctx, stream, from, limit)
	if err != nil {
		s.Log.Warn("the topic of certificates could not be read", "stream", stream, "error", err)
		p := newProblem(503, "the topic of certificates could not be read; the server's log says why")
		p.retryAfter = "2"
		return nil, p
	}
	out := api.Page[api.ChainEntry]{Items: rows(found, func(r certificate.Record) api.ChainEntry { return api.ChainEntry(r) })}
	if next >= 0 {
		out.Next = cursor(strconv.FormatInt(next, 10))
	}
	return reply(out), nil
}

type digestsInput struct {
	StreamParam
	Hour string `path:"hour" doc:"in UTC, as 2026-11-22T05"`
}

func (s *Inspector) getDigests(ctx context.Context, in *digestsInput) (*answer[api.Digests], error) {
	hour, err := readHour(in.Hour)
	if err != nil {
		return nil, err
	}
	if _, err := s.stream(ctx, in.Stream, s.Now()); err != nil {
		return nil, err
	}
	if hour.After(s.Now()) {
		return nil, notFound("hour %s lies in the future", in.Hour)
	}
	hops, err := s.Digests(ctx, in.Stream, certificate.Hour{Time: hour})
	if err != nil {
		return nil, err
	}
	return reply(api.Digests{Stream: in.Stream, Hour: in.Hour, Hops: rows(hops, func(h certificate.Hop) api.HopDigest {
		return api.HopDigest{Hop: h.Hop, Events: h.Events, Filtered: h.Filtered, Rejected: h.Rejected, Digest: h.Digest.String()}
	})}), nil
}
