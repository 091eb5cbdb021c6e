package cli

import (
	"fmt"
	"net/url"
	"slices"
	"strings"

	"github.com/rollcallhq/rollcall/inspector/api"
)

type schemas struct {
	Stream string `arg:"" help:"The stream."`
	span
	Hop string `help:"Only what this hop said." placeholder:"HOP"`
}

// Run lists what hops said of schemas; the answer is bad when an event broke one, or could not be held against one.
func (c *schemas) Run(s *session) error {
	query, err := c.query()
	if err != nil {
		return err
	}
	if c.Hop != "" {
		query.Set("hop", c.Hop)
	}
	found, err := c.pages(s, query)
	if err != nil {
		return err
	}
	if s.asJSON {
		err = s.printJSON(found)
	} else {
		err = s.printSchemas(c.Stream, found)
	}
	if err != nil {
		return err
	}
	return badWhen(slices.ContainsFunc(found.Items, func(w api.SchemaWindow) bool { return w.Invalid+w.Undecodable+w.UnknownSchema > 0 }))
}

// pages asks for every page; the versions come with the first.
func (c *schemas) pages(s *session, query url.Values) (api.Schemas, error) {
	all := api.Schemas{Items: []api.SchemaWindow{}}
	path := "/streams/" + url.PathEscape(c.Stream) + "/schemas"
	for {
		_, page, err := one[api.Schemas](s, path, query)
		if err != nil {
			return all, err
		}
		all.Items, all.Versions = append(all.Items, page.Items...), append(all.Versions, page.Versions...)
		if page.Next == "" {
			return all, nil
		}
		if page.Next == query.Get("cursor") {
			return all, cannotAsk("GET %s: the server gives the same cursor %q twice, so the list never ends", path, page.Next)
		}
		query.Set("cursor", page.Next)
	}
}

func (s *session) printSchemas(stream string, found api.Schemas) error {
	if len(found.Items) == 0 {
		return s.say("No hop of %s has said anything of schemas in that time.", stream)
	}
	t := newTable("START", "HOP", ">CHECKED", ">INVALID", ">UNDECODABLE", ">UNKNOWN", ">DEPRECATED", "TOP REASON", "IN WORDS")
	for _, w := range found.Items {
		t.add(instant(w.Start), w.Hop, w.Checked, w.Invalid, w.Undecodable, w.UnknownSchema, w.Deprecated, topReason(w.Counts), w.Sentence)
	}
	if err := t.print(s.env.Stdout); err != nil {
		return err
	}
	versions := newTable("HOP", "SCHEMA", "VERSION", "FIRST SEEN", "LAST SEEN", ">CHECKED", ">INVALID")
	for _, v := range found.Versions {
		schema, version := firstOf(v.Schema, "-"), firstOf(v.Version, "-")
		if v.Other > 0 {
			schema, version = plural(v.Other, "other", "others"), ""
		}
		versions.add(v.Hop, schema, version, instant(v.First), instant(v.Last), v.Events, v.Invalid)
	}
	if err := s.say(""); err != nil {
		return err
	}
	return versions.print(s.env.Stdout)
}

// topReason is the most frequent one of what is not OK.
func topReason(counts []api.SchemaCount) string {
	var top *api.SchemaCount
	for i, c := range counts {
		if c.Outcome != "OK" && c.Other == 0 && (top == nil || c.Events > top.Events) {
			top = &counts[i]
		}
	}
	if top == nil {
		return "-"
	}
	return strings.TrimSpace(fmt.Sprintf("%s (%d)", firstOf(top.Reason, top.Outcome), top.Events))
}

type samples struct {
	Stream string `arg:"" help:"The stream."`
	span
	Hop           string `help:"Only those that this hop checked." placeholder:"HOP"`
	Schema        string `help:"Only of this schema." placeholder:"NAME"`
	SchemaVersion string `name:"schema-version" help:"Only of this version of it." placeholder:"VERSION"`
	Reason        string `help:"Only for this reason, as \"rollcall schemas\" has it." placeholder:"TEXT"`
}

// Run shows samples; the answer is bad when there are any.
func (c *samples) Run(s *session) error {
	query, err := c.query()
	if err != nil {
		return err
	}
	for key, value := range map[string]string{"hop": c.Hop, "schema": c.Schema, "version": c.SchemaVersion, "reason": c.Reason} {
		if value != "" {
			query.Set(key, value)
		}
	}
	raw, rows, err := all[api.Sample](s, "/streams/"+url.PathEscape(c.Stream)+"/samples", query)
	if err != nil {
		return err
	}
	if s.asJSON {
		err = s.printList(raw)
	} else {
		err = s.printSamples(c.Stream, rows)
	}
	if err != nil {
		return err
	}
	return badWhen(len(rows) > 0)
}

func (s *session) printSamples(stream string, rows []api.Sample) error {
	if len(rows) == 0 {
		return s.say("No sample of %s in that time.", stream)
	}
	t := newTable("WINDOW", "HOP", "SCHEMA", "VERSION", "OUTCOME", "REASON", "UID", "HOST", "PAYLOAD, MASKED")
	for _, v := range rows {
		payload := v.Payload
		if v.Cut {
			payload += " …"
		}
		t.add(instant(v.Window), v.Hop, firstOf(v.Schema, "-"), firstOf(v.Version, "-"), v.Outcome, firstOf(v.Reason, "-"), v.UID, firstOf(v.Host, "-"), payload)
	}
	return t.print(s.env.Stdout)
}
