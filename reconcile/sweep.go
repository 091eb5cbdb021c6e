package reconcile

import (
	"context"
	"slices"
	"time"

	"github.com/rollcallhq/rollcall/internal/certificate"
	"github.com/rollcallhq/rollcall/internal/store"
)

// sweep looks at the last hours of streams that are certified by themselves, and at those whose certificate was revoked: an hour that is good because
// nothing was produced in it has no verdict that would tell of it.
func (c *Certifier) sweep(ctx context.Context) error {
	now := c.issuer.now()
	if now.Sub(c.swept) < sweepEvery {
		return nil
	}
	names, err := c.store.StreamNames(ctx)
	if err != nil {
		return err
	}
	names = slices.DeleteFunc(names, func(name string) bool { _, held := c.upTo[store.ShareOf(name)]; return !held })
	good, err := c.overlooked(ctx, names, now)
	if err != nil {
		return err
	}
	c.swept = now
	return c.handleAll(ctx, good)
}

// overlooked returns the last hours of which something is to be done whatever was stored of them: good ones that policy or an earlier certificate asks one for,
// and bad ones of which a certificate stands, should a verdict ever have become visible too late to be followed.
func (c *Certifier) overlooked(ctx context.Context, names []string, now time.Time) ([]store.ChangedHour, error) {
	from := now.Add(-sweepReach).Truncate(time.Hour)
	settings, err := c.store.Settings(ctx, names)
	if err != nil {
		return nil, err
	}
	standing, err := c.store.Standings(ctx, names, from, now)
	if err != nil {
		return nil, err
	}
	entered := map[string]bool{}
	for k := range standing {
		entered[k.Stream] = true
	}
	names = slices.DeleteFunc(names, func(name string) bool { return !settings[name].Auto && !entered[name] })
	if len(names) == 0 {
		return nil, nil
	}
	hours, err := c.reader.Hours(ctx, names, from, now, now)
	if err != nil {
		return nil, err
	}
	var found []store.ChangedHour
	for i := range hours {
		h := &hours[i]
		k := store.WindowKey{Stream: h.Stream, Start: h.Start.UTC()}
		if _, waits := c.wait[k]; !waits && asksFor(h, standing[k], settings[h.Stream].Auto) {
			found = append(found, store.ChangedHour{WindowKey: k})
		}
	}
	return found, nil
}

// asksFor says whether something is to be done of an hour, by the action of its last entry: none, where it has none.
func asksFor(h *store.Hour, last string, auto bool) bool {
	switch last {
	case "":
		return auto && len(h.Bars) == 0
	case string(certificate.Revoke):
		return len(h.Bars) == 0
	}
	return len(h.SettledBars()) > 0
}
