package app

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/sasl/plain"
	"github.com/twmb/franz-go/pkg/sasl/scram"

	"github.com/rollcallhq/rollcall/internal/store"
)

// longestSecret bounds the file of a password, in bytes.
const longestSecret = 4 << 10

// The mechanisms by which Kafka is shown a user and a password.
const (
	NoSASL      = "none"
	Plain       = "plain"
	ScramSHA256 = "scram-sha-256"
	ScramSHA512 = "scram-sha-512"
)

// KafkaAccess says how to speak to the Kafka of Config.KafkaBrokers. The embedded one wants none of it.
type KafkaAccess struct {
	SASL     string // NoSASL, which empty means too, Plain, ScramSHA256 or ScramSHA512
	User     string
	Password string
	TLS      *tls.Config // nil: plain TCP
}

// check says what does not belong together.
func (k KafkaAccess) check(brokers []string) error {
	named := k.SASL != "" && k.SASL != NoSASL
	switch {
	case len(brokers) == 0 && (named || k.User != "" || k.Password != "" || k.TLS != nil):
		return errors.New("--kafka-sasl, --kafka-user, --kafka-password-file and --kafka-tls are for a Kafka given by --kafka-brokers; the embedded one asks for nothing")
	case named && (k.User == "" || k.Password == ""):
		return fmt.Errorf("--kafka-sasl %s: give --kafka-user and --kafka-password-file too", k.SASL)
	case !named && (k.User != "" || k.Password != ""):
		return errors.New("--kafka-user and --kafka-password-file: say by --kafka-sasl how Kafka is to be shown them: plain, scram-sha-256 or scram-sha-512")
	}
	return nil
}

// options are those of a client.
func (k KafkaAccess) options() []kgo.Opt {
	var opts []kgo.Opt
	if k.TLS != nil {
		opts = append(opts, kgo.DialTLSConfig(k.TLS))
	}
	who := scram.Auth{User: k.User, Pass: k.Password}
	switch k.SASL {
	case Plain:
		opts = append(opts, kgo.SASL(plain.Auth{User: k.User, Pass: k.Password}.AsMechanism()))
	case ScramSHA256:
		opts = append(opts, kgo.SASL(who.AsSha256Mechanism()))
	case ScramSHA512:
		opts = append(opts, kgo.SASL(who.AsSha512Mechanism()))
	}
	return opts
}

// refused says in words where Kafka knows no such user and password.
func (k KafkaAccess) refused(err error) error {
	if errors.Is(err, kerr.SaslAuthenticationFailed) {
		return fmt.Errorf("user %q is refused by Kafka: the name or the password is wrong: %w", k.User, err)
	}
	return err
}

// checkClickHouse refuses what the embedded ClickHouse would not heed.
func checkClickHouse(c store.Config) error {
	if len(c.Addrs) == 0 && (c.Password != "" || c.TLS != nil) {
		return errors.New("--clickhouse-password, --clickhouse-password-file and --clickhouse-tls are for a ClickHouse given by --clickhouse-addr; the embedded one asks for nothing")
	}
	return nil
}

// ReadSecret returns the password that a file holds, without the line break it may end with; nothing for no path. Errors name the
// file and repeat nothing of it.
func ReadSecret(path string) (string, error) {
	if path == "" {
		return "", nil
	}
	f, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, longestSecret+1))
	if err != nil {
		return "", err
	}
	if len(text) > longestSecret {
		return "", fmt.Errorf("%s has more than %d bytes, the limit of a password", path, longestSecret)
	}
	text = bytes.TrimSuffix(bytes.TrimSuffix(text, []byte("\n")), []byte("\r"))
	if len(text) == 0 {
		return "", fmt.Errorf("%s is empty; it must hold a password", path)
	}
	if strings.ContainsAny(string(text), "\r\n") {
		return "", fmt.Errorf("%s has more than one line; it must hold a password and nothing else", path)
	}
	return string(text), nil
}

// ClientTLS is how to trust a server: nil where TLS is not used; by the certificates of caFile, PEM, or by the system's where
// that is empty.
func ClientTLS(use bool, caFile string) (*tls.Config, error) {
	switch {
	case !use && caFile != "":
		return nil, errors.New("certificates to trust are given, and TLS is not used")
	case !use:
		return nil, nil
	case caFile == "":
		return &tls.Config{MinVersion: tls.VersionTLS12}, nil
	}
	text, err := os.ReadFile(caFile)
	if err != nil {
		return nil, err
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(text) {
		return nil, fmt.Errorf("%s holds no certificate in PEM", caFile)
	}
	return &tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS12}, nil
}
