package notify

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/rollcallhq/rollcall/internal/store"
)

// message is what there is to say of an incident.
type message struct {
	incident   store.Incident
	state      string   // what is told: open, escalated, acknowledged, resolved
	opening    uint32   // see store.Told; 0: of Rollcall's own health, or a test
	escalation uint32   // see store.Told
	paged      bool     // of what is escalated: the receiver was called before by the former key
	why        string   // it is told again
	also       []string // edges that went unknown with it
	page       string
	now        time.Time
	test       bool
	self       bool // it is of Rollcall's own health
	clue
}

// key is the name by which a receiver knows the call of an escalation, the opening being the 0th: each calls anew, whoever took the last one.
func (m *message) key(escalation uint32) string {
	if escalation == 0 {
		return m.incident.ID.String()
	}
	return fmt.Sprintf("%s/%d", m.incident.ID, escalation)
}

// id is the same whenever the same is told: who got it twice can tell.
func (m *message) id() string {
	switch {
	case m.opening == 0:
		return fmt.Sprintf("%s/%s/%d", m.incident.ID, m.state, m.incident.Since.UnixMilli())
	case m.state == store.IncidentEscalated:
		return fmt.Sprintf("%s/%s/%d/%d", m.incident.ID, m.state, m.opening, m.escalation)
	}
	return fmt.Sprintf("%s/%s/%d", m.incident.ID, m.state, m.opening)
}

// text is the line a person reads.
func (m *message) text() string {
	text := m.incident.Text
	if m.incident.State() == store.IncidentMerged {
		text = fmt.Sprintf("[MERGED] %s %s: it goes on as incident %s", m.incident.Stream, m.incident.Edge, m.incident.Into)
	}
	switch {
	case len(m.hints) > 0 && !strings.Contains(text, m.hints[0].Short):
		text += ", " + m.hints[0].Short
	case m.host != "":
		text += ", last seen on " + m.host
	}
	if len(m.also) > 0 {
		text += "; and " + strings.Join(m.also, ", ")
	}
	if m.state == store.IncidentEscalated {
		text = "[ESCALATED] " + text + "; " + m.why
	}
	return text
}

// stateOf is what there is to tell of an incident by itself: that it is open, or that it is over.
func stateOf(i *store.Incident) string {
	if i.State() == store.IncidentOpen {
		return store.IncidentOpen
	}
	return store.IncidentResolved
}

// severity is how bad it is, in words that Alertmanager's routes and PagerDuty know. While Rollcall is blind nobody knows what is lost.
func (m *message) severity() string {
	switch {
	case m.test:
		return "info"
	case m.self, m.incident.Cause == store.CauseLoss, slices.Contains(paging, m.incident.Cause):
		return "critical"
	}
	return "warning"
}

// over says whether the receiver is told of the end.
func (m *message) over() bool { return m.state == store.IncidentResolved }

func (m *message) edge() string {
	if m.incident.Edge == (store.Edge{}) {
		return ""
	}
	return m.incident.Edge.String()
}

// data is what a webhook is told.
type data struct {
	Incident string    `json:"incident"`
	Stream   string    `json:"stream"`
	Edge     string    `json:"edge,omitempty"`
	Cause    string    `json:"cause"`
	State    string    `json:"state"`
	First    time.Time `json:"first"`
	Last     time.Time `json:"last"`
	Windows  uint32    `json:"windows"`
	Bad      uint32    `json:"bad"`
	Lost     uint64    `json:"lost"`
	Expected uint64    `json:"expected"`
	OpenedAt time.Time `json:"openedAt"`
	Since    time.Time `json:"since"`
	Events   uint64    `json:"events"`
	Host     string    `json:"host,omitempty"`
	Hints    []string  `json:"hints,omitempty"`
	Why      string    `json:"why,omitempty"`
	Text     string    `json:"text"`
	Link     string    `json:"link,omitempty"`
	Links    []link    `json:"links,omitempty"`
	Hour     string    `json:"hour,omitempty"`  // whose certificate was revoked
	Entry    uint64    `json:"entry,omitempty"` // of the stream's chain, that says how the hour stands
	Test     bool      `json:"test,omitempty"`
}

// evidence is the sentences of the hints.
func (m *message) evidence() []string {
	var all []string
	for i := range m.hints {
		all = append(all, m.hints[i].Evidence)
	}
	return all
}

// cloudEvent is the message as CloudEvents 1.0 has it, in structured mode.
func (m *message) cloudEvent() ([]byte, error) {
	i := &m.incident
	hour, entry := m.revoked()
	return json.Marshal(map[string]any{
		"specversion": "1.0", "id": m.id(), "source": "/rollcall/" + i.Stream,
		"type": "io.rollcall.incident." + m.state, "subject": i.ID.String(), "time": i.Since.UTC(), "datacontenttype": "application/json",
		"data": data{
			Incident: i.ID.String(), Stream: i.Stream, Edge: m.edge(), Cause: string(i.Cause), State: m.state, First: i.First, Last: i.Last,
			Windows: i.Windows, Bad: i.Bad, Lost: i.Lost, Expected: i.Expected, OpenedAt: i.OpenedAt, Since: i.Since, Host: m.host,
			Events: i.Events, Hints: m.evidence(), Why: m.why, Text: m.text(), Link: m.link(), Links: m.links(), Hour: hour, Entry: entry, Test: m.test,
		},
	})
}

// revoked is the hour whose certificate was revoked, and the entry that says how it stands; of all other incidents nothing.
func (m *message) revoked() (hour string, entry uint64) {
	if m.incident.Cause != store.CauseRevoked {
		return "", 0
	}
	return m.incident.First.UTC().Format("2006-01-02T15"), m.incident.Version
}

// paging are the causes, beside loss, that are critical: an hour that somebody may have relied on, and budgets that burn fast.
var paging = []store.Cause{
	store.CauseRevoked,
	store.BurnCause(store.Completeness, false), store.BurnCause(store.Timeliness, false), store.BurnCause(store.Latency, false), store.BurnCause(store.Validity, false),
}
