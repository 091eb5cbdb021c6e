package testenv_test

import (
	"database/sql"
	"os"
	"testing"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/rollcallhq/rollcall/internal/testenv"
)

func TestMain(m *testing.M) { os.Exit(testenv.Main(m)) }

func TestEachTestHasAnEmptyDatabaseOfItsOwnWhichGoesWithIt(t *testing.T) {
	var addr, gone string
	t.Run("uses one", func(t *testing.T) {
		addr, gone = testenv.ClickHouse(t)
		otherAddr, other := testenv.ClickHouse(t)
		if addr != otherAddr || gone == other {
			t.Errorf("got %s on %s and %s on %s, want two databases on one server", gone, addr, other, otherAddr)
		}
		if n := count(t, addr, "SELECT count() FROM system.databases WHERE name IN ('"+gone+"', '"+other+"')"); n != 2 {
			t.Errorf("%d of the two databases exist", n)
		}
	})
	if addr == "" {
		t.Skip("no ClickHouse here")
	}
	if n := count(t, addr, "SELECT count() FROM system.databases WHERE name = '"+gone+"'"); n != 0 {
		t.Error("the database outlived its test")
	}
}

func TestEachTestHasABrokerOfItsOwn(t *testing.T) {
	if one, other := testenv.Kafka(t), testenv.Kafka(t); one[0] == other[0] {
		t.Errorf("both brokers are at %s", one[0])
	}
}

func TestTheSharedApacheKafkaIsEmptyForEachTest(t *testing.T) {
	for _, round := range []string{"first", "second"} {
		t.Run(round, func(t *testing.T) {
			brokers := testenv.ApacheKafka(t)
			client, err := kgo.NewClient(kgo.SeedBrokers(brokers...))
			if err != nil {
				t.Fatal(err)
			}
			defer client.Close()
			admin := kadm.NewClient(client)
			topics, err := admin.ListTopics(t.Context())
			if err != nil || len(topics) > 0 {
				t.Fatalf("topics %v, %v", topics.Names(), err)
			}
			groups, err := admin.ListGroups(t.Context())
			if err != nil || len(groups) > 0 {
				t.Fatalf("groups %v, %v", groups.Groups(), err)
			}
			leaveSomething(t, client, admin)
		})
	}
}

// leaveSomething leaves a topic with a record and a group with an offset.
func leaveSomething(t *testing.T, client *kgo.Client, admin *kadm.Client) {
	t.Helper()
	if _, err := admin.CreateTopic(t.Context(), 2, 1, nil, "orders"); err != nil {
		t.Fatal(err)
	}
	produced := client.ProduceSync(t.Context(), &kgo.Record{Topic: "orders", Partition: 1, Value: []byte("x")})
	r, err := produced.First()
	if err != nil {
		t.Fatal(err)
	}
	if r.Offset != 0 {
		t.Errorf("the first record of a new topic is at offset %d", r.Offset)
	}
	offsets := kadm.Offsets{}
	offsets.AddOffset("orders", r.Partition, 1, -1)
	if err := admin.CommitAllOffsets(t.Context(), "readers", offsets); err != nil {
		t.Fatal(err)
	}
}

func count(t *testing.T, addr, query string) (n uint64) {
	t.Helper()
	db, err := sql.Open("clickhouse", "clickhouse://"+addr+"/default")
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if err := db.QueryRowContext(t.Context(), query).Scan(&n); err != nil {
		t.Fatal(err)
	}
	return n
}
