package inspector

import (
	"encoding/base64"
	"regexp"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/danielgtaylor/huma/v2"

	"github.com/rollcallhq/rollcall/inspector/api"
	"github.com/rollcallhq/rollcall/internal/store"
)

const (
	defaultLimit = 100
	maxLimit     = 1000
	hourForm     = "2006-01-02T15"
)

// integer is a parameter documented as an integer and read by readLimit.
type integer string

// Schema implements huma.SchemaProvider.
func (integer) Schema(huma.Registry) *huma.Schema {
	one := 1.0
	return &huma.Schema{Type: huma.TypeInteger, Minimum: &one}
}

// PageParams are those of a list; exported, as are the others, because huma reads embedded fields only then.
type PageParams struct {
	Limit  integer `query:"limit" doc:"rows a page; default 100, at most 1000"`
	Cursor string  `query:"cursor" doc:"'next' of the page before"`
}

// read returns the number of rows asked for and the key of the last row of the page before, if any.
func (p PageParams) read() (limit int, after string, err error) {
	return p.readUpTo(defaultLimit, maxLimit)
}

func (p PageParams) readUpTo(usual, most int) (limit int, after string, err error) {
	limit = usual
	if p.Limit != "" {
		limit, err = strconv.Atoi(string(p.Limit))
		if err != nil || limit < 1 || limit > most {
			return 0, "", fault("query.limit", "%q is not a number of rows from 1 to %d", p.Limit, most)
		}
	}
	key, err := base64.RawURLEncoding.DecodeString(p.Cursor)
	if err != nil || !utf8.Valid(key) {
		return 0, "", fault("query.cursor", "not a cursor that this server gave: pass 'next' of the page before unchanged")
	}
	return limit, string(key), nil
}

func cursor(key string) string { return base64.RawURLEncoding.EncodeToString([]byte(key)) }

// page cuts the rows after the cursor to a page. Rows are ascending by key.
func page[T any](rows []T, limit int, after string, key func(T) string) api.Page[T] {
	p := api.Page[T]{Items: []T{}}
	for _, r := range rows {
		if after != "" && key(r) <= after {
			continue
		}
		if len(p.Items) == limit {
			p.Next = cursor(key(p.Items[limit-1]))
			break
		}
		p.Items = append(p.Items, r)
	}
	return p
}

// RangeParams are those of a range of time.
type RangeParams struct {
	From string `query:"from" format:"date-time" doc:"first instant, inclusive; default: one hour before 'to'"`
	To   string `query:"to" format:"date-time" doc:"last instant, exclusive; default: now"`
}

// read returns the range, of the given length up to now where it is not said.
func (p RangeParams) read(now time.Time, usual, most time.Duration) (from, to time.Time, err error) {
	to = now.UTC()
	if p.To != "" {
		if to, err = readTime("query.to", p.To); err != nil {
			return from, to, err
		}
	}
	from = to.Add(-usual)
	if p.From != "" {
		if from, err = readTime("query.from", p.From); err != nil {
			return from, to, err
		}
	}
	switch {
	case !from.Before(to):
		return from, to, fault("query.from", "%s is not before 'to', %s", stamp(from), stamp(to))
	case to.Sub(from) > most:
		return from, to, fault("query.from", "the range is %s long; at most %s can be asked for at once", to.Sub(from), most)
	}
	return from, to, nil
}

// readPast is read of a range in which nothing lies more than an hour ahead, as no window does: the store knows no instants after 2106.
func (p RangeParams) readPast(now time.Time, most time.Duration) (from, to time.Time, err error) {
	if from, to, err = p.read(now, time.Hour, most); err != nil {
		return from, to, err
	}
	if last := now.UTC().Add(time.Hour); to.After(last) {
		to = last
	}
	if from.After(to) {
		from = to
	}
	return from, to, nil
}

func stamp(t time.Time) string { return t.UTC().Format(time.RFC3339Nano) }

func readTime(path, text string) (time.Time, error) {
	t, err := time.Parse(time.RFC3339Nano, text)
	if err != nil {
		return t, fault(path, "%q is not an instant of RFC 3339, as 2026-11-22T05:09:00Z%s", text, plusHint(text))
	}
	if t.Year() < 1970 || t.Year() > 2200 {
		return t, fault(path, "the year %d is not between 1970 and 2200", t.Year())
	}
	return t.UTC(), nil
}

// plusHint tells of the trap that a plus sign of a query string is a space.
func plusHint(text string) string {
	if strings.Contains(text, " ") {
		return " (a '+' in a query must be written %2B)"
	}
	return ""
}

func readHour(text string) (time.Time, error) {
	t, err := time.Parse(hourForm, text)
	if err != nil {
		return t, fault("path.hour", "%q is not an hour in UTC, as 2026-11-22T05", text)
	}
	return t.UTC(), nil
}

var nameForm = regexp.MustCompile(`^[A-Za-z0-9](?:[A-Za-z0-9._:-]{0,198}[A-Za-z0-9])?$`)

func validName(name string) bool { return nameForm.MatchString(name) && !strings.Contains(name, "..") }

func checkName(path, name string) error {
	if validName(name) {
		return nil
	}
	return fault(path, "%q is not a name: 1 to 200 characters of A-Z a-z 0-9 . _ : -, beginning and ending with a letter or digit, no '..' inside", name)
}

// readEdge reads app..agent; an absent edge is nil.
func readEdge(path, text string) (*store.Edge, error) {
	if text == "" {
		return nil, nil
	}
	from, to, ok := strings.Cut(text, "..")
	if !ok || !validName(from) || !validName(to) {
		return nil, fault(path, "%q is not an edge: two hops with two dots between them, as app..agent", text)
	}
	if from == to {
		return nil, fault(path, "%q leads from a hop to itself", text)
	}
	return &store.Edge{From: from, To: to}, nil
}
