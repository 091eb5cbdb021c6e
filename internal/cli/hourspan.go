package cli

import (
	"fmt"
	"net/url"
	"strconv"
	"strings"
	"time"
)

const (
	hourForm = "2006-01-02T15"
	dayForm  = "2006-01-02"
)

// hourSpan is one hour on the command line, or a whole day, of which --hours may take a part.
type hourSpan struct {
	When  string `arg:"" name:"hour" help:"An hour in UTC, as 2026-11-22T05, or a whole day, as 2026-11-22." placeholder:"HOUR"`
	Hours string `help:"Of a day, only these hours, both inclusive, as 05..11." placeholder:"FROM..TO"`
}

// list are the hours meant, ascending, as the API writes them.
func (h *hourSpan) list() ([]string, error) {
	if _, err := time.Parse(hourForm, h.When); err == nil {
		if h.Hours != "" {
			return nil, wrongUse("--hours goes with a day, as 2026-11-22; %s is one hour", h.When)
		}
		return []string{h.When}, nil
	}
	day, err := time.Parse(dayForm, h.When)
	if err != nil {
		return nil, wrongUse("%q is neither an hour in UTC, as 2026-11-22T05, nor a day, as 2026-11-22", h.When)
	}
	first, last, err := readHourRange(h.Hours)
	if err != nil {
		return nil, err
	}
	var all []string
	for n := first; n <= last; n++ {
		all = append(all, day.Add(time.Duration(n)*time.Hour).Format(hourForm))
	}
	return all, nil
}

// readHourRange reads FROM..TO; empty is the whole day.
func readHourRange(text string) (first, last int, err error) {
	if text == "" {
		return 0, 23, nil
	}
	from, to, ok := strings.Cut(text, "..")
	first, errFrom := strconv.Atoi(from)
	last, errTo := strconv.Atoi(to)
	if !ok || errFrom != nil || errTo != nil || first < 0 || last > 23 || first > last {
		return 0, 0, wrongUse("--hours %q: write the first and the last hour of the day, 00 to 23, as 05..11", text)
	}
	return first, last, nil
}

func hourPath(stream, hour, what string) string {
	return fmt.Sprintf("/streams/%s/hours/%s/%s", url.PathEscape(stream), hour, what)
}
