package demo

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestRoundTableSetsPlantedBesideNamed(t *testing.T) {
	o := compare(
		[]plant{{UID: origin.WithSequence(1), Fault: DropByApp}, {UID: origin.WithSequence(2), Fault: FilterByRelay}},
		[]saying{{claim{edgeRelay, kindLost}, origin.WithSequence(1).String()}, {claim{edgeSink, "unexpected"}, origin.WithSequence(3).String()}},
	)
	o.From = time.Date(2026, 11, 22, 5, 9, 0, 0, time.UTC)
	o.To, o.Events, o.Killed = o.From.Add(20*time.Second), 40000, map[string]int{hopRel: 1, hopSnk: 1}
	o.Undecided = []string{"2026-11-22T05:09:10Z relay..sink is unknown"}
	var out bytes.Buffer
	if err := writeRound(&out, 1, o); err != nil {
		t.Fatal(err)
	}
	want := `
Round 1, 05:09:00 to 05:09:20: 40000 events, relay killed 1×, sink killed 1×
        kind  planted  named by Rollcall                                    difference
        lost        1                  1                                          none
  duplicated        0                  0                                          none
     corrupt        0                  0                                          none
    filtered        1                  0                             1 missed, 0 false
     invalid        0                  0                                          none
  unexpected        0                  1                             0 missed, 1 false
     delayed        0                  0  none at least, 0 others as slow after a kill
not decided: 2026-11-22T05:09:10Z relay..sink is unknown
missed: 01020304-0506-8007-8000-000000000002 filtered on relay..sink
false: 01020304-0506-8007-8000-000000000003 unexpected on relay..sink
`
	if diff := cmp.Diff(strings.TrimSpace(want), strings.TrimSpace(out.String())); diff != "" {
		t.Error(diff)
	}
}
