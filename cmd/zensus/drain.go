package main

import (
	"context"
	"net"
	"net/http"
	"time"

	"github.com/gin-gonic/gin"

	"github.com/zensus-io/zensus/core/server"
	"github.com/zensus-io/zensus/internal/nacos/rpc"
)

// others are the servers that clients of this one can be sent to.
func (side *nacosSide) others() (targets []rpc.Target) {
	for _, n := range side.cluster.Nodes() {
		if n.Self || !n.Usable() {
			continue
		}
		// Clients know a server by its HTTP port. One that has none is found by no name.
		host, port, _ := net.SplitHostPort(n.HTTP)
		targets = append(targets, rpc.Target{IP: host, Port: port})
	}
	return targets
}

// drain sends the clients to others and takes no new ones, until all have gone or ctx
// ends. Who has not gone is served. It does nothing, and says so, where there is nobody
// to send them to.
func (side *nacosSide) drain(ctx context.Context) (done bool) {
	targets := side.others()
	if len(targets) == 0 {
		return false
	}
	side.draining.Store(true)
	side.cluster.Drain(true) // or others would send theirs here
	side.configAPI.RefusePolls(true)
	side.rpc.Drain(ctx, targets...)
	return true
}

// undrain takes clients again.
func (side *nacosSide) undrain() {
	side.draining.Store(false)
	side.cluster.Drain(false)
	side.configAPI.RefusePolls(false)
}

// depart drains before the end, for as long as the settings allow.
func (side *nacosSide) depart(within time.Duration) {
	ctx, cancel := context.WithTimeout(context.Background(), within)
	defer cancel()
	if within > 0 {
		side.drain(ctx)
	}
}

// drainTime is how long `zensus cluster drain` waits for clients to go. Those that do
// not go by themselves are cut off before.
const drainTime = 5 * time.Second

// drainToo has the clients of Nacos follow those of ZooKeeper, when what stands before
// it has sent these away, or takes them again.
func (side *nacosSide) drainToo(zookeeper gin.HandlerFunc) gin.HandlerFunc {
	return func(c *gin.Context) {
		zookeeper(c)
		if c.Param("verb") == "drain" && c.Writer.Status() == http.StatusOK {
			side.drainAsAsked(c)
		}
	}
}

// drainAsAsked reports whether it could be done.
func (side *nacosSide) drainAsAsked(c *gin.Context) bool {
	if c.Query("on") == "false" {
		side.undrain()
		return true
	}
	ctx, cancel := context.WithTimeout(c.Request.Context(), drainTime)
	defer cancel()
	return side.drain(ctx)
}

// drainElsewhere is the drain of a server whose ensemble is elsewhere: it has clients
// of Nacos only.
func (side *nacosSide) drainElsewhere(otherwise gin.HandlerFunc) gin.HandlerFunc {
	return func(c *gin.Context) {
		switch on := c.Query("on"); {
		case c.Param("verb") != "drain":
			otherwise(c)
		case c.GetHeader(server.ClusterHeader) == "":
			c.JSON(http.StatusForbidden, gin.H{"error": "the header " + server.ClusterHeader + " is missing"})
		case on != "" && on != "true" && on != "false":
			c.JSON(http.StatusBadRequest, gin.H{"error": "on is neither true nor false"})
		case !side.drainAsAsked(c):
			c.JSON(http.StatusConflict, gin.H{"error": "there is no other server to which its clients could go"})
		case side.draining.Load():
			c.JSON(http.StatusOK, gin.H{"note": "its clients were sent to others, and it takes no new ones"})
		default:
			c.JSON(http.StatusOK, gin.H{"note": "it takes clients"})
		}
	}
}
