package notify

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"syscall"
	"time"
)

// ErrForbidden says that a receiver's address is one that must not be called: Rollcall could else be made to speak to what only it can reach.
var ErrForbidden = errors.New("the address is private, of this host or otherwise not of the open network; allowPrivate of the receiver allows it")

// dialer checks the address that is really dialled, after the name was looked up: a name that is harmless when checked and another when dialled
// gains nothing.
func dialer(allowPrivate bool, timeout time.Duration) *net.Dialer {
	d := &net.Dialer{Timeout: timeout}
	if allowPrivate {
		return d
	}
	d.Control = func(_, address string, _ syscall.RawConn) error {
		to, err := netip.ParseAddrPort(address)
		if err != nil {
			return fmt.Errorf("%w (%s)", ErrForbidden, address)
		}
		if !public(to.Addr()) {
			return fmt.Errorf("%w (%s)", ErrForbidden, to.Addr())
		}
		return nil
	}
	return d
}

// special are networks that are not of the open network, beside those netip knows, after the registries of RFC 6890.
var special = []netip.Prefix{
	netip.MustParsePrefix("0.0.0.0/8"), netip.MustParsePrefix("100.64.0.0/10"), netip.MustParsePrefix("192.0.0.0/24"),
	netip.MustParsePrefix("192.0.2.0/24"), netip.MustParsePrefix("192.88.99.0/24"), netip.MustParsePrefix("198.18.0.0/15"),
	netip.MustParsePrefix("198.51.100.0/24"), netip.MustParsePrefix("203.0.113.0/24"), netip.MustParsePrefix("240.0.0.0/4"),
	netip.MustParsePrefix("64:ff9b::/96"), netip.MustParsePrefix("64:ff9b:1::/48"), netip.MustParsePrefix("100::/64"), netip.MustParsePrefix("2001::/23"),
	netip.MustParsePrefix("2001:db8::/32"), netip.MustParsePrefix("2002::/16"), netip.MustParsePrefix("fec0::/10"), netip.MustParsePrefix("::/96"),
}

// public says whether an address is of the open network. One with a zone is of a link.
func public(a netip.Addr) bool {
	if a = a.Unmap(); !a.IsValid() || a.Zone() != "" || !a.IsGlobalUnicast() || a.IsPrivate() {
		return false
	}
	for _, p := range special {
		if p.Contains(a) {
			return false
		}
	}
	return true
}
