package testenv_test

import (
	"database/sql"
	"os"
	"testing"

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
