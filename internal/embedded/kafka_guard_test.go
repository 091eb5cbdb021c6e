package embedded

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"log/slog"
	"net"
	"testing"
)

// FuzzGuardPassesOnlyKnownFrames sends any bytes and reads what comes through as the broker does.
func FuzzGuardPassesOnlyKnownFrames(f *testing.F) {
	f.Add([]byte{0, 0, 0, 14, 0x7a, 0xbc, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0})
	f.Add([]byte{0, 0, 0, 8, 0, 3, 0, 12, 0, 0, 0, 1, 0, 0, 0, 9, 0, 18, 0, 0, 0, 0, 0, 1, 0})
	f.Add([]byte{0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0})
	f.Fuzz(func(t *testing.T, sent []byte) {
		dropped := 0
		conn := &guardedConn{Conn: replay{from: bytes.NewReader(sent)}, refuse: func(net.Addr, error) { dropped++ }}
		got, err := readFrames(t, conn)
		if !bytes.HasPrefix(sent, got) {
			t.Fatalf("read %x, which is not how %x begins", got, sent)
		}
		if (dropped > 0) != errors.Is(err, errRefused) {
			t.Fatalf("dropped %d connections with error %v", dropped, err)
		}
	})
}

// readFrames reads frame after frame until the first error and fails on one that the broker cannot take.
func readFrames(t *testing.T, conn io.Reader) ([]byte, error) {
	var all []byte
	for {
		size := make([]byte, frameSizeBytes)
		if _, err := io.ReadFull(conn, size); err != nil {
			return all, err
		}
		n := binary.BigEndian.Uint32(size)
		if n > maxRequestBytes {
			t.Fatalf("a frame of %d bytes came through", n)
		}
		body, err := io.ReadAll(io.LimitReader(conn, int64(n)))
		all = append(append(all, size...), body...)
		if err != nil || len(body) < int(n) {
			return all, err
		}
		key, version := int16(binary.BigEndian.Uint16(body)), int16(binary.BigEndian.Uint16(body[2:]))
		if err := knownRequest(key, version); err != nil {
			t.Fatalf("came through: %v", err)
		}
	}
}

func TestGuardCountsWhatItDrops(t *testing.T) {
	inner, err := listenLoopback(0)
	if err != nil {
		t.Fatal(err)
	}
	guard := guardListener(inner, slog.New(slog.DiscardHandler))
	defer guard.Close()
	for range 3 {
		out, err := net.Dial("tcp", guard.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		defer out.Close()
		in, err := guard.Accept()
		if err != nil {
			t.Fatal(err)
		}
		if _, err := out.Write([]byte{0, 0, 0, 1, 0}); err != nil {
			t.Fatal(err)
		}
		if _, err := in.Read(make([]byte, 4)); !errors.Is(err, errRefused) {
			t.Errorf("err = %v, want errRefused", err)
		}
	}
	if got := guard.refused.Load(); got != 3 {
		t.Errorf("counted %d drops, want 3", got)
	}
}

// replay is a connection that has already received everything.
type replay struct {
	net.Conn
	from io.Reader
}

func (r replay) Read(p []byte) (int, error) { return r.from.Read(p) }
func (replay) Close() error                 { return nil }
func (replay) RemoteAddr() net.Addr         { return &net.TCPAddr{} }
