package app

import (
	"context"
	"path/filepath"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/rollcallhq/rollcall/inspector"
	"github.com/rollcallhq/rollcall/internal/certificate"
	"github.com/rollcallhq/rollcall/internal/certificate/keydir"
	"github.com/rollcallhq/rollcall/internal/chain"
	"github.com/rollcallhq/rollcall/reconcile"
)

// embeds says whether a service belongs to this process, so that no other one works on the same data.
func (c Config) embeds() bool { return len(c.ClickHouse.Addrs) == 0 || len(c.KafkaBrokers) == 0 }

// openKeys reads the keys that sign certificates, and goes on to follow them. A process that has a service to itself makes the first one; of
// several on the same services each would make its own, and so they must be given a directory.
func (a *App) openKeys(context.Context) error {
	dir := a.config.Keys
	if dir == "" && a.config.embeds() {
		dir = filepath.Join(a.config.Data, "keys")
		if err := keydir.Ensure(dir, time.Now()); err != nil {
			return err
		}
	}
	if dir == "" || !a.config.Role.certifies() {
		return nil
	}
	followed, err := keydir.Follow(dir, a.access, a.log)
	if err != nil {
		return err
	}
	a.keys = followed
	a.stack.push("signing keys", followed.Stop)
	return nil
}

// startChain begins to copy the chains of certificates from their topic.
func (a *App) startChain(ctx context.Context) error {
	if a.keys == nil {
		return nil
	}
	err := a.makeTopic(ctx, func(ctx context.Context, opts []kgo.Opt) error {
		return chain.EnsureTopic(ctx, a.brokers, chain.Topic, opts...)
	})
	if err != nil {
		return err
	}
	config := chain.Config{Brokers: a.brokers, Opts: a.config.KafkaAccess.options()}
	c, err := chain.New(a.store, a.keys.Keys, config, a.registry, a.log)
	if err != nil {
		return err
	}
	if err := c.Start(); err != nil {
		return err
	}
	a.chain = c
	a.stack.push("chains of certificates", c.Stop)
	return nil
}

// tellCertificates gives the inspector what it tells of certificates.
func (a *App) tellCertificates(deps *inspector.Deps) {
	deps.Digests = func(ctx context.Context, stream string, hour certificate.Hour) ([]certificate.Hop, error) {
		return reconcile.NewReader(a.store).Digests(ctx, stream, hour)
	}
	if a.keys != nil {
		deps.Keys = a.keys.Keys
	}
	if a.chain != nil {
		deps.Chain, deps.Issuer = a.chain, a.issuer()
	}
}

// issuer makes what issues certificates.
func (a *App) issuer() *reconcile.Issuer {
	return reconcile.NewIssuer(reconcile.IssuerDeps{
		Store: a.store, Reader: reconcile.NewReader(a.store).Keeping(a.config.Retention), Ledger: a.chain, Keys: a.keys.Keys,
	})
}

// startCertifier has certificates follow the verdicts of the streams that this process judges.
func (a *App) startCertifier(context.Context) error {
	if a.chain == nil {
		return nil
	}
	c, err := reconcile.NewCertifier(a.store, a.issuer(), a.member, a.registry, a.log)
	if err != nil {
		return err
	}
	c.Start()
	a.stack.push("certifier", c.Stop)
	return nil
}
