package notify

import (
	"fmt"
	"net/url"
	"strings"
	"time"

	"github.com/rollcallhq/rollcall/internal/store"
)

// link is an address that a message leads to, as PagerDuty takes it.
type link struct {
	Href string `json:"href"`
	Text string `json:"text"`
}

// links lead to the first window that is bad, to the incident, and, while there is something to mute, to the form that mutes it. Of
// Rollcall's own trouble they lead to the page.
func (m *message) links() []link {
	switch {
	case m.page == "":
		return nil
	case m.self || m.test:
		return []link{{m.page, "Rollcall"}}
	}
	incident := m.base() + "/incidents/" + url.PathEscape(m.incident.ID.String())
	all := []link{{m.link(), "Window"}, {incident, "Incident"}}
	if m.mute() != "" {
		all = append(all, link{incident + "/mute", "Mute form"})
	}
	if m.edge() == "" {
		all[0].Text = "Rollcall"
	}
	return all
}

func (m *message) base() string { return strings.TrimRight(m.page, "/") }

// link leads to the first window that is bad.
func (m *message) link() string {
	if m.page == "" || m.self || m.test || m.edge() == "" {
		return m.page
	}
	return fmt.Sprintf("%s/w/%s/%s?edge=%s", m.base(), url.PathEscape(m.incident.Stream),
		m.incident.FirstBad.UTC().Format(time.RFC3339), url.QueryEscape(m.edge()))
}

// mute is the command that mutes what the message is of, for two hours; empty where there is nothing to mute. The names in it are of
// letters, digits and . _ : - only, so that no shell takes them for more.
func (m *message) mute() string {
	if m.test || m.state != store.IncidentOpen && m.state != store.IncidentEscalated {
		return ""
	}
	command := "rollcall silence add --stream " + m.incident.Stream
	if m.edge() != "" {
		command += " --edge " + m.edge()
	}
	return command + " --for 2h --reason WHY"
}
