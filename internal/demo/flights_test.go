package demo

import (
	"os"
	"path/filepath"
	"testing"
)

func TestFlightsBeginAgainWhenTheyEnd(t *testing.T) {
	r, err := openFlights(writeFlights(t))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = r.close() }()
	payload, key, err := r.next()
	if err != nil {
		t.Fatal(err)
	}
	want := `{"date":0,"delay":5,"distance":300,"origin":"A","destination":"SFO"}`
	if string(payload) != want || key != "A" {
		t.Errorf("the first flight is %s from %s", payload, key)
	}
	for range 500 {
		if payload, _, err = r.next(); err != nil {
			t.Fatal(err)
		}
	}
	if string(payload) != want {
		t.Errorf("after the last flight comes %s", payload)
	}
}

func TestFlightsThatAreNoneAreAnError(t *testing.T) {
	path := filepath.Join(t.TempDir(), "flights.parquet")
	if err := os.WriteFile(path, []byte("not parquet"), 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := openFlights(path); err == nil {
		t.Error("noise was read as flights")
	}
	if _, err := findFlights("", filepath.Join(t.TempDir(), "rollcall")); err == nil {
		t.Error("flights were found where there are none")
	}
}
