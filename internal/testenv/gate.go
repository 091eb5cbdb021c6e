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

	mu      sync.Mutex
	open    chan struct{} // closed while the gate is open
	clients map[net.Conn]struct{}
	ended   bool
	all     sync.WaitGroup
}

// NewGate returns a gate before the service at addr, host:port. It ends, with all its connections, when the test does.
func NewGate(t testing.TB, addr string) *Gate {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	g := &Gate{to: addr, listener: listener, open: make(chan struct{}), clients: map[net.Conn]struct{}{}}
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
	g.Open()
	g.listener.Close()
	g.mu.Lock()
	g.ended = true
	for c := range g.clients {
		c.Close() // the services hear that, and hang up
	}
	g.mu.Unlock()
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
		if !g.keep(client) {
			service.Close()
			return
		}
		g.all.Go(func() { g.between(client, service) })
	}
}

// keep remembers a client, so that its connection ends with the gate.
func (g *Gate) keep(client net.Conn) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.ended {
		client.Close()
		return false
	}
	g.clients[client] = struct{}{}
	return true
}

func (g *Gate) between(client, service net.Conn) {
	defer client.Close()
	defer service.Close()
	var asks sync.WaitGroup
	asks.Go(func() { g.pass(client, service) })
	g.pass(service, client)
	asks.Wait()
}

// pass copies what one side says to the other, each piece once the gate is open, and hangs up as that side does: what the other still says
// is read to its end, since the embedded ClickHouse does not survive a reset.
func (g *Gate) pass(from, to net.Conn) {
	piece := make([]byte, 32<<10)
	for {
		n, err := from.Read(piece)
		<-g.opened()
		if n > 0 {
			_, _ = to.Write(piece[:n]) // to one who has gone; what it says is read all the same
		}
		if err != nil {
			_ = to.(*net.TCPConn).CloseWrite()
			return
		}
	}
}

func (g *Gate) opened() <-chan struct{} {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.open
}
