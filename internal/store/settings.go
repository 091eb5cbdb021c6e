package store

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
)

// settingsDocument is how Settings are kept.
type settingsDocument struct {
	Lengths       []Length        `json:"lengths"`
	GraceMillis   int64           `json:"graceMillis"`
	SettleMillis  int64           `json:"settleMillis"`
	SkewMillis    int64           `json:"skewMillis"`
	Edges         []Edge          `json:"edges"`
	ExpectTraffic bool            `json:"expectTraffic"`
	Owner         string          `json:"owner"`
	Document      json.RawMessage `json:"document,omitempty"`
	Who           string          `json:"who,omitempty"`
}

const selectSettings = `
SELECT stream, settings FROM streams FINAL WHERE stream IN (SELECT stream FROM wanted)`

// Settings returns the settings of the streams, those of streams that have none being the defaults.
func (s *Store) Settings(ctx context.Context, streams []string) (map[string]Settings, error) {
	args, err := streamList(streams)
	if err != nil {
		return nil, err
	}
	found := make(map[string]Settings, len(streams))
	for _, stream := range streams {
		found[stream] = DefaultSettings(stream)
	}
	err = s.query(ctx, "read settings", selectSettings, args, func(r driver.Rows) error {
		var stream, text string
		if err := r.Scan(&stream, &text); err != nil {
			return err
		}
		var d settingsDocument
		if err := json.Unmarshal([]byte(text), &d); err != nil {
			return fmt.Errorf("settings of %s: %w", stream, err)
		}
		v := Settings{
			Stream: stream, Lengths: d.Lengths, Edges: d.Edges, ExpectTraffic: d.ExpectTraffic, Owner: d.Owner, Document: d.Document, Who: d.Who,
			Grace:  time.Duration(d.GraceMillis) * time.Millisecond,
			Settle: time.Duration(d.SettleMillis) * time.Millisecond,
			Skew:   time.Duration(d.SkewMillis) * time.Millisecond,
		}
		err := v.readDocument()
		found[stream] = v
		return err
	})
	return found, err
}

// readDocument reads from the settings as given what they say of incidents.
func (s *Settings) readDocument() error {
	var d struct {
		Objectives struct {
			Completeness     float64 `json:"completeness"`
			LatencyP99Millis int64   `json:"latencyP99Millis"`
			Timeliness       float64 `json:"timeliness"`
			TimelySeconds    int64   `json:"timelySeconds"`
			Validity         float64 `json:"validity"`
		} `json:"objectives"`
		AlertOn []Cause `json:"alertOn"`
		Certify struct {
			Auto  bool     `json:"auto"`
			Allow []string `json:"allow"`
		} `json:"certify"`
	}
	if len(s.Document) == 0 {
		return nil
	}
	if err := json.Unmarshal(s.Document, &d); err != nil {
		return fmt.Errorf("settings of %s: %w", s.Stream, err)
	}
	o := d.Objectives
	s.AlertOn, s.Auto, s.Allow = d.AlertOn, d.Certify.Auto, d.Certify.Allow
	s.Objectives = Objectives{
		Completeness: o.Completeness, Timeliness: o.Timeliness, Validity: o.Validity,
		LatencyP99: time.Duration(o.LatencyP99Millis) * time.Millisecond, Timely: time.Duration(o.TimelySeconds) * time.Second,
	}
	if s.Objectives.Timely == 0 {
		s.Objectives.Timely = DefaultTimely
	}
	return nil
}

// PutSettings stores the settings of a stream and has its windows looked at again, unless they are those stored already:
// then nothing changes, also not who changed them last.
func (s *Store) PutSettings(ctx context.Context, v Settings, now time.Time) error {
	text, err := json.Marshal(settingsDocument{
		Lengths: v.Lengths, Edges: v.Edges, ExpectTraffic: v.ExpectTraffic, Owner: v.Owner, Document: v.Document, Who: v.Who,
		GraceMillis: v.Grace.Milliseconds(), SettleMillis: v.Settle.Milliseconds(), SkewMillis: v.Skew.Milliseconds(),
	})
	if err != nil {
		return fmt.Errorf("store: settings of %s: %w", v.Stream, err)
	}
	old, at, err := s.settingsText(ctx, v.Stream)
	if err != nil || sameSettings(old, v.Who, string(text)) {
		return err
	}
	if err := s.insert(ctx, "streams", [][]any{{v.Stream, max(now.UnixMilli(), at+1), string(text)}}); err != nil {
		return err
	}
	return s.markWhole(ctx, v.Stream)
}

// sameSettings says whether settings as stored are those of text, whoever stored them.
func sameSettings(old, who, text string) bool {
	var d settingsDocument
	if json.Unmarshal([]byte(old), &d) != nil {
		return false // none yet, or such as cannot be read: they are written anew
	}
	d.Who = who
	again, err := json.Marshal(d)
	return err == nil && string(again) == text
}

// settingsText is what is stored of a stream's settings, and since when; empty when nothing is.
func (s *Store) settingsText(ctx context.Context, stream string) (text string, at int64, err error) {
	const selectText = `SELECT settings, at FROM streams FINAL WHERE stream = {stream:String}`
	err = s.query(ctx, "read settings", selectText, params{}.value("stream", stream), func(r driver.Rows) error { return r.Scan(&text, &at) })
	return text, at, err
}

// markWhole has all stored windows of a stream looked at again.
func (s *Store) markWhole(ctx context.Context, stream string) error {
	return s.ReplaceMarks(ctx, nil, []Mark{{WindowKey: WindowKey{Stream: stream}, Since: time.UnixMilli(1)}})
}

const selectHasReports = `SELECT count() FROM (SELECT 1 FROM hops WHERE stream = {stream:String} LIMIT 1)`

// HasReports says whether any report of the stream is stored.
func (s *Store) HasReports(ctx context.Context, stream string) (bool, error) {
	var n uint64
	err := s.query(ctx, "look for reports", selectHasReports, params{}.value("stream", stream), func(r driver.Rows) error { return r.Scan(&n) })
	return n > 0, err
}
