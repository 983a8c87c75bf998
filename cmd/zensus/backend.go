package main

import (
	"context"
	"encoding/hex"
	"fmt"
	"net/http"
	"os"
	"strings"

	"github.com/gin-gonic/gin"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/zensus-io/zensus/core"
	"github.com/zensus-io/zensus/core/pool"
	"github.com/zensus-io/zensus/core/zkclient"
	"github.com/zensus-io/zensus/internal/settings"
	"github.com/zensus-io/zensus/internal/telemetry"
)

// root is where everything of the Nacos side is kept in the tree.
const root = "/zensus"

// backend prepares for the ZooKeeper ensemble that the plan names in place of an
// engine in this process. The data directory is for what is this node's alone.
func (in *instance) backend(secret settings.Secret) error {
	if err := os.MkdirAll(in.plan.dataDir, 0o700); err != nil {
		return fmt.Errorf("data_dir: %w", err)
	}
	key, err := secret.Derive(settings.PurposeBackend)
	if err != nil {
		return err
	}
	in.pool, err = pool.New(pool.Config{
		Servers: in.plan.backend, Chroot: in.plan.chroot, Root: root,
		Auth:   zkclient.Auth{Scheme: "digest", Auth: []byte("zensus:" + hex.EncodeToString(key))},
		Logger: telemetry.Slog(in.log.Named("backend")),
	})
	if err != nil {
		return fmt.Errorf("engine.backend: %w", err)
	}
	for _, m := range []struct {
		name, help string
		of         func(pool.Stats) int
	}{
		{"zensus_backend_connected", "1 while the ensemble of engine.backend is in contact", func(s pool.Stats) int {
			if s.Connected {
				return 1
			}
			return 0
		}},
		{"zensus_backend_sessions", "Clients of this node that have a session", func(s pool.Stats) int { return s.Sessions }},
		{"zensus_backend_carriers", "Sessions of the ensemble that own the clients' instances", func(s pool.Stats) int { return s.Carriers }},
		{"zensus_backend_path_bytes", "Bytes of paths that these own", func(s pool.Stats) int { return s.PathBytes }},
	} {
		gauge := prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: m.name, Help: m.help},
			func() float64 { return float64(m.of(in.pool.Stats())) })
		if err := in.registry.Register(gauge); err != nil {
			return err
		}
	}
	return nil
}

// runPool is the Run of the pool, to which being asked to end is no error.
func (in *instance) runPool(ctx context.Context) error {
	if err := in.pool.Run(ctx); ctx.Err() == nil {
		return err
	}
	return nil
}

// serving is closed when the engine, here or elsewhere, can be used.
func (in *instance) serving() <-chan struct{} {
	if in.pool != nil {
		return in.pool.Ready()
	}
	return in.node.Serving()
}

// sessions are where those of clients are opened.
func (in *instance) sessions() core.Sessions {
	if in.pool != nil {
		return in.pool
	}
	return in.node
}

// clusterElsewhere answers those who ask for the ensemble.
func (in *instance) clusterElsewhere(c *gin.Context) {
	c.JSON(http.StatusConflict, gin.H{"error": "engine.backend names the ensemble that has the data of this server, " + strings.Join(in.plan.backend, ",") +
		": it is not managed here, but by what belongs to it (Apache ZooKeeper: zkCli.sh and its reconfig, the words srvr and mntr)"})
}
