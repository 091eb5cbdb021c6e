package chaos

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	toxiproxy "github.com/Shopify/toxiproxy/v2"
	"github.com/Shopify/toxiproxy/v2/toxics"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/rs/zerolog"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/rollcallhq/rollcall/audit"
	"github.com/rollcallhq/rollcall/audit/kgoaudit"
	"github.com/rollcallhq/rollcall/audit/wire"
	"github.com/rollcallhq/rollcall/internal/app"
	"github.com/rollcallhq/rollcall/internal/embedded"
	"github.com/rollcallhq/rollcall/internal/testenv"
)

// meter is a toxic that does no harm: it counts what passes it.
type meter struct{ bytes, pieces, links atomic.Int64 }

// Pipe passes everything on.
func (m *meter) Pipe(stub *toxics.ToxicStub) {
	m.links.Add(1)
	for {
		select {
		case <-stub.Interrupt:
			return
		case chunk := <-stub.Input:
			if chunk == nil {
				stub.Close()
				return
			}
			m.bytes.Add(int64(len(chunk.Data)))
			m.pieces.Add(1)
			stub.Output <- chunk
		}
	}
}

// networks makes links between parts.
type networks struct{ server *toxiproxy.ApiServer }

func newNetworks() networks {
	zerolog.SetGlobalLevel(zerolog.ErrorLevel) // some toxics write to a logger of their own
	toxics.Register("meter", new(meter))
	return networks{toxiproxy.NewServer(toxiproxy.NewMetricsContainer(prometheus.NewRegistry()), zerolog.Nop())}
}

func (n networks) link(t *testing.T, name, to string) *toxiproxy.Proxy {
	t.Helper()
	proxy := toxiproxy.NewProxy(n.server, name, "127.0.0.1:0", to)
	fatal(t, proxy.Start())
	t.Cleanup(proxy.Stop)
	return proxy
}

// fault is what a network does to one direction.
type fault struct {
	name       string
	toxic      string
	stream     string // upstream to the service, downstream from it
	attributes string
	lossy      bool // not all that comes gets through
}

// enoughPieces is how much of what is said must have met a fault: more than one attempt.
const enoughPieces = 4

// faults of a network. Of lost answers the first bytes come through, so that connections are made and the service takes requests.
func faults() []fault {
	return []fault{
		{"cut", "reset_peer", "upstream", `{"timeout":0}`, true},
		{"hung", "timeout", "downstream", `{"timeout":0}`, true},
		{"slow", "latency", "downstream", `{"latency":300,"jitter":200}`, false},
		{"narrow", "bandwidth", "upstream", `{"rate":4}`, false},
		{"answers lost", "limit_data", "downstream", `{"bytes":0}`, true},
		{"answers lost late", "limit_data", "downstream", `{"bytes":1500}`, true},
	}
}

// strike puts a fault on a link until the returned function is called. hit says why it has not proven anything yet.
func strike(t *testing.T, link *toxiproxy.Proxy, f fault) (hit func() error, end func()) {
	t.Helper()
	add := func(name, kind, attributes string) *toxics.ToxicWrapper {
		text := fmt.Sprintf(`{"name":%q,"type":%q,"stream":%q,"attributes":%s}`, name, kind, f.stream, attributes)
		wrapper, err := link.Toxics.AddToxicJson(strings.NewReader(text))
		fatal(t, err)
		return wrapper
	}
	before := add("before", "meter", "{}").Toxic.(*meter)
	add("fault", f.toxic, f.attributes)
	after := add("after", "meter", "{}").Toxic.(*meter)
	tell := func() string {
		return fmt.Sprintf("%d bytes came in %d pieces over %d links, %d bytes passed", before.bytes.Load(), before.pieces.Load(), before.links.Load(), after.bytes.Load())
	}
	hit = func() error {
		lost := before.bytes.Load() - after.bytes.Load()
		if before.pieces.Load() < enoughPieces || f.lossy && lost <= 0 || !f.lossy && after.pieces.Load() < enoughPieces {
			return errors.New(tell())
		}
		return nil
	}
	return hit, func() {
		t.Logf("%s, %s: %s", link.Name, f.name, tell())
		link.Toxics.ResetToxics(context.Background())
	}
}

// advertised is a listener that says it is somewhere else: where a link to it begins.
type advertised struct {
	net.Listener
	addr net.Addr
}

// Addr is where clients are sent.
func (a advertised) Addr() net.Addr { return a.addr }

// audited is a server with a link on each of its sides, and on each of a hop's.
type audited struct {
	ask     *asker
	links   map[string]*toxiproxy.Proxy
	brokers []string
}

func startAudited(t *testing.T) *audited {
	t.Helper()
	n, a := newNetworks(), &audited{links: map[string]*toxiproxy.Proxy{}}
	s := &system{targets: map[string]*target{}}
	// A connection that is reset at a bad moment ends the embedded ClickHouse: it comes back, as under any supervisor.
	s.add(t, &target{name: "ClickHouse", begin: clickHouse(t.TempDir(), testenv.Library(t))})
	addr := s.service("ClickHouse").(*embedded.ClickHouse).Addr()
	a.links["server to ClickHouse"] = n.link(t, "server to ClickHouse", addr)
	cluster, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.ListenFn(func(network, address string) (net.Listener, error) {
		l, err := net.Listen(network, "127.0.0.1:0")
		if err != nil {
			return nil, err
		}
		link := n.link(t, "server to Kafka", l.Addr().String())
		a.links["server to Kafka"] = link
		a.links["hop to Kafka"] = n.link(t, "hop to Kafka", l.Addr().String())
		at, err := net.ResolveTCPAddr("tcp", link.Listen)
		return advertised{l, at}, err
	}))
	fatal(t, err)
	t.Cleanup(cluster.Close)
	a.brokers = cluster.ListenAddrs()
	config := serverConfig{Listen: "127.0.0.1:0", ClickHouse: a.links["server to ClickHouse"].Listen, Database: "chaos", Kafka: a.brokers}
	server, err := app.Start(t.Context(), config.app(slog.New(slog.DiscardHandler)))
	fatal(t, err)
	t.Cleanup(func() { fatal(t, server.Stop(context.Background())) })
	a.ask = newAsker(server.URL())
	a.links["hop to server"] = n.link(t, "hop to server", strings.TrimPrefix(server.URL(), "http://"))
	return a
}

// passage is a stream of two hops in this process: the first reports over HTTP, the second through Kafka.
type passage struct {
	truth     truth
	source    *audit.Source
	flight    *audit.InFlight
	app, sink *audit.Hop
	n         int
}

func (a *audited) passage(t *testing.T, name string) *passage {
	t.Helper()
	fatal(t, a.ask.configure(t.Context(), name, "app..sink"))
	p := &passage{flight: audit.NewInFlight(), truth: truth{
		stream: name, edges: []string{"app..sink"}, hops: []*took{newTook("app"), newTook("sink", "app")}, window: map[wire.UID]time.Time{},
	}}
	var err error
	p.source, err = audit.NewSource(audit.SourceConfig{Window: windowLength})
	fatal(t, err)
	http, err := audit.NewHTTPTransport(audit.HTTPConfig{URL: "http://" + a.links["hop to server"].Listen})
	fatal(t, err)
	link := a.links["hop to Kafka"].Listen
	client, err := kgo.NewClient(clientOptions(a.brokers, kgo.Dialer(func(ctx context.Context, network, _ string) (net.Conn, error) {
		var d net.Dialer
		return d.DialContext(ctx, network, link)
	}))...)
	fatal(t, err)
	t.Cleanup(client.Close)
	kafka, err := kgoaudit.NewReporter(client, "")
	fatal(t, err)
	config := audit.HopConfig{Stream: name, Window: windowLength, Heartbeat: time.Second, Timeout: 5 * time.Second}
	first, last := config, config
	first.Hop, first.Source, first.Transport = "app", p.source, http
	last.Hop, last.After, last.InFlight, last.Transport = "sink", []string{"app"}, p.flight, kafka
	p.app, err = audit.NewHop(first)
	fatal(t, err)
	p.sink, err = audit.NewHop(last)
	fatal(t, err)
	p.app.Start()
	p.sink.Start()
	return p
}

// events passes some on: of each twenty the last hop misses one and takes another over twice.
func (p *passage) events() {
	for range 20 {
		header := p.source.Header(time.Now(), []byte("event"))
		p.truth.window[header.UID] = header.ProducedAt.Truncate(windowLength)
		p.app.Take(header, []byte("event"), header.ProducedAt)
		p.truth.hops[0].times[header.UID]++
		times := 1
		switch p.n++; p.n % 20 {
		case 3:
			times = 0
		case 7:
			times = 2
		}
		for range times {
			p.sink.Take(header, []byte("event"), time.Now())
			p.truth.hops[1].times[header.UID]++
		}
		p.source.Left(header.ProducedAt)
	}
}

// Whatever a network does to what a hop, the server, ClickHouse and Kafka say to each other: nothing is lost, nothing counted twice, and what
// comes after the fault gets through.
func TestANetworkThatIsCutHangsIsSlowOrLosesAnswersLosesNothingAndCountsNothingTwice(t *testing.T) {
	a := startAudited(t)
	var all []*passage
	for _, name := range []string{"hop to server", "server to ClickHouse", "server to Kafka", "hop to Kafka"} {
		for _, f := range faults() {
			if testing.Short() && !f.lossy {
				continue
			}
			all = append(all, a.suffer(t, name, f))
		}
	}
	for _, p := range all {
		for _, v := range p.truth.agree(t, a.ask) {
			if v.State != "incomplete" || len(v.Names["lost"]) == 0 || len(v.Names["duplicated"]) == 0 {
				t.Errorf("%s: %v proves nothing", p.truth.stream, v)
			}
		}
	}
}

// suffer passes events on before, during and after a fault, and returns once the server has what the hops had to say.
func (a *audited) suffer(t *testing.T, name string, f fault) *passage {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), factLimit)
	defer cancel()
	p := a.passage(t, strings.ReplaceAll(name+"."+f.name, " ", "-"))
	p.events()
	fatal(t, errors.Join(p.app.Flush(ctx), p.sink.Flush(ctx)))
	hit, end := strike(t, a.links[name], f)
	p.events()
	eventually(t, name+": a hit of "+f.name, func(context.Context) error { return hit() })
	p.events()
	end()
	p.events()
	fatal(t, errors.Join(p.app.Close(ctx), p.sink.Close(ctx)))
	return p
}
