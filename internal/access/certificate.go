package access

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"log/slog"
	"time"
)

// Certificate is that of a pair of files, as the files are now.
type Certificate struct{ kept *kept[tls.Certificate] }

// OpenCertificate reads a certificate (PEM, with the chain after it) and its key, and goes on to look at both until Stop: a
// change is in force within a second, a pair that does not belong together is refused. The key must not be readable by
// everybody.
func OpenCertificate(certFile, keyFile string, metrics *Metrics, log *slog.Logger) (*Certificate, error) {
	files := []privateFile{{certFile, "read the certificate", 0}, {keyFile, "read the key of the certificate", 0o007}}
	k, err := keep(kind[tls.Certificate]{
		name:    "certificate",
		read:    func() ([][]byte, error) { return readAll(files...) },
		expires: func(c tls.Certificate) time.Time { return c.Leaf.NotAfter },
		parse:   func(contents [][]byte) (tls.Certificate, error) { return parsePair(certFile, keyFile, contents) },
	}, metrics, log)
	if err != nil {
		return nil, err
	}
	return &Certificate{k}, nil
}

func parsePair(certFile, keyFile string, contents [][]byte) (tls.Certificate, error) {
	pair, err := tls.X509KeyPair(contents[0], contents[1])
	if err != nil {
		return pair, fmt.Errorf("certificate %s with key %s: %w", certFile, keyFile, err)
	}
	if pair.Leaf == nil {
		if pair.Leaf, err = x509.ParseCertificate(pair.Certificate[0]); err != nil {
			return pair, fmt.Errorf("certificate %s: %w", certFile, err)
		}
	}
	return pair, nil
}

// Stop ends the looking.
func (c *Certificate) Stop(ctx context.Context) error { return c.kept.stop(ctx) }

// Config is what a server listens with: TLS 1.2 or newer, and the certificate as it is when a client comes.
func (c *Certificate) Config() *tls.Config {
	return &tls.Config{
		MinVersion:     tls.VersionTLS12,
		GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return c.kept.value.Load(), nil },
	}
}
