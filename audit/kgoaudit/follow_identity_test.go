package kgoaudit_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/rollcallhq/rollcall/audit/kgoaudit"
)

func TestAFollowedRecordWithoutAHeaderIsKnownByItsFields(t *testing.T) {
	c := cluster(t, 1)
	f := follow(t, c)
	if err := f.UseFields(kgoaudit.Fields{UID: "/id", ProducedAt: "/at"}); err != nil {
		t.Fatal(err)
	}
	value := fmt.Appendf(nil, `{"id":"order-1","at":%q}`, time.Now().UTC().Format(time.RFC3339Nano))
	if err := client(t, c).ProduceSync(t.Context(), &kgo.Record{Topic: "orders", Value: value}).FirstErr(); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	for ctx.Err() == nil {
		if err := f.Round(ctx, func(context.Context, kgo.Fetches) error { return nil }); err != nil {
			t.Fatal(err)
		}
		if foreign, unplaced := f.books.counts(); foreign["order-1"] == 1 {
			return
		} else if unplaced.NoUID > 0 {
			t.Fatal("it was counted as an event without an identity")
		}
	}
	t.Fatal("the record was not observed")
}
