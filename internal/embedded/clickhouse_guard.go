package embedded

import (
	"bufio"
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"sync"
	"time"
)

const (
	helloPatience = 10 * time.Second
	helloTexts    = 64 << 10 // bytes of one text in a hello
	helloPacket   = 0        // the first packet of a client
)

// errNotHello ends a connection that does not begin as the native protocol does.
var errNotHello = errors.New("not a hello of the native protocol")

// clickHouseGuard stands before ClickHouse. ClickHouse run as a library ends the whole process at an exception that leaves the handler of a
// connection: when a client goes in the middle of its hello, and when a socket is shut down that the client has reset, which a client does that
// gives a query up in the middle of an answer. So a client reaches ClickHouse once its hello is whole; and when it goes, ClickHouse is told
// by the end of its input, and what it still says is read to the end.
type clickHouseGuard struct {
	listener net.Listener
	to       string // ClickHouse's own address
}

// guardClickHouse guards ClickHouse at to on a port, or on any where that is 0 or taken.
func guardClickHouse(port int, to string) (*clickHouseGuard, error) {
	listener, err := listenLoopback(port)
	if err != nil {
		return nil, err
	}
	g := &clickHouseGuard{listener: listener, to: to}
	go g.serve()
	return g, nil
}

func (g *clickHouseGuard) port() int { return portOf(g.listener) }

// stop takes no more clients; ClickHouse ends those it has.
func (g *clickHouseGuard) stop() { _ = g.listener.Close() }

func (g *clickHouseGuard) serve() {
	for {
		client, err := g.listener.Accept()
		if err != nil {
			return
		}
		go g.relay(client)
	}
}

func (g *clickHouseGuard) relay(client net.Conn) {
	defer client.Close()
	hello, err := readHello(client)
	if err != nil {
		return
	}
	service, err := (&net.Dialer{}).DialContext(context.Background(), "tcp", g.to)
	if err != nil {
		return
	}
	defer service.Close()
	var asks sync.WaitGroup
	asks.Go(func() {
		if _, err := service.Write(hello); err == nil {
			_, _ = io.Copy(service, client) // however it ends, the client says no more
		}
		_ = service.(*net.TCPConn).CloseWrite()
	})
	if _, err := io.Copy(client, service); err != nil {
		_ = client.Close() // it does not listen any more
		_, _ = io.Copy(io.Discard, service)
	}
	_ = client.Close()
	asks.Wait()
}

// readHello reads a client's first packet, and what came with it: the packet's number, the client's name, three numbers of its version, then
// database, user and password. A number is a uvarint, a text its length and its bytes.
func readHello(client net.Conn) ([]byte, error) {
	if err := client.SetReadDeadline(time.Now().Add(helloPatience)); err != nil {
		return nil, err
	}
	var seen bytes.Buffer
	in := bufio.NewReader(io.TeeReader(client, &seen))
	if kind, err := binary.ReadUvarint(in); err != nil || kind != helloPacket {
		return nil, errors.Join(errNotHello, err)
	}
	for _, text := range []bool{true, false, false, false, true, true, true} {
		n, err := binary.ReadUvarint(in)
		if err == nil && text {
			if n > helloTexts {
				return nil, errNotHello
			}
			_, err = in.Discard(int(n))
		}
		if err != nil {
			return nil, err
		}
	}
	return seen.Bytes(), client.SetReadDeadline(time.Time{})
}
