package notify

import (
	"bytes"
	"testing"
	"time"

	"github.com/rollcallhq/rollcall/audit/wire"
)

// The first process believes to the end that the streams are its own, as one that was stopped and wakes does.
func TestWhoseClaimIsOverruledTellsNothingMoreAndWhoOverruledItTells(t *testing.T) {
	s, r := newScene(t), newReceiver(t, nil)
	hook := Receiver{Name: "hook", Type: Webhook, URL: r.URL, AllowPrivate: true}
	s.start(nil, hook)
	s.until("the first call", func() bool { return s.counted("hook", sent) == 1 })
	s.claim()
	second := loss()
	second.ID, second.First, second.FirstBad = wire.UID{15: 2}, five.Add(2*time.Minute), five.Add(2*time.Minute)
	s.put(second)
	s.idle()
	if n := len(r.all()); n != 1 {
		t.Fatalf("%d calls, though the streams are another's", n)
	}
	s.start(nil, hook)
	s.until("the call of the second incident", func() bool { return s.counted("hook", sent) == 1 })
	s.idle()
	if seen := r.all(); len(seen) != 2 || !bytes.Contains(seen[1].body, []byte(second.ID.String())) {
		t.Errorf("%d calls, the last %s", len(seen), seen[len(seen)-1].body)
	}
}
