package ingest

import (
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"strings"

	"github.com/klauspost/compress/zstd"
)

const (
	firstChunk = 4 << 10  // bytes of a body for which room is asked first
	chunk      = 64 << 10 // and then
	zstdWindow = 8 << 20  // largest window of zstd that is taken
	drainMost  = 32 << 20 // bytes of a refused body that are read, so that its sender hears the answer
)

// format is how a batch is written.
type format int

const (
	protobuf format = iota + 1
	jsonText
)

// forms are the formats that a line takes.
type forms struct {
	known map[string]format
	words string // which, for those who sent another
	usual format // of a Kafka record that does not say
}

var (
	reportForms = forms{
		map[string]format{"application/protobuf": protobuf, "application/x-protobuf": protobuf, "application/json": jsonText},
		"application/protobuf or application/json", protobuf,
	}
	sampleForms = forms{map[string]format{"application/json": jsonText}, "application/json", jsonText}
)

// of reads a content type; ok is false for one that is not taken.
func (f forms) of(contentType string) (form format, ok bool) {
	media, _, err := mime.ParseMediaType(contentType)
	if err != nil {
		return 0, false
	}
	form, ok = f.known[media]
	return form, ok
}

// encodingOf reads Content-Encoding: one layer of gzip or zstd, or none.
func encodingOf(h http.Header) (string, bool) {
	all := h.Values("Content-Encoding")
	if len(all) == 0 {
		return "", true
	}
	switch name := strings.ToLower(strings.TrimSpace(all[0])); {
	case len(all) > 1:
		return "", false
	case name == "gzip", name == "zstd":
		return name, true
	case name == "", name == "identity":
		return "", true
	}
	return "", false
}

// Faults of a body, beside those of reading it.
var (
	errTooLarge = errors.New("the body is too large")
	errNoRoom   = errors.New("no room for the body")
)

// encodingError says that the body is not what its Content-Encoding says.
type encodingError struct{ err error }

func (e *encodingError) Error() string { return e.err.Error() }
func (e *encodingError) Unwrap() error { return e.err }

// source remembers whether reading the connection failed, which is not the fault of the encoding.
type source struct {
	r   io.Reader
	err error
}

func (s *source) Read(p []byte) (int, error) {
	n, err := s.r.Read(p)
	if err != nil && !errors.Is(err, io.EOF) {
		s.err = err
	}
	return n, err
}

// readBody returns the body after decompression. It never holds more than limit bytes and one chunk, whatever the
// body unpacks to, and asks for room before it takes more.
func readBody(body io.Reader, encoding string, limit int, room func(int) bool) ([]byte, error) {
	src := &source{r: body}
	plain, done, err := decompress(src, encoding)
	if err == nil {
		defer done()
		var out []byte
		if out, err = readUpTo(plain, limit, room); err == nil {
			return out, nil
		}
	}
	switch {
	case src.err != nil:
		return nil, fmt.Errorf("ingest: read the body: %w", src.err)
	case errors.Is(err, errTooLarge), errors.Is(err, errNoRoom), encoding == "":
		return nil, err
	case errors.Is(err, zstd.ErrDecoderSizeExceeded):
		return nil, errTooLarge
	}
	return nil, &encodingError{fmt.Errorf("the body is not %s: %w", encoding, err)}
}

func decompress(r io.Reader, encoding string) (io.Reader, func(), error) {
	switch encoding {
	case "gzip":
		z, err := gzip.NewReader(r)
		if err != nil {
			return nil, nil, err
		}
		return z, func() { _ = z.Close() }, nil
	case "zstd":
		z, err := zstd.NewReader(r, zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true),
			zstd.WithDecoderMaxWindow(zstdWindow), zstd.WithDecoderMaxMemory(zstdWindow))
		if err != nil {
			return nil, nil, err
		}
		return z, z.Close, nil
	}
	return r, func() {}, nil
}

// readUpTo collects pieces, so that a body that is too large costs its limit and not the doubling of a buffer.
func readUpTo(r io.Reader, limit int, room func(int) bool) ([]byte, error) {
	var pieces [][]byte
	size, next := 0, firstChunk
	for {
		if !room(next) {
			return nil, errNoRoom
		}
		piece, err := readPiece(r, next)
		if size += len(piece); size > limit {
			return nil, errTooLarge
		}
		pieces, next = append(pieces, piece), chunk
		switch {
		case errors.Is(err, io.EOF):
			return bytes.Join(pieces, nil), nil
		case err != nil:
			return nil, err
		}
	}
}

// readPiece is io.ReadFull that keeps an end before its time apart from one in the encoding.
func readPiece(r io.Reader, size int) ([]byte, error) {
	piece, n := make([]byte, size), 0
	for n < size {
		m, err := r.Read(piece[n:])
		n += m
		if err != nil {
			return piece[:n], err
		}
	}
	return piece, nil
}
