package app

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/netip"

	"github.com/rollcallhq/rollcall/inspector"
	"github.com/rollcallhq/rollcall/internal/access"
)

// Door says who may come in, and how.
type Door struct {
	Tokens       string // file of tokens; empty: everybody may do everything
	TLSCert      string // file of a certificate with its chain, PEM; empty: plain HTTP
	TLSKey       string // file of its key, PEM
	InsecureHTTP bool   // listen beyond loopback without TLS: a proxy before the server ends it
}

// Check says what is wrong with where and how the server is to listen and to connect, before anything is started.
func (c Config) Check() error {
	return cmp.Or(c.checkRole(), c.Door.check(c.Listen), checkClickHouse(c.ClickHouse), c.KafkaAccess.check(c.KafkaBrokers), checkDebug(c.Debug), checkDays(c.SamplesDays),
		c.Retention.Check(), c.Notify.Check())
}

// checkDays holds that samples expire, and before the clock of ClickHouse's DateTime ends; 0 is the default.
func checkDays(days int) error {
	if days < 0 || days > 3650 {
		return fmt.Errorf("--samples-days %d: give 1 to 3650", days)
	}
	return nil
}

// check refuses to listen where others could reach a server that asks nobody for a token, or could read the tokens on
// their way.
func (d Door) check(listen string) error {
	near, err := loopback(listen)
	switch {
	case err != nil:
		return err
	case (d.TLSCert == "") != (d.TLSKey == ""):
		return errors.New("--tls-cert and --tls-key belong together; one of them is missing")
	case d.InsecureHTTP && d.TLSCert != "":
		return errors.New("--insecure-http and --tls-cert contradict each other; leave one out")
	case near:
		return nil
	case d.Tokens == "":
		return fmt.Errorf("listen address %q: without --tokens the server listens on loopback only, such as 127.0.0.1:8080", listen)
	case d.TLSCert == "" && !d.InsecureHTTP:
		return fmt.Errorf("listen address %q: tokens would cross the network in clear; give --tls-cert and --tls-key, "+
			"or --insecure-http where a proxy on the same host or network ends TLS", listen)
	}
	return nil
}

// loopback says whether only this host can reach an address to listen on.
func loopback(listen string) (bool, error) {
	host, _, err := net.SplitHostPort(listen)
	if err != nil {
		return false, fmt.Errorf("listen address %q: give host:port, such as 127.0.0.1:8080: %w", listen, err)
	}
	if host == "localhost" {
		return true, nil
	}
	ip, err := netip.ParseAddr(host)
	return err == nil && ip.IsLoopback(), nil
}

// openDoor reads tokens and certificate, and goes on to follow their files.
func (a *App) openDoor(context.Context) error {
	door := a.config.Door
	metrics, err := access.NewMetrics(a.registry)
	if err != nil {
		return err
	}
	a.access = metrics
	if door.Tokens != "" {
		if a.tokens, err = access.OpenTokens(door.Tokens, metrics, a.log); err != nil {
			return err
		}
		a.stack.push("tokens", a.tokens.Stop)
	}
	if door.TLSCert != "" {
		if a.certificate, err = access.OpenCertificate(door.TLSCert, door.TLSKey, metrics, a.log); err != nil {
			return err
		}
		a.stack.push("certificate", a.certificate.Stop)
	}
	if near, _ := loopback(a.config.Listen); !near && a.certificate == nil {
		a.log.Warn("listening beyond loopback without TLS: whoever can read the network can read the tokens; a proxy must end TLS", "listen", a.config.Listen)
	}
	return nil
}

func (a *App) listen(ctx context.Context) error {
	var config net.ListenConfig
	listener, err := config.Listen(ctx, "tcp", a.config.Listen)
	if err != nil {
		return fmt.Errorf("listen on %s: %w", a.config.Listen, err)
	}
	a.addr = listener.Addr().String()
	server := inspector.Server(a.addr, http.HandlerFunc(a.answer))
	if a.certificate != nil {
		server.TLSConfig = a.certificate.Config()
	}
	server.ErrorLog = slog.NewLogLogger(a.log.Handler(), slog.LevelWarn)
	a.server = server
	a.stack.push("HTTP server", server.Shutdown)
	go func() {
		if err := serve(server, listener); !errors.Is(err, http.ErrServerClosed) {
			a.failed <- fmt.Errorf("HTTP server: %w", err)
		}
	}()
	a.log.Info("listening", "url", a.URL())
	return nil
}

func serve(server *http.Server, listener net.Listener) error {
	if server.TLSConfig == nil {
		return server.Serve(listener)
	}
	return server.ServeTLS(listener, "", "")
}

// URL is the address of the API and the page.
func (a *App) URL() string {
	if a.certificate != nil {
		return "https://" + a.addr
	}
	return "http://" + a.addr
}
