package main

import (
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"os"
	"slices"
	"time"

	"golang.org/x/term"

	"github.com/rollcallhq/rollcall/inspector"
	"github.com/rollcallhq/rollcall/internal/app"
	"github.com/rollcallhq/rollcall/internal/cli"
	"github.com/rollcallhq/rollcall/internal/notify"
	"github.com/rollcallhq/rollcall/internal/store"
)

// configOf makes the configuration of a server of its flags, and reads the passwords and certificates that they name. An error wraps
// cli.ErrWrongUse.
func configOf(flags cli.Serve) (app.Config, error) {
	log, err := logHandler(flags)
	if err != nil {
		return app.Config{}, fmt.Errorf("%w: %w", cli.ErrWrongUse, err)
	}
	config := app.Config{
		Role: app.Role(flags.Role), Listen: flags.Listen, Data: flags.Data, Keys: flags.Keys, Debug: flags.DebugListen,
		Door:         app.Door{Tokens: flags.Tokens, TLSCert: flags.TLSCert, TLSKey: flags.TLSKey, InsecureHTTP: flags.InsecureHTTP},
		KafkaBrokers: flags.KafkaBrokers, Streams: flags.Streams, Notify: notifyConfig(flags.Notify), Limits: limitsOf(flags.Notify.Limits),
		SamplesDays: flags.SamplesDays, Retention: store.Retention(flags.Retention), MetricsStreams: flags.MetricsStreams, Version: version, Log: slog.New(log),
	}
	config.ClickHouse, err = clickHouseOf(flags)
	if err == nil {
		config.KafkaAccess, err = kafkaOf(flags)
	}
	if err == nil && flags.SamplesDays < 1 {
		err = fmt.Errorf("--samples-days %d: give 1 to 3650", flags.SamplesDays)
	}
	if err == nil {
		err = config.Check()
	}
	if err != nil {
		return app.Config{}, fmt.Errorf("%w: %w", cli.ErrWrongUse, err)
	}
	return config, nil
}

func notifyConfig(given cli.Notify) notify.Config {
	c := notify.Config{Page: given.Page, Hold: given.Hold, Calm: given.Calm, Unacked: given.Unacked, Worse: given.Worse}
	for _, r := range given.Receivers {
		c.Receivers = append(c.Receivers, notify.Receiver(r))
	}
	return c
}

func limitsOf(given cli.Limits) app.Limits {
	return app.Limits{IngestLag: int64(given.IngestLag), ReconcileAge: time.Duration(given.ReconcileAge) * time.Second, Quarantined: uint64(given.Quarantined)}
}

func clickHouseOf(flags cli.Serve) (store.Config, error) {
	c := store.Config{
		Addrs: flags.ClickhouseAddr, User: flags.ClickhouseUser, Password: flags.ClickhousePassword, Database: flags.ClickhouseDatabase,
	}
	if flags.ClickhousePassword != "" && flags.ClickhousePasswordFile != "" {
		return c, errors.New("--clickhouse-password and --clickhouse-password-file are both given; leave one out")
	}
	password, err := app.ReadSecret(flags.ClickhousePasswordFile)
	if err != nil {
		return c, fmt.Errorf("--clickhouse-password-file: %w", err)
	}
	if password != "" {
		c.Password = password
	}
	if c.TLS, err = app.ClientTLS(flags.ClickhouseTLS, flags.ClickhouseCAFile); err != nil {
		return c, fmt.Errorf("--clickhouse-ca-file: %w", err)
	}
	return c, nil
}

func kafkaOf(flags cli.Serve) (app.KafkaAccess, error) {
	k := app.KafkaAccess{SASL: flags.KafkaSASL, User: flags.KafkaUser}
	var err error
	if k.Password, err = app.ReadSecret(flags.KafkaPasswordFile); err != nil {
		return k, fmt.Errorf("--kafka-password-file: %w", err)
	}
	if k.TLS, err = app.ClientTLS(flags.KafkaTLS, flags.KafkaCAFile); err != nil {
		return k, fmt.Errorf("--kafka-ca-file: %w", err)
	}
	return k, nil
}

// check says what is wrong with the flags of a server, without starting it.
func check(flags cli.Serve) error {
	if _, err := configOf(flags); err != nil {
		return err
	}
	for _, stream := range slices.Sorted(maps.Keys(flags.Streams)) {
		if err := inspector.CheckSettings(stream, flags.Streams[stream]); err != nil {
			return fmt.Errorf("streams: %s: %w", stream, err)
		}
	}
	return nil
}

// logHandler writes what the level asks for, in the format asked for or, by itself, text on a terminal and else JSON.
func logHandler(flags cli.Serve) (slog.Handler, error) {
	var level slog.Level
	if err := level.UnmarshalText([]byte(flags.LogLevel)); err != nil {
		return nil, fmt.Errorf("log level: %w", err)
	}
	options := &slog.HandlerOptions{Level: level, ReplaceAttr: inUTC}
	if flags.LogFormat == "text" || flags.LogFormat == "auto" && term.IsTerminal(int(os.Stderr.Fd())) {
		return slog.NewTextHandler(os.Stderr, options), nil
	}
	return slog.NewJSONHandler(os.Stderr, options), nil
}

// inUTC writes the time of a line in UTC, as all times here.
func inUTC(groups []string, a slog.Attr) slog.Attr {
	if len(groups) == 0 && a.Key == slog.TimeKey {
		a.Value = slog.TimeValue(a.Value.Time().UTC())
	}
	return a
}
