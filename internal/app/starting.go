package app

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"time"

	"github.com/cenkalti/backoff/v5"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/rollcallhq/rollcall/inspector/api"
	"github.com/rollcallhq/rollcall/internal/store"
)

const (
	firstWait   = 500 * time.Millisecond // before a service that was away is tried again; it grows by half
	longestWait = 15 * time.Second
	kafkaLimit  = 15 * time.Second // of one attempt at Kafka
)

// errKafkaAway says that Kafka could not be reached or did not answer, so that another attempt may succeed.
var errKafkaAway = errors.New("the broker is away")

// kafkaAway wraps err with errKafkaAway unless Kafka answered, and what it said will not pass by itself.
func kafkaAway(err error) error {
	var network net.Error
	var hungUp *kgo.ErrFirstReadEOF
	if errors.As(err, &network) || errors.As(err, &hungUp) || errors.Is(err, io.EOF) || kerr.IsRetriable(err) {
		return fmt.Errorf("%w: %w", errKafkaAway, err)
	}
	return err
}

// begin starts a part. While a service that it needs is away it tries again, at growing intervals, until ctx ends or another part fails; whatever
// else is wrong, as a password is, ends the start. A part that failed has left nothing that a further attempt would do twice.
func (a *App) begin(ctx context.Context, part func(context.Context) error) error {
	waits := backoff.NewExponentialBackOff()
	waits.InitialInterval, waits.MaxInterval = firstWait, longestWait
	for {
		err := part(ctx)
		reason := awaited(err)
		a.awaited.Store(&reason)
		if reason == "" {
			return err
		}
		wait := waits.NextBackOff()
		a.log.Warn("the server cannot start yet; trying again", "reason", reason, "wait", wait.Round(time.Millisecond), "error", err)
		select {
		case <-ctx.Done():
			return errors.Join(ctx.Err(), err)
		case err := <-a.failed:
			return err
		case <-time.After(wait):
		}
	}
}

// endedStarting says whether the start failed since somebody ended it.
func endedStarting(ctx context.Context, err error) bool {
	return ctx.Err() != nil && errors.Is(err, ctx.Err())
}

// awaited says in words which service is away; it is empty where none is.
func awaited(err error) string {
	switch {
	case errors.Is(err, store.ErrAway):
		return "ClickHouse does not answer"
	case errors.Is(err, errKafkaAway):
		return "Kafka does not answer"
	}
	return ""
}

// answer says that the server lives and is not ready until everything has started, and then as the inspector does.
func (a *App) answer(w http.ResponseWriter, r *http.Request) {
	if all := a.handler.Load(); all != nil {
		(*all).ServeHTTP(w, r)
		return
	}
	if r.URL.Path == "/healthz" {
		answerJSON(w, "application/json", http.StatusOK, api.Health{Status: "ok"})
		return
	}
	why := "the server is starting"
	if reason := a.awaited.Load(); reason != nil && *reason != "" {
		why += ": " + *reason
	}
	w.Header().Set("Retry-After", "2")
	status := http.StatusServiceUnavailable
	answerJSON(w, "application/problem+json", status, api.Problem{Title: http.StatusText(status), Status: status, Detail: why})
}

func answerJSON(w http.ResponseWriter, kind string, status int, what any) {
	w.Header().Set("Content-Type", kind)
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(what) // the reader is gone
}

// open hands requests over to what has started. Those who ask are sent away before all else stops, and so this end of the HTTP server comes before
// the one that listen left.
func (a *App) open(context.Context) error {
	all := a.inspector.Handler()
	a.inspector.Start()
	a.stack.push("HTTP server", a.server.Shutdown)
	a.stack.push("live streams", a.inspector.Stop)
	a.handler.Store(&all)
	a.ready.Store(true)
	return nil
}
