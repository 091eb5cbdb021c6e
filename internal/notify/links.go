package notify

import (
	"fmt"
	"net/url"
	"strings"
	"time"

	"github.com/rollcallhq/rollcall/internal/store"
)

// link is an address that a message leads to, as PagerDuty takes it and webhooks get it.
type link struct {
	Href string `json:"href"`
	Text string `json:"text"`
}

// links lead to the first window that is bad, or the hour whose certificate was revoked, to the incident, and to the form that mutes it while it is open. Of Rollcall's own trouble they lead
// to the page.
func (m *message) links() []link {
	switch {
	case m.page == "":
		return nil
	case m.self || m.test:
		return []link{{m.page, "Rollcall"}}
	}
	incident := m.base() + "/incidents/" + url.PathEscape(m.incident.ID.String())
	all := []link{{incident, "Incident"}}
	if hour, _ := m.revoked(); hour != "" {
		all = append([]link{{m.link(), "Hour"}}, all...)
	}
	if m.edge() != "" {
		all = append([]link{{m.link(), "Window"}}, all...)
	}
	if m.state == store.IncidentOpen || m.state == store.IncidentEscalated {
		all = append(all, link{incident + "/mute", "Mute"})
	}
	return all
}

func (m *message) base() string { return strings.TrimRight(m.page, "/") }

// link leads to the first window that is bad, or to the hour whose certificate was revoked.
func (m *message) link() string {
	if hour, _ := m.revoked(); hour != "" && m.page != "" {
		return fmt.Sprintf("%s/h/%s/%s", m.base(), url.PathEscape(m.incident.Stream), hour)
	}
	if m.page == "" || m.self || m.test || m.edge() == "" {
		return m.page
	}
	return fmt.Sprintf("%s/w/%s/%s?edge=%s", m.base(), url.PathEscape(m.incident.Stream),
		m.incident.FirstBad.UTC().Format(time.RFC3339), url.QueryEscape(m.edge()))
}
