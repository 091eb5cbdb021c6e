package cli

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/rollcallhq/rollcall/inspector/api"
	"github.com/rollcallhq/rollcall/internal/certificate"
)

const (
	mostTold  = 3               // faults of one kind that are named; the others are counted
	looks     = 3               // how often store and topic are compared before they are called different: one may just have grown
	lookAgain = 2 * time.Second // between two
)

// link is what is kept of an entry of a chain.
type link struct {
	hash certificate.Hash
	hour certificate.Hour
}

// walk follows a chain from its first entry on, in one place.
type walk struct {
	keys   *certificate.Keys
	stream string
	hour   certificate.Hour // whose last entry is kept
	head   certificate.Head
	links  map[uint64]link
	last   *certificate.Entry
	passed int      // records that are no entries of the chain
	faults []string // of what was passed, and gaps
}

// take reads the next record. Where entries before it are missing it goes on after the gap.
func (w *walk) take(value []byte) {
	e, next, refused := w.head.Accept(w.stream, value, w.keys)
	if refused != nil && refused.Reason == certificate.ByNumber && e.Number > w.head.Number+1 {
		gap := certificate.Head{Number: e.Number - 1, Hash: e.Previous}
		if _, after, still := gap.Accept(w.stream, value, w.keys); still == nil {
			next, refused = after, nil
		}
	}
	if refused != nil {
		w.passed++
		w.faults = append(w.faults, fmt.Sprintf("after entry %d: %s", w.head.Number, refused.Text))
		return
	}
	w.head = next
	w.links[e.Number] = link{e.Hash, e.Hour}
	if e.Hour == w.hour {
		w.last = e
	}
}

// walkChain fetches a chain from one place.
func (s *session) walkChain(e *certificate.Entry, keys *certificate.Keys, source string) (*walk, error) {
	w := &walk{keys: keys, stream: e.Stream, hour: e.Hour, links: map[uint64]link{}}
	path := "/streams/" + url.PathEscape(e.Stream) + "/chain"
	err := eachPage(s.ctx, s.ask, path, url.Values{"source": {source}}, func(page api.Page[api.ChainEntry]) string {
		for _, one := range page.Items {
			w.take(one.Value)
		}
		return page.Next
	})
	return w, err
}

// verifyChain holds a certificate against what the server has. An error says that it could not be asked.
func (s *session) verifyChain(e *certificate.Entry, keys *certificate.Keys) ([]certificate.Check, error) {
	stored, topic, err := s.walkBoth(e, keys)
	if err != nil {
		return nil, err
	}
	checks := []certificate.Check{storeCheck(stored), topicCheck(topic), sameCheck(stored, topic, e), inHand(stored, topic, e)}
	last := topic.last
	if stored.last != nil && (last == nil || stored.last.Number > last.Number) {
		last = stored.last
	}
	if last == nil {
		return checks, nil
	}
	gate, err := s.gateCheck(last)
	if err != nil {
		return nil, err
	}
	checks = append(checks, standingCheck(e, last), gate)
	if last.Action == certificate.Revoke {
		return checks, nil
	}
	var now api.Digests
	if err := s.ask.get(s.ctx, "/streams/"+url.PathEscape(e.Stream)+"/hours/"+e.Hour.String()+"/digests", nil, &now); err != nil {
		return nil, err
	}
	return append(checks, digestCheck(last, now.Hops)), nil
}

// walkBoth fetches both chains. Entries may come while it does: where the two differ it looks again.
func (s *session) walkBoth(e *certificate.Entry, keys *certificate.Keys) (stored, topic *walk, err error) {
	for n := range looks {
		if topic, err = s.walkChain(e, keys, "topic"); err == nil {
			stored, err = s.walkChain(e, keys, "store")
		}
		if err != nil || maps.Equal(stored.links, topic.links) || n == looks-1 {
			return stored, topic, err
		}
		timer := time.NewTimer(lookAgain)
		select {
		case <-timer.C:
		case <-s.ctx.Done():
			timer.Stop()
			return nil, nil, cannotAsk("interrupted while asking %s", s.ask.base)
		}
	}
	return stored, topic, err
}

func storeCheck(w *walk) certificate.Check {
	if len(w.faults) > 0 {
		return certificate.Check{Name: "store", Text: someOf(w.faults)}
	}
	return certificate.Check{Name: "store", Good: true, Text: fmt.Sprintf("%s, each signed and in its place", plural(uint64(len(w.links)), "entry", "entries"))}
}

func topicCheck(w *walk) certificate.Check {
	text := plural(uint64(len(w.links)), "entry counts", "entries count")
	if w.passed > 0 {
		text += fmt.Sprintf(", %s passed over", plural(uint64(w.passed), "record", "records"))
	}
	return certificate.Check{Name: "topic", Good: true, Text: text}
}

// sameCheck names the entries that one place has and the other has not, or has otherwise, and those that both have not.
func sameCheck(stored, topic *walk, e *certificate.Entry) certificate.Check {
	highest := e.Number
	for n := range stored.links {
		highest = max(highest, n)
	}
	for n := range topic.links {
		highest = max(highest, n)
	}
	var faults []string
	for n := uint64(1); n <= highest; n++ {
		one, inStore := stored.links[n]
		two, inTopic := topic.links[n]
		switch {
		case !inStore && !inTopic:
			faults = append(faults, fmt.Sprintf("entry %d is missing in the store and in the topic", n))
		case !inStore:
			faults = append(faults, fmt.Sprintf("entry %d (hour %s) is missing in the store", n, two.hour))
		case !inTopic:
			faults = append(faults, fmt.Sprintf("entry %d (hour %s) is missing in the topic", n, one.hour))
		case one.hash != two.hash:
			faults = append(faults, fmt.Sprintf("entry %d (hour %s) has the hash %s in the store and %s in the topic", n, one.hour, one.hash, two.hash))
		}
	}
	if len(faults) > 0 {
		return certificate.Check{Name: "same", Text: someOf(faults)}
	}
	return certificate.Check{Name: "same", Good: true, Text: "store and topic have the same entries, from 1 on without a gap"}
}

// inHand holds that the certificate is the entry of its number.
func inHand(stored, topic *walk, e *certificate.Entry) certificate.Check {
	var faults []string
	for _, place := range []struct {
		name string
		w    *walk
	}{{"store", stored}, {"topic", topic}} {
		if one, there := place.w.links[e.Number]; there && one.hash != e.Hash {
			faults = append(faults, fmt.Sprintf("entry %d of the chain in the %s has the hash %s; this one has %s", e.Number, place.name, one.hash, e.Hash))
		} else if !there {
			faults = append(faults, fmt.Sprintf("the chain in the %s has no entry %d", place.name, e.Number))
		}
	}
	if len(faults) > 0 {
		return certificate.Check{Name: "in the chain", Text: someOf(faults)}
	}
	return certificate.Check{Name: "in the chain", Good: true, Text: fmt.Sprintf("it is entry %d", e.Number)}
}

func standingCheck(e, last *certificate.Entry) certificate.Check {
	standing := certificate.StandingOf(&e.Content, &last.Content)
	switch {
	case standing.State == certificate.Superseded:
		return certificate.Check{Name: "standing", Text: fmt.Sprintf("superseded by entry %d", standing.By)}
	case standing.State == certificate.Revoked && last.Number != e.Number:
		return certificate.Check{Name: "standing", Text: fmt.Sprintf("revoked by entry %d: %s", standing.By, standing.Reason)}
	case standing.State == certificate.Revoked:
		return certificate.Check{Name: "standing", Good: true, Text: "the hour is revoked by this entry"}
	}
	return certificate.Check{Name: "standing", Good: true, Text: "it is the last word on its hour"}
}

// gateCheck holds what the gate answers against the last entry of the hour: the store finds an entry by columns that are not signed.
func (s *session) gateCheck(last *certificate.Entry) (certificate.Check, error) {
	var envelope json.RawMessage
	err := s.ask.get(s.ctx, hourPath(last.Stream, last.Hour.String(), "certificate"), nil, &envelope)
	one, err := answerOf(last.Stream, last.Hour.String(), envelope, err)
	switch want := answerAfter(last); {
	case err != nil:
		return certificate.Check{}, err
	case one.Answer != want:
		return certificate.Check{Name: "gate", Text: fmt.Sprintf("the gate answers %q; by entry %d, the last of the hour, it is %q", one.Answer, last.Number, want)}, nil
	case want == certified && certificate.HashOf(envelope) != last.Hash:
		return certificate.Check{Name: "gate", Text: fmt.Sprintf("the gate answers with entry %d; the last of the hour is entry %d", one.Number, last.Number)}, nil
	default:
		return certificate.Check{Name: "gate", Good: true, Text: fmt.Sprintf("it answers %q, as entry %d says", want, last.Number)}, nil
	}
}

func answerAfter(last *certificate.Entry) string {
	if last.Action == certificate.Revoke {
		return gone
	}
	return certified
}

// digestCheck holds what was signed of an hour against what the store has of it now.
func digestCheck(signed *certificate.Entry, now []api.HopDigest) certificate.Check {
	found := map[string]api.HopDigest{}
	for _, h := range now {
		found[h.Hop] = h
	}
	var faults []string
	for _, want := range signed.Hops {
		got, there := found[want.Hop]
		if !there {
			got = hopDigest(certificate.NewDigests(want.Hop).Hops()[0])
		}
		if got != hopDigest(want) {
			faults = append(faults, differs(want, got))
		}
		delete(found, want.Hop)
	}
	for _, name := range slices.Sorted(maps.Keys(found)) {
		faults = append(faults, fmt.Sprintf("hop %s took over %d events and is not in the certificate", name, found[name].Events))
	}
	if len(faults) > 0 {
		return certificate.Check{Name: "hops", Text: fmt.Sprintf("since entry %d was signed the store has changed: %s", signed.Number, someOf(faults))}
	}
	return certificate.Check{Name: "hops", Good: true, Text: fmt.Sprintf("what %s took over is what was signed", plural(uint64(len(signed.Hops)), "hop", "hops"))}
}

func hopDigest(h certificate.Hop) api.HopDigest {
	return api.HopDigest{Hop: h.Hop, Events: h.Events, Filtered: h.Filtered, Rejected: h.Rejected, Digest: h.Digest.String()}
}

func differs(want certificate.Hop, got api.HopDigest) string {
	switch {
	case got.Events != want.Events:
		return fmt.Sprintf("hop %s took over %d events, and %d were signed", want.Hop, got.Events, want.Events)
	case got.Filtered != want.Filtered:
		return fmt.Sprintf("hop %s filtered %d events, and %d were signed", want.Hop, got.Filtered, want.Filtered)
	case got.Rejected != want.Rejected:
		return fmt.Sprintf("hop %s rejected %d events, and %d were signed", want.Hop, got.Rejected, want.Rejected)
	}
	return fmt.Sprintf("hop %s took over as many events as were signed, and others: their digest is %s and not %s", want.Hop, got.Digest, want.Digest)
}

// someOf names the first few faults and counts the others.
func someOf(faults []string) string {
	text := strings.Join(faults[:min(mostTold, len(faults))], "; ")
	if more := len(faults) - mostTold; more > 0 {
		text += fmt.Sprintf("; and %d more", more)
	}
	return text
}
