package nacosapi

import (
	"github.com/zensus-io/zensus/internal/nacos/rest"
)

// routesConsole mounts what Nacos's console calls: v3 under other paths.
func (a *API) routesConsole(g *rest.Group, limit, read, write, user rest.HandlerFunc) {
	g.GET("/config", read, checkNames, rest.Handle(a.detailV3)) // it asks before it publishes
	g.POST("/config", limit, write, checkNames, rest.Handle(a.publishV3))
	g.DELETE("/config", write, checkNames, rest.Handle(a.removeV3))
	g.DELETE("/config/batchDelete", user, rest.Handle(a.removeBatchV3))
	g.GET("/config/list", read, rest.Handle(a.searchV3))
	g.GET("/config/searchDetail", read, rest.Handle(a.searchV3))
	g.GET("/config/listener", read, checkNames, rest.Handle(a.listenersOfConfigV3))
	g.GET("/config/listener/ip", read, checkNames, rest.Handle(a.listenersOfClientV3))
	g.GET("/config/beta", read, checkNames, rest.Handle(a.betaOfConsole))
	g.DELETE("/config/beta", write, checkNames, rest.Handle(a.stopBetaOfConsole))
	g.GET("/config/export2", read, checkNames, rest.Handle(a.exportV3))
	g.POST("/config/import", limit, write, rest.Handle(a.importOfConsole))
	// Which namespace is cloned to, and from, the handler looks at.
	g.POST("/config/clone", limit, user, rest.Handle(a.cloneOfConsole))
	a.routesHistoryV3(g.Group("/history"), read)
}
