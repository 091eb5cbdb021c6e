package embedded_test

import (
	"context"
	"errors"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2"

	"github.com/rollcallhq/rollcall/internal/embedded"
)

// A client that went in the middle of its handshake, or reset its connection so that ClickHouse shut down a socket that is not connected any more,
// ended the process, and with it the server. Whoever gives up a request to the API may do that.
func TestClickHouseOutlivesClientsThatHangUp(t *testing.T) {
	needLibrary(t)
	c := startClickHouse(t, t.TempDir())
	execute(t, c.Addr(), "CREATE TABLE default.rows (n UInt64) ENGINE = MergeTree ORDER BY n")
	var r rude
	var group sync.WaitGroup
	for i := range 200 {
		r.knock(t, c, []string{"\x00\x03a", "GET / HTTP/1.1\r\n\r\n", ""}[i%3])
		batch, err := r.open(t, c).PrepareBatch(t.Context(), "INSERT INTO default.rows")
		if err != nil {
			t.Fatalf("after %d clients: %v", i, errors.Join(err, c.Err()))
		}
		fatal(t, batch.Append(uint64(1)))
		conn := r.open(t, c)
		group.Go(func() { giveUp(conn, time.Duration(i%20)*time.Millisecond) })
		r.reset()
	}
	group.Wait()
	if got := count(t, c.Addr(), "SELECT count() FROM default.rows"); got != 0 {
		t.Fatalf("%d rows of inserts that never ended", got)
	}
}

// rude makes clients and resets their connections, whatever they are at: a handshake, a query, an insert.
type rude struct {
	mu    sync.Mutex
	conns []net.Conn
}

func (r *rude) open(t *testing.T, c *embedded.ClickHouse) clickhouse.Conn {
	t.Helper()
	conn, err := clickhouse.Open(&clickhouse.Options{Addr: []string{c.Addr()}, DialContext: r.dial})
	fatal(t, err)
	return conn
}

func (r *rude) dial(ctx context.Context, addr string) (net.Conn, error) {
	conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", addr)
	if err != nil {
		return nil, err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.conns = append(r.conns, conn)
	return conn, conn.(*net.TCPConn).SetLinger(0)
}

func (r *rude) reset() {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, conn := range r.conns {
		_ = conn.Close() // it may have been closed by its client
	}
	r.conns = nil
}

// knock says something that is no handshake, or the beginning of one, and goes.
func (r *rude) knock(t *testing.T, c *embedded.ClickHouse, text string) {
	t.Helper()
	conn, err := r.dial(t.Context(), c.Addr())
	fatal(t, err)
	_, err = conn.Write([]byte(text))
	fatal(t, err)
	fatal(t, conn.Close())
}

// giveUp asks for more than it waits for; it may not get as far as an answer.
func giveUp(conn clickhouse.Conn, after time.Duration) {
	ctx, cancel := context.WithTimeout(context.Background(), after)
	defer cancel()
	rows, err := conn.Query(ctx, "SELECT sleep(0.01), number FROM numbers(100000000) SETTINGS max_block_size = 10")
	if err == nil {
		rows.Next()
		_ = rows.Close()
	}
}
