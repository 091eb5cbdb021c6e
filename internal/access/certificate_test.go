package access

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

// pair makes a certificate of its own authority for 127.0.0.1.
func pair(t *testing.T, serial int64) (cert, key string) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(serial), Subject: pkix.Name{CommonName: "rollcall"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		NotBefore: testNow.Add(-time.Hour), NotAfter: testNow.Add(time.Duration(serial) * time.Hour), IsCA: true, BasicConstraintsValid: true,
	}
	raw, err := x509.CreateCertificate(rand.Reader, template, template, &private.PublicKey, private)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	block := func(kind string, bytes []byte) string {
		return string(pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: bytes}))
	}
	return block("CERTIFICATE", raw), block("PRIVATE KEY", der)
}

// serial asks the server which certificate it shows.
func serial(t *testing.T, url string, config *tls.Config) (int64, error) {
	t.Helper()
	config.InsecureSkipVerify = true
	client := &http.Client{Transport: &http.Transport{TLSClientConfig: config, DisableKeepAlives: true}}
	answer, err := client.Get(url)
	if err != nil {
		return 0, err
	}
	_ = answer.Body.Close()
	return answer.TLS.PeerCertificates[0].SerialNumber.Int64(), nil
}

func TestACertificateIsReplacedWhileServingAndABrokenOneIsNot(t *testing.T) {
	certFile, keyFile, log, m := inDir(t, "cert.pem"), inDir(t, "key.pem"), &logged{}, newMetrics(t)
	firstCert, firstKey := pair(t, 1)
	secondCert, secondKey := pair(t, 2)
	write(t, certFile, firstCert, 0o644)
	write(t, keyFile, firstKey, 0o644)
	if _, err := OpenCertificate(certFile, keyFile, m, log.logger()); err == nil || !strings.Contains(err.Error(), "chmod") {
		t.Fatalf("a key that everybody can read: %v", err)
	}
	write(t, keyFile, firstKey, 0o640)
	c, err := OpenCertificate(certFile, keyFile, m, log.logger())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Stop(context.Background()) })
	server := httptest.NewUnstartedServer(http.NotFoundHandler())
	listener := tls.NewListener(server.Listener, c.Config())
	server.Listener = listener
	server.Start()
	t.Cleanup(server.Close)
	url := strings.Replace(server.URL, "http:", "https:", 1)
	want := func(number int64) {
		t.Helper()
		eventually(t, 2*time.Second, "the certificate shown", func() bool {
			got, err := serial(t, url, &tls.Config{})
			return err == nil && got == number
		})
	}
	want(1)
	write(t, certFile, secondCert, 0o644) // the key is still that of the first
	eventually(t, 2*time.Second, "refused", func() bool { return valueOf(t, m.files.WithLabelValues("certificate", "refused")) == 1 })
	want(1)
	if stale := valueOf(t, m.stale.WithLabelValues("certificate")); stale != 1 || !strings.Contains(log.String(), certFile) {
		t.Errorf("stale is %v; the log:\n%s", stale, log)
	}
	write(t, keyFile, secondKey, 0o600)
	want(2)
	if at := valueOf(t, m.expires.WithLabelValues("certificate")); at != float64(testNow.Add(2*time.Hour).Unix()) {
		t.Errorf("expires at %v", at)
	}
	if _, err := serial(t, url, &tls.Config{MinVersion: tls.VersionTLS10, MaxVersion: tls.VersionTLS11}); err == nil {
		t.Error("TLS 1.1 is taken")
	}
	if strings.Contains(log.String(), "PRIVATE") {
		t.Error("the log holds a key")
	}
}
