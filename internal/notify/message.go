package notify

import (
	"encoding/json"
	"fmt"
	"time"

	"github.com/rollcallhq/rollcall/internal/store"
)

// message is what there is to say of an incident.
type message struct {
	incident store.Incident
	host     string // that had a lost event last
	page     string
	now      time.Time
	test     bool
	acked    bool // that somebody looks at it is what there is to say
	self     bool // it is of Rollcall's own health
}

// text is the line a person reads.
func (m *message) text() string {
	text := m.incident.Text
	if m.incident.State() == store.IncidentMerged {
		text = fmt.Sprintf("[MERGED] %s %s: it goes on as incident %s", m.incident.Stream, m.incident.Edge, m.incident.Into)
	}
	if m.host != "" {
		text += ", last seen on " + m.host
	}
	return text
}

// state is what a receiver is told: store.IncidentOpen, store.IncidentResolved or store.ToldAcknowledged.
func (m *message) state() string {
	if m.acked {
		return store.ToldAcknowledged
	}
	return keyOf(&m.incident).state
}

// severity is how bad it is, in words that Alertmanager's routes and PagerDuty know. While Rollcall is blind nobody knows what is lost.
func (m *message) severity() string {
	switch {
	case m.test:
		return "info"
	case m.self || m.incident.Cause == store.CauseLoss:
		return "critical"
	}
	return "warning"
}

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
	Host     string    `json:"host,omitempty"`
	Text     string    `json:"text"`
	Link     string    `json:"link,omitempty"`
	Test     bool      `json:"test,omitempty"`
}

// cloudEvent is the message as CloudEvents 1.0 has it, in structured mode. Its id is the same whenever the same is told: who got it twice can tell.
func (m *message) cloudEvent() ([]byte, error) {
	i := &m.incident
	return json.Marshal(map[string]any{
		"specversion": "1.0", "id": fmt.Sprintf("%s/%s/%d", i.ID, m.state(), i.Since.UnixMilli()), "source": "/rollcall/" + i.Stream,
		"type": "io.rollcall.incident." + m.state(), "subject": i.ID.String(), "time": i.Since.UTC(), "datacontenttype": "application/json",
		"data": data{
			Incident: i.ID.String(), Stream: i.Stream, Edge: m.edge(), Cause: string(i.Cause), State: m.state(), First: i.First, Last: i.Last,
			Windows: i.Windows, Bad: i.Bad, Lost: i.Lost, Expected: i.Expected, OpenedAt: i.OpenedAt, Since: i.Since, Host: m.host,
			Text: m.text(), Link: m.link(), Test: m.test,
		},
	})
}

// alert is the message as Alertmanager's API v2 has it. While the incident is open it ends a few repeats from now, so that it ends by itself where
// nobody repeats it any more.
func (m *message) alert(c Config) ([]byte, error) {
	i := &m.incident
	labels := map[string]string{
		"alertname": "Rollcall_" + string(i.Cause), "stream": i.Stream, "cause": string(i.Cause), "severity": m.severity(), "incident": i.ID.String(),
	}
	if m.edge() != "" {
		labels["edge"] = m.edge()
	}
	alert := map[string]any{
		"labels": labels, "annotations": map[string]string{"summary": m.text()}, "startsAt": i.OpenedAt.UTC(), "endsAt": m.now.Add(4 * c.Resend).UTC(),
	}
	if m.state() == store.IncidentResolved || m.test {
		alert["endsAt"] = m.now.UTC()
	}
	if link := m.link(); link != "" {
		alert["generatorURL"] = link
	}
	return json.Marshal([]any{alert})
}
