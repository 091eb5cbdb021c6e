package embedded

import (
	"context"
	"crypto/rand"
	_ "embed"
	"encoding/xml"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"text/template"
	"time"
)

//go:embed clickhouse.xml
var clickHouseXML string

const (
	mainQueryID = "rollcall-embedded"
	readyPoll   = 20 * time.Millisecond
	askPatience = 10 * time.Second
	endPatience = 2 * time.Second // for queries that still run, and for clients that hold connections

	// The server runs for as long as this script does. Its last statement never ends by itself; it is looked at
	// for cancellation five times a second.
	mainQuery = "SYSTEM START LISTEN TCP; SYSTEM START LISTEN HTTP; " +
		"SELECT sleepEachRow(0.2) FROM system.numbers SETTINGS max_block_size = 1, " +
		"function_sleep_max_microseconds_per_block = 0, max_execution_time = 0 FORMAT Null"
)

// clickHouseSettings is what the parent tells the child.
type clickHouseSettings struct {
	Dir      string `json:"dir"`
	Library  string `json:"library"`
	Memory   int64  `json:"memory"`
	Unsynced bool   `json:"unsynced,omitempty"`
}

// clickHouseFile is what clickhouse.xml is filled with.
type clickHouseFile struct {
	Config, Data, Log   string
	TCPPort, HTTPPort   int
	Memory, QueryMemory int64
	Instance            string
	Fsync               int
}

// serveClickHouse is the child: it returns when ctx is done and ClickHouse has ended.
func serveClickHouse(ctx context.Context, s clickHouseSettings, ready func(status)) error {
	lock, err := lockDir(s.Dir)
	if err != nil {
		return err
	}
	defer lock.Close()
	run, err := loadCommandLine(s.Library)
	if err != nil {
		return err
	}
	file, err := writeClickHouseFile(s)
	if err != nil {
		return err
	}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		runtime.LockOSThread()
		run.call([]string{
			"clickhouse", "--config-file", file.Config, "--send_logs_level=warning",
			"--query_id", mainQueryID, "--query", mainQuery,
		})
	}()
	return file.attend(ctx, ended, s.Dir, ready)
}

func writeClickHouseFile(s clickHouseSettings) (clickHouseFile, error) {
	file := clickHouseFile{
		Config:      filepath.Join(s.Dir, "config.xml"),
		Data:        filepath.Join(s.Dir, "data") + "/",
		Log:         filepath.Join(s.Dir, "clickhouse.log"),
		Memory:      s.Memory,
		QueryMemory: s.Memory * 3 / 4,
		Instance:    rand.Text(),
		Fsync:       1,
	}
	if s.Unsynced {
		file.Fsync = 0
	}
	var err error
	if file.TCPPort, err = freePort(0); err != nil {
		return file, err
	}
	if file.HTTPPort, err = freePort(0); err != nil {
		return file, err
	}
	text, err := file.render()
	if err != nil {
		return file, err
	}
	return file, os.WriteFile(file.Config, []byte(text), 0o600)
}

func (f clickHouseFile) render() (string, error) {
	parsed, err := template.New("clickhouse.xml").Parse(clickHouseXML)
	if err != nil {
		return "", err
	}
	for _, path := range []*string{&f.Config, &f.Data, &f.Log} {
		if *path, err = escapeXML(*path); err != nil {
			return "", err
		}
	}
	var b strings.Builder
	err = parsed.Execute(&b, f)
	return b.String(), err
}

func escapeXML(text string) (string, error) {
	var b strings.Builder
	err := xml.EscapeText(&b, []byte(text))
	return b.String(), err
}

// attend waits for ClickHouse to serve, says so, and ends it when ctx is done.
func (f clickHouseFile) attend(ctx context.Context, ended <-chan struct{}, dir string, ready func(status)) error {
	tick := time.NewTicker(readyPoll)
	defer tick.Stop()
	for !f.serves(ctx) {
		select {
		case <-ended:
			return f.neverServed()
		case <-ctx.Done():
			return nil // the parent is gone before it began; nothing was stored
		case <-tick.C:
		}
	}
	guard, err := guardClickHouse(savedPort(dir), address(f.TCPPort))
	if err != nil {
		return err
	}
	defer guard.stop()
	if err := savePort(dir, guard.port()); err != nil {
		return err
	}
	ready(status{Addr: address(guard.port()), HTTP: address(f.HTTPPort)})
	select {
	case <-ended:
		return fmt.Errorf("embedded clickhouse ended by itself: see %s", f.Log)
	case <-ctx.Done():
		return f.end(ended)
	}
}

// serves asks for the macro that only this process knows, so that another server which took the port in the
// meantime is not mistaken for ours. HTTP is opened last: once it answers, the native protocol is open too.
func (f clickHouseFile) serves(ctx context.Context) bool {
	answer, err := f.ask(ctx, "SELECT getMacro('instance')")
	return err == nil && strings.TrimSpace(answer) == f.Instance
}

func (f clickHouseFile) neverServed() error {
	if !isFree(f.TCPPort) || !isFree(f.HTTPPort) {
		return fmt.Errorf("clickhouse on %s and %s: %w", address(f.TCPPort), address(f.HTTPPort), errPortTaken)
	}
	return fmt.Errorf("clickhouse ended before it served; its log %s ends with:\n%s", f.Log, tail(f.Log))
}

// end cancels the script that keeps ClickHouse going, which then shuts down as after any last query. A client that
// keeps its connection can hold that up, and is not waited for: what was answered for is stored.
func (f clickHouseFile) end(ended <-chan struct{}) error {
	ctx, cancel := context.WithTimeout(context.Background(), endPatience)
	defer cancel()
	if _, err := f.ask(ctx, "KILL QUERY WHERE query_id = '"+mainQueryID+"' ASYNC"); err != nil {
		return fmt.Errorf("end clickhouse: %w", err)
	}
	select {
	case <-ended:
	case <-ctx.Done():
	}
	return nil
}

// ask sends one query over HTTP and returns the answer.
func (f clickHouseFile) ask(ctx context.Context, query string) (string, error) {
	to := url.URL{Scheme: "http", Host: address(f.HTTPPort)}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, to.String(), strings.NewReader(query))
	if err != nil {
		return "", err
	}
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: askPatience}
	response, err := client.Do(request)
	if err != nil {
		return "", err
	}
	defer response.Body.Close()
	body, err := io.ReadAll(io.LimitReader(response.Body, 64<<10))
	if err != nil {
		return "", err
	}
	if response.StatusCode != http.StatusOK {
		return "", fmt.Errorf("clickhouse answered %s: %s", response.Status, body)
	}
	return string(body), nil
}
