package certificate

import (
	"strings"
	"testing"
)

// follow reads values in the order of a topic and returns the head, and why each did not count; empty where it did.
func follow(keys *Keys, values ...[]byte) (Head, []Reason) {
	var head Head
	reasons := make([]Reason, len(values))
	for i, v := range values {
		_, next, refused := head.Accept("orders", v, keys)
		head = next
		if refused != nil {
			reasons[i] = refused.Reason
		}
	}
	return head, reasons
}

func TestAnEntryCountsOnlyInItsPlace(t *testing.T) {
	k, stranger := makeKey(t), makeKey(t)
	keys := known(k)
	first := sign(t, anHour("orders"), k)
	next := func(head Head, change func(*Content)) []byte {
		c := head.Next(anHour("orders"))
		if change != nil {
			change(&c)
		}
		return sign(t, c, k)
	}
	one := Head{1, HashOf(first)}
	second := next(one, func(c *Content) { c.Action = Supersede })
	rival := next(one, func(c *Content) { c.IssuedBy = "bert" })
	third := next(Head{2, HashOf(second)}, func(c *Content) { c.Action, c.Reason, c.Hops = Revoke, "late events", nil })
	elsewhere := sign(t, Head{}.Next(anHour("billing")), k)
	forged, err := Sign(one.Next(anHour("orders")), stranger)
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		values [][]byte
		want   string // reasons, a dash where it counts
		head   uint64
	}{
		"in order":                {[][]byte{first, second, third}, "- - -", 3},
		"replayed":                {[][]byte{first, first, second, second, first, third}, "- number - number number -", 3},
		"two at once":             {[][]byte{first, rival, second}, "- - number", 2},
		"one removed":             {[][]byte{first, third}, "- number", 1},
		"the first removed":       {[][]byte{second, third}, "number number", 0},
		"reordered":               {[][]byte{second, first, third}, "number - number", 1},
		"after its rival":         {[][]byte{first, rival, third}, "- - previous", 2},
		"of another stream":       {[][]byte{elsewhere, first}, "stream -", 1},
		"by a stranger":           {[][]byte{first, forged, second}, "- unknown-key -", 2},
		"strangers out of place":  {[][]byte{forged, first}, "number -", 1},
		"something else entirely": {[][]byte{[]byte("{}"), first, nil, second}, "unreadable - unreadable -", 2},
	} {
		t.Run(name, func(t *testing.T) {
			head, reasons := follow(keys, c.values...)
			var got []string
			for _, r := range reasons {
				if r == "" {
					r = "-"
				}
				got = append(got, string(r))
			}
			if strings.Join(got, " ") != c.want || head.Number != c.head {
				t.Errorf("%v, head %d; want %s, %d", got, head.Number, c.want, c.head)
			}
		})
	}
}

func TestAnHourStandsAsItsLastEntrySays(t *testing.T) {
	one := Content{Number: 1, Action: Certify}
	two := Content{Number: 5, Action: Supersede}
	gone := Content{Number: 9, Action: Revoke, Reason: "2 events came late"}
	for _, c := range []struct {
		entry, last *Content
		want        Standing
	}{
		{&one, &one, Standing{Certified, 1, ""}},
		{&one, &two, Standing{Superseded, 5, ""}},
		{&two, &two, Standing{Certified, 5, ""}},
		{&one, &gone, Standing{Revoked, 9, "2 events came late"}},
		{&gone, &gone, Standing{Revoked, 9, "2 events came late"}},
		{&gone, &Content{Number: 12, Action: Supersede}, Standing{Superseded, 12, ""}},
	} {
		if got := StandingOf(c.entry, c.last); got != c.want {
			t.Errorf("entry %d with the last %d: %+v; want %+v", c.entry.Number, c.last.Number, got, c.want)
		}
	}
}
