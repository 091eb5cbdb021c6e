package audit_test

import (
	"context"
	"fmt"
	"time"

	"github.com/rollcallhq/rollcall/audit"
	"github.com/rollcallhq/rollcall/audit/wire"
)

// printer stands for the server.
type printer struct{}

func (printer) Send(_ context.Context, b wire.Batch) error {
	for _, r := range b.Reports {
		for _, w := range r.Windows {
			for _, s := range w.Sources {
				fmt.Println(r.Hop, "saw", s.Rolls[wire.Seen])
			}
		}
	}
	return nil
}

// A sink takes an event over once it is stored, and states how far it has got.
func ExampleHop() {
	sink, err := audit.NewHop(audit.HopConfig{Stream: "orders", Hop: "sink", After: []string{"app"}, Transport: printer{}})
	if err != nil {
		fmt.Println(err)
		return
	}
	sink.Start()

	app, err := audit.NewSource(audit.SourceConfig{}) // in another process: it numbers the event
	if err != nil {
		fmt.Println(err)
		return
	}
	payload := []byte("3 books")
	header := app.Header(time.Now(), payload)

	before := time.Now() // here the sink would read, and store what it read
	sink.Take(header, payload, time.Now())
	sink.SetLane("", before)

	if err := sink.Close(context.Background()); err != nil {
		fmt.Println(err)
	}
	// Output: sink saw {0}
}
