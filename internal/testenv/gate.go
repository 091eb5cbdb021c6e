package testenv

import (
	"context"
	"net"
	"sync"
	"testing"
)

// Gate stands between a client and a service on TCP. While it is shut it takes connections, and bytes, and passes nothing on: to the
// client the service is one that hangs. It begins open.
type Gate struct {
	to       string
	listener net.Listener

	mu    sync.Mutex
	open  chan struct{} // closed while the gate is open
	conns map[net.Conn]struct{}
	ended bool
	all   sync.WaitGroup
}

// NewGate returns a gate before the service at addr, host:port. It ends, with all its connections, when the test does.
func NewGate(t testing.TB, addr string) *Gate {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	g := &Gate{to: addr, listener: listener, open: make(chan struct{}), conns: map[net.Conn]struct{}{}}
	close(g.open)
	g.all.Go(g.accept)
	t.Cleanup(g.end)
	return g
}

// Addr is where the gate listens, host:port.
func (g *Gate) Addr() string { return g.listener.Addr().String() }

// Shut lets nothing pass until Open.
func (g *Gate) Shut() {
	g.mu.Lock()
	defer g.mu.Unlock()
	select {
	case <-g.open:
		g.open = make(chan struct{})
	default:
	}
}

// Open lets pass what waits, and all that comes.
func (g *Gate) Open() {
	g.mu.Lock()
	defer g.mu.Unlock()
	select {
	case <-g.open:
	default:
		close(g.open)
	}
}

func (g *Gate) end() {
	g.mu.Lock()
	g.ended = true
	for c := range g.conns {
		c.Close()
	}
	g.mu.Unlock()
	g.Open()
	g.listener.Close()
	g.all.Wait()
}

func (g *Gate) accept() {
	for {
		client, err := g.listener.Accept()
		if err != nil {
			return
		}
		service, err := (&net.Dialer{Timeout: startLimit}).DialContext(context.Background(), "tcp", g.to)
		if err != nil {
			client.Close()
			continue
		}
		if g.keep(client) && g.keep(service) {
			g.all.Go(func() { g.pass(client, service) })
			g.all.Go(func() { g.pass(service, client) })
		}
	}
}

// keep remembers a connection, so that it ends with the gate.
func (g *Gate) keep(c net.Conn) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.ended {
		c.Close()
		return false
	}
	g.conns[c] = struct{}{}
	return true
}

// pass copies what one side says to the other, each piece once the gate is open.
func (g *Gate) pass(from, to net.Conn) {
	defer from.Close()
	defer to.Close()
	piece := make([]byte, 32<<10)
	for {
		n, err := from.Read(piece)
		<-g.opened()
		if n > 0 {
			if _, err := to.Write(piece[:n]); err != nil {
				return
			}
		}
		if err != nil {
			return
		}
	}
}

func (g *Gate) opened() <-chan struct{} {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.open
}
