package inspector

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/gin-gonic/gin"

	"github.com/rollcallhq/rollcall/inspector/api"
	"github.com/rollcallhq/rollcall/internal/access"
)

const (
	// liveWrite is how long a reader may take for one event before it is given up.
	liveWrite = 10 * time.Second
	// liveLook is how often a reader's token is looked at again: a revoked one ends within a second.
	liveLook = 500 * time.Millisecond
	// snapshotLast is how many streams of a snapshot come with their last verdicts: each costs queries, and
	// a reader of thousands of streams must not wait for all.
	snapshotLast = 100
)

// live answers GET /api/v1/stream: a snapshot, or what was missed since Last-Event-ID, then every changed
// verdict, and a heartbeat between them.
func (s *Inspector) live(c *gin.Context) {
	if s.Auditor == nil {
		writeProblem(c, notFound("this server does not have the role inspector"))
		return
	}
	r, first, err := s.joinLive(c.Request.Context(), c.GetHeader("Last-Event-ID"))
	if err != nil {
		writeProblem(c, s.liveProblem(err))
		return
	}
	defer s.hub.leave(r)
	out := newEvents(c.Writer)
	if err := out.open(); err != nil {
		return // the reader is gone
	}
	for _, e := range first {
		if out.write(e) != nil {
			return
		}
	}
	s.follow(c.Request, r, out)
}

// joinLive joins before it reads the snapshot, so that nothing falls between the two.
func (s *Inspector) joinLive(ctx context.Context, last string) (*reader, []api.Event, error) {
	r, missed, now, resumed, err := s.hub.join(last)
	if err != nil || resumed {
		return r, missed, err
	}
	data, err := s.snapshot(ctx)
	if err != nil {
		s.hub.leave(r)
		return nil, nil, err
	}
	return r, []api.Event{{Type: "snapshot", ID: now, Data: data}}, nil
}

func (s *Inspector) snapshot(ctx context.Context) (json.RawMessage, error) {
	ctx, cancel := s.bound(ctx)
	defer cancel()
	now := s.Now()
	infos, err := s.Auditor.Streams(ctx, now)
	if err != nil {
		return nil, givenUp(ctx, err)
	}
	sortBy(infos, streamName)
	streams, err := s.streamsOf(ctx, infos, snapshotLast, now)
	if err != nil {
		return nil, givenUp(ctx, err)
	}
	return json.Marshal(api.Snapshot{Streams: streams})
}

func (s *Inspector) liveProblem(err error) *problem {
	if errors.Is(err, errFull) || errors.Is(err, errStopped) {
		p := newProblem(http.StatusServiceUnavailable, "%s; ask GET /api/v1/streams from time to time instead", err)
		p.retryAfter = "10"
		return p
	}
	return s.problemOf("live", err)
}

// follow writes until the reader goes away or was dropped, or its token is no longer good.
func (s *Inspector) follow(request *http.Request, r *reader, out *events) {
	beat, look := time.NewTicker(s.config.Heartbeat), time.NewTicker(liveLook)
	defer beat.Stop()
	defer look.Stop()
	for {
		var err error
		select {
		case <-request.Context().Done():
			return
		case <-look.C:
			if !s.stillMay(request, access.Viewer) {
				return
			}
		case e, ok := <-r.events:
			if !ok {
				return
			}
			err = out.write(e)
		case <-beat.C:
			err = out.write(api.Event{Type: "heartbeat", Data: fmt.Appendf(nil, `{"at":%q}`, stamp(s.Now()))})
		}
		if err != nil {
			return
		}
	}
}

// events writes server-sent events, each with a deadline of its own.
type events struct {
	w  gin.ResponseWriter
	rc *http.ResponseController
}

func newEvents(w gin.ResponseWriter) *events {
	return &events{w: w, rc: http.NewResponseController(w)}
}

func (e *events) open() error {
	if err := e.rc.SetReadDeadline(time.Time{}); err != nil { // the server's read timeout would end the stream
		return fmt.Errorf("inspector: live stream: %w", err)
	}
	h := e.w.Header()
	h.Set("Content-Type", "text/event-stream")
	h.Set("Cache-Control", "no-store")
	h.Set("X-Accel-Buffering", "no")
	e.w.WriteHeader(http.StatusOK)
	return e.send([]byte("retry: 2000\n\n"))
}

func (e *events) write(event api.Event) error {
	var b bytes.Buffer
	if event.ID != "" {
		fmt.Fprintf(&b, "id: %s\n", event.ID)
	}
	fmt.Fprintf(&b, "event: %s\ndata: %s\n\n", event.Type, event.Data)
	return e.send(b.Bytes())
}

func (e *events) send(text []byte) error {
	if err := e.rc.SetWriteDeadline(time.Now().Add(liveWrite)); err != nil {
		return fmt.Errorf("inspector: live stream: %w", err)
	}
	if _, err := e.w.Write(text); err != nil {
		return fmt.Errorf("inspector: live stream: %w", err)
	}
	return e.rc.Flush()
}
