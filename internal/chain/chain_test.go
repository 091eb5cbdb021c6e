package chain

import (
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/rollcallhq/rollcall/internal/certificate"
	"github.com/rollcallhq/rollcall/internal/testenv"
)

// Four servers issue on one stream at once: every entry that was acknowledged is in the one chain, once, and the copies of all are that chain.
func TestServersThatIssueAtOnceMakeOneChain(t *testing.T) {
	testenv.EachKafka(t, func(t *testing.T, brokers []string) {
		const servers, each = 4, 5
		f := newField(t, brokers)
		other := newStore(t) // as that of another region: a copy of its own
		var chains []*Chain
		for i := range servers {
			s := f.store
			if i == 0 {
				s = other
			}
			chains = append(chains, f.server(s))
		}
		acknowledged := make(chan *certificate.Entry, servers*each)
		var all sync.WaitGroup
		for i, c := range chains {
			all.Go(func() {
				for n := range each {
					e, err := f.issue(c, n, fmt.Sprint("server-", i))
					if err != nil {
						t.Error(err)
						return
					}
					acknowledged <- e
				}
			})
		}
		all.Wait()
		close(acknowledged)
		numbers := map[uint64]string{}
		for e := range acknowledged {
			if numbers[e.Number] != "" {
				t.Errorf("entry %d was issued by %s and %s", e.Number, numbers[e.Number], e.IssuedBy)
			}
			numbers[e.Number] = e.IssuedBy
		}
		until(t, "both copies are whole", func() bool { return len(copied(t, other)) == servers*each && len(copied(t, f.store)) == servers*each })
		f.same(chains[1], f.store, servers*each)
		f.same(chains[0], other, servers*each)
		var late float64
		for _, c := range chains {
			late += valueOf(t, c.metrics.appends.WithLabelValues(overtaken))
		}
		t.Logf("%v attempts were overtaken", late)
		if late == 0 {
			t.Error("nobody was ever overtaken: the test has not tried what it is for")
		}
	})
}

// What anybody may write who can reach the topic changes nothing, is counted by its reason, and holds up nobody.
func TestWhatDoesNotCountIsPassedOverAndCounted(t *testing.T) {
	f := newField(t, testenv.Kafka(t))
	c := f.server(f.store)
	first, err := f.issue(c, 0, "anna")
	if err != nil {
		t.Fatal(err)
	}
	p, head := partitionOf(stream), certificate.Head{Number: 1, Hash: first.Hash}
	changed := []byte(strings.Replace(string(f.sign(head, 1, "bert")), `"sig":"`, `"sig":"AAAA`, 1))
	f.put(p, stream, []byte("garbage"))
	f.put(p, stream, nil)
	f.put(p, stream, first.Envelope)                                       // once more
	f.put(p, stream, changed)                                              // not signed as it stands
	f.put(p, stream, f.sign(certificate.Head{Number: 1}, 1, "carl"))       // after another entry
	f.put((p+1)%Partitions, stream, f.sign(certificate.Head{}, 0, "dora")) // where nobody looks for it
	f.put(p, sibling(p), f.sign(head, 1, "emil"))                          // under the key of another stream
	second, err := f.issue(c, 1, "anna")
	if err != nil {
		t.Fatal(err)
	}
	if second.Number != 2 {
		t.Errorf("the next entry has the number %d", second.Number)
	}
	want := map[string]float64{
		counted: 2, "unreadable": 2, "number": 1, "signature": 1, "previous": 1, misplaced: 1, "stream": 1, "key": 0,
	}
	until(t, "all is counted", func() bool { return valueOf(t, c.metrics.entries.WithLabelValues(misplaced)) == 1 })
	for result, n := range want {
		if got := valueOf(t, c.metrics.entries.WithLabelValues(result)); got != n {
			t.Errorf("%s: %v; want %v", result, got, n)
		}
	}
	f.same(c, f.store, 2)
}

// sibling is another stream of the same partition.
func sibling(p int32) string {
	for i := 0; ; i++ {
		if name := fmt.Sprint("s", i); partitionOf(name) == p {
			return name
		}
	}
}
