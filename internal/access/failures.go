package access

import (
	"net/netip"
	"sync"
	"time"
)

const (
	failuresAtOnce = 20              // that an address may make
	failureEvery   = 3 * time.Second // and how often one more
	addressesKept  = 8192            // at most twice as many are remembered
)

// Failures counts failed authentications by client address: some at once, then one in a while. It remembers a bounded number
// of addresses; when there are more, those that failed longest ago are forgotten.
type Failures struct {
	mu       sync.Mutex
	new, old map[netip.Prefix]time.Time // address → when all its failures are forgiven
}

// NewFailures returns a count of nothing.
func NewFailures() *Failures {
	return &Failures{new: map[netip.Prefix]time.Time{}, old: map[netip.Prefix]time.Time{}}
}

// Note counts a failure from an address (host:port). It returns 0, or where the address failed too often, how long it has to
// wait; such a failure counts no further.
func (f *Failures) Note(remote string, now time.Time) (wait time.Duration) {
	from := networkOf(remote)
	f.mu.Lock()
	defer f.mu.Unlock()
	until, found := f.new[from]
	if !found {
		until = f.old[from]
	}
	if until.Before(now) {
		until = now
	}
	until = until.Add(failureEvery)
	if wait = until.Sub(now) - failuresAtOnce*failureEvery; wait > 0 {
		return wait
	}
	f.remember(from, until)
	return 0
}

func (f *Failures) remember(from netip.Prefix, until time.Time) {
	if len(f.new) >= addressesKept {
		f.new, f.old = map[netip.Prefix]time.Time{}, f.new
	}
	f.new[from] = until
}

// networkOf is who an address belongs to: of IPv6 a client has 64 bits to choose from.
func networkOf(remote string) netip.Prefix {
	at, err := netip.ParseAddrPort(remote)
	if err != nil {
		return netip.Prefix{}
	}
	addr := at.Addr().Unmap().WithZone("")
	bits := addr.BitLen()
	if addr.Is6() {
		bits = 64
	}
	network, err := addr.Prefix(bits)
	if err != nil {
		return netip.Prefix{}
	}
	return network
}
