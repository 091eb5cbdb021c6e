package notify

import (
	"encoding/json"
	"time"

	"github.com/rollcallhq/rollcall/internal/store"
)

// summaryLimit is how many characters PagerDuty takes of a summary.
const summaryLimit = 1024

// The actions of PagerDuty's events.
const (
	trigger     = "trigger"
	acknowledge = "acknowledge"
	resolve     = "resolve"
)

// pagerDuty is the message as the Events API v2 takes it, which answers 202. The incident's id, and the number of an escalation, are the key by which
// PagerDuty knows that later events are of the same call: it calls nobody of an event whose key is open there, acknowledged or not. See https://developer.pagerduty.com/docs/events-api-v2-overview and
// https://developer.pagerduty.com/docs/send-alert-event.
func (m *message) pagerDuty(routing string) ([]byte, error) {
	event := map[string]any{"routing_key": routing, "dedup_key": m.key(m.escalation)}
	switch m.state {
	case store.ToldAcknowledged:
		event["event_action"] = acknowledge
	case store.IncidentResolved:
		event["event_action"] = resolve
	default:
		event["event_action"], event["client"], event["payload"] = trigger, "Rollcall", m.pagerDutyPayload()
		if m.page != "" {
			event["client_url"] = m.page
		}
		if links := m.links(); len(links) > 0 {
			event["links"] = links
		}
	}
	return json.Marshal(event)
}

// former ends the call before this escalation, so that it is one call still.
func (m *message) former() (message, bool) {
	last := *m
	last.state, last.escalation = store.IncidentResolved, m.escalation-1
	return last, m.state == store.IncidentEscalated && m.paged
}

func (m *message) pagerDutyPayload() map[string]any {
	i := &m.incident
	summary := []rune(m.text())
	payload := map[string]any{
		"summary": string(summary[:min(len(summary), summaryLimit)]), "source": "rollcall/" + i.Stream, "severity": m.severity(),
		"timestamp": i.OpenedAt.UTC().Format(time.RFC3339), "group": i.Stream, "class": string(i.Cause), "custom_details": m.details(),
	}
	if m.edge() != "" {
		payload["component"] = m.edge()
	}
	return payload
}

func (m *message) details() map[string]any {
	i := &m.incident
	all := map[string]any{"incident": i.ID.String(), "stream": i.Stream, "cause": string(i.Cause)}
	if !m.self && !m.test {
		all["first"], all["last"] = i.First.UTC(), i.Last.UTC()
		all["windows"], all["bad"], all["lost"], all["expected"] = i.Windows, i.Bad, i.Lost, i.Expected
	}
	if m.host != "" {
		all["host"] = m.host
	}
	if hints := m.evidence(); len(hints) > 0 {
		all["hints"] = hints
	}
	return all
}
