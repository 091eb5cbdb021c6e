package app

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"
)

// stopTimeout bounds each step of stopping.
const stopTimeout = 20 * time.Second

// stack holds what was started, each with its name, and stops it in reverse.
type stack struct {
	log   *slog.Logger
	steps []step
}

type step struct {
	name string
	stop func(context.Context) error
}

// push registers how to stop what was just started.
func (s *stack) push(name string, stop func(context.Context) error) {
	s.steps = append(s.steps, step{name, stop})
}

// stop stops everything, last in first out, each within its own time; it goes on after a failure and joins the errors.
func (s *stack) stop(ctx context.Context) error {
	var failed []error
	for i := len(s.steps) - 1; i >= 0; i-- {
		one := s.steps[i]
		bounded, cancel := context.WithTimeout(ctx, stopTimeout)
		begun := time.Now()
		err := one.stop(bounded)
		cancel()
		s.log.Debug("stopped", "what", one.name, "took", time.Since(begun), "error", err)
		if err != nil {
			failed = append(failed, fmt.Errorf("stop %s: %w", one.name, err))
		}
	}
	s.steps = nil
	return errors.Join(failed...)
}
