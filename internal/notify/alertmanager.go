package notify

import (
	"encoding/json"
	"strconv"
	"strings"
	"time"

	"github.com/rollcallhq/rollcall/internal/store"
)

// alert is the message as Alertmanager's API v2 has it. While the incident is open it ends a few repeats from now, so that it ends by itself where
// nobody repeats it any more. Alertmanager tells nothing again of an alert whose labels it knows, so that an escalation is an alert of its own, and
// the one before it ends.
func (m *message) alert(c Config) ([]byte, error) {
	ends := m.now.Add(4 * c.Resend)
	if m.over() || m.test {
		ends = m.now
	}
	alerts := []any{m.alertOf(m.escalation, ends)}
	if m.state == store.IncidentEscalated && m.paged {
		alerts = append(alerts, m.alertOf(m.escalation-1, m.now))
	}
	return json.Marshal(alerts)
}

func (m *message) alertOf(escalation uint32, ends time.Time) map[string]any {
	alert := map[string]any{
		"labels": m.labels(escalation), "annotations": m.annotations(), "startsAt": m.incident.OpenedAt.UTC(), "endsAt": ends.UTC(),
	}
	if link := m.link(); link != "" {
		alert["generatorURL"] = link
	}
	return alert
}

func (m *message) labels(escalation uint32) map[string]string {
	i := &m.incident
	labels := map[string]string{
		"alertname": "Rollcall_" + strings.ReplaceAll(string(i.Cause), "-", "_"), "stream": i.Stream, "cause": string(i.Cause), "severity": m.severity(),
		"incident": i.ID.String(),
	}
	if m.edge() != "" {
		labels["edge"] = m.edge()
	}
	if escalation > 0 {
		labels["escalation"] = strconv.FormatUint(uint64(escalation), 10)
	}
	return labels
}

func (m *message) annotations() map[string]string {
	all := map[string]string{"summary": m.text()}
	for _, l := range m.links() {
		all[strings.ToLower(l.Text)] = l.Href
	}
	return all
}
