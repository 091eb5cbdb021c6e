package app

import (
	"context"
	"time"
)

const (
	forgetEvery = 6 * time.Hour
	forgetLimit = 10 * time.Minute // for one round
)

// startForgetting has the tables expire as configured, and then deletes, now and every few hours, what no TTL can tell. Only who judges does so: a
// process that answers alone may have been given no terms.
func (a *App) startForgetting(ctx context.Context) error {
	changed, err := a.store.Expire(ctx, a.config.Retention)
	if err != nil {
		return err
	}
	if len(changed) > 0 {
		a.log.Info("tables expire otherwise from now on", "tables", changed)
	}
	ctx, cancel := context.WithCancel(context.WithoutCancel(ctx))
	done := make(chan struct{})
	go func() {
		defer close(done)
		forgetAlways(ctx, a.forget)
	}()
	a.stack.push("forgetting", func(stop context.Context) error {
		cancel()
		select {
		case <-done:
			return nil
		case <-stop.Done():
			return stop.Err()
		}
	})
	return nil
}

// forgetAlways forgets at once and every few hours, until ctx ends.
func forgetAlways(ctx context.Context, forget func(context.Context)) {
	tick := time.NewTicker(forgetEvery)
	defer tick.Stop()
	for {
		forget(ctx)
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

func (a *App) forget(ctx context.Context) {
	bounded, cancel := context.WithTimeout(ctx, forgetLimit)
	defer cancel()
	gone, err := a.store.Forget(bounded, a.config.Retention, time.Now())
	if err != nil && ctx.Err() == nil {
		a.log.Warn("what may go could not be forgotten; it is tried again later", "error", err)
	}
	if len(gone) > 0 {
		a.log.Info("forgot what is past its term", "keys", gone)
	}
}
