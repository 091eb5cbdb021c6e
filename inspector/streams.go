package inspector

import (
	"context"
	"net/http"
	"slices"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/rollcallhq/rollcall/inspector/api"
	"github.com/rollcallhq/rollcall/internal/store"
)

const streamsAtOnce = 4 // streams whose last verdicts are read at the same time

// StreamParam names a stream.
type StreamParam struct {
	Stream string `path:"stream" doc:"name of the stream"`
}

func (s *Inspector) streamRoutes() {
	get(s, "list-streams", "/streams", "Streams with hops, edges, settings, watermark and last verdicts", s.listStreams)
	get(s, "get-stream", "/streams/{stream}", "One stream", s.getStream)
	get(s, "get-objectives", "/streams/{stream}/objectives", "How the objectives of a stream stand over 28 days", s.getObjectives)
	get(s, "get-watermark", "/streams/{stream}/watermark", "Completeness watermark, and what holds it back", s.getWatermark)
	body[api.Settings](s, call{id: "put-stream", method: http.MethodPut, path: "/streams/{stream}",
		summary: "Create a stream or change its settings; answers the settings as they now are"}, s.putStream)
}

func (s *Inspector) listStreams(ctx context.Context, in *struct{ PageParams }) (*answer[api.Page[api.Stream]], error) {
	limit, after, err := in.read()
	if err != nil {
		return nil, err
	}
	now := s.Now()
	infos, err := s.Auditor.Streams(ctx, now)
	if err != nil {
		return nil, err
	}
	sortBy(infos, streamName)
	some := page(infos, limit, after, streamName)
	items, err := s.streamsOf(ctx, some.Items, limit, now)
	if err != nil {
		return nil, err
	}
	return reply(api.Page[api.Stream]{Items: items, Next: some.Next}), nil
}

func streamName(i store.StreamInfo) string { return i.Stream }

func (s *Inspector) getStream(ctx context.Context, in *StreamParam) (*answer[api.Stream], error) {
	now := s.Now()
	info, err := s.stream(ctx, in.Stream, now)
	if err != nil {
		return nil, err
	}
	out, err := s.streamsOf(ctx, []store.StreamInfo{info}, 1, now)
	if err != nil {
		return nil, err
	}
	return reply(out[0]), nil
}

// stream returns what is known of a stream, or says that there is none.
func (s *Inspector) stream(ctx context.Context, name string, now time.Time) (store.StreamInfo, error) {
	if err := checkName("path.stream", name); err != nil {
		return store.StreamInfo{}, err
	}
	info, found, err := s.Auditor.Stream(ctx, name, now)
	if err == nil && !found {
		err = notFound("no stream %q: no report has named it and it has no settings; GET /api/v1/streams lists those there are", name)
	}
	return info, err
}

// streamsOf tells streams, the first most of them with their last verdicts.
func (s *Inspector) streamsOf(ctx context.Context, infos []store.StreamInfo, most int, now time.Time) ([]api.Stream, error) {
	out := make([]api.Stream, len(infos))
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(streamsAtOnce)
	for i, info := range infos {
		group.Go(func() error {
			var err error
			if out[i], err = streamOf(info); err == nil && i < most {
				out[i].Last, err = s.lastVerdicts(ctx, info, now)
			}
			return err
		})
	}
	return out, group.Wait()
}

func streamOf(info store.StreamInfo) (api.Stream, error) {
	settings, err := settingsOf(info.Settings)
	return api.Stream{
		Stream: info.Stream, Hops: rows(info.Hops, hopOf), Edges: rows(info.Edges, edgeText),
		Settings: settings, SettingsBy: info.Settings.Who, Watermark: some(info.Watermark), Last: []api.Window{},
	}, err
}

// lastVerdicts returns the verdicts of the latest window that has ended.
func (s *Inspector) lastVerdicts(ctx context.Context, info store.StreamInfo, now time.Time) ([]api.Window, error) {
	if info.Earliest.IsZero() {
		return []api.Window{}, nil
	}
	length := time.Duration(info.Settings.Seconds(now)) * time.Second
	start := now.UTC().Truncate(length).Add(-length)
	return s.verdicts(ctx, info.Stream, start, start.Add(length), now, nil)
}

type watermarkInput struct {
	StreamParam
	Hop string `query:"hop" doc:"only up to this hop; default: all required edges"`
}

func (s *Inspector) getWatermark(ctx context.Context, in *watermarkInput) (*answer[api.Watermark], error) {
	now := s.Now()
	info, err := s.stream(ctx, in.Stream, now)
	if err != nil {
		return nil, err
	}
	if err := leadsTo(info, in.Hop); err != nil {
		return nil, err
	}
	mark, blocked, found, err := s.Auditor.Watermark(ctx, in.Stream, in.Hop, now)
	if err != nil {
		return nil, err
	}
	out := api.Watermark{BlockedBy: blockedOf(blocked)}
	if found {
		out.Watermark = some(mark)
	}
	return reply(out), nil
}

// leadsTo holds that an edge leads to the hop, if one is named: of a misspelt or a first hop nothing could be
// incomplete, and its watermark would promise what nobody checked.
func leadsTo(info store.StreamInfo, hop string) error {
	if hop == "" || slices.ContainsFunc(info.Edges, func(e store.Edge) bool { return e.To == hop }) {
		return nil
	}
	return fault("query.hop", "no edge of stream %s leads to a hop %q; its edges are %s", info.Stream, hop, strings.Join(rows(info.Edges, edgeText), ", "))
}
