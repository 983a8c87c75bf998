// Package config reads, publishes and follows configs.
//
// Subscribe yields a config as it is and again whenever it has another content.
// Who reads slowly gets the latest content, not those in between. All subscribers
// of one config share one listener at the server; what is heard of is read on the
// connection that told of it, so it is never older than the news.
package config
