package embedded

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"sync/atomic"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// A Kafka request is a frame: its size, then at least key, version and correlation id.
const (
	frameSizeBytes  = 4
	frameHeadBytes  = 8
	maxRequestBytes = 100 << 20 // as Apache Kafka's socket.request.max.bytes
)

// errRefused ends a connection that sent what the broker must not see.
var errRefused = errors.New("request refused")

// guardedListener puts a guard before every connection: the broker allocates whatever size a frame claims and
// panics on a request it does not know, so neither may reach it.
type guardedListener struct {
	net.Listener
	log     *slog.Logger
	refused atomic.Int64
}

func guardListener(l net.Listener, log *slog.Logger) *guardedListener {
	return &guardedListener{Listener: l, log: log}
}

// Accept returns the next connection, guarded.
func (g *guardedListener) Accept() (net.Conn, error) {
	conn, err := g.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return &guardedConn{Conn: conn, refuse: g.refuse}, nil
}

func (g *guardedListener) refuse(from net.Addr, reason error) {
	g.log.Warn("kafka connection dropped", "from", from.String(), "reason", reason, "total", g.refused.Add(1))
}

// guardedConn passes on only whole frame heads that it has looked at. One goroutine reads at a time, as the broker
// does.
type guardedConn struct {
	net.Conn
	refuse func(net.Addr, error)
	head   []byte // looked at, not yet read by the broker
	buffer [frameSizeBytes + frameHeadBytes]byte
	body   int // bytes of the current frame after its head, not yet read
}

// Read returns bytes of frames that are fit for the broker. It fails with errRefused at the first that is not.
func (c *guardedConn) Read(p []byte) (int, error) {
	if len(c.head) == 0 && c.body == 0 {
		if err := c.nextFrame(); err != nil {
			return 0, err
		}
	}
	if len(c.head) > 0 {
		n := copy(p, c.head)
		c.head = c.head[n:]
		return n, nil
	}
	n, err := c.Conn.Read(p[:min(len(p), c.body)])
	c.body -= n
	return n, err
}

func (c *guardedConn) nextFrame() error {
	if _, err := io.ReadFull(c.Conn, c.buffer[:frameSizeBytes]); err != nil {
		return err
	}
	size := binary.BigEndian.Uint32(c.buffer[:])
	if size < frameHeadBytes || size > maxRequestBytes {
		return c.drop(fmt.Errorf("frame of %d bytes, want %d to %d", size, frameHeadBytes, maxRequestBytes))
	}
	if _, err := io.ReadFull(c.Conn, c.buffer[frameSizeBytes:]); err != nil {
		return err
	}
	key := int16(binary.BigEndian.Uint16(c.buffer[frameSizeBytes:]))
	version := int16(binary.BigEndian.Uint16(c.buffer[frameSizeBytes+2:]))
	if err := knownRequest(key, version); err != nil {
		return c.drop(err)
	}
	c.head, c.body = c.buffer[:], int(size)-frameHeadBytes
	return nil
}

func (c *guardedConn) drop(reason error) error {
	c.refuse(c.RemoteAddr(), reason)
	return errors.Join(errRefused, c.Close())
}

// versionsKey is the one request that may come in a version newer than any known: a client asks with it what is.
const versionsKey = 18

// knownRequest says whether the broker can decode a request at all.
func knownRequest(key, version int16) error {
	request := kmsg.RequestForKey(key)
	if request == nil {
		return fmt.Errorf("unknown request %d", key)
	}
	if version < 0 || version > request.MaxVersion() && key != versionsKey {
		return fmt.Errorf("request %s in version %d, want 0 to %d", kmsg.NameForKey(key), version, request.MaxVersion())
	}
	return nil
}
